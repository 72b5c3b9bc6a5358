//! `SpooledBytes`: one content, any number of readers, and none sees another.

use std::io::{BufRead, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::time::{Duration, Instant};

use bytes::Bytes;
use spooled::{Backing, SpooledBytes, SpooledTempFile};

use crate::fixture::case::Case;
use crate::fixture::end::look_at_frozen;
use crate::fixture::look::assert_content;
use crate::fixture::{BACKINGS, Ground, KIB, MAPS, MIB, assert_same, bytes_of, noise};

#[track_caller]
fn frozen(case: Case, ground: &Ground, content: &[u8]) -> SpooledBytes {
    let mut spool = case.options(ground).build();
    spool.write_all(content).unwrap();
    spool.freeze().unwrap()
}

#[test]
fn p1_frozen_content_is_what_was_written() {
    let ground = Ground::new();
    for len in [0, 1, 1000, 64 * KIB, 300 * KIB] {
        for case in Case::grid(len) {
            let mut spool = case.options(&ground).build();
            spool.write_all(noise(len, 1)).unwrap();
            let rolled = spool.is_rolled();
            look_at_frozen(spool.freeze().unwrap(), noise(len, 1).to_vec(), rolled, &[]);
        }
        look_at_frozen(SpooledBytes::from(noise(len, 1).to_vec()), noise(len, 1).to_vec(), false, &[]);
        look_at_frozen(SpooledBytes::from(Bytes::from_static(noise(len, 1))), noise(len, 1).to_vec(), false, &[]);
    }
}

#[test]
fn p1_clones_have_cursors_of_their_own() {
    let ground = Ground::new();
    let content = noise(200 * KIB, 1);
    for case in Case::grid(content.len()) {
        let mut first = frozen(case, &ground, content);
        first.seek(SeekFrom::Start(5)).unwrap();
        let mut second = first.clone();
        assert_eq!(second.position(), 5, "a clone keeps the cursor");
        let mut piece = [0; 100];
        for turn in 0..1000 {
            first.read_exact(&mut piece).unwrap();
            let at = 5 + turn * 100;
            assert_same(&piece, &content[at..at + 100], "by the first");
            second.seek(SeekFrom::Start((turn * 199) as u64)).unwrap();
            second.read_exact(&mut piece[..7]).unwrap();
            assert_same(&piece[..7], &content[turn * 199..turn * 199 + 7], "by the second");
        }
        assert_eq!(first.position(), 5 + 100 * 1000);
    }
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p1_many_threads_read_one_content() {
    let ground = Ground::new();
    let content = noise(MIB, 1);
    for case in Case::grid(content.len()) {
        let whole = frozen(case, &ground, content);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (whole, mut own) = (&whole, whole.clone());
                scope.spawn(move || {
                    let mut piece = vec![0; 1000 + thread * 33_333];
                    let mut at = 0;
                    while at < content.len() {
                        let read = own.read(&mut piece).unwrap();
                        assert_same(&piece[..read], &content[at..at + read], "by a clone");
                        // All through one shared reference too.
                        let from = content.len() - at - read;
                        let read_at = whole.read_at(&mut piece[..read], from as u64).unwrap();
                        assert_same(&piece[..read_at], &content[from..from + read_at], "by read_at");
                        at += read;
                    }
                    let bytes = whole.slice(thread as u64 * 1000..content.len() as u64).to_bytes().unwrap();
                    assert_same(&bytes, &content[thread * 1000..], "by to_bytes");
                });
            }
        });
    }
}

/// Somebody sent a slice of a mapped file through `fill_buf`, and all that lay behind it went along.
#[test]
fn slices_end_where_they_should() {
    let ground = Ground::new();
    let content = noise(100 * KIB, 1);
    let len = content.len() as u64;
    for case in Case::grid(content.len()) {
        let mut whole = frozen(case, &ground, content);
        whole.seek(SeekFrom::Start(77)).unwrap();
        for (begin, end) in [(0, len), (0, 0), (len, len), (1, len - 1), (5000, 5001), (4096, 70_000), (90_000, len)] {
            let expected = &content[begin as usize..end as usize];
            let slice = whole.slice(begin..end);
            assert_eq!((slice.position(), slice.len(), slice.is_rolled()), (0, end - begin, whole.is_rolled()));
            assert_content(&slice, expected, 7000);
            assert_all_ways(slice, expected);
            // A slice of a slice counts from the slice's start.
            let middle = (begin + end) / 2;
            let half = whole.slice(begin..end).slice(middle - begin..);
            assert_all_ways(half, &content[middle as usize..end as usize]);
        }
        assert_all_ways(whole.slice(..), content);
        assert_all_ways(whole.slice(..=10), &content[..11]);
        assert_all_ways(whole.slice((Bound::Excluded(10), Bound::Unbounded)), &content[11..]);
        assert_eq!(whole.position(), 77);
    }
}

