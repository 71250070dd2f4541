//! The commands as they are typed, with their answers and exit codes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::credentials::fixture::{DIGEST, ISSUER, NOW, RING, document, draft, later, token};
use crate::credentials::keys::KeyRing;
use crate::credentials::verify::feed::{Page, SignedPage};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: TokenCommand,
}

/// What a command line answers at the fixture's noon, and its exit code.
async fn try_run(words: &[&str]) -> anyhow::Result<(u8, String)> {
    let line = Line::try_parse_from([&["token"], words].concat())?;
    let mut out = Vec::new();
    let code = answer(line.command, &Clock::manual(*NOW), &mut out).await?;
    Ok((code, String::from_utf8(out)?))
}

async fn run(words: &[&str]) -> (u8, String) {
    try_run(words).await.unwrap()
}

/// `verify` with the issuer's key, as JSON.
async fn verify(token: &str, more: &[&str]) -> (u8, Value) {
    let key = format!("--root-key={}", RING.active().public_key());
    verify_with(token, &[&[key.as_str()], more].concat()).await
}

async fn verify_with(token: &str, more: &[&str]) -> (u8, Value) {
    let fixed = ["verify", token, "--tool=translate", "--scope=read", "--output=json"];
    let (code, text) = run(&[&fixed, more].concat()).await;
    (code, serde_json::from_str(&text).unwrap())
}

fn page(credential_ids: &[&str], issued_at: Timestamp) -> SignedPage {
    let page = Page {
        since: String::new(),
        cursor: "7".to_owned(),
        credential_ids: credential_ids.iter().map(|it| (*it).to_owned()).collect(),
        revocation_ids: Vec::new(),
        issued_at,
        more: false,
    };
    RING.active().sign(page, ISSUER).unwrap()
}

fn file(folder: &Path, option: &str, content: &impl serde::Serialize) -> String {
    let path = folder.join(option);
    fs::write(&path, serde_json::to_vec(content).unwrap()).unwrap();
    format!("--{option}={}", path.display())
}

/// Answers every request with `head` and `body`, until the test ends.
async fn serve(head: &'static str, body: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        }
    });
    address
}

