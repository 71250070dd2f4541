//! A scope as something that is asked about.

use cedar_policy::{Entity, EntityUid};

use super::action::Resource;
use super::uid::{Kind, uid};

/// A scope as a resource: may this principal's token carry it?
pub struct ScopeResource {
    uid: EntityUid,
    entity: Entity,
}

impl ScopeResource {
    /// A scope `family:member` lies in `family:*`, so a policy can speak of families.
    pub fn new(scope: &str) -> ScopeResource {
        let scope_uid = uid(Kind::Scope, scope);
        let family = scope.split_once(':').map(|(family, _)| format!("{family}:*"));
        // The family itself is asked about, too, and nothing lies in itself.
        let family = family.filter(|it| it != scope);
        let parents = family.into_iter().map(|it| uid(Kind::Scope, &it)).collect();
        let entity = Entity::new_no_attrs(scope_uid.clone(), parents);
        ScopeResource { uid: scope_uid, entity }
    }
}

impl Resource for ScopeResource {
    fn uid(&self) -> EntityUid {
        self.uid.clone()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        ""
    }
}
