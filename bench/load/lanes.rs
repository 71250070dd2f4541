//! Servers that are driven in turn, so that their figures can be held against each other.

use crate::drive::{Load, Round, drive};
use crate::figures::Figures;
use crate::process::Process;
use crate::report;

/// One kind of request to one server.
pub struct Lane<'a> {
    name: &'a str,
    server: &'a Process,
    requests: Box<dyn Iterator<Item = &'a [u8]> + 'a>,
}

impl<'a> Lane<'a> {
    pub fn new(name: &'a str, server: &'a Process, requests: &'a [Vec<u8>]) -> Lane<'a> {
        Lane { name, server, requests: Box::new(requests.iter().map(Vec::as_slice).cycle()) }
    }
}

/// The rounds of each lane, in the lanes' order.
pub struct Rounds(Vec<Vec<Round>>);

/// Drives each lane for a stretch, then each again, so often; prints what each of them gave.
pub fn alternate(lanes: &mut [Lane<'_>], rounds: usize, load: impl Fn(usize) -> Load) -> Rounds {
    let mut all = vec![Vec::with_capacity(rounds); lanes.len()];
    for _ in 0..rounds {
        for (at, (lane, rounds)) in lanes.iter_mut().zip(&mut all).enumerate() {
            rounds.push(drive(lane.server, &mut lane.requests, load(at)));
        }
    }
    let all = Rounds(all);
    report::columns(&[
        "",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "CPU µs/request",
        "cores busy",
        "resident MiB",
    ]);
    for (at, lane) in lanes.iter().enumerate() {
        let median = |value: fn(&Round) -> f64| format!("{:.0}", all.figures(at, value).median());
        report::row(&[
            lane.name.to_owned(),
            median(PER_SECOND),
            median(P50),
            median(P99),
            format!("{:.1}", all.figures(at, CPU).median()),
            format!("{:.2}", all.figures(at, BUSY).median()),
            format!("{:.0}", lane.server.resident_mib()),
        ]);
    }
    all
}

pub const PER_SECOND: fn(&Round) -> f64 = |it| it.per_second;
pub const CPU: fn(&Round) -> f64 = |it| it.cpu_micros;
/// Below the number of its cores, a saturated server waits: for the disk, for the load, or for
/// whatever else runs on this machine.
const BUSY: fn(&Round) -> f64 = |it| it.per_second * it.cpu_micros / 1e6;
pub const P50: fn(&Round) -> f64 = |it| it.latency_micros.quantile(0.5);
pub const P99: fn(&Round) -> f64 = |it| it.latency_micros.quantile(0.99);

impl Rounds {
    /// One figure of one lane, over all rounds.
    pub fn figures(&self, lane: usize, value: fn(&Round) -> f64) -> Figures {
        Figures::of(self.0[lane].iter().map(value))
    }

    /// Lane `a` over lane `b`, round by round.
    pub fn ratio(&self, a: usize, b: usize, value: fn(&Round) -> f64) -> Figures {
        let pairs = self.0[a].iter().zip(&self.0[b]);
        Figures::of(pairs.map(|(a, b)| value(a) / value(b)))
    }
}
