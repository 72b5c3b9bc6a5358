//! A disk that is really full: a tmpfs of 1 MiB that fills in the middle of each kind of work, and is then enlarged.
//!
//! Whatever was accepted is still there, whatever was refused can be asked for again, and looking never fails.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{self, BufRead, Cursor, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::Path;

use ground::mount::{self, Mount, small_disk};
use ground::{
    BACKINGS, KIB, MIB, Scratch, assert_empty, assert_full, assert_holds, assert_names, assert_same, bytes, child,
    file_with, names, numbers, options,
};
use spooled::{Backing, Limit, LimitError, Overflow, SpooledData, SpooledTempFile};

/// A tmpfs holds a file up to the last offset there is. A window there took bytes past it, which no flush could write.
#[test]
fn p4_no_byte_is_taken_past_the_last_offset() {
    let Some(disk) = small_disk() else { return };
    let mut spool = options(disk.path(), 0, Backing::File).build();
    spool.seek(SeekFrom::Start(i64::MAX as u64 - 150)).unwrap();
    spool.write_all(&[1; 100]).unwrap();
    let error = spool.write(&[2; 100]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    spool.write_all(&[3; 50]).unwrap();
    assert_eq!(spool.len(), i64::MAX as u64);
    spool.flush().unwrap();
}

#[test]
fn p2_a_disk_that_fills_in_the_rollover_loses_nothing() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for (threshold, piece) in [(256 * KIB, 1), (256 * KIB, 10 * KIB), (400 * KIB + 1, 300 * KIB)] {
            for position in [threshold, threshold + 1 - piece, threshold + 100 * KIB] {
                let content = bytes(threshold, 1);
                let more = bytes(piece, 2);
                let mut spool = options(disk.path(), threshold, backing).build();
                spool.write_all(&content).unwrap();
                spool.seek(SeekFrom::Start(position as u64)).unwrap();
                disk.fill(64 * KIB);
                for _ in 0..2 {
                    let error = spool.write(&more).unwrap_err();
                    assert_full(&error, disk.path());
                    assert!(!spool.is_rolled());
                    assert_eq!(spool.position(), position as u64);
                    assert_holds(&mut spool, &content);
                    assert_eq!(disk.free(), 64 * KIB, "the file that could not be had still takes space");
                }
                disk.resize(4 * MIB);
                assert_eq!(spool.write(&more).unwrap(), piece);
                assert!(spool.is_rolled());
                assert_eq!(spool.position(), (position + piece) as u64);
                assert_holds(&mut spool, &patched(&content, &more, position));
                drop(spool);
                disk.clear(MIB);
            }
        }
    }
    assert_empty(disk.path());
}

#[test]
fn p2_a_disk_that_fills_in_roll_rolls_nothing() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for (len, room) in [(200 * KIB, 64 * KIB), (1000, 0), (1, 0), (64 * KIB, 60 * KIB)] {
            let content = bytes(len, 3);
            let mut spool = options(disk.path(), 256 * KIB, backing).build();
            spool.write_all(&content).unwrap();
            spool.seek(SeekFrom::Start(len as u64 / 2)).unwrap();
            disk.fill(room);
            for _ in 0..2 {
                assert_full(&spool.roll().unwrap_err(), disk.path());
                assert!(!spool.is_rolled(), "{len} bytes on a disk with room for {room}");
                assert_eq!(spool.position(), len as u64 / 2);
                assert_holds(&mut spool, &content);
            }
            disk.resize(4 * MIB);
            spool.roll().unwrap();
            assert!(spool.is_rolled());
            assert_holds(&mut spool, &content);
            drop(spool);
            disk.clear(MIB);
        }
    }
}

