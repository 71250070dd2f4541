//! The audit as its readers see it: what is in it, how it is searched, and that its proofs hold for
//! somebody else's verifier.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::harness::traffic::{Event, agent_at_work, events, lives};
use crate::harness::{Caller, Gate, Setup, samples};

/// What a server is called for in the seeds' words, and by anyone who reads them.
const NAMED: [&str; 8] = [
    "auth.login",
    "auth.refresh",
    "auth.elevate",
    "tool.create",
    "tool.update",
    "tool.activate",
    "tool.deactivate",
    "tool.delete",
];

/// What a filter keeps, looked at from outside.
type Keeps = Box<dyn Fn(&Value) -> bool>;

/// A server with some use behind it, and a reader of its audit.
async fn used(setup: Setup, rounds: usize) -> (Gate, Caller) {
    let gate = setup.start();
    lives(&gate).await;
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    agent_at_work(&gate, &agent, &tool, rounds).await;
    (gate, admin)
}

fn text(entry: &Value, pointer: &str) -> String {
    entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is(pointer: &'static str, wanted: &str) -> Keeps {
    let wanted = wanted.to_owned();
    Box::new(move |entry| text(entry, pointer) == wanted)
}

fn mentions(part: &str) -> Keeps {
    let part = part.to_lowercase();
    Box::new(move |entry| entry.to_string().to_lowercase().contains(&part))
}

/// Every filter, alone and together, and what it has to keep of these entries.
fn filters(all: &[Event]) -> Vec<(String, Keeps)> {
    let entries: Vec<Value> = all.iter().map(Event::entry).collect();
    let vend = entries.iter().find(|it| it["event"] == "credential.issue").unwrap();
    let (actor, target) = (text(vend, "/actor/id"), text(vend, "/target/id"));
    let times: Vec<String> = entries.iter().map(|it| text(it, "/at")).collect();
    let (from, to) = (times[times.len() / 2].clone(), times[times.len() / 4].clone());
    let between = (from.clone(), to.clone());
    let mut filters = vec![
        (format!("actor_user_id={actor}"), is("/actor/id", &actor)),
        ("actor=lingua".into(), is("/actor/name", "lingua")),
        (format!("target_id={target}"), is("/target/id", &target)),
        (format!("decision_id={}", text(vend, "/id")), is("/id", &text(vend, "/id"))),
        ("outcome=denied".into(), is("/outcome", "denied")),
        ("outcome=success".into(), is("/outcome", "success")),
        ("q=SHORT_lived".into(), mentions("short_lived")),
        ("q=short%25lived".into(), mentions("short%lived")),
        ("q=short!".into(), mentions("short!")),
        ("actor=nobody".into(), Box::new(|_| false)),
        (
            format!("from_timestamp={from}&to_timestamp={to}"),
            Box::new(move |it| {
                let at = text(it, "/at").parse::<jiff::Timestamp>().unwrap();
                at >= between.0.parse().unwrap() && at < between.1.parse().unwrap()
            }),
        ),
        (
            "actor=lingua&outcome=denied&action=tool.deactivate".into(),
            Box::new(|it| text(it, "/actor/name") == "lingua" && it["event"] == "tool.deactivate"),
        ),
    ];
    filters.extend(NAMED.map(|it| (format!("action={it}"), is("/event", it))));
    filters
}

#[tokio::test]
async fn each_filter_keeps_what_it_says_and_every_act_is_there() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        let (_gate, admin) = used(setup, 15).await;
        let all = events(&admin, "").await;
        let newest = all[0].seq;
        let places: Vec<u64> = all.iter().map(|it| it.seq).collect();
        assert_eq!(places, (0..=newest).rev().collect::<Vec<u64>>(), "newest first, without a gap");
        for event in NAMED {
            assert!(all.iter().any(|it| it.entry()["event"] == event), "no {event}");
        }
        for (filter, keeps) in filters(&all) {
            let wanted: Vec<u64> =
                all.iter().filter(|it| keeps(&it.entry())).map(|it| it.seq).collect();
            let found = events(&admin, &filter).await;
            let found: Vec<u64> =
                found.iter().map(|it| it.seq).filter(|it| *it <= newest).collect();
            assert_eq!(found, wanted, "{filter}");
        }
        let by_number = admin.get("/api/v1/audit-events?actor=lingua&page_size=7&page=3").await;
        let by_number = by_number.expect(200);
        let lingua = all.iter().filter(|it| it.entry()["actor"]["name"] == "lingua");
        let wanted: Vec<u64> = lingua.skip(14).take(7).map(|it| it.seq).collect();
        let found = by_number["items"].as_array().unwrap().iter();
        assert_eq!(found.map(|it| it["seq"].as_u64().unwrap()).collect::<Vec<u64>>(), wanted);
        for wrong in ["outcom=denied", "page_size=0", "page=0", "from_timestamp=yesterday"] {
            admin.get(&format!("/api/v1/audit-events?{wrong}")).await.problem(422, "invalid");
        }
    }
}

