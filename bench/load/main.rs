//! `cargo bench --bench load`: the release binary under load, beside the least that a server can
//! do, in turn and in one run. See README.md.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on stops")]
#![expect(clippy::indexing_slicing, reason = "a measurement that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "figures are for people to read")]

mod child;
mod drive;
#[path = "../common/figures.rs"]
mod figures;
mod gate;
mod hold;
mod idle;
mod lanes;
#[path = "../common/multitude.rs"]
mod multitude;
mod pin;
mod process;
#[path = "../common/report.rs"]
mod report;
mod saturation;
mod start;
#[path = "../common/verdicts.rs"]
mod verdicts;
mod wire;

use std::time::Duration;

use self::child::Child;
use self::pin::Camps;
use self::verdicts::Verdicts;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    /// Of each stretch of load.
    stretch: Duration,
}

fn main() {
    if let Some(child) = Child::of_arguments() {
        return child.serve();
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let plan = if words.iter().any(|it| it == "quick") { Plan::QUICK } else { Plan::FULL };
    let subjects: Vec<&str> =
        words.iter().map(String::as_str).filter(|it| *it != "quick").collect();
    let wants = |subject| subjects.is_empty() || subjects.contains(&subject);
    // In the build's folder and not in /tmp, which may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (camps, mut verdicts) = (Camps::pitch(), Verdicts::default());
    let (servers, generator) = camps.sizes();
    println!("Cores: {servers} for servers, {generator} for the load. {plan:?}");
    match subjects[..] {
        ["hold", "decide"] => return hold::hold(&camps, folder.path(), |it| &it.decide),
        ["hold", "vend"] => return hold::hold(&camps, folder.path(), |it| &it.vend),
        _ => {}
    }
    if wants("start") {
        start::measure(&camps, folder.path(), plan, &mut verdicts);
    }
    if wants("idle") {
        idle::measure(&camps, folder.path(), plan, &mut verdicts);
    }
    if wants("saturation") {
        saturation::measure(&camps, folder.path(), plan, &mut verdicts);
    }
    verdicts.print();
}