#[test]
fn p2_a_disk_that_fills_in_set_len_loses_nothing() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        let content = bytes(300 * KIB, 4);
        let mut spool = options(disk.path(), 300 * KIB, backing).build();
        spool.write_all(&content).unwrap();
        disk.fill(100 * KIB);
        for _ in 0..2 {
            assert_full(&spool.set_len(800 * KIB as u64).unwrap_err(), disk.path());
            assert!(!spool.is_rolled());
            assert_eq!(spool.position(), 300 * KIB as u64);
            assert_holds(&mut spool, &content);
        }
        disk.resize(4 * MIB);
        spool.set_len(800 * KIB as u64).unwrap();
        assert!(spool.is_rolled());
        assert_holds(&mut spool, &patched(&content, &[], 800 * KIB));
        drop(spool);
        disk.clear(MIB);
    }
}

#[test]
fn p2_a_hole_that_the_disk_cannot_fill_keeps_what_was_written_into_it() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        let mut spool = options(disk.path(), 0, backing).build();
        // A hole takes no space: the file may well be longer than the disk.
        spool.set_len(3 * MIB as u64).unwrap();
        let mut model = vec![0; 3 * MIB];
        disk.fill(300 * KIB);
        let piece = bytes(5000, 5);
        let mut offset = 0;
        let error = loop {
            spool.seek(SeekFrom::Start(offset as u64)).unwrap();
            match spool.write(&piece) {
                Ok(taken) => model[offset..offset + taken].copy_from_slice(&piece[..taken]),
                Err(error) => break error,
            }
            offset += piece.len() + 3000;
            assert!(offset < 3 * MIB, "a disk of 1 MiB took all of it");
        };
        assert_full(&error, disk.path());
        assert_full(&spool.write(&piece).unwrap_err(), disk.path());
        assert_holds(&mut spool, &model);
        assert_full(&spool.flush().unwrap_err(), disk.path());
        disk.resize(8 * MIB);
        assert_eq!(spool.write(&piece).unwrap(), piece.len());
        model[offset..offset + piece.len()].copy_from_slice(&piece);
        spool.flush().unwrap();
        assert_holds(&mut spool, &model);
        drop(spool);
        disk.clear(MIB);
    }
}

#[test]
fn p2_a_disk_that_fills_between_writes_of_any_size_loses_nothing() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for threshold in [0, 1000, 64 * KIB, 300 * KIB] {
            for piece in [100, 4096, 10_001, 64 * KIB, 150_000, 500_000] {
                disk.fill(600 * KIB);
                let content = bytes(2 * MIB, 6);
                let mut spool = options(disk.path(), threshold, backing).build();
                let mut accepted = 0;
                let error = loop {
                    // By one piece, and by two.
                    let (one, two) = content[accepted..accepted + piece].split_at(piece * (accepted % 3) / 3);
                    match spool.write_vectored(&[IoSlice::new(one), IoSlice::new(two)]) {
                        Ok(0) => panic!("a write of {piece} bytes took none of them and said so as a success"),
                        Ok(taken) => accepted += taken,
                        Err(error) => break error,
                    }
                };
                assert_full(&error, disk.path());
                assert!(accepted <= 600 * KIB + 64 * KIB.max(threshold) + 256 * KIB, "{accepted} were accepted");
                assert_eq!(spool.position(), accepted as u64);
                assert_holds(&mut spool, &content[..accepted]);
                assert_full(&spool.write(&content[accepted..accepted + piece]).unwrap_err(), disk.path());
                assert_holds(&mut spool, &content[..accepted]);
                disk.resize(4 * MIB);
                assert_eq!(spool.write(&content[accepted..accepted + piece]).unwrap(), piece);
                accepted += piece;
                spool.write_all(&content[accepted..]).unwrap();
                spool.flush().unwrap();
                assert_holds(&mut spool, &content);
                drop(spool);
                disk.clear(MIB);
            }
        }
    }
    assert_empty(disk.path());
}

#[test]
fn p2_a_flush_on_a_full_disk_fails_until_there_is_space() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        let (mut spool, content) = with_something_unwritten(&disk, backing, 30_000);
        for _ in 0..3 {
            assert_full(&spool.flush().unwrap_err(), disk.path());
            assert_full(&spool.roll().unwrap_err(), disk.path());
            assert_holds(&mut spool, &content);
        }
        disk.resize(4 * MIB);
        spool.flush().unwrap();
        spool.roll().unwrap();
        assert_holds(&mut spool, &content);
        drop(spool);
        disk.clear(MIB);
    }
}

