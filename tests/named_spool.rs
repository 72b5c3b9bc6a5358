//! A spool that gets a name, and a file that gets one for good, where that is not a matter of one call: out of a pool, on a full
//! disk, to another file system, and where nothing can be linked.
#![cfg(target_os = "linux")]

mod ground;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use ground::left::NOBODY;
use ground::mount::{Mount, small_disk, unmount};
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_full, assert_holds, assert_names, assert_same, bytes};
use ground::{child, file_with, in_time, kernel, names, options, pool, skipped};
use spooled::{Backing, NamedTempFile, Pool, SpooledTempFile, TempDir};

/// In memory, as it rolled, and with something in the window that the disk has not seen.
const STATES: [(usize, bool); 3] = [(usize::MAX, false), (0, false), (0, true)];
const LEN: usize = 200_000;
const AT: u64 = 12_345;

fn spool(place: &Path, backing: Backing, (threshold, dirty): (usize, bool), content: &[u8]) -> SpooledTempFile {
    filled(options(place, threshold, backing).build(), dirty, content)
}

fn filled(mut spool: SpooledTempFile, dirty: bool, content: &[u8]) -> SpooledTempFile {
    spool.write_all(content).unwrap();
    spool.flush().unwrap();
    if dirty {
        spool.write_at(&content[100_000..100_050], 100_000).unwrap();
        spool.write_at(b"not this", 0).unwrap();
        spool.write_at(&content[..8], 0).unwrap();
    }
    spool.seek(SeekFrom::Start(AT)).unwrap();
    spool
}

/// A private file of this content and no more, its cursor where the spool's was, alone in its directory.
#[track_caller]
fn assert_named(mut named: NamedTempFile, place: &Path, content: &[u8]) {
    assert_eq!(named.stream_position().unwrap(), AT);
    assert_eq!(names(place).len(), 1);
    assert_eq!(named.path().parent(), Some(place));
    assert_same(&fs::read(named.path()).unwrap(), content, "by its name");
    let metadata = named.as_file().metadata().unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, 1));
    assert_eq!(fs::metadata(named.path()).unwrap().ino(), metadata.ino());
    // It can be written to, and is not ours any more once it is told so.
    named.seek(SeekFrom::End(0)).unwrap();
    named.write_all(b"and more").unwrap();
    assert_eq!(fs::metadata(named.path()).unwrap().len(), content.len() as u64 + 8);
    drop(named);
    assert_empty(place);
}

#[test]
fn p1_every_spool_gets_a_name_with_all_that_it_holds() {
    let scratch = Scratch::new();
    let content = bytes(LEN, 1);
    for backing in BACKINGS {
        for state in STATES {
            let named = spool(scratch.path(), backing, state, &content).into_named().unwrap();
            assert_named(named, scratch.path(), &content);
        }
        // What was set aside or cut off is not behind it.
        let mut spool = options(scratch.path(), 0, backing).build();
        spool.write_all(&bytes(5 * MIB, 2)).unwrap();
        spool.set_len(AT + 10).unwrap();
        spool.seek(SeekFrom::Start(AT)).unwrap();
        assert_named(spool.into_named().unwrap(), scratch.path(), &bytes(5 * MIB, 2)[..AT as usize + 10]);
    }
}

#[test]
fn p8_a_spool_of_a_pool_that_gets_a_name_gives_back_what_it_had() {
    let scratch = Scratch::new();
    let content = bytes(LEN, 3);
    for backing in BACKINGS {
        let pool = Pool::builder().dir(scratch.path()).memory(4 * MIB).disk(8 << 20).build();
        // A file that somebody else has written more to is used again.
        drop(pool::written(&pool::options(&pool, 0, backing), &bytes(MIB, 4)));
        for (threshold, dirty) in STATES {
            let spool = filled(pool::options(&pool, threshold, backing).build(), dirty, &content);
            assert_eq!(pool::sound(&pool).spools, 1);
            let named = spool.into_named().unwrap();
            let stats = pool::sound(&pool);
            assert_eq!((stats.spools, stats.rolled), (0, 0), "{stats:?}");
            assert_eq!((stats.memory_used, stats.disk_used), (stats.memory_retained, stats.disk_retained), "{stats:?}");
            assert_named(named, scratch.path(), &content);
        }
        pool::at_rest(&pool);
    }
}

