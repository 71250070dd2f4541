//! A bundle: schema, policies and everything that is worked out from them once. Immutable; a
//! change is another bundle, with another digest.

mod build;
mod calls;
mod places;
mod steps;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{
    Entities, Entity, EntityTypeName, EntityUid, PolicySet, RequestEnv, Schema, Template,
};
use sha2::{Digest, Sha256};

use super::entities::Kept;
use super::fault::Fault;
use super::history::Declared;
use super::links::{self, Link, Ungrantable};
use super::load::{SourceFile, Sources};
use super::meta::Meta;
use super::reads::Reads;
use super::references::References;
use super::residue::{Residue, Residues};
use super::slice::{Narrow, Scope, Slices};
use super::typed::TypedCalls;
use super::vocabulary::Vocabulary;
use crate::authz::facts::Shape;

pub(super) use self::steps::{Failed, Step, apart, bounded};

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

    /// Whether it brings any test of its own.
    pub fn has_tests(&self) -> bool {
        let tables = self.sources.tests.iter().flat_map(|it| &it.tables);
        let rows = |it: &SourceFile| {
            let table = it.text.parse::<toml::Table>().ok()?;
            table.get("test")?.as_array().map(Vec::len)
        };
        tables.filter_map(rows).any(|count| count > 0)
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
