//! A Gatewright without its listeners: the parts that decide, on a store of any size.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gatewright::approvals::{self, Approvals};
use gatewright::audit::Ledger;
use gatewright::audit::checkpoint::Signer;
use gatewright::audit::entry::Origin;
use gatewright::authn::api_keys::ApiKeys;
use gatewright::authn::factors::Factors;
use gatewright::authn::proofs::KeyProof;
use gatewright::authn::{Authn, Caller, IssueToken, Request, Service, SignIn, TokenRules};
use gatewright::authz::past::Past;
use gatewright::authz::quota::Quota;
use gatewright::authz::{Authz, Surroundings, Warrant, World};
use gatewright::clock::Clock;
use gatewright::credentials::Credentials;
use gatewright::credentials::keys::KeyRing;
use gatewright::decisions::Decisions;
use gatewright::directory::{Directory, Giver, NewAgent, NewUser, RegisterAgent};
use gatewright::gateway::Calls;
use gatewright::grants::Grants;
use gatewright::keys::Seed;
use gatewright::net::outbound::Outbound;
use gatewright::policy::Bundle;
use gatewright::policy::bundles::Bundles;
use gatewright::registry::{CreateTool, Decided, Definition, New, NewTool, Registry, State, Tool};
use gatewright::settings::{DatabaseUrl, Settings};
use gatewright::store::{self, Database};
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::SecretString;
use serde_json::json;

use crate::holder::Holder;
use crate::multitude;

pub const ISSUER: &str = "http://127.0.0.1:8080";
const PASSWORD: &str = "Adm1n-of-the-bench";
pub const PATH: &str = "/api/v1/tools/translate";
const TOKEN: &str = "/oauth/token";
const TOKEN_LIFE: Duration = Duration::from_secs(900);

pub struct Place {
    pub authn: Authn,
    pub authz: Authz,
    pub registry: Arc<Registry>,
    pub db: Arc<dyn Database>,
    pub clock: Clock,
    directory: Arc<Directory>,
}

/// A place, and an agent in it that may use all its tools.
pub struct Inhabited {
    pub place: Place,
    /// The agent, as its access token made it known.
    pub agent: Caller,
    /// In order of name.
    pub tools: Vec<Arc<Tool>>,
    client: Client,
}

struct Client {
    id: String,
    secret: SecretString,
}

impl Inhabited {
    /// A place of `count` tools and as many agents, under the starter policies; `change` may
    /// change the store before it is read.
    pub async fn of(
        store: &Path,
        count: u32,
        bundle: &Arc<Bundle>,
        change: impl FnOnce(&Path),
    ) -> Inhabited {
        let client = Place::open(store, bundle).await.settle().await;
        multitude::grow(store, count - 1).unwrap();
        change(store);
        let place = Place::open(store, bundle).await;
        let tools = place.registry.catalogue().tools();
        assert_eq!(tools.len(), count as usize);
        let token = place.token(&client, None).await;
        let agent = place.authn.identify(request(&bearer(&token)), origin()).unwrap();
        Inhabited { place, agent, tools, client }
    }

    /// A token of the agent that nobody has seen yet, as the header it comes in.
    pub async fn fresh_token(&self) -> HeaderMap {
        bearer(&self.place.token(&self.client, None).await)
    }

    /// A token that is bound to this key.
    pub async fn bound_token(&self, holder: &Holder) -> String {
        let headers = holder.headers("POST", TOKEN, None);
        let request = Request {
            headers: &headers,
            method: &Method::POST,
            path: TOKEN,
            server: None,
            service: Service::Api,
        };
        let proof = self.place.authn.key_proof(request).unwrap();
        self.place.token(&self.client, proof).await
    }
}

impl Place {
    async fn open(store: &Path, bundle: &Arc<Bundle>) -> Place {
        let clock = Clock::system();
        let db = store::open(&DatabaseUrl::SqliteFile(store.to_owned())).unwrap();
        db.migrate().await.unwrap();
        let ledger = Ledger::start(db.clone(), signer(), clock.clone()).await.unwrap();
        let directory =
            Arc::new(Directory::load(db.clone(), ledger.clone(), clock.clone()).await.unwrap());
        let registry = Arc::new(Registry::load(&*db, ledger.clone(), clock.clone()).await.unwrap());
        let api_keys = Arc::new(ApiKeys::load(&*db, ledger.clone(), clock.clone()).await.unwrap());
        let settings = Settings::default();
        let parts = approvals::Parts {
            db: db.clone(),
            ledger: ledger.clone(),
            directory: directory.clone(),
            api_keys: api_keys.clone(),
            outbound: Arc::new(Outbound::new(&settings.outbound, clock.clone()).unwrap()),
            clock: clock.clone(),
        };
        let grants = Grants::load(db.clone(), ledger.clone(), clock.clone()).await.unwrap();
        let grants = Arc::new(grants);
        let known = (directory.clone(), registry.clone(), grants.clone());
        let bundles = Bundles::new(db.clone(), ledger.clone(), known, clock.clone());
        let (seed, url) = (Seed::default(), &settings.public_url);
        let factors = Factors::new(db.clone(), ledger.clone(), clock.clone(), &seed, url).unwrap();
        let world = World {
            directory: directory.clone(),
            registry: registry.clone(),
            credentials: Arc::new(Credentials::new(
                KeyRing::generate(clock.now()),
                ISSUER.to_owned(),
                db.clone(),
                ledger.clone(),
                clock.clone(),
            )),
            api_keys,
            approvals: Arc::new(Approvals::new(&settings, parts)),
            bundles: Arc::new(bundles),
            calls: Arc::new(Calls::new(db.clone(), clock.clone())),
            decisions: Arc::new(Decisions::new(db.clone())),
            factors: Arc::new(factors),
            grants,
        };
        let key = SigningKey::from_bytes(&[2; 32]);
        let authn = Authn::load(
            directory.clone(),
            db.clone(),
            ledger.clone(),
            clock.clone(),
            rules(),
            &key,
        );
        let quota = Quota::load(&*db, clock.micros()).await.unwrap();
        let stores = (db.clone(), ledger.clone());
        let past = Arc::new(Past::start(stores, &key, TOKEN_LIFE, clock.clone()));
        let counters = (quota, past);
        let surroundings = Surroundings {
            home: jiff::tz::TimeZone::UTC,
            zones: Default::default(),
            places: Default::default(),
        };
        Place {
            authn: authn.await.unwrap(),
            authz: Authz::new(bundle.clone(), surroundings, counters, ledger, clock.clone(), world),
            registry,
            db,
            clock,
            directory,
        }
    }

