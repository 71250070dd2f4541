//! What one process holds, built once from the settings. There is no raw database in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::time::timeout;

use crate::approvals::{self, Approvals};
use crate::audit::checkpoint::Signer;
use crate::audit::query::Audit;
use crate::audit::{Ledger, verify};
use crate::authn::api_keys::ApiKeys;
use crate::authn::factors::Factors;
use crate::authn::federation::Federation;
use crate::authn::oauth::{OAuth, mcp_audience};
use crate::authn::risk::{Rater, trust_first_use};
use crate::authn::tokens_file::TokensFile;
use crate::authn::{Authn, Caller, SignInLimits, Standing, TokenRules, password_fault};
use crate::authz::past::Past;
use crate::authz::quota::Quota;
use crate::authz::{Authz, Surroundings, Warrant, World};
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::credentials::keys::KeyRing;
use crate::decisions::Decisions;
use crate::directory::{Directory, Giver, NewUser, Roles, User};
use crate::gateway::{self, Calls, Gateway, Prober};
use crate::grants::Grants;
use crate::http::mcp::{Mcp, Sessions};
use crate::http::proxies::Proxies;
use crate::identify::Strangers;
use crate::keys;
use crate::net::outbound::Outbound;
use crate::net::places::Places;
use crate::policy::Bundle;
use crate::policy::bundles::{self, Broken, Bundles, Offer};
use crate::policy::rehearsal::{self, Rehearsal};
use crate::queries::page::Pages;
use crate::registry::{History, Registry};
use crate::secrets::Secrets;
use crate::settings::{Actions, Settings};
use crate::store::{self, Database};
use crate::{Error, Result, metrics};

/// A store that takes longer to say where it stands is not ready.
const CHECK_TIME_MAX: Duration = Duration::from_secs(1);
/// The zone in which nobody is let in: what `risk.blocked_networks` becomes.
const BLOCKED_ZONE: &str = "blocked";
const SECONDS_PER_DAY: u64 = 86_400;

pub struct App {
    pub authn: Arc<Authn>,
    pub standing: Standing,
    pub authz: Authz,
    pub oauth: OAuth,
    pub federation: Federation,
    pub directory: Arc<Directory>,
    pub registry: Arc<Registry>,
    pub credentials: Arc<Credentials>,
    pub gateway: Arc<Gateway>,
    pub mcp: Mcp,
    pub prober: Prober,
    pub history: History,
    pub past: Arc<Past>,
    /// Which tool each action of agents is.
    pub actions: Actions,
    pub factors: Arc<Factors>,
    pub api_keys: Arc<ApiKeys>,
    pub approvals: Arc<Approvals>,
    pub grants: Arc<Grants>,
    pub secrets: Arc<Secrets>,
    pub bundles: Arc<Bundles>,
    pub rehearsal: Arc<Rehearsal>,
    pub audit: Audit,
    pub sign_in_limits: SignInLimits,
    pub proxies: Proxies,
    pub places: Arc<Places>,
    /// Of searches.
    pub pages: Pages,
    pub rater: Rater,
    pub figures: PrometheusHandle,
    /// Whether figures have a listener of their own.
    pub figures_elsewhere: bool,
    pub clock: Clock,
    /// How long a credential lives whose request does not say.
    pub credential_ttl_seconds: u64,
    pub(crate) strangers: Strangers,
    ledger: Ledger,
}

impl App {
    /// Opens the store, reads keys and principals, and gets ready to decide by `bundle`.
    pub async fn start(
        settings: &Settings,
        bundle: Arc<Bundle>,
        clock: Clock,
    ) -> anyhow::Result<Arc<App>> {
        App::start_for(settings, &bundle.into(), clock, Strangers::Refused).await
    }

