//! Calls of tools that say themselves which questions they are to be authorized by (COAZ).

use serde_json::{Value, json};

use super::inquiry::{Inquiry, Question};
use super::model::{Asked, Decision, Properties};
use super::names::Thing;
use super::particulars::{ARGUMENTS, Given};
use super::right::Trust;
use crate::Result;
use crate::coaz::{Inputs, questions};

/// The name that COAZ has for the client that calls for the subject.
const AGENT: &str = "agent";

impl Inquiry<'_> {
    /// `allowed`, if every question that the tool's mapping asks is allowed as well. What a mapping
    /// says is its author's word: no property or circumstance of it counts, and what is not allowed
    /// without it is not allowed with it.
    pub(super) async fn also_as_mapped(
        &self,
        question: &Question<'_>,
        allowed: Decision,
    ) -> Result<Decision> {
        let Some(Thing::Tool(tool)) = &question.thing else { return Ok(allowed) };
        let Asked { subject, action, context, .. } = question.asked;
        let arguments = Given::new(action, context, false).asked(ARGUMENTS).cloned();
        let empty = || Value::Object(Properties::new());
        let params = json!({
            "name": tool.definition.name, "arguments": arguments.unwrap_or_else(empty),
        });
        let mut token = Properties::from_iter([("sub".to_owned(), subject.id.as_str().into())]);
        if let Some(agent) = context.get(AGENT) {
            token.insert("client_id".to_owned(), agent.clone());
        }
        let token = Value::Object(token);
        let inputs = Inputs { params: &params, token: &token };
        let mapped = match questions(&tool.definition.input_schema, inputs) {
            Ok(it) => it.unwrap_or_default(),
            Err(why) => return Ok(unmappable(&why)),
        };
        for body in mapped {
            let asked: Asked = match serde_json::from_value(body) {
                Ok(it) => it,
                Err(why) => return Ok(unmappable(&why.to_string())),
            };
            // Whatever type the mapping gives its subject, it is the one that was asked about.
            let asked = Asked { subject: subject.clone(), ..asked };
            let decision = self.answer_trusting(Trust::default(), &self.question(&asked)).await?;
            if !decision.decision {
                return Ok(decision);
            }
        }
        Ok(allowed)
    }
}

fn unmappable(why: &str) -> Decision {
    Decision::closed("unacceptable", format!("the tool's `x-authzen-mapping`: {why}"))
}
