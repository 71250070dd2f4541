//! A bundle: schema, policies and everything that is worked out from them once. Immutable; a
//! change is another bundle, with another digest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use cedar_policy::{Entity, EntityTypeName, EntityUid, PolicySet, RequestEnv, Schema, Template};
use miette::Diagnostic;
use sha2::{Digest, Sha256};

use super::bounds;
use super::check::{self, ParsedPolicies, ParsedSchema};
use super::entities::Kept;
use super::fault::Fault;
use super::links::{self, Link, Ungrantable};
use super::lint;
use super::load::{SourceFile, Sources};
use super::meta::Meta;
use super::reads::{self, Reads};
use super::references::References;
use super::residue::{self, Residue, Residues};
use super::slice::{Scope, Slices};
use super::starter;
use super::syntax;
use super::table::Table;
use super::vocabulary::Vocabulary;
use crate::authz::facts::Shape;

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
    /// # Errors
    /// Every fault of the first of these steps that finds any.
    pub fn from_sources(sources: Sources) -> Result<Bundle, Vec<Fault>> {
        Bundle::examine(sources).map_err(|it| it.faults)
    }

    /// The same, for who wants to know which step it was that found faults.
    pub(super) fn examine(sources: Sources) -> Result<Bundle, Failed> {
        Bundle::checked_apart(sources, Bundle::tested)
    }

    /// The same for sources whose tables held when they were taken for good: these don't run again.
    ///
    /// # Errors
    /// As [`Bundle::from_sources`].
    pub fn tested_before(sources: Sources) -> Result<Bundle, Vec<Fault>> {
        Bundle::checked_apart(sources, Ok).map_err(|it| it.faults)
    }

    /// On a thread of its own, whose stack is large enough for whatever is within bounds.
    fn checked_apart(
        sources: Sources,
        then: fn(Bundle) -> Result<Bundle, Failed>,
    ) -> Result<Bundle, Failed> {
        if sources.policies.is_empty() {
            let fault = Fault::whole("policies", "a bundle without policies denies everything")
                .fixed_by("`gatewright init` writes the starter files");
            return Err(Step::Parse.failed(vec![fault]));
        }
        let sources =
            starter::with_root_tier(sources).map_err(|it| Step::Parse.failed(vec![it]))?;
        clean(bounds::check(&sources)).map_err(|it| Step::Parse.failed(it))?;
        let check = move || Bundle::checked(sources).and_then(then);
        let stopped = |it: &dyn std::fmt::Display| {
            let fault = Fault::whole("policies", format!("the check did not end: {it}"));
            Step::Parse.failed(vec![fault])
        };
        let thread = thread::Builder::new().name("policy-check".to_owned());
        match thread.stack_size(bounds::STACK_BYTES).spawn(check) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(stopped(&"it panicked"))),
            Err(error) => Err(stopped(&error)),
        }
    }

    fn tested(bundle: Bundle) -> Result<Bundle, Failed> {
        if let Some(tests) = &bundle.sources.tests {
            let table = Table::read(tests, &bundle);
            let faults = table.map_or_else(|it| it, |it| it.faults(&bundle));
            clean(faults).map_err(|it| Step::Tests.failed(it))?;
        }
        Ok(bundle)
    }

    fn checked(sources: Sources) -> Result<Bundle, Failed> {
        let (ParsedSchema { schema, shapes, references, vocabulary }, parsed) =
            parse(&sources).map_err(|it| Step::Parse.failed(it))?;
        let ParsedPolicies { policies, meta } = parsed;
        let place = Places { sources: &sources, meta: &meta };
        clean(check::validate(&schema, &policies, &|id, it| place.found(id, it)))
            .map_err(|it| Step::Validation.failed(it))?;

        let lint = |it: &dyn std::error::Error| Step::Lint.failed(whole(it));
        let actions = check::action_entities(&schema).map_err(|it| lint(&it))?;
        let written = syntax::written(&policies).map_err(|it| lint(&it))?;
        let findings = lint::lint(&written, &meta, &schema, &actions);
        clean(findings.into_iter().map(|it| place.finding(&it)).collect())
            .map_err(|it| Step::Lint.failed(it))?;

        let kept = sources.entities.as_ref().map(|it| Kept::read(it, &schema)).transpose();
        let kept = kept.map_err(|it| Step::Parse.failed(vec![it]))?.unwrap_or_default();
        let slices = Slices::of(&schema, &policies, &actions);
        Ok(Bundle {
            digest: sources.digest(),
            residues: residue::residues(&schema, &slices, &actions),
            slices,
            zones: syntax::zones(&written),
            reads: reads::of(&written),
            token_scopes: syntax::token_scopes(&policies, &actions),
            sources,
            schema,
            policies,
            meta,
            actions,
            shapes,
            vocabulary,
            kept,
            references,
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

    /// The same for a request that nobody makes for another: fewer, as those are about it that ask
    /// first whether the context has a `delegation`.
    pub fn undelegated_slice(
        &self,
        principal_type: &EntityTypeName,
        action: &EntityUid,
        resource_type: &EntityTypeName,
    ) -> &PolicySet {
        self.slices.get_undelegated(principal_type, action, resource_type)
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

    /// `action` and the groups it is in; empty if the schema has no such action.
    pub fn action_entities(&self, action: &EntityUid) -> &[Entity] {
        self.actions.get(action).map_or(&[], Vec::as_slice)
    }

    /// The actions that somebody can ask for; groups are left out.
    pub fn actions(&self) -> impl Iterator<Item = &EntityUid> {
        self.slices.actions()
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

    /// Which attributes of entities are references.
    pub(super) fn references(&self) -> &References {
        &self.references
    }

    /// What a policy or template says about itself, by its `@id`.
    pub fn meta(&self, id: &str) -> Option<&Meta> {
        self.meta.get(id)
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

fn parse(sources: &Sources) -> Result<(ParsedSchema, ParsedPolicies), Vec<Fault>> {
    let schema = check::parse_schema(&sources.schema)?;
    let mut parsed = check::parse_policies(&sources.policies)?;
    if let Some(file) = &sources.links {
        links::link(file, &mut parsed)?;
    }
    Ok((schema, parsed))
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
    }

    fn finding(&self, finding: &lint::Finding) -> Fault {
        let problem = format!("{} [{}]", finding.problem, finding.rule);
        let fault = match self.file_and_meta(&finding.policy) {
            Some((file, meta)) => {
                Fault { line: meta.line, column: 1, ..Fault::whole(&file.path, problem) }
            }
            None => Fault::whole("policies", problem),
        };
        fault.of_policy(&finding.policy).fixed_by(finding.fix)
    }
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