/// Nothing of the pool is lost with the attempt.
#[test]
fn p8_a_spool_of_a_pool_that_can_have_no_name_is_still_the_pools() {
    let scratch = Scratch::new();
    let content = bytes(LEN, 5);
    let place = scratch.path().join("place");
    for (threshold, dirty) in STATES {
        fs::create_dir(&place).unwrap();
        let pool = Pool::builder().dir(&place).build();
        let spool = filled(pool::options(&pool, threshold, Backing::File).build(), dirty, &content);
        let before = pool::sound(&pool);
        fs::remove_dir(&place).unwrap();
        let failed = spool.into_named().unwrap_err();
        assert_eq!(failed.error().kind(), io::ErrorKind::NotFound, "{failed}");
        let after = pool::sound(&pool);
        assert_eq!((after.spools, after.rolled, after.disk_used), (1, before.rolled, before.disk_used), "{after:?}");
        let mut spool = failed.into_spool();
        assert_eq!(spool.position(), AT);
        assert_holds(&mut spool, &content);
        drop(spool);
        pool::at_rest(&pool);
    }
}

/// Without files that have no name; or where those cannot be linked: by a policy, without `/proc`.
#[test]
fn p4_a_spool_is_copied_where_nothing_can_be_linked() {
    const NAME: &str = "p4_a_spool_is_copied_where_nothing_can_be_linked";
    if let Some(argument) = child::argument() {
        let (errno, place) = argument.split_once(' ').unwrap();
        let (errno, place) = (errno.parse().unwrap(), Path::new(place));
        let filtered = match errno {
            libc::EISDIR => kernel::refuse_nameless_files(errno),
            errno => kernel::refuse(libc::SYS_linkat, errno),
        };
        if !filtered {
            return skipped("the kernel takes no filter");
        }
        let content = bytes(LEN, 6);
        for backing in BACKINGS {
            for state in STATES {
                assert_named(spool(place, backing, state, &content).into_named().unwrap(), place, &content);
            }
        }
        // The same spool still goes anywhere else.
        let target = place.join("target");
        let named = spool(place, Backing::File, STATES[2], &content).into_named().unwrap();
        named.persist_noclobber(&target).unwrap();
        assert_same(&fs::read(&target).unwrap(), &content, "persisted");
        return assert_eq!(names(place), ["target"]);
    }
    for errno in [libc::EISDIR, libc::EPERM, libc::ENOENT, libc::EACCES, libc::EOPNOTSUPP, libc::EXDEV] {
        let scratch = Scratch::new();
        child::run(NAME, format!("{errno} {}", scratch.path().display()));
    }
}

#[test]
fn p2_on_a_full_disk_the_spool_comes_back_and_no_name_stays() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(LEN, 7);
    for backing in BACKINGS {
        let mut spool = spool(disk.path(), backing, STATES[0], &content);
        disk.fill(LEN / 2 / 4096 * 4096);
        for _ in 0..2 {
            let failed = spool.into_named().unwrap_err();
            assert_full(failed.error(), disk.path());
            spool = failed.into_spool();
            assert_eq!((spool.position(), spool.is_rolled()), (AT, false));
            assert_holds(&mut spool, &content);
            assert_empty(disk.path());
        }
        disk.clear(MIB);
        assert_named(spool.into_named().unwrap(), disk.path(), &content);

        // What has rolled needs no more than a name, which takes no space here.
        let spool_ = self::spool(disk.path(), backing, STATES[1], &content);
        disk.fill(0);
        let named = spool_.into_named().unwrap();
        assert_same(&fs::read(named.path()).unwrap(), &content, "on a full disk");
        drop(named);
        disk.clear(MIB);

        // Unless it holds something that the disk has no space for.
        let mut spool = options(disk.path(), 0, backing).build();
        spool.write_all(&content).unwrap();
        spool.flush().unwrap();
        spool.seek(SeekFrom::Start(3 * LEN as u64)).unwrap();
        spool.write_all(b"past the end").unwrap();
        let expected = [&content[..], &vec![0; 2 * LEN], b"past the end"].concat();
        let position = spool.position();
        disk.fill(0);
        match spool.into_named() {
            // It had its space before.
            Ok(named) => assert_same(&fs::read(named.path()).unwrap(), &expected, "on a disk that was full"),
            Err(failed) => {
                assert_full(failed.error(), disk.path());
                let mut spool = failed.into_spool();
                assert_eq!(spool.position(), position);
                disk.clear(MIB);
                assert_holds(&mut spool, &expected);
            }
        }
        disk.clear(MIB);
        assert_empty(disk.path());
    }
}

