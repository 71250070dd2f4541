//! Credentials as other people's Biscuit libraries read them: both admit what we admit and refuse
//! what we refuse.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use gatewright::credentials::attenuate::{Admits, ArgumentCheck, Narrowing, attenuate};
use gatewright::credentials::keys::KeyRing;
use gatewright::credentials::mint::{Draft, mint};
use gatewright::credentials::verify::{Request, Revocations, Verifier};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

const ISSUER: &str = "https://gate.example.com";
const DIGEST: &str = "sha256:2c26b46b";

/// One of the two libraries, behind a script that speaks JSON lines.
struct Peer {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    credential_id: Option<String>,
    error: Option<String>,
}

impl Peer {
    fn python() -> Peer {
        let program = tools().join("venv/bin/python");
        Peer { name: "biscuit-python", program, arguments: vec![script("verify.py")] }
    }

    fn javascript() -> Peer {
        let modules = tools().join("node/node_modules");
        assert!(
            modules.join("@biscuit-auth/biscuit-wasm").exists(),
            "biscuit-wasm is missing in `{}`: run scripts/test, which installs it",
            modules.display()
        );
        let flags = ["--no-warnings", "--experimental-wasm-modules"].map(PathBuf::from);
        let arguments = flags.into_iter().chain([script("verify.mjs"), modules]).collect();
        Peer { name: "biscuit-wasm", program: "node".into(), arguments }
    }

    fn answer(&self, cases: &[Value]) -> Vec<Answer> {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let program = self.program.display();
        assert!(child.is_ok(), "cannot run `{program}`: run scripts/test, which installs it");
        let mut child = child.unwrap();
        let lines: String = cases.iter().map(|it| format!("{it}\n")).collect();
        let mut input = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answers = text.lines().map(|it| serde_json::from_str(it).unwrap());
        let answers: Vec<Answer> = answers.collect();
        assert_eq!(answers.len(), cases.len(), "{} stopped early", self.name);
        answers
    }
}

fn tools() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools");
    env::var_os("GATEWRIGHT_TOOLS").map_or_else(default, PathBuf::from)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

