//! Thousands of damaged requests for every route: each is answered, none is our fault, and what
//! changed is what the answers say.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use gatewright::http::{Kind, routes};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::harness::server::{ADMIN, PASSWORD};
use crate::harness::wire::Said;
use crate::harness::{Caller, Gate, Wire, samples};

/// How many requests of each caller for each route.
const EACH: usize = 40;
/// For routes that hash a password each time.
const EACH_OF_SLOW: usize = 8;
const LANES: usize = 6;

/// A request in parts that can be damaged without breaking its frame.
#[derive(Clone)]
struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
    content: Vec<u8>,
}

impl Request {
    fn bytes(&self) -> Vec<u8> {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let mut head = format!("{} {}{mark}{} HTTP/1.1\r\n", self.method, self.path, self.query);
        head += "host: localhost\r\n";
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.content.len());
        [head.as_bytes(), &self.content].concat()
    }
}

/// What the samples speak of.
struct World {
    gate: Gate,
    admin: Caller,
    agent: Caller,
    /// The agent's registration.
    asks: Value,
    ids: BTreeMap<&'static str, String>,
    secrets: BTreeMap<&'static str, String>,
}

impl World {
    async fn new() -> World {
        let gate = Gate::start();
        let admin = gate.admin().await;
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
        let victim = json!({ "username": "victim", "password": "A-fine-pass-phrase-1" });
        let user = admin.post("/api/v1/users", &victim).await.expect(201);
        let (victim, _) = gate.agent("victim-agent", "agent").await;
        let (asks, agent) = gate.agent("lingua", "translator").await;
        let path = format!("/api/v1/tools/{}/access", text(&tool, "id"));
        let access = agent.post(&path, &json!({ "scopes": ["read"] })).await.expect(201);
        let login = json!({ "username": ADMIN, "password": PASSWORD });
        let pair = gate.anyone().post("/api/v1/auth/login", &login).await.expect(200);
        let ids = [
            ("{tool}", text(&tool, "id")),
            ("{user}", text(&user, "id")),
            ("{agent}", text(&victim, "client_id")),
            ("{credential}", text(&access["credential"], "credential_id")),
            ("{role}", "user".to_owned()),
            ("{file}", "index.html".to_owned()),
        ];
        let secrets = [
            ("refresh_token", text(&pair, "refresh_token")),
            ("client_id", text(&asks, "client_id")),
            ("client_secret", text(&asks, "client_secret")),
            ("token", text(&access["credential"], "token")),
        ];
        World { gate, admin, agent, asks, ids: ids.into(), secrets: secrets.into() }
    }

    /// A request that this route takes.
    fn sample(&self, method: &str, template: &str) -> Request {
        let segment = |it: &str| self.ids.get(it).cloned().unwrap_or_else(|| it.to_owned());
        let path: Vec<String> = template.split('/').map(segment).collect();
        let content = self.content(method, template);
        let mut headers = vec![("x-request-id", "mutant".to_owned())];
        if let Some((kind, _)) = content {
            headers.push(("content-type", kind.to_owned()));
        }
        Request {
            method: method.to_owned(),
            path: path.join("/"),
            query: String::new(),
            headers,
            content: content.map(|(_, it)| it.into_bytes()).unwrap_or_default(),
        }
    }

