//! Somebody else's HTTP service: it answers what a test lays down, in the pieces it is laid in, and
//! keeps what it heard.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub struct Service {
    pub address: SocketAddr,
    answers: Arc<Mutex<BTreeMap<String, Laid>>>,
    heard: Arc<Mutex<Vec<Value>>>,
}

#[derive(Clone)]
struct Laid {
    status: u16,
    media_type: &'static str,
    pieces: Vec<String>,
}

impl Service {
    pub async fn open() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service { address, answers: Arc::default(), heard: Arc::default() };
        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        service
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so at a path, whatever the query.
    pub fn lay(&self, path: &str, status: u16, media_type: &'static str, pieces: &[&str]) {
        let pieces = pieces.iter().map(ToString::to_string).collect();
        self.answers.lock().unwrap().insert(path.into(), Laid { status, media_type, pieces });
    }

    /// The requests so far: `method`, `path`, `headers`, `body`.
    pub fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    async fn answer(self, mut stream: TcpStream) -> Option<()> {
        let heard = hear(&mut stream).await?;
        let path = heard["path"].as_str()?.split('?').next()?.to_owned();
        self.heard.lock().unwrap().push(heard);
        let laid = self.answers.lock().unwrap().get(&path).cloned();
        let Some(Laid { status, media_type, pieces }) = laid else {
            // Hangs up without a word.
            return None;
        };
        let head = format!(
            "HTTP/1.1 {status} So\r\ncontent-type: {media_type}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            tokio::task::yield_now().await;
        }
        stream.shutdown().await.ok()
    }
}

async fn hear(stream: &mut TcpStream) -> Option<Value> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?, first.next()?);
    let headers: serde_json::Map<String, Value> = lines
        .filter_map(|it| it.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.into()))
        .collect();
    let length = headers.get("content-length").and_then(|it| it.as_str()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    Some(json!({ "method": method, "path": path, "headers": headers, "body": body }))
}
