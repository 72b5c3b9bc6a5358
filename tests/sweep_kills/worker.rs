//! One who does with names all that can be done, writes down what is to stay, and looks after what it holds.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use spooled::{NamedOptions, NamedTempFile, SpooledTempFile, TempDir};

use self::Leaves::{Another, NoMore};
use crate::ground::{BACKINGS, MIB, names, options};
use crate::model::{assert_whole, content};

pub(crate) struct Worker {
    pub(crate) directory: PathBuf,
    pub(crate) log_path: PathBuf,
    log: File,
    pub(crate) seed: u64,
    pub(crate) held: Vec<Held>,
    kept: Vec<PathBuf>,
    /// How many names it may still leave there for good.
    left: usize,
}

pub(crate) enum Held {
    File(NamedTempFile, Vec<u8>),
    Directory(TempDir),
}

impl Held {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Held::File(file, _) => file.path(),
            Held::Directory(directory) => directory.path(),
        }
    }
}

impl Worker {
    pub(crate) fn new(argument: &str) -> Self {
        let mut parts = argument.splitn(4, ' ');
        let mut next = || parts.next().unwrap();
        let umask = u32::from_str_radix(next(), 8).unwrap();
        let seed = next().parse().unwrap();
        let (log_path, directory) = (PathBuf::from(next()), PathBuf::from(next()));
        let log = File::options().append(true).open(&log_path).unwrap_or_else(|_| File::open("/dev/null").unwrap());
        rustix::process::umask(Mode::from_raw_mode(umask));
        Worker { directory, log_path, log, seed, held: Vec::new(), kept: Vec::new(), left: 12 }
    }

    /// Killed afterwards, it is still told: a log is in one piece.
    fn log(&mut self, what: &str, path: &Path) {
        self.log.write_all(format!("{what} {}\n", path.display()).as_bytes()).unwrap();
    }

    fn content(&mut self) -> Vec<u8> {
        self.seed += 1000;
        content(self.seed)
    }

    fn file(&mut self) -> NamedTempFile {
        let mut file = NamedTempFile::new_in(&self.directory).unwrap();
        file.write_all(&self.content()).unwrap();
        file
    }

    fn spool(&mut self, threshold: usize) -> SpooledTempFile {
        let backing = BACKINGS[self.seed as usize / 1000 % 2];
        let mut spool = options(&self.directory, threshold, backing).build();
        spool.write_all(&self.content()).unwrap();
        spool
    }

    fn tree(&mut self) -> TempDir {
        let directory = TempDir::new_in(&self.directory).unwrap();
        self.fill(directory.path());
        directory
    }

