//! A process that may have no more memory: `RLIMIT_AS`, the kernel's own refusal. An error, and nothing is lost.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use ground::limits::Limited;
use ground::{
    BACKINGS, KIB, MIB, Scratch, assert_holds, assert_names_path, assert_same, bytes, child, numbers, options,
};
use rustix::process::Resource;
use spooled::Backing;

#[test]
fn p3_memory_that_the_system_refuses_is_an_error_and_nothing_is_lost() {
    const NAME: &str = "p3_memory_that_the_system_refuses_is_an_error_and_nothing_is_lost";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let mut spool = options(Path::new(&directory), usize::MAX, Backing::File).build();
    let piece = bytes(MIB, 1);
    let mut pieces = 0;
    let limited = limit_to(64 * MIB);
    let error = loop {
        match spool.write(&piece) {
            Ok(MIB) => pieces += 1,
            Ok(part) => panic!("{part} bytes of a piece were taken"),
            Err(error) => break error,
        }
        assert!(pieces <= 64, "more than there was");
    };
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error:?}");
    assert_eq!(spool.set_len(1 << 30).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    assert_eq!(spool.write_at(b"!", 1 << 30).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    let (len, position) = (spool.len(), spool.position());
    assert_eq!((len, position, spool.is_rolled()), ((pieces * MIB) as u64, len, false));
    let error = spool.copy_from(&mut io::repeat(9).take(1 << 30)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error:?}");
    assert!(spool.as_slice().unwrap()[pieces * MIB..].iter().all(|byte| *byte == 9));
    for (at, chunk) in spool.as_slice().unwrap()[..pieces * MIB].chunks(MIB).enumerate() {
        assert_same(chunk, &piece, &format!("piece {at}"));
    }
    // What cannot be memory can be a file, and then memory is there again.
    spool.roll().unwrap();
    spool.write_all(&piece).unwrap();
    drop(limited);
    let mut last = vec![0; MIB];
    spool.seek(SeekFrom::End(-(MIB as i64))).unwrap();
    spool.read_exact(&mut last).unwrap();
    assert_same(&last, &piece, "what came after the rollover");
}

#[test]
fn p1_a_spool_that_is_too_long_to_map_is_read_as_files_are() {
    const NAME: &str = "p1_a_spool_that_is_too_long_to_map_is_read_as_files_are";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let directory = Path::new(&directory);
    let content = bytes(MIB, 2);
    let mut spool = options(directory, 0, Backing::Mmap).build();
    spool.write_all(&content).unwrap();
    spool.set_len(1 << 30).unwrap();
    let limited = limit_to(64 * MIB);
    assert_names_path(&spool.as_slice().unwrap_err(), directory);
    let mut buf = [0; 100];
    for offset in numbers(MIB as u64 - 100, 3).take(200) {
        assert_eq!(spool.read_at(&mut buf, offset).unwrap(), 100);
        assert_same(&buf, &content[offset as usize..][..100], "by read_at");
        spool.seek(SeekFrom::Start(offset / 2)).unwrap();
        spool.read_exact(&mut buf).unwrap();
        assert_same(&buf, &content[offset as usize / 2..][..100], "by read");
    }
    let frozen = spool.freeze().unwrap();
    assert_names_path(&frozen.to_bytes().unwrap_err(), directory);
    assert_same(&frozen.chunks(MIB).next().unwrap().unwrap(), &content, "the first chunk");
    drop(limited);
    assert_eq!(frozen.to_bytes().unwrap().len(), 1 << 30);
}

/// Not a byte more than there is: whatever a window cannot have, work goes on without.
#[test]
fn p1_a_spool_works_where_there_is_no_memory_for_a_window() {
    const NAME: &str = "p1_a_spool_works_where_there_is_no_memory_for_a_window";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let directory = Path::new(&directory);
    let content = bytes(300 * KIB, 4);
    let mut seen = Vec::with_capacity(MIB);
    for backing in BACKINGS {
        let mut spool = options(directory, 1000, backing).build();
        let mut hoard = Vec::with_capacity(100_000);
        let limited = limit_to(0);
        // Takes what the allocator still has in stock, down to small pieces.
        for size in [64 * KIB, 4 * KIB, 600] {
            while hoard.len() < hoard.capacity() {
                let mut block: Vec<u8> = Vec::new();
                if block.try_reserve_exact(size).is_err() {
                    break;
                }
                hoard.push(block);
            }
        }
        // Something small is left, for bookkeeping.
        let small = hoard.len().saturating_sub(40);
        hoard.truncate(small);
        let mut written = 0;
        for piece in content.chunks(500) {
            written += spool.write(piece).unwrap();
        }
        spool.flush().unwrap();
        spool.rewind().unwrap();
        seen.clear();
        let mut buf = [0; 700];
        loop {
            match spool.read(&mut buf).unwrap() {
                0 => break,
                read => seen.extend_from_slice(&buf[..read]),
            }
        }
        drop(limited);
        drop(hoard);
        assert_eq!(written, content.len());
        assert_same(&seen, &content, "by small reads");
        assert_holds(&mut spool, &content);
    }
}

/// Lets this process have so much more address space than it has now.
fn limit_to(more: usize) -> Limited {
    let status = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').next().unwrap().parse().unwrap();
    Limited::to(Resource::As, pages * rustix::param::page_size() as u64 + more as u64)
}