    /// An administrator, who registers the first tool and the first agent.
    async fn settle(self) -> Client {
        let admin = self.administrator().await;
        let create = CreateTool { definition: definition(), secrets: Default::default() };
        let permit = self.authz.authorize(admin.clone(), create).await.unwrap();
        let (state, found, secrets) = (State::Active, None, Default::default());
        let new = New { id: self.clock.new_id(), decided: Decided { state, found, secrets } };
        self.registry.create(permit, new).await.unwrap();
        let (roles, keys) = Default::default();
        let new = NewAgent { name: "lingua".into(), owner: None, roles, keys };
        let register = RegisterAgent::new(new, "translator".into());
        let permit = self.authz.authorize(admin, register).await.unwrap();
        let (agent, secret) = self.directory.register_agent(permit).await.unwrap();
        Client { id: agent.id.to_string(), secret: secret.reveal().into() }
    }

    #[expect(clippy::disallowed_methods, reason = "the first administrator has nobody to ask")]
    async fn administrator(&self) -> Caller {
        let hash = self.authn.passwords().hash(PASSWORD.into()).await.unwrap();
        let roles = ["admin", "user"].map(str::to_owned).into();
        let new = NewUser { username: "admin".into(), password: PASSWORD.into(), roles };
        let warrant = Warrant::system("bench", &self.clock);
        let user = self.directory.new_user(&new, Giver::Host).unwrap();
        self.directory.insert_user(&warrant, user, hash, Vec::new()).await.unwrap();
        let caller = self.authn.prove_password("admin", PASSWORD.into(), origin()).await.unwrap();
        let scopes = self.authz.holdable(&caller, &self.scopes()).unwrap();
        let permit = self.authz.authorize(caller, SignIn).await.unwrap();
        let tokens = self.authn.open(permit, scopes, Vec::new()).await.unwrap();
        self.authn.identify(request(&bearer(tokens.access.reveal())), origin()).unwrap()
    }

    async fn token(&self, client: &Client, proof: Option<KeyProof>) -> String {
        let caller = self.authn.prove_client(&client.id, &client.secret, origin()).await.unwrap();
        let caller = self.authn.bind(caller, proof).unwrap();
        let scopes = self.authz.holdable(&caller, &self.scopes()).unwrap();
        let permit = self.authz.authorize(caller, IssueToken).await.unwrap();
        self.authn.issue(permit, scopes, Vec::new()).await.unwrap().reveal().to_owned()
    }

    /// Every scope that a token could carry.
    pub fn scopes(&self) -> Vec<String> {
        self.authz.bundle().token_scopes().iter().cloned().collect()
    }
}

pub fn signer() -> Arc<Signer> {
    Arc::new(Signer::new("127.0.0.1:8080/audit", &SigningKey::from_bytes(&[1; 32])).unwrap())
}

pub fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        id: "0192f3c8-7c1e-7000-8000-000000000001".into(),
        ip: [127, 0, 0, 1].into(),
        user_agent: "bench".into(),
        method: "GET".into(),
        route: "/api/v1/tools/{tool}".into(),
    })
}

fn rules() -> TokenRules {
    let ttl = Duration::from_secs(3600);
    TokenRules {
        mcp_audience: format!("{ISSUER}/mcp"),
        issuer: ISSUER.into(),
        audience: ISSUER.into(),
        access_ttl: ttl,
        refresh_ttl: ttl,
        elevated_ttl: ttl,
        server: ISSUER.parse().unwrap(),
        bootstrap_token: None,
    }
}

/// A request with these headers, as [`origin`] tells of it.
pub fn request(headers: &HeaderMap) -> Request<'_> {
    Request { headers, method: &Method::GET, path: PATH, server: None, service: Service::Api }
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

fn definition() -> Definition {
    let definition = json!({
        "tool_type": "function",
        "name": "translate",
        "description": "Translates a text into another language",
        "tags": ["translation"],
        "scopes": ["read", "translate"],
        "required_scopes": ["agent:translate"],
        "input_schema": { "type": "object", "properties": { "text": { "type": "string" } } },
    });
    serde_json::from_value::<NewTool>(definition).unwrap().definition().unwrap().0
}
