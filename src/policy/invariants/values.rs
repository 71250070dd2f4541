//! What a fact could be: every literal that it is compared with, its neighbours, and another.

use std::cell::Cell;
use std::collections::BTreeSet;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use ipnet::IpNet;

use super::reads::{Fact, Reads};
use super::shape::{Field, Shapes, Type};
use super::sketch::{Membership, Path, Root, Sketch, Step, named};
use super::value::Value;

/// A set is tried with no more of its members than this.
const MEMBERS_MAX: usize = 6;
/// Every subset is tried of a set with no more members than this.
const SUBSETS_OF_MAX: usize = 3;
/// No fact is tried with more values than this.
const VALUES_MAX: usize = 24;

/// One change of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Set(Path, Option<Value>),
    Put(Path, EntityUid, Membership),
}

impl Change {
    pub(super) fn apply(&self, sketch: &mut Sketch, shapes: &Shapes) {
        match self {
            Change::Set(path, value) => sketch.set(path, value.clone(), shapes),
            Change::Put(path, group, inside) => sketch.put_in(path, group, *inside),
        }
    }
}

/// What a request could become.
pub(super) struct Changes {
    /// Each is one fact's.
    pub(super) lists: Vec<Vec<Change>>,
    /// Whether there are values that are not among them.
    pub(super) cut_off: bool,
}

/// For each fact of `reads`, what it could become in `sketch`. The principal itself stays who it
/// is where `who` says so.
pub(super) fn changes(reads: &Reads, sketch: &Sketch, shapes: &Shapes, who: Who) -> Changes {
    let peers = reads.facts.iter().filter_map(|it| match it {
        Fact::At(path) => sketch.get(path),
        _ => None,
    });
    let mut known: BTreeSet<Value> = reads.literals.clone();
    known.extend(peers);
    known.insert(Value::Entity(sketch.principal.clone()));
    let pool = Pool { known, sketch, shapes, cut_off: Cell::new(false) };
    let mut all = Vec::new();
    for fact in &reads.facts {
        let changes = match fact {
            Fact::At(path)
                if path.steps.is_empty() && path.root == Root::Principal && who == Who::Fixed =>
            {
                Vec::new()
            }
            // All of it changes by its parts.
            Fact::At(path) if path.steps.is_empty() && path.root == Root::Context => Vec::new(),
            Fact::At(path) => pool.values(path),
            Fact::In(path, group) => pool.toggle(path, group, who),
            Fact::InAt(path, at) => match sketch.get(at) {
                Some(Value::Entity(group)) => pool.toggle(path, &group, who),
                _ => Vec::new(),
            },
        };
        if !changes.is_empty() {
            all.push(changes);
        }
    }
    Changes { lists: all, cut_off: pool.cut_off.get() }
}

/// Whether the search may make somebody else, or somebody in other groups, of the principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Fixed,
    Anybody,
}

struct Pool<'a> {
    known: BTreeSet<Value>,
    sketch: &'a Sketch,
    shapes: &'a Shapes,
    cut_off: Cell<bool>,
}