#[test]
fn p2_a_gap_opened_on_a_full_disk_closes_again() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for piece in [10, 100_000] {
            let (mut spool, content) = with_something_unwritten(&disk, backing, 30_000);
            let piece = bytes(piece, 7);
            let far = content.len() + 200 * KIB;
            for _ in 0..2 {
                assert_full(&spool.write_at(&piece, far as u64).unwrap_err(), disk.path());
                assert_holds(&mut spool, &content);
            }
            disk.resize(4 * MIB);
            assert_eq!(spool.write_at(&piece, far as u64).unwrap(), piece.len());
            assert_holds(&mut spool, &patched(&content, &piece, far));
            drop(spool);
            disk.clear(MIB);
        }
    }
}

#[test]
fn p2_copy_from_onto_a_full_disk_keeps_all_that_it_pulled() {
    let Some(disk) = small_disk() else { return };
    let scratch = Scratch::new();
    let content = bytes(3 * MIB, 8);
    let path = scratch.path().join("source");
    for backing in BACKINGS {
        for threshold in [0, 1000, 64 * KIB, 300 * KIB, 2 * MIB] {
            for before in [0, 10_000] {
                disk.fill(700 * KIB);
                let mut spool = options(disk.path(), threshold, backing).build();
                spool.write_all(&content[..before]).unwrap();
                let mut source = Cursor::new(&content[before..]);
                pulls(&mut spool, &disk, &content, |spool| {
                    (spool.copy_from(&mut source), before as u64 + source.position())
                });

                disk.fill(700 * KIB);
                let mut spool = options(disk.path(), threshold, backing).build();
                spool.write_all(&content[..before]).unwrap();
                let mut source = file_with(&path, &content);
                source.seek(SeekFrom::Start(before as u64)).unwrap();
                pulls(&mut spool, &disk, &content, |spool| {
                    let copied = spool.copy_from(&mut source);
                    (copied, source.stream_position().unwrap())
                });
            }
        }
    }
}

/// Pulls `content` by a copy that the disk ends, then by one that has room. The copy also says where the source is.
#[track_caller]
fn pulls(
    spool: &mut SpooledTempFile,
    disk: &Mount,
    content: &[u8],
    mut copy: impl FnMut(&mut SpooledTempFile) -> (io::Result<u64>, u64),
) {
    for _ in 0..2 {
        let (copied, pulled) = copy(spool);
        assert_full(&copied.unwrap_err(), disk.path());
        assert_eq!(pulled, spool.len(), "spool and source together are everything: {spool:?}");
        assert_eq!(pulled, spool.position());
        assert_holds(spool, &content[..pulled as usize]);
    }
    disk.resize(8 * MIB);
    let left = content.len() as u64 - spool.len();
    let (copied, _) = copy(spool);
    assert_eq!(copied.unwrap(), left);
    assert_holds(spool, content);
    *spool = SpooledTempFile::new(0);
    disk.clear(MIB);
}

