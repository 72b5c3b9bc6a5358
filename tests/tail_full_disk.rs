//! P2, P4 and P7 of `tail` on a disk that is really full: the writer is told, and goes on when there is room; readers at work
//! keep what was published, and in the end have all of it.
#![cfg(target_os = "linux")]

mod ground;

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ground::mount::{Mount, small_disk};
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, assert_empty, assert_full, assert_same, bytes, in_time, options};
use spooled::{Backing, Pool, tail};

#[test]
fn p4_a_disk_that_fills_while_readers_are_at_work_loses_nothing() {
    in_time(|| {
        let Some(disk) = small_disk() else { return };
        let content = bytes(2 * MIB, 1);
        for backing in BACKINGS {
            for threshold in [0, 1000, 64 * KIB, 300 * KIB] {
                for piece in [100, 4096, 10_001, 64 * KIB, 150_000] {
                    disk.fill(400 * KIB);
                    let (mut writer, reader) = tail::channel(&options(disk.path(), threshold, backing));
                    let accepted = AtomicUsize::new(0);
                    thread::scope(|scope| {
                        for size in [500, 70_000, usize::MAX] {
                            let (reader, accepted, content) = (reader.clone(), &accepted, &content);
                            scope.spawn(move || follow(reader, size, content, accepted));
                        }
                        let error = write(&mut writer, &content, piece, &accepted).unwrap_err();
                        assert_full(&error, disk.path());
                        let taken = accepted.load(Ordering::SeqCst);
                        assert!(taken <= 400 * KIB + threshold.max(64 * KIB) + 256 * KIB, "{taken} were accepted");
                        // It is as full as before, and nobody has lost anything by that.
                        for _ in 0..3 {
                            assert_full(&writer.write(&content[taken..][..piece]).unwrap_err(), disk.path());
                            let _ = writer.flush();
                            assert_published(&reader, &content[..taken]);
                        }
                        thread::sleep(Duration::from_millis(1));
                        disk.resize(4 * MIB);
                        write(&mut writer, &content, piece, &accepted).unwrap();
                        writer.finish().unwrap();
                    });
                    drop(reader);
                    disk.clear(MIB);
                }
            }
        }
        assert_empty(disk.path());
    });
}

/// Another file goes, and with the space that it had the writer goes on.
#[test]
fn p4_room_that_another_file_leaves_is_enough_to_go_on() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(900 * KIB, 2);
    for backing in BACKINGS {
        let mut other = options(disk.path(), 0, backing).build();
        other.write_all(&content[..800 * KIB]).unwrap();
        other.flush().unwrap();
        let accepted = AtomicUsize::new(0);
        let (mut writer, mut reader) = tail::channel(&options(disk.path(), 1000, backing));
        assert_full(&write(&mut writer, &content, 5000, &accepted).unwrap_err(), disk.path());
        let published = assert_published(&reader, &content);
        let mut seen = vec![0; published];
        reader.read_exact(&mut seen).unwrap();
        drop(other);
        write(&mut writer, &content, 5000, &accepted).unwrap();
        writer.finish().unwrap();
        reader.read_to_end(&mut seen).unwrap();
        assert_same(&seen, &content, "before and after");
    }
    assert_empty(disk.path());
}

/// All or nothing: what is in memory stays there, and can be read, while the file cannot be had.
#[test]
fn p2_a_rollover_onto_a_full_disk_leaves_readers_in_memory() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(400 * KIB, 3);
    for backing in BACKINGS {
        disk.fill(100 * KIB);
        let (mut writer, mut reader) = tail::channel(&options(disk.path(), 300 * KIB, backing));
        writer.write_all(&content[..299 * KIB]).unwrap();
        writer.flush().unwrap();
        let mut seen = vec![0; 150 * KIB];
        reader.read_exact(&mut seen).unwrap();
        for _ in 0..3 {
            assert_full(&writer.write(&content[299 * KIB..]).unwrap_err(), disk.path());
            assert_eq!(disk.free(), 100 * KIB, "the file that could not be had still takes space");
            writer.flush().unwrap();
            assert_eq!(reader.published(), 299 * KIB as u64);
            assert_published(&reader, &content[..299 * KIB]);
        }
        disk.resize(4 * MIB);
        writer.write_all(&content[299 * KIB..]).unwrap();
        writer.finish().unwrap();
        reader.read_to_end(&mut seen).unwrap();
        assert_same(&seen, &content, "before and after");
        drop(reader);
        disk.clear(MIB);
    }
    assert_empty(disk.path());
}

