//! Callers that want to hold connections, and honest ones beside them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{LARGE, SOON, Stage, ask, gone, until};
use crate::net::Limits;

/// How many of each kind attack at once.
const EACH: usize = 50;

/// One way to hold a connection: what to send at first, and which byte to send now and then.
struct Kind {
    name: &'static str,
    opening: Vec<u8>,
    drip: Option<u8>,
}

fn kind(name: &'static str, opening: impl Into<Vec<u8>>, drip: Option<u8>) -> Kind {
    Kind { name, opening: opening.into(), drip }
}

fn six_kinds() -> Vec<Kind> {
    let slow_body = "POST /echo HTTP/1.1\r\nhost: gate\r\ncontent-length: 100000\r\n\r\n";
    vec![
        kind("silent", "", None),
        kind("half a preface", "PRI * HTTP/2", None),
        kind("part of a request line", "GET /hel", None),
        kind("dribbled header", "GET /hello HTTP/1.1\r\nhost: gate\r\nx: ", Some(b'x')),
        kind("dribbled body", slow_body, Some(b'x')),
        kind("idle after a request", "GET /hello HTTP/1.1\r\nhost: gate\r\n\r\n", None),
    ]
}

fn further_kinds() -> Vec<Kind> {
    let dribbled_frame = [h2(GET), frame(16_000, 0, 0, 1)].concat();
    let silent_body = "POST /echo HTTP/1.1\r\nhost: gate\r\ntransfer-encoding: chunked\r\n\r\n";
    let reused =
        "GET /hello HTTP/1.1\r\nhost: gate\r\n\r\nGET /hello HTTP/1.1\r\nhost: gate\r\nx: ";
    vec![
        kind("silent body in chunks", silent_body, None),
        kind("dribbled header of a second request", reused, Some(b'x')),
        kind("silent HTTP/2", h2(&[]), None),
        kind("HTTP/2 idle after a request", h2(GET), None),
        kind("HTTP/2 silent body", h2(POST), None),
        kind("HTTP/2 dribbled body", [h2(POST), frame(16_000, 0, 0, 1)].concat(), Some(b'x')),
        kind("HTTP/2 dribbled header", h2(&frame(16_000, 1, 4, 1)), Some(0x82)),
        kind("HTTP/2 dribbled after the end", dribbled_frame, Some(b'x')),
    ]
}

/// HEADERS with END_HEADERS and END_STREAM: GET /hello, http, authority `gate` (RFC 7541 app. A).
const GET: &[u8] = b"\0\0\x10\x01\x05\0\0\0\x01\x82\x86\x04\x06/hello\x41\x04gate";
/// HEADERS with END_HEADERS: POST /echo, whose body is to come.
const POST: &[u8] = b"\0\0\x0f\x01\x04\0\0\0\x01\x83\x86\x04\x05/echo\x41\x04gate";

fn h2(frames: &[u8]) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(0, 4, 0, 0)[..], frames].concat()
}

/// The head of a frame (RFC 9113 section 4.1).
fn frame(length: u16, kind: u8, flags: u8, stream: u8) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    vec![0, high, low, kind, flags, 0, 0, 0, stream]
}