/// Asks `tests/interop/merkle.py`, which knows RFC 6962, RFC 9162 and RFC 8032 and none of our code.
fn independently(question: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/merkle.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn all_of(admin: &Caller, paths: Vec<String>) -> Vec<Value> {
    let ask = |path: String| async move { admin.get(&path).await.expect(200) };
    stream::iter(paths.into_iter().map(ask)).buffered(8).collect().await
}

#[tokio::test]
async fn every_proof_convinces_an_independent_verifier() {
    let (gate, admin) = used(Setup::new(), 15).await;
    // Each question is an entry itself, so the tree stays ahead of them.
    let seqs = (0..600).map(|it| format!("/api/v1/audit/proof?seq={it}"));
    let inclusions = all_of(&admin, seqs.collect()).await;
    // Around the edges of tiles and of complete subtrees, and a few in between.
    let sizes = [1, 2, 3, 8, 100, 255, 256, 257, 300, 511, 512, 513, 600];
    let pairs = sizes.iter().flat_map(|from| sizes.iter().map(move |to| (from, to)));
    let pairs = pairs.filter(|(from, to)| from <= to);
    let paths = pairs.map(|(from, to)| format!("/api/v1/audit/consistency?from={from}&to={to}"));
    let latest = sizes.map(|from| format!("/api/v1/audit/consistency?from={from}"));
    let consistencies = all_of(&admin, paths.chain(latest).collect()).await;

    let checkpoint = gate.anyone().get("/api/v1/audit/checkpoint").await.text;
    let entries = events(&admin, "").await;
    let entries: Vec<&str> = entries.iter().rev().map(Event::text).collect();
    let key = gate.anyone().get("/.well-known/audit-key.json").await.expect(200);
    let answer = independently(&json!({
        "verifier_key": key["verifier_key"],
        "entries": entries,
        "inclusions": inclusions,
        "consistencies": consistencies,
        "checkpoint": checkpoint,
    }));
    assert_eq!(answer["faults"], json!([]));
    assert_eq!(answer["inclusions"], 600);
    assert_eq!(answer["consistencies"], 13 * 14 / 2 + 13);
    assert_eq!(answer["accepted_forgeries"], json!([]));
    assert!(answer["forgeries"].as_u64().unwrap() > 1_000);
    for (path, status) in [
        ("/api/v1/audit/proof?seq=1000000".to_owned(), 422),
        ("/api/v1/audit/proof".into(), 422),
        ("/api/v1/audit/consistency?from=0".into(), 422),
        ("/api/v1/audit/consistency?from=9&to=8".into(), 422),
        ("/api/v1/audit/consistency?from=1&to=1000000".into(), 422),
    ] {
        admin.get(&path).await.expect(status);
    }
}
