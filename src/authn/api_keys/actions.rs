//! What can be asked about API keys.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use uuid::Uuid;

use super::key::{ApiKey, PrincipalId};
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Action, Candidates, Listing, Resource, View, World};
use crate::directory::{self, Principal};
use crate::{Error, Result};

/// Making a key; what it is made for is whom it will stand for.
#[derive(Debug)]
pub struct CreateApiKey {
    pub principal: PrincipalId,
    pub name: String,
    pub scopes: BTreeSet<String>,
    /// Microseconds since the epoch; a key without one is good until somebody ends it.
    pub expires_at: Option<i64>,
}

impl Action for CreateApiKey {
    const NAME: &'static str = "create_api_key";
    const EVENT: &'static str = "api_key.create";
    type Resource = Principal;

    async fn find(&self, world: &World) -> Result<Option<Principal>> {
        Ok(world.directory.snapshot().principal(self.principal.kind, self.principal.id))
    }
}

impl Resource for Principal {
    fn uid(&self) -> EntityUid {
        Principal::uid(self)
    }

    fn entity(&self) -> Option<&Entity> {
        Some(Principal::entity(self))
    }

    fn name(&self) -> &str {
        Principal::name(self)
    }

    fn view(&self) -> Option<View> {
        match self {
            Principal::User(it) => it.view(),
            Principal::Agent(it) => it.view(),
        }
    }
}

/// A key as something that is asked about: with who answers for its agent by now.
#[derive(Clone, Debug)]
pub struct ApiKeyResource {
    pub key: Arc<ApiKey>,
    entity: Entity,
}

impl ApiKeyResource {
    fn new(key: Arc<ApiKey>, directory: &directory::Snapshot) -> Result<ApiKeyResource> {
        let reference =
            |kind, id: Uuid| RestrictedExpression::new_entity_uid(uid(kind, &id.to_string()));
        let PrincipalId { kind, id } = key.principal;
        let mut attributes = HashMap::new();
        match kind {
            directory::Kind::User => {
                attributes.insert("user".to_owned(), reference(Kind::User, id));
            }
            directory::Kind::Agent => {
                attributes.insert("agent".to_owned(), reference(Kind::Agent, id));
                if let Some(agent) = directory.agent(id) {
                    let owner = reference(Kind::User, agent.owner);
                    attributes.insert("agent_owner".to_owned(), owner);
                }
            }
        }
        let uid = uid(Kind::ApiKey, &key.id.to_string());
        let entity = Entity::new(uid, attributes, Default::default());
        Ok(ApiKeyResource { key, entity: entity.map_err(anyhow::Error::from)? })
    }

    fn find(id: Uuid, world: &World) -> Result<Option<ApiKeyResource>> {
        let key = world.api_keys.snapshot().key(id).cloned();
        key.map(|key| ApiKeyResource::new(key, &world.directory.snapshot())).transpose()
    }
}

impl Resource for ApiKeyResource {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        &self.key.name
    }

    fn view(&self) -> Option<View> {
        Some(View { action: ShowApiKey::NAME, particulars: || Particulars::Token })
    }
}

/// An action on one key, with what it carries besides which.
macro_rules! on_key {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* }, $action:literal, $event:literal,
     $particulars:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            pub key: Uuid,
            $(pub $field: $type),*
        }

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = ApiKeyResource;

            async fn find(&self, world: &World) -> Result<Option<ApiKeyResource>> {
                ApiKeyResource::find(self.key, world)
            }

            fn particulars(&self, _: &ApiKeyResource) -> Particulars {
                $particulars
            }
        }
    };
}

/// A change of a key, with the revision that the caller has seen, where it insists on that one.
macro_rules! change_of_key {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* }, $action:literal, $event:literal) => {
        on_key!(
            $(#[$doc])* $name { if_match: Option<i64> $(, $field: $type)* },
            $action, $event, Particulars::Admin { approval: None }
        );

        impl $name {
            pub(super) fn insist(&self, revision: i64) -> Result<()> {
                match self.if_match {
                    Some(seen) if seen != revision => Err(Error::PreconditionFailed),
                    _ => Ok(()),
                }
            }
        }
    };
}

on_key!(ShowApiKey {}, "view_api_key", "api_key.show", Particulars::Token);
change_of_key!(
    /// A new text for the key; the old one stays good for `overlap_micros`.
    RotateApiKey { overlap_micros: i64 }, "rotate_api_key", "api_key.rotate"
);
change_of_key!(
    /// Giving back what disabling took: decided like a rotation, since a key comes to life.
    EnableApiKey {}, "rotate_api_key", "api_key.enable"
);
change_of_key!(
    /// A revocation that can be undone.
    DisableApiKey {}, "revoke_api_key", "api_key.disable"
);
change_of_key!(RevokeApiKey {}, "revoke_api_key", "api_key.revoke");

/// The keys that a caller may see.
#[derive(Debug)]
pub struct ListApiKeys {
    /// Whom they stand for.
    pub principal: Option<Uuid>,
    pub after: Option<Uuid>,
    pub page_size: usize,
}

impl Listing for ListApiKeys {
    const NAME: &'static str = ShowApiKey::NAME;
    const EVENT: &'static str = "api_key.list";
    type Item = ApiKeyResource;

    async fn candidates(&self, world: &World) -> Result<Candidates<ApiKeyResource>> {
        let directory = world.directory.snapshot();
        let mut keys = world.api_keys.snapshot().keys();
        keys.retain(|it| {
            self.principal.is_none_or(|id| it.principal.id == id)
                && self.after.is_none_or(|after| it.id > after)
        });
        let items = keys.into_iter().map(|it| ApiKeyResource::new(it, &directory));
        Ok(Candidates { items: items.collect::<Result<_>>()?, more: false })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Token
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn token_after(&self, item: &ApiKeyResource) -> String {
        item.key.id.to_string()
    }
}
