//! The words of a question: who and what they mean.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use serde_json::{Value, json};

use super::unknown::Unknown;
use super::{REGISTRY, SUBJECTS};
use crate::cli::api::{Api, Failure};

/// A subject by the words that people use; `me` is whoever asks.
///
/// # Errors
/// The word may mean two; or the server does not answer.
pub async fn named(api: &Api, word: &str) -> Result<Value, Failure> {
    if word == "me" {
        let me = api.get("/api/v1/auth/me").await?;
        return Ok(json!({ "type": me["kind"], "id": me["id"] }));
    }
    if apart(word).is_none() && is_both(api, word).await? {
        let which = format!("say `user:{word}` or `agent:{word}`");
        return Err(Failure::Usage(format!(
            "a user and an agent go by the name `{word}`: {which}"
        )));
    }
    Ok(typed(word, "identity"))
}

/// Whether the caller may ask about a user of this name, and about an agent of it, too: an answer
/// would be about the user, and not say so.
async fn is_both(api: &Api, name: &str) -> Result<bool, Failure> {
    let asked = SUBJECTS.map(|kind| json!({ "subject": { "type": kind, "id": name } }));
    let body = json!({
        "action": { "name": "view_self" }, "resource": thing(REGISTRY), "evaluations": asked,
    });
    let told = match api.post("/access/v1/evaluations", &body).await {
        Ok(it) => it,
        Err(Failure::Refused { status: 403, .. }) => return Ok(false),
        Err(other) => return Err(other),
    };
    let mut answers = told["evaluations"].as_array().into_iter().flatten();
    Ok(answers.all(|it| it["context"]["error"].is_null() && Unknown::of(it).is_none()))
}

/// A resource; a tool, where the word does not say of which type.
pub fn thing(word: &str) -> Value {
    typed(word, "tool")
}

/// `TYPE:ID`, or an id of the usual type.
pub fn typed(word: &str, usual: &str) -> Value {
    match apart(word) {
        // As tables, links and grants write it, too: `Agent:lingua`, `McpServer:files`.
        Some(("McpServer", id)) => json!({ "type": "mcp_server", "id": id }),
        Some((kind @ ("User" | "Agent" | "Tool"), id)) => {
            json!({ "type": kind.to_lowercase(), "id": id })
        }
        Some((kind, id)) => json!({ "type": kind, "id": id }),
        None => json!({ "type": usual, "id": word }),
    }
}

/// A type and an id, at the first colon that is no part of a name such as `Archive::Record`.
fn apart(word: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + word.get(from..)?.find(':')?;
        let (kind, rest) = word.split_at_checked(at)?;
        match rest.strip_prefix("::") {
            Some(_) => from = at + "::".len(),
            None => return Some((kind, rest.strip_prefix(':')?)).filter(|_| !kind.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_may_be_one_of_a_namespace() {
        for (word, expected) in [
            ("Archive::Record:r1", Some(("Archive::Record", "r1"))),
            ("A::B::C:r:1", Some(("A::B::C", "r:1"))),
            ("user:a::b", Some(("user", "a::b"))),
            ("Archive::Record", None),
            (":x", None),
            ("x:", Some(("x", ""))),
            ("calc", None),
        ] {
            assert_eq!(apart(word), expected, "{word}");
        }
    }
}
