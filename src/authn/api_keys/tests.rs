use std::sync::Arc;

use arc_swap::ArcSwap;
use ed25519_dalek::SigningKey;
use secrecy::SecretString;
use uuid::Uuid;

use super::key::{Previous, Uses};
use super::{ApiKey, ApiKeySecret, ApiKeys, PrincipalId, Snapshot, State};
use crate::audit::Ledger;
use crate::audit::checkpoint::Signer;
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::directory::Kind;
use crate::settings::DatabaseUrl;
use crate::store::{self, Database};

const SECOND: i64 = 1_000_000;

fn key(secret: &ApiKeySecret) -> ApiKey {
    ApiKey {
        id: Uuid::from_u128(1),
        principal: PrincipalId { kind: Kind::Agent, id: Uuid::from_u128(2) },
        name: "deploy".into(),
        scopes: Arc::new(["agent:calc".to_owned()].into()),
        created_by: Uuid::from_u128(3),
        state: State::Active,
        created_at: SECOND,
        updated_at: SECOND,
        expires_at: None,
        revision: 1,
        hash: secret.hash(),
        previous: None,
        uses: Arc::new(Uses::default()),
    }
}

async fn place() -> (Arc<dyn Database>, Ledger, Clock) {
    let clock = Clock::manual("2026-03-11T10:00:00Z".parse().unwrap());
    let db = store::open(&DatabaseUrl::SqliteMemory).unwrap();
    db.migrate().await.unwrap();
    let signer = Arc::new(Signer::new("test", &SigningKey::from_bytes(&[1; 32])).unwrap());
    let ledger = Ledger::start(db.clone(), signer, clock.clone()).await.unwrap();
    (db, ledger, clock)
}

/// API keys that hold this one, in memory and in the store.
async fn holding(key: &ApiKey) -> (ApiKeys, Arc<dyn Database>) {
    let (db, ledger, clock) = place().await;
    let keys = ApiKeys { snapshot: ArcSwap::from_pointee(Snapshot::default()), ledger, clock };
    keys.write(&warrant(&keys), vec![key.insert().unwrap()], key.clone()).await.unwrap();
    (keys, db)
}

#[expect(clippy::disallowed_methods, reason = "a test writes on nobody's behalf")]
fn warrant(keys: &ApiKeys) -> Warrant {
    Warrant::system("test", &keys.clock)
}

fn text(secret: &ApiKeySecret) -> SecretString {
    secret.reveal().into()
}

#[tokio::test]
async fn a_key_is_recognised_until_it_expires() {
    let secret = ApiKeySecret::generate().unwrap();
    let key = ApiKey { expires_at: Some(10 * SECOND), ..key(&secret) };
    let (keys, _) = holding(&key).await;
    assert_eq!(keys.find(&text(&secret), 10 * SECOND - 1).unwrap().id, key.id);
    assert!(keys.find(&text(&secret), 10 * SECOND).is_none());
    let other = ApiKeySecret::generate().unwrap();
    assert!(keys.find(&text(&other), SECOND).is_none(), "well written, and nobody's");
}

#[tokio::test]
async fn a_disabled_key_and_a_revoked_one_are_not_recognised() {
    let secret = ApiKeySecret::generate().unwrap();
    for state in [State::Disabled, State::Revoked] {
        let (keys, db) = holding(&key(&secret)).await;
        let next = key(&secret).changed(2 * SECOND, |it| it.state = state);
        keys.replace(&warrant(&keys), next, Vec::new(), None).await.unwrap();
        assert!(keys.find(&text(&secret), 3 * SECOND).is_none(), "{state:?}");
        let again = ApiKeys::load(&*db, keys.ledger.clone(), keys.clock.clone()).await.unwrap();
        assert!(again.find(&text(&secret), 3 * SECOND).is_none(), "{state:?} in the store");
        assert_eq!(again.snapshot().keys().len(), usize::from(state == State::Disabled));
    }
}

#[tokio::test]
async fn a_rotated_text_is_good_until_the_overlap_ends() {
    let (old, new) = (ApiKeySecret::generate().unwrap(), ApiKeySecret::generate().unwrap());
    let (keys, db) = holding(&key(&old)).await;
    let next = key(&old).changed(2 * SECOND, |it| {
        it.previous = Some(Previous { hash: it.hash, until: 9 * SECOND });
        it.hash = new.hash();
    });
    keys.replace(&warrant(&keys), next, Vec::new(), None).await.unwrap();
    let again = ApiKeys::load(&*db, keys.ledger.clone(), keys.clock.clone()).await.unwrap();
    for keys in [&keys, &again] {
        assert!(keys.find(&text(&old), 9 * SECOND - 1).is_some());
        assert!(keys.find(&text(&old), 9 * SECOND).is_none());
        assert!(keys.find(&text(&new), 9 * SECOND).is_some());
    }
}

#[tokio::test]
async fn a_revision_that_comes_late_brings_no_key_back() {
    let secret = ApiKeySecret::generate().unwrap();
    let first = key(&secret);
    let renamed = first.changed(2 * SECOND, |it| it.name = "late".into());
    let revoked = renamed.changed(3 * SECOND, |it| it.state = State::Revoked);
    let mut snapshot = Snapshot::default();
    for it in [first, revoked, renamed] {
        snapshot.put(Arc::new(it));
    }
    assert!(snapshot.find(secret.hash()).is_none());
    assert!(snapshot.keys().is_empty());
}

#[tokio::test]
async fn uses_are_written_down_together_and_once() {
    let secret = ApiKeySecret::generate().unwrap();
    let (keys, db) = holding(&key(&secret)).await;
    for now in [5 * SECOND, 7 * SECOND, 6 * SECOND] {
        keys.find(&text(&secret), now).unwrap().note_use(now);
    }
    let entries = async || {
        let rows = db.query("SELECT COUNT(*) FROM audit", vec![]).await.unwrap();
        rows[0].int(0).unwrap()
    };
    let before = entries().await;
    keys.write_uses().await.unwrap();
    keys.write_uses().await.unwrap();
    assert_eq!(entries().await, before + 1, "nothing new, nothing written");
    let again = ApiKeys::load(&*db, keys.ledger.clone(), keys.clock.clone()).await.unwrap();
    let stored = again.snapshot().key(Uuid::from_u128(1)).unwrap().last_used_at();
    assert_eq!(stored, Some(7 * SECOND));
}
