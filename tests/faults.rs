//! Every fault in turn: a script of work whose first system call of a kind fails, then its second, until a run meets
//! none; and a kernel that knows no such call at all.
//!
//! The faults are the kernel's answers, changed on their way by `strace`, or given by seccomp; the file is a real one.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ground::walk::{self, BY_HAND_EIO, BY_HAND_ENOSPC, INTERRUPTED};
use ground::{BACKINGS, KIB, MIB, Scratch, assert_holds, assert_same, bytes, child, file_with, kernel, names, options};
use ground::{numbers, skipped, strace};
use spooled::{Backing, SpooledBytes, SpooledData, SpooledTempFile};

#[test]
fn p2_p4_each_failing_write_loses_nothing() {
    walk("p2_p4_each_failing_write_loses_nothing", &[("pwrite64", "ENOSPC")]);
}

#[test]
fn p4_each_failing_read_loses_nothing() {
    walk("p4_each_failing_read_loses_nothing", &[("pread64", "EIO")]);
}

#[test]
fn p2_p4_each_failing_change_of_length_loses_nothing() {
    let changes = [("ftruncate", "ENOSPC"), ("fallocate", "ENOSPC"), ("fallocate", "EOPNOTSUPP")];
    walk("p2_p4_each_failing_change_of_length_loses_nothing", &changes);
}

#[test]
fn p2_p4_each_failing_open_or_link_loses_nothing() {
    let names = [
        ("openat", "EMFILE"),
        ("linkat", "ENOSPC"),
        ("linkat", "EPERM"),
        ("fchmod", "EIO"),
        #[cfg(target_arch = "x86_64")]
        ("rename", "ENOSPC"),
    ];
    walk("p2_p4_each_failing_open_or_link_loses_nothing", &names);
}

#[test]
fn p4_each_failing_copy_by_the_kernel_loses_nothing() {
    let copies =
        [("copy_file_range", "ENOSPC"), ("copy_file_range", "EIO"), ("copy_file_range", "ENOSYS"), ("splice", "EIO")];
    walk("p4_each_failing_copy_by_the_kernel_loses_nothing", &copies);
}

/// Where the kernel cannot copy between two files, the standard library does, through calls of its own.
#[test]
fn p4_each_failing_copy_by_hand_loses_nothing() {
    walk("p4_each_failing_copy_by_hand_loses_nothing", &[("read", BY_HAND_EIO), ("write", BY_HAND_ENOSPC)]);
}

#[test]
fn p4_a_call_that_is_interrupted_is_made_again() {
    let calls = ["pwrite64", "pread64", "ftruncate", "openat", "fchmod"];
    walk("p4_a_call_that_is_interrupted_is_made_again", &calls.map(|call| (call, INTERRUPTED)));
}

/// `std::io::copy` promises as much, and keeps the promise only where it does the work itself.
#[test]
fn p4_a_copy_by_the_kernel_that_is_interrupted_goes_on() {
    let calls = ["copy_file_range", "splice"];
    walk("p4_a_copy_by_the_kernel_that_is_interrupted_goes_on", &calls.map(|call| (call, INTERRUPTED)));
}

/// What was read before a call failed is the newest, too: a window that is still to be written lies over all of it.
#[test]
fn p1_a_read_that_fails_halfway_gives_the_newest_bytes() {
    const NAME: &str = "p1_a_read_that_fails_halfway_gives_the_newest_bytes";
    if let Some(argument) = child::argument() {
        let mut spool = options(Path::new(&argument), 0, Backing::File).build();
        spool.write_all(&bytes(8 * MIB, 1)).unwrap();
        spool.write_at(b"newest", 0).unwrap();
        spool.rewind().unwrap();
        let mut all = Vec::new();
        // An allocation of this size begins where large reads take a call for each MiB, on the processors that do so.
        let read = spool.read_to_end(&mut all);
        assert_eq!(all.len() as u64, spool.position());
        if read.is_err() && !all.is_empty() {
            assert_eq!(&all[..6], b"newest");
        }
        return;
    }
    let scratch = Scratch::new();
    let child = child::command(NAME, scratch.path());
    let how = ["-e", "trace=pread64", "-e", "inject=pread64:error=EIO:when=4+"];
    let Some(output) = strace::traced(&child, &scratch.path().join("log"), &how) else { return };
    child::assert_passed(&output, NAME.as_ref());
}