impl Pool<'_> {
    fn bounded(&self, count: usize, most: usize) {
        self.cut_off.set(self.cut_off.get() || count > most);
    }

    fn toggle(&self, path: &Path, group: &EntityUid, who: Who) -> Vec<Change> {
        if path.root == Root::Principal && who == Who::Fixed {
            return Vec::new();
        }
        let inside = match self.sketch.is_in(path, group) {
            true => Membership::Out,
            false => Membership::In,
        };
        vec![Change::Put(path.clone(), group.clone(), inside)]
    }

    fn values(&self, path: &Path) -> Vec<Change> {
        let Some(Field { ty, optional }) = self.field(path) else { return Vec::new() };
        let now = self.sketch.get(path);
        let mut values: Vec<Option<Value>> =
            self.of_type(&ty).into_iter().map(Some).filter(|it| *it != now).collect();
        if now.is_none() {
            let mut sketch = self.sketch.clone();
            let name = match path.steps.last() {
                Some(Step::Attribute(name) | Step::Tag(name)) => name.as_str(),
                None => "",
            };
            values.insert(0, sketch.usual(name, &ty, self.shapes));
        } else if optional {
            values.insert(0, None);
        }
        self.bounded(values.len(), VALUES_MAX);
        values.truncate(VALUES_MAX);
        values.dedup();
        values.into_iter().map(|it| Change::Set(path.clone(), it)).collect()
    }

    /// The type at `path`, by the schema.
    fn field(&self, path: &Path) -> Option<Field> {
        let entity = |uid: &EntityUid| Type::Entity(uid.type_name().clone());
        let mut field = match path.root {
            Root::Principal => Field { ty: entity(&self.sketch.principal), optional: false },
            Root::Resource => Field { ty: entity(&self.sketch.resource), optional: false },
            Root::Context => {
                let fields = self.shapes.context(&self.sketch.action)?.clone();
                Field { ty: Type::Record(fields), optional: false }
            }
        };
        for step in &path.steps {
            field = match (&field.ty, step) {
                (Type::Record(fields), Step::Attribute(key)) => fields.get(key)?.clone(),
                (Type::Entity(name), Step::Attribute(key)) => {
                    self.shapes.entities.get(name)?.attributes.get(key)?.clone()
                }
                (Type::Entity(name), Step::Tag(_)) => {
                    Field { ty: self.shapes.entities.get(name)?.tags.clone()?, optional: true }
                }
                _ => return None,
            };
        }
        Some(field)
    }

    fn of_type(&self, ty: &Type) -> BTreeSet<Value> {
        let near = |make: fn(i64) -> Value, take: fn(&Value) -> Option<i64>| {
            let known = self.known.iter().filter_map(take);
            known
                .flat_map(|it| [it.saturating_sub(1), it, it.saturating_add(1)])
                .map(make)
                .collect()
        };
        match ty {
            Type::Bool => [Value::Bool(false), Value::Bool(true)].into(),
            Type::Long => near(Value::Long, |it| match it {
                Value::Long(it) => Some(*it),
                _ => None,
            }),
            Type::Duration => near(Value::Duration, |it| match it {
                Value::Duration(it) => Some(*it),
                _ => None,
            }),
            Type::Instant => near(Value::Instant, |it| match it {
                Value::Instant(it) => Some(*it),
                _ => None,
            }),
            Type::Decimal => near(Value::Decimal, |it| match it {
                Value::Decimal(it) => Some(*it),
                _ => None,
            }),
            Type::Text => {
                let mut texts = self.like(|it| matches!(it, Value::Text(_)));
                texts.insert(Value::Text("something else".to_owned()));
                texts
            }
            Type::Ip => self.addresses(),
            Type::Entity(name) => self.entities(name),
            Type::Set(member) => self.sets(member),
            Type::Record(_) => BTreeSet::new(),
        }
    }

    fn like(&self, is: impl Fn(&Value) -> bool) -> BTreeSet<Value> {
        self.known.iter().filter(|it| is(it)).cloned().collect()
    }

    fn entities(&self, name: &EntityTypeName) -> BTreeSet<Value> {
        let choices = self.shapes.entities.get(name).map_or(&[][..], |it| &it.choices);
        if !choices.is_empty() {
            let uid =
                |it: &String| EntityUid::from_type_name_and_id(name.clone(), EntityId::new(it));
            return choices.iter().map(|it| Value::Entity(uid(it))).collect();
        }
        let mut all = self.like(|it| matches!(it, Value::Entity(uid) if uid.type_name() == name));
        all.insert(Value::Entity(named(name, "another")));
        all
    }

    fn sets(&self, member: &Type) -> BTreeSet<Value> {
        let members: Vec<Value> = match member {
            // Of a set, only what is asked for matters.
            Type::Entity(name) => self
                .like(|it| matches!(it, Value::Entity(uid) if uid.type_name() == name))
                .into_iter()
                .collect(),
            other => self.of_type(other).into_iter().collect(),
        };
        // What is between one and all is tried of small ones.
        self.bounded(members.len(), SUBSETS_OF_MAX);
        let members = members.get(..MEMBERS_MAX).unwrap_or(&members);
        let mut sets: BTreeSet<Value> =
            self.like(|it| matches!(it, Value::Set(_))).into_iter().collect();
        sets.insert(Value::Set(BTreeSet::new()));
        sets.insert(Value::Set(members.iter().cloned().collect()));
        sets.extend(members.iter().map(|it| Value::Set([it.clone()].into())));
        if members.len() <= SUBSETS_OF_MAX {
            let but = |left_out: &Value| {
                members.iter().filter(|it| *it != left_out).cloned().collect::<BTreeSet<_>>()
            };
            sets.extend(members.iter().map(|it| Value::Set(but(it))));
        }
        if let Type::Entity(name) = member {
            sets.insert(Value::Set([Value::Entity(named(name, "another"))].into()));
        }
        sets
    }

    /// One address in each range, and the first beyond it.
    fn addresses(&self) -> BTreeSet<Value> {
        let mut all = BTreeSet::from([
            Value::Ip("203.0.113.9".to_owned()),
            Value::Ip("2001:db8::9".to_owned()),
        ]);
        for value in &self.known {
            let Value::Ip(text) = value else { continue };
            match text.parse::<IpNet>() {
                Ok(net) => {
                    let inside = net.hosts().next().unwrap_or(net.addr());
                    all.insert(Value::Ip(inside.to_string()));
                }
                Err(_) => {
                    all.insert(value.clone());
                }
            }
        }
        all
    }
}
