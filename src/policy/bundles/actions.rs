//! What can be asked about bundles.

use std::sync::Arc;

use uuid::Uuid;

use super::edit::Edit;
use super::stored::{Files, State, Stored, Verdict, columns};
use crate::authn::Caller;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Behalf, Candidates, Listing, World};
use crate::store::Value;
use crate::{Error, Result};

/// How many are looked through for one page.
const SCANNED_MAX: i64 = 500;

/// Looking at the policies that decide now, at one of them, or at their schema.
#[derive(Debug)]
pub struct ShowActive {
    pub policy: Option<String>,
}

impl Action for ShowActive {
    const NAME: &'static str = "view_policy";
    const EVENT: &'static str = "policy.show";
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        let deciding = world.bundles.deciding();
        let is_there = |id: &str| deciding.is_some_and(|it| it.bundle.meta(id).is_some());
        match self.policy.as_deref().is_none_or(is_there) {
            true => world.bundles.active().await,
            false => Ok(None),
        }
    }

    fn particulars(&self, _: &Arc<Stored>) -> Particulars {
        Particulars::Token
    }
}

/// A draft of files.
#[derive(Debug)]
pub struct DraftBundle {
    pub files: Files,
    pub note: Option<String>,
}

impl Action for DraftBundle {
    const NAME: &'static str = "draft_policy";
    const EVENT: &'static str = "policy.draft";
    /// The bundle that decides now: what the draft is to take the place of.
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        world.bundles.active().await
    }
}

/// A draft that is the active bundle with one change.
#[derive(Debug)]
pub struct EditPolicy {
    pub edit: Edit,
    pub note: Option<String>,
}

impl Action for EditPolicy {
    const NAME: &'static str = "draft_policy";
    const EVENT: &'static str = "policy.edit";
    /// The bundle that decides now, in the tier of the policy that is to change.
    type Resource = Arc<Stored>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
        let Some(deciding) = world.bundles.deciding() else { return Ok(None) };
        let Some(tier) = self.edit.tier(&deciding.bundle) else { return Ok(None) };
        let active = world.bundles.find(deciding.id).await?;
        active.map(|it| Arc::unwrap_or_clone(it).in_tier(tier).map(Arc::new)).transpose()
    }
}

/// An action on one bundle, with what it carries besides which one.
macro_rules! on_bundle {
    ($name:ident { $($field:ident: $type:ty),* }, $action:literal, $event:literal, $particulars:expr
     $(, $check:expr)?) => {
        #[derive(Debug)]
        pub struct $name {
            pub bundle: Uuid,
            $(pub $field: $type),*
        }

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = Arc<Stored>;

            async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
                world.bundles.find(self.bundle).await
            }

            $(fn check(&self, bundle: &Arc<Stored>, _: &World) -> Result<()> {
                $check(bundle)
            })?

            fn particulars(&self, _: &Self::Resource) -> Particulars {
                $particulars
            }
        }
    };
}

on_bundle!(ShowBundle {}, "view_policy", "policy.bundle.show", Particulars::Token);
on_bundle!(
    CheckBundle {},
    "draft_policy",
    "policy.check",
    Particulars::Admin { approval: None },
    not_active
);
on_bundle!(
    ReviewBundle { verdict: Option<Verdict>, reason: String },
    "review_policy",
    "policy.review",
    Particulars::Admin { approval: None },
    not_active
);

/// Making one bundle the active one. What its reviews weigh depends on who asks.
macro_rules! switch {
    ($name:ident, $action:literal, $event:literal, $check:expr) => {
        #[derive(Debug)]
        pub struct $name {
            bundle: Uuid,
            by: Option<Uuid>,
        }

        impl $name {
            pub fn new(bundle: Uuid) -> $name {
                $name { bundle, by: None }
            }
        }

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = Arc<Stored>;

            fn asked_by(&mut self, caller: &Caller, _: Option<&Behalf>) {
                self.by = Some(caller.principal().id());
            }

            async fn find(&self, world: &World) -> Result<Option<Arc<Stored>>> {
                world.bundles.find_for(self.bundle, self.by).await
            }

            fn check(&self, bundle: &Arc<Stored>, _: &World) -> Result<()> {
                $check(bundle)
            }
        }
    };
}

switch!(ActivateBundle, "activate_policy", "policy.activate", |it: &Stored| {
    not_yet_active(it)?;
    // What is against it already needs no other comparison.
    if it.state == State::Checked { compared_with_active(it) } else { Ok(()) }
});
switch!(RollBackBundle, "rollback_policy", "policy.rollback", |it: &Stored| {
    was_active(it)?;
    // What undoes the last step is compared as it is done.
    if it.replaced_ago.is_some() { Ok(()) } else { compared_with_active(it) }
});

/// What decides is not changed any more.
fn not_active(bundle: &Stored) -> Result<()> {
    match bundle.state {
        State::Active => Err(Error::Conflict("the bundle is the active one already".into())),
        State::Draft | State::Checked | State::Retired => Ok(()),
    }
}

fn compared_with_active(bundle: &Stored) -> Result<()> {
    if bundle.is_current { Ok(()) } else { Err(stale()) }
}

pub(super) fn stale() -> Error {
    let why = "another bundle became active since this one was checked: check it again, and have \
               it reviewed again";
    Error::Conflict(why.into())
}

fn not_yet_active(bundle: &Stored) -> Result<()> {
    match bundle.state {
        State::Draft | State::Checked => Ok(()),
        State::Active => Err(Error::Conflict("the bundle is the active one already".into())),
        State::Retired => {
            Err(Error::Conflict("the bundle was active before: roll back to it".into()))
        }
    }
}

fn was_active(bundle: &Stored) -> Result<()> {
    match bundle.state {
        State::Retired => Ok(()),
        State::Active => Err(Error::Conflict("the bundle is the active one already".into())),
        State::Draft | State::Checked => {
            Err(Error::Conflict("the bundle was never active: activate it".into()))
        }
    }
}

/// The bundles a caller may see, newest first.
#[derive(Debug)]
pub struct ListBundles {
    pub state: Option<State>,
    pub after: Option<Uuid>,
    pub page_size: usize,
}

impl Listing for ListBundles {
    const NAME: &'static str = "view_policy";
    const EVENT: &'static str = "policy.bundle.list";
    type Item = Arc<Stored>;

    async fn candidates(&self, world: &World) -> Result<Candidates<Arc<Stored>>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM bundles WHERE ($1 = '' OR state = $1) AND ($2 = '' OR id < $2)
              ORDER BY id DESC LIMIT $3"
        );
        let state = self.state.map(State::as_str).unwrap_or_default();
        let after = Value::Text(self.after.map(|it| it.to_string()).unwrap_or_default());
        let items =
            world.bundles.select(SQL, vec![state.into(), after, SCANNED_MAX.into()], None).await?;
        let more = items.len() as i64 == SCANNED_MAX;
        Ok(Candidates { items, more })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Token
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn token_after(&self, item: &Arc<Stored>) -> String {
        item.id.to_string()
    }
}
