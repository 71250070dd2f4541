//! An MCP server made with the official Python SDK, in a process of its own, and what a test tells
//! it to do.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const START_TIME_MAX: Duration = Duration::from_secs(20);

/// Runs until dropped.
pub struct McpServer {
    pub url: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl McpServer {
    /// One that speaks `streamable` HTTP in both eras, only in that of 2025-11-25 (`older`), or HTTP
    /// with SSE (`sse`).
    pub fn start(mode: &str) -> McpServer {
        let python = super::tools().join("venv/bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/mcp_server.py");
        let child = Command::new(&python)
            .arg(script)
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let shown = python.display();
        assert!(child.is_ok(), "cannot run `{shown}`: run scripts/test, which installs it");
        let mut child = child.unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        let url = said["url"].as_str().unwrap().to_owned();
        let server = McpServer { url, child, input, output };
        server.wait();
        server
    }

    /// Tells it something and waits until it has done it.
    pub fn tell(&mut self, what: &Value) -> Value {
        writeln!(self.input, "{what}").unwrap();
        serde_json::from_str(&self.output.next().unwrap().unwrap()).unwrap()
    }

    /// The headers of the requests since it was asked last.
    pub fn heard(&mut self) -> Vec<Value> {
        self.tell(&json!({ "heard": true }))["heard"].as_array().unwrap().clone()
    }

    /// The socket is there before the server behind it is.
    fn wait(&self) {
        let place = self.url.split('/').nth(2).unwrap();
        let end = Instant::now() + START_TIME_MAX;
        let answers = || {
            use std::io::Read as _;
            let mut stream = std::net::TcpStream::connect(place).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            write!(stream, "GET /none HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\r\n")
                .ok()?;
            stream.read(&mut [0; 16]).ok().filter(|it| *it > 0)
        };
        while answers().is_none() {
            assert!(Instant::now() < end, "the MCP server did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for McpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