    fn content(&self, method: &str, template: &str) -> Option<(&'static str, String)> {
        let last = template.rsplit('/').next().unwrap();
        let secret = |it: &str| self.secrets[it].clone();
        let body = match (method, template) {
            ("POST", "/api/v1/auth/login") => json!({ "username": ADMIN, "password": PASSWORD }),
            ("POST", "/api/v1/auth/refresh") => json!({ "refresh_token": secret("refresh_token") }),
            ("POST", "/api/v1/auth/elevate") => json!({ "password": PASSWORD }),
            ("POST", "/api/v1/users") => {
                json!({ "username": "carol", "password": "A-fine-pass-phrase-2", "role": "user" })
            }
            ("POST", "/api/v1/register/machine") => {
                json!({ "name": "scout", "role": "agent", "owner": self.ids["{user}"] })
            }
            ("POST", "/api/v1/tools") => samples::translate("mutant"),
            ("PATCH", "/api/v1/tools/{tool}") => {
                json!({ "description": "Another", "tags": ["a"], "cost_per_call": 0.5 })
            }
            ("POST", "/api/v1/tools/{tool}/access") => {
                json!({ "scopes": ["read"], "ttl_seconds": 60 })
            }
            ("POST", "/api/v1/credentials") => {
                json!({ "tool": "translate", "scopes": ["read"], "holder_key": "k".repeat(43) })
            }
            ("POST", "/api/v1/credentials/validate") => {
                let arguments = json!({ "text": "a", "n": [1, { "m": null }] });
                json!({ "token": secret("token"), "tool": "translate", "scope": "read", "arguments": arguments })
            }
            ("POST", "/oauth/token") => {
                let (id, word) = (secret("client_id"), secret("client_secret"));
                let form = format!(
                    "grant_type=client_credentials&client_id={id}&client_secret={word}&scope=agent:calc"
                );
                return Some(("application/x-www-form-urlencoded", form));
            }
            ("GET" | "PUT" | "DELETE", _) => return None,
            _ if ["suspend", "resume", "activate", "deactivate", "logout"].contains(&last) => {
                return None;
            }
            _ => panic!("say here what a good request for {method} {template} is"),
        };
        Some(("application/json", body.to_string()))
    }

    /// How many there are of what lists show.
    async fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for list in ["tools", "users", "agents", "credentials"] {
            counts.insert(list.to_owned(), self.list(list).await.len());
        }
        counts
    }

    async fn list(&self, list: &str) -> Vec<Value> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/{list}?page_size=200&page_token={token}");
            let page = self.admin.get(&path).await.expect(200);
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            token = page["next_page_token"].as_str().unwrap().to_owned();
            if token.is_empty() {
                return all;
            }
        }
    }
}

const ODD: [&str; 20] = [
    "",
    "0",
    "-1",
    "1e400",
    "18446744073709551616",
    "null",
    "true",
    "NaN",
    "%00",
    "%ff",
    "..",
    "%2e%2e",
    "a%2fb",
    "'--",
    "\"",
    "<x>",
    "{}",
    "*",
    "01a200c5-03db-78dd-9b3b-70d589a3da1c",
    "2026-11-21T22:00:00Z",
];
const WORDS: [&str; 14] = [
    "page_size",
    "page_token",
    "page",
    "q",
    "tag",
    "owner",
    "scope",
    "tool",
    "principal",
    "seq",
    "from",
    "to",
    "since",
    "actor",
];
const HEADERS: [&str; 16] = [
    "if-match",
    "if-none-match",
    "accept",
    "content-type",
    "authorization",
    "x-forwarded-for",
    "traceparent",
    "idempotency-key",
    "origin",
    "cookie",
    "range",
    "user-agent",
    "accept-encoding",
    "content-encoding",
    "forwarded",
    "x-http-method-override",
];
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];

fn pick<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(rng).unwrap()
}

fn damage(rng: &mut StdRng, request: &mut Request) {
    match rng.random_range(0..11) {
        0 => {}
        1 => request.method = pick(rng, &METHODS).to_owned(),
        2 => {
            let mut parts: Vec<&str> = request.path.split('/').collect();
            let at = rng.random_range(1..parts.len());
            parts[at] = pick(rng, &ODD);
            request.path = parts.join("/").replace(['"', '<', '>'], "%22");
        }
        3 => {
            let at = rng.random_range(1..=request.path.len());
            request.path.insert_str(at, pick(rng, &["/", "//", "/..", "%2f", "x", ";", "%"]));
        }
        4 => {
            let (word, value) = (pick(rng, &WORDS), pick(rng, &ODD));
            let value = value.replace(['"', '<', '>'], "%22");
            request.query += &format!("{word}={value}&{}=1", pick(rng, &WORDS));
        }
        5 => request.headers.push((pick(rng, &HEADERS), pick(rng, &ODD).to_owned())),
        6 => {
            request.headers.retain(|(name, _)| *name != "content-type");
        }
        _ if request.content.is_empty() => request.content = pick(rng, &ODD).into(),
        it => damage_content(rng, it, &mut request.content),
    }
}

