//! The binary as its users run it: a process of its own, reached over HTTP.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gatewright::authn::risk::trust_first_use;
use gatewright::store;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::caller::Caller;
use super::factor::{Pockets, enrol};
use super::postgres;
use super::stores::{batch, group};

const START_TIME_MAX: Duration = Duration::from_secs(120);
pub const ADMIN: &str = "admin";
/// The password of everybody else.
pub const WORDS: &str = "A-fine-pass-phrase-1";
pub const PASSWORD: &str = "Adm1n-of-the-tests";

/// How to start a server; every setting has a default fit for tests.
pub struct Setup {
    pub folder: TempDir,
    settings: Vec<(String, String)>,
}

/// A running server, killed when dropped.
pub struct Gate {
    pub url: String,
    pub folder: TempDir,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    settings: Vec<(String, String)>,
    pub pockets: Arc<Pockets>,
}

impl Setup {
    /// On SQLite, with the policies of the repository.
    pub fn new() -> Setup {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let here = |name: &str| folder.path().join(name).display().to_string();
        let there = |name: &str| root.join(name).display().to_string();
        let settings = [
            ("listen", "127.0.0.1:0".to_owned()),
            ("database.url", format!("sqlite:{}", here("gatewright.db"))),
            ("policy.dir", there("policies")),
            ("policy.schema_dir", there("schemas")),
            ("policy.watch", "false".into()),
            ("auth.key_file", here("access.key")),
            ("auth.factors_key_file", here("factors.key")),
            ("credentials.key_file", here("credentials.key")),
            ("audit.key_file", here("audit.key")),
            ("secrets.master_key_file", here("secrets.key")),
            ("auth.bootstrap_admin_username", ADMIN.into()),
            ("auth.bootstrap_admin_password", PASSWORD.into()),
            ("rate_limits.login_ip", "100000/minute".into()),
            ("rate_limits.login_username", "100000/minute".into()),
            ("log.format", "json".into()),
        ];
        let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Setup { folder, settings }
    }

    /// The same on a database of its own in the test run's PostgreSQL.
    pub fn on_postgres() -> Setup {
        Setup::new().with("database.url", &postgres::fresh_database())
    }

    /// Sets a setting, by its TOML name; a name in capitals is a variable that is no setting.
    pub fn with(mut self, key: &str, value: &str) -> Setup {
        self.settings.retain(|(it, _)| it != key);
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a setting to its default.
    pub fn without(mut self, key: &str) -> Setup {
        self.settings.retain(|(it, _)| it != key);
        self
    }

    /// A command of the binary with these settings in its environment.
    pub fn command(&self, words: &[&str]) -> Command {
        command(self.folder.path(), &self.settings, words)
    }

    /// Starts the server and waits until it says that it serves.
    pub fn start(self) -> Gate {
        let Setup { folder, settings } = self;
        let (child, log, url) = spawn(folder.path(), &settings);
        Gate { url, folder, child, log, settings, pockets: Arc::default() }
    }
}

impl Gate {
    /// A server on SQLite.
    pub fn start() -> Gate {
        Setup::new().start()
    }

    /// Nobody.
    pub fn anyone(&self) -> Caller {
        Caller::new(&self.url, None)
    }

    pub async fn admin(&self) -> Caller {
        self.sign_in(ADMIN, PASSWORD).await
    }

    /// Says on the host that the first sign-in of this user sets what is known of it, as it does
    /// for the first administrator.
    pub async fn vouch(&self, user: &str) {
        let db = store::open(&self.setting("database.url").parse().unwrap()).unwrap();
        let trust = trust_first_use(user.parse().unwrap());
        let held = db.commit(group(vec![batch(vec![trust])])).await.unwrap();
        assert!(held.iter().all(Result::is_ok), "{held:?}");
    }

    /// Signs in as people do: whoever is asked for a second factor proves it, and whoever has none
    /// enrols one first.
    pub async fn sign_in(&self, username: &str, password: &str) -> Caller {
        let body = json!({ "username": username, "password": password });
        let answer = self.anyone().post("/api/v1/auth/login", &body).await;
        if answer.status == 401 {
            return self.prove(username, &answer.problem(401, "mfa_required")).await;
        }
        let tokens = answer.expect(200);
        let caller = Caller::new(&self.url, tokens["access_token"].as_str());
        match tokens["risk"].as_str() {
            Some("low") => caller,
            _ => enrol(&self.pockets, username, &caller).await,
        }
    }

