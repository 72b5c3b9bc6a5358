//! P1: any sequence of operations gives what it gives on `std::io::Cursor<Vec<u8>>`.
//!
//! The oracle has edges of its own. Where a spool differs on purpose:
//!
//! - An empty write does nothing. (`Cursor` zero-fills up to its position, and panics at `u64::MAX`.)
//! - `consume` stops where `fill_buf` did, which may give less than all that is left. (`Cursor` goes wherever it is told.)
//! - A write that ends past `i64::MAX` is `InvalidInput`. (`Cursor` asks for the memory.)
//! - Limits: `max_len`, `Overflow::Fail` and `DiskOrMemory` give a prefix, then `FileTooLarge`; no directory gives
//!   `NotFound`, and nothing has changed then. (`Cursor` knows none.)
//! - A pool: where its limits may be met, `QuotaExceeded` and nothing has changed, or an early rollover; where they surely
//!   are not, neither. What of a pool others may have is bounded, not known.
//! - `copy_from` and `copy_to` are `std::io::copy` with a promise about what happens in the middle. One byte may be asked
//!   of a source and lost where it meets a hard limit; it is kept where a disk was missing, or
//!   the pool's was used up.
//! - `set_len` is `Vec::resize`; `write_at` and `read_at` are a seek, the call, and a seek back.
//!
//! Where it does not: a failed `read_exact` moves to the end, `read_to_string` of what is no UTF-8 moves nothing, reads and
//! writes are never short at a window's edge, and one may seek anywhere.

use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use spooled::{Backing, Overflow, SpooledTempFile};

use crate::fixture::case::{Case, Directory};
use crate::fixture::life::Life;
use crate::fixture::look::{Look, assert_content};
use crate::fixture::op::{Change, Fill, Op, Pair, kind};
use crate::fixture::pool::{Past, PoolCase};
use crate::fixture::size::{Edge, NOWHERE, Place, Size, Target};
use crate::fixture::stream::{self, Ending, From, Manners, To};
use crate::fixture::together::Together;
use crate::fixture::{BACKINGS, Ground, KIB, MAPS, MIB, assert_same, noise};
use crate::property;

#[test]
fn p1_any_sequence_equals_cursor() {
    property::holds(BUDGET, Life::run, |life| life.shorter().collect());
}

/// The same of several spools of one pool, none of which sees anything of another, and of what they leave behind.
#[test]
fn p1_p6_p8_any_spools_of_one_pool_equal_cursors() {
    property::holds(BUDGET, Together::run, |together| together.shorter().collect());
}

const BUDGET: Duration = Duration::from_secs(20);

/// Every operation at least once, in an order in which each meets what another one left.
#[test]
fn p1_each_operation_equals_cursor_on_the_whole_grid() {
    let ground = Ground::new();
    for len in [3, 100, 5000, 64 * KIB, 300 * KIB] {
        for case in Case::grid(len) {
            let mut pair = Pair::new(case, &ground);
            for op in each_operation(len) {
                pair.apply(&op);
                pair.check_all();
            }
        }
    }
}

/// The same where the pool has next to no memory, where it has just enough of everything, where nothing is kept, and
/// where the directory is the spool's own.
#[test]
fn p1_p8_each_operation_equals_cursor_where_a_pool_is_short() {
    let ground = Ground::new();
    for len in [3, 5000, 300 * KIB] {
        let unlimited = PoolCase::UNLIMITED;
        let pools = [
            PoolCase { memory: 0, ..unlimited },
            PoolCase { memory: 1, ..unlimited },
            PoolCase { memory: 100 * KIB, ..unlimited },
            PoolCase { disk: 0, ..unlimited },
            PoolCase { disk: len as u64, ..unlimited },
            PoolCase { memory: 0, disk: len as u64 * 2, ..unlimited },
            PoolCase { retain_memory: 0, retain_disk: 0, ..unlimited },
            PoolCase { own_directory: true, ..unlimited },
        ];
        for pool in pools {
            for case in Case::grid(len).filter(|case| case.pool.is_none()) {
                let mut pair = Pair::new(Case { pool: Some(pool), ..case }, &ground);
                for op in each_operation(len) {
                    pair.apply(&op);
                    pair.check_all();
                }
            }
        }
    }
}

