//! Files and directories with a name: what each method promises, and what Python's `tempfile` is asked by its own tests,
//! in our terms. On every system; what the machine has to be asked for is in the `named_*` and `sweep*` tests beside this one.

mod dir;
mod file;
mod name;
mod persist;
mod surface;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use spooled::{NamedTempFile, PathError};

/// A directory of the test's own, which the standard library makes and removes.
pub(crate) struct Ground(PathBuf);

impl Ground {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // For Windows, where that was built elsewhere, its drive is left out.
        let above = std::path::absolute(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // Under WASI there is no such number, and the directory above is that run's own.
        let process = if cfg!(target_family = "wasm") { 0 } else { std::process::id() };
        let path = above.join(format!("named-{process}-{count}"));
        fs::create_dir_all(&path).unwrap();
        Ground(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    #[track_caller]
    pub(crate) fn file(&self) -> NamedTempFile {
        let mut file = NamedTempFile::new_in(&self.0).unwrap();
        file.write_all(CONTENT).unwrap();
        file.seek(SeekFrom::Start(AT)).unwrap();
        file
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) const CONTENT: &[u8] = b"content that is to be found again";
/// Where the cursor stands in it.
pub(crate) const AT: u64 = 8;

#[track_caller]
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The file is what `Ground::file` made, under the name that it has.
#[track_caller]
pub(crate) fn assert_whole(file: &NamedTempFile) {
    assert_eq!({ file }.stream_position().unwrap(), AT);
    assert_eq!(file.as_file().metadata().unwrap().len(), CONTENT.len() as u64);
    assert_eq!(fs::read(file.path()).unwrap(), CONTENT);
}

/// A file that has left is the same, its cursor where it was.
#[track_caller]
pub(crate) fn assert_left(mut file: File, path: &Path) {
    assert_eq!(file.stream_position().unwrap(), AT);
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, &CONTENT[AT as usize..]);
    file.write_all(b"!").unwrap();
    let seen = fs::read(path).unwrap();
    assert_eq!(seen, [CONTENT, b"!"].concat(), "what has the name is what was returned");
}

#[track_caller]
pub(crate) fn assert_names(error: &io::Error, kind: ErrorKind, path: &Path) {
    assert_eq!(error.kind(), kind, "{error:?}");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<PathError>()).expect("a path in it");
    assert_eq!(cause.path(), path, "{error}");
}

/// The random middle of a name.
#[track_caller]
pub(crate) fn middle<'a>(path: &'a Path, prefix: &str, suffix: &str) -> &'a str {
    let name = path.file_name().and_then(OsStr::to_str).unwrap();
    let middle = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
    middle.unwrap_or_else(|| panic!("{name} in place of {prefix}…{suffix}"))
}

/// Whether this is a process of its own for that test; if it is not, starts one and sees it through.
#[track_caller]
pub(crate) fn alone(name: &str, prepare: impl FnOnce(&mut Command) -> &mut Command) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(CHILD, "1");
    let output = prepare(&mut command).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
    false
}

pub(crate) const CHILD: &str = "SPOOLED_CHILD";
