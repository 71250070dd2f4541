//! The client against servers that mean well and others that do not.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::fixture::{Manner, Server, json, outbound};
use super::{Answer, Ask, Documents, Failure, Keeping, Outbound, Reach, Unfit};
use crate::authz::Warrant;
use crate::clock::Clock;

#[expect(clippy::disallowed_methods, reason = "a test calls on nobody's behalf")]
async fn call(client: &Outbound, ask: Ask) -> Result<Answer, Failure> {
    client.call(&Warrant::system("test", &Clock::system()), ask).await
}

async fn get(client: &Outbound, url: &Url, reach: Reach) -> Result<Answer, Failure> {
    call(client, Ask::get(url.clone(), reach)).await
}

/// Every known way to write a URL whose host is not somebody else's public server.
#[rustfmt::skip]
const TRICKS: &[&str] = &[
    // Loopback, in the notations of IPv4 that inet_aton takes, and in digits of other scripts.
    "https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/",
    "https://0x7f000001/", "https://0X7F.1/", "https://0x7f.0.0.1/", "https://0177.0.0.1/",
    "https://017700000001/", "https://0000177.0.0.01/", "https://127.0.0.1./", "https://127.1./",
    "https://0x7f.0x0.0x0.0x1/", "https://127.00000.0x0.1/", "https://127.255.255.254/",
    "https://１２７.０.０.１/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://127%2e0%2e0%2e1/",
    "https://%31%32%37.1/", "https:\\\\127.0.0.1\\", "https:/127.0.0.1/", "https:127.0.0.1/",
    "https:///127.0.0.1/", "https:\t//127.0.0.1/", "ht\ntps://127.0.0.1/", " https://127.0.0.1/ ",
    "https://127.0.0.1:443/", "https://127.0.0.1\\@one.example/", "https://127.0.0.1#@one.example/",
    "https://127.0.0.1?@one.example/",
    // Nothing, which most systems take for themselves.
    "https://0/", "https://0.0.0.0/", "https://0x0/", "https://00000000000/", "https://[::]/",
    // The host's own name.
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/",
    "https://a.LocalHost./", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://ｌｏｃａｌｈｏｓｔ/", "https://loc\u{ad}alhost/",
    "https://localhost%2e/", "https://localhost。/", "https://gate/", "https://metadata/", "https://xn--a/",
    // Private networks.
    "https://10.0.0.1/", "https://167772161/", "https://0xa.1/", "https://012.0.0.1/",
    "https://172.16.0.1/", "https://2886729729/", "https://192.168.1.1/", "https://192.168.257/",
    "https://0xc0a80101/", "https://100.64.0.1/", "https://[fc00::1]/", "https://[fd12:3456::1]/",
    // Metadata services.
    "https://169.254.169.254/", "https://2852039166/", "https://0xa9fea9fe/", "https://0251.0376.0251.0376/",
    "https://169.254.43518/", "https://169.16689662/", "https://[::ffff:a9fe:a9fe]/",
    "https://[fd00:ec2::254]/", "https://100.100.100.200/", "https://168.63.129.16/", "https://192.0.0.192/",
    // IPv4 inside IPv6: mapped, compatible, translated, NAT64 of two kinds, 6to4, Teredo.
    "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/", "https://[::7f00:1]/", "https://[::ffff:0:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a00:1]/", "https://[64:ff9b:1::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/", "https://[2002:a9fe:a9fe::1]/", "https://[2001:0:808:808::80ff:fffe]/",
    "https://[2001::1]/",
    // Neighbours, groups, and what is for documentation, measuring, or later.
    "https://[fe80::1]/", "https://[fec0::1]/", "https://[ff02::1]/", "https://224.0.0.1/",
    "https://239.255.255.250/", "https://255.255.255.255/", "https://240.0.0.1/", "https://192.0.2.1/",
    "https://198.51.100.1/", "https://203.0.113.1/", "https://198.18.0.1/", "https://[2001:db8::1]/",
    "https://[3fff::1]/", "https://[100::1]/", "https://[5f00::1]/", "https://192.88.99.1/",
    // Credentials, and what only looks like a host.
    "https://one.example@127.0.0.1/", "https://user@one.example/", "https://user:word@one.example/",
    "https://:word@one.example/", "https://%75ser@one.example/", "https://one.example&@127.0.0.1/",
    "https://one.example./",
    // Other schemes.
    "http://one.example/", "http://8.8.8.8/", "ftp://one.example/", "file:///etc/passwd", "file://one.example/",
    "gopher://one.example/", "ws://one.example/", "wss://one.example/", "data:application/json,{}",
    "javascript:1", "unix:/run/it.sock", "blob:https://one.example/1",
];

