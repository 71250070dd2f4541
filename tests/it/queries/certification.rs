//! AuthZEN's certification scenario (Basic, Batch, Search, Discovery): every request it publishes,
//! with the answer that it wants.

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::bundle::archive;
use crate::harness::{Answer, Caller, send};

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

fn user(id: &str) -> Value {
    json!({ "type": "user", "id": id })
}

fn bob_the_admin() -> Value {
    json!({ "type": "user", "id": "bob", "properties": { "role": "admin" } })
}

fn action(name: &str) -> Value {
    json!({ "name": name })
}

fn delete(soft: bool) -> Value {
    json!({ "name": "delete", "properties": { "soft": soft } })
}

fn record(id: &str) -> Value {
    json!({ "type": "record", "id": id })
}

fn record_that_is(id: &str, status: &str) -> Value {
    json!({ "type": "record", "id": id, "properties": { "status": status } })
}

#[expect(clippy::needless_pass_by_value, reason = "tests write values in place")]
fn asked(subject: Value, action: Value, resource: Value) -> Value {
    json!({ "subject": subject, "action": action, "resource": resource })
}

/// With members besides, or in the place of others.
#[expect(clippy::needless_pass_by_value, reason = "tests write values in place")]
fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name.as_str()] = value.clone();
    }
    body
}

fn without(mut body: Value, name: &str) -> Value {
    body.as_object_mut().unwrap().remove(name);
    body
}

fn circumstances() -> Value {
    json!({ "context": { "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" } })
}

#[track_caller]
fn is_json(answer: &Answer) {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json", "{}", answer.text);
}

async fn decides(pep: &Caller, path: &str, body: &Value, wanted: bool) {
    let answer = pep.post(path, body).await;
    is_json(&answer);
    let told = answer.expect(200);
    assert_eq!(told["decision"], wanted, "{body}: {told}");
    assert!(told["context"].is_object());
}

async fn decides_all(pep: &Caller, body: &Value, wanted: &[Option<bool>]) {
    let told = pep.post(EVALUATIONS, body).await.expect(200);
    let all = told["evaluations"].as_array().unwrap();
    assert_eq!(all.len(), wanted.len(), "{body}: {told}");
    for (it, wanted) in all.iter().zip(wanted) {
        let decision = it["decision"].as_bool().unwrap();
        assert!(wanted.is_none_or(|wanted| wanted == decision), "{body}: {told}");
    }
    assert!(told["decision"].is_null());
}

async fn is_bad(pep: &Caller, path: &str, body: &Value) {
    let answer = pep.post(path, body).await;
    answer.problem(400, "malformed");
}