#[test]
fn p2_a_copy_that_finds_no_space_leaves_the_spool_and_no_name() {
    const NAME: &str = "p2_a_copy_that_finds_no_space_leaves_the_spool_and_no_name";
    if let Some(place) = child::argument() {
        let place = Path::new(&place);
        if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) {
            return skipped("the kernel takes no filter");
        }
        let content = bytes(600 * KIB, 8);
        for state in &STATES[1..] {
            let failed = spool(place, Backing::File, *state, &content).into_named().unwrap_err();
            assert_full(failed.error(), place);
            assert_empty(place);
            let mut spool = failed.into_spool();
            assert_eq!(spool.position(), AT);
            assert_holds(&mut spool, &content);
        }
        return;
    }
    let Some(disk) = small_disk() else { return };
    child::run(NAME, disk.path());
    disk.assert_free(MIB);
}

/// Neither the attempt nor what came of it is seen in a file that leaves by another way.
#[test]
fn p4_a_spool_that_could_not_take_the_place_of_another_leaves_as_if_nobody_had_tried() {
    const NAME: &str = "p4_a_spool_that_could_not_take_the_place_of_another_leaves_as_if_nobody_had_tried";
    let Some(place) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let (place, target) = (Path::new(&place), Path::new(&place).join("target"));
    fs::write(&target, "what was there").unwrap();
    if !kernel::refuse_renaming(libc::ENOSPC) {
        return skipped("the kernel takes no filter");
    }
    let content = bytes(LEN, 12);
    for backing in BACKINGS {
        for state in STATES {
            let failed = spool(place, backing, state, &content).persist(&target).unwrap_err();
            assert_full(failed.error(), &target);
            assert_eq!(names(place), ["target"]);
            assert_eq!(fs::read(&target).unwrap(), b"what was there");
            let mut spool = failed.into_spool();
            assert_eq!(spool.position(), AT);
            assert_holds(&mut spool, &content);
            assert_nobodys(&spool.into_file().unwrap());
        }
    }
}

/// A file without a name, of ours, which no look at a directory would take away.
#[track_caller]
fn assert_nobodys(file: &File) {
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink(), metadata.len()), (0o600, 0, LEN as u64));
    assert!(rustix::fs::fgetxattr(file, c"user.spooled", &mut [0_u8; 64]).is_err(), "still marked");
}

#[test]
fn p4_a_spool_that_could_not_be_linked_leaves_as_if_nobody_had_tried() {
    const NAME: &str = "p4_a_spool_that_could_not_be_linked_leaves_as_if_nobody_had_tried";
    let Some(place) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let place = Path::new(&place);
    if !kernel::refuse(libc::SYS_linkat, libc::ENOSPC) {
        return skipped("the kernel takes no filter");
    }
    let content = bytes(LEN, 11);
    for backing in BACKINGS {
        for state in STATES {
            let failed = spool(place, backing, state, &content).into_named().unwrap_err();
            assert_full(failed.error(), place);
            assert_empty(place);
            let mut spool = failed.into_spool();
            assert_eq!(spool.position(), AT);
            assert_holds(&mut spool, &content);
            assert_nobodys(&spool.into_file().unwrap());
        }
    }
}

fn file(place: &Path, content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new_in(place).unwrap();
    file.write_all(content).unwrap();
    file.seek(SeekFrom::Start(AT)).unwrap();
    file
}