#[test]
fn no_trick_of_spelling_reaches_anything_but_public_servers() {
    for text in TRICKS {
        // What is no URL at all is called by nobody.
        let Ok(url) = Url::parse(text) else { continue };
        assert!(Reach::Public.check(&url).is_err(), "{text} was taken for `{url}`");
    }
    // What the list means to try is mostly understood, not merely unreadable.
    let read = TRICKS.iter().filter(|it| Url::parse(it).is_ok()).count();
    assert!(read > TRICKS.len() * 9 / 10, "{read} of {}", TRICKS.len());
}

#[test]
fn public_servers_are_reached_by_name_and_address() {
    for text in [
        "https://one.example/",
        "https://one.example:8443/a?b",
        "https://xn--bcher-kva.example/",
        "https://bücher.example/",
        "https://8.8.8.8/",
        "https://134744072/",
        "https://[2606:4700::1111]/",
        "https://[64:ff9b::808:808]/",
        "https://[::ffff:8.8.8.8]/",
        "https://localhost.example/",
        "https://127.0.0.1.example/",
        "https://notlocalhost.example/",
    ] {
        assert_eq!(Reach::Public.check(&text.parse().unwrap()), Ok(()), "{text}");
    }
}

#[test]
fn what_the_operator_wrote_may_be_private_but_not_anything() {
    for (text, verdict) in [
        ("https://10.0.0.1/", Ok(())),
        ("https://keys.corp/", Ok(())),
        ("https://[fd12::1]/", Ok(())),
        ("https://localhost:9000/", Ok(())),
        ("http://localhost:9000/", Ok(())),
        ("http://127.1:9000/", Ok(())),
        ("http://[::1]:9000/", Ok(())),
        ("http://[::ffff:127.0.0.1]/", Ok(())),
        ("http://10.0.0.1/", Err(Unfit::NotHttps)),
        ("http://keys.corp/", Err(Unfit::NotHttps)),
        ("http://8.8.8.8/", Err(Unfit::NotHttps)),
        ("https://169.254.169.254/", Err(Unfit::NotPublic)),
        ("https://[fd00:ec2::254]/", Err(Unfit::NotPublic)),
        ("https://0.0.0.0/", Err(Unfit::NotPublic)),
        ("https://[ff02::1]/", Err(Unfit::NotPublic)),
        ("https://localhost./", Err(Unfit::FinalDot)),
        ("https://user@localhost/", Err(Unfit::UserInfo)),
        ("file:///etc/passwd", Err(Unfit::NotHttps)),
    ] {
        assert_eq!(Reach::Configured.check(&text.parse().unwrap()), verdict, "{text}");
    }
}

