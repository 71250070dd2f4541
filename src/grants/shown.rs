//! A grant as the policies see it: whose tool it is about, who made it, and whether it forbids.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Effect, Entity, EntityUid, PolicyId, RestrictedExpression};
use uuid::Uuid;

use super::Grant;
use crate::Result;
use crate::audit::Target;
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View, World};
use crate::registry::Tool;

/// The action that asks whether a grant may be seen.
pub(super) const VIEW: &str = "view_grant";

/// A grant and what is known of it besides.
#[derive(Clone, Debug)]
pub struct ShownGrant {
    grant: Arc<Grant>,
    /// What its template says; empty where the active policies have none of that name.
    title: String,
    /// What it is about, as people call it.
    name: String,
    entity: Entity,
}

impl ShownGrant {
    pub(super) fn find(id: Uuid, world: &World) -> Result<Option<ShownGrant>> {
        let grant = world.grants.snapshot().get(id).cloned();
        grant.map(|it| ShownGrant::of(it, world)).transpose()
    }

    pub(super) fn of(grant: Arc<Grant>, world: &World) -> Result<ShownGrant> {
        let (title, effect) = said(&grant, world);
        let tool = tool(&grant, world);
        let user =
            |it: Uuid| RestrictedExpression::new_entity_uid(uid(Kind::User, &it.to_string()));
        let owner = tool.as_ref().map(|it| ("tool_owner".to_owned(), user(it.owner)));
        // What nobody knows might forbid.
        let forbids = RestrictedExpression::new_bool(effect != Some(Effect::Permit));
        let attributes: HashMap<_, _> = owner
            .into_iter()
            .chain([
                ("made_by".to_owned(), user(grant.created_by)),
                ("forbids".to_owned(), forbids),
            ])
            .collect();
        let uid = uid(Kind::Grant, &grant.id.to_string());
        let entity = Entity::new(uid, attributes, Default::default());
        let entity = entity.map_err(anyhow::Error::from)?;
        let of_set = || grant.resource().id().unescaped().to_owned();
        let name = tool.map_or_else(of_set, |it| it.name().to_owned());
        Ok(ShownGrant { grant, title, name, entity })
    }

    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    pub fn title(&self) -> &str {
        &self.title
    }
}

/// What the template of a grant says and does, as far as the active policies have it.
fn said(grant: &Grant, world: &World) -> (String, Option<Effect>) {
    let Some(deciding) = world.bundles.deciding() else { return (String::new(), None) };
    let id = grant.link.template.as_str();
    let title = deciding.bundle.meta(id).map(|it| it.title.clone()).unwrap_or_default();
    let template = deciding.bundle.policies().template(&PolicyId::new(id));
    (title, template.map(|it| it.effect()))
}

/// None for a set of tools, and when the tool is gone.
fn tool(grant: &Grant, world: &World) -> Option<Arc<Tool>> {
    let uid = grant.resource();
    let id = (Kind::of(uid.type_name()) == Some(Kind::Tool)).then(|| uid.id().unescaped())?;
    world.registry.catalogue().tool(id.parse().ok()?).cloned()
}

impl Resource for ShownGrant {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn target(&self) -> Target {
        Target { kind: "Grant".into(), id: self.grant.id.to_string(), name: self.name.clone() }
    }

    fn view(&self) -> Option<View> {
        Some(View { action: VIEW, particulars: || Particulars::Admin { approval: None } })
    }
}