/// By copy, and what is returned is that: the old one is gone with its name.
#[test]
fn p4_a_file_goes_to_another_file_system_as_it_is() {
    let Some(mount) = Mount::tmpfs(16 * MIB) else { return };
    let scratch = Scratch::new();
    let content = bytes(LEN, 9);
    for (from, to) in [(scratch.path(), mount.path()), (mount.path(), scratch.path())] {
        let (target, link) = (to.join("target"), to.join("link"));
        let goes = |file: NamedTempFile, noclobber: bool| {
            let mode = file.as_file().metadata().unwrap().mode();
            let mut copy = if noclobber { file.persist_noclobber(&target) } else { file.persist(&target) }.unwrap();
            assert_eq!(copy.stream_position().unwrap(), AT);
            let (by_name, returned) = (fs::symlink_metadata(&target).unwrap(), copy.metadata().unwrap());
            assert_eq!((by_name.ino(), by_name.mode(), by_name.nlink()), (returned.ino(), mode, 1));
            assert_same(&fs::read(&target).unwrap(), &content, "by its name");
            copy.write_all(b"!").unwrap();
            assert_eq!(fs::read(&target).unwrap()[AT as usize], b'!');
            assert!(rustix::io::fcntl_getfd(&copy).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
            assert_empty(from);
            assert_eq!(names(to), ["target"]);
        };
        goes(file(from, &content), true);
        goes(file(from, &content), false);
        let readable = file(from, &content);
        fs::set_permissions(&readable, fs::Permissions::from_mode(0o640)).unwrap();
        goes(readable, false);

        // What is in the way is left, and the file comes back.
        let failed = file(from, &content).persist_noclobber(&target).unwrap_err();
        assert_names(failed.error(), io::ErrorKind::AlreadyExists, &target);
        let back = failed.into_file();
        assert_eq!({ &back }.stream_position().unwrap(), AT);
        assert_same(&fs::read(back.path()).unwrap(), &content, "given back");
        fs::create_dir(to.join("dir")).unwrap();
        let failed = back.persist(to.join("dir")).unwrap_err();
        assert_names(failed.error(), failed.error.kind(), &to.join("dir"));
        let failed = failed.into_file().persist(to.join("missing/target")).unwrap_err();
        assert_names(failed.error(), io::ErrorKind::NotFound, &to.join("missing/target"));
        assert_same(&fs::read(failed.file.path()).unwrap(), &content, "given back");
        fs::remove_dir(to.join("dir")).unwrap();

        // A link is replaced itself.
        let sentinel = scratch.path().join("sentinel");
        let mut touched = file_with(&sentinel, b"not to be touched");
        symlink(&sentinel, &link).unwrap();
        let failed = failed.into_file().persist_noclobber(&link).unwrap_err();
        failed.into_file().persist(&link).unwrap();
        assert_same(&fs::read(&link).unwrap(), &content, "in place of a link");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
        let mut seen = Vec::new();
        touched.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"not to be touched");
        for path in [&sentinel, &link, &target] {
            fs::remove_file(path).unwrap();
        }
        assert_empty(from);
        assert_empty(to);
    }
}

#[test]
fn p2_a_file_that_finds_no_space_elsewhere_stays_where_it_is() {
    let scratch = Scratch::new();
    let content = bytes(LEN, 10);
    let Some(disk) = small_disk() else { return };
    let target = disk.path().join("target");
    fs::write(&target, "what was there").unwrap();
    disk.fill(LEN / 2 / 4096 * 4096);
    let free = disk.free();
    let mut held = file(scratch.path(), &content);
    for noclobber in [false, true, false] {
        let to = if noclobber { disk.path().join("new") } else { target.clone() };
        let failed = if noclobber { held.persist_noclobber(&to) } else { held.persist(&to) }.unwrap_err();
        assert_full(failed.error(), &to);
        held = failed.into_file();
        assert_eq!(held.stream_position().unwrap(), AT);
        assert_same(&fs::read(held.path()).unwrap(), &content, "given back");
        assert_eq!(names(disk.path()), ["target"]);
        disk.assert_free(free);
        assert_eq!(fs::read(&target).unwrap(), b"what was there");
    }
    disk.clear(MIB);
    held.persist(&target).unwrap();
    assert_same(&fs::read(&target).unwrap(), &content, "once there is space");
    assert_empty(scratch.path());
}

