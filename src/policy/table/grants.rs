//! Grants of a row: templates linked for it alone.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
#[cfg(test)]
use cedar_policy::Policy;
use cedar_policy::{EntityUid, PolicyId, PolicySet, SlotId, Template};

use super::rows::{Grant, Row};
use crate::policy::bundle::Bundle;
use crate::policy::links::Link;
#[cfg(test)]
use crate::policy::links::set_of;

/// Between a template's id and the number of its link.
const LINK: char = '#';

impl Row {
    /// The row's grants as a case knows them.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        let link = |(number, grant): (usize, &Grant)| {
            Arc::new(Link {
                id: link_id(&grant.template, number),
                template: grant.template.clone(),
                principal: grant.principal.clone(),
                resource: grant.resource.clone(),
            })
        };
        self.grants.iter().enumerate().map(link).collect()
    }
}

/// The slice of the row's request with the row's grants linked; None without grants.
pub(super) fn granted(
    grants: &[Grant],
    bundle: &Bundle,
    principal: &EntityUid,
    action: &EntityUid,
    resource: &EntityUid,
) -> Result<Option<PolicySet>> {
    if grants.is_empty() {
        return Ok(None);
    }
    let mut set = bundle.slice(principal.type_name(), action, resource.type_name()).clone();
    for (number, grant) in grants.iter().enumerate() {
        let id = PolicyId::new(&grant.template);
        let Some(template) = bundle.policies().template(&id) else {
            bail!("no template `{}`", grant.template);
        };
        if set.template(&id).is_none() {
            set.add_template(template.clone())?;
        }
        let link = PolicyId::new(link_id(&grant.template, number));
        set.link(id, link, slots(grant, template)?)
            .with_context(|| format!("cannot link `{}`", grant.template))?;
    }
    Ok(Some(set))
}

fn slots(grant: &Grant, template: &Template) -> Result<HashMap<SlotId, EntityUid>> {
    let mut slots = HashMap::new();
    for slot in template.slots() {
        let value = if *slot == SlotId::principal() { &grant.principal } else { &grant.resource };
        let value = value.as_ref().with_context(|| format!("nothing is given for `{slot}`"))?;
        slots.insert(slot.clone(), value.0.clone());
    }
    Ok(slots)
}

/// The set without the policy or template called `id`, and its links.
#[cfg(test)]
pub(super) fn without(policies: &PolicySet, id: &str) -> Result<PolicySet> {
    let gone = PolicyId::new(id);
    let is_gone = |it: &&Policy| *it.id() == gone || it.template_id() == Some(&gone);
    let kept = policies.policies().filter(|it| !is_gone(it));
    set_of(kept, policies).context("a link without its template")
}

fn link_id(template: &str, number: usize) -> String {
    format!("{template}{LINK}{number}")
}

pub(super) fn without_link(id: &str) -> &str {
    id.split_once(LINK).map_or(id, |(template, _)| template)
}
