//! What may be an `x-authzen-mapping`.

use serde_json::{Map, Value};

use super::MAPPING;
use super::expression::{Expr, Key, Path, Text};
use super::parse::parse;

const FAULTS_MAX: usize = 20;
const DEPTH_MAX: usize = 16;
const EVALUATIONS_MAX: usize = 20;
/// Each may stand for all arguments of a call.
const EXPRESSIONS_MAX: usize = 64;
/// Members of the parameters of `tools/call`.
const PARAMS: [&str; 3] = ["name", "arguments", "_meta"];

/// Says what is wrong with the mapping in an input schema, as (pointer below the schema, sentence).
pub fn faults(input_schema: &Value) -> Vec<(String, String)> {
    let Some(mapping) = input_schema.get(MAPPING) else { return Vec::new() };
    let mut lint = Lint { input_schema, faults: Vec::new() };
    lint.mapping(mapping);
    lint.faults.truncate(FAULTS_MAX);
    lint.faults
}

/// How many texts begin like an expression.
fn expressions_in(value: &Value) -> usize {
    match value {
        Value::String(it) => usize::from(it.starts_with('$')),
        Value::Array(items) => items.iter().map(expressions_in).sum(),
        Value::Object(members) => members.values().map(expressions_in).sum(),
        _ => 0,
    }
}

struct Lint<'a> {
    input_schema: &'a Value,
    faults: Vec<(String, String)>,
}

