//! What a process that died has left under our names goes with the next name that is made there, and nothing else ever does.
#![cfg(target_os = "linux")]

mod ground;

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ground::left::{Other, Paths, a_name, rest, say};
use ground::makers::{CONTENT, killed, nobody, other, paths, told};
use ground::mount::{Mount, remount};
use ground::{MIB, Scratch, child, names, skipped};
use rustix::fs::{Mode, XattrFlags};
use rustix::process::{Signal, geteuid, kill_process};
use spooled::{NamedOptions, NamedTempFile, SpooledTempFile, TempDir};

/// Each of these, killed: an empty file that nobody asked for, one that somebody did, one with content, with a mode that forbids
/// writing, a directory, empty and not, and spools that got a name.
const KINDS: [&str; 11] =
    ["untouched", "touched", "written", "mode", "fixed", "directory", "tree", "open", "rolled", "mapped", "memory"];

#[test]
fn p5_whatever_a_killed_process_left_goes_with_the_next_name() {
    const NAME: &str = "p5_whatever_a_killed_process_left_goes_with_the_next_name";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    for umask in ["022", "0", "077", "777"] {
        let left = Other::start(NAME, format!("leaves {umask} {} {}", KINDS.join(","), scratch.path().display()));
        assert_eq!(names(scratch.path()).len(), KINDS.len());
        left.kill();
        assert_eq!(names(scratch.path()).len(), KINDS.len());
        // Another process, not this one.
        let mut newcomer = Other::start(NAME, format!("leaves 022 touched {}", scratch.path().display()));
        assert_eq!(paths(scratch.path()), told(&mut newcomer), "with umask {umask}");
        newcomer.ends();
        assert_eq!(names(scratch.path()), [""; 0]);
    }
}

#[test]
fn p5_so_it_is_for_a_user_without_privileges() {
    const NAME: &str = "p5_so_it_is_for_a_user_without_privileges";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    for umask in ["022", "0", "077", "777"] {
        let directory = scratch.path().display();
        // What an umask took the rights to before anybody asked for it cannot be looked into.
        let kinds = if umask == "777" { KINDS[1..].join(",") } else { KINDS.join(",") };
        let Some(left) = nobody(NAME, format!("leaves {umask} {kinds} {directory}")) else { return };
        left.kill();
        let mut newcomer = nobody(NAME, format!("leaves 022 touched {directory}")).unwrap();
        assert_eq!(paths(scratch.path()), told(&mut newcomer), "with umask {umask}");
        newcomer.ends();
    }
}

#[test]
fn p5_what_only_looks_like_a_name_of_ours_stays() {
    const NAME: &str = "p5_what_only_looks_like_a_name_of_ours_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    let directory = scratch.path();
    let paths = Paths::to(directory);
    // Real leftovers, each with another digit changed.
    let kinds = ["written"; 24].join(",");
    let left = killed(NAME, directory, &kinds);
    for (at, path) in left.iter().enumerate() {
        let mut name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let digit = name.len() - 24 + at;
        let other = if &name[digit..=digit] == "a" { "b" } else { "a" };
        name.replace_range(digit..=digit, other);
        fs::rename(path, directory.join(name)).unwrap();
    }
    // What somebody else made: under such a name, and under one that was ours.
    for at in 0..20 {
        let name =
            format!(".spooled-{}", "abcdefghijklmnopqrstuvwx".chars().cycle().skip(at).take(24).collect::<String>());
        fs::write(directory.join(name), b"").unwrap();
        fs::write(a_name(directory), b"content").unwrap();
        fs::create_dir(a_name(directory)).unwrap();
        rustix::fs::mkdir(a_name(directory), Mode::RWXU).unwrap();
        let full = a_name(directory);
        rustix::fs::mkdir(&full, Mode::RWXU).unwrap();
        fs::write(full.join("content"), b"").unwrap();
        symlink("nowhere", a_name(directory)).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, a_name(directory), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    }
    let stays = names(directory);
    assert_eq!(stays.len(), 24 + 20 * 7);
    paths.sweep();
    assert_eq!(names(directory), stays);
}

