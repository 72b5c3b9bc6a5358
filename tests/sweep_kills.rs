//! Processes that make names of every kind, keep, persist and drop them, and are killed: at random moments, and before each
//! system call that changes anything. The next one that makes a name there leaves exactly what was kept and persisted.
#![cfg(target_os = "linux")]

mod ground;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ground::left::{NOBODY, Other, Paths, assert_killed, rest, say};
use ground::mount::Mount;
use ground::{BACKINGS, MIB, Scratch, bytes, child, kernel, names, numbers, options, skipped, strace, walk};
use rustix::fs::Mode;
use rustix::process::geteuid;
use spooled::{NamedOptions, NamedTempFile, SpooledTempFile, TempDir};

#[test]
fn p5_two_hundred_kills_leave_what_was_kept_and_persisted() {
    const NAME: &str = "p5_two_hundred_kills_leave_what_was_kept_and_persisted";
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    let scratch = Scratch::new();
    among_eight(NAME, scratch.path(), 200, "022", None);
}

#[test]
fn p5_so_they_do_under_every_umask() {
    const NAME: &str = "p5_so_they_do_under_every_umask";
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    for umask in ["0", "077", "777"] {
        let scratch = Scratch::new();
        among_eight(NAME, scratch.path(), 16, umask, None);
    }
}

#[test]
fn p5_so_they_do_for_a_user_without_privileges() {
    const NAME: &str = "p5_so_they_do_for_a_user_without_privileges";
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    if !geteuid().is_root() {
        return skipped("there is no other user to be; the other tests here ran as one without privileges");
    }
    for umask in ["022", "0", "077", "777"] {
        let scratch = Scratch::new();
        among_eight(NAME, scratch.path(), 16, umask, Some(NOBODY));
    }
}

#[test]
fn p5_so_they_do_on_xfs() {
    on("p5_so_they_do_on_xfs", || Mount::on_a_loop_device("xfs", 300 << 20));
}

#[test]
fn p5_so_they_do_on_btrfs() {
    on("p5_so_they_do_on_btrfs", || Mount::on_a_loop_device("btrfs", 256 << 20));
}

#[test]
fn p5_so_they_do_on_tmpfs() {
    on("p5_so_they_do_on_tmpfs", || Mount::tmpfs(128 * MIB));
}

#[test]
fn p5_so_they_do_on_an_overlay_over_tmpfs() {
    on("p5_so_they_do_on_an_overlay_over_tmpfs", || Mount::tmpfs(128 * MIB).and_then(Mount::overlay));
}

#[test]
fn p5_so_they_do_on_an_overlay_over_ext4() {
    on("p5_so_they_do_on_an_overlay_over_ext4", || Mount::on_a_loop_device("ext4", 128 << 20).and_then(Mount::overlay));
}

#[track_caller]
fn on(name: &str, mount: impl FnOnce() -> Option<Mount>) {
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    let Some(mount) = mount() else { return };
    let directory = mount.path().join("names");
    fs::create_dir(&directory).unwrap();
    among_eight(name, &directory, 30, "022", None);
}

/// Kills so many of eight, each time one that has lived for a while, and starts another in its place.
#[track_caller]
fn among_eight(name: &str, directory: &Path, kills: u64, umask: &str, user: Option<u32>) {
    let logs = Scratch::new();
    let stop = logs.path().join("stop");
    let mut started = 0;
    let mut start = || {
        started += 1;
        let log = logs.path().join(format!("log-{started}"));
        // Whatever the umask of those who write it.
        fs::write(&log, b"").unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
        let argument = format!("{umask} {started} {} {}", log.display(), directory.display());
        let mut other = match user {
            Some(user) => Other::start_as(user, name, argument)?,
            None => Other::start(name, argument),
        };
        other.tell();
        Some(other)
    };
    let mut eight = Vec::new();
    for _ in 0..8 {
        match start() {
            Some(other) => eight.push(other),
            None => return skipped("another user may not run this binary where it is"),
        }
    }
    for (victim, moment) in numbers(8, kills).zip(numbers(6_000, 7)).take(kills as usize) {
        thread::sleep(Duration::from_micros(moment));
        std::mem::replace(&mut eight[victim as usize], start().unwrap()).kill();
    }
    // Four more, whom nobody follows; the other four come to rest, and say what they hold.
    eight.drain(..4).for_each(Other::kill);
    fs::write(stop, b"").unwrap();
    let mut model = Model::default();
    for living in &mut eight {
        living.comes_to_rest();
        for held in living.said() {
            model.says(&held);
        }
    }
    model.reads(logs.path());
    assert!(model.0.len() as u64 > kills / 4, "they came to nothing: {}", model.0.len());
    match user {
        None => sweeps(&Paths::to(directory).unknown()),
        Some(user) => {
            let nothing = logs.path().join("nothing");
            Other::start_as(user, name, format!("022 0 {} {}", nothing.display(), directory.display())).unwrap();
        }
    }
    let odd = umask == "777";
    model.is_what_is_in(directory, |left| odd && is_bare(left));

    // The living find theirs, and go in peace with it.
    eight.into_iter().for_each(Other::ends);
    model.0.retain(|_, there| !there.held);
    model.is_what_is_in(directory, |left| odd && is_bare(left));
}

