//! What happens when there are too many connections.

use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Stage, ask, gone, read_answer, until};
use crate::net::Limits;

const GATED: &[u8] = b"GET /gated HTTP/1.1\r\nhost: gate\r\n\r\n";

/// Two connections, both being served.
async fn two_busy(stage: &Stage) -> [TcpStream; 2] {
    let mut both = [stage.connect().await, stage.connect().await];
    for io in &mut both {
        io.write_all(GATED).await.unwrap();
    }
    until(|| stage.seen.arrived.load(Ordering::SeqCst) == 2).await;
    both
}

#[tokio::test]
async fn in_a_full_room_the_next_waits_and_nobody_is_hurt() {
    let stage = Stage::set(Limits { connections: 2, ..Limits::default() }).await;
    let [mut first, mut second] = two_busy(&stage).await;
    let mut third = stage.connect().await;
    third.write_all(GATED).await.unwrap();

    stage.seen.gate.add_permits(1);
    let one = async {
        tokio::select! {
            it = read_answer(&mut first) => it,
            it = read_answer(&mut second) => it,
        }
    };
    assert_eq!(one.await.unwrap().1, b"passed");
    // The one that is idle now makes place for the third.
    until(|| stage.seen.arrived.load(Ordering::SeqCst) == 3).await;
    stage.seen.gate.add_permits(2);
    assert_eq!(read_answer(&mut third).await.unwrap().1, b"passed");
}

#[tokio::test]
async fn a_client_with_too_many_is_refused() {
    let stage = Stage::set(Limits { per_address: 2, ..Limits::default() }).await;
    let both = two_busy(&stage).await;
    gone(&mut stage.connect().await).await;
    stage.seen.gate.add_permits(2);
    for mut io in both {
        assert_eq!(read_answer(&mut io).await.unwrap().1, b"passed");
    }
}

#[tokio::test]
async fn the_longest_idle_makes_place() {
    let stage = Stage::set(Limits { connections: 2, ..Limits::default() }).await;
    let (mut older, mut newer) = (stage.connect().await, stage.connect().await);
    ask(&mut older, "GET /hello", "").await.unwrap();
    ask(&mut newer, "GET /hello", "").await.unwrap();
    let mut third = stage.connect().await;
    ask(&mut third, "GET /hello", "").await.unwrap();
    gone(&mut older).await;
    ask(&mut newer, "GET /hello", "").await.unwrap();
}