#[track_caller]
fn walk(name: &str, faults: &[(&str, &str)]) {
    ground::walk::walk(name, faults, script);
}

/// A little of everything. Where a call fails, all is as it was, and the same call then succeeds.
fn script(directory: &Path, interrupted: bool) {
    // What is made here should not meet the fault itself.
    let content = bytes(700 * KIB, 1);
    let spools = directory.join("spools");
    fs::create_dir(&spools).unwrap();
    let mut source = file_with(&directory.join("source"), &content[..300 * KIB]);
    let mut sink = File::options().read(true).write(true).create_new(true).open(directory.join("sink")).unwrap();
    let target = spools.join("target");
    // Unlike `cat`, it reads and writes.
    let source_of_dd = format!("if={}", directory.join("source").display());
    let dd = || Command::new("dd").args([&source_of_dd, "bs=64k", "status=none"]).stdout(Stdio::piped()).spawn();
    let mut writers = [dd().unwrap(), dd().unwrap()];
    let mut pipes = writers.each_mut().map(|writer| writer.stdout.take().unwrap()).into_iter();

    walk::begin(directory);
    let mut met = 0;
    for backing in BACKINGS {
        let mut life = Life::new(options(&spools, 100 * KIB, backing).build());
        // Rolls over on its way; small pieces, then a large one.
        for piece in content[..150 * KIB].chunks(10 * KIB) {
            life.write(piece);
        }
        life.write(&content[150 * KIB..350 * KIB]);
        life.write(&content[..1000]);
        life.insist(SpooledTempFile::roll);

        // Reads of each kind.
        life.seek(0);
        (0..40).for_each(|_| life.read(1000));
        life.read(200 * KIB);
        for offset in numbers(300 * KIB as u64, 2).take(3) {
            life.seek(offset);
            life.read(64);
            life.read_at(offset / 2, 64);
            life.fill_buf();
        }
        life.seek(5000);
        life.read_to_end();

        // Writes among what is there, holes, and what is cut off again.
        life.seek(77_777);
        life.write(&content[..20_000]);
        life.seek(77_000);
        life.read(30_000);
        life.set_len(500 * KIB);
        life.seek(450 * KIB as u64);
        life.write(b"in a hole");
        life.seek(600 * KIB as u64);
        life.write(b"past the end");
        life.set_len(420 * KIB);
        life.seek(420 * KIB as u64);
        life.write(&content[..3000]);
        if backing == Backing::Mmap {
            let expected = life.model.clone();
            life.insist(|spool| spool.as_slice().map(|slice| assert_same(slice, &expected, "as a slice")));
        }

        // Copies, by us and by the kernel.
        life.copy_from(&mut &content[..150_000], &content[..150_000]);
        again(&mut source, &mut 0, File::rewind);
        life.copy_from(&mut source, &content[..300 * KIB]);
        life.copy_from(&mut File::from(OwnedFd::from(pipes.next().unwrap())), &content[..300 * KIB]);
        life.seek(1000);
        let mut out = Vec::new();
        life.copy_to(&mut out);
        assert_same(&out, &life.model[1000..], "copied to memory");
        let sunk = again(&mut sink, &mut 0, File::stream_position);
        life.copy_to(&mut sink);
        let mut out = vec![0; life.model.len() - 1000];
        again(&mut sink, &mut 0, |sink| sink.read_exact_at(&mut out, sunk));
        assert_same(&out, &life.model[1000..], "copied to a file");
        met += life.met;

        // Every way out, each of a spool with something in its window; what it was read through makes little difference.
        if backing == Backing::Mmap {
            continue;
        }
        let frozen =
            leave(&mut met, &spools, backing, &content, |spool| spool.freeze().map_err(|error| error.into_parts()));
        assert_frozen(frozen, &content[..90 * KIB], &mut met);
        let mut file =
            leave(&mut met, &spools, backing, &content, |spool| spool.into_file().map_err(|error| error.into_parts()));
        assert_file(&mut file, &content[..90 * KIB]);
        let data =
            leave(&mut met, &spools, backing, &content, |spool| spool.into_inner().map_err(|error| error.into_parts()));
        let SpooledData::OnDisk(mut file) = data else { panic!("in memory again") };
        assert_file(&mut file, &content[..90 * KIB]);
        // A new name, and twice one that is taken.
        let mut file = leave(&mut met, &spools, backing, &content, |spool| {
            let persisted = spool.persist_noclobber(&target).map_err(|error| error.into_parts());
            assert_eq!(target.exists(), persisted.is_ok());
            persisted
        });
        assert_file(&mut file, &content[..90 * KIB]);
        for _ in 0..2 {
            let mut file = leave(&mut met, &spools, backing, &content, |spool| {
                let persisted = spool.persist(&target).map_err(|error| error.into_parts());
                assert_eq!(fs::metadata(&target).unwrap().len(), 90 * KIB as u64);
                persisted
            });
            assert_file(&mut file, &content[..90 * KIB]);
        }
        fs::remove_file(&target).unwrap();
        // Nothing is left beside it. If there were something, removing the directory would fail.
        fs::remove_dir(&spools).unwrap();
        fs::create_dir(&spools).unwrap();
    }
    walk::end(directory);
    assert!(writers.iter_mut().all(|writer| writer.wait().unwrap().success()));
    walk::met(met, interrupted);
}

