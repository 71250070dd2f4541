//! Servers for tests of whatever calls the outside.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::Outbound;
use crate::clock::Clock;
use crate::settings;

/// Treats every connection alike until told otherwise, and counts them.
pub struct Server {
    pub address: SocketAddr,
    calls: Arc<AtomicUsize>,
    manner: Arc<Mutex<Manner>>,
}

/// What a server does once a request is there.
#[derive(Clone)]
pub enum Manner {
    Says(String),
    /// Sends the first part, and then a byte now and then, for ever.
    Dribbles(String),
    /// Takes requests and says nothing.
    Keeps,
}

impl Server {
    pub async fn start(manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, calls) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let server = Server { address, calls, manner: Arc::new(Mutex::new(manner)) };
        let (counter, manner) = (server.calls.clone(), server.manner.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let manner = manner.lock().unwrap().clone();
                tokio::spawn(behave(stream, manner));
            }
        });
        server
    }

    pub fn becomes(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub fn url(&self) -> Url {
        format!("http://{}/it", self.address).parse().unwrap()
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

pub fn json(headers: &str, body: &str) -> Manner {
    let length = body.len();
    Manner::Says(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n{headers}\r\n{body}"
    ))
}

async fn behave(mut stream: TcpStream, manner: Manner) {
    let mut request = Vec::new();
    while !request.windows(4).any(|it| it == b"\r\n\r\n") {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&part[..count]),
        }
    }
    match manner {
        Manner::Says(text) => drop(stream.write_all(text.as_bytes()).await),
        Manner::Dribbles(text) => {
            let mut last = stream.write_all(text.as_bytes()).await;
            while last.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                last = stream.write_all(b" ").await;
            }
        }
        Manner::Keeps => drop(stream.read(&mut [0]).await),
    }
}

pub fn outbound(internal: &[&Url]) -> Outbound {
    let origin = |it: &&Url| it.origin().ascii_serialization().parse().unwrap();
    let internal_origins = internal.iter().map(origin).collect();
    let settings = settings::Outbound { ca_file: None, internal_origins };
    Outbound::new(&settings, Clock::system()).unwrap()
}
