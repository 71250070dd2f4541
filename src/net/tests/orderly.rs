//! What honest callers see: answers, panics, lateness, the end of the server.

use std::io;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use warp::Filter;

use super::{LARGE, SOON, Stage, ask, gone, read_answer, until};
use crate::net::body::Late;
use crate::net::listener::accept;
use crate::net::{Limits, Peer, bind, serve};

#[tokio::test]
async fn a_connection_serves_many_requests_and_names_the_peer() {
    let stage = Stage::set(Limits::default()).await;
    let mut io = stage.connect().await;
    for word in ["one", "two"] {
        let (_, content) = ask(&mut io, "POST /echo", word).await.unwrap();
        assert_eq!(content, word.as_bytes());
    }
    let (_, content) = ask(&mut io, "GET /peer", "").await.unwrap();
    let peer = Peer { addr: io.local_addr().unwrap(), tls: false };
    assert_eq!(content, format!("{peer:?}").as_bytes());
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let stage = Stage::set(Limits::default()).await;
    let mut io = stage.connect().await;
    let (_, content) = ask(&mut io, "GET /large", "").await.unwrap();
    assert_eq!(content.len(), LARGE);
    let (_, content) = ask(&mut io, "GET /hello", "").await.unwrap();
    assert_eq!(content, b"hello");
}

#[tokio::test]
async fn a_slow_handler_and_a_stream_of_events_outlive_all_deadlines() {
    let short = Duration::from_millis(100);
    let limits =
        Limits { header: short, body: short, idle: short, reply: short, ..Limits::default() };
    let stage = Stage::set(limits).await;
    let (mut events, mut slow) = (stage.connect().await, stage.connect().await);
    slow.write_all(b"GET /gated HTTP/1.1\r\nhost: gate\r\n\r\n").await.unwrap();
    events.write_all(b"GET /events HTTP/1.1\r\nhost: gate\r\n\r\n").await.unwrap();
    let mut read = vec![0; 500]; // more than twenty ticks of 50 ms
    timeout(SOON, events.read_exact(&mut read)).await.unwrap().unwrap();
    stage.seen.gate.add_permits(1);
    let (_, content) = read_answer(&mut slow).await.unwrap();
    assert_eq!(content, b"passed");
}

#[tokio::test]
async fn a_late_body_is_told_so_and_the_connection_ends() {
    let limits = Limits { body: Duration::from_millis(200), ..Limits::default() };
    let stage = Stage::set(limits).await;
    let mut io = stage.connect().await;
    io.write_all(b"POST /echo HTTP/1.1\r\nhost: gate\r\ncontent-length: 9\r\n\r\nhalf")
        .await
        .unwrap();
    let (head, _) = timeout(SOON, read_answer(&mut io)).await.unwrap().unwrap();
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    gone(&mut io).await;
}

#[tokio::test]
async fn warp_serves_and_passes_lateness_on() {
    async fn answer(
        body: impl futures_util::Stream<Item = Result<impl warp::Buf, warp::Error>>,
    ) -> String {
        let mut body = std::pin::pin!(body);
        loop {
            match futures_util::StreamExt::next(&mut body).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return format!("late: {}", Late::caused(&error)),
                None => return "whole".to_owned(),
            }
        }
    }
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let service = warp::service(warp::body::stream().then(answer));
    let limits = Limits { body: Duration::from_millis(200), ..Limits::default() };
    tokio::spawn(serve(listener, None, limits, service, Default::default()));
    let mut io = TcpStream::connect(addr).await.unwrap();
    assert_eq!(ask(&mut io, "POST /", "all of it").await.unwrap().1, b"whole");
    io.write_all(b"POST / HTTP/1.1\r\nhost: gate\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    assert_eq!(read_answer(&mut io).await.unwrap().1, b"late: true");
}

#[tokio::test]
async fn a_panic_is_a_counted_500_and_the_connection_lives_on() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let told = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let stage = Stage::set(Limits::default()).await;
    let mut io = stage.connect().await;
    let (head, content) = ask(&mut io, "GET /panic", "").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(head.contains("content-type: application/problem+json\r\n"), "{head}");
    let problem: serde_json::Value = serde_json::from_slice(&content).unwrap();
    assert_eq!(problem["type"], "/problems/internal");
    assert_eq!(problem["status"], 500);
    assert_eq!(ask(&mut io, "GET /hello", "").await.unwrap().1, b"hello");
    assert!(told.render().contains("gatewright_panics_total 1\n"), "{}", told.render());
}

#[tokio::test]
async fn too_long_a_header_is_refused() {
    let stage = Stage::set(Limits::default()).await;
    let mut io = stage.connect().await;
    let head = format!("GET /hello HTTP/1.1\r\nhost: gate\r\nx: {}", "x".repeat(100_000));
    let _: io::Result<()> = io.write_all(head.as_bytes()).await;
    let mut answer = [0; 13];
    io.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431 ");
}

#[tokio::test]
async fn shutdown_refuses_the_new_ends_the_idle_and_finishes_the_rest() {
    let stage = Stage::set(Limits::default()).await;
    let (mut idle, mut silent, mut busy) =
        (stage.connect().await, stage.connect().await, stage.connect().await);
    ask(&mut idle, "GET /hello", "").await.unwrap();
    busy.write_all(b"GET /gated HTTP/1.1\r\nhost: gate\r\n\r\n").await.unwrap();
    until(|| stage.seen.arrived.load(Ordering::SeqCst) == 1).await;

    stage.shutdown.cancel();
    gone(&mut idle).await;
    gone(&mut silent).await;
    while let Ok(mut late) = TcpStream::connect(stage.addr).await {
        gone(&mut late).await;
    }
    assert!(!stage.served.is_finished());

    stage.seen.gate.add_permits(1);
    let (head, content) = read_answer(&mut busy).await.unwrap();
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!(content, b"passed");
    gone(&mut busy).await;
    timeout(SOON, stage.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_drain_is_bounded() {
    let drain = Duration::from_millis(200);
    let stage = Stage::set(Limits { drain, ..Limits::default() }).await;
    let mut busy = stage.connect().await;
    busy.write_all(b"GET /gated HTTP/1.1\r\nhost: gate\r\n\r\n").await.unwrap();
    until(|| stage.seen.arrived.load(Ordering::SeqCst) == 1).await;
    stage.shutdown.cancel();
    timeout(SOON, stage.served).await.unwrap().unwrap();
    gone(&mut busy).await;
}

#[tokio::test]
async fn accepting_outlives_its_errors() {
    const EMFILE: i32 = 24;
    let mut errors = vec![
        io::Error::from_raw_os_error(EMFILE),
        io::ErrorKind::ConnectionAborted.into(),
        io::Error::from_raw_os_error(EMFILE),
    ];
    let arrival = accept(|_| Poll::Ready(errors.pop().map_or(Ok("caller"), Err))).await;
    assert_eq!(arrival, "caller");
    assert!(errors.is_empty());
}