/// A spool, and what should be in it.
struct Life {
    spool: SpooledTempFile,
    model: Vec<u8>,
    position: usize,
    met: usize,
}

impl Life {
    fn new(spool: SpooledTempFile) -> Self {
        Life { spool, model: Vec::new(), position: 0, met: 0 }
    }

    /// A call that may fail once, and has then changed nothing.
    #[track_caller]
    fn insist<T>(&mut self, mut call: impl FnMut(&mut SpooledTempFile) -> io::Result<T>) -> T {
        call(&mut self.spool).unwrap_or_else(|_| {
            self.met += 1;
            self.assert_whole();
            call(&mut self.spool).unwrap()
        })
    }

    #[track_caller]
    fn assert_whole(&mut self) {
        assert_eq!(self.spool.position(), self.position as u64);
        assert_holds(&mut self.spool, &self.model);
    }

    /// As `assert_whole`, where the fault may still be due.
    #[track_caller]
    fn look(&mut self) {
        assert_eq!((self.spool.position(), self.spool.len()), (self.position as u64, self.model.len() as u64));
        self.read_at(0, self.model.len());
    }

    #[track_caller]
    fn write(&mut self, piece: &[u8]) {
        let mut done = 0;
        while done < piece.len() {
            let taken = self.insist(|spool| spool.write(&piece[done..]));
            self.wrote(&piece[done..done + taken]);
            done += taken;
        }
    }

    fn wrote(&mut self, piece: &[u8]) {
        let end = self.position + piece.len();
        self.model.resize(self.model.len().max(end), 0);
        self.model[self.position..end].copy_from_slice(piece);
        self.position = end;
    }

    fn seek(&mut self, to: u64) {
        self.spool.seek(SeekFrom::Start(to)).unwrap();
        self.position = to as usize;
    }

    #[track_caller]
    fn set_len(&mut self, len: usize) {
        self.insist(|spool| spool.set_len(len as u64));
        self.model.resize(len, 0);
        assert_eq!(self.spool.len(), len as u64);
    }

