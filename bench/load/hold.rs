//! One kind of request for half a minute, so that a profiler can look at the server.

use std::path::Path;
use std::time::Duration;

use crate::drive::{Load, Pace, drive};
use crate::gate::{Gate, Store};
use crate::pin::Camps;

const TIME: Duration = Duration::from_secs(30);

/// Holds 64 connections at saturation, after it has said which process to look at.
pub fn hold(camps: &Camps, folder: &Path, choose: fn(&Gate) -> &[Vec<u8>]) {
    let gate = Gate::populated(camps, folder, Store::Disk);
    println!("perf record -g -p {}", gate.process.id());
    let load = Load { connections: 64, pace: Pace::Saturating, time: TIME };
    let mut requests = choose(&gate).iter().map(Vec::as_slice).cycle();
    let round = drive(&gate.process, &mut requests, load);
    println!("{:.0} requests/s, {:.1} CPU µs/request", round.per_second, round.cpu_micros);
}
