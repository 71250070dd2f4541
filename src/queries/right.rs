//! The right to ask: about whom, and whether the asker's own word about the request counts.

use cedar_policy::{Entity, EntityUid};

use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::uid::registry;
use crate::authz::{Action, Resource, World};
use crate::directory::Principal;

/// Whom a question is about, as Cedar sees them.
#[derive(Clone, Debug)]
pub struct About {
    uid: EntityUid,
    /// None for the registry, which stands for whomever Gatewright does not keep.
    entity: Option<Entity>,
    name: String,
}

impl About {
    /// A user or an agent.
    pub fn principal(entity: Entity, name: &str) -> About {
        About { uid: entity.uid(), entity: Some(entity), name: name.to_owned() }
    }

    /// Somebody whom Gatewright does not keep.
    pub fn other(name: &str) -> About {
        About { uid: registry(), entity: None, name: name.to_owned() }
    }
}

impl Resource for About {
    fn uid(&self) -> EntityUid {
        self.uid.clone()
    }

    fn entity(&self) -> Option<&Entity> {
        self.entity.as_ref()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// What policies are told of a question about a tool of this owner.
pub fn particulars(tool_owner: Option<&str>) -> Particulars {
    Particulars::Query { tool_owner: tool_owner.map(str::to_owned) }
}

macro_rules! question {
    ($(#[$doc:meta])* $name:ident, $action:literal, $event:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            pub about: About,
            /// Of the tool that the question is about, if it is about one.
            pub tool_owner: Option<String>,
        }

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = About;

            async fn find(&self, _: &World) -> Result<Option<About>> {
                Ok(Some(self.about.clone()))
            }

            fn particulars(&self, _: &About) -> Particulars {
                particulars(self.tool_owner.as_deref())
            }
        }
    };
}

question!(
    /// Asking what somebody would be allowed.
    QueryAccess, "query_access", "access.query"
);
question!(
    /// Searching for those who would be allowed.
    SearchAccess, "search_access", "access.search"
);

impl QueryAccess {
    /// Asking about a principal, and about no tool.
    pub fn of(principal: &Principal) -> QueryAccess {
        let about = About::principal(principal.entity().clone(), principal.name());
        QueryAccess { about, tool_owner: None }
    }
}

/// The action that decides whether what the asker says of a request counts, whatever is stored.
pub const SUPPLY: &str = "supply_properties";
