//! Where a spool ends: its longest length, and memory that has no disk to go to.

use std::io::{ErrorKind, IoSlice, Read, Seek, SeekFrom, Write};

use spooled::{Limit, LimitError, Overflow, SpooledTempFile};

use crate::fixture::case::{Case, Directory};
use crate::fixture::look::assert_content;
use crate::fixture::stream::{self, Ending, Manners, OddSource};
use crate::fixture::{BACKINGS, Ground, KIB, noise};

#[track_caller]
fn assert_meets<T: std::fmt::Debug>(done: std::io::Result<T>, which: Limit, limit: u64) {
    let error = done.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{error:?}");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>()).unwrap();
    assert_eq!((cause.which(), cause.limit()), (which, limit));
    assert!(error.to_string().contains(&limit.to_string()), "{error}");
}

/// All cases in which content ends at `limit`, and the limit that ends it.
fn ends_at(limit: usize) -> impl Iterator<Item = (Case, Limit)> {
    let longest = Case::grid(limit).map(move |case| (Case { max_len: limit as u64, ..case }, Limit::MaxLen));
    let memory = BACKINGS.into_iter().flat_map(move |backing| {
        let case = Case::new(limit, backing);
        let instead = Overflow::DiskOrMemory(limit);
        [
            (Case { overflow: Overflow::Fail, ..case }, Limit::Memory),
            (Case { overflow: Overflow::Fail, directory: Directory::Missing, ..case }, Limit::Memory),
            (Case { overflow: instead, directory: Directory::Missing, ..case }, Limit::Memory),
            (Case { overflow: instead, directory: Directory::Missing, threshold: limit / 3, ..case }, Limit::Memory),
            // Less than the threshold means nothing.
            (
                Case { overflow: Overflow::DiskOrMemory(limit / 2), directory: Directory::Missing, ..case },
                Limit::Memory,
            ),
        ]
    });
    longest.chain(memory)
}

/// Each way to write past the end takes what fits, and then nothing.
#[test]
fn p8_a_write_takes_the_prefix_that_fits() {
    let ground = Ground::new();
    for limit in [0, 1, 1000, 100 * KIB] {
        let content = noise(limit + 10, 1);
        for (case, which) in ends_at(limit) {
            type Way = fn(&mut SpooledTempFile, &[u8]) -> std::io::Result<usize>;
            let ways: [Way; 3] = [
                |spool, buf| spool.write(buf),
                |spool, buf| {
                    let (front, back) = buf.split_at(buf.len() / 2);
                    spool.write_vectored(&[IoSlice::new(front), IoSlice::new(back)])
                },
                |spool, buf| {
                    let position = spool.position();
                    let written = spool.write_at(buf, position)?;
                    spool.seek(SeekFrom::Start(position + written as u64))?;
                    Ok(written)
                },
            ];
            for way in ways {
                for piece in [1, limit / 2 + 1, limit, limit + 10] {
                    let mut spool = case.options(&ground).build();
                    let mut rest = content;
                    while rest.len() > 10 {
                        let written = way(&mut spool, &rest[..piece.clamp(1, rest.len())]).unwrap();
                        assert_eq!(written, piece.clamp(1, rest.len() - 10), "{case:?}");
                        rest = &rest[written..];
                        if piece < 100 && limit > 10_000 {
                            // A byte at a time would take long.
                            let most = rest.len().min(rest.len().saturating_sub(20));
                            spool.write_all(&rest[..most]).unwrap();
                            rest = &rest[most..];
                        }
                    }
                    let was_rolled = spool.is_rolled();
                    for _ in 0..2 {
                        assert_meets(way(&mut spool, &rest[..1]), which, limit as u64);
                        assert_meets(spool.write_all(rest), which, limit as u64);
                        assert_meets(spool.set_len(limit as u64 + 1), which, limit as u64);
                    }
                    assert_eq!(spool.is_rolled(), was_rolled, "a refusal rolls nothing");
                    assert_eq!(spool.position(), limit as u64);
                    assert_eq!(way(&mut spool, b"").unwrap(), 0, "an empty write asks for nothing");
                    assert_content(&spool, &content[..limit], 70 * KIB);
                    // What is within can still be written over.
                    spool.rewind().unwrap();
                    spool.write_all(&content[10..]).unwrap();
                    assert_content(&spool, &content[10..], 70 * KIB);
                }
            }
        }
    }
}

/// A write that lies wholly past the limit takes nothing and rolls nothing.
#[test]
fn p8_a_place_past_the_limit_takes_nothing() {
    let ground = Ground::new();
    for (case, which) in ends_at(1000) {
        for offset in [1000, 1001, 1 << 20, 1 << 40, i64::MAX as u64 - 10] {
            let mut spool = case.options(&ground).build();
            spool.seek(SeekFrom::Start(offset)).unwrap();
            assert_meets(spool.write(b"past"), which, 1000);
            assert_meets(spool.write_at(b"past", offset), which, 1000);
            assert_meets(spool.write_vectored(&[IoSlice::new(b"past")]), which, 1000);
            assert_eq!((spool.len(), spool.position(), spool.is_rolled()), (0, offset, false));
        }
    }
}

/// Somebody read back what had rolled, and then wrote on: the window that reading had filled took it, past the limit.
#[test]
fn p8_a_limit_holds_for_a_write_behind_a_read() {
    let ground = Ground::new();
    for case in Case::grid(50) {
        let mut spool = Case { max_len: 100, ..case }.options(&ground).build();
        spool.write_all(noise(50, 1)).unwrap();
        spool.roll().unwrap();
        spool.rewind().unwrap();
        spool.read_exact(&mut [0; 50]).unwrap();
        assert_eq!(spool.write(noise(100, 2)).unwrap(), 50);
        assert_meets(spool.write(b"more"), Limit::MaxLen, 100);
        assert_content(&spool, &[noise(50, 1), &noise(100, 2)[..50]].concat(), 30);
    }
}

