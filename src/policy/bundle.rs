//! A bundle: schema, policies and everything that is worked out from them once. Immutable; a
//! change is another bundle, with another digest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use cedar_policy::{
    Entities, Entity, EntityTypeName, EntityUid, Policy, PolicySet, RequestEnv, Schema, Template,
};
use miette::Diagnostic;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::bounds;
use super::check::{self, ParsedPolicies, ParsedSchema};
use super::entities::Kept;
use super::fault::{Fault, Severity};
use super::history::Declared;
use super::landscape::Landscape;
use super::links::{self, Link, Ungrantable};
use super::lint;
use super::load::{SourceFile, Sources};
use super::meta::Meta;
use super::reads::{self, Reads};
use super::references::References;
use super::residue::{self, Residue, Residues};
use super::slice::{Narrow, Scope, Slices};
use super::starter;
use super::syntax;
use super::table::Table;
use super::typed::{self, TypedCall, TypedCalls};
use super::vocabulary::Vocabulary;
use crate::authz::facts::Shape;

/// Between the id of a template and that of its grant.
const GRANT: char = '#';

/// Policies that passed every check. A broken bundle is never one of these.
#[derive(Debug)]
pub struct Bundle {
    sources: Sources,
    digest: String,
    schema: Schema,
    policies: PolicySet,
    meta: BTreeMap<String, Meta>,
    actions: HashMap<EntityUid, Vec<Entity>>,
    shapes: HashMap<EntityUid, Shape>,
    references: References,
    slices: Slices,
    residues: Residues,
    zones: Vec<String>,
    reads: BTreeMap<String, Reads>,
    token_scopes: BTreeSet<String>,
    vocabulary: Vocabulary,
    kept: Kept,
    past: Declared,
    calls: TypedCalls,
    warnings: Vec<Fault>,
}

impl Bundle {
    /// Reads and checks the bundle of two directories; see [`Bundle::from_sources`].
    ///
    /// # Errors
    /// Every fault that was found. A missing directory is one, and so is one without policies:
    /// nothing is ever open because nothing is written.
    pub fn load(schema_dir: &Path, policy_dir: &Path) -> Result<Bundle, Vec<Fault>> {
        Bundle::from_sources(Sources::read(schema_dir, policy_dir)?)
    }

    /// The bundle that is compiled in.
    ///
    /// # Errors
    /// None, as the tests show.
    pub fn starter() -> Result<Bundle, Vec<Fault>> {
        Bundle::tested_before(Sources::starter())
    }

    /// Parses, validates, lints, and runs the decision tables if there are any. The root tier is
    /// this release's: it joins sources that lack it, and no other is accepted in its place.
    ///
    /// The types of the tools that policies name stand in the sources; see [`Bundle::surveyed`].
    ///
    /// # Errors
    /// Every fault of the first of these steps that finds any.
    pub fn from_sources(sources: Sources) -> Result<Bundle, Vec<Fault>> {
        Bundle::examine(sources, None).map_err(|it| it.faults)
    }

    /// The same with a registry at hand: tools that policies name get their types from there, and
    /// keep them in the sources of the bundle, whatever becomes of the registry. What policies
    /// speak of and is nowhere is a warning.
    ///
    /// # Errors
    /// As [`Bundle::from_sources`]; a tool that nobody has registered.
    pub fn surveyed(sources: Sources, landscape: &dyn Landscape) -> Result<Bundle, Vec<Fault>> {
        Bundle::examine(sources, Some(landscape)).map_err(|it| it.faults)
    }

    /// The same, for who wants to know which step it was that found faults.
    pub(super) fn examine(
        sources: Sources,
        landscape: Option<&dyn Landscape>,
    ) -> Result<Bundle, Failed> {
        Bundle::checked_apart(sources, landscape, Bundle::tested)
    }

    /// The same for sources whose tables held when they were taken for good: these don't run again.
    ///
    /// # Errors
    /// As [`Bundle::from_sources`].
    pub fn tested_before(sources: Sources) -> Result<Bundle, Vec<Fault>> {
        Bundle::checked_apart(sources, None, Ok).map_err(|it| it.faults)
    }