impl Lint<'_> {
    fn fault(&mut self, at: &str, detail: impl Into<String>) {
        self.faults.push((at.to_owned(), detail.into()));
    }

    fn mapping(&mut self, mapping: &Value) {
        let at = format!("/{MAPPING}");
        if expressions_in(mapping) > EXPRESSIONS_MAX {
            return self.fault(&at, format!("has more than {EXPRESSIONS_MAX} expressions"));
        }
        let envelopes = mapping.as_object().filter(|it| it.len() == 1);
        let envelope = envelopes.and_then(|it| it.iter().next());
        match envelope {
            Some((name, Value::Object(body))) if name == "evaluation" => {
                self.body(&format!("{at}/{name}"), body, &Map::new(), &[]);
            }
            Some((name, Value::Object(body))) if name == "evaluations" => {
                self.several(&format!("{at}/{name}"), body);
            }
            _ => self
                .fault(&at, "must hold `evaluation` or `evaluations`, an object, and nothing else"),
        }
    }

    fn several(&mut self, at: &str, body: &Map<String, Value>) {
        self.known(at, body, &["evaluations", "options"]);
        self.subject(&format!("{at}/subject"), body.get("subject"));
        for (name, it) in body.iter().filter(|(name, _)| *name != "evaluations") {
            self.expressions(&format!("{at}/{name}"), it, 0);
        }
        let at = format!("{at}/evaluations");
        let Some(Value::Array(each)) = body.get("evaluations") else {
            return self.fault(&at, "must be a list");
        };
        if each.is_empty() || each.len() > EVALUATIONS_MAX {
            self.fault(&at, format!("must hold 1 to {EVALUATIONS_MAX}"));
        }
        for (index, it) in each.iter().enumerate() {
            let at = format!("{at}/{index}");
            let Value::Object(item) = it else {
                self.fault(&at, "must be an object");
                continue;
            };
            if item.contains_key("subject") {
                self.fault(
                    &format!("{at}/subject"),
                    "must stand beside `evaluations`: it is the same for all",
                );
            }
            self.body(&at, item, body, &["subject"]);
        }
    }

    /// One evaluation, with what is said of all of them.
    fn body(
        &mut self,
        at: &str,
        body: &Map<String, Value>,
        common: &Map<String, Value>,
        said: &[&str],
    ) {
        self.known(at, body, &[]);
        if !said.contains(&"subject") {
            self.subject(&format!("{at}/subject"), body.get("subject"));
        }
        for (part, members) in [("action", &["name"][..]), ("resource", &["type", "id"])] {
            let it = body.get(part).or_else(|| common.get(part));
            for member in members {
                let value = it.and_then(|it| it.get(member));
                if !value.is_some_and(Value::is_string) {
                    self.fault(&format!("{at}/{part}/{member}"), "is needed, and must be a text");
                }
            }
        }
        for (name, it) in body.iter().filter(|(name, _)| !said.contains(&name.as_str())) {
            self.expressions(&format!("{at}/{name}"), it, 0);
        }
    }

    fn known(&mut self, at: &str, body: &Map<String, Value>, more: &[&str]) {
        let usual = ["subject", "action", "resource", "context"];
        for name in
            body.keys().filter(|it| !usual.contains(&it.as_str()) && !more.contains(&it.as_str()))
        {
            self.fault(&pointer(at, name), "is no part of an evaluation");
        }
    }

    /// The subject is whoever calls: a mapping that named another could call in their name.
    fn subject(&mut self, at: &str, subject: Option<&Value>) {
        let Some(subject) = subject else { return };
        if !subject.is_object() {
            return self.fault(at, "must be an object");
        }
        let Some(id) = subject.get("id") else { return };
        let is_caller = match id.as_str().map(Text::of) {
            Some(Text::Expression(it)) => parse(it).is_ok_and(|it| it == caller()),
            _ => false,
        };
        if !is_caller {
            self.fault(&format!("{at}/id"), "must be `$token.sub`: the subject is whoever calls");
        }
    }

    fn expressions(&mut self, at: &str, value: &Value, depth: usize) {
        if depth > DEPTH_MAX {
            return self.fault(at, format!("is nested deeper than {DEPTH_MAX} levels"));
        }
        match value {
            Value::String(text) => {
                let Text::Expression(text) = Text::of(text) else { return };
                match parse(text) {
                    Err(detail) => self.fault(at, detail),
                    Ok(expr) => self.paths(at, &expr),
                }
            }
            Value::Array(all) => {
                for (index, it) in all.iter().enumerate() {
                    self.expressions(&format!("{at}/{index}"), it, depth + 1);
                }
            }
            Value::Object(all) => {
                for (name, it) in all {
                    self.expressions(&pointer(at, name), it, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn paths(&mut self, at: &str, expr: &Expr) {
        let mut faults = Vec::new();
        expr.paths(&mut |it| faults.extend(self.path(it)));
        for detail in faults {
            self.fault(at, detail);
        }
    }

    fn path(&self, path: &Path) -> Option<String> {
        let member = |at: usize| match &path.steps.get(at)?.key {
            Key::Member(name) => Some(name.as_str()),
            Key::Index(_) => None,
        };
        match path.root.as_str() {
            "token" => None,
            "params" => match member(0) {
                None => Some("`params` is a map: say which member of it".into()),
                Some("arguments") => self.argument(path),
                Some(name) if PARAMS.contains(&name) => None,
                Some(name) => Some(format!("a call has no `params.{name}`")),
            },
            other => Some(format!("there is no `{other}`: only `params` and `token`")),
        }
    }

    /// Follows the properties that the schema declares, as far as it declares any.
    fn argument(&self, path: &Path) -> Option<String> {
        let mut at = self.input_schema;
        for step in path.steps.iter().skip(1) {
            let Key::Member(name) = &step.key else { return None };
            let declared = at.get("properties").and_then(Value::as_object);
            let open = at.get("patternProperties").is_some()
                || at.get("additionalProperties").is_some_and(|it| *it != Value::Bool(false));
            at = match declared.and_then(|it| it.get(name)) {
                Some(it) if it.get("$ref").is_some() => return None,
                Some(it) => it,
                None if open => return None,
                None if std::ptr::eq(at, self.input_schema) || declared.is_some() => {
                    return Some(format!("the tool has no argument `{name}`"));
                }
                None => return None,
            };
        }
        None
    }
}

fn caller() -> Expr {
    use super::expression::Step;
    let sub = Step { key: Key::Member("sub".into()), optional: false };
    Expr::Path(Path { root: "token".into(), steps: vec![sub] })
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "tests write values in place")]
    fn of(mapping: Value) -> Vec<(String, String)> {
        faults(&json!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "to": { "type": "object", "properties": { "city": {} } },
            },
            MAPPING: mapping,
        }))
    }

    fn read(part: &str, value: Value) -> Value {
        let mut body = json!({
            "subject": { "id": "$token.sub" }, "action": { "name": "read" },
            "resource": { "type": "customer", "id": "$params.arguments.id" },
        });
        body[part] = value;
        json!({ "evaluation": body })
    }

    #[test]
    fn a_good_mapping_has_no_faults() {
        assert_eq!(
            of(read("context", json!({ "agent": "$token.?client_id", "price": "$$5" }))),
            []
        );
        assert_eq!(of(read("context", json!({ "city": "$params.arguments.to.city" }))), []);
        let both = json!({ "evaluations": {
            "subject": { "type": "user", "id": "$token.sub" }, "action": { "name": "read" },
            "evaluations": [
                { "resource": { "type": "customer", "id": "$params.arguments.id" } },
                { "action": { "name": "write" }, "resource": { "type": "log", "id": "1" } },
            ],
        } });
        assert_eq!(of(both), []);
        assert_eq!(faults(&json!({ "type": "object" })), []);
    }

    #[test]
    fn every_fault_is_told_where_it_stands() {
        let at = "/x-authzen-mapping";
        for (mapping, pointer, wanted) in [
            (json!({}), String::new(), "must hold"),
            (json!({ "evaluation": {}, "evaluations": {} }), String::new(), "must hold"),
            (
                read("subject", json!({ "id": "bob" })),
                "/evaluation/subject/id".into(),
                "whoever calls",
            ),
            (
                read("subject", json!({ "id": "$params.arguments.id" })),
                "/evaluation/subject/id".into(),
                "whoever calls",
            ),
            (read("action", json!({})), "/evaluation/action/name".into(), "is needed"),
            (
                read("resource", json!({ "type": "a", "id": "$params.arguments.nope" })),
                "/evaluation/resource/id".into(),
                "no argument `nope`",
            ),
            (
                read("context", json!({ "a/b": "$params.arguments.to.street" })),
                "/evaluation/context/a~1b".into(),
                "no argument `street`",
            ),
            (
                read("context", json!({ "a": "$params.(" })),
                "/evaluation/context/a".into(),
                "cannot be read",
            ),
            (
                read("context", json!({ "a": "$env.HOME" })),
                "/evaluation/context/a".into(),
                "no `env`",
            ),
            (
                read("context", json!({ "a": "$params.secret" })),
                "/evaluation/context/a".into(),
                "no `params.secret`",
            ),
            (read("page", json!({})), "/evaluation/page".into(), "no part"),
            (
                json!({ "evaluations": { "evaluations": [{ "subject": {} }] } }),
                "/evaluations/evaluations/0/subject".into(),
                "same for all",
            ),
        ] {
            let told = of(mapping.clone());
            let found =
                told.iter().any(|(p, d)| *p == format!("{at}{pointer}") && d.contains(wanted));
            assert!(found, "{mapping}: {told:?}");
        }
    }
}