/// One that was copied, moved or linked, with all of its attributes, to another directory or to another name, is nobody's.
#[test]
fn p5_what_was_copied_moved_or_linked_elsewhere_stays() {
    const NAME: &str = "p5_what_was_copied_moved_or_linked_elsewhere_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let (one, two) = (Scratch::new(), Scratch::new());
    let kinds = "touched,written,directory,tree,memory";
    let left = killed(NAME, one.path(), kinds);
    let run = |program: &str, arguments: &[&str], from: &Path, to: &Path| {
        assert!(Command::new(program).args(arguments).arg(from).arg(to).status().unwrap().success());
    };
    let mut expected = BTreeSet::new();
    for path in &left {
        let name = path.file_name().unwrap();
        run("cp", &["-a", "--no-target-directory"], path, &two.path().join(name));
        expected.insert(two.path().join(name));
        let aside = one.path().join(format!("aside-{}", name.to_str().unwrap().len() + expected.len()));
        run("cp", &["--recursive", "--preserve=all", "--no-target-directory"], path, &aside);
        // Back in its place, and where it was kept aside as well.
        fs::remove_dir_all(path).or_else(|_| fs::remove_file(path)).unwrap();
        run("cp", &["-a", "--no-target-directory"], &aside, path);
        assert!(rustix::fs::getxattr(path, MARK, &mut [0; 64][..]).unwrap() > 0, "a copy with its attributes");
    }
    let stays = names(one.path());
    Paths::to(one.path()).sweep();
    Paths::to(two.path()).sweep();
    assert_eq!(names(one.path()), stays);
    assert_eq!(paths(two.path()), expected);

    // Moved, there and to another name; linked.
    let left = killed(NAME, one.path(), kinds);
    for (at, path) in left.iter().enumerate() {
        let there = two.path().join(path.file_name().unwrap());
        match at {
            0 | 2 => fs::rename(path, one.path().join(format!("renamed-{at}"))).unwrap(),
            1 => fs::hard_link(path, there).unwrap(),
            _ => fs::rename(path, there).unwrap(),
        }
    }
    let (mut here, there) = (names(one.path()), names(two.path()));
    Paths::to(one.path()).sweep();
    Paths::to(two.path()).sweep();
    // What has another name beside its own loses its own.
    here.retain(|name| !left[1].ends_with(name));
    assert_eq!(names(one.path()), here);
    assert_eq!(names(two.path()), there);
    assert_eq!(fs::read(two.path().join(left[1].file_name().unwrap())).unwrap(), CONTENT);
}

/// A mark says which file it lies on, and under which name: laid on another it says nothing, whether that one has the number of
/// an inode that is gone, or a name that is ours as well.
#[test]
fn p5_the_mark_of_one_file_says_nothing_on_another() {
    const NAME: &str = "p5_the_mark_of_one_file_says_nothing_on_another";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    let directory = scratch.path();
    let paths = Paths::to(directory);
    let kept: Vec<_> = (0..30).map(|_| NamedTempFile::new_in(directory).unwrap().keep().unwrap().1).collect();
    let left = killed(NAME, directory, &["written"; 30].join(","));
    // What is made now was born later, also by a clock that ticks slowly, and where inodes are used again at once.
    std::thread::sleep(Duration::from_millis(20));
    for (at, path) in left.iter().enumerate() {
        let mut mark = [0; 64];
        let len = rustix::fs::getxattr(path, MARK, &mut mark[..]).unwrap();
        match at % 3 {
            0 => {
                let beside = directory.join("beside");
                fs::write(&beside, b"another").unwrap();
                fs::rename(beside, path).unwrap();
                rustix::fs::setxattr(path, MARK, &mark[..len], XattrFlags::empty()).unwrap();
            }
            1 => {
                // File systems hand out such numbers again at once.
                fs::remove_file(path).unwrap();
                fs::write(path, b"another").unwrap();
                rustix::fs::setxattr(path, MARK, &mark[..len], XattrFlags::empty()).unwrap();
            }
            _ => {
                fs::rename(path, &kept[at]).unwrap();
            }
        }
    }
    let stays = names(directory);
    assert_eq!(stays.len(), 30 + 20);
    paths.sweep();
    assert_eq!(names(directory), stays);
}

#[test]
fn p5_another_users_leftovers_stay() {
    const NAME: &str = "p5_another_users_leftovers_stay";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    let directory = scratch.path();
    let kinds = KINDS.join(",");
    let Some(left) = nobody(NAME, format!("leaves 022 {kinds} {}", directory.display())) else { return };
    left.kill();
    let theirs = paths(directory);
    let mine: BTreeSet<_> = killed(NAME, directory, &kinds).into_iter().collect();
    assert_eq!((theirs.len(), mine.len()), (KINDS.len(), KINDS.len()));

    nobody(NAME, format!("leaves 022 touched {}", directory.display())).unwrap().ends();
    assert_eq!(paths(directory), mine, "each sweeps its own");
    let left = nobody(NAME, format!("leaves 022 {kinds} {}", directory.display())).unwrap();
    left.kill();
    Paths::to(directory).sweep();
    assert_eq!(names(directory).len(), KINDS.len());
    assert!(paths(directory).is_disjoint(&mine), "each sweeps its own");
}

