//! From sources to a bundle, step by step.

use std::path::Path;

use super::super::check::{self, ParsedPolicies, ParsedSchema};
use super::super::entities::Kept;
use super::super::fault::{Fault, Severity};
use super::super::history::Declared;
use super::super::landscape::Landscape;
use super::super::load::Sources;
use super::super::slice::Slices;
use super::super::table::Table;
use super::super::{links, lint, reads, residue, starter, syntax, typed};
use super::Bundle;
use super::places::Places;
use super::steps::{Failed, Step, apart, bounded, clean, whole};

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
    pub(in crate::policy) fn examine(
        sources: Sources,
        landscape: Option<&dyn Landscape>,
    ) -> Result<Bundle, Failed> {
        Bundle::checked_apart(sources, landscape, Bundle::tested)
    }

    /// The same, whose tables do not run.
    ///
    /// # Errors
    /// As [`Bundle::surveyed`].
    pub fn surveyed_untested(
        sources: Sources,
        landscape: &dyn Landscape,
    ) -> Result<Bundle, Vec<Fault>> {
        Bundle::checked_apart(sources, Some(landscape), Ok).map_err(|it| it.faults)
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
}
