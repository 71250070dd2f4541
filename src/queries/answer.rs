//! The answer to one question, as far as whoever asks may know it.

use super::inquiry::{Inquiry, Question, TOOLS_CALL, named, pointer};
use super::model::{Asked, Decision, Properties};
use super::names::Thing;
use super::particulars::Given;
use super::right::Trust;
use crate::Result;

impl Inquiry<'_> {
    /// What would be decided.
    ///
    /// # Errors
    /// None that the question is to blame for: what cannot be decided is answered with no.
    pub async fn answer(&self, question: &Question<'_>) -> Result<Decision> {
        let owner = question.tool_owner();
        let trust = self.trusts(&question.subject.about, owner.as_deref())?;
        let knows = self.knows(&question.subject, trust)?;
        if !knows && self.is_withheld(question) {
            return Ok(Decision::forbidden());
        }
        let decision = self.answer_trusting(trust, question).await?;
        let decision = match decision.decision && question.asked.action.name == TOOLS_CALL {
            true => self.also_as_mapped(question, decision).await?,
            false => decision,
        };
        Ok(if knows { decision } else { decision.without_grounds() })
    }

    /// Whether this is asked of a tool and is no use of it: who manages what is nothing that has to
    /// be known at its door.
    fn is_withheld(&self, question: &Question<'_>) -> bool {
        let name = named(&question.asked.action.name);
        let mut meant = self.bundle().actions().filter(|it| it.id().unescaped() == name);
        matches!(question.thing, Some(Thing::Tool(_))) && meant.any(|it| !self.is_use(it))
    }

    pub(super) async fn answer_trusting(
        &self,
        trust: Trust,
        question: &Question<'_>,
    ) -> Result<Decision> {
        let Asked { subject, action, resource, context } = question.asked;
        let mut ignored = Vec::new();
        let mut supplied = |of: &str, from: &Properties| match trust.properties {
            true => from.clone(),
            false => {
                ignored.extend(from.keys().map(|it| pointer(&[of, "properties", it])));
                Properties::new()
            }
        };
        let (of_subject, of_thing) =
            (supplied("subject", &subject.properties), supplied("resource", &resource.properties));
        let mut who = match self.who(&question.subject, &of_subject, &mut ignored)? {
            Ok(it) => it,
            Err(closed) => return Ok(closed.ignoring(ignored)),
        };
        let Some(thing) = self.visible(question.thing.as_ref())? else {
            return Ok(unknown_resource().ignoring(ignored));
        };
        let Some((thing, about)) = self.about(&thing, &of_thing, &mut ignored)? else {
            return Ok(unknown_resource().ignoring(ignored));
        };
        let uid = match self.action(&action.name, who.entity.uid().type_name(), &thing) {
            Ok(it) => it,
            Err(closed) => return Ok(closed.ignoring(ignored)),
        };
        let given = Given::new(action, context, trust.circumstances);
        let particular = match self.particular(&uid, &thing, given).await? {
            Ok(it) => it,
            Err(closed) => return Ok(closed.ignoring(ignored)),
        };
        self.tell(&mut who.facts, given, &particular, &mut ignored);
        let told = particular.telling();
        let (case, outcome) = self.decide(&who, &uid, (&thing, about), particular).await?;
        if !outcome.allow && !trust.properties && matches!(thing, Thing::Declared(..)) {
            return Ok(unknown_resource().ignoring(ignored));
        }
        Ok(self.answered(&case, outcome, told).await?.ignoring(ignored))
    }
}

fn unknown_resource() -> Decision {
    Decision::closed("unknown_resource", "no such thing is known, or it is not for you to know of")
}
