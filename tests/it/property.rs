//! Whatever can be made of random bytes, held against a rule; and of what fails, the shortest.

use std::env;
use std::fmt::Debug;
use std::panic::{self, RefUnwindSafe};
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use arbtest::arbtest;

/// Runs what can be made, and of what fails the shortest that does: for as long as `budget` says one and the same sequence each
/// time, so that a change is refused for what it did, and not for what was there; or at random, if the environment says how
/// long (`ARBTEST_BUDGET_MS`) or what (`ARBTEST_SEED`).
pub(crate) fn holds<T: for<'a> Arbitrary<'a> + Debug + RefUnwindSafe>(
    budget: Duration,
    run: fn(&T),
    shorter: fn(&T) -> Vec<T>,
) {
    let property = |u: &mut Unstructured<'_>| {
        let life: T = u.arbitrary()?;
        let panics = |life: &T| panic::catch_unwind(|| run(life)).is_err();
        if panics(&life) {
            let mut shortest = life;
            // The same failure, or another one, with as little as possible in front of it.
            while let Some(shorter) = shorter(&shortest).into_iter().find(panics) {
                shortest = shorter;
            }
            eprintln!("the shortest life that fails: {shortest:?}");
            run(&shortest);
            unreachable!("it failed a moment ago");
        }
        Ok(())
    };
    if ["ARBTEST_BUDGET_MS", "ARBTEST_SEED"].iter().any(|name| env::var_os(name).is_some()) {
        arbtest(property).size_min(SHORTEST as u32).size_max(LONGEST as u32).run();
        return;
    }
    // What is different there shows soon, and the rest is seen elsewhere.
    let budget = if cfg!(target_family = "wasm") { budget / 10 } else { budget };
    let begin = Instant::now();
    for seed in seeds().take_while(|_| begin.elapsed() < budget) {
        arbtest(property).seed(seed).run();
    }
}

/// Short ones first, as `arbtest` takes them: how many bytes below, what they are made of above.
fn seeds() -> impl Iterator<Item = u64> {
    let sizes = (0..).map(|nth: u64| SHORTEST + nth * 16 % (LONGEST - SHORTEST));
    // Multiples of an odd constant come to every number once.
    sizes.zip(1..).map(|(size, nth): (u64, u64)| size | u64::from((nth as u32).wrapping_mul(0x9E37_79B1)) << 32)
}

const SHORTEST: u64 = 64;
const LONGEST: u64 = 1500;
