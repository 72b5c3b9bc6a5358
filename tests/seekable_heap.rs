//! P3, P9 and P11 of `SeekableReader`: making one allocates nothing, and what it holds is the threshold and one window.

mod heap;

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use heap::{NOTHING, Usage, measured};
use spooled::{Backing, Pool, SeekableReader, SpoolOptions};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What a window may grow to in long sequential work.
const LARGE_WINDOW: usize = 256 * KIB;
/// Paths, options, the mapping's and the file's own bookkeeping.
const SLACK: usize = 4 * KIB;
const BACKINGS: [Backing; 2] = [Backing::File, Backing::Mmap];

#[test]
fn p9_making_a_reader_and_seeking_in_it_allocates_nothing() {
    let pool = Pool::builder().memory(MIB).disk(1 << 30).dir(env!("CARGO_TARGET_TMPDIR")).build();
    for options in [options(64 * KIB, Backing::File), options(64 * KIB, Backing::File).pool(&pool).clone()] {
        let usage = measured(|| {
            drop(SeekableReader::new(io::empty()));
            let mut reader = SeekableReader::with_options(io::repeat(7), &options);
            assert_eq!(reader.seek(SeekFrom::Start(1 << 40)).unwrap(), 1 << 40);
            assert_eq!(reader.seek(SeekFrom::Current(-9)).unwrap(), (1 << 40) - 9);
            assert_eq!(reader.read(&mut []).unwrap(), 0);
            assert_eq!((reader.stream_position().unwrap(), reader.pulled()), ((1 << 40) - 9, 0));
            reader.rewind().unwrap();
            let (_, spool) = reader.into_parts();
            assert!(spool.is_empty());
        });
        // One in a pool has a seat there, which is kept with the options that were used before.
        assert!(usage == NOTHING, "{usage:?}");
    }
}

#[test]
fn p3_a_reader_holds_the_threshold_and_one_window() {
    for threshold in [0, 1000, 64 * KIB, MIB] {
        for backing in BACKINGS {
            let len = threshold + 5 * MIB;
            within(threshold, backing, len, |reader| {
                let mut buf = [0; 100];
                while reader.read(&mut buf).unwrap() > 0 {}
                reader.rewind().unwrap();
                while reader.read(&mut buf).unwrap() > 0 {}
            });
            let mut large = vec![0; 300 * KIB];
            within(threshold, backing, len, |reader| while reader.read(&mut large).unwrap() > 0 {});
            within(threshold, backing, len, |reader| {
                assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), len as u64);
            });
            within(threshold, backing, len, |reader| {
                // From far beyond all that is there.
                reader.seek(SeekFrom::Start(u64::MAX)).unwrap();
                assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
                reader.seek(SeekFrom::Start(len as u64 / 2)).unwrap();
                reader.read_exact(&mut [0; 9]).unwrap();
            });
        }
    }
}

#[test]
fn p11_a_warm_reader_allocates_nothing() {
    for len in [2 * KIB, 128 * KIB, MIB] {
        let pool = Pool::builder().dir(env!("CARGO_TARGET_TMPDIR")).build();
        let mut options = SpoolOptions::new();
        options.threshold(64 * KIB).pool(&pool);
        let life = || {
            let mut reader = SeekableReader::with_options(io::repeat(7).take(len as u64), &options);
            let mut buf = [0; 8 * KIB];
            while reader.read(&mut buf).unwrap() > 0 {}
            reader.seek(SeekFrom::Start(9)).unwrap();
            reader.read_exact(&mut buf[..1000]).unwrap();
        };
        life();
        life();
        assert_eq!(measured(life), NOTHING, "for {len} bytes");
    }
}

/// Does `work` on a reader of `len` bytes, and looks at what the heap held meanwhile.
#[track_caller]
fn within(
    threshold: usize,
    backing: Backing,
    len: usize,
    work: impl FnOnce(&mut SeekableReader<io::Take<io::Repeat>>),
) {
    let options = options(threshold, backing);
    let usage = measured(|| {
        let mut reader = SeekableReader::with_options(io::repeat(7).take(len as u64), &options);
        work(&mut reader);
        assert_eq!(reader.pulled(), len as u64);
    });
    let Usage { peak, left, .. } = usage;
    let most = threshold + LARGE_WINDOW + SLACK;
    assert!(peak <= most as isize && left == 0, "{usage:?}, {most} allowed; threshold {threshold}, {backing:?}");
}

fn options(threshold: usize, backing: Backing) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.threshold(threshold).backing(backing).dir(Path::new(env!("CARGO_TARGET_TMPDIR")));
    options
}
