//! A bundle as the store knows it, and as the root tier sees it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::head::Reign;
use super::report::Report;
use super::weigh::Discount;
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View};
use crate::policy::Tier;
use crate::store::Row;
use crate::{Error, Result};

/// The columns that [`Stored::from_row`] reads, in its order.
macro_rules! columns {
    () => {
        "id, digest, state, origin, author, author_name, base, note, report, checked_against,
         tests_green, invariants_hold, widens, flips, created_at, updated_at, activated_at,
         retired_at, taken_at, revision"
    };
}
pub(super) use columns;

/// Who stands for the author of what was read from a directory: nobody of the API's.
pub(super) const HOST: &str = "host";

/// Where a bundle is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BundleState")]
pub enum State {
    /// Something is wrong with it.
    Draft,
    /// Nothing was found to be wrong when it was checked.
    Checked,
    /// It decides.
    Active,
    /// It has decided.
    Retired,
}

/// Where a bundle came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Api,
    Directory,
    /// The binary itself.
    Starter,
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ }) => {
        impl $name {
            /// The word of the store and of the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }

            fn parse(word: &str) -> Option<$name> {
                [$($name::$variant),+].into_iter().find(|it| it.as_str() == word)
            }
        }
    };
}

words!(State { Draft = "draft", Checked = "checked", Active = "active", Retired = "retired" });
words!(Origin { Api = "api", Directory = "directory", Starter = "starter" });
words!(Verdict { Yes = "yes", No = "no" });

/// What a reviewer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Yes,
    No,
}

/// The last word of one reviewer. Instants are microseconds since the epoch.
#[derive(Clone, Debug)]
pub struct Review {
    pub reviewer: Uuid,
    pub reviewer_name: String,
    pub verdict: Verdict,
    pub reason: String,
    pub at: i64,
    /// The digest of the bundle that was active when what it is about was checked; empty where that
    /// was not kept.
    pub against: String,
    /// The decision that let it be given, where that was kept.
    pub decision: Option<Uuid>,
    /// Why it does not count, where it does not.
    pub discount: Option<Discount>,
}

/// A bundle with all that was found and said about it, but for its files.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: Uuid,
    pub digest: String,
    pub state: State,
    pub origin: Origin,
    /// The id of a user, or `host`.
    pub author: String,
    pub author_name: String,
    /// The digest of the bundle that was active when it was drafted; empty for the first.
    pub base: String,
    pub note: Option<String>,
    pub report: Report,
    /// The digest of the bundle that was active when it was checked.
    pub checked_against: String,
    pub tests_green: bool,
    pub invariants_hold: bool,
    pub widens: bool,
    /// How many recorded decisions it would turn; none as long as none were replayed.
    pub flips: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub activated_at: Option<i64>,
    pub retired_at: Option<i64>,
    pub taken_at: Option<i64>,
    pub reviews: Vec<Review>,
    /// The digest of the bundle that was active when this one was looked up.
    pub beside: Option<String>,
    /// How long ago the bundle that is active now took its place, which never was active before.
    pub replaced_ago: Option<Duration>,
    /// Whether it was checked against the bundle that is active now.
    pub is_current: bool,
    /// Goes up by one with every change.
    pub revision: i64,
    entity: Entity,
}

/// Text by path: `policies/10-guardrails.cedar`.
pub type Files = BTreeMap<String, String>;

impl Stored {
    pub(super) fn from_row(row: &Row, reviews: Vec<Review>) -> Result<Stored> {
        let (Some(state), Some(origin)) = (State::parse(row.text(2)?), Origin::parse(row.text(3)?))
        else {
            return Err(Error::internal("a bundle of an unknown state or origin"));
        };
        let id = row.uuid(0)?;
        let stored = Stored {
            id,
            digest: row.text(1)?.to_owned(),
            state,
            origin,
            author: row.text(4)?.to_owned(),
            author_name: row.text(5)?.to_owned(),
            base: row.text(6)?.to_owned(),
            note: row.opt_text(7)?.map(str::to_owned),
            report: row.json(8)?,
            checked_against: row.text(9)?.to_owned(),
            tests_green: row.bool(10)?,
            invariants_hold: row.bool(11)?,
            widens: row.bool(12)?,
            flips: row.opt_int(13)?,
            created_at: row.int(14)?,
            updated_at: row.int(15)?,
            activated_at: row.opt_int(16)?,
            retired_at: row.opt_int(17)?,
            taken_at: row.opt_int(18)?,
            revision: row.int(19)?,
            reviews,
            beside: None,
            replaced_ago: None,
            is_current: false,
            entity: Entity::with_uid(uid(Kind::Bundle, &id.to_string())),
        };
        stored.sealed()
    }

