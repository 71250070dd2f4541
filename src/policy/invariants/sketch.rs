//! A request that is made up, fact by fact: it begins as an ordinary one, and is varied.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityTypeName, EntityUid, Request, RequestEnv};

use super::super::bundle::Bundle;
use super::shape::{Fields, Shapes, Type};
use super::value::{Value, pairs};
use crate::authz::uid::Kind;

const HOUR_MS: i64 = 3_600_000;
/// Monday, 2 November 2026, noon.
const NOW_MS: i64 = 1_793_620_800_000;
/// In TEST-NET-2 (RFC 5737).
const ADDRESS: &str = "198.51.100.7";

/// One step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Attribute(String),
    Tag(String),
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    Principal,
    Resource,
    Context,
}

/// A place in a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
}

/// A made-up request with the entities it is about.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    pub(super) principal: EntityUid,
    pub(super) action: EntityUid,
    pub(super) resource: EntityUid,
    context: BTreeMap<String, Value>,
    things: BTreeMap<EntityUid, Thing>,
}

/// An entity. What it is in, is told in full.
#[derive(Clone, Debug, Default)]
struct Thing {
    attributes: BTreeMap<String, Value>,
    tags: BTreeMap<String, Value>,
    parents: BTreeSet<EntityUid>,
}

impl Sketch {
    /// An ordinary request of the kind `env`: somebody who has just proven who they are, at noon,
    /// from an ordinary address, about something that is in good order.
    pub(super) fn ordinary(env: &RequestEnv, shapes: &Shapes, zones: &[String]) -> Option<Sketch> {
        let resource = match choice(env.resource(), shapes) {
            Some(it) => it,
            None => named(env.resource(), "some"),
        };
        let mut sketch = Sketch {
            principal: named(env.principal(), "this"),
            action: env.action().clone(),
            resource,
            context: BTreeMap::new(),
            things: BTreeMap::new(),
        };
        let (principal, resource) = (sketch.principal.clone(), sketch.resource.clone());
        sketch.know(&principal, shapes);
        sketch.know(&resource, shapes);
        sketch.context = sketch.usual_fields(shapes.context(env.action())?, shapes);
        for zone in zones {
            sketch.show_clock(zone, shapes);
        }
        Some(sketch)
    }

    /// The request with another principal, who is in `parents`.
    pub(super) fn asked_by(mut self, admin: &Entity) -> Sketch {
        let uid = admin.uid();
        let mut thing = self.things.remove(&self.principal).unwrap_or_default();
        for (key, value) in &mut thing.attributes {
            let told = admin.attr(key).and_then(Result::ok).and_then(Value::of);
            *value = told.unwrap_or_else(|| value.clone());
        }
        let (_, _, parents) = admin.clone().into_inner();
        thing.parents = parents.into_iter().collect();
        self.things.insert(uid.clone(), thing);
        self.principal = uid;
        self
    }

    /// The value at `path`, if there is one.
    pub(super) fn get(&self, path: &Path) -> Option<Value> {
        let mut steps = path.steps.iter();
        let mut value = match path.root {
            Root::Principal => Value::Entity(self.principal.clone()),
            Root::Resource => Value::Entity(self.resource.clone()),
            Root::Context => {
                let Some(Step::Attribute(first)) = steps.next() else { return None };
                self.context.get(first)?.clone()
            }
        };
        for step in steps {
            value = match (&value, step) {
                (Value::Record(fields), Step::Attribute(key)) => fields.get(key)?.clone(),
                (Value::Entity(uid), Step::Attribute(key)) => {
                    self.things.get(uid)?.attributes.get(key)?.clone()
                }
                (Value::Entity(uid), Step::Tag(key)) => {
                    self.things.get(uid)?.tags.get(key)?.clone()
                }
                _ => return None,
            };
        }
        Some(value)
    }

