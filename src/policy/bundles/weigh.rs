//! Which reviews count: of whom the active bundle would let review it today, about what the bundle
//! is to replace now, and by people who do not speak for others of the same change.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::gate::governing_role;
use super::stored::{HOST, Review, Stored, Verdict};
use super::{Bundles, Deciding};
use crate::Result;
use crate::audit::Entry;
use crate::authz::case::Case;
use crate::directory::{Lifecycle, Principal, Snapshot};

/// Why a review does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// It was given for a comparison with another bundle than the one that is active now, or before
    /// the bundle was active last.
    Outdated,
    /// The reviewer is not active any more, or would not be allowed to review it today.
    NotAllowed,
    /// The reviewer was given the account or the role in the last 30 days, by the author, by whoever
    /// activates, by another reviewer who counts, or by somebody who gave one of these theirs; or the
    /// other way round.
    NotIndependent,
    /// Nobody knows who gave the reviewer, the author or whoever activates the account or the role,
    /// and that was less than 30 days ago.
    OriginUnknown,
}

/// What reviews of one bundle are weighed by.
struct Scales<'a> {
    /// What decides now.
    deciding: &'a Deciding,
    known: &'a Snapshot,
    /// What the store says is active.
    active: &'a str,
    role: Option<String>,
    now: i64,
}

/// For whom somebody speaks; none where nobody knows.
type Voices = Option<BTreeSet<Uuid>>;

impl Bundles {
    /// Says of each review of `bundle` whether it counts, where `by` is to make it the active one.
    pub(super) async fn weigh(
        &self,
        mut bundle: Stored,
        active: &str,
        by: Option<Uuid>,
    ) -> Result<Stored> {
        let Some(deciding) = self.deciding() else { return Ok(bundle) };
        let known = self.directory.snapshot();
        let role = governing_role(&deciding.bundle);
        let now = self.clock.micros();
        let scales = Scales { deciding: &deciding, known: &known, active, role, now };
        for review in &mut bundle.reviews {
            let entry = self.decision(review).await?;
            review.discount = scales.alone(review, bundle.retired_at, entry.as_ref());
        }
        scales.together(&mut bundle, by);
        bundle.sealed()
    }

    /// The decision that let a review be given, where it is known and matters.
    async fn decision(&self, review: &Review) -> Result<Option<Entry>> {
        let Some(id) = review.decision else { return Ok(None) };
        let sql = "SELECT body FROM audit WHERE id = $1";
        let rows = self.db.query(sql, vec![id.into()]).await?;
        // What cannot be read cannot be decided again, and does not count.
        Ok(rows.first().and_then(|row| serde_json::from_str(row.text(0).ok()?).ok()))
    }
}

impl Scales<'_> {
    /// What is against a review by itself. An objection is heard whatever it was compared with.
    fn alone(
        &self,
        review: &Review,
        retired_at: Option<i64>,
        entry: Option<&Entry>,
    ) -> Option<Discount> {
        if !self.may_review(review.reviewer, entry) {
            return Some(Discount::NotAllowed);
        }
        let is_spent = retired_at.is_some_and(|at| review.at <= at);
        let outdated = is_spent || review.against != self.active;
        (outdated && review.verdict == Verdict::Yes).then_some(Discount::Outdated)
    }

    /// Whether the active bundle would let them, on the facts of then, as what they are today.
    fn may_review(&self, reviewer: Uuid, entry: Option<&Entry>) -> bool {
        let Some(user) = self.known.user(reviewer) else { return false };
        if user.state != Lifecycle::Active {
            return false;
        }
        let Some(case) = entry.and_then(|it| Case::of_entry(it).ok()) else { return false };
        let today = case.about(Principal::User(user.clone()).entity().clone());
        let outcome = today.decide(&self.deciding.bundle);
        outcome.is_ok_and(|it| it.allow)
    }

    /// Of those that are sound by themselves, the ones that speak for different people: they count,
    /// those who speak for the fewest first.
    fn together(&self, bundle: &mut Stored, by: Option<Uuid>) {
        let author = match bundle.author.as_str() {
            HOST => Some(BTreeSet::new()),
            id => id.parse().ok().and_then(|id| self.voices(id)),
        };
        let author_id = bundle.author.parse::<Uuid>().ok();
        let activator = by.map_or(Some(BTreeSet::new()), |id| self.voices(id));
        let mut sound: Vec<(Voices, &mut Review)> = bundle
            .reviews
            .iter_mut()
            .filter(|it| it.verdict == Verdict::Yes && it.discount.is_none())
            .map(|it| (self.voices(it.reviewer), it))
            .collect();
        sound.sort_by_key(|(voices, it)| (voices.as_ref().map(BTreeSet::len), it.at));
        let mut heard = BTreeSet::new();
        for (voices, review) in sound {
            // That nobody reviews their own, nor activates what they reviewed, is the policies' matter.
            let is_own = [author_id, by].contains(&Some(review.reviewer));
            let (Some(voices), Some(author), Some(activator)) = (voices, &author, &activator)
            else {
                review.discount = Some(Discount::OriginUnknown);
                continue;
            };
            let others = [author, activator, &heard];
            if !is_own && others.iter().any(|it| !voices.is_disjoint(it)) {
                review.discount = Some(Discount::NotIndependent);
                continue;
            }
            heard.extend(voices);
        }
    }

    fn voices(&self, user: Uuid) -> Voices {
        self.known.speaks_for(user, self.role.as_deref()?, self.now)
    }
}
