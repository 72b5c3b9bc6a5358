//! P1 with the standard library's own handles, between which the kernel copies: whatever it can or cannot do, every byte
//! arrives once, and the position stands behind what the other side took.
#![cfg(unix)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;

use spooled::SpooledTempFile;

use crate::fixture::case::Case;
use crate::fixture::look::assert_content;
use crate::fixture::{Ground, KIB, MIB, assert_same, noise, stream};

const LEN: usize = 2 * MIB;

/// Its first bytes are in the file, its last ones only in the window, and it stands at `position`.
#[track_caller]
fn spool(case: Case, ground: &Ground, position: usize) -> SpooledTempFile {
    let mut spool = case.options(ground).build();
    spool.write_all(&noise(LEN, 1)[..LEN - 5000]).unwrap();
    spool.write_all(&noise(LEN, 1)[LEN - 5000..]).unwrap();
    spool.seek(SeekFrom::Start(position as u64)).unwrap();
    spool
}

const POSITIONS: [usize; 5] = [0, 1, LEN / 2 + 1, LEN - 1, LEN];

#[test]
fn p1_copy_to_each_kind_of_handle() {
    let ground = Ground::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for case in Case::grid(LEN) {
        for position in POSITIONS {
            let rest = &noise(LEN, 1)[position..];
            let mut ours = spool(case, &ground, position);
            let (mut near, mut far) = UnixStream::pair().unwrap();
            let reader = thread::spawn(move || to_end(&mut far));
            assert_eq!(ours.copy_to(&mut near).unwrap(), rest.len() as u64);
            drop(near);
            assert_same(&reader.join().unwrap(), rest, "through a socket");

            ours.seek(SeekFrom::Start(position as u64)).unwrap();
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            let reader = thread::spawn(move || to_end(&mut far));
            assert_eq!(ours.copy_to(&mut &near).unwrap(), rest.len() as u64);
            near.flush().unwrap();
            drop(near);
            assert_same(&reader.join().unwrap(), rest, "through TCP");

            ours.seek(SeekFrom::Start(position as u64)).unwrap();
            let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let reader = thread::spawn(move || to_end(&mut stdout));
            assert_eq!(ours.copy_to(&mut stdin).unwrap(), rest.len() as u64);
            drop(stdin);
            assert_same(&reader.join().unwrap(), rest, "through a pipe");
            assert!(child.wait().unwrap().success());
            assert_eq!(ours.position(), LEN as u64);
            assert_content(&ours, noise(LEN, 1), 300 * KIB);
        }
    }
}

#[test]
fn p1_copy_from_each_kind_of_handle() {
    let ground = Ground::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for case in Case::grid(LEN) {
        for position in POSITIONS {
            let mut ours = spool(case, &ground, position);
            let expected = [&noise(LEN, 1)[..position], noise(LEN, 2)].concat();
            let again = |ours: &mut SpooledTempFile| {
                assert_eq!(ours.position(), expected.len() as u64);
                assert_content(ours, &expected, 300 * KIB);
                ours.seek(SeekFrom::Start(position as u64)).unwrap();
                ours.write_all(&[0; 1000]).unwrap();
                ours.seek(SeekFrom::Start(position as u64)).unwrap();
            };
            let (mut near, mut far) = UnixStream::pair().unwrap();
            let writer = thread::spawn(move || far.write_all(noise(LEN, 2)));
            assert_eq!(ours.copy_from(&mut near).unwrap(), LEN as u64);
            writer.join().unwrap().unwrap();
            again(&mut ours);

            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            let writer = thread::spawn(move || far.write_all(noise(LEN, 2)));
            assert_eq!(ours.copy_from(&mut &near).unwrap(), LEN as u64);
            writer.join().unwrap().unwrap();
            again(&mut ours);

            let file = stream::file_with(&ground, noise(LEN, 2), 0);
            let mut child = Command::new("cat").stdin(file).stdout(Stdio::piped()).spawn().unwrap();
            assert_eq!(ours.copy_from(child.stdout.as_mut().unwrap()).unwrap(), LEN as u64);
            assert!(child.wait().unwrap().success());
            again(&mut ours);

            assert_eq!(ours.copy_from(&mut stream::file_with(&ground, noise(LEN, 2), 0)).unwrap(), LEN as u64);
            again(&mut ours);
        }
    }
}

