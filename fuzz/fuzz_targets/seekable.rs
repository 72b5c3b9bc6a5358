//! P1, P4 and P8 by coverage: a `SeekableReader` over a source with every bad habit, beside its model, the same as in
//! `tests/it/seekable.rs`.
//!
//! `cargo fuzz run seekable -- -max_len=1024 -len_control=0`, on a stable compiler with `RUSTC_BOOTSTRAP=1` in front.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

fuzz_target!(|pulling: fixture::seekable::Pulling| pulling.run());
