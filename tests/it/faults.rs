//! `kill -9` under load: what was acknowledged is there, with its audit, and nothing is there without.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use gatewright::audit::verify::verify;
use gatewright::settings::DatabaseUrl;
use gatewright::store::{self, Database};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::postgres::fresh_database;
use crate::harness::{Caller, Gate, Setup, samples};

/// What clients were told, in full, before the server was killed.
struct Journal {
    told: Mutex<Told>,
    /// One permit for each acknowledgement.
    count: Semaphore,
}

#[derive(Default)]
struct Told {
    decisions: BTreeSet<String>,
    credentials: BTreeSet<String>,
    tools: BTreeSet<String>,
    agents: BTreeSet<String>,
    /// The last head that somebody saw.
    checkpoint: String,
}

impl Journal {
    fn new() -> Arc<Journal> {
        Arc::new(Journal { told: Mutex::default(), count: Semaphore::new(0) })
    }

    fn note(&self, write: impl FnOnce(&mut Told)) {
        write(&mut self.told.lock().unwrap());
        self.count.add_permits(1);
    }
}

/// The status and body of an answer that arrived whole; none when the server died over it.
async fn answer(request: RequestBuilder) -> Option<(u16, String)> {
    let answer = request.send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

fn member(body: &str, pointer: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body.pointer(pointer).unwrap().as_str().unwrap().to_owned()
}

/// Vends and is denied until the server dies.
async fn agent_client(agent: Caller, tool: String, journal: Arc<Journal>) {
    let ask = json!({ "scopes": ["read"], "ttl_seconds": 60 });
    let access = format!("/api/v1/tools/{tool}/access");
    loop {
        let request = agent.request(Method::POST, &access).json(&ask);
        let Some((status, body)) = answer(request).await else { return };
        assert!([201, 403].contains(&status), "{body}");
        journal.note(|it| {
            it.decisions.insert(member(&body, "/decision_id"));
            if status == 201 {
                it.credentials.insert(member(&body, "/credential/credential_id"));
            }
        });
        let denied = agent.request(Method::POST, &format!("/api/v1/tools/{tool}/deactivate"));
        let Some((status, body)) = answer(denied).await else { return };
        assert_eq!(status, 403, "{body}");
        journal.note(|it| {
            it.decisions.insert(member(&body, "/decision_id"));
        });
    }
}

/// Registers tools and agents until the server dies.
async fn admin_client(admin: Caller, round: usize, journal: Arc<Journal>) {
    for n in 0.. {
        let tool = samples::calculate(&format!("tool_{round}_{n}"));
        let request = admin.request(Method::POST, "/api/v1/tools").json(&tool);
        let Some((status, body)) = answer(request).await else { return };
        assert_eq!(status, 201, "{body}");
        journal.note(|it| {
            it.tools.insert(member(&body, "/id"));
        });
        let agent = json!({ "name": format!("agent_{round}_{n}"), "role": "agent" });
        let request = admin.request(Method::POST, "/api/v1/register/machine").json(&agent);
        let Some((status, body)) = answer(request).await else { return };
        assert_eq!(status, 201, "{body}");
        journal.note(|it| {
            it.agents.insert(member(&body, "/client_id"));
        });
        let request = admin.request(Method::GET, "/api/v1/audit/checkpoint");
        let Some((_, body)) = answer(request).await else { return };
        journal.note(|it| it.checkpoint = body);
    }
}

/// Loads the server with everything at once, and kills it after so many acknowledgements.
async fn load_and_kill(
    gate: &mut Gate,
    admin: &Caller,
    round: usize,
    after: u32,
    journal: &Arc<Journal>,
) {
    let tool = samples::translate(&format!("translate_{round}"));
    let tool = admin.post("/api/v1/tools", &tool).await.expect(201);
    let tool = tool["id"].as_str().unwrap();
    let agent = json!({ "name": format!("lingua_{round}"), "role": "translator" });
    let agent = admin.post("/api/v1/register/machine", &agent).await.expect(201);
    let agent = gate.machine(&agent).await;
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        clients.spawn(agent_client(agent.clone(), tool.to_owned(), journal.clone()));
    }
    clients.spawn(admin_client(admin.clone(), round, journal.clone()));
    let before = journal.count.available_permits();
    journal.count.acquire_many(before as u32 + after).await.unwrap().forget();
    tokio::task::block_in_place(|| gate.restart());
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

async fn texts(db: &Arc<dyn Database>, sql: &'static str) -> BTreeSet<String> {
    let rows = db.query(sql, vec![]).await.unwrap();
    rows.iter().map(|it| it.text(0).unwrap().to_owned()).collect()
}

async fn check(gate: &Gate, admin: &Caller, db: &Arc<dyn Database>, journal: &Journal) {
    let key = gate.anyone().get("/.well-known/audit-key.json").await.expect(200);
    let checkpoint = journal.told.lock().unwrap().checkpoint.clone();
    let older = Some(checkpoint.as_str()).filter(|it| !it.is_empty());
    let report = verify(&**db, key["verifier_key"].as_str().unwrap(), older).await.unwrap();
    assert!(report.holds(), "{:?}", report.faults);

    let audit = texts(db, "SELECT id FROM audit").await;
    let credentials = texts(db, "SELECT id FROM credentials").await;
    let (tools, agents) = {
        let told = journal.told.lock().unwrap();
        let lost = |told: &BTreeSet<String>, kept: &BTreeSet<String>| -> Vec<String> {
            told.difference(kept).cloned().collect()
        };
        assert_eq!(lost(&told.decisions, &audit), [""; 0], "decisions that the audit lacks");
        assert_eq!(lost(&told.credentials, &credentials), [""; 0], "credentials that are gone");
        (told.tools.clone(), told.agents.clone())
    };
    // The server's memory, not the table: it must have read them all again.
    for (ids, path) in [(tools, "tools"), (agents, "agents")] {
        for id in ids.iter().rev().take(3) {
            admin.get(&format!("/api/v1/{path}/{id}")).await.expect(200);
        }
    }
    let without_entry = "SELECT c.id FROM credentials c WHERE NOT EXISTS
        (SELECT 1 FROM audit a WHERE a.id = c.decision_id AND a.event = 'credential.issue'
                                 AND a.outcome = 'success')";
    assert!(texts(db, without_entry).await.is_empty(), "credentials outside the audit");
    let without_credential = "SELECT a.id FROM audit a
        WHERE a.event = 'credential.issue' AND a.outcome = 'success'
          AND NOT EXISTS (SELECT 1 FROM credentials c WHERE c.decision_id = a.id)";
    assert!(texts(db, without_credential).await.is_empty(), "entries without their credential");
    let miscounted = "SELECT principal_id FROM credentials GROUP BY principal_id
        HAVING COUNT(*) <> (SELECT SUM(uses) FROM usage u
                            WHERE u.principal_id = credentials.principal_id)";
    assert!(texts(db, miscounted).await.is_empty(), "a use is counted with what it was for");
}

async fn survives(url: String, kills: usize) {
    // The same address after each start, because the audit's checkpoints carry it.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = Setup::new().with("listen", &address.to_string());
    let url = if url.is_empty() {
        format!("sqlite:{}", setup.folder.path().join("gatewright.db").display())
    } else {
        url
    };
    let mut gate = setup.with("database.url", &url).start();
    let db = store::open(&url.parse::<DatabaseUrl>().unwrap()).unwrap();
    let (journal, mut rng) = (Journal::new(), StdRng::seed_from_u64(1));
    let mut admin = gate.admin().await;
    for round in 0..kills {
        load_and_kill(&mut gate, &admin, round, rng.random_range(5..100), &journal).await;
        admin = gate.admin().await;
        check(&gate, &admin, &db, &journal).await;
    }
    let told = journal.told.lock().unwrap();
    assert!(told.decisions.len() > kills && !told.credentials.is_empty() && !told.tools.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_on_sqlite() {
    survives(String::new(), 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_on_postgres() {
    survives(fresh_database(), 5).await;
}

#[tokio::test]
async fn a_killed_server_forgets_no_use() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        let mut gate = setup.start();
        let tool = samples::translate("translate");
        let tool = gate.admin().await.post("/api/v1/tools", &tool).await.expect(201);
        let (agent, caller) = gate.agent("lingua", "translator").await;
        let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
        let ask = json!({ "scopes": ["read"], "ttl_seconds": 60 });
        let asks = (0..100).map(|_| caller.post(&path, &ask));
        for answer in futures_util::future::join_all(asks).await {
            answer.expect(201);
        }
        gate.restart();
        let refused = gate.machine(&agent).await.post(&path, &ask).await;
        let refused = refused.problem(429, "quota_exceeded");
        assert_eq!(refused["reasons"], json!(["limit.calls-per-minute"]));
    }
}
