//! Descriptors: none left, none leaked.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use ground::limits::Limited;
use ground::{BACKINGS, KIB, Scratch, assert_empty, assert_holds, assert_same, bytes, child, names, options};
use rustix::process::Resource;
use spooled::{NamedTempFile, PathError, Pool, SpoolOptions, TempDir, tempfile_in};

#[test]
fn p2_without_a_descriptor_the_rollover_is_refused_and_nothing_is_lost() {
    const NAME: &str = "p2_without_a_descriptor_the_rollover_is_refused_and_nothing_is_lost";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        child::run(NAME, scratch.path());
        return assert_empty(scratch.path());
    };
    let directory = Path::new(&directory);
    for backing in BACKINGS {
        let content = bytes(100_000, 1);
        let mut spool = options(directory, 100_000, backing).build();
        spool.write_all(&content).unwrap();
        spool.seek(SeekFrom::Start(50_000)).unwrap();
        // One that has a file already goes on without another.
        let mut rolled = options(directory, 0, backing).build();
        rolled.write_all(&content).unwrap();

        let mut named = options(directory, 0, backing).build();
        named.write_all(b"content").unwrap();
        let target = directory.join("named");

        let limited = Limited::to_no_descriptor();
        for _ in 0..2 {
            assert_refused(&spool.roll().unwrap_err(), directory);
            assert_refused(&spool.write(&content).unwrap_err(), directory);
            assert_refused(&spool.set_len(1 << 20).unwrap_err(), directory);
            assert_refused(&spool.write_at(b"!", 1 << 20).unwrap_err(), directory);
            assert!(!spool.is_rolled());
            assert_eq!(spool.position(), 50_000);
            assert_holds(&mut spool, &content);
        }
        let (error, spool) = spool.into_file().unwrap_err().into_parts();
        assert_refused(&error, directory);
        let (error, mut spool) = spool.persist(directory.join("target")).unwrap_err().into_parts();
        assert_eq!(cause_of(&error).io_error().raw_os_error(), Some(libc::EMFILE), "{error:?}");
        assert_eq!(spool.position(), 50_000);
        assert_holds(&mut spool, &content);
        assert_eq!(tempfile_in(directory).unwrap_err().kind(), io::Error::from_raw_os_error(libc::EMFILE).kind());

        rolled.write_all(&content).unwrap();
        rolled.roll().unwrap();
        assert_holds(&mut rolled, &[content.clone(), content.clone()].concat());
        let frozen = rolled.freeze().unwrap();
        assert_same(&frozen.slice(100_000..).to_bytes().unwrap(), &content, "frozen");

        // A name is no descriptor.
        let mut named = named.persist(&target).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().len(), 7);

        drop(limited);
        named.rewind().unwrap();
        assert_eq!(io::read_to_string(&mut named).unwrap(), "content");
        fs::remove_file(&target).unwrap();
        spool.seek(SeekFrom::End(0)).unwrap();
        assert_eq!(spool.write(&content).unwrap(), content.len());
        assert!(spool.is_rolled());
        spool.roll().unwrap();
        assert_holds(&mut spool, &[content.clone(), content].concat());
    }
}

/// What was swept as it was made is made again before anybody has it, or not at all.
#[test]
fn p4_without_a_descriptor_what_was_written_under_a_lost_name_stays() {
    const NAME: &str = "p4_without_a_descriptor_what_was_written_under_a_lost_name_stays";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        child::run(NAME, scratch.path());
        return assert_empty(scratch.path());
    };
    let mut file = NamedTempFile::new_in(&directory).unwrap();
    fs::remove_file(Path::new(&directory).join(&names(Path::new(&directory))[0])).unwrap();
    let limited = Limited::to_no_descriptor();
    file.write_all(b"accepted").unwrap();
    drop(limited);
    assert!(!file.path().exists());
    let failed = file.persist(Path::new(&directory).join("target")).unwrap_err();
    assert_eq!(failed.error().kind(), io::ErrorKind::NotFound);
    let mut file = failed.into_file();
    file.rewind().unwrap();
    assert_eq!(io::read_to_string(&mut file).unwrap(), "accepted");
}

