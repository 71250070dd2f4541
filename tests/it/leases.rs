//! Leases of Vault's engines: given back, ended with their credential, and found after a crash.

use std::time::Duration;

use gatewright::secrets::{BadLeasePath, Lease, LeaseFor, LeasePath, SecretName};
use gatewright::settings::Settings;
use gatewright::store::Statement;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::openbao::OpenBao;
use crate::harness::postgres::fresh_database;
use crate::harness::secrets::{Room, assert_unavailable, leading_to, memory, sealing_in, warrant};

const DEADLINE: Duration = Duration::from_secs(10);
const CALL_SECONDS: u64 = 30;
/// After which a sweeper takes such a call for ended.
const FORGOTTEN_SECONDS: i64 = 46;

/// A server with an engine that makes roles in a database, and a room that leases from it.
struct Engine {
    bao: OpenBao,
    room: Room,
    database: tokio_postgres::Client,
    settings: Settings,
    _keys: TempDir,
}

impl Engine {
    async fn start() -> Engine {
        let bao = OpenBao::start().await;
        let url = tokio::task::spawn_blocking(fresh_database).await.unwrap();
        bao.database(&url).await;
        let keys = tempfile::tempdir().unwrap();
        let vault = bao.settings(bao.token_file(&json!({ "ttl": "6h" })).await);
        let settings = leading_to(vault, keys.path());
        let room = Room::open(&settings, memory().await).await;
        let (database, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        Engine { bao, room, database, settings, _keys: keys }
    }

    fn path(&self) -> LeasePath {
        self.room.secrets.lease_path("database/creds/reader").unwrap()
    }

    /// Takes a lease, step by step as a call does.
    async fn lease(&self, of: LeaseFor) -> Lease {
        let mut intent =
            self.room.secrets.intend_lease(&warrant(), &self.path(), of).await.unwrap();
        self.room.commit(std::mem::take(&mut intent.statements)).await.unwrap();
        self.room.secrets.take_lease(&warrant(), intent).await.unwrap()
    }

    async fn give_back(&self, lease: Lease) -> Vec<Statement> {
        self.room.secrets.give_back(&warrant(), lease).await
    }

    /// How many intents are written down.
    async fn intents(&self) -> i64 {
        self.room.count("SELECT COUNT(*) FROM leases").await
    }

    async fn has_role(&self, name: &str) -> bool {
        let sql = "SELECT 1 FROM pg_roles WHERE rolname = $1";
        self.database.query_opt(sql, &[&name]).await.unwrap().is_some()
    }

    /// Vault ends what hangs on a token right after it has ended the token.
    async fn until_gone(&self, role: &str) {
        let begun = Instant::now();
        while self.has_role(role).await {
            assert!(begun.elapsed() < DEADLINE, "`{role}` is still there");
            tokio::task::yield_now().await;
        }
    }

    async fn until_leases(&self, count: usize) {
        let begun = Instant::now();
        while self.bao.leases().await != count {
            assert!(begun.elapsed() < DEADLINE, "{} leases", self.bao.leases().await);
            tokio::task::yield_now().await;
        }
    }

    async fn assert_nothing_left(&self) {
        self.until_leases(0).await;
        assert_eq!(self.intents().await, 0);
    }

    /// A credential that stands for so long, as far as leases know.
    async fn credential(&self, seconds: i64) -> (Uuid, LeaseFor) {
        let id = self.room.clock.new_id();
        let expires_at = self.room.clock.micros() + seconds * 1_000_000;
        let insert = Statement::new(
            "INSERT INTO credentials (id, decision_id, tool_id, tool_name, tool_owner,
                principal_kind, principal_id, scopes, root_key_id, revocation_ids, created_at,
                expires_at)
             VALUES ($1, '', '', '', '', '', '', '', 0, '', 0, $2)",
        );
        self.room.commit(vec![insert.bind(id).bind(expires_at)]).await.unwrap();
        (id, LeaseFor::Credential { id, expires_at })
    }
}

fn call(engine: &Engine) -> LeaseFor {
    LeaseFor::Call { id: engine.room.clock.new_id(), time_max: Duration::from_secs(CALL_SECONDS) }
}

