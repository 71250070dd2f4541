//! The groups and roles there are to grant something to.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;
use uuid::Uuid;

use crate::authz::uid::{Kind, uid};
use crate::directory::{Principal, Snapshot};
use crate::policy::Bundle;

/// How many names are told to whoever asked for one that there is not.
const TOLD_MAX: usize = 20;

/// Whom people mean by `Agent:NAME` or `User:NAME` (or by id), `Group:NAME` or `Role:NAME`; nobody says
/// yet that there is such a group or role.
pub fn meant(text: &str, directory: &Snapshot) -> Option<EntityUid> {
    let (word, name) = text.split_once(':')?;
    let id = name.parse::<Uuid>().ok();
    let kind = Kind::named(word)?;
    let found = match kind {
        Kind::Agent => {
            let agent =
                id.and_then(|it| directory.agent(it)).or_else(|| directory.agent_named(name));
            agent?.id.to_string()
        }
        Kind::User => {
            let user = id.and_then(|it| directory.user(it)).or_else(|| directory.user_named(name));
            user?.id.to_string()
        }
        Kind::Group | Kind::Role => name.to_owned(),
        _ => return None,
    };
    Some(uid(kind, &found))
}

/// The names of groups, or of roles, that the schema lists, a policy speaks of, or somebody is in.
pub fn known(kind: Kind, bundle: &Bundle, directory: &Snapshot) -> BTreeSet<String> {
    let literals = bundle.policies().policies().flat_map(|it| it.entity_literals());
    let named = literals.filter(|it| Kind::of(it.type_name()) == Some(kind));
    let named = named.map(|it| it.id().unescaped().to_owned());
    let members = Kind::User.type_name();
    let listed = bundle.vocabulary().kind(members).into_iter().flat_map(|it| &it.parents);
    let listed = listed.filter(|it| it.basename() == kind.name()).flat_map(|it| it.choices());
    let users = directory.users().into_iter().map(Principal::User);
    let held = users.chain(directory.agents().into_iter().map(Principal::Agent));
    let held = held.flat_map(|it| match kind {
        Kind::Role => it.roles().clone(),
        Kind::Group => it.groups().clone(),
        _ => BTreeSet::new(),
    });
    named.chain(listed.map(str::to_owned)).chain(held).collect()
}

/// What is told to whoever grants something to `name`, which is none of `known`. Roles are no secret; which
/// groups there are is not told: some are of those who set the service up, or break the glass.
pub fn unknown(kind: Kind, name: &str, known: &BTreeSet<String>) -> String {
    let nobody = format!(
        "no policy knows a {} `{}`, and nobody is in it",
        kind.name().to_lowercase(),
        name.escape_debug()
    );
    if kind != Kind::Role {
        return nobody;
    }
    let told: Vec<String> = known.iter().take(TOLD_MAX).map(|it| format!("`{it}`")).collect();
    let more = known.len().saturating_sub(TOLD_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let there_are = if told.is_empty() { "none".to_owned() } else { told.join(", ") };
    format!("{nobody}; there are: {there_are}{more}")
}
