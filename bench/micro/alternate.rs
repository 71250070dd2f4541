//! Measures things in turn within one run: identical code drifts by half between runs, so only
//! what alternates can be compared.

use rustix::time::{ClockId, clock_gettime};

use crate::figures::Figures;
use crate::report;

const ROUNDS: usize = 41;
/// A batch is long beside the clock's own cost, and short beside a change of the machine's mood.
const BATCH_NANOS: i64 = 4_000_000;
const BATCH_RUNS_MAX: u32 = 20_000;

/// One of the things that are compared.
pub struct Side<'a> {
    name: &'a str,
    run: Box<dyn FnMut() + 'a>,
    /// How many operations one call of `run` is.
    operations: u32,
    /// Whose time counts.
    clock: ClockId,
}

impl<'a> Side<'a> {
    pub fn new(name: &'a str, run: impl FnMut() + 'a) -> Side<'a> {
        Side { name, run: Box::new(run), operations: 1, clock: ClockId::ProcessCPUTime }
    }

    /// For a `run` that does several operations at once.
    pub fn times(self, operations: u32) -> Side<'a> {
        Side { operations, ..self }
    }

    /// Without what other threads do for it: what somebody waits for.
    pub fn on_its_own_thread(self) -> Side<'a> {
        Side { clock: ClockId::ThreadCPUTime, ..self }
    }

    /// How often to run it for a batch; also warms it up.
    fn calibrate(&mut self) -> u32 {
        let mut runs = 1u32;
        loop {
            let took = cpu_nanos_of(self.clock, || (0..runs).for_each(|_| (self.run)()));
            if took >= BATCH_NANOS || runs >= BATCH_RUNS_MAX {
                return runs;
            }
            runs = runs.saturating_mul(2);
        }
    }

    fn micros(&mut self, runs: u32) -> f64 {
        let nanos = cpu_nanos_of(self.clock, || (0..runs).for_each(|_| (self.run)()));
        nanos as f64 / 1_000.0 / f64::from(runs) / f64::from(self.operations)
    }
}

/// CPU microseconds per operation, a list of rounds for each side.
pub struct Measured(Vec<Vec<f64>>);

/// Measures all sides in turn, and prints what each of them takes.
pub fn alternate(mut sides: Vec<Side<'_>>) -> Measured {
    let runs: Vec<u32> = sides.iter_mut().map(Side::calibrate).collect();
    let mut rounds = vec![Vec::with_capacity(ROUNDS); sides.len()];
    for _ in 0..ROUNDS {
        for ((side, runs), measured) in sides.iter_mut().zip(&runs).zip(&mut rounds) {
            measured.push(side.micros(*runs));
        }
    }
    for (side, measured) in sides.iter().zip(&rounds) {
        let figures = Figures::of(measured.iter().copied());
        let (least, median) = (figures.quantile(0.0), figures.median());
        report::row(&[side.name.to_owned(), format!("{least:.2}"), format!("{median:.2}")]);
    }
    Measured(rounds)
}

impl Measured {
    /// Side `a` over side `b`, round by round.
    pub fn ratio(&self, a: usize, b: usize) -> Figures {
        let (Some(a), Some(b)) = (self.0.get(a), self.0.get(b)) else {
            return Figures::of([]);
        };
        Figures::of(a.iter().zip(b).map(|(a, b)| a / b))
    }

    pub fn of(&self, side: usize) -> Figures {
        Figures::of(self.0.get(side).into_iter().flatten().copied())
    }
}

/// CPU time: of the whole process, so that work handed to other threads counts, too; or of this
/// thread alone.
fn cpu_nanos_of(clock: ClockId, work: impl FnOnce()) -> i64 {
    let now = || {
        let it = clock_gettime(clock);
        it.tv_sec * 1_000_000_000 + it.tv_nsec
    };
    let started = now();
    work();
    now() - started
}
