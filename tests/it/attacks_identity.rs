//! Attacks on the proof of who is asking: forged, nested and misplaced JWTs, at every door that
//! takes one.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use gatewright::keys;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::holder::{by_assertion, fresh_id, merged, now, with_proof};
use crate::harness::{Answer, Caller, Gate, Holder, samples, send};

const ME: &str = "/api/v1/auth/me";
const TOKEN: &str = "/oauth/token";

/// Where a JWT is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    AccessToken,
    /// A DPoP proof with a bound token.
    ProofOfUse,
    /// A DPoP proof with a request for a token.
    ProofOfBinding,
    Assertion,
}

const DOORS: [Door; 4] =
    [Door::AccessToken, Door::ProofOfUse, Door::ProofOfBinding, Door::Assertion];
/// Where the JWT is made by whoever shows it, who may put anything into it.
const OPEN_DOORS: [Door; 3] = [Door::ProofOfUse, Door::ProofOfBinding, Door::Assertion];

/// A server, a machine that is known there, and the keys that its JWTs are signed with.
struct Scene {
    gate: Gate,
    registered: Value,
    machine: Holder,
    /// The key of the server's own tokens.
    server: Holder,
    /// What the server signed for the machine: an access token.
    issued: String,
    /// Another, which is bound to the machine's key.
    bound: String,
}

impl Scene {
    async fn new() -> Scene {
        let gate = Gate::start();
        let machine = Holder::ed25519(1);
        let body = json!({ "name": "robot", "role": "agent", "jwks": machine.jwks("one") });
        let admin = gate.admin().await;
        let registered = admin.post("/api/v1/register/machine", &body).await.expect(201);
        let server = keys::load_or_create(&gate.folder.path().join("access.key")).unwrap();
        let issued = gate.machine(&registered).await.token.unwrap();
        let server = Holder::of(&server);
        let bound = String::new();
        let mut scene = Scene { gate, registered, machine, server, issued, bound };
        let (header, claims) = scene.honest(Door::ProofOfBinding);
        let answer = scene.knock(Door::ProofOfBinding, &scene.machine.sign(&header, &claims)).await;
        scene.bound = answer.expect(200)["access_token"].as_str().unwrap().to_owned();
        scene
    }

    fn client(&self) -> &str {
        self.registered["client_id"].as_str().unwrap()
    }

    /// Header and claims of a JWT that is good at this door, once.
    fn honest(&self, door: Door) -> (Value, Value) {
        let proof = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.machine.jwk });
        match door {
            Door::AccessToken => (part(&self.issued, 0), part(&self.issued, 1)),
            Door::ProofOfUse => {
                let text = self.machine.proof("GET", &self.url(ME), Some(&self.bound), &json!({}));
                (proof, part(&text, 1))
            }
            Door::ProofOfBinding => {
                let text = self.machine.proof("POST", &self.url(TOKEN), None, &json!({}));
                (proof, part(&text, 1))
            }
            Door::Assertion => {
                let claims = json!({
                    "iss": self.client(), "sub": self.client(), "aud": self.gate.url,
                    "jti": fresh_id(), "iat": now(), "exp": now() + 60,
                });
                (json!({ "alg": "EdDSA", "kid": "one" }), claims)
            }
        }
    }

    /// Whose signature counts there.
    fn signer(&self, door: Door) -> &Holder {
        if door == Door::AccessToken { &self.server } else { &self.machine }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gate.url)
    }

    async fn knock(&self, door: Door, jwt: &str) -> Answer {
        let anyone = self.gate.anyone();
        match door {
            Door::AccessToken => Caller::new(&self.gate.url, Some(jwt)).get(ME).await,
            Door::ProofOfUse => send(with_proof(&anyone, Method::GET, ME, &self.bound, jwt)).await,
            Door::ProofOfBinding => {
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", self.client()),
                    ("client_secret", self.registered["client_secret"].as_str().unwrap()),
                ];
                let request = anyone.request(Method::POST, TOKEN).form(&form);
                send(request.header("dpop", jwt)).await
            }
            Door::Assertion => by_assertion(&self.gate, jwt, &[]).await,
        }
    }

    /// Shows it, and expects to be refused for what it is.
    async fn refused(&self, door: Door, what: &str, jwt: &str) {
        let answer = self.knock(door, jwt).await;
        let (status, reason) = match door {
            Door::AccessToken => (401, "error=\"invalid_token\""),
            Door::ProofOfUse => (401, "error=\"invalid_dpop_proof\""),
            Door::ProofOfBinding => (400, "\"invalid_dpop_proof\""),
            Door::Assertion => (401, "\"invalid_client\""),
        };
        assert_eq!(answer.status.as_u16(), status, "{door:?}, {what}: {}", answer.text);
        let challenge = answer.headers.get(header::WWW_AUTHENTICATE);
        let said = match door {
            Door::AccessToken | Door::ProofOfUse => challenge.unwrap().to_str().unwrap(),
            Door::ProofOfBinding | Door::Assertion => &answer.text,
        };
        assert!(said.contains(reason), "{door:?}, {what}: {said}");
    }

    /// Shows an honest one, which shows that what was refused was refused for what was wrong with it.
    async fn still_opens(&self, door: Door) {
        let (header, claims) = self.honest(door);
        self.knock(door, &self.signer(door).sign(&header, &claims)).await.expect(200);
    }
}

