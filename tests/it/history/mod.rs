//! Rules over what happened before, with real calls.

mod again;
mod crash;
mod credentials;
mod examples;
mod parallel;
mod reservations;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Gate, Setup, Upstream, policies};

/// What the documentation shows, word by word: the declaration and the policies.
fn documented() -> (String, String) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies/history.md");
    let page = fs::read_to_string(page).unwrap();
    let block = |kind: &str| {
        let (_, rest) = page.split_once(&format!("```{kind}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    (block("toml"), block("cedar"))
}

/// A declaration of one count of everybody's calls, and the rule that forbids what is beyond it.
fn limited(count: &str, beyond: &str) -> (String, String) {
    let declaration = format!(
        "[history.counted]\naction = \"invoke\"\nset = \"counted\"\nper = \"everybody\"\n\
         within = \"1h\"\n{count}\n"
    );
    let rule = format!(
        "@id(\"history.limit\") @title(\"No more of these\") forbid (principal, action in \
         Gatewright::Action::\"call\", resource in Gatewright::ToolSet::\"counted\") when {{ \
         {beyond} }};"
    );
    (declaration, rule)
}

/// One server, or two on the same store, with these rules beside the starter's.
struct Scene {
    gates: Vec<Gate>,
    upstream: Upstream,
    admin: Caller,
}

impl Scene {
    async fn new((history, rules): &(String, String)) -> Scene {
        Scene::on(Setup::new(), history, rules).await
    }

    async fn on_postgres((history, rules): &(String, String)) -> Scene {
        Scene::on(Setup::on_postgres(), history, rules).await
    }

    /// Starts another replica, which knows what is there by now; somebody who asks it.
    async fn join(&mut self) -> Caller {
        let place = self.gate().folder.path();
        let url = self.gate().setting("database.url");
        let key = |name: &str| place.join(name).display().to_string();
        let other = setup(Setup::new())
            .with("database.url", url)
            .with("policy.dir", policies::folder(place).to_str().unwrap())
            .with("auth.key_file", &key("access.key"))
            .with("auth.factors_key_file", &key("factors.key"))
            .with("credentials.key_file", &key("credentials.key"))
            .with("audit.key_file", &key("audit.key"))
            .start();
        let admin = other.admin().await;
        self.gates.push(other);
        admin
    }

    async fn on(settings: Setup, history: &str, rules: &str) -> Scene {
        let settings = policies::own(setup(settings));
        policies::put(settings.folder.path(), "history.toml", history);
        policies::put(settings.folder.path(), "75-history.cedar", rules);
        let (gate, upstream) = (settings.start(), Upstream::open().await);
        let admin = gate.admin().await;
        Scene { gates: vec![gate], upstream, admin }
    }

    fn gate(&self) -> &Gate {
        &self.gates[0]
    }

    /// Registers a tool and gives the path that calls it.
    async fn tool(&self, name: &str, tag: &str, endpoint: &str) -> String {
        let tool = json!({
            "tool_type": "http", "name": name, "endpoint": self.upstream.url(endpoint),
            "scopes": ["call"], "tags": [tag],
            "input_schema": { "type": "object" },
        });
        let tool = self.admin.post("/api/v1/tools", &tool).await.expect(201);
        format!("/api/v1/tools/{}/invoke", tool["id"].as_str().unwrap())
    }
}

fn setup(setup: Setup) -> Setup {
    setup.with("probe.allow_private_networks", "true")
}

async fn call(by: &Caller, path: &str, arguments: Value) -> Answer {
    by.post(path, &json!({ "arguments": arguments })).await
}

/// The call is refused, for this reason and no other.
#[track_caller]
fn refused(answer: &Answer, reason: &str) {
    let problem = answer.problem(403, "denied");
    assert_eq!(problem["reasons"], json!([reason]), "{problem}");
}