/// Every small pool, spool and source: where each limit is met first, alone and with any other.
#[test]
fn p4_p8_source_and_spool_are_everything_at_every_quota() {
    let ground = Ground::new();
    let limits = [0, 1, 2, 4, usize::MAX];
    let overflows = [Overflow::Disk, Overflow::Fail, Overflow::DiskOrMemory(3)];
    let small = |size| Fill { size: Size::Small(size), seed: 1, text: false };
    for (memory, disk) in limits.into_iter().flat_map(|memory| limits.map(|disk| (memory, disk))) {
        let disk = if disk == usize::MAX { u64::MAX } else { disk as u64 };
        let pool = Some(PoolCase { memory, disk, past: Past::None, ..PoolCase::UNLIMITED });
        for (threshold, overflow) in [0, 1, 3].into_iter().flat_map(|most| overflows.map(|overflow| (most, overflow))) {
            for directory in [Directory::There, Directory::Missing] {
                let case = Case { pool, overflow, directory, ..Case::new(threshold, Backing::File) };
                for (len, position, total) in [(0, 0), (0, 1), (2, 0), (2, 2), (2, 3)]
                    .into_iter()
                    .flat_map(|(len, position)| [0, 1, 2, 5].map(|total| (len, position, total)))
                {
                    let mut pair = Pair::new(case, &ground);
                    for op in [
                        Op::Change(Change::Write(small(len))),
                        Op::Look(Look::Seek(Target::To(Place::Start(Size::Small(position))))),
                        Op::Change(Change::CopyFrom { from: From::Slice, fill: small(total) }),
                        Op::Change(Change::CopyFrom { from: From::Slice, fill: small(1) }),
                        Op::Change(Change::SetLen(Place::BeforeEnd(Size::Small(0)))),
                        Op::Change(Change::Write(small(1))),
                        Op::Change(Change::Flush),
                        Op::Change(Change::SetLen(Place::BeforeEnd(Size::Small(1)))),
                        Op::Change(Change::WriteVectored([small(1), small(1), small(1)])),
                    ] {
                        pair.apply(&op);
                    }
                }
            }
        }
    }
}

