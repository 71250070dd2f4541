//! Workloads that a cluster or a CI service vouches for: each is one of our agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Federation;
use super::issuer::{Issuer, TOKEN_BYTES_MAX, names};
use super::untrusted::Untrusted;
use crate::Result;
use crate::audit::entry::Origin;
use crate::authn::proofs::Unverified;
use crate::authn::{Authn, Caller, Via};
use crate::directory::Principal;
use crate::settings::{Subjects, WorkloadIssuer};

/// An issuer of workload identities.
#[derive(Debug)]
pub struct Workload {
    issuer: Issuer,
    audience: String,
    agents: BTreeMap<Subjects, String>,
}

impl Workload {
    pub(super) fn new(settings: &WorkloadIssuer) -> Workload {
        let (url, algorithms) = (&settings.issuer, &settings.algorithms);
        let agents = settings.agents.iter();
        Workload {
            issuer: Issuer::new(&settings.name, url, algorithms, settings.jwks_uri.as_ref()),
            audience: settings.audience.as_str().to_owned(),
            agents: agents.map(|(it, name)| (it.clone(), name.as_str().to_owned())).collect(),
        }
    }

    /// The name of the agent that a workload is: of what fits, the most exact counts.
    fn agent(&self, subject: &str) -> Option<&str> {
        let fits = self.agents.iter().filter_map(|(it, name)| Some((it.names(subject)?, name)));
        fits.max_by_key(|(exactness, _)| *exactness).map(|(_, name)| name.as_str())
    }
}

impl Federation {
    /// The name of the agent that the token's issuer says the workload is.
    pub(super) async fn workload(&self, token: &str) -> Result<&str, Untrusted> {
        let token = Unverified::read(token, TOKEN_BYTES_MAX)?;
        let workload = self.vouching_for(&token)?;
        let believed = self.believe(&workload.issuer, token).await?;
        workload.agent(&believed.subject).ok_or(Untrusted::UnknownWorkload)
    }

    /// The issuer that the token says it is of, for the audience that it says it is for.
    fn vouching_for(&self, token: &Unverified<'_>) -> Result<&Workload, Untrusted> {
        let issuer = token.unproven("iss").and_then(Value::as_str);
        let of_issuer = |it: &&Workload| Some(it.issuer.url.as_str()) == issuer;
        let mut known = self.workloads.iter().filter(of_issuer).peekable();
        known.peek().ok_or(Untrusted::UnknownIssuer)?;
        known.find(|it| names(token.unproven("aud"), &it.audience)).ok_or(Untrusted::Audience)
    }
}

impl Authn {
    /// The agent that a workload's token is about, attested. A token that will not do is written
    /// down, and answered like any other.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the issuer cannot be asked for its keys.
    pub async fn prove_workload(
        &self,
        federation: &Federation,
        token: &str,
        origin: Arc<Origin>,
    ) -> Result<Caller> {
        let found = federation.workload(token).await.and_then(|name| {
            let agent = self.directory.snapshot().agent_named(name).cloned();
            agent.ok_or(Untrusted::UnknownWorkload)
        });
        match found {
            Ok(agent) => {
                let caller = self.fresh(Principal::Agent(agent), Via::Assertion, origin);
                Ok(caller.proving(|it| it.attested = true))
            }
            Err(untrusted) => Err(self.distrust("auth.token", &untrusted, &origin).await),
        }
    }
}
