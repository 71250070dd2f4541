//! `gatewright demo`: the main job once, on a real server, each step checked.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::client::Client;
use super::dev::Playground;
use super::out::say;
use super::samples::translate;
use crate::clock::Clock;
use crate::credentials::attenuate::{Narrowing, attenuate};
use crate::credentials::verify::feed::SignedPage;
use crate::credentials::verify::{
    KeysDocument, Reason, Request, RevocationList, Revocations, Verifier,
};

/// Runs the demo; anything that goes other than it should is an error.
pub async fn run(clock: Clock) -> anyhow::Result<ExitCode> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let playground = Playground::start(anywhere, clock.clone()).await?;
    let told = tell(&playground, &clock).await;
    playground.stop().await?;
    told?;
    say("\nDone: every line above happened, through the same code that serves your agents.");
    Ok(ExitCode::SUCCESS)
}

async fn tell(playground: &Playground, clock: &Clock) -> anyhow::Result<()> {
    say(&format!("Gatewright serves {} on an embedded store.", playground.url()));
    let admin = playground.admin().await?;

    step(1, "An admin registers the tool `translate`.");
    let tool = admin.post("/api/v1/tools", &translate()).await?.ok()?;
    fact("tool", &tool["id"]);
    fact("digest", &tool["digest"]);

    step(2, "An agent with the role `translator` signs in with its client secret.");
    let body = json!({ "name": "lingua", "role": "translator" });
    let registered = admin.post("/api/v1/register/machine", &body).await?.ok()?;
    let (id, secret) = (text(&registered["client_id"])?, text(&registered["client_secret"])?);
    let agent = Client::new(&playground.url())?.with_secret(&id, &secret).await?;
    let me = agent.get("/api/v1/auth/me").await?.ok()?;
    fact("agent", &me["name"]);
    fact("its token holds", &me["scopes"]);

    let token = vend(&admin, &agent, &tool).await?;
    let tool_side = ToolSide::learn(playground, &tool, clock.clone()).await?;
    let narrowed = use_offline(&tool_side, &token)?;
    refuse(&agent, &tool).await?;
    let older = admin.text("/api/v1/audit/checkpoint").await?;
    revoke(&agent, &tool_side, &token, &narrowed).await?;
    execute(playground, &admin).await?;
    audit(playground, &older).await
}

/// The agent asks, Cedar allows, a Biscuit is minted.
async fn vend(admin: &Client, agent: &Client, tool: &Value) -> anyhow::Result<Vended> {
    step(3, "The agent asks for a credential: scopes `read, translate`, for 10 minutes.");
    let path = format!("/api/v1/tools/{}/access", text(&tool["id"])?);
    let ask = json!({ "scopes": ["read", "translate"], "ttl_seconds": 600 });
    let access = agent.post(&path, &ask).await?.ok()?;
    let decision = text(&access["decision_id"])?;
    let found = admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await?.ok()?;
    let entry = &found["items"][0]["entry"];
    ensure!(entry["decision"] == "allow", "the audit does not hold the decision");
    fact("Cedar allows by", &entry["reasons"]);
    let credential = &access["credential"];
    let token = text(&credential["token"])?;
    fact("expires", &credential["expires_at"]);
    say(&format!(
        "   Biscuit: {}… ({} characters)",
        token.get(..48).unwrap_or(&token),
        token.len()
    ));
    Ok(Vended { id: text(&credential["credential_id"])?, token })
}

struct Vended {
    id: String,
    token: String,
}

/// The tool: knows the public keys and its own digest, and asks nobody.
struct ToolSide {
    verifier: Verifier,
    keys: KeysDocument,
    url: String,
    clock: Clock,
}

