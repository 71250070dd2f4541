//! A server that does what a test says, which an honest one never would.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::authz::Warrant;
use crate::clock::Clock;
use crate::gateway::mcp::{Client, Limits, Preference, Probe, Target};
use crate::net::outbound::{Reach, fixture::outbound};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

impl Asked {
    pub fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub fn is(&self, verb: &str) -> bool {
        self.line.starts_with(&format!("{verb} "))
    }
}

/// What the server does with a request.
pub enum Says {
    /// Status, headers but for the length, body.
    Text(u16, &'static str, String),
    /// A head and a beginning, and then the same again and again.
    Forever(&'static str, String, String),
    /// A head and a beginning, and then nothing.
    Stalls(&'static str, String),
}

pub const JSON: &str = "content-type: application/json\r\n";
pub const STREAM: &str = "content-type: text/event-stream\r\n";

pub fn json(body: &Value) -> Says {
    Says::Text(200, JSON, body.to_string())
}

pub fn stream(events: &str) -> Says {
    Says::Text(200, STREAM, events.to_owned())
}

pub fn status(status: u16) -> Says {
    Says::Text(status, "", String::new())
}

/// The answer to a request, by its own id.
pub fn result(asked: &Asked, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": asked.body["id"], "result": result })
}

pub fn error(asked: &Asked, code: i32) -> Value {
    let error = json!({ "code": code, "message": "no" });
    json!({ "jsonrpc": "2.0", "id": asked.body["id"], "error": error })
}

/// As a server of 2026-07-28 answers `server/discover`.
pub fn discovered(asked: &Asked) -> Says {
    json(&result(
        asked,
        &json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
            "ttlMs": 0,
            "cacheScope": "private",
        }),
    ))
}

/// As one of 2025-11-25 answers `initialize`.
pub fn initialized(asked: &Asked) -> Value {
    result(
        asked,
        &json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "old", "version": "1" },
        }),
    )
}

pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub async fn start(script: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (script, asked) = (Arc::new(script), server.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, asked) = (script.clone(), asked.clone());
                tokio::spawn(async move { serve(stream, &*script, &asked).await });
            }
        });
        server
    }

    /// A server of 2026-07-28 of which only the answer to one method is the test's.
    pub async fn modern(
        method: &'static str,
        script: impl Fn(&Asked) -> Says + Send + Sync + 'static,
    ) -> Server {
        Server::start(move |asked| match asked.method() {
            it if it == method => script(asked),
            "server/discover" => discovered(asked),
            "tools/list" => json(&result(asked, &json!({ "tools": [] }))),
            _ => status(500),
        })
        .await
    }

    pub fn target(&self) -> Target {
        Target {
            url: format!("http://{}/mcp", self.address).parse().unwrap(),
            reach: Reach::Configured,
            preference: Preference::Auto,
            headers: http::HeaderMap::new(),
            known: None,
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was asked, in order.
    pub fn methods(&self) -> Vec<String> {
        let name = |it: &Asked| match it.method() {
            "" => it.line.split(' ').next().unwrap().to_owned(),
            method => method.to_owned(),
        };
        self.asked().iter().map(name).collect()
    }

    pub async fn probe(&self) -> Probe {
        probe(&self.target()).await
    }
}

pub const LIMITS: Limits =
    Limits { time_max: Duration::from_secs(2), bytes_max: 100_000, tools_max: 50 };

pub fn client() -> Client {
    Client::new(Arc::new(outbound(&[])), Clock::system())
}

#[expect(clippy::disallowed_methods, reason = "a test calls on nobody's behalf")]
pub fn warrant() -> Warrant {
    Warrant::system("test", &Clock::system())
}

pub async fn probe(target: &Target) -> Probe {
    client().probe(&warrant(), target, LIMITS).await
}

async fn serve(
    mut stream: TcpStream,
    script: &(dyn Fn(&Asked) -> Says + Send + Sync),
    asked: &Mutex<Vec<Asked>>,
) -> Option<()> {
    let request = read(&mut stream).await?;
    asked.lock().unwrap().push(request.clone());
    match script(&request) {
        Says::Text(status, headers, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} It\r\n{headers}content-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            );
            stream.write_all(text.as_bytes()).await.ok()?;
        }
        Says::Forever(headers, start, again) => {
            let head = format!("HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n{start}");
            stream.write_all(head.as_bytes()).await.ok()?;
            loop {
                stream.write_all(again.as_bytes()).await.ok()?;
                tokio::task::yield_now().await;
            }
        }
        Says::Stalls(headers, start) => {
            let head = format!("HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n{start}");
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.read_u8().await.ok()?;
        }
    }
    Some(())
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.ok().filter(|it| *it > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |it| it.parse().unwrap());
        if body.len() >= length {
            break (head.to_owned(), length);
        }
    };
    let body = &bytes[head.len() + 4..head.len() + 4 + length];
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let pairs = lines.filter_map(|it| it.split_once(": "));
    let headers = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Some(Asked { line, headers, body: serde_json::from_slice(body).unwrap_or_default() })
}
