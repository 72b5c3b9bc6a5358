//! A spool that gets a name; what all of them are to the language.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;

use spooled::{IntoNamedError, NamedOptions, NamedTempFile, SpooledTempFile, TempDir, named};

use crate::{AT, CONTENT, Ground, assert_left, assert_names, assert_whole, middle, names};

#[test]
fn p1_a_spool_with_a_name_has_its_content_and_its_cursor() {
    let ground = Ground::new();
    for threshold in [0, CONTENT.len(), usize::MAX] {
        for position in [0, AT, CONTENT.len() as u64, 100] {
            let mut spool = SpooledTempFile::new_in(threshold, ground.path());
            spool.write_all(CONTENT).unwrap();
            spool.seek(SeekFrom::Start(position)).unwrap();
            let mut named = spool.into_named().unwrap();
            assert_eq!(named.path().parent(), Some(ground.path()));
            middle(named.path(), ".spooled-", "");
            assert_eq!(fs::read(named.path()).unwrap(), CONTENT);
            assert_eq!(named.stream_position().unwrap(), position);
            let target = ground.join("target");
            named.seek(SeekFrom::Start(AT)).unwrap();
            assert_left(named.persist(&target).unwrap(), &target);
            assert_eq!(names(ground.path()), ["target"]);
        }
    }
    // Nothing at all is a file, too.
    let named = SpooledTempFile::new_in(1, ground.path()).into_named().unwrap();
    assert_eq!(fs::read(named.path()).unwrap(), b"");
    named.close().unwrap();
    drop(SpooledTempFile::new_in(0, ground.path()).into_named().unwrap());
    let (_, path) = SpooledTempFile::new_in(0, ground.path()).into_named().unwrap().keep().unwrap();
    fs::remove_file(path).unwrap();
    assert_eq!(names(ground.path()), ["target"]);
}

#[test]
fn p4_a_spool_that_can_have_no_name_comes_back() {
    let ground = Ground::new();
    let missing = ground.join("missing");
    let mut spool = SpooledTempFile::new_in(usize::MAX, &missing);
    spool.write_all(CONTENT).unwrap();
    spool.seek(SeekFrom::Start(AT)).unwrap();
    for _ in 0..2 {
        let failed = spool.into_named().unwrap_err();
        assert_names(failed.error(), ErrorKind::NotFound, &missing);
        let (error, mut back) = failed.into_parts();
        assert_names(&error, ErrorKind::NotFound, &missing);
        assert_eq!((back.position(), back.len(), back.is_rolled()), (AT, CONTENT.len() as u64, false));
        assert_eq!(back.as_slice().unwrap(), CONTENT);
        spool = back;
    }
    // Somebody makes the directory: the same call succeeds.
    fs::create_dir(&missing).unwrap();
    let named = spool.into_named().unwrap();
    assert_whole(&named);
}

#[test]
fn p8_files_directories_options_and_errors_can_go_to_any_thread() {
    fn anywhere<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    anywhere::<NamedTempFile>();
    anywhere::<TempDir>();
    anywhere::<NamedOptions>();
    // An `io::Error` is not unwind safe.
    fn between_threads<T: Send + Sync + Unpin + 'static>() {}
    between_threads::<named::PersistError>();
    between_threads::<IntoNamedError>();
    fn is_a_file<T: Read + Write + Seek + AsRef<Path>>()
    where
        for<'a> &'a T: Read + Write + Seek,
    {
    }
    is_a_file::<NamedTempFile>();
}

#[cfg(unix)]
#[test]
fn p1_the_descriptor_is_the_files_own() {
    use std::os::fd::{AsFd, AsRawFd};
    let ground = Ground::new();
    let file = ground.file();
    assert_eq!(file.as_raw_fd(), file.as_file().as_raw_fd());
    assert_eq!(file.as_fd().as_raw_fd(), file.as_file().as_raw_fd());
}

#[test]
fn p6_debug_shows_where_it_is_and_never_the_content() {
    let ground = Ground::new();
    let (file, dir) = (ground.file(), TempDir::new_in(ground.path()).unwrap());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(format!("{dir:?}").starts_with("TempDir(") && format!("{dir:?}").contains(&name(dir.path())));
    assert!(format!("{file:?}").starts_with("NamedTempFile(") && format!("{file:?}").contains(&name(file.path())));
    let own = name(file.path());
    let failed = file.persist(dir.path()).unwrap_err();
    let shown = format!("{failed:?}");
    assert!(shown.contains("PersistError") && shown.contains(&own) && !shown.contains("found again"), "{shown}");
}

#[test]
fn p4_errors_say_what_went_wrong_and_turn_into_what_is_asked_for() {
    let ground = Ground::new();
    let missing = ground.join("missing/target");
    fn by_question_mark(ground: &Ground, to: &Path) -> io::Result<File> {
        Ok(ground.file().persist(to)?)
    }
    assert_names(&by_question_mark(&ground, &missing).unwrap_err(), ErrorKind::NotFound, &missing);
    assert_eq!(names(ground.path()), [""; 0], "the file went with the error");
    fn spool_by_question_mark(to: &Path) -> io::Result<NamedTempFile> {
        Ok(SpooledTempFile::new_in(0, to).into_named()?)
    }
    assert_names(&spool_by_question_mark(&missing).unwrap_err(), ErrorKind::NotFound, &missing);
    fn boxed(ground: &Ground, to: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
        ground.file().persist_noclobber(to)?;
        Ok(())
    }
    let error = boxed(&ground, &missing).unwrap_err();
    let persist = error.downcast_ref::<named::PersistError>().unwrap();
    assert_eq!(error.to_string(), persist.error.to_string());
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
    assert_eq!(source.kind(), ErrorKind::NotFound);
    let failed = SpooledTempFile::new_in(0, &missing).into_named().unwrap_err();
    assert_eq!(failed.to_string(), failed.error().to_string());
    assert!(failed.source().is_some() && format!("{failed:?}").contains("IntoNamedError"), "{failed:?}");
    assert!(failed.into_spool().is_empty());
    drop(error);
    // To a file that is asked for by its type.
    let file: NamedTempFile = ground.file().persist(&missing).unwrap_err().into();
    assert_whole(&file);
}
