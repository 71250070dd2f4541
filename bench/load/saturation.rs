//! At saturation, and at half of it: decide and vend beside the least that a server can do.

use std::path::Path;
use std::time::Duration;

use crate::Plan;
use crate::child::Child;
use crate::drive::{Load, Pace};
use crate::gate::{ASK, Gate, Store};
use crate::lanes::{CPU, Lane, P99, PER_SECOND, Rounds, alternate};
use crate::pin::Camps;
use crate::report;
use crate::verdicts::Verdicts;
use crate::wire::request;

// The lanes, by place.
const ECHO: usize = 0;
const DECIDE: usize = 1;
const DECIDE_MEMORY: usize = 2;
const MINT: usize = 3;
const VEND: usize = 4;
const VEND_MEMORY: usize = 5;

pub fn measure(camps: &Camps, folder: &Path, plan: Plan, verdicts: &mut Verdicts) {
    let (echo, mint) = (Child::Echo.start(camps, folder), Child::MintOnly.start(camps, folder));
    let disk = Gate::populated(camps, folder, Store::Disk);
    let memory = Gate::populated(camps, folder, Store::Memory);
    // As long a header as Gatewright gets.
    let token = "t".repeat(700);
    let to_echo = [request("POST", "/echo", &token, ASK)];
    let to_mint = [request("POST", "/mint", &token, ASK)];
    let mut lanes = [
        Lane::new("echo (no-op)", &echo, &to_echo),
        Lane::new("decide", &disk.process, &disk.decide),
        Lane::new("decide, audit in memory", &memory.process, &memory.decide),
        Lane::new("mint only", &mint, &to_mint),
        Lane::new("vend", &disk.process, &disk.vend),
        Lane::new("vend, audit in memory", &memory.process, &memory.vend),
    ];
    let mut saturated = Vec::new();
    for connections in [16, 64] {
        report::heading(&format!("{connections} connections, saturated"));
        let load = Load { connections, pace: Pace::Saturating, time: plan.stretch };
        let rounds = alternate(&mut lanes, plan.rounds, |_| load);
        judge(&rounds, connections, verdicts);
        saturated.push(rounds);
    }
    report::heading("64 connections, half of each one's own saturation");
    let rates: Vec<f64> = (0..lanes.len())
        .map(|lane| saturated.iter().map(move |it| it.figures(lane, PER_SECOND).median()))
        .map(|rates| rates.fold(0.0, f64::max) / 2.0)
        .collect();
    let half = alternate(&mut lanes, plan.rounds, |lane| Load {
        connections: 64,
        pace: Pace::PerSecond(rates[lane]),
        time: plan.stretch,
    });
    let goal = Some(0.0..=4.0);
    verdicts.add(
        "p99 at half of saturation: decide / echo",
        half.ratio(DECIDE, ECHO, P99),
        goal.clone(),
    );
    verdicts.add("p99 at half of saturation: vend / echo", half.ratio(VEND, ECHO, P99), goal);
}

fn judge(rounds: &Rounds, connections: usize, verdicts: &mut Verdicts) {
    let mut add = |what: &str, ratio, goal| {
        verdicts.add(&format!("{connections} connections, {what}"), ratio, goal);
    };
    add("CPU: decide / echo", rounds.ratio(DECIDE, ECHO, CPU), Some(0.0..=3.0));
    add("CPU: vend / mint only", rounds.ratio(VEND, MINT, CPU), Some(0.0..=1.4));
    let (few, many) = (connections == 16, connections == 64);
    let goal = few.then_some(0.35..=f64::INFINITY);
    add("throughput: decide / echo", rounds.ratio(DECIDE, ECHO, PER_SECOND), goal);
    let durable = rounds.ratio(DECIDE, DECIDE_MEMORY, PER_SECOND);
    let goal = many.then_some(0.85..=f64::INFINITY);
    add("throughput: decide / decide, audit in memory", durable, goal);
    let durable = rounds.ratio(VEND, VEND_MEMORY, PER_SECOND);
    let goal = many.then_some(0.9..=f64::INFINITY);
    add("throughput: vend / vend, audit in memory", durable, goal);
}

impl Plan {
    /// So short that figures mean nothing: to see that the program works.
    pub const QUICK: Plan = Plan { rounds: 1, stretch: Duration::from_millis(200) };
    pub const FULL: Plan = Plan { rounds: 5, stretch: Duration::from_secs(2) };
}
