//! What is asked and answered, in AuthZEN's words (Authorization API 1.0, information model).
//! Members that are not known here are passed over, as it wants them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::authz::explain::Hangs;
use crate::error::Fix;

const MAPPED_CHARS_MAX: usize = 200;

/// Members that somebody adds.
pub type Properties = Map<String, Value>;

/// A subject or a resource.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "AuthzenEntity")]
pub struct Named {
    /// `user`, `agent`, `mcp_server`, `tool`, … or a type of the bundle's own.
    #[serde(rename = "type")]
    pub kind: String,
    /// An id, or the name it is known by.
    pub id: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// A subject or a resource that is looked for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "AuthzenSought")]
pub struct Sought {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// What is to be done.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "AuthzenAction")]
pub struct Verb {
    /// An action of the policies: `invoke`, `request_credential`, …
    pub name: String,
    /// What goes with it: `arguments`, `scopes`, `ttl_seconds`, `role`, …
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// One question.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "EvaluationBody")]
pub struct Asked {
    pub subject: Named,
    pub action: Verb,
    pub resource: Named,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context: Properties,
}

/// The answer to one question.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "EvaluationAnswer")]
pub struct Decision {
    pub decision: bool,
    pub context: Box<Told>,
}

/// The answer to one question, and what had to be asked for it.
pub struct Answer {
    pub decision: Decision,
    /// By the mapping of a tool.
    pub mapped: Vec<Mapped>,
}

/// A question that the mapping of a tool asked about whoever calls it, as the audit tells of it.
#[derive(Clone, Debug, Serialize)]
pub struct Mapped {
    subject: Named,
    action: String,
    resource: Named,
}

impl Mapped {
    pub(super) fn of(asked: &Asked) -> Mapped {
        let short = |it: &Named| Named {
            kind: cut(&it.kind),
            id: cut(&it.id),
            properties: Properties::new(),
        };
        let [subject, resource] = [&asked.subject, &asked.resource].map(short);
        Mapped { subject, action: cut(&asked.action.name), resource }
    }
}

/// As much of a word as the audit keeps: each of those that one argument makes may be as long as it.
fn cut(word: &str) -> String {
    match word.char_indices().nth(MAPPED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
        None => word.to_owned(),
    }
}

/// What an answer says besides yes or no.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "EvaluationContext")]
pub struct Told {
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why there was nothing to decide: `unknown_subject`, `unknown_action`, `unknown_resource`,
    /// `not_applicable`, `unacceptable`, or `arguments_missing`, where it hangs on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The ids of the policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// What it hangs on that may be otherwise at the next request: it would be yes where all of
    /// this is as it must be, and no where it is not. Nothing where it is no all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Hangs>,
    /// What would turn it into an allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<Fix>,
    /// JSON pointers of what was sent and did not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// What kept one of several questions from being answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

/// An error of one question among several.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "EvaluationFault")]
pub struct Fault {
    /// The HTTP status that the question alone would have got.
    pub status: u16,
    pub message: String,
}

impl Decision {
    /// No, because there is nothing that could be decided.
    pub fn closed(code: &'static str, reason: impl Into<String>) -> Decision {
        let told = Told { reason: reason.into(), code: Some(code), ..Told::default() };
        Decision { decision: false, context: Box::new(told) }
    }

    /// The same for whoever may not see the one who is asked about: nothing that tells the roles
    /// and groups by which it was decided.
    pub(super) fn without_grounds(mut self) -> Decision {
        let told = &mut self.context;
        told.policies.clear();
        told.conditions.clear();
        if told.code.is_none() && told.error.is_none() {
            let word = if self.decision { "policies allow it" } else { "policies do not allow it" };
            word.clone_into(&mut told.reason);
        }
        self
    }

    /// No, because the question is not the asker's to ask.
    pub fn forbidden() -> Decision {
        Decision::faulty(403, "policy does not let you ask this about them".to_owned())
    }

    /// The same of what the mapping of a tool asks.
    pub(super) fn forbidden_as_mapped() -> Decision {
        let asked = "what the tool's `x-authzen-mapping` asks";
        Decision::faulty(403, format!("policy does not let you ask about them {asked}"))
    }

    /// No, because the question itself was not answered.
    pub fn failed(error: &crate::Error) -> Decision {
        Decision::faulty(error.status(), error.to_string())
    }

    fn faulty(status: u16, message: String) -> Decision {
        let told = Told { error: Some(Fault { status, message }), ..Told::default() };
        Decision { decision: false, context: Box::new(told) }
    }
}
