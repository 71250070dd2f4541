//! Vault, or OpenBao: static values in a KV engine of version 2, leases from dynamic engines.
//!
//! vaultrs speaks to it, over a client of [`net::outbound`](crate::net::outbound). No call takes
//! longer than [`TIME_MAX`], sign-in included.

mod engine;
mod failure;
mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;
use vaultrs::api::kv2::requests::SetSecretRequestOptions;
use vaultrs::error::ClientError;
use vaultrs::kv2;

use self::session::{Door, Identity, Session};
use super::values::Values;
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::net::outbound::{self, Reach};
use crate::settings::VaultPath;
use crate::{metrics, settings};

pub use self::engine::{BadLeasePath, LeasePath, LeaseToken};
pub use self::failure::Failure;

/// From the first byte to the last, whatever it takes: signing in, too.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Between two tries to sign in.
const RETRY: Duration = Duration::from_secs(2);
/// Between two looks at a session that needs nothing soon.
const LOOK: Duration = Duration::from_secs(60);
const LOOK_MIN: Duration = Duration::from_millis(100);
/// Folders in folders, at most: `users/<id>/tools/<id>` is four deep.
const DEPTH_MAX: usize = 5;

/// What the operator's Vault holds for us, below one prefix of one mount.
pub struct Vault {
    door: Door,
    identity: Identity,
    mount: VaultPath,
    /// Our own, below the prefix.
    folder: String,
    leasable: Vec<VaultPath>,
    session: ArcSwapOption<Session>,
    /// Whoever signs in; the others wait for what comes of it.
    turn: Mutex<()>,
    clock: Clock,
}

impl Vault {
    /// The Vault that the settings name, if they name one. Nothing is asked of it yet: the server
    /// starts without it.
    ///
    /// # Errors
    /// The address cannot be called, or the authorities' file cannot be used.
    pub fn open(
        settings: &settings::Vault,
        ca_file: Option<&Path>,
        clock: Clock,
    ) -> anyhow::Result<Option<Vault>> {
        let (Some(addr), Some(identity)) = (&settings.addr, identity(settings)) else {
            return Ok(None);
        };
        let url: Url = addr.to_string().parse().context("`vault.addr`")?;
        Reach::Configured.check(&url).with_context(|| format!("`vault.addr` is `{addr}`"))?;
        let http =
            outbound::lend(settings.ca_file.as_deref().or(ca_file)).context("`vault.ca_file`")?;
        Ok(Some(Vault {
            door: Door { http, url, namespace: settings.namespace.clone().map(String::from) },
            identity,
            mount: settings.mount.clone(),
            folder: settings.prefix.to_string(),
            leasable: settings.lease_paths.clone(),
            session: ArcSwapOption::empty(),
            turn: Mutex::new(()),
            clock,
        }))
    }

    /// The same, keeping to this folder below the prefix.
    pub fn within(self, folder: &str) -> Vault {
        Vault { folder: format!("{}/{folder}", self.folder), ..self }
    }

    /// The values of one write.
    pub async fn read(&self, _: &Warrant, place: &str) -> Result<Values, Failure> {
        let (mount, path) = (self.mount.as_str(), &*self.full(place));
        let read: BTreeMap<String, SecretString> =
            self.call("read", |it| async move { kv2::read(&it.client, mount, path).await }).await?;
        let pairs = read.into_iter().map(|(name, value)| Some((name.parse().ok()?, value)));
        pairs.collect::<Option<_>>().ok_or(Failure::Unreadable)
    }

    /// Writes values where nothing is yet.
    pub async fn write(&self, _: &Warrant, place: &str, values: &Values) -> Result<(), Failure> {
        let (mount, path) = (self.mount.as_str(), &*self.full(place));
        let body: BTreeMap<&str, &str> =
            values.iter().map(|(name, it)| (name.as_str(), it.expose_secret())).collect();
        let body = &body;
        let write = |it: Arc<Session>| async move {
            let new = SetSecretRequestOptions { cas: 0 };
            kv2::set_with_options(&it.client, mount, path, body, new).await
        };
        self.call("write", write).await.map(drop)
    }