    /// The same, with a say in what becomes of requests that carry no proof. Where the bundle that
    /// is offered is broken, that of the store is taken.
    #[expect(clippy::too_many_lines, reason = "the parts of one process, one after the other")]
    pub(crate) async fn start_for(
        settings: &Settings,
        offer: &Offer,
        clock: Clock,
        strangers: Strangers,
    ) -> anyhow::Result<Arc<App>> {
        let places = Arc::new(places(settings)?);
        let (db, bundle) = store_and_bundle(settings, offer).await?;
        let signer = audit_signer(settings)?;
        let ledger = Ledger::start(db.clone(), signer.clone(), clock.clone())
            .await
            .context("reading where the audit stands")?;
        let outbound = Arc::new(Outbound::new(&settings.outbound, clock.clone())?);
        let world = world(settings, (&db, &ledger, &outbound), &clock).await?;
        let World {
            directory,
            registry,
            credentials,
            api_keys,
            approvals,
            bundles,
            grants,
            factors,
            ..
        } = world.clone();
        let secrets = Secrets::open(settings, db.clone(), ledger.clone(), clock.clone()).await?;
        let secrets = Arc::new(secrets);
        let access_key = keys::load_or_create(&settings.auth.key_file)?;
        let authn = authn(settings, (&db, &ledger, &directory), &clock, &access_key).await?;
        let oauth =
            OAuth::new(settings, db.clone(), ledger.clone(), outbound.clone(), clock.clone());
        let quota = Quota::load(&*db, clock.micros()).await?;
        let parts = gateway::Parts {
            db: db.clone(),
            ledger: ledger.clone(),
            quota: quota.clone(),
            credentials: credentials.clone(),
            outbound: outbound.clone(),
            secrets: secrets.clone(),
            clock: clock.clone(),
        };
        let gateway = Arc::new(Gateway::new(settings, parts)?);
        let token_life = Duration::from_secs(settings.auth.access_token_ttl_seconds.into());
        let stores = (db.clone(), ledger.clone());
        let pages = Pages::new(&access_key);
        let past = Arc::new(Past::start(stores, &access_key, token_life, clock.clone()));
        let authz = Authz::new(
            bundle,
            surroundings(settings, places.clone()),
            (quota, past.clone()),
            ledger.clone(),
            clock.clone(),
            world,
        );
        let rehearsal = Rehearsal::new(rehearsal::Parts {
            db: db.clone(),
            ledger: ledger.clone(),
            directory: directory.clone(),
            bundles: bundles.clone(),
            shadow: authz.shadow().clone(),
            clock: clock.clone(),
        });
        Ok(Arc::new(App {
            authn: Arc::new(authn),
            standing: standing(settings, &api_keys, &directory, &clock)?,
            authz,
            oauth,
            federation: Federation::open(settings, &outbound, &clock)?,
            directory,
            registry,
            credentials,
            gateway,
            mcp: Mcp::new(Sessions::new(&access_key)),
            prober: Prober::new(settings, outbound.clone(), clock.clone()),
            history: History::new(db.clone()),
            past,
            actions: settings.actions.clone(),
            api_keys,
            approvals,
            rehearsal: Arc::new(rehearsal),
            bundles,
            grants,
            secrets,
            factors,
            sign_in_limits: SignInLimits::new(&settings.rate_limits),
            proxies: proxies(settings),
            rater: rater(settings, db.clone(), clock.clone(), places.clone()),
            audit: Audit::new(db, signer),
            places,
            pages,
            figures: metrics::install()?,
            figures_elsewhere: settings.metrics.listen.is_some(),
            clock,
            credential_ttl_seconds: settings.credentials.default_ttl_seconds.into(),
            strangers,
            ledger,
        }))
    }

    /// The scopes a new token of this caller carries: those asked for, or all there are, as far as
    /// policy lets this principal hold them.
    pub fn holdable_scopes(&self, caller: &Caller, asked: Option<&str>) -> Result<Vec<String>> {
        let candidates: Vec<String> = match asked {
            Some(text) => {
                let asked: std::collections::BTreeSet<&str> = text.split_whitespace().collect();
                asked.into_iter().map(str::to_owned).collect()
            }
            None => self.authz.bundle().token_scopes().iter().cloned().collect(),
        };
        self.authz.holdable(caller, &candidates)
    }

