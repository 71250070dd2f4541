//! People and workloads that somebody else vouches for, as the principals that they are here.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::audit::entry::Origin;
use crate::authn::Caller;
use crate::authn::federation::{Person, Provider};
use crate::authz::Warrant;
use crate::directory::{NewUser, RegisterUser, Roles, User};
use crate::http::name_fault;
use crate::{App, Error, Result};

/// What somebody becomes by signing in for the first time.
const ROLE: &str = "user";
/// How much of a digest makes a name that nobody else has.
const DIGEST_BYTES: usize = 6;

impl App {
    /// The agent that a workload's token is about, attested: a JWT of a trusted issuer.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when its word is not taken, [`Error::Unavailable`] when the issuer
    /// cannot be asked.
    pub async fn prove_workload(&self, token: &str, origin: Arc<Origin>) -> Result<Caller> {
        self.authn.prove_workload(&self.federation, token, origin).await
    }

    /// The user that a person of this provider is, in the groups that the provider's claims say;
    /// who was never here becomes one where settings and policy allow it.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for those who are nobody here.
    pub async fn prove_person(
        &self,
        provider: &Provider,
        person: &Person,
        origin: Arc<Origin>,
    ) -> Result<Caller> {
        let known = self.known(provider, person).await?;
        let user = match known {
            Some(user) => user,
            None if provider.creates_users() => self.welcome(provider, person, &origin).await?,
            None => return Err(self.authn.refuse_unknown_person(&origin).await),
        };
        let user = self.regroup(provider, person, user).await?;
        Ok(self.authn.vouched_for(user, person, origin))
    }

    async fn known(&self, provider: &Provider, person: &Person) -> Result<Option<Arc<User>>> {
        let id = self.authn.identity(provider, &person.subject).await?;
        Ok(id.and_then(|id| self.directory.snapshot().user(id).cloned()))
    }

    /// Registers somebody as a guest registers themselves: policy is asked the same question.
    async fn welcome(
        &self,
        provider: &Provider,
        person: &Person,
        origin: &Arc<Origin>,
    ) -> Result<Arc<User>> {
        let username = self.free_name(provider, person)?;
        let new = NewUser { username, password: Default::default(), roles: Roles::new() };
        let guest = self.authn.guest(origin.clone())?;
        let permit = self.authz.authorize(guest, RegisterUser::new(new, ROLE.into())).await?;
        let record = permit.warrant().record().clone();
        permit.warrant().note("issuer", provider.name());
        let link = |user: &User| Ok(vec![self.authn.link(provider, &person.subject, user.id)]);
        let registered = self.directory.register_elsewhere(permit, link);
        match self.authz.settled(&record, registered).await {
            // Their other sign-in, at the same time, was first.
            Err(Error::Conflict(why)) => {
                self.known(provider, person).await?.ok_or(Error::Conflict(why))
            }
            other => other,
        }
    }

    /// A name for somebody new: the one they would like, if it can be one and nobody has it. An
    /// account that is there already is never taken over by its name.
    fn free_name(&self, provider: &Provider, person: &Person) -> Result<String> {
        let digest = Sha256::digest(format!("{} {}", provider.issuer(), person.subject));
        let digest = hex::encode(digest.get(..DIGEST_BYTES).unwrap_or_default());
        let wish = person.username.as_deref().unwrap_or_default();
        let snapshot = self.directory.snapshot();
        [
            wish.to_owned(),
            format!("{wish}@{}", provider.name()),
            format!("{}-{digest}", provider.name()),
        ]
        .into_iter()
        .filter(|it| name_fault("", it).is_none())
        .find(|it| snapshot.user_named(it).is_none())
        .ok_or_else(|| Error::Conflict("no username is left for this account".into()))
    }

    #[expect(clippy::disallowed_methods, reason = "the provider's claims say so, and nobody here")]
    async fn regroup(
        &self,
        provider: &Provider,
        person: &Person,
        user: Arc<User>,
    ) -> Result<Arc<User>> {
        let groups = provider.regrouped(&user.groups, &person.groups);
        if groups == user.groups {
            return Ok(user);
        }
        let warrant = Warrant::system("map_groups", &self.clock);
        warrant.note("issuer", provider.name());
        self.directory.regroup_user(&warrant, &user, groups).await
    }
}
