//! What a type promises by being what it is, and what it shows of itself.

use std::error::Error;
use std::fmt::Debug;
use std::io::{BufRead, Read, Seek, Write};
use std::panic::{RefUnwindSafe, UnwindSafe};

use spooled::{
    Backing, Chunks, FreezeError, IntoFileError, IntoInnerError, Limit, LimitError, Overflow, PathError, PersistError,
    SeekableReader, SpoolOptions, SpooledBytes, SpooledData, SpooledTempFile, tail,
};

use crate::fixture::case::Case;
use crate::fixture::{Ground, noise};

const fn free<T: Send + Sync + Unpin + 'static>() {}
const fn survives_a_panic<T: UnwindSafe + RefUnwindSafe>() {}
const fn plain<T: Copy + Debug + PartialEq + Eq + std::hash::Hash>() {}
const fn stream<T: Read + BufRead + Seek>() {}
const fn sink<T: Write>() {}
const fn cheap<T: Clone>() {}
const fn error<T: Error + Into<std::io::Error>>() {}

const _: () = {
    free::<SpooledTempFile>();
    free::<SpooledBytes>();
    free::<SpooledData>();
    free::<SpoolOptions>();
    free::<Chunks>();
    free::<SeekableReader<std::process::ChildStdout>>();
    free::<tail::Writer>();
    free::<tail::Reader>();
    free::<tail::Failed>();
    survives_a_panic::<SpooledTempFile>();
    survives_a_panic::<SpooledBytes>();
    survives_a_panic::<Chunks>();
    survives_a_panic::<SeekableReader<std::process::ChildStdout>>();
    survives_a_panic::<tail::Writer>();
    survives_a_panic::<tail::Reader>();
    survives_a_panic::<SpooledData>();
    survives_a_panic::<SpoolOptions>();
    plain::<Backing>();
    plain::<Overflow>();
    plain::<Limit>();
    cheap::<SpoolOptions>();
    cheap::<SpooledBytes>();
    cheap::<tail::Reader>();
    stream::<SpooledTempFile>();
    stream::<SpooledBytes>();
    stream::<SeekableReader<&[u8]>>();
    stream::<tail::Reader>();
    sink::<SpooledTempFile>();
    sink::<tail::Writer>();
    error::<IntoInnerError>();
    error::<IntoFileError>();
    error::<FreezeError>();
    error::<PersistError>();
};

/// Somebody may have thousands of them, and moves them about.
#[test]
fn spools_are_small() {
    const { assert!(size_of::<SpooledTempFile>() <= 128) };
    const { assert!(size_of::<SpooledBytes>() <= 64) };
    const { assert!(size_of::<SpoolOptions>() <= 64) };
    const { assert!(size_of::<SeekableReader<&[u8]>>() <= 192) };
    const { assert!(size_of::<tail::Reader>() <= 64) };
}

#[test]
fn the_defaults_are_those_that_are_written_down() {
    let defaults = format!("{:?}", SpoolOptions::new());
    assert_eq!(format!("{:?}", SpoolOptions::default()), defaults);
    assert!(defaults.contains("65536"), "{defaults}");
    assert_eq!(Backing::default(), Backing::File);
    assert_eq!(Overflow::default(), Overflow::Disk);
}

/// A spool may hold somebody's upload, and logs travel.
#[test]
fn debug_shows_lengths_and_never_content() {
    let ground = Ground::new();
    for case in Case::grid(11) {
        let mut spool = case.options(&ground).build();
        spool.write_all(b"hush! hush!").unwrap();
        assert_hushed(&spool, "11/11");
        spool.set_len(5).unwrap();
        assert_hushed(&spool, "11/5");
        spool.rewind().unwrap();
        let failed = spool.persist(ground.missing().join("file")).unwrap_err();
        assert_hushed(&failed, "0/5");
        let frozen = failed.into_spool().freeze().unwrap();
        assert_hushed(&frozen, "0/5");
        assert_hushed(&frozen.chunks(2), "Chunks");
    }
}

#[track_caller]
fn assert_hushed(shown: &impl Debug, expected: &str) {
    for shown in [format!("{shown:?}"), format!("{shown:#?}")] {
        assert!(shown.contains(expected), "{shown}");
        for content in ["hush", "104, 117", "104,\n", "0x68"] {
            assert!(!shown.contains(content), "{shown}");
        }
    }
}

#[test]
fn into_inner_shows_no_more_than_its_type_must() {
    let data = SpooledTempFile::from(noise(100, 1).to_vec()).into_inner().unwrap();
    assert!(format!("{data:?}").contains("InMemory"));
}

/// `?` in a function that returns `std::io::Error`, and in one that returns a box.
#[test]
fn errors_convert_and_name_their_cause() {
    fn as_io(spool: SpooledTempFile) -> std::io::Result<std::fs::File> {
        Ok(spool.into_file()?)
    }
    fn as_box(spool: SpooledTempFile) -> Result<std::fs::File, Box<dyn Error + Send + Sync>> {
        Ok(spool.into_file()?)
    }
    let ground = Ground::new();
    let spool = || SpooledTempFile::new_in(10, ground.missing());
    let error = as_io(spool()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.get_ref().unwrap().is::<PathError>());
    let error = as_box(spool()).unwrap_err();
    assert!(error.source().is_some());
    assert!(error.to_string().contains(ground.missing().to_str().unwrap()), "{error}");
    let full = SpoolOptions::new().max_len(0).build().write(b"x").unwrap_err();
    assert!(full.get_ref().unwrap().is::<LimitError>());
}