/// One process, and one name; if more has been kept there than one look takes in, a few more.
#[track_caller]
fn sweeps(directory: &Path) {
    for _ in 0..=names(directory).len() / 100 {
        drop(NamedTempFile::new_in(directory).unwrap());
    }
}

/// What is to be there.
#[derive(Default)]
struct Model(BTreeMap<PathBuf, There>);

#[derive(Debug, Default)]
struct There {
    /// Else it was being made, or taken away.
    certain: bool,
    held: bool,
}

impl Model {
    #[track_caller]
    fn reads(&mut self, logs: &Path) {
        for log in names(logs).into_iter().filter(|name| name.starts_with("log-")) {
            let log = fs::read_to_string(logs.join(log)).unwrap();
            log.lines().for_each(|line| self.says(line));
        }
    }

    #[track_caller]
    fn says(&mut self, line: &str) {
        let (what, path) = line.split_once(' ').unwrap();
        let there = self.0.entry(path.into()).or_default();
        match what {
            // Several may do that to one path; what is there stays there.
            "may" => {}
            "must" => there.certain = true,
            "held" => (there.certain, there.held) = (true, true),
            _ => unreachable!("{line}"),
        }
    }

    #[track_caller]
    fn is_what_is_in(&self, directory: &Path, or: impl Fn(&Path) -> bool) {
        let there: Vec<_> = names(directory).into_iter().map(|name| directory.join(name)).collect();
        let unswept: Vec<_> = there.iter().filter(|path| !self.0.contains_key(*path) && !or(path)).collect();
        assert!(
            unswept.is_empty(),
            "{} of {} names are left, such as {}",
            unswept.len(),
            there.len(),
            described(unswept[0])
        );
        let gone: Vec<_> = self.0.iter().filter(|(path, it)| it.certain && !there.contains(path)).collect();
        assert!(gone.is_empty(), "gone: {gone:?}");
        there.iter().for_each(|path| assert_whole(path));
    }
}

fn described(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).unwrap();
    format!("{} ({metadata:?})", path.display())
}

/// Private and empty: what is left where an umask took away the owner's own rights and he died before he had them back.
/// Without them it cannot be looked into, and with them it does not look as it was born.
#[track_caller]
fn is_bare(path: &Path) -> bool {
    let metadata = fs::symlink_metadata(path).unwrap();
    let is_empty = if metadata.is_dir() { names(path).is_empty() } else { metadata.len() == 0 };
    is_empty && metadata.permissions().mode() & 0o077 == 0
}

/// Nothing, all of one content, or a tree.
#[track_caller]
fn assert_whole(path: &Path) {
    if fs::symlink_metadata(path).unwrap().is_dir() {
        let names = names(path);
        assert!(names.is_empty() || names == ["deep", "file"], "{}: {names:?}", path.display());
        return names.iter().for_each(|name| assert_whole(&path.join(name)));
    }
    let content = fs::read(path).unwrap();
    if let Some((seed, rest)) = content.split_first_chunk() {
        let expected = bytes(rest.len(), u64::from_le_bytes(*seed));
        assert!(rest == expected && ends_well(&content), "{} of {} bytes is not whole", path.display(), content.len());
    }
}

/// That many follow from the seed: a part of it does not end where it should.
fn ends_well(content: &[u8]) -> bool {
    content.first_chunk().is_some_and(|seed| length(u64::from_le_bytes(*seed)) == content.len())
}

fn content(seed: u64) -> Vec<u8> {
    let mut content = seed.to_le_bytes().to_vec();
    content.extend(bytes(length(seed) - 8, seed));
    content
}

fn length(seed: u64) -> usize {
    8 + (seed as usize * 7919 % if seed % 5 == 0 { 60_000 } else { 2_000 })
}

