//! `links.toml`: templates with their slots filled, as part of a bundle.
//!
//! ```toml
//! [[link]]
//! id = "grant.lingua.translate"
//! template = "grant.agent-tool"
//! principal = "Agent:0199…"
//! resource = "ToolSet:translation"
//! ```

use std::collections::HashMap;

use cedar_policy::{EntityUid, PolicyId, SlotId, Template};
use serde::Deserialize;
use toml::Spanned;

use super::check::ParsedPolicies;
use super::fault::Fault;
use super::load::SourceFile;
use super::meta::Meta;
use crate::authz::uid::Reference;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    link: Vec<Spanned<Link>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    id: String,
    template: String,
    principal: Option<Reference>,
    resource: Option<Reference>,
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
        let id = PolicyId::new(&self.template);
        let template = parsed.policies.template(&id);
        let template = template.ok_or_else(|| format!("no template `{}`", self.template))?;
        let slots = self.slots(template)?;
        let meta = parsed.meta.get(&self.template).cloned();
        parsed
            .policies
            .link(id, PolicyId::new(&self.id), slots)
            .map_err(|it| format!("`{}` cannot be linked: {it}", self.template))?;
        if let Some(of_template) = meta {
            let line = Fault::at(file, offset, String::new()).line;
            let meta = Meta { file: file.name.clone(), line, template: false, ..of_template };
            parsed.meta.insert(self.id.clone(), meta);
        }
        Ok(())
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