#[test]
fn p4_what_a_full_disk_refuses_to_convert_is_given_back() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for unwritten in [1, 100, 30_000] {
            let (spool, content) = with_something_unwritten(&disk, backing, unwritten);

            let (error, spool) = spool.into_file().unwrap_err().into_parts();
            let mut spool = refused(error, spool, &disk, &content);
            assert_eq!(spool.position(), content.len() as u64);
            spool.seek(SeekFrom::Start(77)).unwrap();

            let (error, spool) = spool.into_inner().unwrap_err().into_parts();
            let spool = refused(error, spool, &disk, &content);
            assert_eq!(spool.position(), 77);

            let (error, spool) = spool.freeze().unwrap_err().into_parts();
            let spool = refused(error, spool, &disk, &content);
            assert_eq!(spool.position(), 77);

            let target = disk.path().join("target");
            let (error, spool) = spool.persist(&target).unwrap_err().into_parts();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let (error, spool) =
                given_back(error, spool, &content).persist_noclobber(&target).unwrap_err().into_parts();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let mut spool = given_back(error, spool, &content);
            assert_eq!(spool.position(), 77);
            assert_empty(disk.path());

            if backing == Backing::Mmap {
                assert_full(&spool.as_slice().unwrap_err(), disk.path());
                assert_holds(&mut spool, &content);
            }

            disk.resize(4 * MIB);
            let mut file = spool.into_file().unwrap();
            assert_eq!(file.stream_position().unwrap(), 77);
            assert_file_holds(&mut file, &content);
            drop(file);
            disk.clear(MIB);

            let (spool, content) = with_something_unwritten(&disk, backing, unwritten);
            let spool = spool.into_inner().unwrap_err().into_spool();
            disk.resize(4 * MIB);
            match spool.into_inner().unwrap() {
                SpooledData::OnDisk(mut file) => assert_file_holds(&mut file, &content),
                SpooledData::InMemory(_) => panic!("a rolled spool has come back to memory"),
            }
            disk.clear(MIB);

            let (spool, content) = with_something_unwritten(&disk, backing, unwritten);
            let spool = spool.freeze().unwrap_err().into_spool();
            disk.resize(4 * MIB);
            let frozen = spool.freeze().unwrap();
            assert_same(&frozen.to_bytes().unwrap(), &content, "frozen");
            drop(frozen);
            disk.clear(MIB);

            let (spool, content) = with_something_unwritten(&disk, backing, unwritten);
            let spool = spool.persist(&target).unwrap_err().into_spool();
            disk.resize(4 * MIB);
            drop(spool.persist(&target).unwrap());
            assert_same(&fs::read(&target).unwrap(), &content, "persisted");
            assert_eq!(names(disk.path()), ["target"]);
            fs::remove_file(&target).unwrap();
            disk.clear(MIB);
        }
    }
}

#[test]
fn p4_memory_that_a_full_disk_refuses_stays_memory() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(100 * KIB, 9);
    disk.fill(48 * KIB);
    let mut spool = options(disk.path(), MIB, Backing::File).build();
    spool.write_all(&content).unwrap();
    spool.seek(SeekFrom::Start(5)).unwrap();

    let (error, spool) = spool.into_file().unwrap_err().into_parts();
    let spool = refused(error, spool, &disk, &content);
    let target = disk.path().join("target");
    let (error, spool) = spool.persist(&target).unwrap_err().into_parts();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let mut spool = given_back(error, spool, &content);
    assert!(!spool.is_rolled());
    assert_eq!(spool.position(), 5);
    assert_empty(disk.path());
    assert_eq!(disk.free(), 48 * KIB);

    // What needs no disk does not ask for one.
    assert_same(spool.as_slice().unwrap(), &content, "as a slice");
    let frozen = spool.freeze().unwrap();
    assert_same(&frozen.to_bytes().unwrap(), &content, "frozen");
}

#[test]
fn p4_a_persist_by_copy_to_a_full_disk_leaves_the_target_whole_and_gives_the_spool_back() {
    let Some(disk) = small_disk() else { return };
    let elsewhere = Scratch::new();
    let content = bytes(500 * KIB, 10);
    let target = disk.path().join("target");
    for backing in BACKINGS {
        for threshold in [0, MIB] {
            fs::write(&target, b"what was there").unwrap();
            disk.fill(200 * KIB);
            let mut spool = options(elsewhere.path(), threshold, backing).build();
            spool.write_all(&content).unwrap();
            spool.seek(SeekFrom::Start(9)).unwrap();
            for _ in 0..2 {
                let (error, back) = spool.persist(&target).unwrap_err().into_parts();
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error:?}");
                assert!(error.to_string().contains(disk.path().to_str().unwrap()), "{error} does not say where");
                spool = given_back(error, back, &content);
                assert_eq!(spool.position(), 9);
                assert_eq!(fs::read(&target).unwrap(), b"what was there");
                assert_eq!(names(disk.path()), ["target"]);
                assert_eq!(disk.free(), 200 * KIB);
            }
            disk.resize(4 * MIB);
            let mut file = spool.persist(&target).unwrap();
            assert_file_holds(&mut file, &content);
            assert_same(&fs::read(&target).unwrap(), &content, "persisted");
            assert_eq!(names(disk.path()), ["target"]);
            drop(file);
            disk.clear(MIB);
        }
    }
    assert_empty(elsewhere.path());
}

