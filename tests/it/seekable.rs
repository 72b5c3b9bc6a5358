//! P1, P4 and P8 of `SeekableReader`: `Cursor` over all that the source would give, and not a byte asked for without a need.
//!
//! Where it differs from `Cursor` on purpose:
//!
//! - `read` and `fill_buf` give what has come already, and only where that is nothing one `read` of the source.
//! - The source's failure is the caller's: the position stays, but that `read_to_end`, `read_to_string` and `read_until` hand
//!   out what came before it, as the standard library says. A failure of the kind `UnexpectedEof` is a failure.
//! - A limit is an error each time. One that is there for good has cost a byte, since only a read can tell an end from a limit;
//!   where a disk was missing, or the pool's was used up, that byte is kept.

use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom};
use std::time::Duration;

use spooled::{Overflow, SeekableReader, SpoolOptions};

use crate::fixture::case::Case;
use crate::fixture::end::End;
use crate::fixture::look::Look;
use crate::fixture::op::Fill;
use crate::fixture::pool::PoolCase;
use crate::fixture::seekable::{Pulling, Then};
use crate::fixture::size::{Edge, Place, Size, Target};
use crate::fixture::source::{Fault, Script, Trouble};
use crate::fixture::stream::Manners;
use crate::fixture::{BACKINGS, Ground, KIB, noise};
use crate::property;

#[test]
fn p1_p4_p8_a_seekable_reader_equals_cursor_whatever_its_source_does() {
    property::holds(Duration::from_secs(10), Pulling::run, |pulling| pulling.shorter().collect());
}

/// Each way to look, on the whole grid, over sources that give all at once, little, and with every bad habit.
#[test]
fn p1_each_look_equals_cursor_on_the_whole_grid() {
    for len in [3, 5000, 100 * KIB] {
        for case in Case::grid(len) {
            for manners in [
                Manners { piece: 0, large: false, interrupted: 0 },
                Manners { piece: 7, large: len > 1000, interrupted: 2 },
            ] {
                let script = Script { content: fill(len), manners, lies: true, faults: vec![] };
                let looks = each_look(len);
                let ops = vec![];
                Pulling { case, script, looks, then: Then::Parts { ops, end: End::IntoFile } }.run();
            }
        }
    }
}

/// The same where a pool is short, and where a limit ends it.
#[test]
fn p1_p8_each_look_equals_cursor_where_something_is_short() {
    let len = 100 * KIB;
    let unlimited = PoolCase::UNLIMITED;
    let pools = [
        PoolCase { memory: 0, ..unlimited },
        PoolCase { memory: 1, ..unlimited },
        PoolCase { memory: 60 * KIB, ..unlimited },
        PoolCase { disk: 0, ..unlimited },
        PoolCase { disk: len as u64 / 2, ..unlimited },
        PoolCase { memory: 0, disk: len as u64, ..unlimited },
        PoolCase { memory: 50 * KIB, disk: 50 * KIB as u64, retain_memory: 0, ..unlimited },
    ];
    for case in Case::short(len, &pools) {
        let manners = Manners { piece: 0, large: false, interrupted: 3 };
        let script = Script { content: fill(len), manners, lies: false, faults: vec![] };
        let then = Then::Parts { ops: vec![], end: End::Freeze };
        Pulling { case, script, looks: each_look(len), then }.run();
    }
}

/// The first call of the source fails, then the second, … each way there is; and then two in a row.
#[test]
fn p4_every_call_of_the_source_fails_in_turn() {
    const LEN: usize = 200;
    let troubles = [
        Trouble::Reset,
        Trouble::UnexpectedEof,
        #[cfg(panic = "unwind")]
        Trouble::Panics,
    ];
    let pieces = Manners { piece: 9, large: false, interrupted: 0 };
    let looks = [
        Look::Read(Size::Small(5)),
        Look::ReadExact(Size::Small(30)),
        Look::FillBuf { consume: Size::Small(12), twice: true },
        Look::ReadUntil(0),
        Look::Seek(Target::To(Place::Start(Size::Small(150)))),
        Look::ReadExact(Size::Small(20)),
        Look::Rewind,
        Look::ReadToEnd,
        Look::Rewind,
        Look::Seek(Target::FromEnd(Size::Small(3), true)),
        Look::ReadToString,
        Look::ReadExact(Size::Small(1)),
        Look::Rewind,
        Look::ReadToEnd,
    ];
    for threshold in [0, 100, usize::MAX] {
        for (after, what) in (0..=LEN as u8).flat_map(|after| troubles.map(|what| (after, what))) {
            for times in [1, 2] {
                let fault = Fault { after: Size::Small(after), what };
                let script = Script { content: fill(LEN), manners: pieces, lies: false, faults: vec![fault; times] };
                let case = Case::new(threshold, BACKINGS[times % 2]);
                Pulling { case, script, looks: looks.to_vec(), then: Then::Drop }.run();
            }
        }
    }
}

