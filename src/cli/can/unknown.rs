//! Words of a question that the server knows nothing by.
//!
//! A server does not tell what is not there from what the caller may not see, and neither does what
//! is said here: the names that are offered are those that the server lists to the same caller.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use serde_json::Value;

use super::words::{thing, typed};
use crate::cli::api::{Api, Failure};
use crate::cli::out::complain;
use crate::policy::{Bundle, meant};

const AGENTS: (&str, &str) = ("/api/v1/agents", "name");
const USERS: (&str, &str) = ("/api/v1/users", "username");
const TOOLS: (&str, &str) = ("/api/v1/tools", "name");

/// Which word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    Subject,
    Action,
    Resource,
}

/// What an answer to this question would not know; none where the caller may not ask it.
///
/// # Errors
/// The server does not answer.
pub async fn probe(api: &Api, question: &Value) -> Result<Option<Unknown>, Failure> {
    match api.post("/access/v1/evaluation", question).await {
        Ok(told) => Ok(Unknown::of(&told)),
        Err(Failure::Refused { status: 403, .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

impl Unknown {
    /// What this answer did not know.
    pub fn of(told: &Value) -> Option<Unknown> {
        match told["context"]["code"].as_str()? {
            "unknown_subject" => Some(Unknown::Subject),
            "unknown_action" => Some(Unknown::Action),
            "unknown_resource" => Some(Unknown::Resource),
            _ => None,
        }
    }

    /// Complains about the word of SUBJECT ACTION RESOURCE that it is.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn tell(self, api: &Api, words: [&str; 3]) -> Result<(), Failure> {
        let [subject, action, resource] = words;
        let said = match self {
            Unknown::Action => no_such_action(action),
            Unknown::Subject => nothing_by(api, subject, &typed(subject, "identity")).await?,
            Unknown::Resource => nothing_by(api, resource, &thing(resource)).await?,
        };
        complain(&said);
        Ok(())
    }
}

/// The actions that are offered are those of the starter policies: they are no secret of a server.
fn no_such_action(word: &str) -> String {
    let starter = Bundle::starter().ok();
    let known = starter.iter().flat_map(Bundle::actions).map(|it| it.id().unescaped());
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    match meant(word, known.iter().copied()) {
        Some(it) => format!("there is no action `{word}`; did you mean `{it}`?"),
        None => format!("there is no action `{word}`; there are {}", known.join(", ")),
    }
}

async fn nothing_by(api: &Api, word: &str, meant_as: &Value) -> Result<String, Failure> {
    let lists = match meant_as["type"].as_str() {
        Some("tool") => vec![TOOLS],
        Some("user") => vec![USERS],
        Some("agent" | "mcp_server") => vec![AGENTS],
        Some("identity") => vec![AGENTS, USERS],
        _ => Vec::new(),
    };
    let mut names = Vec::new();
    for (path, field) in lists {
        match api.list(path, "").await {
            Ok(all) => {
                names.extend(all.iter().filter_map(|it| it[field].as_str().map(str::to_owned)))
            }
            Err(Failure::Refused { status: 403 | 404, .. }) => {}
            Err(other) => return Err(other),
        }
    }
    let id = meant_as["id"].as_str().unwrap_or(word);
    let nearest = meant(id, names.iter().map(String::as_str));
    let mend = nearest.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
    Ok(format!("nothing is known by the name `{word}`, or you may not see it{mend}"))
}