#[test]
fn p8_copy_from_ends_at_the_limit() {
    let ground = Ground::new();
    for limit in [0, 1, 1000, 100 * KIB] {
        for (case, which) in ends_at(limit) {
            let content = noise(limit + 10, 1);
            let calm = Manners { piece: 100, large: true, interrupted: 3 };
            // One that ends where the limit does is all there.
            let mut spool = case.options(&ground).build();
            let mut source = OddSource::new(&content[..limit], calm, Ending::Quiet);
            assert_eq!(spool.copy_from(&mut source).unwrap(), limit as u64);
            assert_content(&spool, &content[..limit], 70 * KIB);
            assert_eq!(spool.copy_from(&mut std::io::empty()).unwrap(), 0);
            // One that goes on loses the byte by which that was seen, and no more.
            assert_meets(spool.copy_from(&mut &b"x"[..]), which, limit as u64);
            let mut spool = case.options(&ground).build();
            let mut source = OddSource::new(content, calm, Ending::Quiet);
            assert_meets(spool.copy_from(&mut source), which, limit as u64);
            assert_eq!(source.left.len(), 9);
            assert_eq!(spool.position(), limit as u64);
            assert_content(&spool, &content[..limit], 70 * KIB);
            // A real file, by whatever the kernel does.
            let mut spool = case.options(&ground).build();
            let mut file = stream::file_with(&ground, content, 0);
            assert_meets(spool.copy_from(&mut file), which, limit as u64);
            assert_eq!(file.stream_position().unwrap(), limit as u64 + 1);
            assert_content(&spool, &content[..limit], 70 * KIB);
        }
    }
}

/// From inside the content, and from behind its end.
#[test]
fn p8_copy_from_anywhere_ends_at_the_limit() {
    let ground = Ground::new();
    for (case, which) in ends_at(1000) {
        for position in [0, 100, 299, 300, 301, 600, 999] {
            let mut spool = case.options(&ground).build();
            spool.write_all(noise(300, 1)).unwrap();
            spool.seek(SeekFrom::Start(position)).unwrap();
            assert_meets(spool.copy_from(&mut noise(2000, 2)), which, 1000);
            let mut expected = noise(300, 1).to_vec();
            expected.resize(1000, 0);
            let from = position as usize;
            expected[from..].copy_from_slice(&noise(2000, 2)[..1000 - from]);
            assert_content(&spool, &expected, 300);
        }
        // From the limit on there is nothing to be had, and that is an error only if something was there.
        for position in [1000, 1001, 1 << 40, u64::MAX] {
            let mut spool = case.options(&ground).build();
            spool.write_all(noise(300, 1)).unwrap();
            spool.seek(SeekFrom::Start(position)).unwrap();
            assert_eq!(spool.copy_from(&mut std::io::empty()).unwrap(), 0, "{case:?} at {position}");
            if position < i64::MAX as u64 {
                assert_meets(spool.copy_from(&mut &b"past"[..]), which, 1000);
            }
            assert_eq!(spool.position(), position);
            assert_content(&spool, noise(300, 1), 300);
        }
    }
}

/// Memory that is there instead of a disk gives way to the disk, once there is one.
#[test]
fn p8_disk_or_memory_goes_to_disk_once_it_can() {
    let ground = Ground::new();
    for case in Case::grid(1000).filter(|case| case.threshold <= 64 * KIB) {
        let overflow = Overflow::DiskOrMemory(200 * KIB);
        let mut spool = Case { overflow, directory: Directory::Missing, ..case }.options(&ground).build();
        spool.write_all(noise(150 * KIB, 1)).unwrap();
        assert!(!spool.is_rolled());
        assert_eq!(spool.roll().unwrap_err().kind(), ErrorKind::NotFound, "whoever asks for a file is told");
        std::fs::create_dir(ground.missing()).unwrap();
        // The next growth of memory asks again, and there is one before memory ends.
        spool.write_all(noise(100 * KIB, 2)).unwrap();
        assert!(spool.is_rolled());
        assert_content(&spool, &[noise(150 * KIB, 1), noise(100 * KIB, 2)].concat(), 70 * KIB);
        drop(spool);
        ground.remove_missing();
    }
}

#[test]
fn p8_disk_or_memory_is_disk_where_there_is_one() {
    let ground = Ground::new();
    for case in Case::grid(1000) {
        let mut spool = Case { overflow: Overflow::DiskOrMemory(usize::MAX), ..case }.options(&ground).build();
        spool.write_all(noise(1000, 1)).unwrap();
        assert_eq!(spool.is_rolled(), case.threshold < 1000);
        assert_content(&spool, noise(1000, 1), 300);
    }
}

/// Shrinking makes room for as much again.
#[test]
fn p8_what_was_cut_off_can_be_written_again() {
    let ground = Ground::new();
    for (case, which) in ends_at(1000) {
        let mut spool = case.options(&ground).build();
        for round in 0..5 {
            spool.write_all(&noise(1000, round)[spool.len() as usize..]).unwrap();
            assert_meets(spool.write(b"x"), which, 1000);
            spool.set_len(900 - 200 * u64::from(round)).unwrap();
            spool.seek(SeekFrom::End(0)).unwrap();
        }
        assert_eq!(spool.len(), 100);
    }
}
