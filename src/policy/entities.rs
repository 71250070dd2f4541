//! Things of a bundle's own types: `entities.json`, in Cedar's entity JSON.

use std::collections::BTreeMap;

use cedar_policy::{Entities, Entity, EntityTypeName, EntityUid, Schema};

use super::fault::Fault;
use super::load::SourceFile;
use super::table::chain;
use crate::authz::uid::NAMESPACE;

/// The things that a bundle tells of, in order of type and id.
#[derive(Debug, Default)]
pub struct Kept(BTreeMap<EntityTypeName, BTreeMap<String, Entity>>);

impl Kept {
    /// Reads the file. Whatever lies in the schema's own namespace Gatewright keeps itself: a bundle
    /// has no say in who its users are.
    pub(super) fn read(file: &SourceFile, schema: &Schema) -> Result<Kept, Fault> {
        let read = Entities::from_json_str(&file.text, Some(schema));
        let all = read.map_err(|it| Fault::whole(&file.path, chain(&it)))?;
        let mut kept = Kept::default();
        for entity in all.iter() {
            let uid = entity.uid();
            let kind = uid.type_name().clone();
            if schema.actions().any(|it| *it == uid) {
                continue;
            }
            if kind.namespace() == NAMESPACE {
                let problem = format!("`{uid}` is of a type that Gatewright keeps itself");
                return Err(Fault::whole(&file.path, problem)
                    .fixed_by("declare a type in a namespace of your own"));
            }
            let id = uid.id().unescaped().to_owned();
            kept.0.entry(kind).or_default().insert(id, entity.clone());
        }
        Ok(kept)
    }

    /// One of them.
    pub fn one(&self, uid: &EntityUid) -> Option<&Entity> {
        self.0.get(uid.type_name())?.get(uid.id().unescaped())
    }

    /// All of one type, in order of id.
    pub fn of(&self, kind: &EntityTypeName) -> impl Iterator<Item = (&str, &Entity)> {
        self.0.get(kind).into_iter().flatten().map(|(id, it)| (id.as_str(), it))
    }
}
