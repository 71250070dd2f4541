//! One kept-alive HTTP/1.1 connection, with no more parsing than telling where an answer ends.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

const READ_BYTES: usize = 16 * 1024;

pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    /// When the request under way was due.
    pub due: Instant,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, answer: Vec::with_capacity(READ_BYTES), due: Instant::now() }
    }

    pub fn send(&mut self, request: &[u8], due: Instant) {
        self.due = due;
        self.stream.write_all(request).unwrap();
    }

    /// Reads once what is there; true when the answer is complete. Any but a success ends the
    /// measurement: refusals are cheap, and must not pass for speed.
    pub fn receive(&mut self) -> bool {
        let mut piece = [0; READ_BYTES];
        let read = self.stream.read(&mut piece).unwrap();
        assert!(read > 0, "the server hung up after: {}", String::from_utf8_lossy(&self.answer));
        self.answer.extend_from_slice(&piece[..read]);
        let complete = is_complete(&self.answer);
        if complete {
            let text = || String::from_utf8_lossy(&self.answer);
            assert!(self.answer.starts_with(b"HTTP/1.1 2"), "not a success: {}", text());
            self.answer.clear();
        }
        complete
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Whether `answer` ends where its header says that it does (RFC 9112 section 6).
fn is_complete(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { return false };
    let (header, body) = (&answer[..end], &answer[end + 4..]);
    let mut lines = header.split(|it| *it == b'\n').map(<[u8]>::trim_ascii);
    let mut lengths = lines.clone().filter_map(|it| value(it, b"content-length:"));
    match lengths.next() {
        Some(length) => {
            let length = str::from_utf8(length).unwrap();
            body.len() == length.parse::<usize>().unwrap()
        }
        None => {
            lines.any(|it| value(it, b"transfer-encoding:").is_some())
                && body.ends_with(b"0\r\n\r\n")
        }
    }
}

/// The value of a header line, if the line is of this field.
fn value<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let (name, value) = line.split_at_checked(field.len())?;
    name.eq_ignore_ascii_case(field).then(|| value.trim_ascii())
}

/// The bytes of a request that keeps its connection.
pub fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\n");
    head += &format!("authorization: Bearer {token}\r\n");
    if !body.is_empty() {
        head += "content-type: application/json\r\n";
        head += &format!("content-length: {}\r\n", body.len());
    }
    format!("{head}\r\n{body}").into_bytes()
}
