//! Damaged files on reload, under load: none of them ever decides.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use super::{BUNDLES, active, calculator, figure, setup, until};
use crate::harness::{Caller, Setup, policies};

const REFUSED: &str = "gatewright_policy_bundles_refused_total";
/// How many files are damaged at once, and how often.
const FILES: usize = 5;
const ROUNDS: usize = 20;

/// The same text, wrong somewhere.
fn damaged(text: &str, rng: &mut StdRng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.random_range(0..chars.len());
    match rng.random_range(0..4) {
        0 => chars.truncate(at),
        1 => drop(chars.remove(at)),
        2 => chars.insert(at, ['(', '}', '"', ';', '@', 'x'][rng.random_range(0..6)]),
        _ => chars[at] = ['{', ')', '\'', ',', '=', '0'][rng.random_range(0..6)],
    }
    chars.into_iter().collect()
}

/// Asks without end, and counts.
async fn load(by: Caller, stop: Arc<AtomicBool>) -> usize {
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) {
        by.get("/api/v1/tools").await.expect(200);
        asked += 1;
    }
    asked
}

/// The digests that decisions of the audit name.
async fn deciding(admin: &Caller) -> BTreeSet<String> {
    let export = "/api/v1/audit-events";
    let request =
        admin.request(reqwest::Method::GET, export).header("accept", "application/x-ndjson");
    let text = crate::harness::send(request).await.text;
    let bundle = |line: &str| {
        let entry: Value = serde_json::from_str(line).unwrap();
        let entry = if entry["entry"].is_null() { entry } else { entry["entry"].clone() };
        entry["bundle"].as_str().map(str::to_owned)
    };
    text.lines().filter_map(bundle).collect()
}

#[tokio::test]
async fn no_decision_is_made_by_damaged_files() {
    let gate = setup(Setup::new()).with("policy.watch", "true").start();
    let (place, admin) = (gate.folder.path(), gate.admin().await);
    calculator(&admin).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let sound = active(&admin).await;
    let stop = Arc::new(AtomicBool::new(false));
    let lanes: Vec<_> = (0..2).map(|_| tokio::spawn(load(robot.clone(), stop.clone()))).collect();

    let mut names: Vec<_> = fs::read_dir(policies::folder(place)).unwrap().collect();
    names.sort_by_key(|it| it.as_ref().unwrap().file_name());
    let files: Vec<(String, String)> = names
        .into_iter()
        .map(|it| it.unwrap().path())
        .filter(|it| it.is_file())
        .map(|it| {
            (it.file_name().unwrap().to_str().unwrap().into(), fs::read_to_string(it).unwrap())
        })
        .collect();
    let mut rng = StdRng::seed_from_u64(20_261_122);
    for round in 0..ROUNDS {
        for file in 0..FILES {
            let (name, text) = &files[(round * FILES + file) % files.len()];
            policies::put(place, name, &damaged(text, &mut rng));
        }
        let expected = (round + 1) as f64;
        until(async || figure(&gate, REFUSED).await >= expected).await;
        for file in 0..FILES {
            let (name, text) = &files[(round * FILES + file) % files.len()];
            policies::put(place, name, text);
        }
    }
    until(async || gate.anyone().get("/readyz").await.json()["status"] == "ok").await;
    stop.store(true, Ordering::Relaxed);
    let mut asked = 0;
    for lane in lanes {
        asked += lane.await.unwrap();
    }
    assert!(asked > ROUNDS, "it was under load: {asked}");
    let mut valid = BTreeSet::new();
    for it in admin.get(&format!("{BUNDLES}?page_size=200")).await.expect(200)["items"]
        .as_array()
        .unwrap()
    {
        assert_eq!(it["invariants_hold"], true, "{it}");
        valid.insert(it["digest"].as_str().unwrap().to_owned());
    }
    assert!(deciding(&admin).await.is_subset(&valid), "a decision by what nobody checked");
    assert_eq!(active(&admin).await["digest"], sound["digest"]);
}