    /// On a thread of its own, whose stack is large enough for whatever is within bounds.
    fn checked_apart(
        sources: Sources,
        landscape: Option<&dyn Landscape>,
        then: fn(Bundle) -> Result<Bundle, Failed>,
    ) -> Result<Bundle, Failed> {
        if sources.policies.is_empty() {
            let fault = Fault::whole("policies", "a bundle without policies denies everything")
                .fixed_by("`gatewright init` writes the starter files");
            return Err(Step::Parse.failed(vec![fault]));
        }
        let sources = starter::with_root_tier(sources).map_err(|it| vec![it])?;
        bounded(&sources)?;
        apart(|| Bundle::checked(sources, landscape).and_then(then))
    }

    fn tested(bundle: Bundle) -> Result<Bundle, Failed> {
        if let Some(tests) = &bundle.sources.tests {
            let table = Table::read(tests, &bundle);
            let faults = table.map_or_else(|it| it, |it| it.faults(&bundle));
            let faults = faults.into_iter().map(|it| it.ruled("tests")).collect();
            clean(faults).map_err(|it| Step::Tests.failed(it))?;
        }
        Ok(bundle)
    }

    fn checked(mut sources: Sources, landscape: Option<&dyn Landscape>) -> Result<Bundle, Failed> {
        let mut past = Declared::parse(sources.history.as_ref())?;
        let mut parsed = check::parse_policies(&sources.policies)?;
        if let Some(file) = &sources.links {
            links::link(file, &mut parsed)?;
        }
        let ParsedPolicies { policies, meta } = parsed;
        let written = syntax::written(&policies).map_err(|it| whole(&it))?;
        let before = sources.clone();
        let place = Places { sources: &before, meta: &meta };
        let unknown = |id: &str, literal: &str, problem| place.of(id, Some(literal), problem);
        let stale = typed::resolve(&mut sources, &typed::named(&written), landscape, &unknown)?;
        let ParsedSchema { schema, shapes, references, vocabulary, calls } =
            check::parse_schema(&sources.schema, past.facts())?;
        clean(check::validate(&schema, &policies, &|id, it| place.found(id, it)))
            .map_err(|it| Step::Validation.failed(it))?;

        let actions = check::action_entities(&schema).map_err(|it| whole(&it))?;
        past.find_readers(&written, &actions);
        let falling: Vec<String> = past.falling().collect();
        let token_scopes = syntax::token_scopes(&policies, &actions);
        let subject = lint::Subject {
            all: &written,
            meta: &meta,
            schema: &schema,
            actions: &actions,
            token_scopes: &token_scopes,
            falling: &falling,
            landscape,
        };
        let findings = lint::lint(&subject).into_iter().map(|it| place.finding(&it));
        let unread = sources.history.iter().flat_map(|it| past.unread(it));
        let all = stale.into_iter().chain(findings).chain(unread);
        let (warnings, errors) = all.partition(|it| it.severity == Severity::Warning);
        clean(errors).map_err(|it| Step::Lint.failed(it))?;

        let kept = sources.entities.as_ref().map(|it| Kept::read(it, &schema)).transpose();
        let kept = kept.map_err(|it| Step::Parse.failed(vec![it]))?.unwrap_or_default();
        let slices = Slices::of(&schema, &policies, &actions);
        Ok(Bundle {
            calls,
            warnings,
            digest: sources.digest(),
            residues: residue::residues(&schema, &slices, &actions),
            slices,
            zones: syntax::zones(&written),
            reads: reads::of(&written),
            token_scopes,
            sources,
            schema,
            policies,
            meta,
            actions,
            shapes,
            vocabulary,
            kept,
            references,
            past,
        })
    }

    /// SHA-256 over every file, tests included, in hexadecimal: what a decision records.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Every policy and template. Decisions use [`Bundle::slice`].
    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// The files it is made from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The policies that can matter to a request of this kind; none for a request that the schema
    /// does not admit. Templates are not in it: grants are linked by principal.
    pub fn slice(
        &self,
        principal_type: &EntityTypeName,
        action: &EntityUid,
        resource_type: &EntityTypeName,
    ) -> &PolicySet {
        self.slices.get(principal_type, action, resource_type)
    }

    /// What can matter to this principal, who asks for `action` in nobody else's name, for each type
    /// of resource that it can ask about; `ancestors` is all that the principal is in.
    pub fn narrow(
        &self,
        principal: &EntityUid,
        ancestors: &[EntityUid],
        action: &EntityUid,
    ) -> Vec<(EntityTypeName, Arc<Narrow>)> {
        self.slices.narrow(principal, ancestors, action)
    }