pub(crate) fn each_operation(len: usize) -> Vec<Op> {
    let part = |part: usize| Fill { size: Size::Any((len / part) as u32), seed: part as u8, text: false };
    let words = |part: usize| Fill { size: Size::Any((len / part) as u32), seed: part as u8, text: true };
    let rude = Manners { piece: 7, large: len > 1000, interrupted: 2 };
    let end = Target::FromEnd(Size::Small(0), false);
    let from_start = |part: usize| Place::Start(Size::Any((len / part) as u32));
    vec![
        Op::Change(Change::Write(part(2))),
        Op::Change(Change::WriteAll(part(3))),
        Op::Look(Look::Seek(Target::FromHere(Size::Small(1), true))),
        Op::Look(Look::FillBuf { consume: Size::Small(0), twice: true }),
        Op::Change(Change::WriteVectored([part(10), part(4), part(100)])),
        Op::Look(Look::Rewind),
        Op::Look(Look::Read(Size::Any(len as u32 / 5))),
        Op::Change(Change::Write(part(7))),
        Op::Look(Look::ReadExact(Size::Any(len as u32 / 9))),
        Op::Look(Look::ReadAt { place: from_start(3), size: Size::At(Edge::Len, 0) }),
        Op::Change(Change::WriteAt { place: from_start(3), fill: part(5) }),
        Op::Look(Look::ReadVectored([Size::Small(1), Size::Any(len as u32 / 8), Size::Small(200)])),
        Op::Change(Change::AsSlice),
        Op::Change(Change::Flush),
        Op::Look(Look::Rewind),
        Op::Look(Look::ReadToEnd),
        Op::Change(Change::WriteAt { place: Place::PastEnd(Size::Small(9)), fill: part(6) }),
        Op::Look(Look::ReadUntil(0)),
        Op::Change(Change::CopyFrom { from: From::Slice, fill: part(2) }),
        Op::Change(Change::CopyFrom { from: From::Odd { manners: rude, ending: Ending::Fails }, fill: part(3) }),
        #[cfg(panic = "unwind")]
        Op::Change(Change::CopyFrom { from: From::Odd { manners: rude, ending: Ending::Panics }, fill: part(4) }),
        Op::Change(Change::CopyFrom { from: From::File { skip: 1 }, fill: part(2) }),
        #[cfg(unix)]
        Op::Change(Change::CopyFrom { from: From::Directory, fill: part(2) }),
        Op::Look(Look::Rewind),
        Op::Change(Change::CopyTo(To::Odd { manners: rude, room: Size::Any(len as u32 / 2), ending: Ending::Fails })),
        #[cfg(panic = "unwind")]
        Op::Change(Change::CopyTo(To::Odd { manners: rude, room: Size::Any(len as u32 / 3), ending: Ending::Panics })),
        Op::Change(Change::CopyTo(To::Odd { manners: rude, room: Size::Small(3), ending: Ending::Quiet })),
        Op::Change(Change::CopyTo(To::ReadOnlyFile)),
        Op::Change(Change::CopyTo(To::File)),
        Op::Look(Look::Rewind),
        Op::Change(Change::CopyTo(To::Vec)),
        Op::Change(Change::SetLen(from_start(2))),
        Op::Change(Change::Write(part(4))),
        Op::Change(Change::SetLen(Place::PastEnd(Size::Small(100)))),
        Op::Look(Look::FillBuf { consume: Size::At(Edge::Most, 0), twice: false }),
        Op::Change(Change::Roll),
        Op::Change(Change::AsSlice),
        Op::Look(Look::Seek(Target::To(from_start(2)))),
        Op::Look(Look::ReadAgain { size: Size::Any(len as u32 / 50), times: 20 }),
        Op::Change(Change::WriteAgain { seed: 3, size: Size::Any(len as u32 / 40), times: 20 }),
        Op::Change(Change::SetLen(Place::Start(Size::Small(0)))),
        Op::Look(Look::Rewind),
        Op::Change(Change::WriteAll(words(1))),
        Op::Look(Look::Seek(Target::FromEnd(Size::Any(len as u32 / 2), true))),
        Op::Look(Look::ReadToString),
        Op::Look(Look::Seek(end)),
        Op::Look(Look::Read(Size::Small(1))),
    ]
}

#[test]
fn p1_long_sequential_work_in_pieces_of_any_size() {
    let content = noise(3 * MIB, 1);
    let ground = Ground::new();
    for case in BACKINGS.map(|backing| Case::new(64 * KIB, backing)) {
        for (piece_in, piece_out) in [(64, 4 * KIB), (4 * KIB, 70_000), (70_000, 64), (511, 513), (3 * MIB, 65_536)] {
            let mut spool = case.options(&ground).build();
            for piece in content.chunks(piece_in) {
                assert_eq!(spool.write(piece).unwrap(), piece.len());
            }
            assert_content(&spool, content, 100 * KIB);
            spool.rewind().unwrap();
            let mut piece = vec![0; piece_out];
            for expected in content.chunks(piece_out) {
                let read = spool.read(&mut piece).unwrap();
                assert_same(&piece[..read], expected, "in sequence");
            }
            assert_eq!(spool.read(&mut piece).unwrap(), 0);
            // Over what is there, from the middle to past the end, then all of it by way of fill_buf.
            let half = content.len() / 2;
            spool.seek(SeekFrom::Start(half as u64)).unwrap();
            for piece in content.chunks(piece_in) {
                spool.write_all(piece).unwrap();
            }
            spool.rewind().unwrap();
            let seen = by_fill_buf(&mut spool, piece_out);
            assert_same(&seen, &[&content[..half], content].concat(), "by fill_buf");
        }
    }
}