/// In place of a leftover, a symlink: neither it nor what it leads to is touched.
#[test]
fn p6_a_symlink_in_place_of_a_name_leads_nowhere() {
    const NAME: &str = "p6_a_symlink_in_place_of_a_name_leads_nowhere";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let (scratch, sentinels) = (Scratch::new(), Scratch::new());
    let left = killed(NAME, scratch.path(), "written,tree,tree,touched");
    // Real ones elsewhere, which their name and mark would give away if anybody followed.
    let moved: Vec<_> = left.iter().map(|path| sentinels.path().join(path.file_name().unwrap())).collect();
    for (path, moved) in left.iter().zip(&moved) {
        fs::rename(path, moved).unwrap();
        symlink(moved, path).unwrap();
    }
    // And within a tree that does go.
    let tree = &killed(NAME, scratch.path(), "tree")[0];
    symlink(&moved[1], tree.join("to a directory")).unwrap();
    symlink(&moved[0], tree.join("to a file")).unwrap();
    Paths::to(scratch.path()).sweep();
    assert_eq!(paths(scratch.path()), left.iter().cloned().collect());
    for path in &left {
        assert!(fs::symlink_metadata(path).unwrap().is_symlink());
    }
    assert_eq!(paths(sentinels.path()), moved.iter().cloned().collect());
    assert_eq!(fs::read(&moved[0]).unwrap(), CONTENT);
    assert_eq!(names(&moved[1]), ["deep", "file"]);
}

#[test]
fn p5_what_a_stopped_process_holds_stays() {
    const NAME: &str = "p5_what_a_stopped_process_holds_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    let mut holder = Other::start(NAME, format!("holds 022 {} {}", KINDS.join(","), scratch.path().display()));
    kill_process(holder.pid(), Signal::STOP).unwrap();
    rustix::process::waitid(rustix::process::WaitId::Pid(holder.pid()), {
        rustix::process::WaitIdOptions::STOPPED | rustix::process::WaitIdOptions::NOWAIT
    })
    .unwrap();
    let held = names(scratch.path());
    let paths = Paths::to(scratch.path());
    for _ in 0..10 {
        paths.sweep();
    }
    assert_eq!(names(scratch.path()), held);
    kill_process(holder.pid(), Signal::CONT).unwrap();
    // It finds them all as it left them.
    holder.goes_on();
    holder.kill();
    assert_eq!(names(scratch.path()), held);
    paths.sweep();
    assert_eq!(names(scratch.path()), [""; 0]);
}

/// Its process ids are not ours, nor are its paths.
#[test]
fn p5_what_a_process_in_a_container_holds_stays() {
    const NAME: &str = "p5_what_a_process_in_a_container_holds_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
    let inside = format!("holds 022 {} {}", KINDS.join(","), elsewhere.path().display());
    let outside = format!("holds 022 {} {}", KINDS.join(","), scratch.path().display());
    let contained = |argument: &str| {
        let child = child::command(NAME, argument);
        let mut command = Command::new("unshare");
        command.args(["--pid", "--mount", "--fork", "--kill-child", "sh", "-c"]);
        command.arg("mount --bind \"$1\" \"$2\" || exit 1; shift 2; exec \"$@\"");
        command.arg("sh").arg(scratch.path()).arg(elsewhere.path()).arg(child.get_program()).args(child.get_args());
        command.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command
    };
    let allowed = Command::new("unshare")
        .args(["--pid", "--mount", "--fork", "mount", "--bind"])
        .args([scratch.path(), elsewhere.path()])
        .output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return skipped("no namespaces here");
    }
    let mut holder = Other::of(contained(&inside)).unwrap();
    let held = names(scratch.path());
    assert_eq!(held.len(), KINDS.len());
    let paths = Paths::to(scratch.path());
    paths.sweep();
    assert_eq!(names(scratch.path()), held);
    holder.goes_on();

    // And the other way round: a newcomer in there, a holder out here.
    let mut outer = Other::start(NAME, &outside);
    let all = names(scratch.path());
    assert_eq!(all.len(), 2 * KINDS.len());
    Other::of(contained(&format!("leaves 022 touched {}", elsewhere.path().display()))).unwrap().ends();
    assert_eq!(names(scratch.path()), all);
    outer.goes_on();
    outer.kill();
    Other::of(contained(&format!("leaves 022 touched {}", elsewhere.path().display()))).unwrap().ends();
    assert_eq!(names(scratch.path()), held);
    drop(holder);
    // The program that made the namespace is gone; what it made dies a moment later.
    until_nothing_is_left(&paths, scratch.path());
}

