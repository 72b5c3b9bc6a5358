//! What only WASI has: directories that the host has not opened.
#![cfg(target_os = "wasi")]

mod ground;

use std::io::Write;
use std::path::Path;

use ground::{BACKINGS, assert_holds, assert_names_path, bytes, options};
use spooled::{NamedTempFile, Overflow, TempDir};

const ELSEWHERE: &str = "/nobody/opened/this";

#[test]
fn p2_what_the_host_has_not_opened_is_an_error_and_nothing_is_lost() {
    let content = bytes(100_000, 1);
    for backing in BACKINGS {
        let mut spool = options(Path::new(ELSEWHERE), 50_000, backing).build();
        spool.write_all(&content[..50_000]).unwrap();
        for _ in 0..2 {
            assert_names_path(&spool.write(b"!").unwrap_err(), Path::new(ELSEWHERE));
            assert_names_path(&spool.roll().unwrap_err(), Path::new(ELSEWHERE));
            assert_holds(&mut spool, &content[..50_000]);
        }
        let mut options = options(Path::new(ELSEWHERE), 50_000, backing);
        let mut spool = options.overflow(Overflow::DiskOrMemory(100_000)).build();
        spool.write_all(&content).unwrap();
        assert!(!spool.is_rolled());
        assert_holds(&mut spool, &content);
    }
    assert_names_path(&NamedTempFile::new_in(ELSEWHERE).unwrap_err(), Path::new(ELSEWHERE));
    assert_names_path(&TempDir::new_in(ELSEWHERE).unwrap_err(), Path::new(ELSEWHERE));
}