    /// Puts `value` (None: nothing) at `path`. Where the place does not exist, nothing happens.
    pub(super) fn set(&mut self, path: &Path, value: Option<Value>, shapes: &Shapes) {
        if let Some(Value::Entity(uid)) = &value {
            self.know(uid, shapes);
        }
        let Some((last, before)) = path.steps.split_last() else {
            if let Some(Value::Entity(uid)) = value {
                self.rename(path.root, uid);
            }
            return;
        };
        let Some((holder, within)) = self.holder(path.root, before) else { return };
        let place = match (&holder, within.first().unwrap_or(last)) {
            (None, Step::Attribute(_)) => Some(&mut self.context),
            (Some(uid), Step::Attribute(_)) => {
                self.things.get_mut(uid).map(|it| &mut it.attributes)
            }
            (Some(uid), Step::Tag(_)) => self.things.get_mut(uid).map(|it| &mut it.tags),
            (None, Step::Tag(_)) => None,
        };
        let Some(mut place) = place else { return };
        for Step::Attribute(key) | Step::Tag(key) in &within {
            let Some(Value::Record(inner)) = place.get_mut(key) else { return };
            place = inner;
        }
        let (Step::Attribute(key) | Step::Tag(key)) = last;
        match value {
            Some(value) => place.insert(key.clone(), value),
            None => place.remove(key),
        };
    }

    /// The entity that `steps` lead into (None: the context), and the records from there on.
    fn holder(&self, root: Root, steps: &[Step]) -> Option<(Option<EntityUid>, Vec<Step>)> {
        let mut at = Path { root, steps: Vec::new() };
        let mut holder = match root {
            Root::Principal => Some(self.principal.clone()),
            Root::Resource => Some(self.resource.clone()),
            Root::Context => None,
        };
        let mut within = Vec::new();
        for step in steps {
            at.steps.push(step.clone());
            match self.get(&at)? {
                Value::Entity(uid) => {
                    holder = Some(uid);
                    within.clear();
                }
                Value::Record(_) => within.push(step.clone()),
                _ => return None,
            }
        }
        Some((holder, within))
    }

    fn rename(&mut self, root: Root, uid: EntityUid) {
        let old = match root {
            Root::Principal => std::mem::replace(&mut self.principal, uid.clone()),
            Root::Resource => std::mem::replace(&mut self.resource, uid.clone()),
            Root::Context => return,
        };
        // Whoever is asked about is not changed by somebody else asking, and the other way round.
        let both = self.principal == self.resource;
        if let Some(thing) = self.things.get(&old).cloned()
            && !(both && root == Root::Resource)
        {
            self.things.insert(uid, thing);
        }
    }

    /// Whether the entity at `path` is said to be in `group`.
    pub(super) fn is_in(&self, path: &Path, group: &EntityUid) -> bool {
        matches!(self.get(path), Some(Value::Entity(uid))
            if self.things.get(&uid).is_some_and(|it| it.parents.contains(group)))
    }

    /// Puts the entity at `path` into `group`, or takes it out.
    pub(super) fn put_in(&mut self, path: &Path, group: &EntityUid, inside: Membership) {
        let Some(Value::Entity(uid)) = self.get(path) else { return };
        let thing = self.things.entry(uid).or_default();
        match inside {
            Membership::In => thing.parents.insert(group.clone()),
            Membership::Out => thing.parents.remove(group),
        };
    }

    /// As Cedar takes it; None where a value is none of Cedar's.
    pub(super) fn asked(&self, bundle: &Bundle) -> Option<(Request, Entities)> {
        let context = Context::from_pairs(pairs(&self.context)?).ok()?;
        let (principal, resource) = (self.principal.clone(), self.resource.clone());
        let request = Request::new(principal, self.action.clone(), resource, context, None).ok()?;
        let mut entities = bundle.action_entities(&self.action).to_vec();
        for (uid, thing) in &self.things {
            // A word of a closed vocabulary is told by its name alone.
            if uid.type_name() == Kind::Registry.type_name() {
                continue;
            }
            let parents: HashSet<EntityUid> = thing.parents.iter().cloned().collect();
            let (attributes, tags) = (pairs(&thing.attributes)?, pairs(&thing.tags)?);
            entities.push(Entity::new_with_tags(uid.clone(), attributes, parents, tags).ok()?);
        }
        Some((request, Entities::from_entities(entities, None).ok()?))
    }