    /// Goes on with a sign-in that waits for a second factor.
    pub async fn prove(&self, username: &str, waiting: &Value) -> Caller {
        let proof = json!({
            "mfa_token": waiting["mfa_token"], "otp": self.pockets.proof(username),
        });
        let tokens = self.anyone().post("/api/v1/auth/mfa", &proof).await.expect(200);
        Caller::new(&self.url, tokens["access_token"].as_str())
    }

    /// The same person, with password and second factor proven again.
    pub async fn elevated(&self, caller: &Caller, username: &str) -> Caller {
        let proof = json!({ "password": WORDS, "otp": self.pockets.proof(username) });
        let elevated = caller.post("/api/v1/auth/elevate", &proof).await.expect(200);
        Caller::new(&self.url, elevated["access_token"].as_str())
    }

    /// A new user with this role, signed in.
    pub async fn user(&self, name: &str, role: &str) -> Caller {
        let body = json!({ "username": name, "password": WORDS, "role": role });
        self.admin().await.post("/api/v1/users", &body).await.expect(201);
        self.sign_in(name, WORDS).await
    }

    /// The same, with a second factor proven just now.
    pub async fn user_with_factor(&self, name: &str, role: &str) -> Caller {
        let caller = self.user(name, role).await;
        let me = caller.get("/api/v1/auth/me").await.expect(200);
        match me["session"]["second_factor_at"].is_null() {
            true => enrol(&self.pockets, name, &caller).await,
            false => caller,
        }
    }

    /// A new agent with this role: its registration, and its token.
    pub async fn agent(&self, name: &str, role: &str) -> (Value, Caller) {
        self.agent_of(&self.admin().await, name, role).await
    }

    /// The same, registered by this caller.
    pub async fn agent_of(&self, by: &Caller, name: &str, role: &str) -> (Value, Caller) {
        let body = json!({ "name": name, "role": role });
        let agent = by.post("/api/v1/register/machine", &body).await.expect(201);
        let caller = self.machine(&agent).await;
        (agent, caller)
    }

    /// A fresh token for a registered agent.
    pub async fn machine(&self, agent: &Value) -> Caller {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", agent["client_id"].as_str().unwrap()),
            ("client_secret", agent["client_secret"].as_str().unwrap()),
        ];
        let tokens = self.anyone().form("/oauth/token", &form).await.expect(200);
        Caller::new(&self.url, tokens["access_token"].as_str())
    }

    /// What this setting was started with.
    pub fn setting(&self, key: &str) -> &str {
        let found = self.settings.iter().find(|(it, _)| it == key);
        found.map(|(_, value)| value.as_str()).unwrap()
    }

    /// The log so far, a line per event.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A command of the binary with this server's settings in its environment.
    pub fn command(&self, words: &[&str]) -> Command {
        command(self.folder.path(), &self.settings, words)
    }

    /// Asks the server to stop and waits until it has; the exit status.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap()
    }

    /// Kills the server at once and starts it again on the same store and keys.
    pub fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, log, url) = spawn(self.folder.path(), &self.settings);
        (self.child, self.log, self.url) = (child, log, url);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

fn command(folder: &Path, settings: &[(String, String)], words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command.args(words).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    for (key, value) in settings {
        let setting = format!("GATEWRIGHT_{}", key.replace('.', "__").to_uppercase());
        let plain = key.starts_with(|it: char| it.is_ascii_uppercase());
        command.env(if plain { key } else { &setting }, value);
    }
    command
}

fn spawn(folder: &Path, settings: &[(String, String)]) -> (Child, Arc<Mutex<Vec<String>>>, String) {
    let mut child = command(folder, settings, &["serve"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            kept.lock().unwrap().push(line);
        }
    });
    let url = until(START_TIME_MAX, || {
        let ended = child.try_wait().unwrap();
        let lines = log.lock().unwrap();
        let url = lines.iter().find_map(|it| {
            let event: Value = serde_json::from_str(it).ok()?;
            (event["message"] == "serving").then(|| event["url"].as_str().map(str::to_owned))?
        });
        assert!(ended.is_none() || url.is_some(), "the server ended:\n{}", lines.join("\n"));
        url
    });
    (child, log, url)
}

/// Polls until there is an answer; panics at the deadline.
pub fn until<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
