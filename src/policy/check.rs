//! Parsing and validation: from files to a schema and a policy set, or to faults.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{
    Entity, EntityUid, PolicyId, PolicySet, PolicySetError, Schema, SchemaFragment, ValidationMode,
    Validator,
};
use miette::Diagnostic;
use serde_json::Value;

use super::fault::{Fault, position};
use super::history::{self, Fact};
use super::load::SourceFile;
use super::meta::{Fix, Meta, Tier};
use super::references::References;
use super::starter;
use super::typed::{self, TypedCalls};
use super::vocabulary::Vocabulary;
use crate::authz::facts::Shape;
use crate::authz::uid::{NAMESPACE, action};

/// How deep a policy may look into entities: principal, resource and what context names, no
/// further. What a decision must load is known beforehand because of it.
pub(super) const DEREF_LEVEL: u32 = 1;

/// The rule that a schema breaks which is none.
const SCHEMA: &str = "schema";

/// A schema and what it says about contexts.
pub(super) struct ParsedSchema {
    pub(super) schema: Schema,
    pub(super) shapes: HashMap<EntityUid, Shape>,
    pub(super) vocabulary: Vocabulary,
    pub(super) references: References,
    pub(super) calls: TypedCalls,
}

/// Parses every schema file and joins them, with the facts about the past in their place.
pub(super) fn parse_schema(
    files: &[SourceFile],
    past: &[Fact],
) -> Result<ParsedSchema, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut fragments = Vec::new();
    let mut shapes = HashMap::new();
    let mut references = References::default();
    for file in files {
        match SchemaFragment::from_cedarschema_str(&file.text) {
            Ok((fragment, warnings)) => {
                faults.extend(warnings.map(|it| Fault::found(file, &it).ruled(SCHEMA)));
                let written = fragment.clone().to_json_value().unwrap_or_default();
                shapes.extend(shapes_of(&written));
                references.take(&written);
                fragments.push(fragment);
            }
            Err(error) => faults.push(Fault::found(file, &error).ruled(SCHEMA)),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let path = files.first().map_or("schema", |it| it.path.as_str());
    let whole = |problem: String| Fault::whole(path, problem).ruled(SCHEMA);
    let fragments = history::declare(fragments, past, path).map_err(|it| vec![it])?;
    let vocabulary = Vocabulary::of(&fragments);
    let (fragments, calls) = typed::based(fragments).map_err(|it| vec![whole(it)])?;
    shapes.extend(calls.values().map(|it| (it.action.clone(), Shape::Call)));
    match Schema::from_schema_fragments(fragments) {
        Ok(schema) => Ok(ParsedSchema { schema, shapes, references, vocabulary, calls }),
        Err(error) => {
            let mut fault = whole(error.to_string());
            fault.fix = error.help().map(|it| it.to_string());
            Err(vec![fault])
        }
    }
}

/// The context type of each action, by its name in the schema.
fn shapes_of(schema: &Value) -> HashMap<EntityUid, Shape> {
    let actions = schema.get(NAMESPACE).and_then(|it| it.get("actions")).and_then(Value::as_object);
    actions
        .into_iter()
        .flatten()
        .filter_map(|(name, it)| {
            let context = it.get("appliesTo")?.get("context")?;
            let named = context.get("name").or_else(|| context.get("type"))?.as_str()?;
            Some((action(name), Shape::named(named)?))
        })
        .collect()
}

/// Policies and what they say about themselves.
pub(super) struct ParsedPolicies {
    pub(super) policies: PolicySet,
    pub(super) meta: BTreeMap<String, Meta>,
}

/// Parses every policy file into one set whose ids are the `@id`s.
pub(super) fn parse_policies(files: &[SourceFile]) -> Result<ParsedPolicies, Vec<Fault>> {
    let mut parsed = ParsedPolicies { policies: PolicySet::new(), meta: BTreeMap::new() };
    let mut faults = Vec::new();
    for file in files {
        match file.text.parse::<PolicySet>() {
            Ok(set) => parsed.take(file, &set, &mut faults),
            Err(errors) => {
                faults.extend(errors.iter().map(|it| Fault::found(file, it).ruled("syntax")));
            }
        }
    }
    if faults.is_empty() { Ok(parsed) } else { Err(faults) }
}

impl ParsedPolicies {
    fn take(&mut self, file: &SourceFile, set: &PolicySet, faults: &mut Vec<Fault>) {
        for it in set.policies() {
            let annotation = |key: &str| it.annotation(key).map(str::to_owned);
            let described = self.describe(file, &it.to_string(), annotation);
            let taken = described.and_then(|(id, meta)| {
                let added = self.policies.add(it.new_id(PolicyId::new(&id)));
                self.keep(id, meta, added)
            });
            faults.extend(taken.err());
        }
        for it in set.templates() {
            let annotation = |key: &str| it.annotation(key).map(str::to_owned);
            let described = self.describe(file, &it.to_string(), annotation);
            let taken = described.and_then(|(id, meta)| {
                let added = self.policies.add_template(it.new_id(PolicyId::new(&id)));
                self.keep(id, Meta { template: true, ..meta }, added)
            });
            faults.extend(taken.err());
        }
    }

    fn keep(
        &mut self,
        id: String,
        meta: Meta,
        added: Result<(), PolicySetError>,
    ) -> Result<(), Fault> {
        added.map_err(|it| Fault::whole(&meta.file, it.to_string()).of_policy(&id))?;
        self.meta.insert(id, meta);
        Ok(())
    }

    fn describe(
        &self,
        file: &SourceFile,
        text: &str,
        annotation: impl Fn(&str) -> Option<String>,
    ) -> Result<(String, Meta), Fault> {
        let offset = file.text.find(text).unwrap_or(0);
        let fault = |problem: String| Fault::at(file, offset, problem).ruled("annotations");
        let id = annotation("id")
            .filter(|it| !it.is_empty())
            .ok_or_else(|| fault("a policy without @id".to_owned()).fixed_by("name it"))?;
        if let Some(other) = self.meta.get(&id) {
            let problem = format!("this @id stands in {}:{} already", other.file, other.line);
            return Err(fault(problem).of_policy(&id));
        }
        let tier = if file.name == starter::ROOT_NAME { Tier::Root } else { Tier::Org };
        if tier == Tier::Org && id.starts_with("root.") {
            return Err(fault("only the root tier has ids that begin with `root.`".to_owned())
                .of_policy(&id)
                .fixed_by("choose another @id"));
        }
        let fix: Option<Fix> =
            annotation("fix").map(|it| it.parse()).transpose().map_err(|_| {
                fault("an unknown @fix".to_owned())
                    .of_policy(&id)
                    .fixed_by(format!("one of {}", Fix::vocabulary()))
            })?;
        let title = annotation("title").unwrap_or_default();
        let (line, _) = position(&file.text, offset);
        let meta = Meta {
            title,
            fix,
            file: file.name.clone(),
            line,
            text: text.to_owned(),
            tier,
            template: false,
        };
        Ok((id, meta))
    }
}

/// Strict validation, with a bound on dereferences. Warnings count: a policy that can never match
/// is a guard-rail that is not there.
pub(super) fn validate(
    schema: &Schema,
    policies: &PolicySet,
    faults_in: &dyn Fn(&str, &dyn Diagnostic) -> Fault,
) -> Vec<Fault> {
    validate_where(schema, policies, faults_in, &|_| true)
}

/// The same, where warnings count of those policies alone of which `counts` says so.
pub(super) fn validate_where(
    schema: &Schema,
    policies: &PolicySet,
    faults_in: &dyn Fn(&str, &dyn Diagnostic) -> Fault,
    counts: &dyn Fn(&str) -> bool,
) -> Vec<Fault> {
    let found = Validator::new(schema.clone()).validate_with_level(
        policies,
        ValidationMode::Strict,
        DEREF_LEVEL,
    );
    let mut faults: Vec<Fault> = found
        .validation_errors()
        .map(|it| faults_in(it.policy_id().as_ref(), it))
        .chain(
            found
                .validation_warnings()
                .filter(|it| counts(it.policy_id().as_ref()))
                .map(|it| faults_in(it.policy_id().as_ref(), it)),
        )
        .collect();
    let place = |it: &Fault| (it.file.clone(), it.line, it.column, it.problem.clone());
    faults.sort_by_cached_key(place);
    faults
}

/// Each action with its ancestors: all that a decision needs to know about actions.
pub(super) fn action_entities(
    schema: &Schema,
) -> Result<HashMap<EntityUid, Vec<Entity>>, Box<cedar_policy::entities_errors::EntitiesError>> {
    let all = schema.action_entities()?;
    Ok(schema
        .actions()
        .map(|action| {
            let ancestors = all.ancestors(action).into_iter().flatten();
            let known = std::iter::once(action).chain(ancestors).filter_map(|it| all.get(it));
            (action.clone(), known.cloned().collect())
        })
        .collect())
}
