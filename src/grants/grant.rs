//! One grant.

use std::sync::Arc;

use cedar_policy::EntityUid;
use uuid::Uuid;

use crate::authz::uid::{Kind, Reference, uid};
use crate::policy::Link;
use crate::store::{Row, Statement};
use crate::{Error, Result};

/// A template, linked. It never changes: another grant is another one.
#[derive(Clone, Debug)]
pub struct Grant {
    pub id: Uuid,
    /// As decisions know it: the template's id with the grant's own behind it.
    pub link: Arc<Link>,
    principal: EntityUid,
    resource: EntityUid,
    /// Who made it.
    pub created_by: Uuid,
    /// Microseconds since the epoch.
    pub created_at: i64,
}

pub(super) const ALL: &str = "SELECT id, template, principal_kind, principal_id, resource_kind, resource_id, created_by, created_at
     FROM grants ORDER BY id";

impl Grant {
    pub(super) fn new(
        id: Uuid,
        template: &str,
        (principal, resource): (EntityUid, EntityUid),
        created_by: Uuid,
        created_at: i64,
    ) -> Grant {
        let link = Link {
            id: format!("{template}#{id}"),
            template: template.to_owned(),
            principal: Some(Reference(principal.clone())),
            resource: Some(Reference(resource.clone())),
        };
        Grant { id, link: Arc::new(link), principal, resource, created_by, created_at }
    }

    pub fn principal(&self) -> &EntityUid {
        &self.principal
    }

    pub fn resource(&self) -> &EntityUid {
        &self.resource
    }

    pub(super) fn from_row(row: &Row) -> Result<Grant> {
        let entity = |kind: usize, id: usize| -> Result<EntityUid> {
            let kind = Kind::named(row.text(kind)?);
            Ok(uid(kind.ok_or(Error::internal("a grant is about no kind"))?, row.text(id)?))
        };
        let slots = (entity(2, 3)?, entity(4, 5)?);
        Ok(Grant::new(row.uuid(0)?, row.text(1)?, slots, row.uuid(6)?, row.int(7)?))
    }

    pub(super) fn insert(&self) -> Statement {
        let parts =
            |it: &EntityUid| (it.type_name().basename().to_owned(), it.id().unescaped().to_owned());
        let ((principal_kind, principal), (resource_kind, resource)) =
            (parts(&self.principal), parts(&self.resource));
        Statement::new(
            "INSERT INTO grants (id, template, principal_kind, principal_id, resource_kind, resource_id,
                                 created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.id)
        .bind(self.link.template.as_str())
        .bind(principal_kind)
        .bind(principal)
        .bind(resource_kind)
        .bind(resource)
        .bind(self.created_by)
        .bind(self.created_at)
        .expect_rows(1)
    }

    pub(super) fn delete(&self) -> Statement {
        Statement::new("DELETE FROM grants WHERE id = $1").bind(self.id).expect_rows(1)
    }
}