    /// What readiness asks, by name: `ok`, or what is wrong.
    #[expect(clippy::disallowed_methods, reason = "anybody may ask, and nothing is shown")]
    pub async fn checks(&self) -> BTreeMap<&'static str, String> {
        let ok = || "ok".to_owned();
        let store = match timeout(CHECK_TIME_MAX, self.audit.checkpoint()).await {
            Ok(Ok(_)) => ok(),
            Ok(Err(_)) | Err(_) => "does not answer".to_owned(),
        };
        let writer = if self.ledger.is_running() { ok() } else { "has stopped".to_owned() };
        let warrant = Warrant::system("check_secret_store", &self.clock);
        let secrets = match timeout(CHECK_TIME_MAX, self.secrets.standing(&warrant)).await {
            Ok(Ok(())) => ok(),
            Ok(Err(problem)) => problem.to_owned(),
            Err(_) => "does not answer".to_owned(),
        };
        BTreeMap::from([
            ("store", store),
            ("audit_writer", writer),
            ("policy_bundle", self.bundles.trouble().unwrap_or_else(ok)),
            ("secret_store", secrets),
        ])
    }

    /// Makes the administrator named in the settings, where there is none of that name yet.
    pub async fn bootstrap(&self, settings: &Settings) -> anyhow::Result<()> {
        let auth = &settings.auth;
        let (Some(username), Some(password)) =
            (&auth.bootstrap_admin_username, &auth.bootstrap_admin_password)
        else {
            return Ok(());
        };
        if self.directory.snapshot().user_named(username).is_none() {
            self.seed_admin(username, password.clone()).await?;
        }
        Ok(())
    }

    /// Makes an administrator. Whoever can run this on the host needs nobody's permission; the
    /// audit says that it happened.
    #[expect(clippy::disallowed_methods, reason = "the first administrator has nobody to ask")]
    pub async fn seed_admin(
        &self,
        username: &str,
        password: SecretString,
    ) -> anyhow::Result<Arc<User>> {
        Error::check([
            crate::http::name_fault("/username", username),
            password_fault(username, &password),
        ])?;
        let hash = self.authn.passwords().hash(password.clone()).await?;
        let warrant = Warrant::system("seed_admin", &self.clock);
        let roles = Roles::from(["admin", "policy_admin", "user"].map(str::to_owned));
        let new = NewUser { username: username.to_owned(), password, roles };
        let user = self.directory.new_user(&new, Giver::Host)?;
        // Whoever sits at the host has nothing to prove yet, and nothing to prove it with.
        warrant.note("first_use", "trusted");
        let also = vec![trust_first_use(user.id)];
        Ok(self.directory.insert_user(&warrant, user, hash, also).await?)
    }

    /// Whether the audit is as it was written, seen from inside.
    pub async fn verify_audit(&self, older: Option<&str>) -> anyhow::Result<verify::Report> {
        self.audit.verify(older).await
    }
}

/// The signer of the audit's heads, under the log's name.
pub fn audit_signer(settings: &Settings) -> anyhow::Result<Arc<Signer>> {
    let key = keys::load_or_create(&settings.audit.key_file)?;
    let url = settings.public_url.to_string();
    let name = url.split_once("://").map_or(url.as_str(), |(_, name)| name);
    Ok(Arc::new(Signer::new(&format!("{name}/audit"), &key)?))
}

/// The store, and what decides until the process begins to serve: what is offered, or what the store
/// names.
async fn store_and_bundle(
    settings: &Settings,
    offer: &Offer,
) -> anyhow::Result<(Arc<dyn Database>, Arc<Bundle>)> {
    // A store that is not there yet has no bundle to fall back on, and is not made for nothing.
    if !settings.database.url.may_be_there() {
        offer.bundle()?;
    }
    let db = store::open(&settings.database.url)?;
    db.migrate().await.context("bringing the store's schema up to date")?;
    let broken: Broken = match offer.bundle() {
        Ok(bundle) => return Ok((db, bundle.clone())),
        Err(broken) => broken,
    };
    match bundles::named_in(&*db).await? {
        Some(bundle) => Ok((db, bundle)),
        None => Err(broken.into()),
    }
}

fn credential_keys(settings: &Settings, clock: &Clock) -> anyhow::Result<KeyRing> {
    let path = &settings.credentials.key_file;
    if !path.exists() {
        keys::make_folder_of(path)?;
        KeyRing::generate(clock.now()).create(path)?;
        tracing::warn!(path = %path.display(), "made a new root key; keep it safe");
    }
    Ok(KeyRing::load(path)?)
}

async fn authn(
    settings: &Settings,
    (db, ledger, directory): (&Arc<dyn Database>, &Ledger, &Arc<Directory>),
    clock: &Clock,
    key: &ed25519_dalek::SigningKey,
) -> Result<Authn> {
    let (db, ledger, clock) = (db.clone(), ledger.clone(), clock.clone());
    Authn::load(directory.clone(), db, ledger, clock, token_rules(settings), key).await
}

async fn factors(
    settings: &Settings,
    db: &Arc<dyn Database>,
    ledger: &Ledger,
    clock: &Clock,
) -> anyhow::Result<Factors> {
    let path = &settings.auth.factors_key_file;
    let key = keys::load_or_create_seed(path)?;
    let (db, ledger, clock) = (db.clone(), ledger.clone(), clock.clone());
    let factors = Factors::new(db, ledger, clock, &key, &settings.public_url)?;
    factors.check_key().await.with_context(|| {
        format!("`{}` is not the key that second factors were stored with", path.display())
    })?;
    Ok(factors)
}