#[track_caller]
fn by_fill_buf(spool: &mut SpooledTempFile, most: usize) -> Vec<u8> {
    let mut seen = vec![];
    loop {
        let piece = spool.fill_buf().unwrap();
        if piece.is_empty() {
            return seen;
        }
        let count = piece.len().min(most);
        seen.extend_from_slice(&piece[..count]);
        spool.consume(count);
    }
}

#[test]
fn p1_reading_and_writing_in_turn() {
    let ground = Ground::new();
    for case in Case::grid(100 * KIB) {
        let fill = |size, seed| Fill { size: Size::Any(size), seed, text: false };
        let append = |seed| Op::Change(Change::Write(fill(20, seed)));
        let read_elsewhere = |turn: u32| {
            Op::Look(Look::ReadAt { place: Place::Start(Size::Any(turn * 7919 % 150_000)), size: Size::Small(20) })
        };
        let mut pair = Pair::new(case, &ground);
        pair.apply(&Op::Change(Change::WriteAll(fill(150_000, 0))));
        for turn in 0..300 {
            pair.apply(&append(turn as u8));
            pair.apply(&read_elsewhere(turn));
        }
        pair.check_all();
        // A record is read, the next one overwritten.
        pair.apply(&Op::Look(Look::Rewind));
        for turn in 0..300 {
            pair.apply(&Op::Look(Look::ReadExact(Size::Small(200))));
            pair.apply(&Op::Change(Change::WriteAll(fill(200, turn as u8))));
        }
        pair.check_all();
        // One end grows while the other is read.
        for turn in 0..300 {
            pair.apply(&Op::Look(Look::Seek(Target::FromEnd(Size::Small(0), false))));
            pair.apply(&Op::Change(Change::WriteAll(fill(400, turn as u8))));
            pair.apply(&Op::Look(Look::Seek(Target::To(Place::Start(Size::Any(turn * 700))))));
            pair.apply(&Op::Look(Look::ReadExact(Size::Any(700))));
        }
        pair.check_all();
    }
}

/// What no content can reach is refused, and nothing has changed; what it can is a hole.
#[test]
fn p1_far_places_are_refused_or_reached_and_never_anything_between() {
    let ground = Ground::new();
    let content = noise(100 * KIB, 5);
    for case in Case::grid(content.len()) {
        let mut spool = case.options(&ground).build();
        spool.write_all(content).unwrap();
        // A vector of a tebibyte is what `usize::MAX` asks for.
        let memory_only = case.threshold == usize::MAX;
        for to in NOWHERE {
            spool.rewind().unwrap();
            let Ok(position) = spool.seek(to) else {
                assert_eq!(spool.position(), 0, "a seek that fails moves nothing");
                continue;
            };
            assert_eq!(spool.len(), content.len() as u64);
            assert_eq!(spool.read(&mut [0; 10]).unwrap(), 0);
            assert_eq!(spool.fill_buf().unwrap(), b"");
            assert_eq!(spool.read_to_end(&mut vec![]).unwrap(), 0);
            assert_eq!(spool.copy_to(&mut vec![]).unwrap(), 0);
            assert_eq!(spool.write(b"").unwrap(), 0);
            assert_eq!(spool.read_at(&mut [0; 10], position).unwrap(), 0);
            if position < i64::MAX as u64 && (memory_only || position <= 1 << 41) {
                continue;
            }
            let refused = [
                kind(spool.write(b"far").map(drop)),
                kind(spool.write_at(b"far", position).map(drop)),
                kind(spool.write_vectored(&[std::io::IoSlice::new(b"far")]).map(drop)),
                kind(spool.set_len(position.saturating_add(1))),
                kind(spool.copy_from(&mut &b"far"[..]).map(drop)),
            ];
            for done in refused {
                // By the file system, or since no file can be so long, nor so much memory be had.
                let Err(kind) = done else { panic!("{case:?} at {position}") };
                let memory = kind == ErrorKind::OutOfMemory && memory_only;
                assert!(matches!(kind, ErrorKind::InvalidInput | ErrorKind::FileTooLarge) || memory, "{kind:?}");
            }
            assert_eq!(spool.position(), position);
            assert_content(&spool, content, 64 * KIB);
        }
    }
}

