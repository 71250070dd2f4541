//! Making, looking at and taking back grants.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use uuid::Uuid;

use super::shown::{ShownGrant, VIEW};
use super::{Grant, Grants};
use crate::Result;
use crate::audit::Target;
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Action, Candidates, Listing, Permit, Resource, View, World};
use crate::registry::Tool;

/// What somebody wants to grant, in their words.
#[derive(Debug)]
pub struct GrantRequest {
    pub template: String,
    /// `Agent:NAME`, `User:NAME`, `Group:NAME` or `Role:NAME`; agents and users by id, too.
    pub principal: String,
    /// `Tool:NAME`, by id, too, or `ToolSet:TAG`.
    pub resource: String,
}

/// What a grant is about: a tool, or all tools of a tag.
#[derive(Clone, Debug)]
pub enum Granted {
    Tool(Arc<Tool>),
    Set(String),
}

impl Granted {
    fn named(text: &str, world: &World) -> Option<Granted> {
        let catalogue = world.registry.catalogue();
        match text.split_once(':')? {
            ("Tool", name) => {
                let by_id = name.parse().ok().and_then(|id: Uuid| catalogue.tool(id));
                by_id.or_else(|| catalogue.named(name)).cloned().map(Granted::Tool)
            }
            ("ToolSet", tag) if !tag.is_empty() => Some(Granted::Set(tag.to_owned())),
            _ => None,
        }
    }
}

impl Resource for Granted {
    fn uid(&self) -> EntityUid {
        match self {
            Granted::Tool(tool) => tool.uid(),
            Granted::Set(tag) => uid(Kind::ToolSet, tag),
        }
    }

    fn entity(&self) -> Option<&Entity> {
        match self {
            Granted::Tool(tool) => tool.entity(),
            Granted::Set(_) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Granted::Tool(tool) => tool.name(),
            Granted::Set(tag) => tag,
        }
    }

    fn target(&self) -> Target {
        match self {
            Granted::Tool(tool) => tool.target(),
            Granted::Set(tag) => {
                Target { kind: "ToolSet".into(), id: tag.clone(), name: tag.clone() }
            }
        }
    }

    fn view(&self) -> Option<View> {
        match self {
            Granted::Tool(tool) => tool.view(),
            Granted::Set(_) => None,
        }
    }
}

/// Making a grant.
#[derive(Debug)]
pub struct CreateGrant(pub GrantRequest);

impl Action for CreateGrant {
    const NAME: &'static str = "grant_tool";
    const EVENT: &'static str = "grant.create";
    type Resource = Granted;

    async fn find(&self, world: &World) -> Result<Option<Granted>> {
        Ok(Granted::named(&self.0.resource, world))
    }
}

/// Taking one back.
#[derive(Debug)]
pub struct RevokeGrant(pub Uuid);

impl Action for RevokeGrant {
    const NAME: &'static str = "revoke_grant";
    const EVENT: &'static str = "grant.revoke";
    type Resource = ShownGrant;

    async fn find(&self, world: &World) -> Result<Option<ShownGrant>> {
        ShownGrant::find(self.0, world)
    }
}

/// Looking at one.
#[derive(Debug)]
pub struct ShowGrant(pub Uuid);

impl Action for ShowGrant {
    const NAME: &'static str = VIEW;
    const EVENT: &'static str = "grant.show";
    type Resource = ShownGrant;

    async fn find(&self, world: &World) -> Result<Option<ShownGrant>> {
        ShownGrant::find(self.0, world)
    }
}

/// The grants that the caller may see, oldest first.
#[derive(Debug)]
pub struct ListGrants {
    pub after: Option<Uuid>,
    pub page_size: usize,
}

impl Listing for ListGrants {
    const NAME: &'static str = VIEW;
    const EVENT: &'static str = "grant.list";
    type Item = ShownGrant;

    async fn candidates(&self, world: &World) -> Result<Candidates<ShownGrant>> {
        let snapshot = world.grants.snapshot();
        let after = snapshot.all().filter(|it| self.after.is_none_or(|after| it.id > after));
        let shown = after.map(|it| ShownGrant::of(it.clone(), world));
        Ok(Candidates { items: shown.collect::<Result<_>>()?, more: false })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Admin { approval: None }
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn token_after(&self, item: &ShownGrant) -> String {
        item.grant().id.to_string()
    }
}

impl Grants {
    /// Makes the grant that was decided on, in force at once. `principal` is who it is for.
    pub async fn create(
        &self,
        permit: Permit<CreateGrant>,
        principal: EntityUid,
    ) -> Result<Arc<Grant>> {
        let (caller, CreateGrant(request), granted, warrant) = permit.spend();
        let (id, now) = (self.clock.new_id(), self.clock.micros());
        let slots = (principal, granted.uid());
        let grant =
            Arc::new(Grant::new(id, &request.template, slots, caller.principal().id(), now));
        self.snapshot().admits(&grant)?;
        warrant.note("grant", id.to_string());
        warrant.note("template", request.template);
        warrant.note("principal", grant.principal().to_string());
        self.ledger.commit(&warrant, vec![grant.insert()]).await?;
        self.publish(|it| it.put(grant.clone()));
        Ok(grant)
    }

    /// Takes it back, at once.
    pub async fn revoke(&self, permit: Permit<RevokeGrant>) -> Result<()> {
        let (_, _, shown, warrant) = permit.spend();
        let grant = shown.grant();
        warrant.note("template", grant.link.template.as_str());
        warrant.note("principal", grant.principal().to_string());
        self.ledger.commit(&warrant, vec![grant.delete()]).await?;
        self.publish(|it| it.take(grant.id));
        Ok(())
    }
}