    /// Whether the schema knows this kind of request.
    pub fn knows(
        &self,
        principal_type: &EntityTypeName,
        action: &EntityUid,
        resource_type: &EntityTypeName,
    ) -> bool {
        self.slices.admits(principal_type, action, resource_type)
    }

    /// The slice together with grants.
    ///
    /// # Errors
    /// A grant of a template that the bundle does not have, or of another form.
    pub fn slice_with<'a>(
        &self,
        principal_type: &EntityTypeName,
        action: &EntityUid,
        resource_type: &EntityTypeName,
        links: impl IntoIterator<Item = &'a Arc<Link>>,
    ) -> Result<PolicySet, Ungrantable> {
        let slice = self.slice(principal_type, action, resource_type);
        let matters = |it: &Template| {
            let scope = Scope::of_template(it);
            scope.admits_types(principal_type, resource_type)
                && scope.admits_action(action, &self.actions)
        };
        links::granted(slice, &self.policies, links.into_iter().map(|it| &**it), matters)
    }

    /// What is left of the policies about such a request for a tool once it is a credential's.
    pub fn residue(&self, principal_type: &EntityTypeName, action: &EntityUid) -> Option<&Residue> {
        self.residues.get(&(principal_type.clone(), action.clone()))
    }

    /// The policies of `residue` whose answer is the same at every use and that can matter to this
    /// principal, whose ancestors `entities` knows.
    pub fn still(
        &self,
        residue: &Residue,
        principal: &EntityUid,
        entities: &Entities,
    ) -> Arc<Narrow> {
        residue.cut(&self.slices, principal, entities)
    }

    /// `action` and the groups it is in; empty if the schema has no such action.
    pub fn action_entities(&self, action: &EntityUid) -> &[Entity] {
        self.actions.get(action).map_or(&[], Vec::as_slice)
    }

    /// The actions that somebody can ask for; groups are left out.
    pub fn actions(&self) -> impl Iterator<Item = &EntityUid> {
        self.slices.actions()
    }

    /// The facts about the past that it declares.
    pub fn past(&self) -> &Declared {
        &self.past
    }

    /// Which facts `action` takes.
    pub fn shape(&self, action: &EntityUid) -> Option<Shape> {
        self.shapes.get(action).copied()
    }

    /// What the schema declares of entities and contexts.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The things of the bundle's own types that it tells of.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Whether a request of the kind `env` can be in `scope`.
    pub(super) fn admits(&self, scope: &Scope, env: &RequestEnv) -> bool {
        scope.admits(env, &self.actions)
    }

    /// Whether `action` can be in `scope`.
    #[cfg(feature = "prove")]
    pub(super) fn admits_action(&self, scope: &Scope, action: &EntityUid) -> bool {
        scope.admits_action(action, &self.actions)
    }

    /// Which attributes of entities are references.
    pub(super) fn references(&self) -> &References {
        &self.references
    }

    /// What a policy or template says about itself, by its `@id`.
    /// A grant goes by its template's id and its own.
    pub fn meta(&self, id: &str) -> Option<&Meta> {
        let of_template = || self.meta.get(id.split_once(GRANT)?.0);
        self.meta.get(id).or_else(of_template)
    }

    /// The file of a policy or template, and the byte at which it begins there.
    pub(super) fn place(&self, id: &str) -> Option<(&SourceFile, usize)> {
        let meta = self.meta(id)?;
        let file = self.sources.policies.iter().find(|it| it.name == meta.file)?;
        Some((file, file.text.find(&meta.text)?))
    }

    /// All of them, by `@id`.
    pub fn metas(&self) -> &BTreeMap<String, Meta> {
        &self.meta
    }

    /// What the conditions of a policy or template look at, by its `@id`.
    pub fn reads(&self, id: &str) -> Option<&Reads> {
        self.reads.get(id)
    }

    /// The IANA zones that policies read: what the clock's facts must hold.
    pub fn zones(&self) -> &[String] {
        &self.zones
    }

    /// Whether some policy reads the clock of `zone`.
    pub fn has_zone(&self, zone: &str) -> bool {
        self.zones.iter().any(|it| it == zone)
    }

    /// Every scope that a policy about `hold_scope` names: what is asked, one by one, when a token
    /// is issued.
    pub fn token_scopes(&self) -> &BTreeSet<String> {
        &self.token_scopes
    }

    /// What its author should know, though it refuses nothing.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// Whether an action is the call of one tool, in whose place people say `invoke`.
    pub fn is_typed_call(&self, action: &EntityUid) -> bool {
        self.calls.values().any(|it| it.action == *action)
    }

    /// The calls of tools that policies name.
    #[cfg(feature = "prove")]
    pub(super) fn calls(&self) -> &TypedCalls {
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

/// On a thread of its own, whose stack is large enough for whatever is within bounds.
pub(super) fn apart<T: Send, E: From<Vec<Fault>> + Send>(
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    let stopped = |it: &dyn std::fmt::Display| {
        E::from(vec![Fault::whole("policies", format!("the check did not end: {it}"))])
    };
    let thread = thread::Builder::new().name("policy-check".to_owned());
    let thread = thread.stack_size(bounds::STACK_BYTES);
    thread::scope(|scope| match thread.spawn_scoped(scope, work) {
        Ok(thread) => thread.join().unwrap_or_else(|_| Err(stopped(&"it panicked"))),
        Err(error) => Err(stopped(&error)),
    })
}

/// What a bundle is checked for, in this order. A step that finds faults is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Parse,
    Validation,
    Lint,
    Tests,
}