    #[track_caller]
    fn read(&mut self, count: usize) {
        let mut buf = vec![0; count];
        let read = self.insist(|spool| spool.read(&mut buf));
        assert_eq!(read, count.min(self.model.len().saturating_sub(self.position)));
        assert_same(&buf[..read], &self.model[self.position..self.position + read], "by read");
        self.position += read;
    }

    #[track_caller]
    fn read_at(&mut self, offset: u64, count: usize) {
        let mut buf = vec![0; count];
        let read = self.insist(|spool| spool.read_at(&mut buf, offset));
        assert_same(&buf[..read], &self.model[offset as usize..][..count], "by read_at");
    }

    #[track_caller]
    fn fill_buf(&mut self) {
        let expected = self.model[self.position..].to_vec();
        self.insist(|spool| spool.fill_buf().map(|piece| assert_same(piece, &expected[..piece.len()], "by fill_buf")));
    }

    /// What was read before the fault is there, and counted.
    #[track_caller]
    fn read_to_end(&mut self) {
        let mut buf = Vec::new();
        if self.spool.read_to_end(&mut buf).is_err() {
            self.met += 1;
            assert_eq!(self.spool.position(), (self.position + buf.len()) as u64);
            self.spool.read_to_end(&mut buf).unwrap();
        }
        assert_same(&buf, &self.model[self.position..], "by read_to_end");
        self.position = self.model.len();
    }

    /// Source and spool together are everything, also when the copy fails on its way.
    #[track_caller]
    fn copy_from<R: Read>(&mut self, source: &mut R, content: &[u8]) {
        let start = self.position;
        if self.spool.copy_from(source).is_err() {
            self.met += 1;
            let copied = self.spool.position() as usize - start;
            self.wrote(&content[..copied]);
            self.assert_whole();
            self.spool.copy_from(source).unwrap();
        }
        let copied = self.position - start;
        self.wrote(&content[copied..]);
        self.look();
    }

    /// What the sink has is counted.
    #[track_caller]
    fn copy_to<W: Write>(&mut self, sink: &mut W) {
        let start = self.position;
        if self.spool.copy_to(sink).is_err() {
            self.met += 1;
            self.position = self.spool.position() as usize;
            assert!(self.position >= start);
            self.assert_whole();
            self.spool.copy_to(sink).unwrap();
        }
        self.position = self.model.len();
        self.look();
        self.seek(start as u64);
    }
}

/// Consumes a rolled spool of 90 KiB, some of it in the window; gets it back once, if it fails.
#[track_caller]
fn leave<T>(
    met: &mut usize,
    directory: &Path,
    backing: Backing,
    content: &[u8],
    mut way: impl FnMut(SpooledTempFile) -> Result<T, (io::Error, SpooledTempFile)>,
) -> T {
    let mut life = Life::new(options(directory, 0, backing).build());
    life.write(&content[..70 * KIB]);
    life.write(&content[70 * KIB..90 * KIB]);
    life.seek(12_345);
    *met += life.met;
    way(life.spool).unwrap_or_else(|(_, mut spool)| {
        *met += 1;
        assert_eq!(spool.position(), 12_345);
        assert_holds(&mut spool, &content[..90 * KIB]);
        way(spool).unwrap_or_else(|(error, _)| panic!("{error:?}"))
    })
}

#[track_caller]
fn assert_frozen(mut frozen: SpooledBytes, content: &[u8], met: &mut usize) {
    let whole = again(&mut frozen, met, |frozen| frozen.to_bytes());
    assert_same(&whole, content, "to_bytes");
    let chunks = again(&mut frozen, met, |frozen| frozen.chunks(50_000).collect::<io::Result<Vec<_>>>());
    assert_same(&chunks.concat(), content, "by chunks");
    let mut buf = vec![0; content.len() + 1];
    let read = again(&mut frozen, met, |frozen| frozen.read_at(&mut buf, 0));
    assert_same(&buf[..read], content, "by read_at");
    assert_eq!(frozen.position(), 0);
    let read = again(&mut frozen, met, |frozen| frozen.read(&mut buf));
    assert_same(&buf[..read], content, "by read");
}