/// A part of a JWT.
fn part(jwt: &str, index: usize) -> Value {
    let text = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64.decode(text).unwrap()).unwrap()
}

/// With this signature, whatever it is.
fn signed_by(header: &Value, claims: &Value, signature: impl FnOnce(&str) -> String) -> String {
    let body = BASE64.encode(claims.to_string());
    let message = format!("{}.{body}", BASE64.encode(header.to_string()));
    let signature = signature(&message);
    format!("{message}.{signature}")
}

#[tokio::test]
async fn no_door_takes_another_algorithm_than_that_of_the_key() {
    let scene = Scene::new().await;
    for door in DOORS {
        let signer = scene.signer(door);
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let (header, claims) = scene.honest(door);
            let header = merged(&header, &json!({ "alg": alg }));
            let unsigned = signed_by(&header, &claims, |_| String::new());
            scene.refused(door, alg, &unsigned).await;
            scene.refused(door, alg, &signer.sign(&header, &claims)).await;
        }
        // What everybody may know as a secret that two know.
        let x = signer.jwk["x"].as_str().unwrap();
        let raw = BASE64.decode(x).unwrap();
        let secrets = [raw, x.as_bytes().to_vec(), signer.jwk.to_string().into_bytes(), vec![]];
        for (alg, algorithm) in
            [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)]
        {
            for secret in &secrets {
                let (header, claims) = scene.honest(door);
                let forged = signed_by(&merged(&header, &json!({ "alg": alg })), &claims, |it| {
                    let key = EncodingKey::from_secret(secret);
                    jsonwebtoken::crypto::sign(it.as_bytes(), &key, algorithm).unwrap()
                });
                scene.refused(door, alg, &forged).await;
            }
        }
        let strange = [json!("ES256"), json!("RS256"), json!("dir"), json!(1), json!(["EdDSA"])];
        for alg in strange.into_iter().chain([Value::Null]) {
            let (header, claims) = scene.honest(door);
            let header = merged(&header, &json!({ "alg": alg }));
            scene.refused(door, "an algorithm", &signer.sign(&header, &claims)).await;
        }
        scene.still_opens(door).await;
    }
}

#[tokio::test]
async fn no_door_takes_a_signature_that_is_not_of_its_key() {
    let scene = Scene::new().await;
    let stranger = Holder::ed25519(9);
    for door in DOORS {
        let (header, claims) = scene.honest(door);
        let good = scene.signer(door).sign(&header, &claims);
        let [head, body, signature]: [&str; 3] =
            good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let other = BASE64.encode(merged(&claims, &json!({ "admin": true })).to_string());
        for (what, forged) in [
            ("another's signature", stranger.sign(&header, &claims)),
            ("other claims", format!("{head}.{other}.{signature}")),
            ("no signature", format!("{head}.{body}.")),
            ("half a signature", format!("{head}.{body}.{}", &signature[..43])),
            ("zeros", format!("{head}.{body}.{}", BASE64.encode([0; 64]))),
            ("padding", format!("{good}==")),
            ("two parts", format!("{head}.{body}")),
            ("twice", format!("{good}.{good}")),
            ("encrypted", format!("{head}..{body}.{signature}.AAAA")),
            ("itself within", {
                let header = merged(&header, &json!({ "cty": "JWT" }));
                scene.signer(door).sign_text(&header.to_string(), good.as_bytes())
            }),
            ("nothing", "..".to_owned()),
        ] {
            scene.refused(door, what, &forged).await;
        }
        scene.still_opens(door).await;
    }
}

#[tokio::test]
async fn no_door_reads_what_could_be_read_in_two_ways_or_without_end() {
    let scene = Scene::new().await;
    for door in OPEN_DOORS {
        let signer = scene.signer(door);
        let twice = |text: &Value, name: &str, value: &str| {
            text.to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1)
        };
        let with = |change: Value| {
            let (header, claims) = scene.honest(door);
            signer.sign(&merged(&header, &change), &claims)
        };
        let (header, claims) = scene.honest(door);
        let bare = header.to_string();
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        for (what, forged) in [
            ("crit", with(json!({ "crit": ["exp"] }))),
            ("nothing critical", with(json!({ "crit": [] }))),
            ("a bare body", with(json!({ "b64": false, "crit": ["b64"] }))),
            ("compression", with(json!({ "zip": "DEF" }))),
            ("encryption", with(json!({ "enc": "A128GCM" }))),
            (
                "two `alg`s",
                signer.sign_text(&twice(&header, "alg", "\"none\""), claims.to_string().as_bytes()),
            ),
            ("two `jti`s", signer.sign_text(&bare, twice(&claims, "jti", "\"x\"").as_bytes())),
            ("a deep body", signer.sign_text(&bare, deep.as_bytes())),
            ("a deep header", signer.sign_text(&deep, claims.to_string().as_bytes())),
            ("no JSON", signer.sign_text(&bare, b"claims")),
            ("no object", signer.sign_text(&bare, b"[]")),
            ("no text", signer.sign_text(&bare, b"{\"a\":\"\xff\"}")),
            (
                "a long body",
                signer.sign(&header, &merged(&claims, &json!({ "x": "x".repeat(8192) }))),
            ),
            ("a long header", with(json!({ "x": "x".repeat(8192) }))),
        ] {
            scene.refused(door, what, &forged).await;
        }
        scene.still_opens(door).await;
    }
    scene.refused(Door::AccessToken, "a long token", &"x".repeat(9000)).await;
}