#[tokio::test]
async fn inspect_says_that_nothing_is_verified() {
    let token = token(&draft());
    let (code, text) = run(&["inspect", &token]).await;
    assert_eq!(code, DONE);
    assert!(text.starts_with("not verified"));
    assert!(text.contains(r#"right("translate", "read");"#));
    let (_, json) = run(&["inspect", &token, "--output", "json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["verified"], &json["root_key_id"]), (&json!(false), &json!(1)));
    assert!(try_run(&["inspect", "nonsense"]).await.is_err());
}

#[tokio::test]
async fn verify_admits_and_denies() {
    let token = token(&draft());
    let (code, answer) = verify(&token, &["--tool-digest", DIGEST]).await;
    assert_eq!(
        (code, &answer["valid"], &answer["scopes"]),
        (DONE, &json!(true), &json!(["read", "translate"]))
    );
    assert_eq!(answer["expires_at"], json!(later(900)));
    assert_eq!(answer["feed_age_seconds"], Value::Null);

    for (more, reason) in [
        (["--tool-digest", "sha256:0"], "digest"),
        (["--issuer", "https://other.example"], "issuer"),
    ] {
        let (code, answer) = verify(&token, &more).await;
        assert_eq!(
            (code, &answer["valid"], &answer["reason"]),
            (DENIED, &json!(false), &json!(reason))
        );
        assert_eq!(answer["credential_id"], "0199-credential");
    }
    let (code, answer) = verify("x", &[]).await;
    assert_eq!((code, &answer["reason"]), (DENIED, &json!("malformed")));
    let (code, answer) = verify(&"A".repeat(20_000), &[]).await;
    assert_eq!((code, &answer["reason"]), (FAILED, &json!("limits")));
}

#[tokio::test]
async fn verify_says_in_words_what_it_did_not_check() {
    let token = token(&draft());
    let key = format!("{}#1", RING.active().public_key());
    let words = ["verify", &token, "--root-key", &key, "--tool=translate", "--scope"];
    let (code, text) = run(&[&words[..], &["read"]].concat()).await;
    assert_eq!(code, DONE);
    assert!(text.contains("expires     2026-11-21T22:15:00Z (in 900 s)"), "{text}");
    assert!(text.contains("not checked"), "{text}");
    let (code, text) = run(&[&words[..], &["admin"]].concat()).await;
    assert_eq!(
        (code, text.as_str()),
        (DENIED, "refused: scope: the credential does not grant `admin`\n")
    );
    let key = key.replace("#1", "#2");
    let words = ["verify", &token, "--root-key", &key, "--tool=translate", "--scope=read"];
    assert_eq!(run(&words).await.0, DENIED);
}

#[tokio::test]
async fn attenuate_narrows_what_verify_then_admits() {
    let token = token(&draft());
    let narrowing = ["--scope=read", "--ttl-seconds=60", "--argument=amount<=500", "--holder=key"];
    let (code, narrowed) = run(&[&["attenuate", &token], &narrowing[..]].concat()).await;
    assert_eq!(code, DONE);
    let narrowed = narrowed.trim();
    let (code, answer) = verify(narrowed, &["--argument=amount=400", "--holder=key"]).await;
    assert_eq!(
        (code, &answer["scopes"], &answer["expires_at"]),
        (DONE, &json!(["read"]), &json!(later(60)))
    );
    for (more, reason) in [
        (&["--argument=amount=501", "--holder=key"][..], "argument"),
        (&["--argument=amount=400"][..], "holder"),
        (&["--argument=amount=400", "--holder=key", "--scope=translate"][..], ""),
    ] {
        if reason.is_empty() {
            let key = format!("--root-key={}", RING.active().public_key());
            let words = [&["verify", narrowed, &key, "--tool=translate"], more].concat();
            assert!(run(&words).await.1.starts_with("refused: scope"));
        } else {
            assert_eq!(verify(narrowed, more).await.1["reason"], reason);
        }
    }
    let words = ["attenuate", &token, "--expires-at=2026-11-21T22:00:01Z", "--output=json"];
    let answer: Value = serde_json::from_str(&run(&words).await.1).unwrap();
    assert_eq!((&answer["blocks"], &answer["expires_at"]), (&json!(2), &json!(later(1))));
    assert_eq!(run(&["attenuate", &token]).await.0, USAGE);
    let with_key =
        async |key: &str| run(&["attenuate", &token, "--scope=read", "--root-key", key]).await.0;
    assert_eq!(with_key(&RING.active().public_key()).await, DONE);
    assert_eq!(with_key(&KeyRing::generate(*NOW).active().public_key()).await, DENIED);
    assert!(try_run(&["attenuate", &token, "--scope=admin"]).await.is_err());
}

#[tokio::test]
async fn files_hold_keys_and_revocations() {
    let (folder, token) = (tempfile::tempdir().unwrap(), token(&draft()));
    let keys = file(folder.path(), "keys-file", &document());
    let feed = |page| file(folder.path(), "feed-file", &page);

    let clean = feed(json!(page(&[], later(-30))));
    let (code, answer) = verify_with(&token, &[&keys, &clean]).await;
    assert_eq!((code, &answer["feed_age_seconds"]), (DONE, &json!(30)));
    let (code, answer) = verify_with(&token, &[&keys, &clean, "--max-feed-age=29"]).await;
    assert_eq!((code, &answer["reason"]), (DENIED, &json!("feed_stale")));

    let revoked = feed(json!([page(&["0199-credential"], *NOW)]));
    let (code, answer) = verify_with(&token, &[&keys, &revoked]).await;
    assert_eq!((code, &answer["reason"]), (DENIED, &json!("revoked")));

    let mut forged = page(&["0199-credential"], *NOW);
    forged.page.credential_ids.clear();
    let forged = feed(json!(forged));
    let words = ["verify", &token, "--tool=translate", "--scope=read", &keys, &forged];
    assert!(try_run(&words).await.is_err());
}

#[tokio::test]
async fn urls_are_asked_when_they_are_named() {
    let token = token(&draft());
    let keys = serve("200 OK", serde_json::to_vec(&document()).unwrap()).await;
    let feed = serve("200 OK", serde_json::to_vec(&page(&[], *NOW)).unwrap()).await;
    let (keys, feed) = (format!("--keys-url=http://{keys}/"), format!("--feed-url=http://{feed}/"));
    let (code, answer) = verify_with(&token, &[&keys, &feed]).await;
    assert_eq!((code, &answer["feed_age_seconds"]), (DONE, &json!(0)));
}

#[tokio::test]
async fn an_url_that_does_not_help_admits_nothing() {
    let token = token(&draft());
    let ask = async |address: SocketAddr| {
        let keys = format!("--keys-url=http://{address}/");
        try_run(&["verify", &token, "--tool=translate", "--scope=read", &keys]).await
    };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(ask(closed).await.unwrap().0, UNREACHABLE);
    let good = serde_json::to_vec(&document()).unwrap();
    for (head, body) in [
        ("404 Not Found", good.clone()),
        ("302 Found\r\nlocation: https://example.com/", good),
        ("200 OK", b"{}".to_vec()),
        ("200 OK", vec![b' '; 9 * 1024 * 1024]),
    ] {
        assert!(ask(serve(head, body).await).await.is_err(), "{head}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_the_parser() {
    for more in [
        &[][..],
        &["--root-key=00"],
        &["--root-key=zz", "--keys-file=f"],
        &["--keys-url=http://example.com/"],
        &["--keys-url=ftp://127.0.0.1/"],
        &["--keys-file=f", "--feed-file=f", "--feed-url=https://example.com/"],
        &["--keys-file=f", "--argument=amount"],
    ] {
        let words = [&["verify", "x", "--tool=t", "--scope=s"], more].concat();
        assert!(try_run(&words).await.unwrap_err().is::<clap::Error>(), "{more:?}");
    }
}