#[tokio::test]
async fn who_may_be_called_depends_on_who_named_it() {
    let server = Server::start(json("", "{}")).await;
    let url = server.url();
    let stranger = get(&outbound(&[]), &url, Reach::Public).await.unwrap_err();
    assert_eq!(
        stranger.to_string(),
        format!("`{url}` is not called: name a host with a public address")
    );
    assert_eq!(server.calls(), 0, "nobody was asked");
    assert_eq!(get(&outbound(&[]), &url, Reach::Configured).await.unwrap().body, "{}");
    assert_eq!(get(&outbound(&[&url]), &url, Reach::Public).await.unwrap().body, "{}");
    let other = Url::parse("http://127.0.0.1:1/").unwrap();
    assert!(get(&outbound(&[&other]), &url, Reach::Public).await.is_err(), "another port");
    let tls = Url::parse(&format!("https://{}/", server.address)).unwrap();
    assert!(get(&outbound(&[&tls]), &url, Reach::Public).await.is_err(), "another scheme");
    let unknown = Url::parse("https://name.invalid/").unwrap();
    let failure = get(&outbound(&[]), &unknown, Reach::Public).await.unwrap_err();
    assert_eq!(failure.to_string(), "`name.invalid` has no address that may be called");
}

#[tokio::test]
async fn a_connection_is_made_to_the_address_that_was_judged() {
    let server = Server::start(json("", "{}")).await;
    let url = format!("http://localhost:{}/", server.address.port());
    // Without the check of the URL, as when a name changes its address after it.
    let public = super::client(Reach::Public, &[]).unwrap();
    assert!(public.get(&url).send().await.unwrap_err().is_dns());
    assert_eq!(server.calls(), 0);
    let configured = super::client(Reach::Configured, &[]).unwrap();
    assert_eq!(configured.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_no_way() {
    let target = Server::start(json("", "{}")).await;
    let to = target.url();
    let location = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let server = Server::start(Manner::Says(location)).await;
    let answer = get(&outbound(&[]), &server.url(), Reach::Configured).await.unwrap();
    assert_eq!(answer.status, 302);
    assert!(matches!(answer.json::<Value>(), Err(Failure::Status { .. })));
    assert_eq!(target.calls(), 0);
}

#[tokio::test]
async fn no_answer_is_larger_or_later_than_allowed() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let large = "x".repeat(5000);
    for (what, manner) in [
        ("announced", Manner::Says(format!("{head}content-length: 5000\r\n\r\n{large}"))),
        ("unannounced", Manner::Says(format!("{head}connection: close\r\n\r\n{large}"))),
        (
            "in chunks",
            Manner::Says(format!(
                "{head}transfer-encoding: chunked\r\n\r\n1388\r\n{large}\r\n0\r\n\r\n"
            )),
        ),
        ("without end", Manner::Dribbles(format!("{head}\r\n{large}"))),
    ] {
        let server = Server::start(manner).await;
        let ask = Ask { bytes_max: 4999, ..Ask::get(server.url(), Reach::Configured) };
        let outcome = call(&outbound(&[]), ask).await;
        assert!(matches!(outcome, Err(Failure::TooLarge { .. })), "{what}: {outcome:?}");
    }
    for (what, manner) in [
        ("never", Manner::Keeps),
        ("half a head", Manner::Dribbles("HTTP/1.1 200 OK\r\nx: ".into())),
        ("half a body", Manner::Dribbles(format!("{head}content-length: 5000\r\n\r\n"))),
    ] {
        let server = Server::start(manner).await;
        let time_max = Duration::from_millis(300);
        let ask = Ask { time_max, ..Ask::get(server.url(), Reach::Configured) };
        let outcome = call(&outbound(&[]), ask).await;
        assert!(matches!(outcome, Err(Failure::TimedOut { .. })), "{what}: {outcome:?}");
    }
}

const KEEPING: Keeping = Keeping {
    task: "test",
    bytes_max: 1024,
    time_max: Duration::from_secs(5),
    fresh: Duration::from_secs(60)..=Duration::from_secs(600),
    stale_max: Duration::from_secs(3600),
    retry_after: Duration::from_secs(10),
    newer_after: Duration::from_secs(60),
    count_max: 10,
};

fn documents(clock: &Clock) -> Arc<Documents<Value>> {
    let read = |_: &Url, it: Value| if it.is_object() { Ok(it) } else { Err("no object".into()) };
    Arc::new(Documents::new(Arc::new(outbound(&[])), clock.clone(), KEEPING, read))
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_second(1_800_000_000).unwrap())
}

