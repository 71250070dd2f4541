//! How soon a server serves, and how much it holds, by how much it has to know.

use std::path::Path;

use crate::Plan;
use crate::figures::Figures;
use crate::gate::{Gate, Store, start, store_file};
use crate::multitude;
use crate::pin::Camps;
use crate::report;
use crate::verdicts::Verdicts;

const MANY: u32 = 10_000;

pub fn measure(camps: &Camps, folder: &Path, plan: Plan, verdicts: &mut Verdicts) {
    report::heading("Start");
    let few = folder.join("few");
    let many = folder.join("many");
    for folder in [&few, &many] {
        std::fs::create_dir(folder).unwrap();
        Gate::found(camps, folder);
    }
    multitude::grow(&store_file(&many), MANY - 1).unwrap();
    let rounds: Vec<[Start; 2]> =
        (0..plan.rounds).map(|_| [&few, &many].map(|it| Start::observe(camps, it))).collect();
    report::columns(&["", "ms until it serves", "resident MiB"]);
    let [(few_time, few_memory), (many_time, many_memory)] = [0, 1].map(|at| {
        let of = |value: fn(&Start) -> f64| Figures::of(rounds.iter().map(|it| value(&it[at])));
        (of(|it| it.millis), of(|it| it.resident_mib))
    });
    for (name, time, memory) in [
        ("one tool, one agent", &few_time, &few_memory),
        ("10,000 tools, 10,000 agents", &many_time, &many_memory),
    ] {
        let (time, memory) = (time.median(), memory.median());
        report::row(&[name.to_owned(), format!("{time:.0}"), format!("{memory:.0}")]);
    }
    verdicts.add("start, ms", few_time, Some(0.0..=100.0));
    verdicts.add("start with 10,000 + 10,000, ms", many_time, Some(0.0..=700.0));
    verdicts.add("resident, idle, MiB", few_memory, Some(0.0..=40.0));
    verdicts.add("resident with 10,000 + 10,000, MiB", many_memory, Some(0.0..=160.0));
}

struct Start {
    millis: f64,
    resident_mib: f64,
}

impl Start {
    fn observe(camps: &Camps, folder: &Path) -> Start {
        let process = start(camps, folder, Store::Disk);
        let millis = process.start.as_secs_f64() * 1e3;
        Start { millis, resident_mib: process.resident_mib() }
    }
}