#[test]
fn p7_reading_never_fails_for_what_a_full_disk_has_not_taken() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for unwritten in [1, 4000, 30_000] {
            let (mut spool, content) = with_something_unwritten(&disk, backing, unwritten);
            let len = content.len();
            assert_read_everywhere(&mut spool, &content);

            // A large read, one that straddles, and scattered ones.
            let mut all = Vec::new();
            spool.rewind().unwrap();
            spool.read_to_end(&mut all).unwrap();
            assert_same(&all, &content, "by read_to_end");
            let mut straddling = vec![0; 200_000];
            spool.seek(SeekFrom::End(-200_000)).unwrap();
            spool.read_exact(&mut straddling).unwrap();
            assert_same(&straddling, &content[len - 200_000..], "by read_exact");
            let (mut one, mut two) = (vec![0; 70_000], vec![0; 70_000]);
            spool.seek(SeekFrom::End(-140_000)).unwrap();
            let read = spool.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap();
            one.extend_from_slice(&two);
            assert_same(&one[..read], &content[len - 140_000..len - 140_000 + read], "by read_vectored");

            // Lines, from everywhere to everywhere.
            for start in [0, len / 2, len - unwritten, len - 1] {
                let mut line = Vec::new();
                spool.seek(SeekFrom::Start(start as u64)).unwrap();
                spool.read_until(0, &mut line).unwrap();
                assert_same(&line, &content[start..start + line.len()], "by read_until");
            }

            let mut out = Vec::new();
            spool.rewind().unwrap();
            assert_eq!(spool.copy_to(&mut out).unwrap(), len as u64);
            assert_same(&out, &content, "by copy_to");
            let scratch = Scratch::new();
            let mut out = File::create_new(scratch.path().join("out")).unwrap();
            spool.rewind().unwrap();
            assert_eq!(spool.copy_to(&mut out).unwrap(), len as u64);
            drop(out);
            assert_same(&fs::read(scratch.path().join("out")).unwrap(), &content, "by copy_to a file");

            assert_full(&spool.flush().unwrap_err(), disk.path());
            disk.resize(4 * MIB);
            spool.flush().unwrap();
            assert_read_everywhere(&mut spool, &content);
            drop(spool);
            disk.clear(MIB);
        }
    }
}

#[test]
fn p7_reading_around_what_a_full_disk_has_not_taken_of_a_hole_never_fails() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        let mut spool = options(disk.path(), 0, backing).build();
        let first = bytes(100 * KIB, 11);
        spool.write_all(&first).unwrap();
        spool.set_len(600 * KIB as u64).unwrap();
        spool.flush().unwrap();
        disk.fill(0);
        let piece = bytes(20_000, 12);
        assert_eq!(spool.write_at(&piece, 300 * KIB as u64).unwrap(), piece.len());
        let content = patched(&patched(&first, &piece, 300 * KIB), &[], 600 * KIB);
        assert_full(&spool.flush().unwrap_err(), disk.path());
        assert_read_everywhere(&mut spool, &content);
        disk.resize(4 * MIB);
        spool.flush().unwrap();
        assert_read_everywhere(&mut spool, &content);
        drop(spool);
        disk.clear(MIB);
    }
}

