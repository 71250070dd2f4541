//! Pages of the revocation feed: which ones a verifier takes, and in which order.

use serde_json::{Value, json};

use super::super::verify::feed::Page;
use super::issuer::{empty_page, later, page};

pub(super) fn all() -> Vec<Value> {
    let ids = || vec!["a".to_owned(), "b".to_owned()];
    let first = || page(Page { credential_ids: ids(), ..empty_page("", "2") });
    let second = || page(Page { revocation_ids: vec!["AB".to_owned()], ..empty_page("2", "3") });
    let dated = |seconds| page(Page { issued_at: later(seconds), ..empty_page("", "1") });
    let more = page(Page { more: true, ..empty_page("", "1") });
    let change = |name: &str, value: Value| {
        let mut page = first();
        page[name] = value;
        page
    };
    vec![
        taken("one page", vec![first()], Some(60)),
        taken("the next page", vec![first(), second()], Some(60)),
        taken("a page from the beginning once more", vec![first(), second(), first()], Some(60)),
        taken("only the first of two pages", vec![more], None),
        taken("no page at all", vec![], None),
        taken("a page dated by a clock that is a minute ahead", vec![dated(120)], Some(0)),
        refused("a page from the future", vec![dated(121)], "future"),
        refused("a page that leaves a gap", vec![second()], "gap"),
        refused("an id left out", vec![change("credential_ids", json!(["a"]))], "signature"),
        refused("ids joined", vec![change("credential_ids", json!(["ab"]))], "signature"),
        refused("another cursor", vec![change("cursor", json!("3"))], "signature"),
        refused("another date", vec![change("issued_at", json!(later(1)))], "signature"),
        refused("more held back", vec![change("more", json!(true))], "signature"),
        refused("signed by a retired key", vec![change("key_id", json!(1))], "signature"),
        refused("signed by a key of no name", vec![change("key_id", json!(9))], "key"),
        refused("signed by a premature key", vec![change("key_id", json!(3))], "key"),
        refused("a signature that is none", vec![change("signature", json!("00"))], "signature"),
    ]
}

fn case(name: &str, pages: Vec<Value>, expected: Value) -> Value {
    let mut case = json!({ "name": name, "now": later(60) });
    case["pages"] = pages.into();
    case["expected"] = expected;
    case
}

/// Taken; how many seconds old the list is then, if it is whole.
fn taken(name: &str, pages: Vec<Value>, age: Option<i64>) -> Value {
    case(name, pages, json!({ "age_seconds": age }))
}

fn refused(name: &str, pages: Vec<Value>, fault: &str) -> Value {
    case(name, pages, json!({ "fault": fault }))
}