/// Where it has no number of its own, every other user has the same one, and so has whoever looks.
#[test]
fn p5_what_is_anothers_stays_in_a_namespace_that_knows_neither() {
    const NAME: &str = "p5_what_is_anothers_stays_in_a_namespace_that_knows_neither";
    if let Some(argument) = child::argument() {
        let Some(directory) = argument.strip_prefix("shared ") else { return other(&argument) };
        let _made = NamedOptions::new().mode(0o755).tempdir_in(directory).unwrap();
        return rest();
    }
    if !geteuid().is_root() {
        return skipped("there is no other user to be");
    }
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let shared = format!("shared {}", scratch.path().display());
    let Some(leaves) = Other::start_as(1234, NAME, shared) else {
        return skipped("another user may not run this binary where it is");
    };
    leaves.kill();
    let left = names(scratch.path());
    assert_eq!(left.len(), 1);
    let child = child::command(NAME, format!("stays 022 untouched {}", scratch.path().display()));
    let mut command = Command::new("unshare");
    command.arg("--user").arg(child.get_program()).args(child.get_args()).uid(1235).gid(1235);
    command.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let allowed = Command::new("unshare").args(["--user", "true"]).uid(1235).gid(1235).output();
    if !allowed.is_ok_and(|allowed| allowed.status.success()) {
        return skipped("another user may have no namespace here");
    }
    Other::of(command).unwrap().ends();
    assert_eq!(names(scratch.path()), left);
    fs::remove_dir(scratch.path().join(&left[0])).unwrap();
}

