//! What is asked and answered, in AuthZEN's words (Authorization API 1.0, information model).
//! Members that are not known here are passed over, as it wants them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::authz::explain::Hangs;
use crate::error::Fix;

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
        if !std::mem::take(&mut told.policies).is_empty() {
            let word = if self.decision { "policies allow it" } else { "policies forbid it" };
            word.clone_into(&mut told.reason);
        }
        told.conditions.iter_mut().for_each(Hangs::hide);
        self
    }

    /// No, because the question is not the asker's to ask.
    pub fn forbidden() -> Decision {
        let message = "policy does not let you ask this about them".to_owned();
        let told = Told { error: Some(Fault { status: 403, message }), ..Told::default() };
        Decision { decision: false, context: Box::new(told) }
    }

    /// No, because the question itself was not answered.
    pub fn failed(error: &crate::Error) -> Decision {
        let fault = Fault { status: error.status(), message: error.to_string() };
        let told = Told { error: Some(fault), ..Told::default() };
        Decision { decision: false, context: Box::new(told) }
    }
}