    /// All or nothing of it is there, for whoever looks at what was kept.
    fn fill(&mut self, directory: &Path) {
        for directory in [directory.to_owned(), directory.join("deep")] {
            if !directory.exists() {
                fs::create_dir(&directory).unwrap();
                fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
            }
        }
        let file = directory.join("file");
        fs::write(&file, self.content()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn keep(&mut self, file: NamedTempFile) {
        let path = file.path().to_owned();
        self.log("may", &path);
        drop(file.keep().unwrap());
        self.log("must", &path);
        self.kept.push(path);
    }

    fn keep_directory(&mut self, directory: TempDir) {
        self.log("may", directory.path());
        let path = directory.keep();
        self.log("must", &path);
    }

    fn persist(&mut self, path: &Path, persist: impl FnOnce(&Path)) {
        self.log("may", path);
        persist(path);
        self.log("must", path);
    }

    /// One of the names that it, or all of them, have already given away.
    fn existing(&mut self) -> PathBuf {
        match self.kept.last() {
            Some(kept) if self.seed % 3 > 0 => kept.clone(),
            _ => self.directory.join(format!("over-{}", self.seed % 4)),
        }
    }

    /// How many deeds there are; a number stands for one.
    pub(crate) const DEEDS: usize = DEEDS.len();

    /// One of all the things that can be done with names.
    pub(crate) fn does(&mut self, number: usize) {
        let (_, leaves, deed) = DEEDS[number];
        if leaves == Leaves::Another {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
        }
        deed(self);
    }

    #[track_caller]
    pub(crate) fn does_what_is_called(&mut self, name: &str) {
        self.does(DEEDS.iter().position(|deed| deed.0 == name).unwrap());
    }

    fn made(&self) -> NamedTempFile {
        NamedTempFile::new_in(&self.directory).unwrap()
    }

    fn own_path(&self) -> PathBuf {
        self.directory.join(format!("new-{}-{}", std::process::id(), self.left))
    }

    fn replace_by_file(&mut self) {
        let (file, path) = (self.file(), self.existing());
        self.persist(&path, |path| drop(file.persist(path).unwrap()));
    }

    fn replace_by_spool(&mut self, threshold: usize) {
        let (spool, path) = (self.spool(threshold), self.existing());
        self.persist(&path, |path| drop(spool.persist(path).unwrap()));
    }

    /// For a while: the last four.
    fn hold(&mut self, held: Held) {
        self.held.push(held);
        if self.held.len() > 4 {
            match self.held.remove(0) {
                Held::File(file, _) => file.close().unwrap(),
                Held::Directory(directory) => directory.close().unwrap(),
            }
        }
    }

    #[track_caller]
    pub(crate) fn finds_what_it_holds(&self) {
        for held in &self.held {
            match held {
                Held::File(file, content) => assert!(fs::read(file.path()).unwrap() == *content),
                Held::Directory(directory) => {
                    assert_eq!(names(directory.path()), ["deep", "file"]);
                    assert_whole(&directory.path().join("file"));
                }
            }
        }
    }
}

/// Whether it leaves one name more for good, of which each worker has some alone.
#[derive(Clone, Copy, PartialEq)]
enum Leaves {
    Another,
    NoMore,
}

type Deed = (&'static str, Leaves, fn(&mut Worker));

const DEEDS: [Deed; 23] = [
    ("keep what is new", Another, |worker| {
        let file = worker.made();
        worker.keep(file);
    }),
    ("keep a file", Another, |worker| {
        let file = worker.file();
        worker.keep(file);
    }),
    ("keep what a file became", Another, |worker| {
        let file = worker.spool(0).into_named().unwrap();
        worker.keep(file);
    }),
    ("keep what memory became", Another, |worker| {
        let file = worker.spool(MIB).into_named().unwrap();
        worker.keep(file);
    }),
    ("keep a file for all to read", Another, |worker| {
        let mut options = NamedOptions::new();
        let mut file = options.prefix("page-").suffix(".html").mode(0o644).tempfile_in(&worker.directory).unwrap();
        file.write_all(&worker.content()).unwrap();
        worker.keep(file);
    }),
    ("keep a directory", Another, |worker| {
        let directory = TempDir::new_in(&worker.directory).unwrap();
        worker.keep_directory(directory);
    }),
    ("keep a tree", Another, |worker| {
        let tree = worker.tree();
        worker.keep_directory(tree);
    }),
    ("persist a file", Another, |worker| {
        let (file, path) = (worker.file(), worker.own_path());
        worker.persist(&path, |path| drop(file.persist(path).unwrap()));
    }),
    ("persist a spool", Another, |worker| {
        let (spool, path) = (worker.spool(0), worker.own_path());
        worker.persist(&path, |path| drop(spool.persist_noclobber(path).unwrap()));
    }),
    ("persist a file onto itself", Another, |worker| {
        let file = worker.file();
        let path = file.path().to_owned();
        worker.persist(&path, |path| drop(file.persist(path).unwrap()));
    }),
    ("replace by a file", NoMore, Worker::replace_by_file),
    ("replace by a spool's file", NoMore, |worker| worker.replace_by_spool(0)),
    ("replace by a spool's memory", NoMore, |worker| worker.replace_by_spool(MIB)),
    ("close what is new", NoMore, |worker| worker.made().close().unwrap()),
    ("close a file", NoMore, |worker| worker.file().close().unwrap()),
    ("close what a file became", NoMore, |worker| worker.spool(0).into_named().unwrap().close().unwrap()),
    ("close what memory became", NoMore, |worker| worker.spool(MIB).into_named().unwrap().close().unwrap()),
    ("close a directory", NoMore, |worker| TempDir::new_in(&worker.directory).unwrap().close().unwrap()),
    ("close a tree", NoMore, |worker| worker.tree().close().unwrap()),
    ("drop a directory for all to read", NoMore, |worker| {
        drop(NamedOptions::new().prefix("").mode(0o755).tempdir_in(&worker.directory).unwrap());
    }),
    ("hold a file", NoMore, |worker| {
        let mut file = worker.made();
        let content = worker.content();
        file.write_all(&content).unwrap();
        worker.hold(Held::File(file, content));
    }),
    ("hold what is read-only or what a file became", NoMore, |worker| {
        let content = worker.content();
        if worker.seed % 2 == 0 {
            let mut spool = options(&worker.directory, 0, BACKINGS[0]).build();
            spool.write_all(&content).unwrap();
            worker.hold(Held::File(spool.into_named().unwrap(), content));
        } else {
            let file = NamedOptions::new().mode(0o400).tempfile_in(&worker.directory).unwrap();
            worker.hold(Held::File(file, Vec::new()));
        }
    }),
    ("hold a tree", NoMore, |worker| {
        let tree = worker.tree();
        worker.hold(Held::Directory(tree));
    }),
];
