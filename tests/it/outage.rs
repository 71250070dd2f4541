//! The store hangs, loses answers and comes back; clients hang up. Nobody waits for long, nothing is
//! let through, and nobody has to be restarted.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::harness::postgres::fresh_database;
use crate::harness::proxy::Proxy;
use crate::harness::traffic::events;
use crate::harness::{ADMIN, Answer, Caller, Gate, PASSWORD, Setup, samples};

/// Long enough for three seconds on a busy machine.
const ANSWERED: Duration = Duration::from_secs(8);
const RECOVERED: Duration = Duration::from_secs(5);

/// A server whose store is reached by a way that the test controls.
struct Behind {
    proxy: Proxy,
    gate: Gate,
    admin: Caller,
    agent: Caller,
    agent_id: String,
    access: String,
    secret: (String, String),
}

impl Behind {
    async fn start() -> Behind {
        let proxy = Proxy::to(&fresh_database());
        let url = proxy.url.clone();
        let gate = tokio::task::block_in_place(|| Setup::new().with("database.url", &url).start());
        let admin = gate.admin().await;
        let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
        let (registered, agent) = gate.agent("lingua", "translator").await;
        let text = |name: &str| registered[name].as_str().unwrap().to_owned();
        let access = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
        let secret = (text("client_id"), text("client_secret"));
        Behind { proxy, gate, admin, agent, agent_id: secret.0.clone(), access, secret }
    }

    /// A suspension ended the agent's sessions: whoever lets it act again lets it sign in again.
    async fn resume(&mut self) {
        self.admin.act(&format!("/api/v1/agents/{}/resume", self.agent_id)).await.expect(200);
        self.vend().await.problem(401, "unauthenticated");
        let (id, secret) = &self.secret;
        self.agent = self.gate.machine(&json!({ "client_id": id, "client_secret": secret })).await;
    }

    async fn vend(&self) -> Answer {
        self.agent.post(&self.access, &json!({ "scopes": ["read"], "ttl_seconds": 60 })).await
    }