#[test]
fn p5_without_a_descriptor_an_empty_directory_goes() {
    const NAME: &str = "p5_without_a_descriptor_an_empty_directory_goes";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        child::run(NAME, scratch.path());
        return assert_empty(scratch.path());
    };
    let made = [(); 2].map(|()| TempDir::new_in(&directory).unwrap());
    let (replaced, full) = (TempDir::new_in(&directory).unwrap(), TempDir::new_in(&directory).unwrap());
    fs::write(full.path().join("file"), "content").unwrap();
    fs::rename(replaced.path(), Path::new(&directory).join("moved")).unwrap();
    fs::create_dir(replaced.path()).unwrap();
    let limited = Limited::to_no_descriptor();
    let [dropped, closed] = made;
    let path = dropped.path().to_owned();
    drop(dropped);
    closed.close().unwrap();
    let kept = replaced.path().to_owned();
    assert_eq!(replaced.close().unwrap_err().kind(), io::ErrorKind::NotFound);
    // One that is not empty stays, for want of a descriptor and not because of what is in it.
    let full_path = full.path().to_owned();
    assert_refused(&full.close().unwrap_err(), &full_path);
    drop(limited);
    assert!(!path.exists());
    fs::remove_dir(kept).unwrap();
    fs::remove_dir_all(full_path).unwrap();
    fs::remove_dir(Path::new(&directory).join("moved")).unwrap();
}

#[test]
fn p5_a_thousand_lives_leak_no_descriptor_and_no_mapping() {
    const NAME: &str = "p5_a_thousand_lives_leak_no_descriptor_and_no_mapping";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        child::run(NAME, scratch.path());
        return assert_empty(scratch.path());
    };
    let directory = Path::new(&directory);
    let missing = directory.join("missing");
    live(directory, &missing, 0);
    let before = (descriptors(), mappings(directory));
    for round in 0..1000 {
        live(directory, &missing, round);
    }
    assert_eq!((descriptors(), mappings(directory)), before);
}

