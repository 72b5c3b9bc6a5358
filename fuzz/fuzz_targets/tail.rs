//! P1, P6 and P8 by coverage: a schedule of one writer and several readers, beside their model, the same as in
//! `tests/it/tail.rs`.
//!
//! `cargo fuzz run tail -- -max_len=1024 -len_control=0`, on a stable compiler with `RUSTC_BOOTSTRAP=1` in front. A call that
//! waits where there is something to be had shows as a timeout: `-timeout=20` says so soon.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

fuzz_target!(|tailing: fixture::tail::Tailing| tailing.run());