fn now() -> Timestamp {
    "2026-11-21T22:00:00Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// An issuer and the credential that every case starts from.
struct Issuer {
    ring: KeyRing,
}

impl Issuer {
    fn new() -> Issuer {
        Issuer { ring: KeyRing::generate(now()) }
    }

    fn mint(&self, change: fn(&mut Draft)) -> String {
        let mut draft = Draft {
            issuer: ISSUER.to_owned(),
            credential_id: "0199-credential".to_owned(),
            decision_id: "0199-decision".to_owned(),
            agent_id: "0199-agent".to_owned(),
            agent_name: "researcher \"Ω\"\n".to_owned(),
            on_behalf_of: Some("0199-user".to_owned()),
            tool: "translate".to_owned(),
            tool_digest: DIGEST.to_owned(),
            scopes: ["read", "translate"].map(str::to_owned).into(),
            expires_at: later(900),
            holder: None,
            online_only: false,
            checks: Vec::new(),
        };
        change(&mut draft);
        mint(&draft, self.ring.active()).unwrap().token.expose_secret().to_owned()
    }

    /// `translate` with `read`, a minute in, no arguments; `change` overrides.
    fn case(&self, token: &str, change: &Value) -> Value {
        let mut case = json!({
            "token": token,
            "key_id": self.ring.active().key_id(),
            "public_key": self.ring.active().public_key(),
            "issuer": ISSUER,
            "tool": "translate",
            "tool_digest": DIGEST,
            "scope": "read",
            "now": later(60),
        });
        let changes = change.as_object().unwrap().clone();
        case.as_object_mut().unwrap().extend(changes);
        case
    }

    /// Whether our own verifier admits `scope`, and as what.
    fn ours(&self, token: &str, scope: &str) -> Option<String> {
        let keys = self.ring.document(ISSUER, now());
        let verifier = Verifier::new(&keys, ISSUER).unwrap().tool("translate", Some(DIGEST));
        let request = Request::new(scope);
        let verified = verifier.verify(token, &request, Revocations::Unchecked, later(60));
        verified.ok().map(|it| it.credential_id)
    }
}

fn narrow(token: &str, narrowing: &Narrowing) -> String {
    attenuate(token, narrowing).unwrap().expose_secret().to_owned()
}

/// A block as a hostile holder would write it, with nothing of ours.
fn append(token: &str, code: &str) -> String {
    let block = biscuit_auth::BlockBuilder::new().code(code).unwrap();
    let token = biscuit_auth::UnverifiedBiscuit::from_base64(token).unwrap();
    token.append(block).unwrap().to_base64().unwrap()
}

fn cases(issuer: &Issuer) -> Vec<(&'static str, bool, Value)> {
    let plain = issuer.mint(|_| {});
    let bound = issuer.mint(|it| it.holder = Some("key".to_owned()));
    let scopes = Some(["translate".to_owned()].into());
    let fewer = narrow(&plain, &Narrowing { scopes, ..Narrowing::default() });
    let sooner = narrow(&plain, &Narrowing { expires_at: Some(later(60)), ..Narrowing::default() });
    let amount = |admits| ArgumentCheck { pointer: "/amount".to_owned(), admits };
    let arguments = vec![amount(Admits::AtMost(500.into()))];
    let most = narrow(&plain, &Narrowing { arguments, ..Narrowing::default() });
    let holder = Some("sub-agent".to_owned());
    let delegated = narrow(&plain, &Narrowing { holder, ..Narrowing::default() });
    let widened =
        append(&plain, r#"right("translate", "admin"); right($t, $s) <- request($t, $s);"#);
    let wider = r#"right("pay", "read"); tool("pay"); request("translate", "read");"#;
    let revived = append(&sooner, "time(2000-01-01T00:00:00Z); check if true;");
    let claimed = append(&bound, r#"holder_proved("key"); holder("mine");"#);
    let other = Issuer::new();
    let forged = other.mint(|_| {});
    let foreign = issuer.mint(|it| it.issuer = "https://other.example".to_owned());
    let case = |token: &str, change: Value| issuer.case(token, &change);
    let number = |value| json!({ "context": { "call.number/amount": value } });
    vec![
        ("plain", true, case(&plain, json!({}))),
        ("plain, the other scope", true, case(&plain, json!({ "scope": "translate" }))),
        ("plain, last second", true, case(&plain, json!({ "now": later(899) }))),
        ("expired", false, case(&plain, json!({ "now": later(900) }))),
        ("wrong tool", false, case(&plain, json!({ "tool": "pay" }))),
        ("wrong definition", false, case(&plain, json!({ "tool_digest": "sha256:0" }))),
        ("wrong scope", false, case(&plain, json!({ "scope": "admin" }))),
        ("wrong key", false, case(&forged, json!({}))),
        ("wrong issuer", false, case(&foreign, json!({}))),
        ("revoked", false, case(&plain, json!({ "revoked": ["0199-credential"] }))),
        ("bound, proved", true, case(&bound, json!({ "holders": ["key"] }))),
        ("bound, not proved", false, case(&bound, json!({}))),
        ("bound, other key proved", false, case(&bound, json!({ "holders": ["mine"] }))),
        ("bound, claimed by a block", false, case(&claimed, json!({ "holders": ["mine"] }))),
        ("fewer scopes", true, case(&fewer, json!({ "scope": "translate" }))),
        ("fewer scopes, the one given up", false, case(&fewer, json!({}))),
        ("sooner", true, case(&sooner, json!({ "now": later(59) }))),
        ("sooner, too late", false, case(&sooner, json!({}))),
        ("sooner, revived", false, case(&revived, json!({}))),
        ("at most 500", true, case(&most, number(400))),
        ("at most 500, more", false, case(&most, number(501))),
        ("at most 500, nothing", false, case(&most, json!({}))),
        ("delegated, proved", true, case(&delegated, json!({ "holders": ["sub-agent"] }))),
        ("delegated, not proved", false, case(&delegated, json!({}))),
        ("widened", false, case(&widened, json!({ "scope": "admin" }))),
        ("widened, the old scope", true, case(&widened, json!({}))),
        ("widened, other tool", false, case(&append(&plain, wider), json!({ "tool": "pay" }))),
        ("cut", false, case(&plain[..plain.len() - 8], json!({}))),
    ]
}

fn agrees_on_every_case(peer: &Peer) {
    let issuer = Issuer::new();
    let cases = cases(&issuer);
    let questions: Vec<Value> = cases.iter().map(|(_, _, it)| it.clone()).collect();
    for ((name, expected, _), answer) in cases.iter().zip(peer.answer(&questions)) {
        assert_eq!(answer.ok, *expected, "{} on `{name}`: {answer:?}", peer.name);
        let told = answer.credential_id.as_deref();
        assert_eq!(told, expected.then_some("0199-credential"), "{} on `{name}`", peer.name);
        assert_eq!(answer.error.is_none(), *expected);
    }
}

/// Flips one bit of every byte, in turn, and asks for a scope that is granted and one that is not.
fn agrees_on_tampering(peer: &Peer) {
    let issuer = Issuer::new();
    let scopes = Some(["read".to_owned()].into());
    let narrowed = Narrowing { scopes, ..Narrowing::default() };
    for token in [issuer.mint(|_| {}), narrow(&issuer.mint(|_| {}), &narrowed)] {
        let bytes = URL_SAFE.decode(&token).unwrap();
        let altered = (0..bytes.len()).map(|at| {
            let bit = |it| if it == at { 1 << (at % 8) } else { 0 };
            let bytes = bytes.iter().enumerate().map(|(index, it)| it ^ bit(index));
            URL_SAFE.encode(bytes.collect::<Vec<u8>>())
        });
        let altered: Vec<String> = altered.collect();
        for (scope, granted) in [("read", true), ("admin", false)] {
            let ask = |it: &String| issuer.case(it, &json!({ "scope": scope }));
            let questions: Vec<Value> = altered.iter().map(ask).collect();
            for (token, answer) in altered.iter().zip(peer.answer(&questions)) {
                let ours = issuer.ours(token, scope);
                assert!(granted || ours.is_none());
                // Bytes outside of the signatures may be spelled in more than one way: then both
                // of us read the same credential from them.
                assert_eq!(answer.credential_id, ours, "{}: {answer:?} to {token}", peer.name);
            }
        }
    }
}

#[test]
fn biscuit_python_agrees_on_every_case() {
    agrees_on_every_case(&Peer::python());
}

#[test]
fn biscuit_python_agrees_on_tampering() {
    agrees_on_tampering(&Peer::python());
}

#[test]
fn biscuit_wasm_agrees_on_every_case() {
    agrees_on_every_case(&Peer::javascript());
}

#[test]
fn biscuit_wasm_agrees_on_tampering() {
    agrees_on_tampering(&Peer::javascript());
}
