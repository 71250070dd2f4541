//! The whole way in a real browser, which holds our pages' content policy against every hop.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::harness::address::by_address;
use crate::harness::chromium::{Chromium, ORIGIN};
use crate::harness::client::Client;
use crate::harness::{ADMIN, PASSWORD, Setup};

/// A client's own server: it sends whoever comes back on to another origin, as many do.
fn client_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = answer(stream.unwrap(), port);
        }
    });
    port
}

fn answer(mut stream: TcpStream, port: u16) -> std::io::Result<()> {
    let mut head = [0; 4096];
    let read = stream.read(&mut head)?;
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    let referred = head.to_lowercase().contains("\r\nreferer:");
    let answer = match target.split_once('?') {
        Some(("/callback", query)) => {
            let to = format!("http://localhost:{port}/landed?{query}&referred={referred}");
            format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n")
        }
        _ => {
            let body = format!("<p id=landed>{}</p>", target.replace('&', "&amp;"));
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
    };
    let end = if answer.contains("\r\n\r\n") { "" } else { "\r\n" };
    stream.write_all(format!("{answer}{end}").as_bytes())
}

#[tokio::test]
async fn chromium_goes_from_the_client_to_the_client_and_nothing_stands_in_the_way() {
    let mut gate = Setup::new().with("public_url", ORIGIN).start();
    by_address(&mut gate);
    let callback = format!("http://127.0.0.1:{}/callback", client_server());
    let change = json!({
        "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none",
    });
    let client = Client::register(&gate, &change).await;
    let asks = client.asks(&[("redirect_uri", &callback)]);
    let mut window = Chromium::open(&gate);
    assert_eq!(window.go(&asks), 200);
    window.fill("#username", ADMIN);
    window.fill("#password", "wrong");
    window.click("button[type=submit]");
    window.wait("#fault");
    window.fill("#password", PASSWORD);
    window.click("button[type=submit]");
    window.wait("fieldset");
    assert_eq!(window.texts("h1"), ["Allow An app?"]);
    assert_eq!(window.texts(".choice code"), ["read:profile", "read:public"]);
    window.click("label[for=scope-0]");
    window.click("button[value=allow]");
    window.wait("#landed");
    let landed = window.texts("#landed").remove(0);
    assert!(landed.contains("code=gwo_") && landed.contains("referred=false"), "{landed}");
    let code = landed.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let tokens = client.redeem(code, &[("redirect_uri", &callback)]).await.expect(200);
    assert_eq!(tokens["scope"], "read:public", "the other box was unticked");

    window.go("/oauth/account");
    assert_eq!(window.texts("h1"), ["Signed in"]);
    window.click("form[action='/oauth/sign-out'] button");
    window.wait("#username");
    let complaints = window.complaints();
    // Wrong passwords are answered with a 403, which Chromium tells of.
    assert!(complaints.iter().all(|it| it.contains("403")), "{complaints:?}");
}