/// A program of somebody else's must not become one of ours, that runs as us.
#[test]
fn p6_a_copy_has_the_owner_and_the_group_of_what_it_is_a_copy_of() {
    const NAME: &str = "p6_a_copy_has_the_owner_and_the_group_of_what_it_is_a_copy_of";
    const OTHERS: u32 = 4242;
    let with_mode = |place: &Path, mode: u32| {
        let file = NamedTempFile::new_in(place).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    };
    let others = |place: &Path, mode: u32| {
        let file = NamedTempFile::new_in(place).unwrap();
        std::os::unix::fs::fchown(&file, Some(NOBODY), Some(OTHERS)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    };
    let after = |file: NamedTempFile, to: &Path| {
        let persisted = file.persist(to.join("persisted")).unwrap().metadata().unwrap();
        (persisted.uid(), persisted.gid(), persisted.mode() & 0o7777)
    };
    if let Some(places) = child::argument() {
        let own = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let (from, to) = places.split_once(' ').unwrap();
        if own.0 == 0 {
            // The superuser, where nothing can be given away.
            let file = others(Path::new(from), 0o6755);
            if !kernel::refuse(libc::SYS_fchown, libc::EPERM) {
                return skipped("the kernel takes no filter");
            }
            return assert_eq!(after(file, Path::new(to)), (own.0, own.1, 0o755));
        }
        // One of a group that is not ours: what that group may do no other may, nor runs it as ours.
        for (mode, expected) in [(0o660, 0o600), (0o664, 0o644), (0o755, 0o755), (0o666, 0o666)] {
            let file = with_mode(Path::new(from), mode);
            assert_eq!(file.as_file().metadata().unwrap().gid(), OTHERS);
            assert_eq!(after(file, Path::new(to)), (own.0, own.1, expected), "{mode:o}");
        }
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return skipped("there is no other user to be");
    }
    let (here, there) = (Scratch::new(), Mount::tmpfs(MIB));
    let Some(there) = there else { return };
    for mode in [0o4755, 0o2755, 0o640] {
        assert_eq!(after(others(here.path(), mode), there.path()), (NOBODY, OTHERS, mode), "{mode:o}");
    }
    child::run(NAME, format!("{} {}", here.path().display(), there.path().display()));
    std::os::unix::fs::chown(here.path(), None, Some(OTHERS)).unwrap();
    fs::set_permissions(here.path(), fs::Permissions::from_mode(0o2777)).unwrap();
    let elsewhere = there.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o777)).unwrap();
    let places = format!("{} {}", here.path().display(), elsewhere.display());
    if !child::run_as(NAME, &places, Some(NOBODY)) {
        skipped("another user may not run this binary where it is");
    }
}

/// It has a device number of its own, and is part of the same file system all the same.
#[test]
fn p5_a_subvolume_in_a_directory_goes_with_it() {
    let Some(mount) = Mount::on_a_loop_device("btrfs", 256 << 20) else { return };
    let dir = TempDir::new_in(mount.path()).unwrap();
    for path in ["one", "one/nested", "two"] {
        let path = dir.path().join(path);
        let made = std::process::Command::new("btrfs").args(["subvolume", "create"]).arg(&path).output();
        if !made.is_ok_and(|made| made.status.success()) {
            return skipped("there is no btrfs program here");
        }
        fs::create_dir(path.join("below")).unwrap();
        fs::write(path.join("below/file"), "goes").unwrap();
    }
    dir.close().unwrap();
    assert_eq!(names(mount.path()), [""; 0]);
}

/// A directory of ours on which something is mounted: that stays, and all of it.
#[test]
fn p6_what_is_mounted_in_a_directory_stays() {
    let Some(mount) = Mount::tmpfs(MIB) else { return };
    fs::write(mount.path().join("file"), "not to be touched").unwrap();
    let scratch = Scratch::new();
    let dir = TempDir::new_in(scratch.path()).unwrap();
    let path = dir.path().to_owned();
    let below = path.join("below");
    fs::create_dir(&below).unwrap();
    fs::write(path.join("goes"), "").unwrap();
    let status = std::process::Command::new("mount").arg("--bind").arg(mount.path()).arg(&below).status();
    if !status.is_ok_and(|status| status.success()) {
        return skipped("nothing can be bound here");
    }
    let closed = dir.close();
    let seen = fs::read(mount.path().join("file"));
    unmount(&below).unwrap();
    assert_eq!(seen.unwrap(), b"not to be touched");
    let error = closed.unwrap_err();
    assert_names(&error, error.kind(), &below);
    assert_eq!(names(&path), ["below"], "all that could be removed is gone");
    fs::remove_dir_all(path).unwrap();
}

/// A pipe that took over the name would keep who opens it waiting for somebody to write.
#[test]
fn p6_a_pipe_in_place_of_a_file_keeps_nobody_waiting() {
    in_time(|| {
        let scratch = Scratch::new();
        let file = file(scratch.path(), b"content");
        let path = file.path().to_owned();
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut again: File = file.reopen().unwrap();
        let mut seen = String::new();
        again.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "content");
        let failed = file.persist(scratch.path().join("target")).unwrap_err();
        assert_eq!(failed.error().kind(), io::ErrorKind::NotFound);
        // Whoever sweeps meets it as well.
        drop(NamedTempFile::new_in(scratch.path()).unwrap());
        assert_eq!(path.file_name().and_then(OsStr::to_str), Some(&*names(scratch.path())[0]));
    });
}
