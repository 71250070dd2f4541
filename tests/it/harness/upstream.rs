//! A tool's own HTTP server: it says what it was sent, and does as its path says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    calls: Arc<AtomicUsize>,
    heard: Arc<Mutex<Value>>,
}

impl Upstream {
    pub async fn open() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream {
            address: listener.local_addr().unwrap(),
            calls: Arc::default(),
            heard: Arc::default(),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        upstream
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests came.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The last request: `method`, `path`, `headers` by lower-case name, `body`.
    pub fn last(&self) -> Value {
        self.heard.lock().unwrap().clone()
    }

    /// `/status/<n>` answers so, `/never` never, `/big` with 4 MiB, `/moved` elsewhere, `/binary`
    /// with no text, `/token` with an access token; anything else repeats what it heard.
    async fn answer(self, mut stream: TcpStream) {
        let Some(heard) = hear(&mut stream).await else { return };
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.heard.lock().unwrap() = heard.clone();
        let path = heard["path"].as_str().unwrap().to_owned();
        let (status, more, body) = match path.split('?').next().unwrap() {
            "/never" => return std::future::pending().await,
            "/big" => (200, "", vec![b'x'; 4 << 20]),
            "/moved" => (302, "location: http://169.254.169.254/\r\n", Vec::new()),
            "/token" => {
                let token = format!("machine-token-{}", self.calls());
                let given =
                    json!({ "access_token": token, "token_type": "bearer", "expires_in": 3600 });
                (200, "", given.to_string().into_bytes())
            }
            "/binary" => (200, "", vec![0xff, 0xfe]),
            path => match path.strip_prefix("/status/") {
                Some(status) => (status.parse().unwrap(), "", br#"{"why":"so"}"#.to_vec()),
                None => (200, "", heard.to_string().into_bytes()),
            },
        };
        let head = format!(
            "HTTP/1.1 {status} So\r\n{more}content-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        // Whoever hung up has heard enough.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body).await;
    }
}

async fn hear(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?, first.next()?);
    let headers: serde_json::Map<String, Value> = lines
        .filter_map(|it| it.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.into()))
        .collect();
    let length = headers.get("content-length").and_then(|it| it.as_str()?.parse().ok());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(json!({ "method": method, "path": path, "headers": headers, "body": body }))
}