fn damage_content(rng: &mut StdRng, how: u32, content: &mut Vec<u8>) {
    let at = rng.random_range(0..content.len());
    match how {
        7 => content[at] ^= 1 << rng.random_range(0..8),
        8 => content.truncate(at),
        9 => {
            let piece = content[at..].iter().copied().take(rng.random_range(1..20));
            let piece: Vec<u8> = piece.collect();
            content.splice(at..at, piece);
        }
        _ => {
            let Ok(mut value) = serde_json::from_slice::<Value>(content) else { return };
            swap_type(rng, &mut value);
            *content = value.to_string().into_bytes();
            if rng.random_bool(0.3) && content.starts_with(b"{\"") {
                // The first member once more.
                let first = content[1..].split_inclusive(|it| *it == b',').next().unwrap().to_vec();
                content.splice(1..1, first);
            }
        }
    }
}

/// Puts a value of another type somewhere.
fn swap_type(rng: &mut StdRng, value: &mut Value) {
    let below: Vec<&mut Value> = match value {
        Value::Object(members) => members.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    let count = below.len();
    if count > 0 && rng.random_bool(0.8) {
        let at = rng.random_range(0..count);
        return swap_type(rng, below.into_iter().nth(at).unwrap());
    }
    *value = match rng.random_range(0..9) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1.5e300),
        5 => json!("\u{0}\u{202e}\u{1f600}"),
        6 => json!("x".repeat(5_000)),
        7 => json!([[], {}]),
        _ => json!({ "": {} }),
    };
}

/// Whether an answer is one that a caller can be given for its own mistakes, or for none.
fn check(request: &Request, said: &Said) {
    let shown = String::from_utf8_lossy(&request.bytes()).into_owned();
    assert!(said.status < 500, "{shown}\n{}\n{}", said.head, said.text());
    // HTTP that cannot be parsed never reaches us.
    if said.status == 400 && said.body.is_empty() {
        return;
    }
    assert!(said.header("x-request-id").is_some(), "{shown}\n{}", said.head);
    let kind = said.header("content-type").unwrap_or_default();
    let body_expected = said.status >= 400 && request.method != "HEAD";
    if body_expected && !request.path.starts_with("/oauth/") {
        assert_eq!(kind, "application/problem+json", "{shown}\n{}", said.text());
    }
}

/// Sends the requests over a few connections at once; gives what was created and what was deleted.
async fn send_all(world: &World, requests: &[Request]) -> Vec<(Request, Said)> {
    let lane = async |first: usize| {
        let mut wire = Wire::open(&world.gate.url).await;
        let mut answers = Vec::new();
        for request in requests.iter().skip(first).step_by(LANES) {
            let said = wire.ask(&request.bytes()).await;
            check(request, &said);
            if said.status == 400 && said.body.is_empty()
                || said.header("connection") == Some("close")
            {
                wire = Wire::open(&world.gate.url).await;
            }
            answers.push((request.clone(), said));
        }
        answers
    };
    join_all((0..LANES).map(lane)).await.into_iter().flatten().collect()
}

/// Damaged requests for every route, in an order of their own.
///
/// `spare` signs out in place of `token`, which would be good for nothing afterwards.
fn mutants(
    world: &World,
    rng: &mut StdRng,
    token: Option<&str>,
    spare: Option<&str>,
) -> Vec<Request> {
    let mut all = Vec::new();
    for route in routes() {
        let slow = route.path.starts_with("/api/v1/auth/") || route.path == "/api/v1/users";
        let slow = slow && route.method == "POST";
        let token = if route.path.ends_with("/logout") { spare } else { token };
        for _ in 0..if slow { EACH_OF_SLOW } else { EACH } {
            let mut request = world.sample(route.method.as_str(), route.path);
            if let Some(token) = token {
                request.headers.push(("authorization", format!("Bearer {token}")));
            }
            for _ in 0..rng.random_range(1..=2) {
                damage(rng, &mut request);
            }
            all.push(request);
        }
    }
    all
}

/// What the answers say was made, by list.
fn created(answers: &[(Request, Said)]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, said) in answers.iter().filter(|(_, it)| it.status == 201) {
        let list = said.header("location").unwrap().split('/').nth(3).unwrap();
        *counts.entry(list.to_owned()).or_default() += 1;
    }
    counts
}

