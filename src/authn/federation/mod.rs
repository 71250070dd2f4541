//! Trusted issuers: whose word is taken about people who sign in, and about workloads.

mod code;
mod discovery;
mod identities;
mod identity_token;
mod issuer;
mod provider;
mod sign_in;
#[cfg(test)]
mod tests;
mod untrusted;
mod workload;

use std::sync::Arc;

use super::jwks::PublishedKeys;
use crate::clock::Clock;
use crate::net::outbound::{Documents, Outbound};
use crate::settings::{Settings, TrustedIssuer};

use self::discovery::Discovered;
use self::workload::Workload;

pub use self::provider::{Person, Provider};
pub use self::sign_in::{Returned, SignedInElsewhere};

/// The issuers of the settings, and what they publish.
pub struct Federation {
    providers: Vec<Provider>,
    workloads: Vec<Workload>,
    discovered: Documents<Discovered>,
    keys: PublishedKeys,
    outbound: Arc<Outbound>,
    clock: Clock,
}

impl Federation {
    /// Reads the secrets that we share with providers. No issuer is asked for anything yet.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn open(
        settings: &Settings,
        outbound: &Arc<Outbound>,
        clock: &Clock,
    ) -> anyhow::Result<Federation> {
        let (mut providers, mut workloads) = (Vec::new(), Vec::new());
        for it in &settings.auth.trusted_issuers {
            match it {
                TrustedIssuer::SignIn(it) => {
                    providers.push(Provider::open(it, &settings.public_url)?);
                }
                TrustedIssuer::Workload(it) => workloads.push(Workload::new(it)),
            }
        }
        Ok(Federation {
            providers,
            workloads,
            discovered: discovery::documents(outbound.clone(), clock.clone()),
            keys: PublishedKeys::new(outbound.clone(), clock.clone()),
            outbound: outbound.clone(),
            clock: clock.clone(),
        })
    }

    /// The providers that people may sign in with, in the order of the settings.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|it| it.name() == name)
    }
}