async fn world(
    settings: &Settings,
    (db, ledger, outbound): (&Arc<dyn Database>, &Ledger, &Arc<Outbound>),
    clock: &Clock,
) -> anyhow::Result<World> {
    let credentials = Credentials::new(
        credential_keys(settings, clock)?,
        settings.public_url.to_string(),
        db.clone(),
        ledger.clone(),
        clock.clone(),
    );
    let directory = Directory::load(db.clone(), ledger.clone(), clock.clone()).await?;
    let directory = Arc::new(directory);
    let api_keys = Arc::new(ApiKeys::load(&**db, ledger.clone(), clock.clone()).await?);
    let parts = approvals::Parts {
        db: db.clone(),
        ledger: ledger.clone(),
        directory: directory.clone(),
        api_keys: api_keys.clone(),
        outbound: outbound.clone(),
        clock: clock.clone(),
    };
    let registry = Arc::new(Registry::load(&**db, ledger.clone(), clock.clone()).await?);
    let grants = Arc::new(Grants::load(db.clone(), ledger.clone(), clock.clone()).await?);
    let known = (directory.clone(), registry.clone(), grants.clone());
    let bundles = Bundles::new(db.clone(), ledger.clone(), known, clock.clone());
    Ok(World {
        decisions: Arc::new(Decisions::new(db.clone())),
        factors: Arc::new(factors(settings, db, ledger, clock).await?),
        calls: Arc::new(Calls::new(db.clone(), clock.clone())),
        approvals: Arc::new(Approvals::new(settings, parts)),
        bundles: Arc::new(bundles),
        grants,
        directory,
        registry,
        credentials: Arc::new(credentials),
        api_keys,
    })
}

fn standing(
    settings: &Settings,
    api_keys: &Arc<ApiKeys>,
    directory: &Arc<Directory>,
    clock: &Clock,
) -> anyhow::Result<Standing> {
    let otherwise = &settings.auth.tokens_principal;
    let file = settings.auth.tokens_file.as_ref();
    let file = file.map(|path| TokensFile::open(path, otherwise.clone(), clock.clone()));
    let file = file.transpose()?.map(Arc::new);
    Ok(Standing::new(api_keys.clone(), file, directory.clone(), clock.clone()))
}

fn token_rules(settings: &Settings) -> TokenRules {
    let seconds = |it: u32| Duration::from_secs(it.into());
    TokenRules {
        issuer: settings.auth.issuer.clone(),
        audience: settings.auth.audience.clone(),
        mcp_audience: mcp_audience(&settings.public_url),
        access_ttl: seconds(settings.auth.access_token_ttl_seconds),
        refresh_ttl: seconds(settings.auth.refresh_token_ttl_seconds),
        elevated_ttl: seconds(settings.auth.elevated_token_ttl_seconds),
        server: settings.public_url.clone(),
        bootstrap_token: settings.auth.bootstrap_token.clone(),
    }
}

fn places(settings: &Settings) -> anyhow::Result<Places> {
    let file = settings.risk.geoip_db.as_deref();
    Ok(file.map(Places::open).transpose().context("`risk.geoip_db`")?.unwrap_or_default())
}

fn rater(settings: &Settings, db: Arc<dyn Database>, clock: Clock, places: Arc<Places>) -> Rater {
    Rater {
        db,
        clock,
        home: settings.policy.home_time_zone.clone(),
        places,
        blocked: zones(settings).remove(BLOCKED_ZONE).unwrap_or_default(),
        known_for: Duration::from_secs(u64::from(settings.risk.known_for_days) * SECONDS_PER_DAY),
    }
}

fn surroundings(settings: &Settings, places: Arc<Places>) -> Surroundings {
    let (home, zones) = (settings.policy.home_time_zone.clone(), zones(settings));
    Surroundings { home, zones, places }
}

/// Named networks, with the one from which nobody is let in.
fn zones(settings: &Settings) -> BTreeMap<String, Vec<IpNet>> {
    let named = settings.risk.zones.iter();
    let mut zones: BTreeMap<_, _> = named.map(|(name, it)| (name.clone(), it.0.clone())).collect();
    let blocked: &mut Vec<IpNet> = zones.entry(BLOCKED_ZONE.to_owned()).or_default();
    blocked.extend(settings.risk.blocked_networks.iter().copied());
    zones
}

fn proxies(settings: &Settings) -> Proxies {
    match settings.risk.trust_proxy_headers {
        true => Proxies::new(settings.risk.trusted_proxies.clone()),
        false => Proxies::default(),
    }
}
