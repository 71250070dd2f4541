//! Why it was denied, and that doing what the answer says helps.

mod decisions;
mod earlier;
mod followed;
mod others;

use serde_json::{Value, json};

use crate::harness::{Caller, Gate, Setup, Upstream, policies, samples};

/// Rules of one's own; not one of them says what would help.
const RULES: &str = r#"
@id("own.amount") @title("Money goes out in small pieces")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"money")
when { context.call.number.hasTag("/order/amount") && context.call.number.getTag("/order/amount") > 500 };

@id("own.factor") @title("Guarded tools want a second factor")
forbid (principal is Gatewright::User, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"guarded")
unless { context.session has mfa_age && context.session.mfa_age <= duration("4m") };
"#;

struct Scene {
    gate: Gate,
    upstream: Upstream,
    admin: Caller,
}

impl Scene {
    async fn new() -> Scene {
        Scene::on(Setup::new(), &[("95-own.cedar", RULES)]).await
    }

    /// With these files beside the starter's.
    async fn on(setup: Setup, files: &[(&str, &str)]) -> Scene {
        let setup = policies::own(setup).with("probe.allow_private_networks", "true");
        for (name, text) in files {
            policies::put(setup.folder.path(), name, text);
        }
        let gate = setup.start();
        let admin = gate.admin().await;
        Scene { gate, upstream: Upstream::open().await, admin }
    }

    /// Registers an HTTP tool with these changes: where it is called.
    async fn tool(&self, name: &str, changes: Value) -> String {
        let mut tool = samples::risky(name, &self.upstream.url("/"));
        tool["risk_level"] = json!("low");
        tool["required_scopes"] = json!([]);
        for (key, value) in changes.as_object().unwrap() {
            tool[key] = value.clone();
        }
        let made = self.admin.post("/api/v1/tools", &tool).await.expect(201);
        format!("/api/v1/tools/{}", made["id"].as_str().unwrap())
    }

    /// A token of a registered agent that holds this and nothing else.
    async fn holding(&self, agent: &Value, scope: &str) -> Caller {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", agent["client_id"].as_str().unwrap()),
            ("client_secret", agent["client_secret"].as_str().unwrap()),
            ("scope", scope),
        ];
        let answer = self.gate.anyone().form("/oauth/token", &form).await.expect(200);
        Caller::new(&self.gate.url, answer["access_token"].as_str())
    }
}

/// The kinds of what a denial says would help.
fn kinds(problem: &Value) -> Vec<&str> {
    problem["fix"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect()
}
