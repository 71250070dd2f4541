//! What templates are to grants: whether one can stand on them, and what it would be about.

use std::collections::BTreeSet;

use cedar_policy::{Effect, PolicyId, SlotId};

use super::bundle::Bundle;
use super::slice::Scope;
use crate::authz::uid;

/// The group of the actions that use a tool.
const USE: &str = "use";

/// A template that a grant can stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub effect: Effect,
    /// Whether it speaks of uses of tools, and of nothing else.
    pub about_use: bool,
}

/// Why no grant can stand on a template: it fills two slots, no less and no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the policies have no template `{0}`")]
    Unknown(String),
    #[error(
        "the scope of `{template}` has no `{slot}`: a grant is for somebody and about a tool, so its \
         template has both `?principal` and `?resource`"
    )]
    Slotless { template: String, slot: SlotId },
}

impl Bundle {
    /// What a grant of `template` would be.
    ///
    /// # Errors
    /// No grant can stand on it.
    pub fn form(&self, template: &str) -> Result<Form, Unfit> {
        let found = self.policies().template(&PolicyId::new(template));
        let found = found.ok_or_else(|| Unfit::Unknown(template.to_owned()))?;
        for slot in [SlotId::principal(), SlotId::resource()] {
            if !found.slots().any(|it| *it == slot) {
                return Err(Unfit::Slotless { template: template.to_owned(), slot });
            }
        }
        let (scope, uses) = (Scope::of_template(found), uid::action(USE));
        let is_use = |it| self.action_entities(it).iter().any(|it| it.uid() == uses);
        let about_use = self.actions().filter(|it| self.admits_action(&scope, it)).all(is_use);
        Ok(Form { effect: found.effect(), about_use })
    }

    /// The templates that permit.
    pub fn permitting(&self) -> BTreeSet<String> {
        let permits = self.policies().templates().filter(|it| it.effect() == Effect::Permit);
        permits.map(|it| it.id().to_string()).collect()
    }
}