#[test]
fn p7_shrinking_always_works_on_a_full_disk() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        let (mut spool, mut content) = with_something_unwritten(&disk, backing, 30_000);
        let written = content.len() - 30_000;
        for len in [written + 20_000, written + 1, written, written - 1, 1000, 0] {
            spool.set_len(len as u64).unwrap();
            content.truncate(len);
            assert_holds(&mut spool, &content);
        }
        // What was given up has made room.
        let again = bytes(1000, 13);
        spool.rewind().unwrap();
        spool.write_all(&again).unwrap();
        spool.flush().unwrap();
        assert_holds(&mut spool, &again);
        drop(spool);
        disk.clear(MIB);
    }
}

#[test]
fn p7_a_hole_on_a_full_disk_read_through_a_mapping_is_no_signal() {
    const NAME: &str = "p7_a_hole_on_a_full_disk_read_through_a_mapping_is_no_signal";
    if let Some(directory) = child::argument() {
        return looks_at_holes(Path::new(&directory));
    }
    let Some(disk) = small_disk() else { return };
    // Where the promise is broken this is a SIGBUS: not in our own process.
    child::run(NAME, disk.path());
    assert_empty(disk.path());
}

fn looks_at_holes(directory: &Path) {
    let start = bytes(100 * KIB, 14);
    for backing in BACKINGS {
        let mut spool = options(directory, 0, backing).build();
        spool.write_all(&start).unwrap();
        if backing == Backing::Mmap {
            // A mapping is there before the hole is.
            assert_same(spool.as_slice().unwrap(), &start, "as a slice");
        }
        spool.set_len(8 * MIB as u64).unwrap();
        let filler = mount::fill(directory, 0);
        let mut content = patched(&start, &[], 8 * MIB);
        assert_holds(&mut spool, &content);

        let mut buf = [1; 64];
        for offset in numbers(8 * MIB as u64 - 64, 15).take(2000) {
            assert_eq!(spool.read_at(&mut buf, offset).unwrap(), 64);
            assert_eq!(buf, content[offset as usize..][..64]);
            spool.seek(SeekFrom::Start(offset)).unwrap();
            spool.read_exact(&mut buf).unwrap();
            assert_eq!(buf, content[offset as usize..][..64]);
        }

        if backing == Backing::Mmap {
            assert_full(&spool.as_slice().unwrap_err(), directory);
            assert_holds(&mut spool, &content);
        }
        let mut spool = match spool.freeze() {
            Err(error) => {
                let (error, spool) = error.into_parts();
                assert_full(&error, directory);
                spool
            }
            Ok(frozen) => {
                assert_full(&frozen.to_bytes().unwrap_err(), directory);
                assert_full(&frozen.clone().slice(MIB as u64..).to_bytes().unwrap_err(), directory);
                assert_eq!(frozen.read_at(&mut buf, 4 * MIB as u64).unwrap(), 64);
                assert_eq!(buf, [0; 64]);
                let mut seen = Vec::new();
                frozen.clone().read_to_end(&mut seen).unwrap();
                assert_same(&seen, &content, "frozen");
                let chunks: Vec<_> = frozen.chunks(MIB).map(Result::unwrap).collect();
                assert_same(&chunks.concat(), &content, "by chunks");
                // The same once there is space.
                mount::remount(directory, &format!("size={}", 16 * MIB));
                assert_same(&frozen.to_bytes().unwrap(), &content, "frozen, with space");
                drop((filler, frozen, chunks));
                mount::remount(directory, &format!("size={MIB}"));
                let mut spool = options(directory, 0, backing).build();
                spool.write_all(&start).unwrap();
                spool.set_len(8 * MIB as u64).unwrap();
                spool
            }
        };

        mount::remount(directory, &format!("size={}", 16 * MIB));
        if backing == Backing::Mmap {
            assert_same(spool.as_slice().unwrap(), &content, "as a slice, with space");
        }
        // A new hole behind what is mapped.
        spool.set_len(12 * MIB as u64).unwrap();
        content.resize(12 * MIB, 0);
        assert_holds(&mut spool, &content);
        let frozen = spool.freeze().unwrap();
        assert_same(&frozen.to_bytes().unwrap(), &content, "frozen, with space");
        drop(frozen);
        mount::remount(directory, &format!("size={MIB}"));
    }
}