/// Whoever was killed, or lost its parent, dies a moment later.
#[track_caller]
fn until_nothing_is_left(paths: &Paths, directory: &Path) {
    let start = Instant::now();
    while !names(directory).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", names(directory));
        paths.sweep();
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Neither side can tell who lives on the other.
#[test]
fn p5_what_is_held_through_an_overlay_or_beneath_it_stays() {
    const NAME: &str = "p5_what_is_held_through_an_overlay_or_beneath_it_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let Some(below) = Mount::tmpfs(64 * MIB) else { return };
    let beneath = below.path().join("upper/shared");
    let Some(overlay) = Mount::overlay(below) else { return };
    let through = overlay.path().join("shared");
    fs::create_dir(&through).unwrap();
    for [held, other] in [[&through, &beneath], [&beneath, &through]] {
        let mut holder = Other::start(NAME, format!("holds 022 {} {}", KINDS.join(","), held.display()));
        let names_there = names(held);
        assert_eq!(names_there.len(), KINDS.len());
        Paths::to(other).sweep();
        assert_eq!(names(held), names_there);
        holder.goes_on();
        holder.kill();
        Paths::to(held).sweep();
        assert_eq!(names(held), [""; 0]);
    }
}

#[test]
fn p5_what_a_forked_child_still_holds_stays() {
    const NAME: &str = "p5_what_a_forked_child_still_holds_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    let paths = Paths::to(scratch.path());
    let mut parent = Other::start(NAME, format!("forks 022 {} {}", KINDS.join(","), scratch.path().display()));
    let child = parent.said().iter().find_map(|line| line.strip_prefix("child ")?.parse().ok()).unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    let held = names(scratch.path());
    assert_eq!(held.len(), KINDS.len());
    parent.kill();
    paths.sweep();
    assert_eq!(names(scratch.path()), held);
    kill_process(child, Signal::KILL).unwrap();
    until_nothing_is_left(&paths, scratch.path());
}

#[test]
fn p5_what_was_kept_or_persisted_stays() {
    const NAME: &str = "p5_what_was_kept_or_persisted_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    keeps(NAME, scratch.path());
}

#[test]
fn p5_what_was_kept_or_persisted_stays_on_other_file_systems() {
    const NAME: &str = "p5_what_was_kept_or_persisted_stays_on_other_file_systems";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let mounts = [
        Mount::on_a_loop_device("xfs", 300 << 20),
        Mount::on_a_loop_device("btrfs", 256 << 20),
        Mount::tmpfs(64 * MIB),
        Mount::tmpfs(64 * MIB).and_then(Mount::overlay),
        Mount::on_a_loop_device("ext4", 64 << 20).and_then(Mount::overlay),
        Mount::ramfs(),
    ];
    for mount in mounts.into_iter().flatten() {
        keeps(NAME, mount.path());
    }
}

#[track_caller]
fn keeps(name: &str, directory: &Path) {
    let before = names(directory);
    let mut keeper = Other::start(name, format!("keeps 022 all {}", directory.display()));
    let kept = told(&mut keeper);
    assert!(kept.len() > 100);
    keeper.kill();
    Paths::to(directory).sweep();
    let mut there = paths(directory);
    there.retain(|path| !before.iter().any(|name| path.ends_with(name)));
    let gone: Vec<_> = kept.difference(&there).collect();
    assert!(gone.is_empty(), "gone: {gone:?}");
    assert_eq!(there, kept);
}

/// A look is bounded, and goes on with each further name: counted in calls, of which one sees some hundreds of entries.
#[test]
fn p5_nothing_is_marked_and_nothing_swept_where_files_have_no_attributes() {
    const NAME: &str = "p5_nothing_is_marked_and_nothing_swept_where_files_have_no_attributes";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let Some(mount) = Mount::ramfs() else { return };
    let left: BTreeSet<_> = killed(NAME, mount.path(), &KINDS.join(",")).into_iter().collect();
    // All of it works there, and what is dropped is gone.
    let mut holder = Other::start(NAME, format!("holds 022 {} {}", KINDS.join(","), mount.path().display()));
    holder.goes_on();
    holder.ends();
    Paths::to(mount.path()).sweep();
    assert_eq!(paths(mount.path()), left);
    for path in left {
        let private = fs::metadata(&path).unwrap().mode() & 0o7077;
        assert!(private == 0 || path.extension().is_some() || !path.to_str().unwrap().contains("/.spooled-"));
    }
}

/// A mark takes space, of which there may be none: then it is used all the same, and what is kept stays.
#[test]
fn p5_what_cannot_be_marked_can_be_kept() {
    const NAME: &str = "p5_what_cannot_be_marked_can_be_kept";
    match child::argument() {
        None => {}
        Some(argument) if argument.starts_with('/') => {
            let (_, path) = NamedTempFile::new_in(&argument).unwrap().keep().unwrap();
            assert_eq!(rustix::fs::getxattr(&path, MARK, &mut [0; 64][..]), Err(rustix::io::Errno::NODATA));
            say(path.display());
            NamedTempFile::new_in(&argument).unwrap_err();
            rest();
        }
        Some(argument) => return other(&argument),
    }
    for _ in 0..5 {
        let Some(mount) = Mount::tmpfs(64 * MIB) else { return };
        remount(mount.path(), "nr_inodes=40");
        // Until nobody can make anything; then there is room for one.
        let fillers = (0..).take_while(|at| File::create(mount.path().join(at.to_string())).is_ok()).count();
        fs::remove_file(mount.path().join("0")).unwrap();
        let mut other = Other::start(NAME, mount.path());
        let kept = other.said().remove(0);
        other.kill();
        fs::remove_file(mount.path().join("1")).unwrap();
        fs::remove_file(mount.path().join("2")).unwrap();
        Paths::to(mount.path()).sweep();
        assert!(Path::new(&kept).exists());
        assert_eq!(names(mount.path()).len(), fillers - 3 + 1);
    }
}

#[test]
fn p5_nothing_can_be_swept_on_a_read_only_disk_and_all_is_once_it_is_writable() {
    const NAME: &str = "p5_nothing_can_be_swept_on_a_read_only_disk_and_all_is_once_it_is_writable";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let Some(mount) = Mount::tmpfs(64 * MIB) else { return };
    let kinds = KINDS.join(",");
    let left = killed(NAME, mount.path(), &kinds);
    remount(mount.path(), "ro");
    let paths = Paths::to(mount.path());
    let refused = NamedTempFile::new_in(paths.unknown()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(TempDir::new_in(paths.unknown()).unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(names(mount.path()).len(), left.len());
    remount(mount.path(), "rw");
    paths.sweep();
    assert_eq!(names(mount.path()), [""; 0]);
}

/// Names can be made where nobody may look what others there are.
#[test]
fn p5_a_directory_that_cannot_be_read_can_be_used() {
    const NAME: &str = "p5_a_directory_that_cannot_be_read_can_be_used";
    if let Some(argument) = child::argument() {
        let directory = Path::new(&argument);
        let mut file = NamedTempFile::new_in(directory).unwrap();
        file.write_all(CONTENT).unwrap();
        let tree = TempDir::new_in(directory).unwrap();
        fs::write(tree.path().join("file"), CONTENT).unwrap();
        let (_, kept) = NamedTempFile::new_in(directory).unwrap().keep().unwrap();
        say(kept.display());
        drop(NamedTempFile::new_in(directory).unwrap().persist(directory.join("persisted")).unwrap());
        let named = SpooledTempFile::from(CONTENT.to_vec()).into_named().unwrap();
        tree.close().unwrap();
        file.close().unwrap();
        named.close().unwrap();
        NamedTempFile::new_in(directory).unwrap().write_all(CONTENT).unwrap();
        return rest();
    }
    let scratch = Scratch::new();
    let directory = scratch.path().join("blind");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o333)).unwrap();
    let Some(mut other) = nobody(NAME, directory.display().to_string()) else { return };
    let kept = other.said().remove(0);
    other.kill();
    Paths::to(&directory).sweep();
    let mut expected = [Path::new(&kept).file_name().unwrap().to_str().unwrap(), "persisted"];
    expected.sort();
    assert_eq!(names(&directory), expected);
}

/// A process that goes on for years meets another directory under a path that it knows.
/// Who comes too early, and again at once.
#[test]
fn p5_what_is_made_where_a_directory_was_missing_is_swept() {
    const NAME: &str = "p5_what_is_made_where_a_directory_was_missing_is_swept";
    if let Some(missing) = child::argument() {
        NamedTempFile::new_in(&missing).unwrap_err();
        TempDir::new_in(&missing).unwrap_err();
        fs::create_dir(&missing).unwrap();
        let mut file = NamedTempFile::new_in(&missing).unwrap();
        file.write_all(CONTENT).unwrap();
        let directory = TempDir::new_in(&missing).unwrap();
        fs::write(directory.path().join("file"), CONTENT).unwrap();
        return rest();
    }
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing");
    Other::start(NAME, &missing).kill();
    assert_eq!(names(&missing).len(), 2);
    Paths::to(&missing).sweep();
    assert_eq!(names(&missing), [""; 0]);
}

/// What lies in a snapshot has all that the original has, and may be needed.
#[test]
fn p5_what_lies_in_a_snapshot_stays() {
    const NAME: &str = "p5_what_lies_in_a_snapshot_stays";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let Some(mount) = Mount::on_a_loop_device("btrfs", 256 << 20) else { return };
    let (original, snapshot) = (mount.path().join("original"), mount.path().join("snapshot"));
    let btrfs = |arguments: &[&str]| {
        assert!(Command::new("btrfs").args(["-q", "subvolume"]).args(arguments).status().unwrap().success());
    };
    let [from, to] = [&original, &snapshot].map(|path| path.to_str().unwrap());
    btrfs(&["create", from]);
    killed(NAME, &original, "touched,written,tree");
    btrfs(&["snapshot", from, to]);
    for path in [&snapshot, &original] {
        Paths::to(path).sweep();
    }
    assert_eq!((names(&original).len(), names(&snapshot).len()), (0, 3));
}

#[test]
fn p5_a_directory_in_place_of_another_is_swept() {
    const NAME: &str = "p5_a_directory_in_place_of_another_is_swept";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    let (directory, aside) = (scratch.path().join("it"), scratch.path().join("aside"));
    fs::create_dir(&directory).unwrap();
    let makes = || NamedTempFile::new_in(&directory).unwrap().close().unwrap();
    makes();
    let left = killed(NAME, &directory, "written,tree");
    fs::rename(&directory, &aside).unwrap();
    fs::create_dir(&directory).unwrap();
    killed(NAME, &directory, &KINDS.join(","));
    let start = Instant::now();
    while !names(&directory).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", names(&directory));
        makes();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(names(&aside).len(), left.len(), "nobody has made a name there");
    Paths::to(&aside).sweep();
    assert_eq!(names(&aside), [""; 0], "a directory that was renamed is the same");
}

const MARK: &str = "user.spooled";
