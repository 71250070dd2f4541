//! A real browser: Chromium, driven by a script that takes commands.

use std::env;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::Gate;

/// The name by which the browser knows the server; to be its `public_url`.
pub const ORIGIN: &str = "http://gate.localhost";

/// One window. Closed when dropped.
pub struct Chromium {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Chromium {
    /// Opens a window for which [`ORIGIN`] is this server, wherever it listens.
    pub fn open(gate: &Gate) -> Chromium {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let default = || root.join(".tools");
        let tools = env::var_os("GATEWRIGHT_TOOLS").map_or_else(default, PathBuf::from);
        let modules = tools.join("browser/node_modules");
        for needed in [modules.join("playwright-core"), "/usr/bin/chromium".into()] {
            let shown = needed.display();
            assert!(needed.exists(), "`{shown}` is missing: run scripts/test, which installs it");
        }
        let mut child = Command::new("node")
            .arg(root.join("tests/browser/driver.mjs"))
            .arg(modules)
            .arg(gate.url.strip_prefix("http://").unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Chromium { commands: child.stdin.take(), answers, child }
    }

    /// Carries out one command of the script.
    #[track_caller]
    pub fn command(&mut self, command: &Value) -> Value {
        let commands = self.commands.as_mut().unwrap();
        writeln!(commands, "{command}").unwrap();
        commands.flush().unwrap();
        let answer = self.answers.next().expect("the browser ended").unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer.get("error"), None, "{command}");
        answer["ok"].clone()
    }

    /// Goes to a path, and gives the status of the answer.
    #[track_caller]
    pub fn go(&mut self, path: &str) -> Value {
        self.command(&json!({ "does": "open", "url": format!("{ORIGIN}{path}") }))
    }

    #[track_caller]
    pub fn click(&mut self, on: &str) {
        self.command(&json!({ "does": "click", "on": on }));
    }

    #[track_caller]
    pub fn fill(&mut self, on: &str, text: &str) {
        self.command(&json!({ "does": "fill", "on": on, "text": text }));
    }

    /// Waits until there is something to see.
    #[track_caller]
    pub fn wait(&mut self, on: &str) {
        self.command(&json!({ "does": "wait", "on": on }));
    }

    /// The texts of everything that matches.
    #[track_caller]
    pub fn texts(&mut self, of: &str) -> Vec<String> {
        let texts = self.command(&json!({ "does": "texts", "of": of }));
        serde_json::from_value(texts).unwrap()
    }

    /// Plugs in a key that verifies its user, or does not.
    pub fn plug_in(&mut self, verifies: Verifies) {
        let verifies = matches!(verifies, Verifies::Yes);
        self.command(&json!({ "does": "authenticator", "verifies": verifies }));
    }

    /// Calls a JavaScript function in the page.
    #[track_caller]
    pub fn call(&mut self, it: &str, given: &Value) -> Value {
        self.command(&json!({ "does": "call", "it": it, "given": given }))
    }

    /// What the browser's console complained of.
    pub fn complaints(&mut self) -> Vec<String> {
        serde_json::from_value(self.command(&json!({ "does": "complaints" }))).unwrap()
    }
}

/// Whether a key knows who touches it.
#[derive(Clone, Copy)]
pub enum Verifies {
    Yes,
    No,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The end of its input is the end of the script, and that closes the window.
        self.commands.take();
        let _ = self.child.wait();
    }
}