/// A vectored write is one write: it is refused for where all of it would end, and not begun with the pieces that fit.
/// A sink that claims more than it was given does not take the position past the end.
#[test]
fn p1_a_sink_that_lies_about_its_count_harms_nobody() {
    struct Liar;
    impl Write for Liar {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            Ok(buf.len() + 1000)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let ground = Ground::new();
    for case in Case::grid(300 * KIB) {
        let mut spool = case.options(&ground).build();
        spool.write_all(noise(300 * KIB, 1)).unwrap();
        spool.rewind().unwrap();
        assert_eq!(spool.copy_to(&mut Liar).unwrap(), 300 * KIB as u64);
        assert_eq!(spool.position(), 300 * KIB as u64);
    }
}

#[test]
fn p1_a_vectored_write_that_ends_past_every_file_takes_nothing() {
    let ground = Ground::new();
    for case in Case::grid(100) {
        let mut spool = case.options(&ground).build();
        spool.write_all(noise(100, 1)).unwrap();
        let was_rolled = spool.is_rolled();
        spool.seek(SeekFrom::Start(i64::MAX as u64 - 1)).unwrap();
        let done = spool.write_vectored(&[b"one", b"two"].map(|piece| std::io::IoSlice::new(&piece[..1])));
        assert_eq!(kind(done), Err(ErrorKind::InvalidInput));
        assert_eq!((spool.position(), spool.is_rolled()), (i64::MAX as u64 - 1, was_rolled));
        assert_content(&spool, noise(100, 1), 64 * KIB);
    }
}

#[test]
fn p1_a_hole_of_a_gibibyte_reads_as_zeros() {
    const FAR: u64 = 1 << 30;
    let ground = Ground::new();
    let content = noise(100 * KIB, 5);
    for case in BACKINGS.map(|backing| Case::new(64 * KIB, backing)) {
        let mut spool = case.options(&ground).build();
        spool.write_all(content).unwrap();
        spool.seek(SeekFrom::Start(FAR)).unwrap();
        spool.write_all(content).unwrap();
        spool.write_at(content, 2 * FAR).unwrap();
        spool.set_len(3 * FAR).unwrap();
        assert_eq!((spool.len(), spool.position()), (3 * FAR, FAR + content.len() as u64));
        let mut seen = vec![1; 200 * KIB];
        for at in [0, FAR, 2 * FAR] {
            let before = at.saturating_sub(1000);
            assert_eq!(spool.read_at(&mut seen, before).unwrap(), seen.len());
            let content_at = (at - before) as usize;
            assert_same(&seen[..content_at], &vec![0; content_at], "a hole");
            assert_same(&seen[content_at..content_at + content.len()], content, "beside a hole");
            assert!(seen[content_at + content.len()..].iter().all(|byte| *byte == 0), "a hole");
        }
        spool.seek(SeekFrom::Start(2 * FAR - 10)).unwrap();
        let mut edge = [1; 30];
        spool.read_exact(&mut edge).unwrap();
        assert_same(&edge, &[&[0; 10][..], &content[..20]].concat(), "the edge of a hole");
        spool.set_len(content.len() as u64).unwrap();
        assert_content(&spool, content, 64 * KIB);
    }
}

/// Somebody patched a header, went to the end, copied a stream there, and took the file: the end was missing. Only the
/// first bytes of the window counted as unwritten.
#[test]
fn p1_what_is_copied_behind_an_older_write_reaches_the_file() {
    for case in Case::grid(100) {
        let ground = Ground::new();
        let mut spool = case.options(&ground).build();
        spool.write_all(&[1; 100]).unwrap();
        spool.flush().unwrap();
        spool.write_at(&[2; 5], 0).unwrap();
        spool.seek(SeekFrom::End(0)).unwrap();
        assert_eq!(spool.copy_from(&mut &b"the end"[..]).unwrap(), 7);
        let file = spool.into_file().unwrap();
        let expected = [&[2; 5][..], &[1; 95], b"the end"].concat();
        assert_same(&stream::content_of(&file), &expected, "the file");
    }
}

/// Somebody cut the content in front of the window, went on where they had been, and the gap could not be read.
#[test]
fn p1_writing_on_where_content_was_cut_off_leaves_a_gap_of_zeros() {
    for case in Case::grid(1000) {
        let ground = Ground::new();
        for kept in [0, 10, 1000] {
            let mut spool = case.options(&ground).build();
            spool.copy_from(&mut noise(1000, 1)).unwrap();
            spool.flush().unwrap();
            spool.seek(SeekFrom::Start(2000)).unwrap();
            spool.write_all(&[1; 100]).unwrap();
            spool.seek(SeekFrom::Start(2000)).unwrap();
            spool.set_len(kept).unwrap();
            spool.write_all(b"on").unwrap();
            let mut expected = noise(1000, 1)[..kept as usize].to_vec();
            expected.resize(2000, 0);
            expected.extend_from_slice(b"on");
            assert_content(&spool, &expected, 700);
            assert_same(&stream::content_of(&spool.into_file().unwrap()), &expected, "the file");
        }
    }
}

/// A `Read` that says it gave more than it was asked for, as a wrong one may.
#[test]
fn p1_a_source_that_lies_about_its_count_harms_nobody() {
    struct Liar(u8);
    impl Read for Liar {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0 -= 1;
            buf.fill(7);
            Ok(if self.0 == 0 { 0 } else { buf.len() + 1000 })
        }
    }
    let ground = Ground::new();
    for case in Case::grid(10 * KIB).filter(|case| case.threshold < usize::MAX) {
        for position in [0, 50, 200] {
            let mut spool = case.options(&ground).build();
            spool.write_all(&[1; 100]).unwrap();
            spool.seek(SeekFrom::Start(position)).unwrap();
            spool.copy_from(&mut Liar(9)).unwrap();
            let mut expected = vec![1; 100];
            expected.resize(expected.len().max(position as usize), 0);
            expected.resize(spool.position() as usize, 7);
            expected[position as usize..].fill(7);
            assert_content(&spool, &expected, 64 * KIB);
        }
    }
}

#[test]
fn p1_as_slice_is_all_of_it_or_unsupported() {
    let ground = Ground::new();
    for case in Case::grid(100) {
        let mut spool = case.options(&ground).build();
        assert_eq!(spool.as_slice().unwrap(), b"");
        spool.write_all(&noise(100, 1)[..60]).unwrap();
        let _ = spool.as_slice();
        spool.write_all(&noise(100, 1)[60..]).unwrap();
        match (spool.is_rolled(), case.backing) {
            (true, backing) if backing == Backing::File || !MAPS => {
                assert_eq!(spool.as_slice().unwrap_err().kind(), ErrorKind::Unsupported);
            }
            _ => assert_same(spool.as_slice().unwrap(), noise(100, 1), "by as_slice"),
        }
        assert_eq!(spool.position(), 100);
    }
}
