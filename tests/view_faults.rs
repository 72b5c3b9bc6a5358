//! Every fault in turn, under a `SeekableReader` and under a `tail`: whoever meets it is where he was, and so is everybody else.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;

use ground::walk::{self, INTERRUPTED};
use ground::{BACKINGS, KIB, assert_holds, assert_same, bytes, options};
use spooled::{SeekableReader, SpoolOptions, tail};

#[test]
fn p4_each_failing_write_under_a_view_loses_nothing() {
    let name = "p4_each_failing_write_under_a_view_loses_nothing";
    walk::walk(name, &[("pwrite64", "ENOSPC")], script);
}

#[test]
fn p4_each_failing_read_under_a_view_loses_nothing() {
    walk::walk("p4_each_failing_read_under_a_view_loses_nothing", &[("pread64", "EIO")], script);
}

#[test]
fn p2_each_failing_open_or_change_of_length_under_a_view_loses_nothing() {
    let name = "p2_each_failing_open_or_change_of_length_under_a_view_loses_nothing";
    walk::walk(
        name,
        &[("openat", "EMFILE"), ("fchmod", "EIO"), ("ftruncate", "ENOSPC"), ("fallocate", "ENOSPC")],
        script,
    );
}

#[test]
fn p4_a_call_under_a_view_that_is_interrupted_is_made_again() {
    let calls = ["pwrite64", "pread64", "openat"];
    let name = "p4_a_call_under_a_view_that_is_interrupted_is_made_again";
    walk::walk(name, &calls.map(|call| (call, INTERRUPTED)), script);
}

fn script(directory: &Path, interrupted: bool) {
    let content = bytes(400 * KIB, 1);
    let spools = directory.join("spools");
    fs::create_dir(&spools).unwrap();
    walk::begin(directory);
    let mut met = 0;
    for backing in BACKINGS {
        for threshold in [0, 100 * KIB] {
            let options = options(&spools, threshold, backing);
            met += seek_in(&options, &content) + follow(&options, &content);
        }
    }
    walk::end(directory);
    walk::met(met, interrupted);
}

/// Reads all of `content` in many ways; says how often a call failed, and then worked.
fn seek_in(options: &SpoolOptions, content: &[u8]) -> usize {
    let mut reader = SeekableReader::with_options(content, options);
    let mut met = 0;
    let mut buf = vec![0; 100 * KIB];
    for count in [1000, 50 * KIB, 100 * KIB] {
        let at = reader.stream_position().unwrap() as usize;
        insist(&mut reader, &mut met, |reader| reader.read_exact(&mut buf[..count]));
        assert_same(&buf[..count], &content[at..][..count], "by read_exact");
    }
    reader.seek(SeekFrom::Start(7000)).unwrap();
    for at in (7000..40_000).step_by(500) {
        let read = insist(&mut reader, &mut met, |reader| reader.read(&mut buf[..500]));
        assert_same(&buf[..read], &content[at..][..500], "by read");
    }
    reader.seek(SeekFrom::Start(100_001)).unwrap();
    let piece = insist(&mut reader, &mut met, |reader| reader.fill_buf().map(<[u8]>::to_vec));
    assert_same(&piece, &content[100_001..][..piece.len()], "by fill_buf");
    reader.seek(SeekFrom::Start(200 * KIB as u64)).unwrap();
    insist(&mut reader, &mut met, |reader| reader.read(&mut buf[..1]));
    let end = insist(&mut reader, &mut met, |reader| {
        let before = reader.stream_position()?;
        reader.seek(SeekFrom::End(-3)).inspect(|_| assert_eq!(before, 200 * KIB as u64 + 1))
    });
    assert_eq!((end, reader.pulled()), (content.len() as u64 - 3, content.len() as u64));
    reader.rewind().unwrap();
    let mut all = vec![];
    if reader.read_to_end(&mut all).is_err() {
        met += 1;
        assert_eq!(reader.stream_position().unwrap(), all.len() as u64);
        reader.read_to_end(&mut all).unwrap();
    }
    assert_same(&all, content, "by read_to_end");
    let (source, mut spool) = reader.into_parts();
    assert!(source.is_empty());
    // Whatever fails now is the spool's own affair.
    if met > 0 {
        assert_holds(&mut spool, content);
    }
    met
}

/// Writes all of `content`, and reads it on its way, by two.
fn follow(options: &SpoolOptions, content: &[u8]) -> usize {
    let (mut writer, mut first) = tail::channel(options);
    let mut second = first.clone();
    let (mut met, mut taken, mut buf) = (0, 0, vec![0; 100 * KIB]);
    for (number, piece) in [100, 9000, 64 * KIB, 100 * KIB, 30_000, 64, 100 * KIB].into_iter().enumerate() {
        let piece = &content[taken..][..piece.min(content.len() - taken)];
        let mut done = 0;
        while done < piece.len() {
            done += writer.write(&piece[done..]).unwrap_or_else(|_| {
                met += 1;
                let published = first.published() as usize;
                assert!(published <= taken + done);
                writer.write(&piece[done..]).unwrap()
            });
        }
        taken += done;
        if number % 3 == 1 {
            continue;
        }
        writer.flush().unwrap_or_else(|_| {
            met += 1;
            writer.flush().unwrap();
        });
        assert_eq!(first.published(), taken as u64);
        let at = first.position() as usize;
        let count = (taken - at).min(buf.len());
        insist(&mut first, &mut met, |reader| reader.read_exact(&mut buf[..count]));
        assert_same(&buf[..count], &content[at..][..count], "by read_exact");
        let offset = taken / 2;
        let read = insist(&mut second, &mut met, |reader| reader.read_at(&mut buf[..300], offset as u64));
        assert_same(&buf[..read], &content[offset..][..read], "by read_at");
        for _ in 0..10 {
            let at = second.position() as usize;
            let read = insist(&mut second, &mut met, |reader| reader.read(&mut buf[..500]));
            assert_same(&buf[..read], &content[at..][..read], "by read");
            if second.position() == second.published() {
                break;
            }
        }
    }
    writer.finish().unwrap();
    for reader in [&mut first, &mut second] {
        reader.rewind().unwrap();
        let mut all = vec![];
        if reader.read_to_end(&mut all).is_err() {
            met += 1;
            assert_eq!(reader.position(), all.len() as u64);
            reader.read_to_end(&mut all).unwrap();
        }
        assert_same(&all, &content[..taken], "by read_to_end");
    }
    met
}

/// A call that may fail once, and then has moved nothing.
#[track_caller]
fn insist<S: Seek, T>(on: &mut S, met: &mut usize, mut call: impl FnMut(&mut S) -> io::Result<T>) -> T {
    let before = on.stream_position().unwrap();
    call(on).unwrap_or_else(|_| {
        *met += 1;
        assert_eq!(on.stream_position().unwrap(), before, "a call that failed has moved it");
        call(on).unwrap()
    })
}
