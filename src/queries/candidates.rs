//! Whom and what a search looks at, in an order that stays the same while others come and go.

use std::collections::BTreeMap;

use cedar_policy::{EntityTypeName, EntityUid};

use super::inquiry::{DECISIONS_MAX, Inquiry};
use super::model::{Named, Properties, Verb};
use super::names::{Subject, SubjectKind, Thing, ThingKind, is_mcp_server, shown};
use super::page::Place;
use super::particulars::ROLE;
use crate::authz::facts::Shape;
use crate::authz::uid::NAMESPACE;
use crate::directory::Principal;
use crate::policy::vocabulary::Type;

impl Inquiry<'_> {
    /// The subjects of a type behind a place, in order: principals by id, as they were registered.
    pub(super) fn candidates(
        &self,
        kind: &SubjectKind,
        word: &str,
        place: &Place,
    ) -> Vec<(String, Subject, Named)> {
        if let SubjectKind::Declared(name) = kind {
            let ids = self.bundle().kept().of(name).map(|(id, _)| id);
            let ids = ids.filter(|it| place.is_before(it)).take(DECISIONS_MAX + 1);
            let named = ids.map(|id| {
                let shown = plain(word, id);
                (id.to_owned(), self.names.subject(Some(kind), id), shown)
            });
            return named.collect();
        }
        let named = self.principals(kind, place).into_iter().map(|it| {
            let shown = self.names.shown(kind, word, &it);
            (it.id().to_string(), Subject::of(it), shown)
        });
        named.collect()
    }

    fn principals(&self, kind: &SubjectKind, place: &Place) -> Vec<Principal> {
        let known = self.names.principals();
        let users = || known.users().into_iter().map(Principal::User);
        let agents = || known.agents().into_iter().map(Principal::Agent);
        let mut all: Vec<Principal> = match kind {
            SubjectKind::User => users().collect(),
            SubjectKind::Agent => agents().collect(),
            SubjectKind::McpServer => agents().filter(is_mcp_server).collect(),
            SubjectKind::Identity => users().chain(agents()).collect(),
            SubjectKind::Declared(_) => Vec::new(),
        };
        all.sort_by_key(Principal::id);
        let begin = all.partition_point(|it| !place.is_before(&it.id().to_string()));
        all.drain(begin..).take(DECISIONS_MAX + 1).collect()
    }

    /// The resources of a type behind a place, in order: tools by name.
    pub(super) fn things(
        &self,
        kind: &ThingKind,
        word: &str,
        place: &Place,
    ) -> Vec<(String, Thing, Named)> {
        let after = place.after.as_deref().unwrap_or_default();
        match kind {
            ThingKind::Tool => {
                let catalogue = self.names.world.registry.catalogue();
                let tools = catalogue.after(after).take(DECISIONS_MAX + 1).map(|it| {
                    let shown = shown(word, &it.definition.name, it.id, Some(it.id));
                    (it.name_key().to_owned(), Thing::Tool(it.clone()), shown)
                });
                tools.collect()
            }
            ThingKind::Principal(kind) => {
                let named = self.principals(kind, place).into_iter().map(|it| {
                    let shown = self.names.shown(kind, word, &it);
                    (it.id().to_string(), Thing::Principal(it), shown)
                });
                named.collect()
            }
            ThingKind::Registry => self.each_of(kind, word, place, ["registry"].into_iter()),
            ThingKind::Scope => {
                let scopes = self.bundle().token_scopes().iter().map(String::as_str);
                self.each_of(kind, word, place, scopes)
            }
            ThingKind::Declared(name) => {
                let ids = self.bundle().kept().of(name).map(|(id, _)| id);
                self.each_of(kind, word, place, ids)
            }
        }
    }

    fn each_of<'i>(
        &self,
        kind: &ThingKind,
        word: &str,
        place: &Place,
        ids: impl Iterator<Item = &'i str>,
    ) -> Vec<(String, Thing, Named)> {
        let ids = ids.filter(|it| place.is_before(it)).take(DECISIONS_MAX + 1);
        let named = ids
            .filter_map(|id| Some((id.to_owned(), self.names.thing(kind, id)?, plain(word, id))));
        named.collect()
    }

    /// The actions that there are on such a thing, by their places in order: those about a role once
    /// for each role. `only` is asked which of them are looked at.
    pub(super) fn verbs(
        &self,
        principal: &EntityTypeName,
        thing: &Thing,
        only: impl Fn(&EntityUid) -> bool,
    ) -> BTreeMap<String, Verb> {
        let (bundle, resource) = (self.bundle(), thing.uid());
        let known = bundle.actions().filter(|it| {
            let ours = it.type_name().namespace() == NAMESPACE;
            bundle.knows(principal, it, resource.type_name())
                && !bundle.is_typed_call(it)
                && (!ours || bundle.shape(it).is_some())
                && only(it)
        });
        known.flat_map(|it| self.verbs_of(it)).collect()
    }

    fn verbs_of(&self, action: &EntityUid) -> Vec<(String, Verb)> {
        let name = action.id().unescaped();
        let verb = |properties| Verb { name: name.to_owned(), properties };
        if self.bundle().shape(action) != Some(Shape::Role) {
            return vec![(name.to_owned(), verb(Properties::new()))];
        }
        let context = self.bundle().vocabulary().context(action);
        let Some(Type::Entity(roles)) = context.and_then(|it| it.get(ROLE)) else {
            return Vec::new();
        };
        let of = |role: &str| Properties::from_iter([(ROLE.to_owned(), role.into())]);
        roles.choices().map(|role| (format!("{name}/{role}"), verb(of(role)))).collect()
    }
}

fn plain(kind: &str, id: &str) -> Named {
    Named { kind: kind.to_owned(), id: id.to_owned(), properties: Properties::new() }
}
