//! Holds answers against the document.

use std::collections::BTreeSet;

use gatewright::http::routes;
use reqwest::header;
use serde_json::{Value, json};

use crate::harness::{Answer, Gate};

/// Holds answers against the document, and remembers which operations it has seen.
pub(super) struct Witness {
    document: Value,
    seen: BTreeSet<(String, String)>,
}

impl Witness {
    pub(super) async fn new(gate: &Gate) -> Witness {
        let document = gate.anyone().get("/openapi.json").await.expect(200);
        Witness { document, seen: BTreeSet::new() }
    }

    /// The answer must be one that the operation announces, and of the shape announced.
    #[track_caller]
    pub(super) fn saw(&mut self, method: &str, template: &str, answer: &Answer) -> Value {
        let what = format!("{method} {template} {}: {}", answer.status, answer.text);
        let operation = &self.document["paths"][template][method];
        let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{what}"));
        let told = match responses.get(answer.status.as_str()) {
            Some(it) => it,
            None if answer.status.as_u16() >= 400 => {
                &self.document["components"]["responses"]["Problem"]
            }
            None => panic!("not announced: {what}"),
        };
        if answer.status.is_success() || answer.status.is_redirection() {
            self.seen.insert((method.to_owned(), template.to_owned()));
        }
        let Some(content) = told["content"].as_object() else {
            assert_eq!(answer.text, "", "{what}");
            return Value::Null;
        };
        let (announced, schema) = content.iter().next().unwrap();
        let kind = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
        if announced.starts_with("text/") {
            assert!(kind.starts_with(announced), "{what}: {kind}");
            return Value::Null;
        }
        assert_eq!(kind, announced, "{what}");
        self.check(&schema["schema"], &answer.json(), &what);
        answer.json()
    }

    /// Nothing is there that is not announced, either.
    #[track_caller]
    fn check(&self, schema: &Value, body: &Value, what: &str) {
        let mut whole = json!({ "allOf": [schema], "components": self.document["components"] });
        if schema.get("$ref").is_some() {
            whole["unevaluatedProperties"] = json!(false);
        }
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let faults: Vec<String> = validator.iter_errors(body).map(|it| it.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}\n{what}");
    }

    /// Every operation has been seen to do what it is for.
    pub(super) fn has_seen_all(&self) {
        for route in routes() {
            let it = (route.method.as_str().to_lowercase(), route.path.to_owned());
            assert!(self.seen.contains(&it), "add a step to the walk: {it:?}");
        }
    }
}