#[tokio::test]
async fn a_document_is_fetched_once_for_all_and_again_when_it_is_old() {
    for (header, seconds) in [
        ("", 600),
        ("cache-control: public, max-age=90\r\n", 90),
        ("cache-control: max-age=1\r\n", 60),
        ("cache-control: no-store\r\n", 60),
        ("cache-control: max-age=ages\r\n", 60),
        ("cache-control: max-age=99999\r\n", 600),
        ("cache-control: max-age=500\r\ncache-control: max-age=100\r\n", 100),
    ] {
        let (server, clock) = (Server::start(json(header, "{}")).await, clock());
        let (documents, url) = (documents(&clock), server.url());
        let many = (0..20).map(|_| documents.get(&url, Reach::Configured));
        assert!(futures_util::future::join_all(many).await.iter().all(Result::is_ok));
        clock.advance(seconds - 1);
        documents.get(&url, Reach::Configured).await.unwrap();
        assert_eq!(server.calls(), 1, "{header}");
        clock.advance(1);
        documents.get(&url, Reach::Configured).await.unwrap();
        assert_eq!(server.calls(), 2, "{header}");
    }
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_the_fetch_to_the_others() {
    let (server, clock) = (Server::start(Manner::Keeps).await, clock());
    let (documents, url) = (documents(&clock), server.url());
    let short = Duration::from_millis(50);
    for _ in 0..3 {
        assert!(tokio::time::timeout(short, documents.get(&url, Reach::Configured)).await.is_err());
    }
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn an_old_document_is_used_for_a_while_when_no_newer_one_can_be_had() {
    let (server, clock) = (Server::start(json("", r#"{"first":1}"#)).await, clock());
    let (documents, url) = (documents(&clock), server.url());
    let first = documents.get(&url, Reach::Configured).await.unwrap();
    server.becomes(json("", "[]"));
    clock.advance(600);
    let again = documents.get(&url, Reach::Configured).await.unwrap();
    assert_eq!((again, server.calls()), (first, 2));
    clock.advance(9);
    documents.get(&url, Reach::Configured).await.unwrap();
    assert_eq!(server.calls(), 2, "a failure is remembered for ten seconds");
    clock.advance(3600 - 609 - 1);
    documents.get(&url, Reach::Configured).await.unwrap();
    assert_eq!(server.calls(), 3);
    clock.advance(1);
    for _ in 0..2 {
        let failure = documents.get(&url, Reach::Configured).await.unwrap_err();
        assert_eq!(failure.to_string(), format!("`{url}` does not hold what it should: no object"));
    }
    assert_eq!(server.calls(), 3);
    clock.advance(10);
    server.becomes(json("", r#"{"second":2}"#));
    let second = documents.get(&url, Reach::Configured).await.unwrap();
    assert_eq!(second["second"], 2);
}

#[tokio::test]
async fn a_newer_document_is_asked_for_once_a_minute() {
    let (server, clock) = (Server::start(json("", r#"{"first":1}"#)).await, clock());
    let (documents, url) = (documents(&clock), server.url());
    documents.get(&url, Reach::Configured).await.unwrap();
    server.becomes(json("", r#"{"second":2}"#));
    let newer = (0..20).map(|_| documents.get_newer(&url, Reach::Configured));
    for it in futures_util::future::join_all(newer).await {
        assert_eq!(it.unwrap()["second"], 2);
    }
    assert_eq!(server.calls(), 2);
    clock.advance(59);
    documents.get_newer(&url, Reach::Configured).await.unwrap();
    assert_eq!(server.calls(), 2);
    clock.advance(1);
    server.becomes(Manner::Says("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".into()));
    let kept = documents.get_newer(&url, Reach::Configured).await.unwrap();
    assert_eq!(
        (kept["second"].as_u64(), server.calls()),
        (Some(2), 3),
        "what is kept is better than none"
    );
}