/// A fault that the file itself meets, when the spool has left it, is not the spool's.
#[track_caller]
fn assert_file(file: &mut File, content: &[u8]) {
    assert_eq!(again(file, &mut 0, File::stream_position), 12_345);
    let mut seen = vec![0; content.len()];
    again(file, &mut 0, |file| file.read_exact_at(&mut seen, 0));
    assert_same(&seen, content, "as a file");
    assert_eq!(file.metadata().unwrap().len(), content.len() as u64);
}

/// A call that may fail once.
#[track_caller]
fn again<T, R>(on: &mut T, met: &mut usize, mut call: impl FnMut(&mut T) -> io::Result<R>) -> R {
    call(on).unwrap_or_else(|_| {
        *met += 1;
        call(on).unwrap()
    })
}

#[test]
fn p4_persist_copies_where_nothing_can_be_linked() {
    const NAME: &str = "p4_persist_copies_where_nothing_can_be_linked";
    if let Some(argument) = child::argument() {
        let (errno, directory) = argument.split_once(' ').unwrap();
        let directory = Path::new(directory);
        if !kernel::refuse(libc::SYS_linkat, errno.parse().unwrap()) {
            return skipped("the kernel takes no filter");
        }
        let target = directory.join("target");
        let content = bytes(200_000, 3);
        for threshold in [0, MIB] {
            let made = || {
                let mut spool = options(directory, threshold, Backing::File).build();
                spool.write_all(&content).unwrap();
                spool.seek(SeekFrom::Start(12_345)).unwrap();
                spool
            };
            assert_file(&mut made().persist_noclobber(&target).unwrap(), &content);
            let error = made().persist_noclobber(&target).unwrap_err();
            assert_eq!(error.error().kind(), io::ErrorKind::AlreadyExists);
            assert_file(&mut made().persist(&target).unwrap(), &content);
            assert_same(&fs::read(&target).unwrap(), &content, "persisted");
            assert_eq!(names(directory), ["target"]);
            fs::remove_file(&target).unwrap();
        }
        return;
    }
    // By a policy, without `/proc`, across file systems, on a file system without links.
    for errno in [libc::EPERM, libc::ENOENT, libc::EXDEV, libc::EOPNOTSUPP] {
        let scratch = Scratch::new();
        child::run(NAME, format!("{errno} {}", scratch.path().display()));
    }
}

#[test]
fn p1_a_spool_reads_as_files_are_read_where_nothing_can_be_mapped() {
    const NAME: &str = "p1_a_spool_reads_as_files_are_read_where_nothing_can_be_mapped";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let content = bytes(300_000, 4);
    let mut spool = options(Path::new(&directory), 1000, Backing::Mmap).build();
    if !kernel::refuse_mapping_files(libc::ENODEV) {
        return skipped("the kernel takes no filter");
    }
    spool.write_all(&content).unwrap();
    assert_holds(&mut spool, &content);
    let mut buf = [0; 64];
    for offset in numbers(299_000, 5).take(100) {
        spool.seek(SeekFrom::Start(offset)).unwrap();
        spool.read_exact(&mut buf).unwrap();
        assert_same(&buf, &content[offset as usize..][..64], "by a read at random");
    }
    ground::assert_names_path(&spool.as_slice().unwrap_err(), Path::new(&directory));
    let frozen = spool.freeze().unwrap();
    ground::assert_names_path(&frozen.to_bytes().unwrap_err(), Path::new(&directory));
    let chunks: Vec<_> = frozen.chunks(10_000).map(Result::unwrap).collect();
    assert_same(&chunks.concat(), &content, "by chunks");
}