/// `jku`, `x5u` and the like would let whoever signs say where the key is, and make us go there.
#[tokio::test]
async fn no_door_goes_where_a_token_says_that_its_key_is() {
    let scene = Scene::new().await;
    let (bait, stranger) =
        (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), Holder::ed25519(9));
    bait.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", bait.local_addr().unwrap());
    for door in DOORS {
        let (header, claims) = scene.honest(door);
        let lure = json!({ "jku": url, "x5u": url, "x5c": ["AAAA"], "kid": url });
        scene
            .refused(door, "a place for keys", &stranger.sign(&merged(&header, &lure), &claims))
            .await;
        if door != Door::ProofOfUse && door != Door::ProofOfBinding {
            let (header, claims) = scene.honest(door);
            let own = merged(&header, &json!({ "jwk": stranger.jwk }));
            scene.refused(door, "its own key", &stranger.sign(&own, &claims)).await;
        }
        scene.still_opens(door).await;
    }
    let came = bait.accept().map(|(_, from)| from);
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
}

/// What is good for one thing is good for nothing else, whoever signed it.
#[tokio::test]
async fn a_proof_of_one_kind_opens_no_door_of_another() {
    let scene = Scene::new().await;
    let admin = scene.gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    let robot = Caller::new(&scene.gate.url, Some(&scene.issued));
    let vended = robot.post("/api/v1/credentials", &ask).await.expect(201);
    let login = json!({ "username": crate::harness::ADMIN, "password": crate::harness::PASSWORD });
    let pair = scene.gate.anyone().post("/api/v1/auth/login", &login).await.expect(200);
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let signed = |door| {
        let (header, claims) = scene.honest(door);
        scene.machine.sign(&header, &claims)
    };
    for (what, token) in [
        ("an access token", scene.issued.clone()),
        ("a bound access token", scene.bound.clone()),
        ("a refresh token", text(&pair["refresh_token"])),
        ("a client secret", text(&scene.registered["client_secret"])),
        ("a credential", text(&vended["credential"]["token"])),
        ("a proof of use", signed(Door::ProofOfUse)),
        ("a proof of binding", signed(Door::ProofOfBinding)),
        ("an assertion", signed(Door::Assertion)),
    ] {
        for door in DOORS {
            let fits = match door {
                Door::AccessToken => what == "an access token",
                Door::ProofOfUse => what == "a proof of use",
                Door::ProofOfBinding => what == "a proof of binding",
                Door::Assertion => what == "an assertion",
            };
            // A bound token is refused as a bearer token with a challenge of its own kind.
            let bound = door == Door::AccessToken && what == "a bound access token";
            if !fits && !bound {
                scene.refused(door, what, &token).await;
            }
        }
        if what != "a refresh token" {
            let body = json!({ "refresh_token": token });
            let answer = scene.gate.anyone().post("/api/v1/auth/refresh", &body).await;
            answer.problem(401, "unauthenticated");
        }
    }
}

#[tokio::test]
async fn what_is_for_one_audience_is_nothing_to_another() {
    let scene = Scene::new().await;
    let other = Gate::start();
    // Made for another server, and shown here.
    let assertion = scene.machine.assertion(&other.url, scene.client(), "one", &json!({}));
    scene.refused(Door::Assertion, "for another server", &assertion).await;
    let there = format!("{}{ME}", other.url);
    let proof = scene.machine.proof("GET", &there, Some(&scene.bound), &json!({}));
    scene.refused(Door::ProofOfUse, "for another server", &proof).await;
    let token = other.admin().await.token.unwrap();
    scene.refused(Door::AccessToken, "of another server", &token).await;
    // Made with the server's own key, for another audience: what RFC 8707 is for.
    let (header, claims) = scene.honest(Door::AccessToken);
    for aud in [json!(other.url), json!([other.url]), json!([]), Value::Null] {
        let claims = merged(&claims, &json!({ "aud": aud }));
        scene
            .refused(Door::AccessToken, "another audience", &scene.server.sign(&header, &claims))
            .await;
    }
    scene.still_opens(Door::AccessToken).await;
}
