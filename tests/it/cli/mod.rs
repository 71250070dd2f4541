//! The command line, as people and scripts use it.

mod api;
mod can;
mod doctor;
mod no_auth;
mod offline;
mod policies;
mod policy_test;
mod prove;
mod start;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::harness::Setup;

const BINARY: &str = env!("CARGO_BIN_EXE_gatewright");

/// The binary in a folder, with no settings from around it.
pub fn gatewright(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(words).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command
}

fn run(folder: &Path, words: &[&str]) -> Ran {
    Ran::from(gatewright(folder, words).output().unwrap())
}

fn run_with_input(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

#[derive(Debug)]
pub struct Ran {
    code: Option<i32>,
    pub out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(it: Output) -> Ran {
        let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
        Ran { code: it.status.code(), out: text(it.stdout), err: text(it.stderr) }
    }
}

impl Ran {
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }
}

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn production_refuses_everything_weak_at_once() {
    let setup = Setup::new()
        .with("environment", "production")
        .with("listen", "0.0.0.0:0")
        .with("database.url", "sqlite::memory:")
        .with("auth.bootstrap_admin_password", "changeme")
        .with("auth.bootstrap_token", "letmein")
        .with("cors.allowed_origins", "http://console.example")
        .with("risk.trust_proxy_headers", "true")
        .with("log.level", "trace");
    let ran = Ran::from(setup.command(&["serve"]).output().unwrap()).expect(1);
    for key in [
        "public_url",
        "tls.cert_file",
        "database.url",
        "auth.bootstrap_admin_password",
        "auth.bootstrap_token",
        "cors.allowed_origins",
        "risk.trust_proxy_headers",
        "log.level",
    ] {
        assert!(ran.err.contains(&format!("`{key}` (")), "{key}:\n{}", ran.err);
    }
    assert!(!ran.err.contains("changeme") && !ran.err.contains("letmein"), "{}", ran.err);
}

#[test]
fn an_unknown_setting_is_refused_with_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let ran = Ran::from(
        gatewright(at, &["serve"]).env("GATEWRIGHT_LISTN", "127.0.0.1:0").output().unwrap(),
    );
    assert!(ran.expect(1).err.contains("did you mean `GATEWRIGHT_LISTEN`?"));
    fs::write(at.join("gatewright.toml"), "\n[polcy]\ndir = \"p\"\n").unwrap();
    let ran = run(at, &["serve"]).expect(1);
    assert!(ran.err.contains("gatewright.toml:2") || ran.err.contains("line 2"), "{}", ran.err);
    let ran = run(at, &["serve", "--listn", "127.0.0.1:0"]).expect(2);
    assert!(ran.err.contains("--listen"), "{}", ran.err);
    assert!(!at.join("gatewright.db").exists(), "nothing was begun");
}

#[test]
fn migrating_twice_is_migrating_once() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        for _ in 0..2 {
            let ran = Ran::from(setup.command(&["migrate"]).output().unwrap()).expect(0);
            assert!(ran.out.contains("up to date"), "{}", ran.out);
        }
    }
}

#[test]
fn completions_are_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(folder.path(), &["completions", shell]).expect(0).out;
        assert!(script.contains("seed-admin"), "{shell}");
        if shell == "bash" {
            let mut bash = Command::new("bash");
            bash.arg("-n");
            let parsed = run_with_input(bash, &script).expect(0);
            assert_eq!(parsed.err, "");
        }
    }
    run(folder.path(), &["completions", "cmd"]).expect(2);
    // A reader that has seen enough.
    let piped = format!("'{BINARY}' completions bash | true; echo \"${{PIPESTATUS[0]}}\"");
    let ran = Ran::from(Command::new("bash").args(["-c", &piped]).output().unwrap()).expect(0);
    assert_eq!((ran.out.trim(), &*ran.err), ("0", ""));
}

#[test]
fn health_tells_when_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["health", "--listen", "127.0.0.1:1"]).expect(5);
    assert!(ran.err.starts_with("gatewright: "), "{}", ran.err);
}

/// Every command there is, read off the help itself.
fn commands(folder: &Path, above: &[String]) -> Vec<Vec<String>> {
    let mut words: Vec<&str> = above.iter().map(String::as_str).collect();
    words.push("--help");
    let help = run(folder, &words).expect(0).out;
    let mut all = vec![above.to_vec()];
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return all };
    for line in list.lines().take_while(|it| it.starts_with("  ")) {
        let name = line.split_whitespace().next().unwrap().to_owned();
        if name != "help" {
            all.extend(commands(folder, &[above, &[name]].concat()));
        }
    }
    all
}

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let all = commands(folder.path(), &[]);
    assert!(all.len() > 15, "{all:?}");
    for command in &all {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        words.push("--help");
        let help = run(folder.path(), &words).expect(0).out;
        let (about, usage) = help.split_once("\n\nUsage: gatewright").unwrap();
        assert!(about.len() > 10 && !usage.is_empty(), "{command:?}: {help}");
        words.pop();
        words.push("--no-such-flag");
        run(folder.path(), &words).expect(2);
    }
    run(folder.path(), &[]).expect(2);
    run(folder.path(), &["serv"]).expect(2);
    let version = run(folder.path(), &["--version"]).expect(0).out;
    assert_eq!(version.trim(), format!("gatewright {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