async fn attack(addr: std::net::SocketAddr, kind: &Kind) {
    let (mut incoming, mut outgoing) = TcpStream::connect(addr).await.unwrap().into_split();
    outgoing.write_all(&kind.opening).await.unwrap();
    let dribble = async {
        let mut tick = interval(Duration::from_millis(100));
        while let Some(byte) = kind.drip {
            tick.tick().await;
            if outgoing.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        std::future::pending().await
    };
    let mut buffer = [0; 4096];
    let end = async { while incoming.read(&mut buffer).await.is_ok_and(|it| it > 0) {} };
    let end = async {
        tokio::select! { () = end => {}, () = dribble => {} }
    };
    assert!(timeout(SOON, end).await.is_ok(), "still there: {}", kind.name);
}

/// Asks again and again until told to stop, every tenth time over a new connection.
async fn be_honest(stage: &Stage, stop: &CancellationToken) -> usize {
    let mut io = stage.connect().await;
    let mut count = 0;
    while !stop.is_cancelled() {
        let (head, content) = ask(&mut io, "POST /echo", "how are you").await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(content, b"how are you");
        count += 1;
        if count % 10 == 0 {
            io = stage.connect().await;
        }
    }
    count
}

async fn withstand(kinds: &[Kind], limits: Limits) {
    let stage = Stage::set(limits).await;
    let over = CancellationToken::new();
    let attacks = async {
        let each = kinds.iter().flat_map(|it| std::iter::repeat_n(it, EACH));
        join_all(each.map(|it| attack(stage.addr, it))).await;
        over.cancel();
    };
    let honest = join_all((0..4).map(|_| be_honest(&stage, &over)));
    let ((), counts) = tokio::join!(attacks, honest);
    assert!(counts.iter().all(|it| *it > 0), "{counts:?}");
    let slow_bodies =
        kinds.iter().filter(|it| it.name.ends_with(" body") || it.name.contains(" body in"));
    assert_eq!(stage.seen.late.load(Ordering::SeqCst), slow_bodies.count() * EACH);
}

/// The defaults, but quicker.
fn quick() -> Limits {
    Limits {
        header: Duration::from_secs(1),
        body: Duration::from_secs(1),
        idle: Duration::from_secs(1),
        reply: Duration::from_secs(1),
        farewell: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test]
async fn no_kind_holds_a_connection() {
    let kinds: Vec<Kind> = six_kinds().into_iter().chain(further_kinds()).collect();
    withstand(&kinds, Limits { per_address: 1000, ..quick() }).await;
}

#[tokio::test]
async fn six_kinds_are_gone_in_ten_seconds_by_default() {
    withstand(&six_kinds(), Limits::default()).await;
}

#[tokio::test]
async fn a_slow_reader_is_cut() {
    let stage = Stage::set(quick()).await;
    let mut io = stage.connect().await;
    io.write_all(b"GET /large HTTP/1.1\r\nhost: gate\r\n\r\n").await.unwrap();
    until(|| stage.seen.large.load(Ordering::SeqCst) == 1).await;
    until(|| stage.seen.large.load(Ordering::SeqCst) == 0).await;
    let mut rest = Vec::new();
    let _: std::io::Result<usize> = io.read_to_end(&mut rest).await;
    assert!(rest.len() < LARGE);
}

#[tokio::test]
async fn a_slow_http2_reader_is_cut() {
    let stage = Stage::set(quick()).await;
    let mut io = stage.connect().await;
    let get = b"\0\0\x10\x01\x05\0\0\0\x01\x82\x86\x04\x06/large\x41\x04gate";
    io.write_all(&h2(get)).await.unwrap();
    until(|| stage.seen.large.load(Ordering::SeqCst) == 1).await;
    // Reads all it is sent, but never opens the window for more.
    gone(&mut io).await;
    until(|| stage.seen.large.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_flood_does_not_lock_honest_callers_out() {
    let long = Duration::from_secs(600);
    let respite = Duration::from_millis(100);
    let limits =
        Limits { connections: 20, header: long, idle: long, body: long, respite, ..quick() };
    let stage = Stage::set(limits).await;
    let over = CancellationToken::new();
    let flood = async {
        let mut flood = Vec::new();
        for kind in six_kinds().iter().cycle().take(200) {
            let mut io = stage.connect().await;
            io.write_all(&kind.opening).await.unwrap();
            flood.push(io);
        }
        over.cancel();
        flood
    };
    let (flood, count) = tokio::join!(flood, be_honest(&stage, &over));
    assert_eq!(flood.len(), 200);
    assert!(count > 0);
}