/// Each way to read goes to the end of this content, and not into what lies behind it.
#[track_caller]
fn assert_all_ways(mut frozen: SpooledBytes, expected: &[u8]) {
    let mut seen = vec![];
    for at in [0, expected.len() / 3] {
        frozen.seek(SeekFrom::Start(at as u64)).unwrap();
        loop {
            let piece = frozen.fill_buf().unwrap();
            let count = piece.len();
            if count == 0 {
                break;
            }
            seen.extend_from_slice(piece);
            frozen.consume(count);
        }
        assert_same(&seen, &expected[at..], "by fill_buf");
        assert_eq!(frozen.position(), expected.len() as u64);
        seen.clear();
        frozen.seek(SeekFrom::Start(at as u64)).unwrap();
        frozen.read_to_end(&mut seen).unwrap();
        assert_same(&seen, &expected[at..], "by read_to_end");
        seen.clear();
        frozen.seek(SeekFrom::Start(at as u64)).unwrap();
        frozen.by_ref().take(u64::MAX).read_to_end(&mut seen).unwrap();
        assert_same(&seen, &expected[at..], "by read");
        seen.clear();
    }
    assert_same(&bytes_of(&frozen), expected, "by to_bytes");
    let chunks = frozen.chunks(3000).collect::<std::io::Result<Vec<_>>>().unwrap();
    assert_same(&chunks.concat(), expected, "by chunks");
    assert_eq!(frozen.seek(SeekFrom::End(0)).unwrap(), expected.len() as u64);
    assert_eq!(frozen.read(&mut [0]).unwrap(), 0);
    assert_eq!(frozen.read_at(&mut [0; 10], expected.len() as u64).unwrap(), 0);
    assert_eq!(frozen.read_at(&mut [0; 10], u64::MAX).unwrap(), 0);
}

/// As `Bytes::slice` does, for the same ranges.
#[cfg(panic = "unwind")]
#[test]
fn a_slice_out_of_range_panics() {
    let ground = Ground::new();
    for case in Case::grid(10) {
        let whole = frozen(case, &ground, b"0123456789");
        let bytes = Bytes::from_static(b"0123456789");
        for (begin, end) in [(0, 11), (11, 11), (5, 4), (11, 12), (10, 10), (0, 10), (9, u64::MAX), (u64::MAX, 0)] {
            let ours = panics_or(|| whole.slice(begin..end).len());
            let theirs = panics_or(|| bytes.slice(begin as usize..end as usize).len() as u64);
            assert_eq!(ours, theirs, "{begin}..{end}");
        }
        assert_eq!(panics_or(|| whole.slice(..=10).len()), None);
        assert_eq!(panics_or(|| whole.slice(..=u64::MAX).len()), None);
        assert_eq!(panics_or(|| whole.slice((Bound::Excluded(u64::MAX), Bound::Unbounded)).len()), None);
    }
}

#[cfg(panic = "unwind")]
fn panics_or<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

#[test]
fn to_bytes_copies_nothing() {
    let ground = Ground::new();
    let vec = noise(10_000, 1).to_vec();
    let at = vec.as_ptr();
    let from_vec = SpooledTempFile::from(vec).freeze().unwrap();
    assert_eq!(from_vec.to_bytes().unwrap().as_ptr(), at, "memory as it is");
    assert_eq!(from_vec.chunks(100).next().unwrap().unwrap().as_ptr(), at);
    let bytes = Bytes::from(noise(10_000, 1).to_vec());
    assert_eq!(SpooledBytes::from(bytes.clone()).to_bytes().unwrap().as_ptr(), bytes.as_ptr());
    for case in Case::grid(10_000) {
        let whole = frozen(case, &ground, noise(10_000, 1));
        if whole.is_rolled() && !MAPS {
            assert_eq!(whole.to_bytes().unwrap_err().kind(), ErrorKind::Unsupported);
            continue;
        }
        let bytes = whole.to_bytes().unwrap();
        // One mapping for all clones, and for all slices.
        assert_eq!(whole.to_bytes().unwrap().as_ptr(), bytes.as_ptr());
        assert_eq!(whole.clone().to_bytes().unwrap().as_ptr(), bytes.as_ptr());
        assert_eq!(whole.slice(5000..).to_bytes().unwrap().as_ptr(), bytes[5000..].as_ptr());
        assert_same(&bytes, noise(10_000, 1), "by to_bytes");
    }
}

