//! The answer to one question, as far as whoever asks may know it.

use super::inquiry::{Inquiry, Question, named, pointer};
use super::mapped::{Called, Mapping};
use super::model::{Answer, Asked, Decision, Properties};
use super::names::Thing;
use super::particulars::{Given, Telling};
use super::right::Trust;
use crate::Result;
use crate::authz::case::Case;
use crate::authz::verdict::Outcome;

/// What was decided, before it is told.
pub(super) struct Decided {
    case: Case,
    pub outcome: Outcome,
    telling: Telling,
    ignored: Vec<String>,
}

/// What was decided, or why there was nothing to decide.
pub(super) type Ruling = Result<Decided, Decision>;

impl Inquiry<'_> {
    /// What would be decided.
    ///
    /// # Errors
    /// None that the question is to blame for: what cannot be decided is answered with no.
    pub async fn answer(&self, question: &Question<'_>) -> Result<Answer> {
        let owner = question.tool_owner();
        let trust = self.trusts(&question.subject.about, owner.as_deref())?;
        let knows = self.knows(&question.subject, trust)?;
        if !knows && self.is_withheld(question) {
            return Ok(Answer { decision: Decision::forbidden(), mapped: Vec::new() });
        }
        let mut ruling = self.rule(trust, question).await?;
        let Asked { subject, action, context, .. } = question.asked;
        let called =
            Called::of(question.thing.as_ref(), subject, Given::new(action, context, false));
        let mut mapped = Vec::new();
        if let (Ok(Decided { outcome: Outcome { allow: true, .. }, .. }), Some(it)) =
            (&ruling, called)
        {
            let Mapping { asked, refusal } = self.map(&it).await?;
            mapped = asked;
            ruling = refusal.unwrap_or(ruling);
        }
        let decision = match ruling {
            Ok(it) => self.answered(&it.case, it.outcome, it.telling).await?.ignoring(it.ignored),
            Err(closed) => closed,
        };
        Ok(Answer { decision: if knows { decision } else { decision.without_grounds() }, mapped })
    }

    /// Whether this is asked of a tool and is no use of it: who manages what is nothing that has to
    /// be known at its door.
    pub(super) fn is_withheld(&self, question: &Question<'_>) -> bool {
        let name = named(&question.asked.action.name);
        let mut meant = self.bundle().actions().filter(|it| it.id().unescaped() == name);
        matches!(question.thing, Some(Thing::Tool(_))) && meant.any(|it| !self.is_use(it))
    }

    /// Decides a question, where these words of the caller's count.
    pub(super) async fn rule(&self, trust: Trust, question: &Question<'_>) -> Result<Ruling> {
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
            Err(closed) => return Ok(Err(closed.ignoring(ignored))),
        };
        let Some(thing) = self.visible(question.thing.as_ref())? else {
            return Ok(Err(unknown_resource().ignoring(ignored)));
        };
        let Some((thing, about)) = self.about(&thing, &of_thing, &mut ignored)? else {
            return Ok(Err(unknown_resource().ignoring(ignored)));
        };
        let uid = match self.action(&action.name, who.entity.uid().type_name(), &thing) {
            Ok(it) => it,
            Err(closed) => return Ok(Err(closed.ignoring(ignored))),
        };
        let given = Given::new(action, context, trust.circumstances);
        let particular = match self.particular(&uid, &thing, given).await? {
            Ok(it) => it,
            Err(closed) => return Ok(Err(closed.ignoring(ignored))),
        };
        self.tell(&mut who.facts, given, &particular, &mut ignored);
        let telling = particular.telling();
        let (case, outcome) = self.decide(&who, &uid, (&thing, about), particular).await?;
        if !outcome.allow && !trust.properties && matches!(thing, Thing::Declared(..)) {
            return Ok(Err(unknown_resource().ignoring(ignored)));
        }
        Ok(Ok(Decided { case, outcome, telling, ignored }))
    }
}

fn unknown_resource() -> Decision {
    Decision::closed("unknown_resource", "no such thing is known, or it is not for you to know of")
}