#[derive(Debug, Clone, Copy)]
enum End {
    Finish,
    Fail,
    Drop,
}

/// What the disk does not take is missing in front of an error, never of an end.
#[test]
fn p4_an_end_on_a_full_disk_is_an_error_to_readers() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for (end, unwritten) in [End::Finish, End::Fail, End::Drop].into_iter().flat_map(|end| [(end, 1), (end, 9000)])
        {
            let (writer, mut reader, content) = with_something_unwritten(&disk, backing, unwritten);
            let written = content.len() - unwritten;
            match end {
                End::Finish => assert_full(&writer.finish().unwrap_err(), disk.path()),
                End::Fail => writer.fail(ErrorKind::TimedOut.into()),
                End::Drop => drop(writer),
            }
            let published = reader.published() as usize;
            assert!((written..content.len()).contains(&published), "{published} of {}", content.len());
            for _ in 0..2 {
                reader.rewind().unwrap();
                let mut seen = vec![];
                let error = reader.read_to_end(&mut seen).unwrap_err();
                assert_same(&seen, &content[..published], "before the end");
                let cause = error.get_ref().unwrap();
                match end {
                    End::Finish => {
                        assert_eq!(error.kind(), ErrorKind::StorageFull);
                        assert_eq!(
                            cause.downcast_ref::<tail::Failed>().unwrap().cause().kind(),
                            ErrorKind::StorageFull
                        );
                    }
                    End::Fail => {
                        assert_eq!(error.kind(), ErrorKind::TimedOut);
                        assert_eq!(cause.downcast_ref::<tail::Failed>().unwrap().cause().kind(), ErrorKind::TimedOut);
                    }
                    End::Drop => assert!(cause.is::<tail::Abandoned>()),
                }
                let again = reader.clone().read(&mut [0; 9]).unwrap_err();
                assert_eq!(again.kind(), error.kind());
                assert_eq!(reader.seek(SeekFrom::End(0)).unwrap_err().kind(), error.kind());
            }
            drop(reader);
            disk.clear(MIB);
        }
    }
    assert_empty(disk.path());
}

#[test]
fn p4_p8_a_tail_of_a_pool_on_a_full_disk_counts_what_it_has() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(800 * KIB, 4);
    for backing in BACKINGS {
        for memory in [usize::MAX, 0] {
            let pool = Pool::builder().dir(disk.path()).disk(4 << 20).memory(memory).build();
            for _ in 0..3 {
                disk.fill(disk.free().min(400 * KIB));
                let accepted = AtomicUsize::new(0);
                let (mut writer, mut reader) = tail::channel(&ground::pool::options(&pool, 1000, backing));
                // A file that is used again has its blocks.
                if let Err(error) = write(&mut writer, &content, 7000, &accepted) {
                    assert_full(&error, disk.path());
                }
                let taken = accepted.load(Ordering::SeqCst);
                let stats = ground::pool::sound(&pool);
                assert!(stats.disk_used - stats.disk_retained >= taken as u64, "{taken} bytes: {stats:?}");
                assert_published(&reader, &content[..taken]);
                disk.resize(4 * MIB);
                write(&mut writer, &content, 7000, &accepted).unwrap();
                writer.finish().unwrap();
                let mut seen = vec![];
                reader.read_to_end(&mut seen).unwrap();
                assert_same(&seen, &content, "all of it");
                drop(reader);
                let stats = ground::pool::sound(&pool);
                assert_eq!((stats.spools, stats.rolled), (0, 0), "{stats:?}");
                pool.trim();
                disk.clear(MIB);
            }
            at_rest(&pool);
        }
    }
    assert_empty(disk.path());
}