impl ToolSide {
    async fn learn(
        playground: &Playground,
        tool: &Value,
        clock: Clock,
    ) -> anyhow::Result<ToolSide> {
        let url = playground.url();
        let keys = Client::new(&url)?.text("/.well-known/biscuit-keys.json").await?;
        let keys: KeysDocument = serde_json::from_str(&keys)?;
        let digest = text(&tool["digest"])?;
        let verifier = Verifier::new(&keys, &url)?.tool("translate", Some(&digest));
        Ok(ToolSide { verifier, keys, url, clock })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Checks one use offline and says how it went: no reason is a yes.
    fn check(&self, token: &str, scope: &str, list: Option<&RevocationList>) -> Option<Reason> {
        let known = list.map_or(Revocations::Unchecked, Revocations::Listed);
        match self.verifier.verify(token, &Request::new(scope), known, self.now()) {
            Ok(verified) => {
                let scopes: Vec<&str> = verified.scopes.iter().map(String::as_str).collect();
                say(&format!(
                    "   `{scope}`: admitted; the credential carries {}",
                    scopes.join(", ")
                ));
                None
            }
            Err(refusal) => {
                say(&format!("   `{scope}`: refused, {refusal}"));
                Some(refusal.reason)
            }
        }
    }

    /// What the issuer says was revoked, by its own signature.
    async fn feed(&self) -> anyhow::Result<RevocationList> {
        let page = Client::new(&self.url)?.text("/api/v1/revocations").await?;
        let page: SignedPage = serde_json::from_str(&page)?;
        let mut list = RevocationList::default();
        list.apply(page.check(&self.keys, self.now())?)?;
        Ok(list)
    }
}

fn use_offline(tool: &ToolSide, vended: &Vended) -> anyhow::Result<String> {
    step(4, "The tool verifies it offline, with only the public key.");
    ensure!(
        tool.check(&vended.token, "translate", None).is_none(),
        "a good credential was refused"
    );

    step(5, "The agent narrows it to `read`, offline, for a helper.");
    let only_read = Narrowing { scopes: Some(["read".to_owned()].into()), ..Narrowing::default() };
    let narrowed = attenuate(&vended.token, &only_read)?.expose_secret().to_owned();
    ensure!(tool.check(&narrowed, "read", None).is_none(), "the narrowed use was refused");
    let wider = tool.check(&narrowed, "translate", None);
    ensure!(wider == Some(Reason::Scope), "the wider use was not refused");
    Ok(narrowed)
}

async fn refuse(agent: &Client, tool: &Value) -> anyhow::Result<()> {
    step(6, "The agent asks for more than policy allows: a day instead of an hour.");
    let path = format!("/api/v1/tools/{}/access", text(&tool["id"])?);
    let ask = json!({ "scopes": ["read"], "ttl_seconds": 86_400 });
    let answer = agent.post(&path, &ask).await?;
    ensure!(answer.status == 403, "the request was answered {}", answer.status);
    fact("refused by", &answer.body["reasons"]);
    fact("because", &answer.body["detail"]);
    let fix = &answer.body["fix"][0];
    ensure!(fix["kind"] == "ttl", "the refusal does not say how to mend it");
    fact("what would help", &fix["detail"]);
    Ok(())
}

async fn revoke(
    agent: &Client,
    tool: &ToolSide,
    vended: &Vended,
    narrowed: &str,
) -> anyhow::Result<()> {
    step(7, "The credential is revoked; the tool reads the signed feed.");
    let answer = agent.delete(&format!("/api/v1/credentials/{}", vended.id)).await?;
    ensure!(answer.status.is_success(), "revoking was answered {}", answer.status);
    let list = tool.feed().await?;
    let whole = tool.check(&vended.token, "read", Some(&list));
    let part = tool.check(narrowed, "read", Some(&list));
    ensure!(whole == Some(Reason::Revoked), "a revoked credential was admitted");
    ensure!(part == Some(Reason::Revoked), "what was narrowed from it was admitted");
    Ok(())
}

/// Tools behind the gateway, which verify its credentials offline.
async fn execute(playground: &Playground, admin: &Client) -> anyhow::Result<()> {
    step(8, "The agent `bot` calls several tools at once; each call is decided on by itself.");
    playground.register_actions(admin).await?;
    let body = json!({ "name": "bot", "role": "agent" });
    let registered = admin.post("/api/v1/register/machine", &body).await?.ok()?;
    let (id, secret) = (text(&registered["client_id"])?, text(&registered["client_secret"])?);
    let bot = Client::new(&playground.url())?.with_secret(&id, &secret).await?;
    let ask = json!({
        "calculator_expression": "2 ** 64 / 3",
        "db_keyword": "delegation",
        "prompt": "Explain PKCE in one sentence",
        "python_code": "print(1 + 1)",
    });
    let done = bot.post("/api/v1/agent/execute", &ask).await?.ok()?;
    let actions = &done["actions"];
    let worth = &actions["calculator"]["result"]["structuredContent"]["result"];
    ensure!(worth == "18446744073709551616/3", "the calculator answered {actions}");
    fact("calculator: 2 ** 64 / 3", worth);
    let found = &actions["external_db"]["result"]["structuredContent"]["items"][0];
    ensure!(found["id"] == "kb-002", "the records hold {actions}");
    fact("external_db: delegation", &found["snippet"]);
    let unset = &actions["llm"]["problem"];
    ensure!(unset["code"] == "upstream_not_ready", "the model answered {actions}");
    fact("llm, not set up here", &unset["detail"]);
    let code = &actions["sandbox_python"];
    ensure!(code["status"] == "denied", "code was run: {actions}");
    fact("sandbox_python, denied by", &code["problem"]["reasons"]);
    Ok(())
}

async fn audit(playground: &Playground, older: &str) -> anyhow::Result<()> {
    step(9, "The audit is verified against its signed head and an older checkpoint.");
    let report = playground.server.app.verify_audit(Some(older)).await?;
    ensure!(report.holds(), "the audit does not verify: {}", report.faults.join("; "));
    say(&format!("   {} entries, as they were written; root {}", report.entries, report.root));
    Ok(())
}

fn step(number: usize, title: &str) {
    say(&format!("\n{number}. {title}"));
}

fn fact(name: &str, value: &Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let words: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            words.join(", ")
        }
        other => other.to_string(),
    };
    say(&format!("   {name}: {text}"));
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).context("the server's answer lacks a field")
}
