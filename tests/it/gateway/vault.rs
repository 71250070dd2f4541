//! Tools whose secrets are in Vault: their calls need it, and nothing else does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{registered, setup, tool};
use crate::harness::openbao::OpenBao;
use crate::harness::postgres::fresh_database;
use crate::harness::{Answer, Caller, Gate, Upstream};

const SECRET: &str = "s3same-0pen-canary";
const DEADLINE: Duration = Duration::from_secs(10);

/// A gate that keeps secrets in Vault, and what stands behind it.
struct Scene {
    bao: OpenBao,
    token: String,
    gate: Gate,
    upstream: Upstream,
    admin: Caller,
    agent: Caller,
}

impl Scene {
    async fn open() -> Scene {
        let bao = OpenBao::start().await;
        let database = tokio::task::spawn_blocking(fresh_database).await.unwrap();
        bao.database(&database).await;
        let file = bao.token_file(&json!({})).await;
        let setup = setup()
            .with("vault.addr", &bao.url)
            .with("vault.token_file", file.to_str().unwrap())
            .with("vault.lease_paths", "database/creds")
            .with("log.level", "trace");
        let gate = tokio::task::block_in_place(|| setup.start());
        let token = fs::read_to_string(&file).unwrap().trim().to_owned();
        let (admin, upstream) = (gate.admin().await, Upstream::open().await);
        let (_, agent) = gate.agent("lingua", "agent").await;
        Scene { bao, token, gate, upstream, admin, agent }
    }

    async fn tool(&self, name: &str, more: &Value) -> String {
        registered(&self.admin, &tool(name, &self.upstream.url("/x"), more)).await
    }

    async fn call(&self, path: &str) -> Answer {
        self.agent.post(path, &json!({ "arguments": {} })).await
    }

    /// User and password of the last request.
    fn basic(&self) -> (String, String) {
        let last = self.upstream.last();
        let header = last["headers"]["authorization"].as_str().unwrap();
        let pair = BASE64_STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
        let pair = String::from_utf8(pair).unwrap();
        let (user, password) = pair.split_once(':').unwrap();
        (user.to_owned(), password.to_owned())
    }

