//! Making, looking at and taking back grants.

use std::sync::Arc;

use cedar_policy::EntityUid;
use uuid::Uuid;

use super::shown::{ShownGrant, VIEW};
use super::{Alike, Grant, Grants, Proposed};
use crate::Result;
use crate::authn::Caller;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Behalf, Candidates, Listing, Permit, Resource, World};
use crate::policy::Bundle;

/// What somebody wants to grant, in their words.
#[derive(Debug)]
pub struct GrantRequest {
    pub template: String,
    /// `Agent:NAME`, `User:NAME`, `Group:NAME` or `Role:NAME`; agents and users by id, too.
    pub principal: String,
    /// `Tool:NAME`, by id, too, or `ToolSet:TAG`.
    pub resource: String,
}

/// Making a grant.
#[derive(Debug)]
pub struct CreateGrant {
    request: GrantRequest,
    /// Who asks.
    by: Option<Uuid>,
}

impl CreateGrant {
    pub fn new(request: GrantRequest) -> CreateGrant {
        CreateGrant { request, by: None }
    }

    pub fn request(&self) -> &GrantRequest {
        &self.request
    }
}

impl Action for CreateGrant {
    const NAME: &'static str = "grant_tool";
    const EVENT: &'static str = "grant.create";
    type Resource = Proposed;

    fn asked_by(&mut self, caller: &Caller, _: Option<&Behalf>) {
        self.by = Some(caller.principal().id());
    }

    async fn find(&self, world: &World) -> Result<Option<Proposed>> {
        Ok(Proposed::of(&self.request, self.by, world))
    }

    fn particulars(&self, proposed: &Proposed) -> Particulars {
        Particulars::Grant { granting: proposed.granting().clone(), approval: None }
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
    /// Makes the grant that was decided on, in force at once. `principal` is who it is for, and
    /// `bundle` tells which grants permit and which forbid.
    pub async fn create(
        &self,
        permit: Permit<CreateGrant>,
        principal: EntityUid,
        bundle: &Bundle,
    ) -> Result<Arc<Grant>> {
        let (caller, CreateGrant { request, .. }, proposed, warrant) = permit.spend();
        let (id, now) = (self.clock.new_id(), self.clock.micros());
        let slots = (principal, proposed.uid());
        let grant =
            Arc::new(Grant::new(id, &request.template, slots, caller.principal().id(), now));
        let alike = Alike::to(&request.template, bundle.permitting());
        self.snapshot().admits(&grant, &alike)?;
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