/// A socket that takes what it can and then says `WouldBlock`: what it took is behind the position, and the same call
/// goes on.
#[test]
fn p1_copy_to_a_socket_that_would_block_goes_on_where_it_stopped() {
    let ground = Ground::new();
    for case in Case::grid(LEN) {
        let mut ours = spool(case, &ground, 10);
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let mut seen = vec![];
        loop {
            let done = ours.copy_to(&mut near);
            let blocked = far.read_to_end(&mut seen);
            assert_eq!(blocked.unwrap_err().kind(), ErrorKind::WouldBlock);
            assert_eq!(ours.position(), 10 + seen.len() as u64);
            match done {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_same(&seen, &noise(LEN, 1)[10..], "through a socket that blocks");
    }
}

/// A socket that has no more to give says `WouldBlock`: what it gave is kept, and the same call goes on.
#[test]
fn p1_copy_from_a_socket_that_would_block_goes_on_where_it_stopped() {
    let ground = Ground::new();
    for case in Case::grid(LEN) {
        let mut ours = case.options(&ground).build();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        for piece in noise(LEN, 1).chunks(99_999) {
            far.write_all(piece).unwrap();
            assert_eq!(ours.copy_from(&mut near).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
        drop(far);
        // A process that another test is starting may hold the other end for a moment longer.
        near.set_nonblocking(false).unwrap();
        assert_eq!(ours.copy_from(&mut near).unwrap(), 0);
        assert_content(&ours, noise(LEN, 1), 300 * KIB);
    }
}

/// One that is appended to takes no copy by the kernel; one that was written to elsewhere is written on there.
#[test]
fn p1_copy_to_files_in_any_mode() {
    let ground = Ground::new();
    let path = ground.fresh();
    for case in Case::grid(LEN) {
        for position in POSITIONS {
            let rest = &noise(LEN, 1)[position..];
            fs::write(&path, "before").unwrap();
            let mut sink = OpenOptions::new().append(true).open(&path).unwrap();
            let mut ours = spool(case, &ground, position);
            assert_eq!(ours.copy_to(&mut sink).unwrap(), rest.len() as u64);
            assert_same(&fs::read(&path).unwrap(), &[b"before", rest].concat(), "appended");

            let mut sink = OpenOptions::new().write(true).open(&path).unwrap();
            sink.seek(SeekFrom::Start(2)).unwrap();
            ours.seek(SeekFrom::Start(position as u64)).unwrap();
            assert_eq!(ours.copy_to(&mut sink).unwrap(), rest.len() as u64);
            assert_eq!(sink.stream_position().unwrap(), 2 + rest.len() as u64);
            assert_same(&fs::read(&path).unwrap()[..2 + rest.len()], &[b"be", rest].concat(), "written over");
            assert_eq!(ours.position(), LEN as u64);
        }
    }
    fs::remove_file(&path).unwrap();
    ground.assert_empty();
}

/// Files of a kind whose length says nothing, or that take everything, or nothing.
#[test]
#[cfg(target_os = "linux")]
fn p1_files_that_are_not_what_they_seem() {
    let ground = Ground::new();
    for case in Case::grid(LEN) {
        let mut ours = spool(case, &ground, 1000);
        // The kernel says that it is empty, and then gives something.
        for path in ["/proc/version", "/proc/filesystems"] {
            let expected = fs::read(path).unwrap();
            ours.seek(SeekFrom::Start(1000)).unwrap();
            assert_eq!(ours.copy_from(&mut File::open(path).unwrap()).unwrap(), expected.len() as u64, "{path}");
            let mut seen = vec![0; expected.len()];
            ours.read_at(&mut seen, 1000).unwrap();
            assert_same(&seen, &expected, path);
        }
        let position = ours.position();
        assert_eq!(ours.copy_from(&mut File::open("/dev/null").unwrap()).unwrap(), 0);
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(ours.copy_to(&mut full).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(ours.position(), position, "it took nothing");
        let mut null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        assert_eq!(ours.copy_to(&mut null).unwrap(), LEN as u64 - position);
        assert_eq!(ours.copy_to(&mut null).unwrap(), 0);
    }
}

/// Without a length to go by, zeros come until a limit does.
#[test]
#[cfg(target_os = "linux")]
fn p8_a_source_without_end_ends_at_the_limit() {
    let ground = Ground::new();
    for case in Case::grid(LEN).filter(|case| case.threshold < usize::MAX) {
        let mut ours = Case { max_len: LEN as u64, ..case }.options(&ground).build();
        let error = ours.copy_from(&mut File::open("/dev/zero").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_content(&ours, &vec![0; LEN], 300 * KIB);
    }
}

/// From one spool into another.
#[test]
fn p1_spools_are_sources_and_sinks_themselves() {
    let ground = Ground::new();
    for case in Case::grid(LEN) {
        let mut from = spool(case, &ground, 500);
        let mut to = case.options(&ground).build();
        assert_eq!(to.copy_from(&mut from).unwrap(), LEN as u64 - 500);
        assert_content(&to, &noise(LEN, 1)[500..], 300 * KIB);
        from.rewind().unwrap();
        assert_eq!(from.copy_to(&mut to).unwrap(), LEN as u64);
        assert_eq!(io::copy(&mut from, &mut to).unwrap(), 0);
        assert_content(&to, &[&noise(LEN, 1)[500..], noise(LEN, 1)].concat(), 300 * KIB);
    }
}

fn to_end(source: &mut impl Read) -> Vec<u8> {
    let mut seen = vec![];
    source.read_to_end(&mut seen).unwrap();
    seen
}
