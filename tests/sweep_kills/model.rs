//! What is to be there, by what those who were killed had written down.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::ground::{bytes, names};

/// What is to be there.
#[derive(Default)]
pub(crate) struct Model(pub(crate) BTreeMap<PathBuf, There>);

#[derive(Debug, Default)]
pub(crate) struct There {
    /// Else it was being made, or taken away.
    certain: bool,
    pub(crate) held: bool,
}

impl Model {
    #[track_caller]
    pub(crate) fn reads(&mut self, logs: &Path) {
        for log in names(logs).into_iter().filter(|name| name.starts_with("log-")) {
            let log = fs::read_to_string(logs.join(log)).unwrap();
            log.lines().for_each(|line| self.says(line));
        }
    }

    #[track_caller]
    pub(crate) fn says(&mut self, line: &str) {
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
    pub(crate) fn is_what_is_in(&self, directory: &Path, or: impl Fn(&Path) -> bool) {
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
pub(crate) fn is_bare(path: &Path) -> bool {
    let metadata = fs::symlink_metadata(path).unwrap();
    let is_empty = if metadata.is_dir() { names(path).is_empty() } else { metadata.len() == 0 };
    is_empty && metadata.permissions().mode() & 0o077 == 0
}

/// Nothing, all of one content, or a tree.
#[track_caller]
pub(crate) fn assert_whole(path: &Path) {
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

pub(crate) fn content(seed: u64) -> Vec<u8> {
    let mut content = seed.to_le_bytes().to_vec();
    content.extend(bytes(length(seed) - 8, seed));
    content
}

fn length(seed: u64) -> usize {
    8 + (seed as usize * 7919 % if seed % 5 == 0 { 60_000 } else { 2_000 })
}