    /// Makes sure that `uid`, where its type has attributes or tags, is somebody.
    fn know(&mut self, uid: &EntityUid, shapes: &Shapes) {
        let Some(shape) = shapes.entities.get(uid.type_name()) else { return };
        let plain = shape.attributes.is_empty() && shape.tags.is_none();
        let asked = *uid == self.principal || *uid == self.resource;
        if self.things.contains_key(uid) || !shape.choices.is_empty() || (plain && !asked) {
            return;
        }
        self.things.insert(uid.clone(), Thing::default());
        let attributes = self.usual_fields(&shape.attributes, shapes);
        if let Some(thing) = self.things.get_mut(uid) {
            thing.attributes = attributes;
        }
    }

    fn usual_fields(&mut self, fields: &Fields, shapes: &Shapes) -> BTreeMap<String, Value> {
        let told =
            |key: &str, optional: bool| !optional || ["mfa_age", "reauth_age"].contains(&key);
        let fields = fields.iter().filter(|(key, it)| told(key, it.optional));
        fields
            .filter_map(|(key, it)| Some((key.clone(), self.usual(key, &it.ty, shapes)?)))
            .collect()
    }

    /// What a fact called `name` usually is.
    pub(super) fn usual(&mut self, name: &str, ty: &Type, shapes: &Shapes) -> Option<Value> {
        Some(match ty {
            Type::Bool => Value::Bool(matches!(name, "signed" | "attested")),
            Type::Long => Value::Long(if name == "aal" { 2 } else { 1 }),
            Type::Text => Value::Text(String::new()),
            Type::Instant => Value::Instant(match name {
                "expires_at" => NOW_MS + HOUR_MS,
                "not_before" => NOW_MS - HOUR_MS,
                _ => NOW_MS,
            }),
            Type::Duration => Value::Duration(match name {
                "max_ttl" | "remaining" => HOUR_MS,
                "ttl" => 60_000,
                "time" => 12 * HOUR_MS,
                _ => 0,
            }),
            Type::Decimal => Value::Decimal(0),
            Type::Ip => Value::Ip(ADDRESS.to_owned()),
            Type::Set(_) => Value::Set(BTreeSet::new()),
            Type::Record(fields) => Value::Record(self.usual_fields(fields, shapes)),
            Type::Entity(name) => {
                let uid = self.usual_entity(name, shapes);
                self.know(&uid, shapes);
                Value::Entity(uid)
            }
        })
    }

    fn usual_entity(&self, name: &EntityTypeName, shapes: &Shapes) -> EntityUid {
        let both = self.principal.type_name() == self.resource.type_name();
        match choice(name, shapes) {
            Some(it) => it,
            None if name == self.resource.type_name() && !both => self.resource.clone(),
            None => named(name, "another"),
        }
    }

    fn show_clock(&mut self, zone: &str, shapes: &Shapes) {
        let attribute = |it: &str| Step::Attribute(it.to_owned());
        let world = Path {
            root: Root::Context,
            steps: vec![attribute("clock"), attribute("world"), Step::Tag(zone.to_owned())],
        };
        let tags =
            shapes.entities.get(Kind::WorldClock.type_name()).and_then(|it| it.tags.as_ref());
        let told = tags.and_then(|it| self.usual("time", it, shapes));
        self.set(&world, told, shapes);
    }
}

/// Whether an entity is in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    In,
    Out,
}

/// The usual word of a closed vocabulary.
fn choice(name: &EntityTypeName, shapes: &Shapes) -> Option<EntityUid> {
    let choices = &shapes.entities.get(name)?.choices;
    let usual = ["active", "approved", "low", "org"]
        .into_iter()
        .find(|word| choices.iter().any(|it| it == word));
    let word = usual.or_else(|| choices.first().map(String::as_str))?;
    Some(EntityUid::from_type_name_and_id(name.clone(), cedar_policy::EntityId::new(word)))
}

/// `User::"some-user"`.
pub(super) fn named(name: &EntityTypeName, which: &str) -> EntityUid {
    let id = format!("{which}-{}", name.basename().to_lowercase());
    EntityUid::from_type_name_and_id(name.clone(), cedar_policy::EntityId::new(id))
}
