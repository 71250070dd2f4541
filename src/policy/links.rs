//! Templates with their slots filled: the lines of `links.toml`, which are part of a bundle, and grants,
//! which are not.
//!
//! ```toml
//! [[link]]
//! id = "grant.lingua.translate"
//! template = "grant.agent-tool"
//! principal = "Agent:0199…"
//! resource = "ToolSet:translation"
//! ```

use std::collections::HashMap;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, SlotId, Template, pst};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::check::ParsedPolicies;
use super::fault::Fault;
use super::load::SourceFile;
use super::meta::Meta;
use crate::authz::uid::Reference;

/// A template with its slots filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What decisions call it.
    pub id: String,
    /// The `@id` of the template.
    pub template: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Reference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    link: Vec<Spanned<Link>>,
}

/// Adds the links of `file` to the policies.
pub(super) fn link(file: &SourceFile, parsed: &mut ParsedPolicies) -> Result<(), Vec<Fault>> {
    let written: Written = toml::from_str(&file.text).map_err(|error| {
        let offset = error.span().map_or(0, |it| it.start);
        vec![Fault::at(file, offset, error.message().to_owned())]
    })?;
    let mut faults = Vec::new();
    for it in written.link {
        let offset = it.span().start;
        let link = it.into_inner();
        if let Err(problem) = link.add(file, offset, parsed) {
            faults.push(Fault::at(file, offset, problem).of_policy(&link.id));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

impl Link {
    fn add(
        &self,
        file: &SourceFile,
        offset: usize,
        parsed: &mut ParsedPolicies,
    ) -> Result<(), String> {
        if self.id.is_empty() || self.id.starts_with("root.") {
            return Err("the id of a link is empty or one of the root tier's".to_owned());
        }
        if let Some(other) = parsed.meta.get(&self.id) {
            return Err(format!("this id stands in {}:{} already", other.file, other.line));
        }
        let meta = parsed.meta.get(&self.template).cloned();
        self.link_into(&mut parsed.policies)?;
        if let Some(of_template) = meta {
            let line = Fault::at(file, offset, String::new()).line;
            let meta = Meta { file: file.name.clone(), line, template: false, ..of_template };
            parsed.meta.insert(self.id.clone(), meta);
        }
        Ok(())
    }

    /// Links it in a set that has its template.
    fn link_into(&self, policies: &mut PolicySet) -> Result<(), String> {
        let template = policies.template(&self.template_id());
        let template = template.ok_or_else(|| format!("no template `{}`", self.template))?;
        let slots = self.slots(template)?;
        policies
            .link(self.template_id(), PolicyId::new(&self.id), slots)
            .map_err(|it| format!("`{}` cannot be linked: {it}", self.template))
    }

    fn template_id(&self) -> PolicyId {
        PolicyId::new(&self.template)
    }

    fn slots(&self, template: &Template) -> Result<HashMap<SlotId, EntityUid>, String> {
        let given = [
            (SlotId::principal(), "principal", &self.principal),
            (SlotId::resource(), "resource", &self.resource),
        ];
        let mut slots = HashMap::new();
        for (slot, name, value) in given {
            match (template.slots().any(|it| *it == slot), value) {
                (true, Some(it)) => slots.insert(slot, it.0.clone()),
                (false, None) => None,
                (true, None) => return Err(format!("the template asks for a `{name}`")),
                (false, Some(_)) => return Err(format!("the template has no slot for `{name}`")),
            };
        }
        Ok(slots)
    }
}

/// `policy` as one that needs no template: a link with its slots filled, by its own id.
///
/// # Errors
/// Why a link cannot be written so, as people read it.
pub(super) fn unlinked(policy: &Policy) -> Result<Policy, String> {
    if policy.is_static() {
        return Ok(policy.clone());
    }
    let fault = |why: &dyn std::fmt::Display| {
        format!("the link `{}` cannot be written as a policy: {why}", policy.id())
    };
    let filled = match policy.to_pst().map_err(|it| fault(&it))? {
        pst::Policy::Static(it) => it,
        pst::Policy::Linked(it) => it.into_static_policy().map_err(|it| fault(&it))?,
    };
    Policy::from_pst(pst::Policy::Static(filled)).map_err(|it| fault(&it))
}

/// `chosen` as a set of their own, links still links of their templates, which `all` has. None where
/// it has not.
pub(super) fn set_of<'a>(
    chosen: impl IntoIterator<Item = &'a Policy>,
    all: &PolicySet,
) -> Option<PolicySet> {
    let mut set = PolicySet::new();
    for policy in chosen {
        let (Some(template), Some(slots)) = (policy.template_id(), policy.template_links()) else {
            set.add(policy.clone()).ok()?;
            continue;
        };
        if set.template(template).is_none() {
            set.add_template(all.template(template)?.clone()).ok()?;
        }
        set.link(template.clone(), policy.id().clone(), slots).ok()?;
    }
    Some(set)
}

/// A grant that this bundle cannot say: it may be one that forbids, so nothing is decided without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the grant `{id}` cannot be applied: {problem}")]
pub struct Ungrantable {
    pub id: String,
    pub problem: String,
}

/// `slice` with those of `links` whose templates `matters` has; `all` has every template there is.
pub(super) fn granted<'a>(
    slice: &PolicySet,
    all: &PolicySet,
    links: impl IntoIterator<Item = &'a Link>,
    matters: impl Fn(&Template) -> bool,
) -> Result<PolicySet, Ungrantable> {
    let mut set = slice.clone();
    for link in links {
        let fault = |problem: String| Ungrantable { id: link.id.clone(), problem };
        let template = all.template(&link.template_id());
        let template = template.ok_or_else(|| fault(format!("no template `{}`", link.template)))?;
        if !matters(template) {
            continue;
        }
        if set.template(template.id()).is_none() {
            set.add_template(template.clone()).map_err(|it| fault(it.to_string()))?;
        }
        link.link_into(&mut set).map_err(fault)?;
    }
    Ok(set)
}