    /// Everything that is kept and said, by what it is.
    async fn told(&self) -> Vec<(String, Vec<u8>)> {
        let audit = self.admin.get("/api/v1/audit-events?page_size=200").await.expect(200);
        let figures = self.gate.anyone().get("/metrics").await.text;
        let mut told = vec![
            ("the log".to_owned(), self.gate.log().join("\n").into_bytes()),
            ("the audit".to_owned(), audit.to_string().into_bytes()),
            ("the figures".to_owned(), figures.into_bytes()),
        ];
        assert!(told.iter().all(|(_, text)| !text.is_empty()));
        told.extend(files(self.gate.folder.path()));
        told
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = files.filter(|it| it.file_name().to_string_lossy().starts_with("gatewright.db"));
    files.map(|it| (it.file_name().display().to_string(), fs::read(it.path()).unwrap())).collect()
}

fn holds(text: &[u8], secret: &str) -> bool {
    let spellings = [secret.to_owned(), BASE64_STANDARD.encode(secret), hex::encode(secret)];
    let found = |it: &String| text.windows(it.len()).any(|part| part == it.as_bytes());
    spellings.iter().any(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_need_vault_wait_for_it_and_others_go_on() {
    let scene = Scene::open().await;
    let bearer = json!({ "auth_method": "bearer", "secrets": { "token": SECRET } });
    let needy = scene.tool("needy", &bearer).await;
    let plain = scene.tool("plain", &json!({})).await;
    let told = scene.call(&needy).await.expect(200)["result"]["body"].clone();
    assert_eq!(told["headers"]["authorization"], "Bearer ********");
    assert_eq!(scene.upstream.last()["headers"]["authorization"], format!("Bearer {SECRET}"));
    assert_eq!(scene.bao.list("secret/metadata/gatewright").await.len(), 1);

    scene.bao.seal().await;
    let calls = scene.upstream.calls();
    let problem = scene.call(&needy).await.problem(503, "upstream_not_ready");
    assert!(problem["detail"].as_str().unwrap().contains("their store"), "{problem}");
    assert_eq!(scene.upstream.calls(), calls, "called without its secret");
    scene.call(&plain).await.expect(200);
    let one = needy.trim_end_matches("/invoke");
    let shown = scene.admin.get(one).await.expect(200);
    assert_eq!(shown["secrets"], json!({ "token": "********" }));
    let other = json!({ "secrets": { "token": "an0ther" } });
    scene.admin.patch(one, &other).await.problem(503, "unavailable");

    scene.bao.unseal().await;
    let begun = Instant::now();
    while scene.call(&needy).await.status != 200 {
        assert!(begun.elapsed() < DEADLINE);
    }
    assert_eq!(scene.upstream.last()["headers"]["authorization"], format!("Bearer {SECRET}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_a_leased_password_and_nobody_learns_of_it() {
    let scene = Scene::open().await;
    let vault = json!({
        "auth_method": "vault", "auth_config": { "path": "database/creds/reader", "basic": true },
    });
    let leasing = scene.tool("leasing", &vault).await;
    let bearer = json!({ "auth_method": "bearer", "secrets": { "token": SECRET } });
    let needy = scene.tool("needy", &bearer).await;
    scene.call(&needy).await.expect(200);
    let told = scene.call(&leasing).await.expect(200)["result"]["body"].clone();
    assert_eq!(told["headers"]["authorization"], "Basic ********");
    let (first, password) = scene.basic();
    scene.call(&leasing).await.expect(200);
    assert_ne!(scene.basic().0, first, "each call has a role of its own");
    let begun = Instant::now();
    while scene.bao.leases().await > 0 {
        assert!(begun.elapsed() < DEADLINE, "leases are left");
    }
    let unlisted = json!({ "auth_config": { "path": "kv/data/x", "basic": true } });
    let one = leasing.trim_end_matches("/invoke");
    scene.admin.patch(one, &unlisted).await.problem(422, "invalid");

    // Vault's answers go wrong, too.
    scene.bao.post("database/config/main", &json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "nobody",
        "connection_url": "postgresql://app@/nowhere?host=/nonexistent", "verify_connection": false,
    })).await;
    scene.call(&leasing).await.problem(503, "upstream_not_ready");
    scene.bao.seal().await;
    scene.call(&leasing).await.problem(503, "unavailable");
    scene.call(&needy).await.problem(503, "upstream_not_ready");

    for (what, text) in scene.told().await {
        let secrets = [("value", SECRET), ("password", &password), ("token", &scene.token)];
        for (name, secret) in secrets {
            assert!(!holds(&text, secret), "{what} holds the {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_one_credential_share_a_lease_that_ends_with_it() {
    let scene = Scene::open().await;
    let vault = json!({
        "auth_method": "vault", "auth_config": { "path": "database/creds/reader", "basic": true },
    });
    let leasing = scene.tool("leasing", &vault).await;
    let access = leasing.replace("/invoke", "/access");
    let vended = scene.agent.post(&access, &json!({ "scopes": ["call"] })).await.expect(201);
    let credential = &vended["credential"];
    let holder = Caller::new(&scene.gate.url, credential["token"].as_str());
    let ask = json!({ "arguments": {} });
    holder.post(&leasing, &ask).await.expect(200);
    let first = scene.basic();
    holder.post(&leasing, &ask).await.expect(200);
    assert_eq!(scene.basic(), first, "the lease of the credential");
    assert_eq!(scene.bao.leases().await, 1);
    let id = credential["credential_id"].as_str().unwrap();
    scene.agent.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
    let begun = Instant::now();
    while scene.bao.leases().await > 0 {
        assert!(begun.elapsed() < DEADLINE, "the lease outlives its credential");
    }
}