impl Step {
    fn failed(self, faults: Vec<Fault>) -> Failed {
        Failed { step: self, faults }
    }
}

/// Where a check ended, and on what.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) step: Step,
    pub(super) faults: Vec<Fault>,
}

/// What stops a check before there is anything to validate.
impl From<Vec<Fault>> for Failed {
    fn from(faults: Vec<Fault>) -> Failed {
        Step::Parse.failed(faults)
    }
}

/// Where policies stand.
struct Places<'a> {
    sources: &'a Sources,
    meta: &'a BTreeMap<String, Meta>,
}

impl Places<'_> {
    fn file_and_meta(&self, id: &str) -> Option<(&SourceFile, &Meta)> {
        let meta = self.meta.get(id)?;
        let mut files = self.sources.policies.iter().chain(&self.sources.links);
        Some((files.find(|it| it.name == meta.file)?, meta))
    }

    fn found(&self, id: &str, diagnostic: &dyn Diagnostic) -> Fault {
        match self.file_and_meta(id) {
            Some((file, _)) => Fault::found(file, diagnostic).of_policy(id),
            None => Fault::whole("policies", diagnostic.to_string()).of_policy(id),
        }
        .ruled("validation")
    }

    /// A problem of a policy, at the place of the words that it is about.
    fn of(&self, id: &str, words: Option<&str>, problem: String) -> Fault {
        let fault = match self.file_and_meta(id) {
            Some((file, meta)) => {
                let start = file.text.find(&meta.text);
                let within = words.and_then(|it| meta.text.find(it));
                match (start, within) {
                    (Some(start), Some(within)) => Fault::at(file, start + within, problem),
                    _ => Fault { line: meta.line, column: 1, ..Fault::whole(&file.path, problem) },
                }
            }
            None => Fault::whole("policies", problem),
        };
        fault.of_policy(id)
    }

    fn finding(&self, finding: &lint::Finding) -> Fault {
        let problem = format!("{} [{}]", finding.problem, finding.rule);
        let fault = self.of(&finding.policy, finding.words.as_deref(), problem);
        let fault = Fault { severity: finding.severity, ..fault.ruled(finding.rule) };
        fault.fixed_by(&*finding.fix)
    }
}

/// Refuses sources that are too much to read.
pub(super) fn bounded(sources: &Sources) -> Result<(), Vec<Fault>> {
    clean(bounds::check(sources))
}

fn clean(faults: Vec<Fault>) -> Result<(), Vec<Fault>> {
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn whole(error: &dyn std::error::Error) -> Vec<Fault> {
    vec![Fault::whole("policies", error.to_string())]
}

impl Sources {
    /// SHA-256 over each file's kind, length, name and text, so that no two bundles look alike.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (kind, file) in self.files() {
            hash.update(format!("{kind} {} {}\n", file.name.len(), file.name));
            hash.update(Sha256::digest(&file.text));
        }
        hex::encode(hash.finalize())
    }
}
