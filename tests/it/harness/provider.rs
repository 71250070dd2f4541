//! An OpenID provider of another make, in a process of its own, and what a test tells it to do.

use std::env;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// Runs until dropped.
pub struct Provider {
    pub issuer: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Provider {
    pub fn start() -> Provider {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools =
            env::var_os("GATEWRIGHT_TOOLS").map_or_else(|| root.join(".tools"), PathBuf::from);
        let modules = tools.join("node/node_modules");
        let there = modules.join("oidc-provider").exists();
        assert!(there, "no oidc-provider in `{}`: run scripts/test", modules.display());
        let mut child = Command::new("node")
            .arg(root.join("tests/interop/provider.mjs"))
            .arg(modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        let issuer = said["issuer"].as_str().unwrap().to_owned();
        Provider { issuer, child, input, output }
    }

    /// Tells it something and waits until it has done it.
    pub fn tell(&mut self, what: &Value) -> Value {
        writeln!(self.input, "{what}").unwrap();
        serde_json::from_str(&self.output.next().unwrap().unwrap()).unwrap()
    }

    /// Who signs in from now on, and what the provider says of them.
    pub fn seats(&mut self, account: &str, claims: &Value) {
        self.tell(&json!({ "account": account, "claims": claims }));
    }

    /// A token of the issuer beside it, which vouches for workloads.
    pub fn vouch(&mut self, claims: &Value) -> String {
        self.tell(&json!({ "workload": claims }))["token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
