//! The right to ask: about whom, and whether the asker's own word about the request counts.

use cedar_policy::{Entity, EntityUid};

use super::inquiry::Inquiry;
use super::names::{Subject, Thing};
use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::uid::{self, Kind, registry};
use crate::authz::{Action, Resource, World};
use crate::directory::Principal;

/// What decides who reads the policies behind a decision.
const INSPECT: &str = "inspect_decision";
/// The groups of actions that whoever guards a tool must ask about.
const USES: [&str; 2] = ["use", "read"];

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

    /// A decision that nobody has made.
    fn decision() -> About {
        let uid = uid::uid(Kind::Decision, "");
        About { entity: Some(Entity::with_uid(uid.clone())), uid, name: String::new() }
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

/// The action that decides whether what the asker says of subject and resource counts, whatever is
/// stored.
pub const SUPPLY: &str = "supply_properties";
/// The one that decides whether what it says of the circumstances counts.
const SUPPLY_CONTEXT: &str = "supply_context";

/// Which words of an asker count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trust {
    /// What it says of subject and resource. Who may try others can tell who is what.
    pub properties: bool,
    /// What it says of the circumstances: `context`.
    pub circumstances: bool,
}

impl Inquiry<'_> {
    /// Which words of the caller's count in a question about this one, and a tool of this owner.
    pub(super) fn trusts(&self, about: &About, tool_owner: Option<&str>) -> Result<Trust> {
        let told = particulars(tool_owner);
        let may = |action| {
            self.count(1);
            self.authz.would_allow(self.caller, action, about, &told)
        };
        let properties = may(SUPPLY)?;
        Ok(Trust { properties, circumstances: properties || may(SUPPLY_CONTEXT)? })
    }

    /// Whether the caller may learn more of this subject than whether it may use a tool: because it
    /// may see it, or its word counts whatever is stored.
    pub(super) fn knows(&self, subject: &Subject, trust: Trust) -> Result<bool> {
        let Some(principal) = &subject.principal else { return Ok(true) };
        Ok(trust.properties || self.visible(Some(&Thing::Principal(principal.clone())))?.is_some())
    }

    /// Whether a search shows this subject to the caller.
    pub(super) fn finds(&self, subject: &Subject, tool_owner: Option<&str>) -> Result<bool> {
        if self.knows(subject, Trust::default())? {
            return Ok(true);
        }
        self.count(1);
        let told = particulars(tool_owner);
        self.authz.would_allow(self.caller, SUPPLY, &subject.about, &told)
    }

    /// Whether the caller reads policies as they are written.
    ///
    /// # Errors
    /// What deciding needs is down.
    pub fn inspects(&self) -> Result<bool> {
        self.count(1);
        let it = About::decision();
        self.authz.would_allow(self.caller, INSPECT, &it, &Particulars::Token)
    }

    /// Whether to do this is to use something, or to look at it.
    pub(super) fn is_use(&self, action: &EntityUid) -> bool {
        let groups = self.bundle().action_entities(action).iter().map(Entity::uid);
        USES.iter().any(|it| groups.clone().any(|group| group == uid::action(it)))
    }
}
