//! The calls of tools that a bundle names, and what becomes of it when a tool takes other arguments.

use cedar_policy::{EntityUid, Policy, PolicySet};
use miette::Diagnostic;
use serde_json::Value;

use super::super::check;
use super::super::fault::Fault;
use super::super::slice::Scope;
#[cfg(feature = "prove")]
use super::super::typed::TypedCalls;
use super::super::typed::{self, TypedCall};
use super::Bundle;
use super::places::Places;
use super::steps::{apart, clean};

impl Bundle {
    /// Whether an action is the call of one tool, in whose place people say `invoke`.
    pub fn is_typed_call(&self, action: &EntityUid) -> bool {
        self.calls.values().any(|it| it.action == *action)
    }

    /// The calls of tools that policies name.
    #[cfg(feature = "prove")]
    pub(in crate::policy) fn calls(&self) -> &TypedCalls {
        &self.calls
    }

    /// The typed call of the tool of this name, whatever its case, if some policy names it.
    pub fn typed_call(&self, tool: &str) -> Option<&TypedCall> {
        self.calls.get(&tool.to_lowercase())
    }

    /// What would not hold any more, were this the schema of the arguments of `tool`: a policy that
    /// looks at an argument which is not there then, or of another type.
    ///
    /// # Errors
    /// Those faults.
    pub fn fits(&self, tool: &str, input_schema: &Value) -> Result<(), Vec<Fault>> {
        let Some(call) = self.typed_call(tool) else { return Ok(()) };
        let name = typed::tool_of(&call.action).unwrap_or(tool);
        let generated = typed::generate(name, input_schema);
        if generated.input == call.input {
            return Ok(());
        }
        apart(|| {
            let place = Places { sources: &self.sources, meta: &self.meta };
            let facts = self.past.facts();
            let schema = typed::schema_with(&self.sources.schema, name, generated, facts)
                .map_err(|it| vec![Fault::whole("schema", it)])?;
            let about = self.about_calls_of(name);
            let found = |id: &str, it: &dyn Diagnostic| place.found(id, it);
            let asked = self.asked_of(&call.action);
            clean(check::validate_where(&schema, &asked, &found, &|it| about.contains(&it)))
        })
    }

    /// The policies and templates that can matter to `action`.
    fn asked_of(&self, action: &EntityUid) -> PolicySet {
        let matters = |scope: &Scope| {
            let mut types = self.schema.request_envs().filter(|it| it.action() == action);
            scope.admits_action(action, &self.actions)
                && types.any(|it| scope.admits_types(it.principal(), it.resource()))
        };
        let mut asked = PolicySet::new();
        let policies = self.policies.policies().filter(|it| it.is_static());
        // Ids are unique in the set that they come from.
        for it in policies.filter(|it| matters(&Scope::of_policy(it))) {
            let _ = asked.add(it.clone());
        }
        for it in self.policies.templates().filter(|it| matters(&Scope::of_template(it))) {
            let _ = asked.add_template(it.clone());
        }
        asked
    }

    /// The policies that name the call of `tool`, whatever its case.
    pub fn about_calls_of(&self, tool: &str) -> Vec<&str> {
        let Some(call) = self.typed_call(tool) else { return Vec::new() };
        let names = |it: &&Policy| it.entity_literals().contains(&call.action);
        let mut ids: Vec<&str> =
            self.policies.policies().filter(names).map(|it| it.id().as_ref()).collect();
        ids.sort_unstable();
        ids
    }
}
