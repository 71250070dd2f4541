//! A lone decision on a quiet server: it should wait for one write to the disk, and for no other.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::Plan;
use crate::drive::{Load, Pace, drive};
use crate::figures::Figures;
use crate::gate::{Gate, Store};
use crate::lanes::P50;
use crate::pin::Camps;
use crate::report;
use crate::verdicts::Verdicts;

/// Slow enough that each is alone.
const PACE: Pace = Pace::PerSecond(100.0);
const WRITES: usize = 100;
const PAGE_BYTES: usize = 4096;

pub fn measure(camps: &Camps, folder: &Path, plan: Plan, verdicts: &mut Verdicts) {
    report::heading("One connection, 100 decisions a second");
    let folder = folder.join("idle");
    std::fs::create_dir(&folder).unwrap();
    let disk = Gate::populated(camps, &folder, Store::Disk);
    let memory = Gate::populated(camps, &folder, Store::Memory);
    let load = Load { connections: 1, pace: PACE, time: plan.stretch };
    let p50 = |gate: &Gate| {
        let mut requests = gate.decide.iter().map(Vec::as_slice).cycle();
        P50(&drive(&gate.process, &mut requests, load))
    };
    let rounds: Vec<[f64; 3]> = (0..plan.rounds)
        .map(|_| [p50(&disk), p50(&memory), camps.among_servers(|| data_sync_micros(&folder))])
        .collect();
    report::columns(&["", "p50 µs"]);
    for (at, name) in
        ["decide", "decide, audit in memory", "write and fdatasync"].iter().enumerate()
    {
        let median = Figures::of(rounds.iter().map(|it| it[at])).median();
        report::row(&[(*name).to_owned(), format!("{median:.0}")]);
    }
    let ratio = rounds.iter().map(|[disk, memory, sync]| disk / (memory + sync));
    let what = "idle, p50: decide / (decide, audit in memory + one fdatasync)";
    verdicts.add(what, Figures::of(ratio), Some(0.0..=1.1));
}

/// The median of appending a page to a file and waiting for the disk.
fn data_sync_micros(folder: &Path) -> f64 {
    let mut file =
        OpenOptions::new().create(true).append(true).open(folder.join("synced")).unwrap();
    let times = (0..WRITES).map(|_| {
        let started = Instant::now();
        file.write_all(&[7; PAGE_BYTES]).unwrap();
        file.sync_data().unwrap();
        started.elapsed().as_secs_f64() * 1e6
    });
    Figures::of(times).median()
}
