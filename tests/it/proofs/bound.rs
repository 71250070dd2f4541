//! DPoP (RFC 9449): a token that is bound to a key is good in the hands of whoever has the key.

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{ME, assert_refused, id, machine, none};
use crate::harness::browser::query;
use crate::harness::client::{CALLBACK, Client, VERIFIER};
use crate::harness::holder::{by_assertion, now, with_proof};
use crate::harness::{Answer, Browser, Caller, Gate, Holder, send};

/// A refusal of a bound token (RFC 9449 section 7.1).
#[track_caller]
fn assert_no_holder(answer: &Answer, error: &str, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    answer.problem(401, "unauthenticated");
    let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    let expected = format!("DPoP realm=\"gatewright\", error=\"{error}\", algs=\"ES256 EdDSA");
    assert!(challenge.starts_with(&expected), "{what}: {challenge}");
}

/// Asks for a token by the secret, with these proofs.
async fn ask(gate: &Gate, registered: &Value, proofs: &[String]) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id(registered)),
        ("client_secret", registered["client_secret"].as_str().unwrap()),
    ];
    let mut request = gate.anyone().request(Method::POST, "/oauth/token").form(&form);
    for proof in proofs {
        request = request.header("dpop", proof);
    }
    send(request).await
}

/// A token that is bound to the holder's key.
async fn bound(gate: &Gate, registered: &Value, holder: &Holder) -> String {
    let proof = holder.proof("POST", &format!("{}/oauth/token", gate.url), None, &none());
    let answer = ask(gate, registered, &[proof]).await.expect(200);
    assert_eq!(answer["token_type"], "DPoP");
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_bound_token_is_useless_without_its_key() {
    let gate = Gate::start();
    let (registered, unbound) = gate.agent("robot", "agent").await;
    let (holder, thief) = (Holder::p256(), Holder::p256());
    let token = bound(&gate, &registered, &holder).await;
    let url = format!("{}{ME}", gate.url);
    let with =
        async |proof: &str| send(with_proof(&gate.anyone(), Method::GET, ME, &token, proof)).await;
    let me = send(holder.request(&gate, Method::GET, ME, &token)).await.expect(200);
    assert_eq!(me["name"], "robot");

    let stolen = Caller::new(&gate.url, Some(&token)).get(ME).await;
    assert_no_holder(&stolen, "invalid_token", "as a bearer token");
    let bare =
        gate.anyone().request(Method::GET, ME).header("authorization", format!("DPoP {token}"));
    assert_no_holder(&send(bare).await, "invalid_token", "without a proof");
    let proof = thief.proof("GET", &url, Some(&token), &none());
    assert_no_holder(&with(&proof).await, "invalid_token", "with another key");
    let unbound = unbound.token.unwrap();
    let request = holder.request(&gate, Method::GET, ME, &unbound);
    assert_no_holder(&send(request).await, "invalid_token", "a token that is not bound");

    let but = |change: Value| holder.proof("GET", &url, Some(&token), &change);
    let seen = but(none());
    with(&seen).await.expect(200);
    for (what, proof) in [
        ("a replay", seen),
        ("another method", but(json!({ "htm": "POST" }))),
        ("another path", but(json!({ "htu": format!("{}/api/v1/tools", gate.url) }))),
        ("another server", but(json!({ "htu": format!("https://evil.example{ME}") }))),
        ("another token", holder.proof("GET", &url, Some(&unbound), &none())),
        ("no token", holder.proof("GET", &url, None, &none())),
        ("stale", but(json!({ "iat": now() - 120 }))),
        ("of the future", but(json!({ "iat": now() + 120 }))),
        ("no id", but(json!({ "jti": null }))),
        ("oversized", but(json!({ "pad": "x".repeat(4096) }))),
        ("no proof at all", "eyJ".to_owned()),
        ("an access token", token.clone()),
    ] {
        assert_no_holder(&with(&proof).await, "invalid_dpop_proof", what);
    }
    let two = with_proof(&gate.anyone(), Method::GET, ME, &token, &but(none()));
    let two = send(two.header("dpop", but(none()))).await;
    assert_no_holder(&two, "invalid_dpop_proof", "two proofs");
    assert!(two.text.contains("not several"), "{}", two.text);
}

#[tokio::test]
async fn the_proof_is_for_the_request_as_it_was_sent() {
    let gate = Gate::start();
    let (registered, _) = gate.agent("robot", "agent").await;
    let holder = Holder::ed25519(1);
    let token = bound(&gate, &registered, &holder).await;
    let send_to = async |method: Method, path: &str, htm: &str, htu: &str| {
        let proof = holder.proof(htm, &format!("{}{htu}", gate.url), Some(&token), &none());
        send(with_proof(&gate.anyone(), method, path, &token, &proof)).await
    };
    let agent = format!("/api/v1/agents/{}", id(&registered));
    let escaped = agent.replace('-', "%2d");
    for (method, path, htm, htu, status) in [
        (Method::HEAD, ME, "HEAD", ME, 200),
        (Method::HEAD, ME, "GET", ME, 401),
        (Method::GET, "/api/v1/tools?page_size=5", "GET", "/api/v1/tools", 200),
        (Method::GET, "/api/v1/tools", "GET", "/api/v1/tools?page_size=5#top", 200),
        (Method::GET, "/api/v1/tools?page_size=5", "GET", "/api/v1/users", 401),
        (Method::GET, &escaped, "GET", &agent, 200),
        (Method::GET, &agent, "GET", "/api/v1/agents/another", 401),
        (Method::POST, "/api/v1/auth/logout", "POST", "/api/v1/auth/logout", 204),
        (Method::GET, ME, "GET", ME, 401),
    ] {
        let answer = send_to(method.clone(), path, htm, htu).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_a_token_is_bound_to_is_proven_when_it_is_asked_for() {
    let gate = Gate::start();
    let holder = Holder::ed25519(1);
    let registered = machine(&gate, "robot", &holder).await;
    let url = format!("{}/oauth/token", gate.url);
    let but = |change: Value| holder.proof("POST", &url, None, &change);
    let seen = but(none());
    ask(&gate, &registered, std::slice::from_ref(&seen)).await.expect(200);
    for (what, proofs) in [
        ("a replay", vec![seen]),
        ("two", vec![but(none()), but(none())]),
        ("another method", vec![but(json!({ "htm": "GET" }))]),
        ("another URL", vec![but(json!({ "htu": gate.url }))]),
        ("stale", vec![but(json!({ "iat": now() - 61 }))]),
        ("none", vec!["none".to_owned()]),
    ] {
        let answer = ask(&gate, &registered, &proofs).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        assert_refused(&answer, 400, "invalid_dpop_proof");
    }

    let strange = ask(&gate, &registered, &[but(json!({ "nonce": "of another server" }))]).await;
    assert_refused(&strange, 400, "use_dpop_nonce");
    let nonce = strange.headers["dpop-nonce"].to_str().unwrap();
    ask(&gate, &registered, &[but(json!({ "nonce": nonce }))]).await.expect(200);

    // An assertion proves who asks, a proof which key the token is for: they need not be the same.
    let key = Holder::p256();
    let assertion = holder.assertion(&gate.url, id(&registered), "one", &none());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", crate::harness::holder::ASSERTION_TYPE),
        ("client_assertion", &*assertion),
    ];
    let request = gate.anyone().request(Method::POST, "/oauth/token").form(&form);
    let proof = key.proof("POST", &url, None, &none());
    let answer = send(request.header("dpop", proof)).await.expect(200);
    let token = answer["access_token"].as_str().unwrap();
    let me = send(key.request(&gate, Method::GET, ME, token)).await.expect(200);
    assert_eq!(me["session"]["assurance_level"], 2);
    let answer = send(holder.request(&gate, Method::GET, ME, token)).await;
    assert_no_holder(&answer, "invalid_token", "the key that signed the assertion");
    // What asks without a proof is not bound.
    let assertion = holder.assertion(&gate.url, id(&registered), "one", &none());
    let answer = by_assertion(&gate, &assertion, &[]).await.expect(200);
    assert_eq!(answer["token_type"], "Bearer");
}

#[tokio::test]
async fn of_many_uses_of_a_proof_at_once_one_succeeds() {
    let gate = Gate::start();
    let (registered, _) = gate.agent("robot", "agent").await;
    let holder = Holder::ed25519(1);
    let token = bound(&gate, &registered, &holder).await;
    let url = format!("{}{ME}", gate.url);
    for _ in 0..20 {
        let proof = holder.proof("GET", &url, Some(&token), &none());
        let uses =
            (0..8).map(|_| send(with_proof(&gate.anyone(), Method::GET, ME, &token, &proof)));
        let answers = futures_util::future::join_all(uses).await;
        assert_eq!(answers.iter().filter(|it| it.status == 200).count(), 1);
    }
}

#[tokio::test]
async fn the_refresh_tokens_of_a_public_client_are_bound_as_well() {
    let gate = Gate::start();
    let (client, holder, thief) = (Client::public(&gate).await, Holder::p256(), Holder::p256());
    let sent = query(&Browser::at(&gate).allow(&client.asks(&[])).await)["code"].clone();
    let url = format!("{}/oauth/token", gate.url);
    let ask = async |form: &[(&str, &str)], by: Option<&Holder>| {
        let form = [&[("client_id", client.id.as_str())], form].concat();
        let request = gate.anyone().request(Method::POST, "/oauth/token").form(&form);
        let proof = by.map(|it| it.proof("POST", &url, None, &none()));
        send(proof.into_iter().fold(request, |it, proof| it.header("dpop", proof))).await
    };
    let code = [
        ("grant_type", "authorization_code"),
        ("code", &*sent),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let tokens = ask(&code, Some(&holder)).await.expect(200);
    assert_eq!(tokens["token_type"], "DPoP");
    let access = tokens["access_token"].as_str().unwrap();
    send(holder.request(&gate, Method::GET, ME, access)).await.expect(200);
    let stolen = Caller::new(&gate.url, Some(access)).get(ME).await;
    assert_no_holder(&stolen, "invalid_token", "as a bearer token");

    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    assert_refused(&ask(&form, None).await, 400, "invalid_grant");
    assert_refused(&ask(&form, Some(&thief)).await, 400, "invalid_grant");
    let body = json!({ "refresh_token": refresh });
    let ours = gate.anyone().post("/api/v1/auth/refresh", &body).await;
    ours.problem(401, "unauthenticated");
    let next = ask(&form, Some(&holder)).await.expect(200);
    assert_eq!(next["token_type"], "DPoP");
    let access = next["access_token"].as_str().unwrap();
    send(holder.request(&gate, Method::GET, ME, access)).await.expect(200);
    // Used again, it ends the session: for whoever has the key, too.
    assert_refused(&ask(&form, Some(&holder)).await, 400, "invalid_grant");
    let ended = send(holder.request(&gate, Method::GET, ME, access)).await;
    assert_eq!(ended.status, 401);
}
