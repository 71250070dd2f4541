//! HTTP/1.1 byte by byte, for requests that no honest client makes.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far above anything that is waited for here.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// One connection.
pub struct Wire<S = TcpStream> {
    stream: S,
    /// Read, and not yet taken.
    waiting: Vec<u8>,
    /// Whether the last request was a HEAD, whose answer has a length and no content.
    bodiless: bool,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    /// Status line and header, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Said {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines.find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem document.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The part of an `http://` URL that a socket connects to.
pub fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

/// A request with this content, framed as it should be. Each of `headers` ends in CR LF.
pub fn request(line: &str, headers: &str, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes =
        format!("{line} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n")
            .into_bytes();
    bytes.extend_from_slice(content);
    bytes
}

impl Wire {
    pub async fn open(url: &str) -> Wire {
        Wire::over(TcpStream::connect(address(url)).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn over(stream: S) -> Wire<S> {
        Wire { stream, waiting: Vec::new(), bodiless: false }
    }

    /// Sends a request and reads its answer; a connection that ends first is a failure.
    #[track_caller]
    pub fn ask<'a>(&'a mut self, request: &'a [u8]) -> impl Future<Output = Said> + 'a {
        let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        async move {
            // A server that has heard enough answers before it has taken everything.
            let _: io::Result<()> = self.send(request).await;
            let said = self.answer().await;
            said.unwrap_or_else(|| panic!("the connection ended without an answer to {shown}"))
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bodiless = bytes.starts_with(b"HEAD ");
        self.stream.write_all(bytes).await
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _: io::Result<()> = self.stream.shutdown().await;
    }

    /// The next answer; none when the connection ends instead. One that ends within an answer is a
    /// failure.
    pub async fn answer(&mut self) -> Option<Said> {
        let head = loop {
            if let Some(end) = self.waiting.windows(4).position(|it| it == b"\r\n\r\n") {
                let head: Vec<u8> = self.waiting.drain(..end + 4).collect();
                break String::from_utf8_lossy(&head).to_lowercase();
            }
            if self.more().await.is_none() {
                assert!(self.waiting.is_empty(), "half an answer: {:?}", self.waiting);
                return None;
            }
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |it| it.parse().unwrap());
        let length = if self.bodiless { 0 } else { length };
        while self.waiting.len() < length {
            self.more().await.expect("the whole of an answer");
        }
        let body = self.waiting.drain(..length).collect();
        Some(Said { status, head, body })
    }

    /// Waits until the server has ended the connection, dropping what it still says.
    pub async fn ended(&mut self) {
        while self.more().await.is_some() {}
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        let read = timeout(ANSWER_TIME_MAX, self.stream.read(&mut buffer)).await;
        let count = read.expect("the server should answer or hang up").ok().filter(|it| *it > 0)?;
        self.waiting.extend_from_slice(&buffer[..count]);
        Some(())
    }
}
