//! What two bundles are compared on: one schema that knows the requests of both, and how each of them
//! is asked such a request.

use cedar_policy::{EntityUid, Policy, PolicySet, RequestEnv, Schema};

use super::super::bundle::Bundle;
use super::super::check::parse_schema;
use super::super::history::Fact;
use super::super::load::SourceFile;
use super::super::typed::{Generated, TypedCall, schema_of, tool_of};
use super::additions::only_adds;
use crate::authz::uid;

/// What every call is asked under of a tool that no policy names.
const PLAIN: &str = "invoke";

/// Two bundles that can be compared.
pub(super) struct Ground<'a> {
    pub(super) active: &'a Bundle,
    pub(super) candidate: &'a Bundle,
    /// It has the typed calls and the facts of either.
    pub(super) schema: Schema,
}

impl<'a> Ground<'a> {
    /// # Errors
    /// Why no proof about the policies would say what becomes of requests.
    pub(super) fn of(active: &'a Bundle, candidate: &'a Bundle) -> Result<Ground<'a>, String> {
        only_adds(&active.sources().schema, &candidate.sources().schema)?;
        same_templates(active, candidate)?;
        if entities(active) != entities(candidate) {
            return Err("the entities that they keep themselves are others".to_owned());
        }
        let mut files = candidate.sources().schema.clone();
        files.extend(gone(active, candidate)?);
        let parsed = parse_schema(&files, &facts(active, candidate)?);
        let parsed = parsed.map_err(|them| match them.first() {
            Some(it) => format!("no schema has both in it: {it}"),
            None => "no schema has both in it".to_owned(),
        })?;
        Ok(Ground { active, candidate, schema: parsed.schema })
    }

    /// What else is to be known of a comparison.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let read = |it: &&Fact| {
            self.active.past().reads(&it.name) || self.candidate.past().reads(&it.name)
        };
        if let Some(it) = self.candidate.past().facts().iter().find(read) {
            notes.push(format!(
                "counts of the past (`context.history.{}`) are declared alike wherever both read \
                 them, and stand for any number",
                it.name
            ));
        }
        for call in self.candidate.calls().values() {
            let new = !self.active.calls().values().any(|it| it.action == call.action);
            if let Some(tool) = tool_of(&call.action).filter(|_| new && !call.input.is_empty()) {
                notes.push(format!(
                    "calls of `{tool}` were asked as all calls are, and are compared with that; those \
                     whose arguments its types cannot hold exactly are refused from now on"
                ));
            }
        }
        notes
    }
}

/// What `bundle` is asked in the place of a request of the kind `env`; none where it knows no such
/// requests, and denies them. Calls of a tool that its policies don't name are asked as all are.
pub(super) fn asked_under(bundle: &Bundle, env: &RequestEnv) -> Option<EntityUid> {
    let knows = |action: &EntityUid| bundle.knows(env.principal(), action, env.resource());
    let plain = || tool_of(env.action()).map(|_| uid::action(PLAIN));
    let known = Some(env.action().clone()).filter(&knows);
    known.or_else(|| plain().filter(&knows))
}

/// The policies of `bundle` that can matter to a request of the kind `env`, which may be the call of
/// a tool that they don't name.
///
/// # Errors
/// One of them tells `invoke` from the calls of single tools: the request is another for it.
pub(super) fn policies<'a>(bundle: &'a Bundle, env: &RequestEnv) -> Result<&'a PolicySet, String> {
    let Some(action) = asked_under(bundle, env) else {
        return Ok(bundle.slice(env.principal(), env.action(), env.resource()));
    };
    let slice = bundle.slice(env.principal(), &action, env.resource());
    if action == *env.action() {
        return Ok(slice);
    }
    let tells = |it: &&Policy| it.entity_literals().contains(&action);
    match slice.policies().find(tells) {
        Some(it) => Err(format!("`{}` names `{PLAIN}`", it.id())),
        None => Ok(slice),
    }
}

/// What a template says grants say, which no bundle holds.
fn same_templates(active: &Bundle, candidate: &Bundle) -> Result<(), String> {
    let text = |bundle: &Bundle, id: &str| {
        bundle.meta(id).filter(|it| it.template).map(|it| it.text.clone())
    };
    let mut templates = active.metas().iter().filter(|(_, it)| it.template);
    match templates.find(|(id, it)| text(candidate, id).as_ref() != Some(&it.text)) {
        Some((id, _)) => Err(format!("the template `{id}`, on which grants stand, is another one")),
        None => no_new_permits(active, candidate),
    }
}

/// Nobody knows what will be granted on a template that nothing could be granted on before.
fn no_new_permits(active: &Bundle, candidate: &Bundle) -> Result<(), String> {
    let known = active.permitting();
    match candidate.permitting().iter().find(|it| !known.contains(*it)) {
        Some(id) => Err(format!(
            "the template `{id}` is new, and grants on it permit more than there is today"
        )),
        None => Ok(()),
    }
}

fn entities(bundle: &Bundle) -> Option<&str> {
    bundle.sources().entities.as_ref().map(|it| it.text.as_str())
}

/// The typed calls that only the active bundle has.
///
/// # Errors
/// A call that both have, with other types: it is not known which calls fit one and not the other.
fn gone(active: &Bundle, candidate: &Bundle) -> Result<Option<SourceFile>, String> {
    let mut tools = Vec::new();
    for (name, TypedCall { action, input }) in active.calls() {
        let tool = tool_of(action).unwrap_or(name);
        match candidate.calls().get(name) {
            Some(it) if it.action == *action && it.input == *input => {}
            Some(_) => return Err(format!("the arguments of `{tool}` have other types")),
            None => {
                let types = Generated { input: input.clone(), left_out: Vec::new() };
                tools.push((tool.to_owned(), types));
            }
        }
    }
    if tools.is_empty() {
        return Ok(None);
    }
    let core: Vec<SourceFile> = candidate.sources().schema.clone();
    let text = schema_of(&tools, &core)?;
    Ok(Some(SourceFile::new("gone", "gone.cedarschema", text)))
}

/// The facts about the past of both.
///
/// # Errors
/// One that counts something else in each, and that policies read.
fn facts(active: &Bundle, candidate: &Bundle) -> Result<Vec<Fact>, String> {
    let mut all = candidate.past().facts().to_vec();
    for fact in active.past().facts() {
        let name = &fact.name;
        match candidate.past().facts().iter().find(|it| it.name == *name) {
            Some(it) if it.counts_alike(fact) => {}
            Some(_) if active.past().reads(name) || candidate.past().reads(name) => {
                return Err(format!("`context.history.{name}` is declared otherwise"));
            }
            Some(_) => {}
            None => all.push(fact.clone()),
        }
    }
    Ok(all)
}
