//! Proof, where a solver is: does a bundle allow more than another, does it keep the invariants, are
//! there policies that never apply?
//!
//! Cedar's symbolic compiler says it in SMT, cvc5 answers. Built with the feature `prove`; without
//! it, or without cvc5, the answer is that nothing was proved, and why. Every request that is shown
//! was decided by Cedar itself.

#[cfg(feature = "prove")]
mod additions;
#[cfg(feature = "prove")]
mod asked;
#[cfg(feature = "prove")]
mod claims;
#[cfg(feature = "prove")]
mod compare;
#[cfg(feature = "prove")]
mod dead;
#[cfg(feature = "prove")]
mod grants;
#[cfg(feature = "prove")]
mod ground;
#[cfg(feature = "prove")]
mod moment;
#[cfg(feature = "prove")]
mod session;
#[cfg(feature = "prove")]
mod solver;

#[cfg(test)]
#[cfg(feature = "prove")]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use cedar_policy::Entity;
use serde::Serialize;

use super::bundle::Bundle;
use super::invariants::Counterexample;

/// How long a proof may take before it says what is left.
pub const BUDGET: Duration = Duration::from_secs(120);

/// How two bundles differ.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Comparison {
    /// For each kind of request in which they differ, a request that shows it. Both empty: the
    /// bundles decide alike.
    Proved {
        /// Requests that the candidate allows and the active bundle denies.
        widens: Vec<Counterexample>,
        /// Requests that the active bundle allows and the candidate denies.
        narrows: Vec<Counterexample>,
        /// What is true besides.
        notes: Vec<String>,
    },
    /// Nobody knows.
    NotProved { why: String },
}

/// What came of proving something.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Proof {
    /// There is no request that it is untrue of.
    Proven,
    /// It is untrue of this request.
    Refuted { counterexample: Box<Counterexample> },
    /// Nobody knows.
    NotProved { why: String },
}

/// An invariant or promise, and whether a bundle keeps it.
#[derive(Clone, Debug, Serialize)]
pub struct ProvenInvariant {
    /// The invariant, as a sentence.
    pub invariant: &'static str,
    /// True for what an organization may give up.
    pub promise: bool,
    #[serde(flatten)]
    pub proof: Proof,
}

/// What is wrong with single policies.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// Ids of those that match no request there could be.
    pub dead: Vec<String>,
    /// Ids of permits that permit nothing that other permits do not.
    pub shadowed: Vec<String>,
    /// Ids of permits of whose every request some forbid says no.
    pub overridden: Vec<String>,
    /// Forbids that can fail, and so not forbid.
    pub failing: Vec<Failing>,
    /// Why the lists may not be all, if they may not.
    pub not_proved: Option<String>,
}

/// A policy that can fail.
#[derive(Clone, Debug, Serialize)]
pub struct Failing {
    pub policy: String,
    /// A kind of request on which it does, as in `User delete_tool Tool`.
    pub kind: String,
}

/// Whether `candidate` allows anything that `active` does not, and the other way round.
pub async fn compare(active: Arc<Bundle>, candidate: Arc<Bundle>) -> Comparison {
    compare_within(active, candidate, BUDGET).await
}

/// The same, in no more time than `budget`.
pub async fn compare_within(
    active: Arc<Bundle>,
    candidate: Arc<Bundle>,
    budget: Duration,
) -> Comparison {
    let work = move |budget| built::compare(&active, &candidate, budget);
    apart(work, budget).await.unwrap_or_else(|why| Comparison::NotProved { why })
}

/// Whether `candidate` keeps each invariant and promise. `admins` as for
/// [`search`](super::invariants::search).
pub async fn invariants(
    candidate: Arc<Bundle>,
    admins: Vec<Entity>,
    budget: Duration,
) -> Vec<ProvenInvariant> {
    proven(candidate, admins, Wanted::All, budget).await
}

/// The same for those whose sentences are `wanted`.
pub async fn these_invariants(
    candidate: Arc<Bundle>,
    admins: Vec<Entity>,
    wanted: Vec<&'static str>,
    budget: Duration,
) -> Vec<ProvenInvariant> {
    proven(candidate, admins, Wanted::These(wanted), budget).await
}

