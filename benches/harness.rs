//! Times two things in turn, and says how one compares with the other.
//!
//! On a shared machine a time drifts by tens of percent while a benchmark runs; the ratio of two times taken next to
//! each other does not. So each round times ours and the peer's back to back, whoever was second going first in the
//! next, and the result is the median of the rounds' ratios. No benchmark library is used because none that is common
//! interleaves: criterion, for one, measures all of the first and then all of the second.
//!
//! Every run gives an answer (bytes counted, content summed up), and both sides' must agree, each time: nothing can
//! be optimised away, and nothing wrong can be fast.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// One line of the table: what is measured, against whom, and how much of the peer's time it may take.
pub struct Row<'a> {
    pub name: String,
    pub peer: &'static str,
    pub bar: Option<f64>,
    rounds: usize,
    least: u128,
    only_if_asked_for: bool,
    missing: Option<String>,
    ours: Box<dyn FnOnce() -> Side<'a> + 'a>,
    theirs: Box<dyn FnOnce() -> Side<'a> + 'a>,
}

type Side<'a> = Box<dyn FnMut() -> Sample + 'a>;

impl<'a> Row<'a> {
    /// `ours` and `theirs` set up, untimed and only if the row is asked for; what they return is run again and again.
    pub fn new<A, B>(
        name: impl Into<String>,
        peer: &'static str,
        bar: impl Into<Option<f64>>,
        ours: impl FnOnce() -> A + 'a,
        theirs: impl FnOnce() -> B + 'a,
    ) -> Self
    where
        A: FnMut() -> Sample + 'a,
        B: FnMut() -> Sample + 'a,
    {
        Self {
            name: name.into(),
            peer,
            bar: bar.into(),
            rounds: usize::MAX,
            least: 1,
            only_if_asked_for: false,
            missing: None,
            ours: Box::new(|| Box::new(ours())),
            theirs: Box::new(|| Box::new(theirs())),
        }
    }

    /// At most this many rounds: for what takes seconds.
    pub fn rounds(self, rounds: usize) -> Self {
        Self { rounds: rounds.min(self.rounds), ..self }
    }

    /// At least so often in a turn: for what is warm only after the like of it.
    pub fn at_least(self, least: u128) -> Self {
        Self { least, ..self }
    }

    /// Not when all are run: for what takes long, or needs more than this package.
    pub fn only_if_asked_for(self) -> Self {
        Self { only_if_asked_for: true, ..self }
    }

    /// Not where something is missing, which is said in place of a result.
    pub fn unless(self, missing: Option<String>) -> Self {
        Self { missing: self.missing.or(missing), ..self }
    }

    /// Whether it is to be run, if these are the words that were asked for.
    pub fn is_wanted(&self, filters: &[String]) -> bool {
        if filters.is_empty() {
            return !self.only_if_asked_for;
        }
        filters.iter().any(|word| self.name.contains(word))
    }

    /// The line of a row that cannot be run.
    pub fn skipped(&self) -> Option<String> {
        let missing = self.missing.as_ref()?;
        let bar = self.bar.map_or_else(|| "-".to_owned(), |bar| bar.to_string());
        Some(format!("| {} | {} | - | - | skipped: {missing} | - | {bar} | |", self.name, self.peer))
    }

    pub fn measure(self, rounds: usize) -> Outcome {
        let (mut ours, mut theirs) = ((self.ours)(), (self.theirs)());
        // The warm-up, which also tells how often to repeat in a round.
        let (first, second) = (ours(), theirs());
        let repeats = ROUND.as_nanos() / first.time.max(second.time).as_nanos().max(1);
        let repeats = repeats.clamp(self.least, 10_000) as u32;
        let (mut our_times, mut their_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds.min(self.rounds) {
            let (our, their) = if round % 2 == 0 {
                let our = repeated(&mut ours, repeats);
                (our, repeated(&mut theirs, repeats))
            } else {
                let their = repeated(&mut theirs, repeats);
                (repeated(&mut ours, repeats), their)
            };
            assert_eq!(our.answer, their.answer, "{}: the answers differ", self.name);
            our_times.push(our.each());
            their_times.push(their.each());
            ratios.push(our.each() / their.each());
        }
        Outcome {
            name: self.name,
            peer: self.peer,
            bar: self.bar,
            ours: Spread::of(our_times).median,
            theirs: Spread::of(their_times).median,
            ratio: Spread::of(ratios),
        }
    }
}

fn repeated(side: &mut Side<'_>, repeats: u32) -> Sample {
    let mut total = side();
    for _ in 1..repeats {
        let sample = side();
        assert_eq!(sample.answer, total.answer, "the same work gave another answer");
        total.time += sample.time;
        total.operations += sample.operations;
    }
    total
}

/// What one run took, and what came of it.
pub struct Sample {
    time: Duration,
    operations: u64,
    answer: u64,
}

impl Sample {
    /// For work that keeps its own time, and for a bar that is a time and no peer.
    pub fn new(time: Duration, operations: usize, answer: u64) -> Self {
        Self { time, operations: operations as u64, answer }
    }

    /// Nanoseconds for one operation.
    fn each(&self) -> f64 {
        self.time.as_nanos() as f64 / self.operations as f64
    }
}

/// Times `work`, which is that many operations and gives an answer.
pub fn timed(operations: usize, work: impl FnOnce() -> u64) -> Sample {
    let start = Instant::now();
    let answer = black_box(work());
    Sample::new(start.elapsed(), operations, answer)
}

pub struct Outcome {
    name: String,
    peer: &'static str,
    bar: Option<f64>,
    ours: f64,
    theirs: f64,
    ratio: Spread,
}

impl Outcome {
    pub const HEAD: &'static str = "\
| work | peer | ours | peer's | ratio | quartiles | bar | |\n|---|---|---|---|---|---|---|---|";

    fn is_above(&self) -> bool {
        self.bar.is_some_and(|bar| self.ratio.median > bar)
    }
}

/// A line of a markdown table.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { low, median, high } = &self.ratio;
        write!(f, "| {} | {} | {} | {} ", self.name, self.peer, time(self.ours), time(self.theirs))?;
        write!(f, "| **{}** | {}-{} ", ratio(*median), ratio(*low), ratio(*high))?;
        let bar = self.bar.map_or_else(|| "-".to_owned(), |bar| bar.to_string());
        write!(f, "| {bar} {}", if self.is_above() { ABOVE } else { "| |" })
    }
}

/// Quartiles.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

fn ratio(value: f64) -> String {
    let digits = if value < 0.01 {
        5
    } else if value < 0.2 {
        3
    } else {
        2
    };
    format!("{value:.digits$}")
}

fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {unit}")
}

/// How the line of a row above its bar ends.
pub const ABOVE: &str = "| above |";
/// How long each side runs in a round, where one run is shorter.
const ROUND: Duration = Duration::from_millis(25);