#[test]
fn p7_limited_space_ends_a_write_and_not_the_process() {
    // Bytes are stored into the file by calls alone, also where they are read through a mapping.
    const NAME: &str = "p7_limited_space_ends_a_write_and_not_the_process";
    if let Some(directory) = child::argument() {
        let directory = Path::new(&directory);
        let mut spool = options(directory, 0, Backing::Mmap).build();
        let mut written = Vec::new();
        let error = loop {
            let piece = bytes(3000, written.len() as u64);
            match spool.write(&piece) {
                Ok(taken) => written.extend_from_slice(&piece[..taken]),
                Err(error) => break error,
            }
            // Look at what has just been written, so that the mapping follows.
            let mut last = [0; 100];
            let taken = written.len();
            spool.seek(SeekFrom::End(-100)).unwrap();
            spool.read_exact(&mut last).unwrap();
            assert_eq!(last, written[taken - 100..]);
        };
        assert_full(&error, directory);
        return assert_holds(&mut spool, &written);
    }
    let Some(disk) = small_disk() else { return };
    child::run(NAME, disk.path());
}

#[test]
fn p2_the_next_directory_takes_what_a_full_one_does_not() {
    let Some(disk) = small_disk() else { return };
    let elsewhere = Scratch::new();
    disk.fill(100 * KIB);
    let content = bytes(300 * KIB, 16);
    let mut options = options(disk.path(), 300 * KIB, Backing::File);
    options.dirs([disk.path(), elsewhere.path()]);
    let mut spool = options.build();
    spool.write_all(&content).unwrap();
    spool.roll().unwrap();
    assert_holds(&mut spool, &content);
    assert_eq!(disk.free(), 100 * KIB);

    // If none takes it, the first one's error is the one that is seen.
    options.dirs([disk.path(), &elsewhere.path().join("missing")]);
    let mut spool = options.build();
    spool.write_all(&content).unwrap();
    assert_full(&spool.roll().unwrap_err(), disk.path());
    assert_holds(&mut spool, &content);
}

#[test]
fn p2_what_a_full_disk_does_not_take_may_stay_in_memory() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        disk.fill(100 * KIB);
        let content = bytes(MIB, 20);
        let mut options = options(disk.path(), 200 * KIB, backing);
        options.overflow(Overflow::DiskOrMemory(700 * KIB));
        let mut spool = options.build();
        let mut taken = 0;
        let error = loop {
            match spool.write(&content[taken..taken + 10_000]) {
                Ok(count) => taken += count,
                Err(error) => break error,
            }
        };
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>()).expect("a limit");
        assert_eq!((error.kind(), cause.which()), (io::ErrorKind::FileTooLarge, Limit::Memory));
        assert_eq!((taken, cause.limit()), (700 * KIB, 700 * KIB as u64));
        assert!(!spool.is_rolled());
        assert_eq!(disk.free(), 100 * KIB);
        assert_holds(&mut spool, &content[..taken]);
        // `roll` asks for a file, and memory is none.
        assert_full(&spool.roll().unwrap_err(), disk.path());
        assert_holds(&mut spool, &content[..taken]);
        disk.resize(4 * MIB);
        assert_eq!(spool.write(&content[taken..]).unwrap(), MIB - taken);
        assert!(spool.is_rolled());
        spool.flush().unwrap();
        assert_holds(&mut spool, &content);
        drop(spool);
        disk.clear(MIB);
    }
}