/// Writes on from what was accepted, and counts that.
#[track_caller]
fn write(writer: &mut tail::Writer, content: &[u8], piece: usize, accepted: &AtomicUsize) -> io::Result<()> {
    loop {
        let rest = &content[accepted.load(Ordering::SeqCst)..];
        if rest.is_empty() {
            return Ok(());
        }
        let taken = writer.write(&rest[..rest.len().min(piece)])?;
        assert!(taken > 0, "a write took nothing and said so as a success");
        accepted.fetch_add(taken, Ordering::SeqCst);
    }
}

/// Reads to the end in pieces of that size, and never what was not there.
#[track_caller]
fn follow(mut reader: tail::Reader, size: usize, content: &[u8], accepted: &AtomicUsize) {
    let mut seen = vec![];
    if size == usize::MAX {
        reader.read_to_end(&mut seen).unwrap();
        return assert_same(&seen, content, "by read_to_end");
    }
    let mut buf = vec![0; size];
    while let Some(read) = Some(reader.read(&mut buf).unwrap()).filter(|read| *read > 0) {
        seen.extend_from_slice(&buf[..read]);
        assert_same(&buf[..read], &content[seen.len() - read..seen.len()], "by read");
    }
    assert_eq!((seen.len(), accepted.load(Ordering::SeqCst)), (content.len(), content.len()));
}

/// What is published is what was written, as far as it goes: how far that is.
#[track_caller]
fn assert_published(reader: &tail::Reader, content: &[u8]) -> usize {
    let published = reader.published() as usize;
    let mut seen = vec![0; published];
    if published > 0 {
        assert_eq!(reader.read_at(&mut seen, 0).unwrap(), published);
    }
    assert_same(&seen, &content[..published], "what is published");
    published
}

/// A rolled tail on a disk that is now full, which does not have the last `unwritten` bytes.
#[track_caller]
fn with_something_unwritten(disk: &Mount, backing: Backing, unwritten: usize) -> (tail::Writer, tail::Reader, Vec<u8>) {
    // To the end of a page, so that one byte more needs another.
    let content = bytes(400 * KIB + unwritten, 6);
    let (mut writer, reader) = tail::channel(&options(disk.path(), 0, backing));
    writer.write_all(&content[..400 * KIB]).unwrap();
    writer.flush().unwrap();
    disk.fill(0);
    writer.write_all(&content[400 * KIB..]).unwrap();
    assert_full(&writer.flush().unwrap_err(), disk.path());
    (writer, reader, content)
}

/// What a write says it took is what there is, however many pieces it went in.
#[test]
fn p4_a_large_write_that_the_disk_ends_tells_what_it_took() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(2 * MIB, 6);
    for backing in BACKINGS {
        // It ends where a piece does, so that the next one takes nothing.
        disk.fill(512 * KIB);
        let (mut writer, mut reader) = tail::channel(&options(disk.path(), 0, backing));
        let taken = writer.write(&content).unwrap();
        assert_eq!(taken, 512 * KIB);
        assert_full(&writer.write(&content[taken..]).unwrap_err(), disk.path());
        assert_published(&reader, &content[..taken]);
        disk.resize(4 * MIB);
        writer.write_all(&content[taken..]).unwrap();
        writer.finish().unwrap();
        let mut all = vec![];
        reader.read_to_end(&mut all).unwrap();
        assert_same(&all, &content, "after it went on");
        drop(reader);
        disk.clear(MIB);
    }
    assert_empty(disk.path());
}