async fn proven(
    candidate: Arc<Bundle>,
    admins: Vec<Entity>,
    wanted: Wanted,
    budget: Duration,
) -> Vec<ProvenInvariant> {
    let (about, of) = (candidate.clone(), wanted.clone());
    let work = move |budget| built::invariants(&candidate, &admins, &wanted, budget);
    apart(work, budget).await.unwrap_or_else(|why| unproven(&about, &of, &why))
}

/// Which invariants are asked about.
#[derive(Clone, Debug)]
enum Wanted {
    All,
    These(Vec<&'static str>),
}

impl Wanted {
    fn has(&self, sentence: &str) -> bool {
        match self {
            Wanted::All => true,
            Wanted::These(them) => them.contains(&sentence),
        }
    }
}

/// Policies of `candidate` that never apply, that others make superfluous, and forbids that fail.
pub async fn findings(candidate: Arc<Bundle>, budget: Duration) -> Findings {
    let work = move |budget| built::findings(&candidate, budget);
    apart(work, budget)
        .await
        .unwrap_or_else(|why| Findings { not_proved: Some(why), ..Findings::default() })
}

/// Whether there is a request that the policy `id` matches: `Refuted` shows one, `Proven` says that
/// there is none.
pub async fn never_applies(candidate: Arc<Bundle>, id: String, budget: Duration) -> Proof {
    let work = move |budget| built::never_applies(&candidate, &id, budget);
    apart(work, budget).await.unwrap_or_else(|why| Proof::NotProved { why })
}

/// Whether the policies `a` and `b` match the same requests.
pub async fn equivalent(candidate: Arc<Bundle>, a: String, b: String, budget: Duration) -> Proof {
    let work = move |budget| built::equivalent(&candidate, [&a, &b], budget);
    apart(work, budget).await.unwrap_or_else(|why| Proof::NotProved { why })
}

/// Every invariant and promise that is wanted, unproven.
fn unproven(bundle: &Bundle, wanted: &Wanted, why: &str) -> Vec<ProvenInvariant> {
    let all = super::invariants::sentences(bundle).into_iter().filter(|(it, _)| wanted.has(it));
    let not_proved = || Proof::NotProved { why: why.to_owned() };
    all.map(|(invariant, promise)| ProvenInvariant { invariant, promise, proof: not_proved() })
        .collect()
}

/// Runs `work` on a thread with a stack like the one that bundles are checked on: policies are
/// compiled by recursion.
async fn apart<T: Send + 'static>(
    work: impl FnOnce(Duration) -> Result<T, String> + Send + 'static,
    budget: Duration,
) -> Result<T, String> {
    let (done, answer) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("prove".to_owned());
    let thread = thread.stack_size(super::bounds::STACK_BYTES);
    let run = move || {
        // Nobody listens any more: nothing to tell.
        let _ = done.send(work(budget));
    };
    thread.spawn(run).map_err(|it| format!("no thread could be started: {it}"))?;
    answer.await.unwrap_or_else(|_| Err("the proof ended before its time".to_owned()))
}

#[cfg(feature = "prove")]
mod built {
    //! What the feature brings.

    pub(super) use super::claims::invariants;
    pub(super) use super::compare::compare;
    pub(super) use super::dead::{equivalent, findings, never_applies};
}

#[cfg(not(feature = "prove"))]
mod built {
    //! What there is without the feature: the truth about it.

    use std::time::Duration;

    use cedar_policy::Entity;

    use super::super::bundle::Bundle;
    use super::{Comparison, Findings, Proof, ProvenInvariant, Wanted};

    fn absent<T>() -> Result<T, String> {
        Err("built without `prove`".to_owned())
    }

    pub(super) fn compare(_: &Bundle, _: &Bundle, _: Duration) -> Result<Comparison, String> {
        absent()
    }

    pub(super) fn invariants(
        _: &Bundle,
        _: &[Entity],
        _: &Wanted,
        _: Duration,
    ) -> Result<Vec<ProvenInvariant>, String> {
        absent()
    }

    pub(super) fn findings(_: &Bundle, _: Duration) -> Result<Findings, String> {
        absent()
    }

    pub(super) fn never_applies(_: &Bundle, _: &str, _: Duration) -> Result<Proof, String> {
        absent()
    }

    pub(super) fn equivalent(_: &Bundle, _: [&str; 2], _: Duration) -> Result<Proof, String> {
        absent()
    }
}
