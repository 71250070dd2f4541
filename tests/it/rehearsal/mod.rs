//! Policies before they decide: replayed on what was recorded, and suggested by it.

mod offline;
mod server;
mod suggest;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::approvals::{BOOTSTRAP, decide, registered};
use crate::harness::{Answer, Caller, Gate, Setup, Upstream, policies, samples};

/// Two uses of a tool a minute.
const LIMIT: &str = include_str!("limit.cedar");

/// What agents are refused so far.
const RISKY: &str = include_str!("risky.cedar");

/// A server with work behind it: quotas that count up, a refusal, a delegated use, an approved call.
struct Scene {
    gate: Gate,
    admin: Caller,
    robot: Caller,
    /// The ids of decisions, in order.
    allowed: Vec<String>,
    refused: String,
    delegated: String,
    waiting: String,
    approved: String,
    _upstream: Upstream,
}

impl Scene {
    async fn new() -> Scene {
        let setup = policies::own(Setup::new())
            .with("policy.watch", "true")
            .with("probe.allow_private_networks", "true")
            .with("auth.bootstrap_token", BOOTSTRAP);
        let (gate, upstream) = (setup.start(), Upstream::open().await);
        let admin = gate.admin().await;
        let mut calc = samples::calculate("calc");
        calc["tags"] = json!(["calculators"]);
        calc["scopes"] = json!(["evaluate", "explain"]);
        admin.post("/api/v1/tools", &calc).await.expect(201);
        let mut drill = samples::calculate("drill");
        drill["risk_level"] = json!("medium");
        admin.post("/api/v1/tools", &drill).await.expect(201);
        let pay = samples::risky("pay", &upstream.url("/pay"));
        let pay = admin.post("/api/v1/tools", &pay).await.expect(201);

        let (_, robot) = gate.agent("robot", "agent").await;
        let mut allowed = Vec::new();
        for _ in 0..4 {
            allowed.push(decision(&ask(&robot, "calc", 600).await, 201));
        }
        robot.get("/api/v1/tools").await.expect(200);
        let refused = decision(&ask(&robot, "drill", 600).await, 403);
        let delegated = delegated(&gate).await;
        let (waiting, approved) = approved(&gate, &pay).await;
        let _upstream = upstream;
        Scene { gate, admin, robot, allowed, refused, delegated, waiting, approved, _upstream }
    }

    /// The policies that decide.
    fn policies(&self) -> PathBuf {
        policies::folder(self.gate.folder.path())
    }

    /// A copy of these policies, with these files, and without those that are empty.
    fn candidate(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let to = self.gate.folder.path().join(name);
        copy(&self.policies(), &to);
        for (file, text) in files {
            match text.is_empty() {
                true => fs::remove_file(to.join(file)).unwrap(),
                false => fs::write(to.join(file), text).unwrap(),
            }
        }
        to
    }

    /// `gatewright policy …` on this host, about the policies in this folder.
    fn policy(&self, words: &[&str], policies: &Path) -> Command {
        let mut command = self.gate.command(&["policy"]);
        command.args(words).arg("--dir").arg(policies).arg("--schema-dir").arg(root("schemas"));
        command
    }
}

/// A planner asks in uma's name; the id of the decision.
async fn delegated(gate: &Gate) -> String {
    let uma = gate.user_with_factor("uma", "user").await;
    let (planner, _) = gate.agent("planner", "agent").await;
    let path = format!("/api/v1/users/{}/mandates", uma.id().await);
    let mandate = samples::mandate("planner", "calculators", &["agent:calc", "evaluate"]);
    let mandate = uma.post(&path, &mandate).await.expect(201);
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_id", &text(&planner, "client_id")),
        ("client_secret", &text(&planner, "client_secret")),
        ("subject_token", &text(&mandate, "id")),
        ("subject_token_type", "urn:gatewright:params:oauth:token-type:mandate"),
    ];
    let tokens = gate.anyone().form("/oauth/token", &form).await.expect(200);
    let planner = Caller::new(&gate.url, tokens["access_token"].as_str());
    decision(&ask(&planner, "calc", 300).await, 201)
}

/// A translator calls what needs a person's yes, and calls again when it has it; the ids of both.
async fn approved(gate: &Gate, tool: &Value) -> (String, String) {
    let (_, lingua) = gate.agent("lingua", "translator").await;
    let erin = registered(gate, "erin", "approver").await;
    let path = format!("/api/v1/tools/{}/invoke", tool["id"].as_str().unwrap());
    let first = lingua.post(&path, &json!({ "arguments": {} })).await;
    let approval = first.expect(202)["approval"].clone();
    decide(&erin, &approval, "approve").await.expect(200);
    let again = json!({ "arguments": {}, "approval_id": approval["id"] });
    let second = lingua.post(&path, &again).await;
    (decision(&first, 202), decision(&second, 200))
}

async fn ask(caller: &Caller, tool: &str, ttl_seconds: u64) -> Answer {
    let body = json!({ "tool": tool, "scopes": ["evaluate"], "ttl_seconds": ttl_seconds });
    caller.post("/api/v1/credentials", &body).await
}

/// The id of the decision behind an answer that must have this status.
#[track_caller]
fn decision(answer: &Answer, status: u16) -> String {
    answer.expect(status)["decision_id"].as_str().unwrap().to_owned()
}

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// What a command says when it ends with this code.
#[track_caller]
fn ran(mut command: Command, code: i32) -> (String, String) {
    let output = command.output().unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

/// The ids of the flips of one kind, oldest first.
fn ids(report: &Value, turn: &str) -> Vec<String> {
    let flips = report[turn].as_array().unwrap().iter();
    flips.rev().map(|it| it["decision_id"].as_str().unwrap().to_owned()).collect()
}
