//! P1 by coverage: whole lives of spools beside their model, the same as in `tests/it/model.rs`.
//!
//! `cargo fuzz run operations -- -max_len=1024 -len_control=0`, on a stable compiler with `RUSTC_BOOTSTRAP=1` in front.
//! Without the second option it would spend its first hours on lives of three operations.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

fuzz_target!(|life: fixture::life::Life| life.run());