#[test]
fn p2_a_read_only_file_system_refuses_the_rollover_and_nothing_is_lost() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        let content = bytes(100 * KIB, 17);
        let mut spool = options(disk.path(), 100 * KIB, backing).build();
        spool.write_all(&content).unwrap();
        mount::remount(disk.path(), "ro");
        for _ in 0..2 {
            assert_names(&spool.write(b"!").unwrap_err(), io::ErrorKind::ReadOnlyFilesystem, disk.path());
            assert_names(&spool.roll().unwrap_err(), io::ErrorKind::ReadOnlyFilesystem, disk.path());
            let far = spool.set_len(MIB as u64).unwrap_err();
            assert_names(&far, io::ErrorKind::ReadOnlyFilesystem, disk.path());
            assert!(!spool.is_rolled());
            assert_eq!(spool.position(), 100 * KIB as u64);
            assert_holds(&mut spool, &content);
        }
        let (error, mut spool) = spool.into_file().unwrap_err().into_parts();
        assert_names(&error, io::ErrorKind::ReadOnlyFilesystem, disk.path());
        assert_holds(&mut spool, &content);
        mount::remount(disk.path(), "rw");
        assert_eq!(spool.write(b"!").unwrap(), 1);
        assert!(spool.is_rolled());
        spool.flush().unwrap();
        assert_holds(&mut spool, &patched(&content, b"!", 100 * KIB));
    }
    assert_empty(disk.path());
}

/// A rolled spool on a disk that is now full, the last `unwritten` bytes of which the disk does not have; its cursor is
/// at the end.
#[track_caller]
fn with_something_unwritten(disk: &Mount, backing: Backing, unwritten: usize) -> (SpooledTempFile, Vec<u8>) {
    // To the end of a page, so that one byte more needs another.
    let content = bytes(400 * KIB + unwritten, 18);
    let (written, rest) = content.split_at(400 * KIB);
    let mut spool = options(disk.path(), 0, backing).build();
    spool.write_all(written).unwrap();
    spool.flush().unwrap();
    disk.fill(0);
    assert_eq!(spool.write(rest).unwrap(), unwritten, "a window takes it");
    assert_full(&spool.flush().unwrap_err(), disk.path());
    (spool, content)
}

/// `piece` put over `content` at `offset`, and zeros in between.
fn patched(content: &[u8], piece: &[u8], offset: usize) -> Vec<u8> {
    let mut patched = content.to_vec();
    patched.resize(content.len().max(offset + piece.len()), 0);
    patched[offset..offset + piece.len()].copy_from_slice(piece);
    patched
}

#[track_caller]
fn refused(error: io::Error, spool: SpooledTempFile, disk: &Mount, content: &[u8]) -> SpooledTempFile {
    assert_full(&error, disk.path());
    given_back(error, spool, content)
}

#[track_caller]
fn given_back(_: io::Error, mut spool: SpooledTempFile, content: &[u8]) -> SpooledTempFile {
    assert_holds(&mut spool, content);
    spool
}

#[track_caller]
fn assert_file_holds(file: &mut File, content: &[u8]) {
    let mut seen = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut seen).unwrap();
    assert_same(&seen, content, "as a file");
}

/// Small steps through all of it, looks at random, and a look with `fill_buf` at each kilobyte.
#[track_caller]
fn assert_read_everywhere(spool: &mut SpooledTempFile, content: &[u8]) {
    assert_holds(spool, content);
    let mut seen = Vec::new();
    let mut buf = [0; 640];
    spool.rewind().unwrap();
    loop {
        match spool.read(&mut buf).unwrap() {
            0 => break,
            read => seen.extend_from_slice(&buf[..read]),
        }
    }
    assert_same(&seen, content, "by small reads");
    for offset in numbers(content.len() as u64 - 640, 19).take(500) {
        spool.seek(SeekFrom::Start(offset)).unwrap();
        spool.read_exact(&mut buf).unwrap();
        assert_same(&buf, &content[offset as usize..][..640], "by a read at random");
    }
    for offset in (0..content.len()).step_by(KIB) {
        spool.seek(SeekFrom::Start(offset as u64)).unwrap();
        let piece = spool.fill_buf().unwrap();
        assert!(!piece.is_empty());
        assert_same(piece, &content[offset..][..piece.len()], "by fill_buf at random");
    }
}
