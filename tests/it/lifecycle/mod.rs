//! Bundles on their way: drafted, checked, reviewed, activated, followed, rolled back.

mod back;
mod command;
mod damaged;
mod directory;
mod edits;
mod eyes;
mod left;
mod power;
mod refusals;
mod replicas;
mod seats;
mod waiting;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::approvals::{BOOTSTRAP, registered};
use crate::harness::{Answer, Caller, Gate, Setup, policies};

const BUNDLES: &str = "/api/v1/bundles";
/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const OURS: &str = "policies/90-ours.cedar";

/// Agents keep what they have, and get nothing new.
const FREEZE: &str = r#"
@id("own.freeze") @title("Nobody uses anything during the freeze")
forbid (principal, action in Gatewright::Action::"use", resource is Gatewright::Tool);
"#;

/// What makes a policy a faulty one, in place of its end.
const TYPO: &str = "\nwhen { principal.stat == 1 };";

/// Sound by itself, and nobody could ever change the policies again.
const LOCKS_OUT: &str = r#"
@id("own.still") @title("Nothing changes")
forbid (principal, action == Gatewright::Action::"activate_policy", resource is Gatewright::Bundle);
"#;

/// Sound by itself, and everybody could make themselves anybody.
const RAISES: &str = r#"
@id("own.keys") @title("Users make keys for users")
permit (principal is Gatewright::User, action == Gatewright::Action::"create_api_key", resource is Gatewright::User);
"#;

/// The repository's policies in a folder of their own, and whoever is registered has a second factor.
fn setup(setup: Setup) -> Setup {
    policies::own(setup).with("auth.bootstrap_token", BOOTSTRAP)
}

/// An author, two reviewers, and whoever activates.
struct People {
    dave: Caller,
    carol: Caller,
    frank: Caller,
    erin: Caller,
}

impl People {
    async fn on(gate: &Gate) -> People {
        People {
            dave: registered(gate, "dave", "policy_admin").await,
            carol: registered(gate, "carol", "policy_admin").await,
            frank: registered(gate, "frank", "policy_admin").await,
            erin: registered(gate, "erin", "policy_admin").await,
        }
    }

    /// Drafts what is active with this file besides.
    async fn draft(&self, text: &str) -> Value {
        draft(&self.dave, text).await.expect(201)
    }

    /// Both reviewers say yes, and it is activated.
    async fn carry(&self, bundle: &Value) -> Value {
        for it in [&self.carol, &self.frank] {
            review(it, bundle, "yes").await.expect(200);
        }
        act(&self.erin, bundle, "activate").await.expect(200)
    }
}

/// The files of the active bundle.
async fn files(by: &Caller) -> Value {
    let active = active(by).await;
    by.get(&path(&active)).await.expect(200)["files"].clone()
}

async fn active(by: &Caller) -> Value {
    let all = by.get(&format!("{BUNDLES}?state=active")).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "one decides: {all}");
    all["items"][0].clone()
}

async fn draft(by: &Caller, text: &str) -> Answer {
    let mut files = files(by).await;
    files[OURS] = text.into();
    by.post(BUNDLES, &json!({ "files": files, "note": "as agreed" })).await
}

fn path(bundle: &Value) -> String {
    format!("{BUNDLES}/{}", bundle["id"].as_str().unwrap())
}

async fn act(by: &Caller, bundle: &Value, verb: &str) -> Answer {
    by.act(&format!("{}/{verb}", path(bundle))).await
}

async fn review(by: &Caller, bundle: &Value, verdict: &str) -> Answer {
    let body = json!({ "verdict": verdict, "reason": "read it" });
    by.post(&format!("{}/review", path(bundle)), &body).await
}

/// Which policies deny.
#[track_caller]
fn denied(answer: &Answer, by: &[&str]) {
    assert_eq!(answer.problem(403, "denied")["reasons"], json!(by), "{}", answer.text);
}

async fn calculator(admin: &Caller) {
    let body = json!({
        "tool_type": "function", "name": "calc", "scopes": ["evaluate"], "input_schema": {},
    });
    admin.post("/api/v1/tools", &body).await.expect(201);
}

/// Asks for a credential in the plainest way.
async fn ask(caller: &Caller) -> Answer {
    caller.post("/api/v1/credentials", &json!({ "tool": "calc", "scopes": ["evaluate"] })).await
}

/// Asks again until it is so.
async fn until(mut look: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !look().await {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain");
        tokio::task::yield_now().await;
    }
}

/// Whether this server decides by the bundle of this digest.
async fn deciding(gate: &Gate, digest: &Value) -> bool {
    let info =
        format!("gatewright_policy_bundle_info{{digest=\"{}\"}} 1", digest.as_str().unwrap());
    gate.anyone().get("/metrics").await.text.contains(&info)
}

/// The value of a figure without labels.
async fn figure(gate: &Gate, name: &str) -> f64 {
    let text = gate.anyone().get("/metrics").await.text;
    let line = text.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}