    /// Deletes a write with all that is known of it; one that is gone already is no error.
    pub async fn remove(&self, _: &Warrant, place: &str) -> Result<(), Failure> {
        let (mount, path) = (self.mount.as_str(), &*self.full(place));
        let remove =
            |it: Arc<Session>| async move { kv2::delete_metadata(&it.client, mount, path).await };
        match self.call("remove", remove).await {
            Ok(()) | Err(Failure::Absent) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The places of all writes there are.
    pub async fn places(&self, _: &Warrant) -> Result<Vec<String>, Failure> {
        let (mut places, mut folders) = (Vec::new(), vec![(String::new(), 0)]);
        while let Some((folder, depth)) = folders.pop() {
            for name in self.list(&folder).await? {
                let found = format!("{folder}{name}");
                match found.ends_with('/') {
                    true if depth < DEPTH_MAX => folders.push((found, depth + 1)),
                    true => {}
                    false => places.push(found),
                }
            }
        }
        Ok(places)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let (mount, path) = (self.mount.as_str(), &*self.full(folder));
        let list = |it: Arc<Session>| async move { kv2::list(&it.client, mount, path).await };
        match self.call("list", list).await {
            Err(Failure::Absent) => Ok(Vec::new()),
            other => other,
        }
    }

    /// Whether it is there, unsealed, and lets us in.
    pub async fn standing(&self) -> Result<(), Failure> {
        let look = async {
            let mut url = self.door.url.clone();
            url.set_path("/v1/sys/health");
            url.set_query(Some("standbyok=true&perfstandbyok=true"));
            // Vault's own client of it expects a field that OpenBao leaves out.
            let status = self.door.http.get(url).send().await?.status();
            match status.is_success() {
                true => Ok(()),
                false => Err(Failure::of_status(status.as_u16())),
            }
        };
        timeout(TIME_MAX, look).await.unwrap_or(Err(Failure::TimedOut))?;
        self.call("lookup", |it| async move { vaultrs::token::lookup_self(&it.client).await })
            .await
            .map(drop)
    }

    /// Keeps itself signed in until told to stop, so that no call has to wait for it.
    pub async fn keep_signed_in(&self, stop: CancellationToken) {
        loop {
            if let Err(failure) = self.look_after().await {
                tracing::warn!(%failure, "not signed in to Vault; trying again");
            }
            let now = self.clock.monotonic();
            let pause = match &*self.session.load() {
                None => RETRY,
                Some(it) => it.left(now).map_or(LOOK, |it| (it / 3).clamp(LOOK_MIN, LOOK)),
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Signs in, or renews what is half over.
    async fn look_after(&self) -> Result<(), Failure> {
        let Some(session) = self.session.load_full() else {
            return self.signed_in(None).await.map(drop);
        };
        if !session.is_due(self.clock.monotonic()) {
            return Ok(());
        }
        let now = self.clock.monotonic();
        let renewed = timeout(TIME_MAX, session.renewed(&self.door, now)).await;
        match renewed.unwrap_or(Err(Failure::TimedOut)) {
            Ok(Some(renewed)) => {
                self.session.store(Some(renewed.into()));
                Ok(())
            }
            Ok(None) | Err(Failure::Refused) => self.signed_in(Some(&session)).await.map(drop),
            Err(failure) => Err(failure),
        }
    }

    fn full(&self, place: &str) -> String {
        format!("{}/{place}", self.folder).trim_end_matches('/').to_owned()
    }

    /// Does one thing, signed in; once more with a new sign-in, where Vault has ended the old one.
    async fn call<T, Act, Fut>(&self, operation: &'static str, act: Act) -> Result<T, Failure>
    where
        Act: Fn(Arc<Session>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let start = self.clock.monotonic();
        let work = async {
            let session = self.session().await?;
            match act(session.clone()).await.map_err(Failure::from) {
                Err(Failure::Refused) if !self.stands(&session).await => {
                    Ok(act(self.signed_in(Some(&session)).await?).await?)
                }
                other => other,
            }
        };
        let called = timeout(TIME_MAX, work).await.unwrap_or(Err(Failure::TimedOut));
        let outcome = called.as_ref().map_or_else(Failure::outcome, |_| "done");
        metrics::vault(operation, outcome, start.elapsed());
        called
    }

    async fn session(&self) -> Result<Arc<Session>, Failure> {
        match self.session.load_full() {
            Some(it) if it.is_good(self.clock.monotonic()) => Ok(it),
            stale => self.signed_in(stale.as_ref()).await,
        }
    }

    /// Whether Vault still knows the token; without an answer, it is not known to be gone.
    async fn stands(&self, session: &Session) -> bool {
        let known = vaultrs::token::lookup_self(&session.client).await;
        !known.is_err_and(|it| Failure::from(it) == Failure::Refused)
    }

    /// A session other than `stale`: of whoever was faster, or a new one.
    async fn signed_in(&self, stale: Option<&Arc<Session>>) -> Result<Arc<Session>, Failure> {
        let _turn = self.turn.lock().await;
        if let Some(session) = self.session.load_full()
            && stale.is_none_or(|it| !Arc::ptr_eq(it, &session))
        {
            return Ok(session);
        }
        let now = self.clock.monotonic();
        let signed_in = timeout(TIME_MAX, self.identity.sign_in(&self.door, now)).await;
        let session = Arc::new(signed_in.unwrap_or(Err(Failure::TimedOut))?);
        self.session.store(Some(session.clone()));
        Ok(session)
    }
}

impl fmt::Display for Vault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Vault at {}", self.door.url.origin().ascii_serialization())
    }
}

fn identity(settings: &settings::Vault) -> Option<Identity> {
    let token = settings.token_file.clone().map(|file| Identity::Token { file });
    let role = settings.role_id.clone().zip(settings.secret_id_file.clone());
    token.or_else(|| {
        let (role_id, secret_id_file) = role?;
        let mount = settings.approle_mount.to_string();
        Some(Identity::AppRole { mount, role_id, secret_id_file })
    })
}