fn each_look(len: usize) -> Vec<Look> {
    let part = |part: usize| Size::Any((len / part) as u32);
    vec![
        Look::Read(Size::Small(0)),
        Look::FillBuf { consume: Size::Small(0), twice: true },
        Look::Read(part(50)),
        Look::ReadExact(part(9)),
        Look::ReadVectored([Size::Small(0), part(20), Size::Small(200)]),
        Look::ReadUntil(0),
        Look::ReadAgain { size: part(100), times: 20 },
        Look::ReadAt { place: Place::Start(part(2)), size: part(40) },
        Look::Seek(Target::FromHere(Size::Small(2), true)),
        Look::FillBuf { consume: Size::At(Edge::Most, 0), twice: false },
        Look::Seek(Target::To(Place::PastEnd(Size::Small(9)))),
        Look::Seek(Target::FromHere(Size::At(Edge::Most, 0), true)),
        Look::Seek(Target::To(Place::Start(part(4)))),
        Look::ReadToString,
        Look::Rewind,
        Look::ReadToEnd,
        Look::Read(Size::Small(1)),
        Look::Seek(Target::FromEnd(part(3), true)),
        Look::ReadExact(part(3)),
        Look::ReadExact(Size::Small(1)),
        Look::Seek(Target::FromEnd(Size::Small(7), false)),
        Look::FillBuf { consume: Size::Small(1), twice: false },
        Look::Rewind,
        Look::ReadToEnd,
    ]
}

fn fill(len: usize) -> Fill {
    Fill { size: Size::Any(len as u32), seed: 3, text: false }
}

/// What has come of it can be read while the source keeps silent: a terminal, a socket.
#[test]
fn p4_what_has_come_is_not_kept_back_for_want_of_more() {
    struct Live(Vec<&'static [u8]>);

    impl Read for Live {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let piece = self.0.pop().expect("asked while it keeps silent, which may be for ever");
            buf[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    let mut reader = SeekableReader::new(Live(vec![b" and more\n", b"a line\nand", b"hello\n"]));
    let mut buf = [0; 100];
    assert_eq!(reader.read(&mut buf).unwrap(), 6);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "a line\n");
    assert_eq!(reader.fill_buf().unwrap(), b"and");
    reader.read_exact(&mut buf[..3]).unwrap();
    assert_eq!(reader.read(&mut buf).unwrap(), 10);
    reader.seek(SeekFrom::Start(6)).unwrap();
    assert_eq!(reader.read(&mut buf).unwrap(), 20);
    assert_eq!(&buf[..20], b"a line\nand and more\n");
    assert_eq!((reader.pulled(), reader.get_ref().0.len()), (26, 0));
}

/// Another spool's drop makes room for the very byte that a quota refused.
#[test]
fn p8_a_reader_goes_on_when_a_pool_has_room_again() {
    let ground = Ground::new();
    let content = noise(100 * KIB, 4);
    for overflow in [Overflow::Disk, Overflow::DiskOrMemory(1)] {
        for backing in BACKINGS {
            let pool = PoolCase { disk: 150 * KIB as u64, ..PoolCase::UNLIMITED };
            let case = Case { pool: Some(pool), overflow, ..Case::new(0, backing) };
            let pool = case.make_pool(&ground).unwrap();
            let options = case.options_from(Some(&pool), &ground);
            let mut other = options.build();
            other.set_len(120 * KIB as u64).unwrap();
            let mut reader = SeekableReader::with_options(content, &options);
            let mut seen = vec![];
            for _ in 0..3 {
                let error = reader.read_to_end(&mut seen).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");
                assert_eq!(seen[..], content[..seen.len()]);
                assert!(seen.len() >= 30 * KIB);
            }
            drop(other);
            reader.read_to_end(&mut seen).unwrap();
            assert!(seen == content);
            drop(reader);
        }
    }
}

/// A byte that memory had no place for is there once, when a directory has appeared.
#[test]
fn p4_a_reader_goes_on_when_there_is_a_directory_after_all() {
    let ground = Ground::new();
    let content = noise(100 * KIB, 5);
    let dir = ground.path().join("later");
    let mut options = SpoolOptions::new();
    options.threshold(10).overflow(Overflow::DiskOrMemory(5000)).dir(&dir);
    let mut reader = SeekableReader::with_options(content, &options);
    let mut seen = vec![];
    for _ in 0..3 {
        let error = reader.read_to_end(&mut seen).unwrap_err();
        assert_eq!((error.kind(), seen.len(), reader.pulled()), (ErrorKind::FileTooLarge, 5000, 5000));
    }
    std::fs::create_dir(&dir).unwrap();
    reader.read_to_end(&mut seen).unwrap();
    assert!(seen == content, "{} of {} bytes", seen.len(), content.len());
    drop(reader);
    std::fs::remove_dir(&dir).unwrap();
}
