//! P1, P6 and P8 by coverage: whole lives of spools beside their model, alone and together, the same as in
//! `tests/it/model.rs`.
//!
//! `cargo fuzz run operations -- -max_len=1024 -len_control=0`, on a stable compiler with `RUSTC_BOOTSTRAP=1` in front.
//! Without the second option it would spend its first hours on lives of three operations.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

#[derive(Debug, Arbitrary)]
enum Lives {
    Alone(fixture::life::Life),
    Together(fixture::together::Together),
}

fuzz_target!(|lives: Lives| match lives {
    Lives::Alone(life) => life.run(),
    Lives::Together(together) => together.run(),
});
