//! A request in parts, and what can go wrong with each.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

/// A request in parts that can be damaged without breaking its frame.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(&'static str, String)>,
    pub content: Vec<u8>,
}

impl Request {
    pub fn bytes(&self) -> Vec<u8> {
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

pub fn damage(rng: &mut StdRng, request: &mut Request) {
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
