//! Calls of tools that say themselves which questions they are to be authorized by (COAZ).

use serde_json::{Value, json};

use super::answer::Ruling;
use super::inquiry::{Inquiry, Question, TOOLS_CALL};
use super::model::{Asked, Decision, Mapped, Named, Properties};
use super::names::Thing;
use super::particulars::{ARGUMENTS, Given};
use super::right::Trust;
use crate::Result;
use crate::coaz::{Inputs, questions};
use crate::registry::Tool;

/// The name that COAZ has for the client that calls for the subject.
const AGENT: &str = "agent";

/// A call of a tool, as COAZ puts it.
pub(super) struct Called<'a> {
    tool: &'a Tool,
    by: &'a Named,
    given: Given<'a>,
}

/// What the mapping of a tool asked about a call.
pub(super) struct Mapping {
    /// Up to the first question that was not answered with yes.
    pub asked: Vec<Mapped>,
    /// The answer to that one; none where the mapping takes nothing away.
    pub refusal: Option<Ruling>,
}

impl<'a> Called<'a> {
    /// None where nothing is called.
    pub fn of(thing: Option<&'a Thing>, by: &'a Named, given: Given<'a>) -> Option<Called<'a>> {
        match thing {
            Some(Thing::Tool(tool)) if given.name == TOOLS_CALL => Some(Called { tool, by, given }),
            _ => None,
        }
    }

    /// What the tool's mapping asks, whatever type it gives its subject, of the one who was asked
    /// about.
    fn questions(&self) -> Result<Vec<Asked>, String> {
        let definition = &self.tool.definition;
        let arguments = self.given.asked(ARGUMENTS).cloned();
        let empty = || Value::Object(Properties::new());
        let params = json!({
            "name": definition.name, "arguments": arguments.unwrap_or_else(empty),
        });
        let mut token = Properties::from_iter([("sub".to_owned(), self.by.id.as_str().into())]);
        if let Some(agent) = self.given.context.get(AGENT) {
            token.insert("client_id".to_owned(), agent.clone());
        }
        let token = Value::Object(token);
        let inputs = Inputs { params: &params, token: &token };
        let bodies = questions(&definition.input_schema, inputs)?.unwrap_or_default();
        let asked = bodies.into_iter().map(|body| {
            let asked: Asked = serde_json::from_value(body).map_err(|why| why.to_string())?;
            Ok(Asked { subject: self.by.clone(), ..asked })
        });
        asked.collect()
    }
}

impl Inquiry<'_> {
    /// Asks what the tool's mapping asks: it can only take away. What a mapping says is its author's
    /// word: no property or circumstance of it counts, and it makes nobody's question one that they
    /// may ask.
    pub(super) async fn map(&self, called: &Called<'_>) -> Result<Mapping> {
        let mut mapping = Mapping { asked: Vec::new(), refusal: None };
        let all = match called.questions() {
            Ok(it) => it,
            Err(why) => {
                mapping.refusal = Some(Err(unmappable(&why)));
                return Ok(mapping);
            }
        };
        for asked in &all {
            // Twenty of them are as much as many candidates of a search.
            tokio::task::yield_now().await;
            mapping.asked.push(Mapped::of(asked));
            let ruling = self.rule_as_if_asked(&self.question(asked)).await?;
            if !ruling.as_ref().is_ok_and(|it| it.outcome.allow) {
                mapping.refusal = Some(ruling);
                break;
            }
        }
        Ok(mapping)
    }

    /// Nothing that the caller would not be told if it asked itself: whoever registers a tool could
    /// ask about everybody who may use it otherwise.
    async fn rule_as_if_asked(&self, question: &Question<'_>) -> Result<Ruling> {
        let owner = question.tool_owner();
        let may = self.may_ask(question)? && {
            let trust = self.trusts(&question.subject.about, owner.as_deref())?;
            self.knows(&question.subject, trust)? || !self.is_withheld(question)
        };
        match may {
            true => self.rule(Trust::default(), question).await,
            false => Ok(Err(Decision::forbidden_as_mapped())),
        }
    }
}

fn unmappable(why: &str) -> Decision {
    Decision::closed("unacceptable", format!("the tool's `x-authzen-mapping`: {why}"))
}