fn public_paths() -> BTreeSet<&'static str> {
    routes().iter().filter(|it| it.kind == Kind::Public).map(|it| it.path).collect()
}

#[tokio::test]
async fn every_damaged_request_is_answered_and_none_does_what_it_should_not() {
    let world = World::new().await;
    let mut rng = StdRng::seed_from_u64(20_261_121);
    let before = world.counts().await;
    let (users, agents) = (world.list("users").await, world.list("agents").await);
    let tools = world.list("tools").await;

    let nobodys = send_all(&world, &mutants(&world, &mut rng, None, None)).await;
    for (request, said) in &nobodys {
        let open = public_paths().contains(&*request.path) || request.path.starts_with("/docs/");
        let refused = ![200, 201, 204].contains(&said.status);
        assert!(open || refused, "{} {}: {}", request.method, request.path, said.text());
    }
    assert_eq!(world.counts().await, before);

    let (token, spare) = (world.agent.token.clone(), world.gate.machine(&world.asks).await.token);
    let requests = mutants(&world, &mut rng, token.as_deref(), spare.as_deref());
    let agents_answers = send_all(&world, &requests).await;
    let made = created(&agents_answers);
    assert!(made.keys().all(|it| it == "credentials"), "{made:?}");
    assert_eq!(world.list("users").await, users);
    assert_eq!(world.list("agents").await, agents);
    assert_eq!(world.list("tools").await, tools);

    let (token, spare) = (world.gate.admin().await.token, world.gate.admin().await.token);
    let requests = mutants(&world, &mut rng, token.as_deref(), spare.as_deref());
    let answers = send_all(&world, &requests).await;
    let deleted = answers
        .iter()
        .filter(|(request, said)| said.status == 204 && request.path.starts_with("/api/v1/tools/"));
    assert_eq!(deleted.count(), 0, "no token was elevated");
    let mut expected = before;
    for (list, count) in made.into_iter().chain(created(&answers)) {
        *expected.get_mut(&list).unwrap() += count;
    }
    assert_eq!(world.counts().await, expected);

    let figures = world.gate.anyone().get("/metrics").await.text;
    assert!(figures.contains("gatewright_panics_total 0"), "{figures}");
    let ready = world.gate.anyone().get("/readyz").await.expect(200);
    assert_eq!(ready["status"], "ok", "{ready}");
    tell(&[&nobodys, &agents_answers, &answers]);
}

/// How the requests were answered; there is an answer of each kind that damage can have.
fn tell(answers: &[&Vec<(Request, Said)>]) {
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for (_, said) in answers.iter().copied().flatten() {
        *statuses.entry(said.status).or_default() += 1;
    }
    println!("{} requests: {statuses:?}", statuses.values().sum::<usize>());
    for status in [200, 201, 400, 401, 403, 404, 405, 409, 415, 422] {
        assert!(statuses.contains_key(&status), "{status}: {statuses:?}");
    }
}

/// Damage anywhere, frame and all: an answer is not owed, a living server is.
#[tokio::test]
async fn damaged_bytes_harm_nobody() {
    let world = World::new().await;
    let before = world.counts().await;
    let mut rng = StdRng::seed_from_u64(7);
    let samples: Vec<Vec<u8>> =
        routes().iter().map(|it| world.sample(it.method.as_str(), it.path).bytes()).collect();
    let mut damaged = Vec::new();
    for _ in 0..600 {
        let mut bytes = samples.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, rng.random()),
            }
        }
        damaged.push(bytes);
    }
    let lane = async |first: usize| {
        for bytes in damaged.iter().skip(first).step_by(LANES) {
            let mut wire = Wire::open(&world.gate.url).await;
            let _ = wire.send(bytes).await;
            wire.finish().await;
            if let Some(said) = wire.answer().await {
                assert!(said.status < 500, "{}\n{}", String::from_utf8_lossy(bytes), said.text());
            }
        }
    };
    join_all((0..LANES).map(lane)).await;
    assert_eq!(world.counts().await, before);
    let figures = world.gate.anyone().get("/metrics").await.text;
    assert!(figures.contains("gatewright_panics_total 0"), "{figures}");
}
