//! Trusted issuers as people and workloads meet them: a provider of another make, and what it would
//! say if it were somebody else.

mod forgeries;
mod people;
mod workloads;

use serde_json::{Value, json};

use crate::harness::provider::Provider;
use crate::harness::{Answer, Browser, Caller, Gate, Setup};

const ENTRANCE: &str = "/oauth/federation/company/start";
/// What the script of the provider expects of its client.
const SECRET: &str = "the-secret-of-the-gate";

/// A server that trusts a provider.
struct Company {
    provider: Provider,
    gate: Gate,
    admin: Caller,
}

impl Company {
    async fn start() -> Company {
        Company::trusting(&json!({ "create_users": true })).await
    }

    /// `change` goes over what the settings say of the provider.
    async fn trusting(change: &Value) -> Company {
        let mut provider = Provider::start();
        let setup = Setup::new();
        let secret = setup.folder.path().join("company.secret");
        std::fs::write(&secret, SECRET).unwrap();
        let mut company = json!({
            "kind": "sign_in", "name": "company", "title": "The Company", "client_id": "gate",
            "issuer": provider.issuer, "client_secret_file": secret,
            "groups": { "eng-all": "engineers", "sec": "security" },
        });
        company.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let other = json!({
            "kind": "sign_in", "name": "other", "client_id": "gate",
            "issuer": format!("{}/other", provider.issuer), "create_users": true,
        });
        let cluster = json!({
            "kind": "workload", "name": "cluster", "audience": "https://gate.example",
            "issuer": format!("{}/workload", provider.issuer),
            "agents": { "system:serviceaccount:prod:crawler": "crawler" },
        });
        let issuers = json!([company, other, cluster]).to_string();
        let gate = setup.with("auth.trusted_issuers", &issuers).start();
        let callback = format!("{}/oauth/federation/company/callback", gate.url);
        provider.tell(&json!({ "callback": callback }));
        let admin = gate.admin().await;
        Company { provider, gate, admin }
    }

    /// Goes to the provider and signs in there: the address that it sends the browser back to.
    async fn sent_back(&self, browser: &mut Browser, entrance: &str) -> String {
        let mut to = browser.get(entrance).await.onward().unwrap();
        let callback = format!("{}/oauth/federation/", self.gate.url);
        while !to.starts_with(&callback) {
            let answer = browser.get(&absolute(&self.provider.issuer, &to)).await;
            to = answer.onward().unwrap_or_else(|| panic!("the provider says {answer:?}"));
        }
        to
    }

    /// All the way, as whoever is next: what the way back is answered with.
    async fn sign_in(&self, browser: &mut Browser) -> Answer {
        let back = self.sent_back(browser, ENTRANCE).await;
        browser.get(&back).await
    }

    /// Why the last word of an issuer was not taken.
    async fn reason(&self, event: &str) -> String {
        let path = format!("/api/v1/audit-events?action={event}&outcome=denied&page_size=1");
        let found = self.admin.get(&path).await.expect(200);
        found["items"][0]["entry"]["details"]["reason"].as_str().unwrap_or_default().to_owned()
    }
}

fn absolute(issuer: &str, to: &str) -> String {
    if to.starts_with('/') { format!("{issuer}{to}") } else { to.to_owned() }
}

/// The user of this name.
async fn user(admin: &Caller, name: &str) -> Value {
    let users = admin.get("/api/v1/users?page_size=200").await.expect(200);
    let found = users["items"].as_array().unwrap().iter().find(|it| it["username"] == name);
    found.cloned().unwrap_or_default()
}