/// What was made of frozen content needs neither it nor the directory.
#[test]
fn bytes_outlive_all_they_came_from() {
    for case in Case::grid(100_000) {
        let ground = Ground::new();
        let whole = frozen(case, &ground, noise(100_000, 1));
        let slice = whole.slice(10..20_000);
        let chunks = whole.chunks(9999);
        let bytes = bytes_of(&whole);
        drop(whole);
        ground.forget_pools();
        drop(ground);
        assert_all_ways(slice, &noise(100_000, 1)[10..20_000]);
        assert_same(&chunks.collect::<std::io::Result<Vec<_>>>().unwrap().concat(), noise(100_000, 1), "by chunks");
        let tail = bytes.slice(99_000..);
        drop(bytes);
        assert_same(&tail, &noise(100_000, 1)[99_000..], "by a slice of what is gone");
    }
}

#[test]
fn chunks_are_of_the_size_that_was_asked_for() {
    let ground = Ground::new();
    for case in Case::grid(1000) {
        let whole = frozen(case, &ground, noise(1000, 1));
        for size in [0, 1, 7, 999, 1000, 1001, usize::MAX] {
            let mut chunks = whole.chunks(size);
            let count = 1000_usize.div_ceil(size.max(1));
            assert_eq!(chunks.size_hint(), (count, Some(count)));
            let pieces: Vec<_> = chunks.by_ref().map(Result::unwrap).collect();
            assert_eq!(pieces.len(), count);
            assert_same(&pieces.concat(), noise(1000, 1), "by chunks");
            assert!(chunks.next().is_none() && chunks.next().is_none());
        }
        assert!(frozen(case, &ground, b"").chunks(10).next().is_none());
        assert_eq!(frozen(case, &ground, b"").to_bytes().unwrap(), "");
    }
}

/// Two gibibytes on disk become one `Bytes`, without being read.
#[cfg(not(target_family = "wasm"))]
#[test]
fn two_gibibytes_become_one_bytes() {
    const LEN: u64 = 2 << 30;
    let ground = Ground::new();
    let frozen_in = |backing| {
        let mut spool = Case::new(64 * KIB, backing).options(&ground).build();
        spool.write_all(b"the beginning").unwrap();
        spool.set_len(LEN).unwrap();
        spool.write_at(b"the end", LEN - 7).unwrap();
        spool.write_at(b"between", LEN / 2).unwrap();
        let started = Instant::now();
        let bytes = spool.freeze().unwrap().to_bytes().unwrap();
        let took = started.elapsed();
        assert_eq!(bytes.len() as u64, LEN);
        assert!(bytes.starts_with(b"the beginning\0"));
        assert!(bytes.ends_with(b"\0the end"));
        assert_eq!(&bytes[(LEN / 2) as usize..][..8], b"between\0");
        took
    };
    for backing in BACKINGS {
        // Microseconds, where reading it takes a second; but a busy machine is no failure.
        assert!((0..10).any(|_| frozen_in(backing) < Duration::from_millis(500)), "{backing:?}");
    }
}

/// A spool of `Backing::Mmap` that grew and shrank under its mapping freezes as what it is at last.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p1_a_mapping_follows_what_happened_before_the_freeze() {
    let ground = Ground::new();
    for threshold in [0, 1000] {
        let mut spool = Case::new(threshold, Backing::Mmap).options(&ground).build();
        let mut model = Cursor::new(vec![]);
        for round in 0..20 {
            let piece = noise(10_000 + round * 777, round as u8);
            spool.write_all(piece).unwrap();
            model.write_all(piece).unwrap();
            assert_same(spool.as_slice().unwrap(), model.get_ref(), "by as_slice");
            let len = model.get_ref().len() - round * 300;
            spool.set_len(len as u64).unwrap();
            model.get_mut().truncate(len);
            assert_same(spool.as_slice().unwrap(), model.get_ref(), "by as_slice, cut");
            spool.seek(SeekFrom::End(-5)).unwrap();
            model.seek(SeekFrom::End(-5)).unwrap();
        }
        let frozen = spool.freeze().unwrap();
        assert_all_ways(frozen, model.get_ref());
    }
}
