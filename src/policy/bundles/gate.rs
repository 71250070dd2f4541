//! What every bundle must pass before it decides, and what is found out about it besides.

use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Entity, PolicyId, PrincipalConstraint};
use serde_json::Value;
use uuid::Uuid;

use super::Bundles;
use super::report::{Compared, Invariants, Looked, Report, Violated};
use crate::Result;
use crate::directory::Lifecycle;
use crate::patience::outside;
use crate::policy::bundle::Failed;
use crate::policy::invariants::{self, Searched, Violation};
use crate::policy::prove::{self, Comparison, Proof, ProvenInvariant};
use crate::policy::{Bundle, Fault, Sources};

/// The policy of the root tier that says who works on policies.
const WHO_GOVERNS: &str = "root.policy.work";
/// Of the grants that a bundle could not apply.
const GRANTS_SHOWN_MAX: usize = 20;

/// How long the solver may take: whoever drafted waits for it.
const PROOF_TIME_MAX: Duration = Duration::from_secs(30);

/// What a check found, and the bundle where it is sound.
pub(super) struct Examined {
    pub bundle: Option<Arc<Bundle>>,
    pub report: Report,
}

impl Bundles {
    /// Checks sources in every way, and compares them with the bundle that decides now.
    ///
    /// # Errors
    /// As many bundles as are allowed are being checked already, or one for `by`.
    pub(super) async fn examine(&self, sources: Sources, by: Uuid) -> Result<Examined> {
        let _seat = self.checks.take(by)?;
        outside(async {
            let landscape = self.landscape();
            let build = move || Bundle::examine(sources, Some(&*landscape)).map(Arc::new);
            let bundle = match apart(build).await? {
                Ok(it) => it,
                Err(Failed { step, faults }) => {
                    return Ok(Examined { bundle: None, report: Report::ended_at(step, &faults) });
                }
            };
            let invariants = self.invariants(&bundle, PROOF_TIME_MAX).await?;
            let comparison = match self.deciding() {
                Some(it) => compare(it.bundle.clone(), bundle.clone(), PROOF_TIME_MAX).await,
                None => Compared::Skipped,
            };
            let report = Report::of_sound(&bundle, invariants, comparison);
            Ok(Examined { bundle: Some(bundle), report })
        })
        .await
    }

    /// How the bundle would lock everybody out or let somebody raise themselves, by search, and which
    /// of the searches ended before they had tried everything.
    async fn searched(&self, bundle: &Arc<Bundle>) -> Result<(Vec<Violated>, Searched)> {
        let (bundle, admins) = (bundle.clone(), self.governors(bundle));
        let mut violated = self.unapplied(&bundle);
        let found = apart(move || invariants::search(&bundle, &admins)).await?;
        violated.extend(found.violations.iter().map(Violated::from));
        Ok((violated, found))
    }

    /// What is against a bundle that is sound otherwise, by search, and by proof in `time_max` where
    /// the search was cut off. Every bundle passes here before it decides.
    ///
    /// # Errors
    /// What ran the search ended early: nobody knows anything.
    pub(super) async fn invariants(
        &self,
        bundle: &Arc<Bundle>,
        time_max: Duration,
    ) -> Result<Invariants> {
        let (mut violated, found) = self.searched(bundle).await?;
        let mut looked = Looked::of(&found);
        if !found.cut_off.is_empty() {
            let (admins, cut_off) = (self.governors(bundle), found.cut_off);
            tracing::info!(count = cut_off.len(), "the solver is asked about invariants");
            let proofs = prove::these_invariants(bundle.clone(), admins, cut_off, time_max).await;
            violated.extend(proofs.iter().filter_map(refuted));
            looked.take(&proofs);
        }
        Ok(Invariants::found(violated, Some(looked)))
    }