/// In another process: works until it is killed, or told to stop.
fn works(argument: &str) {
    let mut worker = Worker::new(argument);
    if worker.seed == 0 {
        sweeps(&worker.directory);
        return rest();
    }
    rest();
    let stop = worker.log_path.with_file_name("stop");
    for what in numbers(1 << 20, worker.seed + 77) {
        worker.does(what as usize % Worker::KINDS);
        worker.finds_what_it_holds();
        if stop.exists() {
            break;
        }
    }
    worker.held.iter().for_each(|held| say(format_args!("held {}", held.path().display())));
    rest();
    worker.finds_what_it_holds();
}

struct Worker {
    directory: PathBuf,
    log_path: PathBuf,
    log: File,
    seed: u64,
    held: Vec<Held>,
    kept: Vec<PathBuf>,
    /// How many names it may still leave there for good.
    left: usize,
}

enum Held {
    File(NamedTempFile, Vec<u8>),
    Directory(TempDir),
}

impl Held {
    fn path(&self) -> &Path {
        match self {
            Held::File(file, _) => file.path(),
            Held::Directory(directory) => directory.path(),
        }
    }
}

impl Worker {
    const KINDS: usize = 24;

    fn new(argument: &str) -> Self {
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

    /// One of all the things that can be done with names.
    fn does(&mut self, what: usize) {
        if what < 10 {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
        }
        let at = self.directory.clone();
        let own = at.join(format!("new-{}-{}", std::process::id(), self.left));
        let made = || NamedTempFile::new_in(&at).unwrap();
        match what {
            0 => self.keep(made()),
            1 => {
                let file = self.file();
                self.keep(file);
            }
            2 => {
                let file = self.spool(0).into_named().unwrap();
                self.keep(file);
            }
            3 => {
                let file = self.spool(MIB).into_named().unwrap();
                self.keep(file);
            }
            4 => {
                let mut options = NamedOptions::new();
                let mut file = options.prefix("page-").suffix(".html").mode(0o644).tempfile_in(&at).unwrap();
                file.write_all(&self.content()).unwrap();
                self.keep(file);
            }
            5 => self.keep_directory(TempDir::new_in(&at).unwrap()),
            6 => {
                let tree = self.tree();
                self.keep_directory(tree);
            }
            7 => {
                let file = self.file();
                self.persist(&own, |path| drop(file.persist(path).unwrap()));
            }
            8 => {
                let spool = self.spool(0);
                self.persist(&own, |path| drop(spool.persist_noclobber(path).unwrap()));
            }
            9 => {
                let file = self.file();
                let path = file.path().to_owned();
                self.persist(&path, |path| drop(file.persist(path).unwrap()));
            }
            10 | 11 => {
                let (file, path) = (self.file(), self.existing());
                self.persist(&path, |path| drop(file.persist(path).unwrap()));
            }
            12 | 13 => {
                let threshold = if what == 12 { 0 } else { MIB };
                let (spool, path) = (self.spool(threshold), self.existing());
                self.persist(&path, |path| drop(spool.persist(path).unwrap()));
            }
            14 => made().close().unwrap(),
            15 => self.file().close().unwrap(),
            16 => self.spool(0).into_named().unwrap().close().unwrap(),
            17 => self.spool(MIB).into_named().unwrap().close().unwrap(),
            18 => TempDir::new_in(&at).unwrap().close().unwrap(),
            19 => self.tree().close().unwrap(),
            20 => drop(NamedOptions::new().prefix("").mode(0o755).tempdir_in(&at).unwrap()),
            21 => self.hold(|worker| {
                let mut file = NamedTempFile::new_in(&worker.directory).unwrap();
                let content = worker.content();
                file.write_all(&content).unwrap();
                Held::File(file, content)
            }),
            22 => self.hold(|worker| {
                let content = worker.content();
                let mut spool = SpooledTempFile::from(content.clone());
                if worker.seed % 2 == 0 {
                    spool = options(&worker.directory, 0, BACKINGS[0]).build();
                    spool.write_all(&content).unwrap();
                    return Held::File(spool.into_named().unwrap(), content);
                }
                drop(spool);
                Held::File(NamedOptions::new().mode(0o400).tempfile_in(&worker.directory).unwrap(), Vec::new())
            }),
            23 => self.hold(|worker| Held::Directory(worker.tree())),
            _ => unreachable!(),
        }
    }

    /// For a while: the last four.
    fn hold(&mut self, made: impl FnOnce(&mut Self) -> Held) {
        let held = made(self);
        self.held.push(held);
        if self.held.len() > 4 {
            match self.held.remove(0) {
                Held::File(file, _) => file.close().unwrap(),
                Held::Directory(directory) => directory.close().unwrap(),
            }
        }
    }

    #[track_caller]
    fn finds_what_it_holds(&self) {
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

/// Between two calls that change nothing nothing changes: so these are all the moments that there are.
#[test]
fn p5_a_kill_before_each_call_that_changes_anything_leaves_what_was_kept_and_persisted() {
    const NAME: &str = "p5_a_kill_before_each_call_that_changes_anything_leaves_what_was_kept_and_persisted";
    if let Some(argument) = child::argument() {
        return works_by_the_book(&argument);
    }
    before_each(&CHANGES, NAME, "022", &EACH);
}

#[test]
fn p5_so_does_one_where_files_cannot_go_without_a_name() {
    const NAME: &str = "p5_so_does_one_where_files_cannot_go_without_a_name";
    if let Some(argument) = child::argument() {
        if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) {
            return skipped("the kernel takes no filter");
        }
        return works_by_the_book(&argument);
    }
    // Only spools come in another way then.
    before_each(&CHANGES, NAME, "022", &[2, 3, 8, 12, 13]);
}

#[test]
fn p5_so_does_one_under_an_umask_that_takes_all() {
    const NAME: &str = "p5_so_does_one_under_an_umask_that_takes_all";
    if let Some(argument) = child::argument() {
        return works_by_the_book(&argument);
    }
    // Only what gives a name its mode and its mark comes in another order then.
    before_each(&["flock", "fchmod", "chmod", "fsetxattr"], NAME, "777", &[0, 1, 3, 4, 5, 6, 12, 20]);
}

fn works_by_the_book(argument: &str) {
    let (kinds, argument) = argument.split_once(' ').unwrap();
    let mut worker = Worker::new(argument);
    let beside = worker.log_path.parent().unwrap().to_owned();
    walk::mark(&beside, walk::BEGINS);
    for kind in kinds.split(',') {
        worker.does(kind.parse().unwrap());
    }
    worker.held.clear();
    walk::mark(&beside, walk::ENDS);
}

#[track_caller]
fn before_each(calls: &[&str], name: &str, umask: &str, kinds: &[usize]) {
    let joined = kinds.iter().map(usize::to_string).collect::<Vec<_>>().join(",");

    let run = |how: &[&str]| {
        let (scratch, logs) = (Scratch::new(), Scratch::new());
        let log = logs.path().join("log-1");
        fs::write(&log, b"").unwrap();
        let argument = format!("{} {umask} 1 {} {}", joined, log.display(), scratch.path().display());
        let output = strace::traced(&child::command(name, argument), &logs.path().join("calls"), how)?;
        Some((scratch, logs, output))
    };
    let trace = format!("trace=?{},?stat,?newfstatat,?statx", calls.join(",?"));
    let Some((_scratch, all, output)) = run(&["-e", &trace]) else { return };
    child::assert_passed(&output, "all of it".as_ref());
    let mut killed = 0;
    for call in calls {
        let (before, within) = walk::calls(&all.path().join("calls"), call);
        for nth in before + 1..=before + within {
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            let (scratch, logs, output) = run(&["-e", &format!("trace={call}"), "-e", &inject]).unwrap();
            if output.status.success() {
                // What is kept in the tick in which it was made gets a mark, in place of losing it.
                let calls = fs::read_to_string(logs.path().join("calls")).unwrap();
                assert!(calls.matches(&format!(" {call}(")).count() < nth, "{call} {nth} killed nobody");
                continue;
            }
            assert_killed(output.status);
            killed += 1;
            let mut model = Model::default();
            model.reads(logs.path());
            Paths::to(scratch.path()).sweep();
            // Files that lose their name at once may die before that; they are not claimed.
            let unclaimed = |left: &Path| {
                let name = left.file_name().unwrap().to_str().unwrap();
                name.len() == ".spooled-".len() + 32 && fs::read(left).unwrap().is_empty()
            };
            model.is_what_is_in(scratch.path(), |left| unclaimed(left) || (umask == "777" && is_bare(left)));
        }
    }
    assert!(killed > 2 * kinds.len(), "killed at {killed} moments");
}

/// All of them but those that do what others do.
const EACH: [usize; 18] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 18, 19, 20, 22];

const CHANGES: [&str; 13] = [
    "mkdirat",
    "linkat",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "fsetxattr",
    "fremovexattr",
    "fchmod",
    "chmod",
    "flock",
    "utimensat",
];