#[tokio::test]
async fn basic_core() {
    let (_gate, pep) = archive().await;
    let reads = asked(user("alice"), action("read"), record("record-1"));
    for (subject, verb, wanted) in [
        ("alice", "read", true),
        ("alice", "write", true),
        ("bob", "read", true),
        ("bob", "write", false),
    ] {
        let body = asked(user(subject), action(verb), record("record-1"));
        decides(&pep, EVALUATION, &body, wanted).await;
    }
    decides(&pep, EVALUATION, &with(reads.clone(), circumstances()), true).await;
    let more = asked(
        with(user("alice"), json!({ "properties": { "department": "Sales", "role": "manager" } })),
        with(action("read"), json!({ "properties": { "method": "GET" } })),
        with(record("record-1"), json!({ "properties": { "status": "active", "owner": "bob" } })),
    );
    decides(&pep, EVALUATION, &more, true).await;
    let unknown = with(reads.clone(), json!({ "foo": "bar", "futureField": { "nested": true } }));
    decides(&pep, EVALUATION, &unknown, true).await;
    for _ in 0..3 {
        decides(&pep, EVALUATION, &reads, true).await;
    }

    for missing in ["subject", "action", "resource"] {
        is_bad(&pep, EVALUATION, &without(reads.clone(), missing)).await;
    }
    for (of, part) in [
        ("subject", "type"),
        ("subject", "id"),
        ("action", "name"),
        ("resource", "type"),
        ("resource", "id"),
    ] {
        let body = with(reads.clone(), json!({ of: without(reads[of].clone(), part) }));
        is_bad(&pep, EVALUATION, &body).await;
    }
    is_bad(&pep, EVALUATION, &with(reads.clone(), json!({ "subject": "alice" }))).await;
    is_bad(&pep, EVALUATION, &with(reads.clone(), json!({ "action": { "name": 123 } }))).await;
    let raw = |kind: &'static str, body: String| {
        let request = pep.request(Method::POST, EVALUATION);
        send(request.header(header::CONTENT_TYPE, kind).body(body))
    };
    raw("text/plain", reads.to_string()).await.problem(400, "malformed");
    raw("application/json", "{ \"subject\": ".into()).await.problem(400, "malformed");
    raw("application/json", String::new()).await.problem(400, "malformed");

    let request = pep.request(Method::POST, EVALUATION).json(&reads);
    let answer = send(request.header("X-Request-ID", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716")).await;
    assert_eq!(answer.headers["x-request-id"], "bfe9eb29-ab87-4ca3-be83-a1d5d8305716");
    pep.post(EVALUATION, &reads).await.expect(200);
}

#[tokio::test]
async fn basic_properties() {
    let (_gate, pep) = archive().await;
    let archived = || record_that_is("record-2", "archived");
    for (subject, verb, resource, wanted) in [
        (user("alice"), action("write"), archived(), false),
        (bob_the_admin(), action("write"), archived(), true),
        (user("alice"), delete(true), record("record-1"), true),
        (user("alice"), delete(false), record("record-1"), false),
        // The word of the enforcement point counts, not what is stored.
        (user("alice"), action("write"), record_that_is("record-1", "archived"), false),
        (user("alice"), action("write"), record_that_is("record-2", "active"), true),
        (user("alice"), action("write"), record_that_is("nobody-knows", "active"), true),
    ] {
        decides(&pep, EVALUATION, &asked(subject, verb, resource), wanted).await;
    }
}

#[tokio::test]
async fn batch() {
    let (_gate, pep) = archive().await;
    let (yes, no) = (Some(true), Some(false));
    let read = json!({
        "subject": user("alice"), "action": action("read"),
        "evaluations": [{ "resource": record("record-1") }, { "resource": record("record-2") }],
    });
    decides_all(&pep, &read, &[yes, None]).await;
    let bob = json!({
        "subject": user("bob"), "resource": record("record-1"),
        "evaluations": [{ "action": action("read") }, { "action": action("write") }],
    });
    decides_all(&pep, &bob, &[yes, no]).await;
    let whole = json!({ "evaluations": [
        asked(user("alice"), action("read"), record("record-1")),
        asked(user("bob"), action("write"), record("record-1")),
    ] });
    decides_all(&pep, &whole, &[yes, no]).await;
    let later = json!({ "time": "2025-06-27T19:00-07:00", "source": "batch-override" });
    let inherited = json!({
        "subject": user("alice"), "action": action("read"),
        "context": { "time": "2025-06-27T18:03-07:00" },
        "evaluations": [
            { "resource": record("record-1") },
            { "resource": record("record-2"), "context": later },
        ],
    });
    decides_all(&pep, &inherited, &[None, None]).await;
    let lacking = json!({
        "subject": user("alice"), "action": action("read"),
        "options": { "evaluations_semantic": "execute_all" },
        "evaluations": [{ "resource": record("record-1") }, {}],
    });
    decides_all(&pep, &lacking, &[yes, no]).await;
    let one = asked(user("alice"), action("read"), record("record-1"));
    decides(&pep, EVALUATIONS, &one, true).await;
    decides(&pep, EVALUATIONS, &with(one, json!({ "evaluations": [] })), true).await;

    let (active, archived) =
        (record_that_is("record-1", "active"), record_that_is("record-2", "archived"));
    let by_item = json!({
        "subject": user("alice"), "action": action("write"),
        "evaluations": [{ "resource": active }, { "resource": archived }],
    });
    decides_all(&pep, &by_item, &[yes, no]).await;
    let by_subject = json!({
        "action": action("write"), "resource": archived,
        "evaluations": [{ "subject": user("alice") }, { "subject": bob_the_admin() }],
    });
    decides_all(&pep, &by_subject, &[no, yes]).await;
    let by_default = json!({
        "subject": user("alice"), "action": action("write"), "resource": active,
        "evaluations": [{}, { "resource": archived }],
    });
    decides_all(&pep, &by_default, &[yes, no]).await;
}

/// The results, which must all be of this type.
async fn found(pep: &Caller, of: &str, body: &Value, kind: Option<&str>) -> Vec<String> {
    let answer = pep.post(&format!("/access/v1/search/{of}"), body).await;
    is_json(&answer);
    let told = answer.expect(200);
    assert!(told["page"].is_object() && told["page"]["next_token"].is_string());
    let name = |it: &Value| {
        assert_eq!(it["type"].as_str(), kind, "{told}");
        it[if kind.is_some() { "id" } else { "name" }].as_str().unwrap().to_owned()
    };
    told["results"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn search() {
    let (_gate, pep) = archive().await;
    let readers = asked(json!({ "type": "user" }), action("read"), record("record-1"));
    let all = found(&pep, "subject", &readers, Some("user")).await;
    assert!(all.contains(&"alice".into()) && all.contains(&"bob".into()), "{all:?}");
    for same in [
        with(readers.clone(), circumstances()),
        with(readers.clone(), json!({ "subject": user("alice") })),
    ] {
        assert_eq!(found(&pep, "subject", &same, Some("user")).await, all);
    }
    let archived = record_that_is("record-2", "archived");
    let writers = asked(json!({ "type": "user" }), action("write"), archived.clone());
    assert!(found(&pep, "subject", &writers, Some("user")).await.contains(&"bob".into()));

    let readable = asked(user("alice"), action("read"), json!({ "type": "record" }));
    let all = found(&pep, "resource", &readable, Some("record")).await;
    assert_eq!(all, ["record-1", "record-2"]);
    for same in [
        with(readable.clone(), circumstances()),
        with(readable, json!({ "resource": record("record-1") })),
    ] {
        assert_eq!(found(&pep, "resource", &same, Some("record")).await, all);
    }
    let writable = asked(bob_the_admin(), action("write"), json!({ "type": "record" }));
    assert_eq!(found(&pep, "resource", &writable, Some("record")).await, ["record-2"]);

    let verbs = json!({ "subject": user("alice"), "resource": record("record-1") });
    assert_eq!(found(&pep, "action", &verbs, None).await, ["read", "write"]);
    assert_eq!(
        found(&pep, "action", &with(verbs.clone(), circumstances()), None).await,
        ["read", "write"]
    );
    let of_bob = json!({ "subject": bob_the_admin(), "resource": archived });
    assert!(found(&pep, "action", &of_bob, None).await.contains(&"write".into()));
}

#[tokio::test]
async fn search_pages_nothing_and_errors() {
    let (_gate, pep) = archive().await;
    let path = "/access/v1/search/subject";
    let readers = asked(json!({ "type": "user" }), action("read"), record("record-1"));
    let (mut seen, mut page) = (Vec::new(), json!({ "limit": 1 }));
    loop {
        let told =
            pep.post(path, &with(readers.clone(), json!({ "page": page }))).await.expect(200);
        let results = told["results"].as_array().unwrap();
        assert!(results.len() <= 1 && told["page"]["count"] == results.len());
        seen.extend(results.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        match told["page"]["next_token"].as_str().unwrap() {
            "" => break,
            token => page = json!({ "token": token }),
        }
    }
    assert!(seen.contains(&"alice".into()) && seen.contains(&"bob".into()), "{seen:?}");

    let nobody = json!({ "subject": user("nonexistent-user"), "resource": record("record-1") });
    assert!(found(&pep, "action", &nobody, None).await.is_empty());
    let nobody =
        with(nobody, json!({ "action": action("read"), "resource": { "type": "record" } }));
    assert!(found(&pep, "resource", &nobody, Some("record")).await.is_empty());
    let nothing = asked(json!({ "type": "user" }), action("read"), record("nonexistent"));
    assert!(found(&pep, "subject", &nothing, Some("user")).await.is_empty());
    let ships = with(readers.clone(), json!({ "subject": { "type": "spaceship" } }));
    assert!(found(&pep, "subject", &ships, Some("spaceship")).await.is_empty());
    let ships = asked(user("alice"), action("read"), json!({ "type": "spaceship" }));
    assert!(found(&pep, "resource", &ships, Some("spaceship")).await.is_empty());
    let ship = json!({ "subject": user("alice"), "resource": { "type": "spaceship", "id": "1" } });
    assert!(found(&pep, "action", &ship, None).await.is_empty());

    is_bad(&pep, path, &without(readers.clone(), "action")).await;
    is_bad(&pep, path, &with(readers, json!({ "resource": { "type": "record" } }))).await;
    let readable = asked(user("alice"), action("read"), json!({ "type": "record" }));
    is_bad(&pep, "/access/v1/search/resource", &without(readable.clone(), "subject")).await;
    is_bad(
        &pep,
        "/access/v1/search/resource",
        &with(readable, json!({ "subject": { "type": "user" } })),
    )
    .await;
    let verbs = json!({ "subject": user("alice"), "resource": record("record-1") });
    is_bad(&pep, "/access/v1/search/action", &without(verbs.clone(), "resource")).await;
    is_bad(
        &pep,
        "/access/v1/search/action",
        &with(verbs, json!({ "subject": { "type": "user" } })),
    )
    .await;
}

#[tokio::test]
async fn discovery() {
    let (gate, _) = archive().await;
    let answer = gate.anyone().get("/.well-known/authzen-configuration").await;
    is_json(&answer);
    let told = answer.expect(200);
    assert_eq!(told["policy_decision_point"], "https://pdp.example.com");
    for (name, path) in [
        ("access_evaluation_endpoint", "evaluation"),
        ("access_evaluations_endpoint", "evaluations"),
        ("search_subject_endpoint", "search/subject"),
        ("search_resource_endpoint", "search/resource"),
        ("search_action_endpoint", "search/action"),
        ("access_request_endpoint", "requests"),
    ] {
        assert_eq!(told[name], format!("https://pdp.example.com/access/v1/{path}"));
    }
}
