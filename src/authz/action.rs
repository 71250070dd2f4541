//! What can be asked: an action is a value, and names everything its decision needs.

use std::fmt;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use serde_json::value::RawValue;

use super::behalf::Behalf;
use super::case::written;
use super::facts::Particulars;
use super::world::World;
use crate::Result;
use crate::audit::Target;
use crate::authn::Caller;

/// Something a caller asks to do, before anyone has decided on it.
pub trait Action: fmt::Debug + Send + Sync + 'static {
    /// The id of the action in the Cedar schema.
    const NAME: &'static str;
    /// What the audit calls it: `tool.create`.
    const EVENT: &'static str;

    type Resource: Resource;

    /// Takes note of who asks, and in whose name, before anything is looked for.
    fn asked_by(&mut self, _: &Caller, _: Option<&Behalf>) {}

    /// Finds what is acted on; none is a refusal that tells nothing.
    fn find(&self, world: &World) -> impl Future<Output = Result<Option<Self::Resource>>> + Send;

    /// Refuses what cannot be asked of this resource, before anybody decides on it. Only a caller
    /// who may see the resource is told.
    ///
    /// # Errors
    /// What the caller should mend.
    fn check(&self, _: &Self::Resource, _: &World) -> Result<()> {
        Ok(())
    }

    /// What policies may look at besides the caller and the resource.
    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Admin { approval: None }
    }

    /// The user in whose name the request asks to act, where it may say so.
    fn on_behalf_of(&self) -> Option<uuid::Uuid> {
        None
    }

    /// Makes what the request left open fit what it is asked on behalf of.
    fn fit(&mut self, _: &Behalf) {}

    /// What this would take from the caller's quotas, when it takes anything.
    fn use_of(&self, _: &Self::Resource) -> Option<Use> {
        None
    }

    /// When it was made already, where this is the same request sent again: it is decided on anew
    /// and not made anew, so it takes nothing.
    fn made(&self, _: &Self::Resource) -> Option<Made> {
        None
    }
}

/// A request that was made before. What it took then is not held against its being sent again.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// The decision that it was made on.
    pub decision: uuid::Uuid,
    /// When it failed, where it did: microseconds since the epoch.
    pub failed_at: Option<i64>,
}

/// Something that takes from a quota.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    pub tool: uuid::Uuid,
    /// Millionths of a US dollar.
    pub cost_micros: i64,
    pub kind: UseKind,
}

/// What a use of a tool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseKind {
    Call,
    /// A credential counts as a use, and is no call yet.
    Credential,
}

/// Something that is acted on, as Cedar sees it.
pub trait Resource: Send + Sync {
    fn uid(&self) -> EntityUid;

    /// The entity with its attributes; none for members of a closed vocabulary, which have none.
    fn entity(&self) -> Option<&Entity>;

    /// The entity as the audit keeps it; resources that many ask about keep it ready.
    fn written(&self) -> Option<Arc<RawValue>> {
        self.entity().and_then(written)
    }

    /// What it has and is in, as bytes: two resources of a type that have the same ones are
    /// different in nothing but their ids, as far as policies go. None where each is taken for
    /// itself.
    fn likeness(&self) -> Option<Vec<u8>> {
        None
    }

    /// The name people know it by, for the audit.
    fn name(&self) -> &str;

    /// How the audit names it.
    fn target(&self) -> Target {
        let uid = self.uid();
        Target {
            kind: uid.type_name().basename().to_owned(),
            id: uid.id().unescaped().to_owned(),
            name: self.name().to_owned(),
        }
    }

    /// The action that tells whether a principal may know that this exists. A denial is told (403)
    /// to those it allows and hidden (404) from the rest; without one there is nothing to hide.
    fn view(&self) -> Option<View> {
        None
    }
}

/// An action that is asked only to learn what a principal may see.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub action: &'static str,
    pub particulars: fn() -> Particulars,
}

/// What is asked over a collection: one decision for each candidate, one entry for the whole.
pub trait Listing: fmt::Debug + Send + Sync + 'static {
    const NAME: &'static str;
    const EVENT: &'static str;

    type Item: Resource + Clone;

    /// Those that match the filters, in order, from the page token on. May stop early when there
    /// are very many; see [`Candidates`].
    fn candidates(
        &self,
        world: &World,
    ) -> impl Future<Output = Result<Candidates<Self::Item>>> + Send;

    fn particulars(&self) -> Particulars;

    fn page_size(&self) -> usize;

    /// How many visible items to pass over first, for callers that count in pages.
    fn skip(&self) -> usize {
        0
    }

    /// Where the page after this item begins.
    fn token_after(&self, item: &Self::Item) -> String;
}

/// A stretch of a collection.
pub struct Candidates<T> {
    pub items: Vec<T>,
    /// Whether the collection goes on behind the last of the items.
    pub more: bool,
}

/// The resource of whatever creates something: there is one, and it has no attributes.
#[derive(Clone, Copy, Debug)]
pub struct TheRegistry;

impl Resource for TheRegistry {
    fn uid(&self) -> EntityUid {
        super::uid::registry()
    }

    fn entity(&self) -> Option<&Entity> {
        None
    }

    fn name(&self) -> &str {
        "registry"
    }
}
