//! How much of a decision a caller may know. Everything here is asked of the policies.

use std::collections::BTreeSet;

use cedar_policy::{Entity, EntityUid};

use super::{Sight, Told};
use crate::Result;
use crate::authn::Caller;
use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::authz::uid::Kind;
use crate::authz::{Authz, Resource};

/// Something that a decision was about, as it was then.
struct Then<'a> {
    uid: EntityUid,
    entity: Option<&'a Entity>,
}

impl Resource for Then<'_> {
    fn uid(&self) -> EntityUid {
        self.uid.clone()
    }

    fn entity(&self) -> Option<&Entity> {
        self.entity
    }

    fn name(&self) -> &str {
        ""
    }
}

impl Authz {
    /// What this caller may know of a decision; `case` is none where it cannot be made again.
    ///
    /// # Errors
    /// What deciding needs is down.
    pub fn sight(&self, caller: &Caller, told: &Told, case: Option<&Case>) -> Result<Sight> {
        let everything = self.would_allow(caller, "inspect_decision", told, &Particulars::Token)?;
        let mut of = BTreeSet::from([caller.principal().uid()]);
        let named = case.into_iter().flat_map(|it| it.principals().chain([&it.resource]));
        for uid in named.filter(|_| !everything) {
            let entity = case.and_then(|it| it.entity(uid));
            let then = Then { uid: uid.clone(), entity };
            let sees = match (entity, viewing(uid)) {
                // There is nothing to see but its name.
                (None, _) => true,
                (Some(_), None) => false,
                (Some(_), Some((action, particulars))) => {
                    self.would_allow(caller, action, &then, &particulars)?
                }
            };
            if sees {
                of.insert(uid.clone());
            }
        }
        Ok(Sight { everything, of })
    }
}

/// The action that tells whether something may be seen.
fn viewing(uid: &EntityUid) -> Option<(&'static str, Particulars)> {
    let token = |action| Some((action, Particulars::Token));
    match Kind::of(uid.type_name())? {
        Kind::Tool => Some(("view_tool", Particulars::Find)),
        Kind::Agent => token("view_agent"),
        Kind::ApiKey => token("view_api_key"),
        Kind::Approval => token("view_approval"),
        Kind::Credential => token("view_credential"),
        Kind::Decision => token("view_decision"),
        Kind::Mandate => token("view_mandate"),
        Kind::Role => token("view_role"),
        Kind::User => token("view_user"),
        _ => None,
    }
}