    /// Grants in force that could not stand on what the bundle has for their templates: whoever has one
    /// could do nothing at all.
    fn unapplied(&self, bundle: &Bundle) -> Vec<Violated> {
        let grants = self.grants.snapshot();
        let lost = grants.all().filter_map(|it| Some((it, bundle.form(&it.link.template).err()?)));
        lost.take(GRANTS_SHOWN_MAX)
            .map(|(it, why)| Violated {
                invariant: "Every grant in force has its template".to_owned(),
                policies: vec![it.link.template.clone()],
                shown: format!(
                    "the grant {} to {} would lose its template: {why}",
                    it.id,
                    it.principal()
                ),
                counterexample: Value::Null,
            })
            .collect()
    }

    /// Those who can work on policies today: whom no bundle may lock out.
    fn governors(&self, bundle: &Bundle) -> Vec<Entity> {
        let Some(role) = governing_role(bundle) else { return Vec::new() };
        let users = self.directory.snapshot().users();
        let living = users.iter().filter(|it| it.state == Lifecycle::Active);
        living
            .filter(|it| it.roles.contains(&role))
            .map(|it| crate::directory::Principal::User(it.clone()).entity().clone())
            .collect()
    }
}

/// The role of those who work on policies, as the root tier names it.
pub(super) fn governing_role(bundle: &Bundle) -> Option<String> {
    let policy = bundle.policies().policy(&PolicyId::new(WHO_GOVERNS))?;
    match policy.principal_constraint() {
        PrincipalConstraint::In(role) => Some(role.id().unescaped().to_owned()),
        _ => None,
    }
}

/// What takes long enough to be in the way of others.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(anyhow::Error::from)?)
}

/// What the candidate allows that the active bundle does not, and the other way round, by proof.
pub(super) async fn compare(
    active: Arc<Bundle>,
    candidate: Arc<Bundle>,
    time_max: Duration,
) -> Compared {
    prove::compare_within(active, candidate, time_max).await.into()
}

impl From<Comparison> for Compared {
    fn from(comparison: Comparison) -> Compared {
        let all = |it: Vec<_>| it.iter().map(told).collect();
        match comparison {
            Comparison::Proved { widens, narrows, notes } => {
                Compared::Proved { widens: all(widens), narrows: all(narrows), notes }
            }
            Comparison::NotProved { why } => Compared::NotProved { why },
        }
    }
}

fn refuted(it: &ProvenInvariant) -> Option<Violated> {
    let Proof::Refuted { counterexample } = &it.proof else { return None };
    Some(Violated {
        invariant: it.invariant.to_owned(),
        policies: counterexample.by.clone(),
        shown: counterexample.to_string(),
        counterexample: told(counterexample),
    })
}

fn told(it: &impl serde::Serialize) -> Value {
    serde_json::to_value(it).unwrap_or_default()
}

impl From<&Violation> for Violated {
    fn from(it: &Violation) -> Violated {
        Violated {
            invariant: it.invariant.to_string(),
            policies: it.policy.iter().cloned().collect(),
            shown: it.counterexample.to_string(),
            counterexample: told(&it.counterexample),
        }
    }
}

/// Violations as faults of the policies that would decide so.
pub(super) fn as_faults(violations: &[Violated], bundle: &Bundle) -> Vec<Fault> {
    let fault = |it: &Violated| {
        let problem = format!("{}: {}", it.invariant, it.shown);
        let policy = it.policies.first().and_then(|id| Some((id, bundle.meta(id)?)));
        let fault = match policy {
            Some((id, meta)) => {
                let path = bundle.sources().files().find(|(_, file)| file.name == meta.file);
                let path = path.map_or(meta.file.as_str(), |(_, file)| file.path.as_str());
                Fault { line: meta.line, column: 1, ..Fault::whole(path, problem) }.of_policy(id)
            }
            None => Fault::whole("policies", problem),
        };
        fault.fixed_by("no bundle may do that; narrow the policy")
    };
    violations.iter().map(fault).collect()
}
