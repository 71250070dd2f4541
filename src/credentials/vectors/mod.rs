//! The vectors that verifiers in every language are held against, made with fixed keys.
//!
//! What is expected of each case is written by hand here; `verify/vectors.rs` and the SDKs run the
//! file. `GATEWRIGHT_WRITE_VECTORS=1 cargo test --lib credentials::vectors` writes it anew.

mod cases;
mod feeds;
mod issuer;
mod narrowings;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use self::issuer::{ISSUER, keys};

const PATH: &str = "tests/vectors/credentials.json";

fn vectors() -> Value {
    json!({
        "about": "Cases for verifiers of Gatewright credentials; see tests/vectors/README.md",
        "keys": keys(),
        "issuer": ISSUER,
        "verify": cases::all(),
        "feeds": feeds::all(),
        "attenuate": narrowings::all(),
    })
}

#[test]
fn the_committed_vectors_are_those_made_here() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    let made = format!("{:#}\n", vectors());
    if std::env::var_os("GATEWRIGHT_WRITE_VECTORS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(made == committed, "`{PATH}` is out of date: see the head of src/credentials/vectors");
}

#[test]
fn no_two_cases_share_a_name() {
    let vectors = vectors();
    for list in ["verify", "feeds", "attenuate"] {
        let names = vectors[list].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
        let mut names: Vec<&str> = names.collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{list}");
    }
}