    /// How long ago what decides now took the place of this one, if it did, and has not decided
    /// before: going back to this one undoes that step and no other.
    pub(super) fn replaced_by(&self, reign: &Reign, now: i64) -> Option<Duration> {
        let at = self.retired_at.filter(|at| Some(*at) == reign.since && !reign.returned)?;
        u64::try_from(now.checked_sub(at)?).ok().map(Duration::from_micros)
    }

    /// Makes the entity fit the attributes.
    pub(super) fn sealed(self) -> Result<Stored> {
        self.in_tier(Tier::Org)
    }

    /// As it stands for a change of this tier: of the root tier no bundle is a draft's base.
    pub(super) fn in_tier(mut self, tier: Tier) -> Result<Stored> {
        self.entity = self.as_entity(tier)?;
        Ok(self)
    }

    fn as_entity(&self, tier: Tier) -> Result<Entity> {
        let one = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let counted = |verdict| {
            let all = self.reviews.iter();
            all.filter(move |it| it.verdict == verdict && it.discount.is_none())
        };
        let (yes, no) = (|| counted(Verdict::Yes), counted(Verdict::No).count());
        let tier = match tier {
            Tier::Root => "root",
            Tier::Org => "org",
        };
        let count =
            |it: usize| RestrictedExpression::new_long(i64::try_from(it).unwrap_or(i64::MAX));
        let reviewers = yes().map(|it| one(Kind::User, &it.reviewer.to_string()));
        let mut attributes = HashMap::from([
            ("tier".to_owned(), one(Kind::BundleTier, tier)),
            ("author".to_owned(), one(Kind::User, &self.author)),
            ("state".to_owned(), one(Kind::BundleState, self.state.as_str())),
            ("tests_green".to_owned(), RestrictedExpression::new_bool(self.tests_green)),
            ("invariants_hold".to_owned(), RestrictedExpression::new_bool(self.invariants_hold)),
            ("widens".to_owned(), RestrictedExpression::new_bool(self.widens)),
            // What nobody replayed may turn everything.
            ("flips".to_owned(), RestrictedExpression::new_long(self.flips.unwrap_or(i64::MAX))),
            ("reviewers".to_owned(), RestrictedExpression::new_set(reviewers)),
            ("review_count".to_owned(), count(yes().count())),
            ("objections".to_owned(), count(no)),
        ]);
        if let Some(ago) = self.replaced_ago {
            let ago = RestrictedExpression::new_duration(format!("{}ms", ago.as_millis()));
            attributes.insert("replaced_ago".to_owned(), ago);
        }
        let uid = uid(Kind::Bundle, &self.id.to_string());
        Ok(Entity::new(uid, attributes, Default::default()).map_err(anyhow::Error::from)?)
    }
}

impl Review {
    pub(super) fn from_row(row: &Row) -> Result<Review> {
        let verdict = Verdict::parse(row.text(3)?);
        Ok(Review {
            reviewer: row.uuid(1)?,
            reviewer_name: row.text(2)?.to_owned(),
            verdict: verdict.ok_or(Error::internal("a review of an unknown verdict"))?,
            reason: row.text(4)?.to_owned(),
            at: row.int(5)?,
            against: row.text(6)?.to_owned(),
            decision: row.text(7)?.parse().ok(),
            discount: None,
        })
    }
}

impl Resource for Arc<Stored> {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        &self.digest
    }

    fn view(&self) -> Option<View> {
        Some(View { action: "view_policy", particulars: || Particulars::Token })
    }
}