    /// Every kind of request that needs the store.
    async fn needy(&self) -> Vec<(&'static str, Answer)> {
        let (admin, anyone) = (&self.admin, self.gate.anyone());
        let login = json!({ "username": ADMIN, "password": PASSWORD });
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.secret.0.as_str()),
            ("client_secret", self.secret.1.as_str()),
        ];
        let get = |path: &'static str| async move { (path, admin.get(path).await) };
        let reads = join_all(
            [
                "/api/v1/auth/me",
                "/api/v1/tools",
                "/api/v1/credentials",
                "/api/v1/users",
                "/api/v1/audit-events",
                "/api/v1/audit/proof?seq=0",
                "/api/v1/audit/checkpoint",
                "/api/v1/revocations",
            ]
            .map(get),
        );
        let tool = samples::calculate("in_the_outage");
        let suspend = format!("/api/v1/agents/{}/suspend", self.agent_id);
        let (reads, vend, login, token, create, suspend) = tokio::join!(
            reads,
            self.vend(),
            anyone.post("/api/v1/auth/login", &login),
            anyone.form("/oauth/token", &form),
            admin.post("/api/v1/tools", &tool),
            admin.act(&suspend),
        );
        let writes = [
            ("vend", vend),
            ("login", login),
            ("token", token),
            ("create", create),
            ("suspend", suspend),
        ];
        reads.into_iter().chain(writes).collect()
    }

    /// Repeats a request until it is answered well.
    async fn until_well(&self, what: &str, ask: impl AsyncFn() -> Answer) -> Value {
        let deadline = Instant::now() + RECOVERED;
        loop {
            let answer = ask().await;
            if answer.status.is_success() {
                return answer.json();
            }
            assert_eq!(answer.status, 503, "{what}: {}", answer.text);
            assert!(Instant::now() < deadline, "{what} does not recover");
        }
    }

    async fn verified(&self) {
        let key = self.gate.anyone().get("/.well-known/audit-key.json").await.expect(200);
        let key = key["verifier_key"].as_str().unwrap();
        let mut verify = self.gate.command(&["audit", "verify", "--public-key", key]);
        let verify = tokio::task::block_in_place(|| verify.output().unwrap());
        assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_hangs_everyone_is_told_so_and_afterwards_all_is_well() {
    let mut it = Behind::start().await;
    it.proxy.block();
    for _ in 0..2 {
        let answers = timeout(ANSWERED, it.needy()).await.expect("somebody waits for ever");
        for (what, answer) in answers {
            answer.problem(503, "unavailable");
            assert!(answer.headers.contains_key(RETRY_AFTER), "{what}");
        }
    }
    let anyone = it.gate.anyone();
    let ready = timeout(ANSWERED, anyone.get("/readyz")).await.unwrap().expect(503);
    assert_eq!(ready["checks"]["store"], "does not answer");
    for path in ["/livez", "/metrics", "/.well-known/jwks.json", "/.well-known/biscuit-keys.json"] {
        assert_eq!(timeout(ANSWERED, anyone.get(path)).await.unwrap().status, 200, "{path}");
    }

    it.proxy.unblock();
    it.until_well("ready", async || anyone.get("/readyz").await).await;
    it.until_well("me", async || it.admin.get("/api/v1/auth/me").await).await;
    // What was told to come back later can: memory says what the store says.
    let path = format!("/api/v1/agents/{}", it.agent_id);
    it.admin.act(&format!("{path}/suspend")).await.expect(200);
    it.vend().await.problem(404, "not_found");
    it.resume().await;
    it.vend().await.expect(201);
    let tools = it.admin.get("/api/v1/tools?q=in_the_outage").await.expect(200);
    let again = it.admin.post("/api/v1/tools", &samples::calculate("in_the_outage")).await;
    let there = tools["items"].as_array().unwrap().len();
    assert_eq!((there, again.status.as_u16()), if there == 0 { (0, 201) } else { (1, 409) });
    it.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_between_store_and_server_changes_nothing() {
    let mut it = Behind::start().await;
    let path = format!("/api/v1/agents/{}", it.agent_id);
    for _ in 0..3 {
        it.proxy.lose_answer_to("COMMIT");
        it.admin.act(&format!("{path}/suspend")).await.expect(200);
        assert!(it.proxy.has_lost());
        it.vend().await.problem(404, "not_found");
        it.resume().await;
        it.vend().await.expect(201);
    }
    let suspended = events(&it.admin, "action=agent.suspend&outcome=success").await;
    assert_eq!(suspended.len(), 3, "each once");
    it.verified().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_its_decision_in_the_audit() {
    const CLIENTS: usize = 40;
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    let (address, token) = (gate.url.trim_start_matches("http://"), agent.token.unwrap());
    let body = json!({ "scopes": ["read"], "ttl_seconds": 60 }).to_string();
    for n in 0..CLIENTS {
        let mut client = TcpStream::connect(address).unwrap();
        write!(
            client,
            "POST /api/v1/tools/{}/access HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {token}\r\nx-request-id: hung-up-{n}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            tool["id"].as_str().unwrap(),
            body.len(),
        )
        .unwrap();
    }
    // Some hang up before the server has even begun; whatever it decided has to be there.
    let (deadline, mut agreed) = (Instant::now() + Duration::from_secs(10), 0);
    while agreed < 10 {
        let decided = decisions(&gate).await;
        let found = events(&admin, "q=hung-up-&action=credential.issue").await.len();
        agreed = if decided == found && found > 0 { agreed + 1 } else { 0 };
        assert!(Instant::now() < deadline, "{found} of {decided} decisions");
    }
    let listed = admin.get("/api/v1/credentials?page_size=200").await.expect(200);
    let credentials = listed["items"].as_array().unwrap().len();
    assert_eq!(credentials, decisions(&gate).await, "each with its credential");
}

/// How many times the server has decided on a credential, by its own count.
async fn decisions(gate: &Gate) -> usize {
    let figures = gate.anyone().get("/metrics").await.text;
    let name = "gatewright_decisions_total{action=\"request_credential\",outcome=\"allow\"} ";
    let line = figures.lines().find_map(|it| it.strip_prefix(name));
    line.map_or(0, |it| it.parse().unwrap())
}