fn live(directory: &Path, missing: &Path, round: usize) {
    let content = [7; 70 * KIB];
    let made = |directory, backing| {
        let mut spool = options(directory, 64 * KIB, backing).build();
        let all = spool.write(&content[..64 * KIB + round % 2]);
        (spool, all)
    };
    let backing = BACKINGS[round / 2 % 2];
    let (mut spool, _) = made(directory, backing);
    spool.write_all(b"more").unwrap();
    match round % 7 {
        0 => drop(spool),
        1 => drop(spool.into_file().unwrap()),
        2 => drop(spool.freeze().unwrap().to_bytes().unwrap()),
        3 => {
            let target = directory.join("target");
            drop(spool.persist(&target).unwrap());
            fs::remove_file(target).unwrap();
        }
        4 => drop(spool.persist(missing.join("target")).unwrap_err()),
        5 => drop(spool.into_inner().unwrap()),
        _ => drop(tempfile_in(directory).unwrap()),
    }
    let (mut spool, _) = made(missing, backing);
    assert_eq!(spool.roll().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn p5_a_pool_leaves_no_descriptor_and_no_mapping() {
    const NAME: &str = "p5_a_pool_leaves_no_descriptor_and_no_mapping";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        child::run(NAME, scratch.path());
        return assert_empty(scratch.path());
    };
    let directory = Path::new(&directory);
    let content = bytes(100_000, 2);
    let before = (descriptors(), mappings(directory));
    let pool = Pool::builder().dir(directory).build();
    let live = |round: usize| {
        let mut options = SpoolOptions::new();
        options.pool(&pool).threshold(1000).backing(BACKINGS[round % 2]);
        let mut spools = [0, 1, 2].map(|_| options.build());
        spools.iter_mut().for_each(|spool| spool.write_all(&content).unwrap());
        spools.iter_mut().for_each(|spool| assert_holds(spool, &content));
        let [one, two, _] = spools;
        match round / 2 % 4 {
            0 => drop(one.into_file().unwrap()),
            1 => drop(one.freeze().unwrap().to_bytes().unwrap()),
            2 => drop(one.freeze().unwrap().clone().slice(10..20)),
            _ => {
                drop(one.persist(directory.join("target")).unwrap());
                fs::remove_file(directory.join("target")).unwrap();
            }
        }
        two
    };
    (0..200).for_each(|round| drop(live(round)));
    assert!(descriptors() > before.0, "nothing is kept: {:?}", pool.stats());
    assert!(descriptors() <= before.0 + 64);
    pool.trim();
    assert_eq!((descriptors(), mappings(directory)), before, "after trim");
    (0..20).for_each(|round| drop(live(round)));
    // What is out is closed by whoever has it, if it is after the pool.
    let mut last = live(0);
    let frozen = live(1).freeze().unwrap();
    drop(pool);
    assert_eq!(descriptors(), before.0 + 2);
    assert_holds(&mut last, &content);
    let whole = frozen.to_bytes().unwrap();
    drop((last, frozen));
    assert_same(&whole, &content, "bytes");
    drop(whole);
    assert_eq!((descriptors(), mappings(directory)), before, "after the pool");
}

/// With no descriptor left, what is kept is closed, and the file asked for once more.
#[test]
fn p2_what_is_kept_gives_its_descriptors() {
    const NAME: &str = "p2_what_is_kept_gives_its_descriptors";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        child::run(NAME, scratch.path());
        return assert_empty(scratch.path());
    };
    let directory = Path::new(&directory);
    let content = bytes(100_000, 3);
    for backing in BACKINGS {
        let pool = Pool::builder().dir(directory).build();
        let mut options = SpoolOptions::new();
        options.pool(&pool).threshold(1000).backing(backing);
        let mut spools = [0, 1, 2].map(|_| options.build());
        spools.iter_mut().for_each(|spool| spool.write_all(&content).unwrap());
        drop(spools);
        // It takes none of those that are kept.
        options.dir(directory);
        let (mut first, mut second) = (options.build(), options.build());
        first.write_all(&content[..1000]).unwrap();
        second.write_all(&content[..1000]).unwrap();

        let highest = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().file_name());
        let highest = highest.filter_map(|name| name.to_str()?.parse::<u64>().ok()).max().unwrap();
        let limited = Limited::to(Resource::Nofile, highest + 1);
        let gaps: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();

        assert!(pool.stats().disk_retained >= 100_000);
        first.write_all(&content[1000..]).unwrap();
        assert!(first.is_rolled());
        assert_eq!(pool.stats().disk_retained, 0, "{:?}", pool.stats());
        assert_holds(&mut first, &content);
        // Now nothing is kept; but there is room for as many as were.
        let more: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert_refused(&second.roll().unwrap_err(), directory);
        assert_holds(&mut second, &content[..1000]);
        assert_eq!(pool.stats().rolled, 1);
        drop(more);
        second.write_all(&content[1000..]).unwrap();
        assert_holds(&mut second, &content);

        drop(gaps);
        drop(limited);
        drop((first, second));
        let stats = pool.stats();
        assert_eq!((stats.disk_used, stats.memory_used), (stats.disk_retained, stats.memory_retained), "{stats:?}");
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many mappings of files in `directory` there are.
fn mappings(directory: &Path) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(directory.to_str().unwrap())).count()
}

#[track_caller]
fn assert_refused(error: &io::Error, directory: &Path) {
    assert_eq!(cause_of(error).path(), directory);
    assert_eq!(cause_of(error).io_error().raw_os_error(), Some(libc::EMFILE), "{error:?}");
    assert!(error.to_string().contains(directory.to_str().unwrap()), "{error}");
}

#[track_caller]
fn cause_of(error: &io::Error) -> &PathError {
    let cause = error.get_ref().unwrap_or_else(|| panic!("{error:?} names nothing"));
    cause.downcast_ref().unwrap_or_else(|| panic!("{error:?} names no path"))
}
