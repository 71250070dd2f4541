//! From a mapping and one call to the questions that it is to be authorized by.

use serde_json::{Map, Value, json};

use super::MAPPING;
use super::evaluate::{Inputs, evaluate};
use super::expression::Text;
use super::parse::parse;

/// The type of a subject that a mapping does not name.
const IDENTITY: &str = "identity";
const DEPTH_MAX: usize = 16;

/// The bodies of the evaluations that `input_schema` maps a call to; none where it maps none.
///
/// # Errors
/// The mapping cannot be made use of for this call: then it is not authorized.
pub fn questions(input_schema: &Value, inputs: Inputs<'_>) -> Result<Option<Vec<Value>>, String> {
    let Some(mapping) = input_schema.get(MAPPING) else { return Ok(None) };
    let malformed = || "the mapping has neither `evaluation` nor `evaluations`".to_owned();
    if let Some(template) = mapping.get("evaluation") {
        return Ok(Some(vec![anchored(resolved(template, inputs, 0)?, inputs)?]));
    }
    let template = mapping.get("evaluations").ok_or_else(malformed)?;
    let Some(Value::Object(mut common)) = resolved(template, inputs, 0)? else {
        return Err(malformed());
    };
    let each = common.remove("evaluations");
    let Some(Value::Array(each)) = each else { return Err("`evaluations` is no list".into()) };
    let complete = |item: Value| match item {
        Value::Object(item) if item.contains_key("subject") => {
            Err("an evaluation has a subject of its own".to_owned())
        }
        Value::Object(item) => {
            let mut whole = common.clone();
            whole.extend(item);
            anchored(Some(Value::Object(whole)), inputs)
        }
        _ => Err("an evaluation is no object".into()),
    };
    each.into_iter().map(complete).collect::<Result<Vec<_>, _>>().map(Some)
}

/// With the subject that the access token stands for, and no other.
fn anchored(body: Option<Value>, inputs: Inputs<'_>) -> Result<Value, String> {
    let Some(Value::Object(mut body)) = body else { return Err("is no object".into()) };
    let caller = inputs.token.get("sub").cloned().ok_or("the access token stands for nobody")?;
    let mut subject = match body.remove("subject") {
        None => Map::new(),
        Some(Value::Object(it)) => it,
        Some(_) => return Err("`subject` is no object".into()),
    };
    if subject.get("id").is_some_and(|it| *it != caller) {
        return Err("the mapping names another subject than the caller".into());
    }
    subject.insert("id".into(), caller);
    subject.entry("type").or_insert_with(|| IDENTITY.into());
    body.insert("subject".into(), json!(subject));
    Ok(Value::Object(body))
}

/// Every expression replaced by its value; what has none is left out.
fn resolved(template: &Value, inputs: Inputs<'_>, depth: usize) -> Result<Option<Value>, String> {
    if depth > DEPTH_MAX {
        return Err("is nested too deep".into());
    }
    Ok(Some(match template {
        Value::String(text) => match Text::of(text) {
            Text::Literal(it) => it.into(),
            Text::Expression(it) => return evaluate(&parse(it)?, inputs),
        },
        Value::Array(all) => {
            let all = all.iter().map(|it| resolved(it, inputs, depth + 1));
            all.filter_map(Result::transpose).collect::<Result<_, _>>()?
        }
        Value::Object(all) => {
            let mut whole = Map::new();
            for (name, it) in all {
                if let Some(it) = resolved(it, inputs, depth + 1)? {
                    whole.insert(name.clone(), it);
                }
            }
            Value::Object(whole)
        }
        other => other.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "tests write values in place")]
    fn of(mapping: Value, arguments: Value) -> Result<Option<Vec<Value>>, String> {
        let schema = json!({ "type": "object", MAPPING: mapping });
        let params = json!({ "name": "copy", "arguments": arguments });
        let token = json!({ "sub": "alice" });
        questions(&schema, Inputs { params: &params, token: &token })
    }

    #[test]
    fn one_question_is_filled_in() {
        let mapping = json!({ "evaluation": {
            "action": { "name": "read" },
            "resource": { "type": "file", "id": "$params.arguments.path" },
            "context": { "agent": "$token.?client_id", "price": "$$5", "deep": [1, "$params.name"] },
        } });
        let told = of(mapping, json!({ "path": "/a" })).unwrap().unwrap();
        assert_eq!(
            told,
            [json!({
                "subject": { "type": "identity", "id": "alice" },
                "action": { "name": "read" },
                "resource": { "type": "file", "id": "/a" },
                "context": { "price": "$5", "deep": [1, "copy"] },
            })]
        );
    }

    #[test]
    fn several_share_what_stands_outside() {
        let mapping = json!({ "evaluations": {
            "subject": { "type": "user", "id": "$token.sub" },
            "evaluations": [
                { "action": { "name": "read" }, "resource": { "type": "file", "id": "$params.arguments.from" } },
                { "action": { "name": "write" }, "resource": { "type": "file", "id": "$params.arguments.to" } },
            ],
        } });
        let told = of(mapping, json!({ "from": "a", "to": "b" })).unwrap().unwrap();
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|it| it["subject"]["id"] == "alice"));
        assert_eq!(told[1]["resource"]["id"], "b");
    }

    #[test]
    fn what_cannot_be_filled_in_authorizes_nothing() {
        let read = |id: &str| {
            json!({ "evaluation": {
                "subject": { "id": id },
                "action": { "name": "read" }, "resource": { "type": "file", "id": "x" },
            } })
        };
        assert!(of(read("$params.arguments.who"), json!({ "who": "bob" })).is_err());
        assert!(of(read("bob"), json!({})).is_err());
        assert!(of(read("$params.arguments.none"), json!({})).is_err());
        assert!(of(json!({}), json!({})).is_err());
        let smuggled =
            json!({ "evaluations": { "evaluations": [{ "subject": { "id": "alice" } }] } });
        assert!(of(smuggled, json!({})).is_err());
    }
}