fn username(lease: &Lease) -> String {
    let names = lease.values().names();
    assert_eq!(names.iter().map(SecretName::as_str).collect::<Vec<_>>(), ["password", "username"]);
    lease.values().get("username").unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn a_call_has_a_role_of_its_own_for_as_long_as_it_lasts() {
    let engine = Engine::start().await;
    let (one, other) = (engine.lease(call(&engine)).await, engine.lease(call(&engine)).await);
    let (first, second) = (username(&one), username(&other));
    assert_ne!(first, second);
    assert!(engine.has_role(&first).await && engine.has_role(&second).await);
    assert_eq!((engine.bao.leases().await, engine.intents().await), (2, 2));
    let returned = engine.give_back(one).await;
    engine.room.commit(returned).await.unwrap();
    engine.until_gone(&first).await;
    assert!(engine.has_role(&second).await);
    let returned = engine.give_back(other).await;
    engine.room.commit(returned).await.unwrap();
    engine.assert_nothing_left().await;
}

#[tokio::test]
async fn calls_with_one_credential_share_what_ends_with_it() {
    let engine = Engine::start().await;
    let (revoked, of_revoked) = engine.credential(900).await;
    let (_, of_expired) = engine.credential(60).await;
    let first = engine.lease(of_revoked).await;
    let name = username(&first);
    assert_eq!(engine.give_back(first).await.len(), 0);
    let again = engine.lease(of_revoked).await;
    assert_eq!(username(&again), name);
    let other = username(&engine.lease(of_expired).await);
    assert_ne!(other, name);
    assert_eq!(engine.room.secrets.sweep_leases().await.unwrap(), 0);

    let revoke = Statement::new("UPDATE credentials SET revoked_at = 1 WHERE id = $1");
    engine.room.commit(vec![revoke.bind(revoked)]).await.unwrap();
    assert_eq!(engine.room.secrets.sweep_leases().await.unwrap(), 1);
    engine.until_gone(&name).await;
    assert!(engine.has_role(&other).await);
    engine.room.clock.advance(61);
    assert_eq!(engine.room.secrets.sweep_leases().await.unwrap(), 1);
    engine.until_gone(&other).await;
    engine.assert_nothing_left().await;
}

#[tokio::test]
async fn nothing_outlives_a_crash_wherever_it_comes() {
    let engine = Engine::start().await;
    let secrets = &engine.room.secrets;
    // Before the intent is written: there is nothing that could be leased with it.
    let unwritten = secrets.intend_lease(&warrant(), &engine.path(), call(&engine)).await.unwrap();
    drop(unwritten);
    // Before the engine is asked.
    let mut unasked =
        secrets.intend_lease(&warrant(), &engine.path(), call(&engine)).await.unwrap();
    engine.room.commit(std::mem::take(&mut unasked.statements)).await.unwrap();
    drop(unasked);
    // With the lease in hand, and after it was given back but before that was written.
    let taken = username(&engine.lease(call(&engine)).await);
    let given_back = engine.lease(call(&engine)).await;
    drop(engine.give_back(given_back).await);
    engine.until_leases(1).await;
    assert_eq!(engine.intents().await, 3);

    // Another process on the same store, while those calls could still be running, and after.
    let next = Room::open(&engine.settings, engine.room.db.clone()).await;
    assert_eq!(next.secrets.sweep_leases().await.unwrap(), 0);
    assert!(engine.has_role(&taken).await);
    next.clock.advance(FORGOTTEN_SECONDS);
    assert_eq!(next.secrets.sweep_leases().await.unwrap(), 3);
    engine.until_gone(&taken).await;
    engine.assert_nothing_left().await;
    let audited = "SELECT COUNT(*) FROM audit WHERE event = 'system.sweep_leases'";
    assert_eq!(next.count(audited).await, 1);
}

#[tokio::test]
async fn a_lease_that_cannot_be_given_back_now_is_given_back_later() {
    let engine = Engine::start().await;
    let lease = engine.lease(call(&engine)).await;
    let name = username(&lease);
    engine.bao.seal().await;
    assert_eq!(engine.give_back(lease).await.len(), 0);
    let intent = engine.room.secrets.intend_lease(&warrant(), &engine.path(), call(&engine)).await;
    assert_unavailable(intent.map(|_| ()));
    engine.room.clock.advance(FORGOTTEN_SECONDS);
    assert_eq!(engine.room.secrets.sweep_leases().await.unwrap(), 0);
    assert_eq!(engine.intents().await, 1);
    engine.bao.unseal().await;
    let begun = Instant::now();
    while engine.room.secrets.sweep_leases().await.unwrap() == 0 {
        assert!(begun.elapsed() < DEADLINE);
    }
    engine.until_gone(&name).await;
    engine.assert_nothing_left().await;
}

#[tokio::test]
async fn what_vault_could_not_be_told_of_ends_by_itself_and_is_said_to() {
    let engine = Engine::start().await;
    let lease = engine.lease(call(&engine)).await;
    drop(lease);
    engine.bao.hang();
    // Beyond the life that Vault gave it, whatever Vault says.
    engine.room.clock.advance(FORGOTTEN_SECONDS + 60);
    assert_eq!(engine.room.secrets.sweep_leases().await.unwrap(), 1);
    engine.bao.go_on();
    let body = engine.room.bytes("SELECT body FROM audit ORDER BY seq DESC LIMIT 1", 1).await;
    let entry: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(entry["details"]["given_back"], json!([]));
    assert_eq!(entry["details"]["left_to_expire"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_ends_gives_back_what_it_holds() {
    let engine = Engine::start().await;
    let stop = CancellationToken::new();
    let kept = tokio::spawn(engine.room.secrets.clone().keep(stop.clone()));
    let (_, of) = engine.credential(900).await;
    let name = username(&engine.lease(of).await);
    assert!(engine.has_role(&name).await);
    stop.cancel();
    tokio::time::timeout(DEADLINE, kept).await.unwrap().unwrap();
    engine.until_gone(&name).await;
    engine.assert_nothing_left().await;
}

#[tokio::test]
async fn only_dynamic_engines_that_the_operator_lists_are_leased() {
    let engine = Engine::start().await;
    let path = |text: &str| engine.room.secrets.lease_path(text);
    for text in ["sys/raw/x", "database/config/main", "auth/token/lookup-self", "databases/creds"] {
        assert_eq!(path(text).unwrap_err(), BadLeasePath::NotListed, "{text}");
    }
    for text in
        ["", "database/creds/../config/main", "database/creds/reader?x=1", "/database/creds"]
    {
        assert!(matches!(path(text), Err(BadLeasePath::NoPath(_))), "{text}");
    }
    // A static value has no lease, whatever the operator lists.
    let other = json!({ "data": { "key": "somebody's" } });
    engine.bao.post("secret/data/other", &other).await;
    let of = call(&engine);
    let fixed = path("secret/data/other").unwrap();
    let intent = engine.room.secrets.intend_lease(&warrant(), &fixed, of).await.unwrap();
    assert_unavailable(engine.room.secrets.take_lease(&warrant(), intent).await.map(|_| ()));

    let key = tempfile::tempdir().unwrap();
    let sealed = Room::open(&sealing_in(&key.path().join("secrets.key")), memory().await).await;
    let without = sealed.secrets.lease_path("database/creds/reader").unwrap_err();
    assert_eq!(without, BadLeasePath::NoVault);
}

#[tokio::test]
async fn an_engine_that_gives_nothing_leaves_nothing() {
    let engine = Engine::start().await;
    let missing = engine.room.secrets.lease_path("database/creds/nobody").unwrap();
    let mut intent =
        engine.room.secrets.intend_lease(&warrant(), &missing, call(&engine)).await.unwrap();
    engine.room.commit(std::mem::take(&mut intent.statements)).await.unwrap();
    assert_unavailable(engine.room.secrets.take_lease(&warrant(), intent).await.map(|_| ()));
    engine.room.clock.advance(FORGOTTEN_SECONDS);
    assert_eq!(engine.room.secrets.sweep_leases().await.unwrap(), 1);
    engine.assert_nothing_left().await;
}
