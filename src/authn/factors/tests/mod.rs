//! Second factors over a store in memory: what is good once is good once.

#[path = "../../../../tests/it/harness/authenticator.rs"]
mod authenticator;
mod passkeys;

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use totp_rs::Totp;

use super::*;
use crate::audit::Ledger;
use crate::audit::checkpoint::Signer;
use crate::authz::Warrant;
use crate::directory::{Directory, Giver, NewUser, Roles, User};
use crate::store::Sqlite;

/// Two people and their second factors.
pub struct World {
    pub factors: Factors,
    pub clock: Clock,
    pub alice: Arc<User>,
    pub bob: Arc<User>,
    pub db: Arc<dyn Database>,
    ledger: Ledger,
}

impl World {
    pub async fn new(public_url: &str) -> World {
        let clock = Clock::manual(Timestamp::from_second(1_900_000_000).unwrap());
        let db: Arc<dyn Database> = Arc::new(Sqlite::in_memory().unwrap());
        db.migrate().await.unwrap();
        let signer = Signer::new("gate.example/audit", &SigningKey::from_bytes(&[7; 32])).unwrap();
        let ledger = Ledger::start(db.clone(), Arc::new(signer), clock.clone()).await.unwrap();
        let directory = Directory::load(db.clone(), ledger.clone(), clock.clone()).await.unwrap();
        let factors = factors(&db, &ledger, &clock, 9, public_url);
        let [alice, bob] = ["alice", "bob"].map(|username| NewUser {
            username: username.to_owned(),
            password: "unused".into(),
            roles: Roles::new(),
        });
        let alice = directory
            .insert_user(
                &warrant(&clock),
                directory.new_user(&alice, Giver::Host).unwrap(),
                String::new(),
                vec![],
            )
            .await
            .unwrap();
        let bob = directory
            .insert_user(
                &warrant(&clock),
                directory.new_user(&bob, Giver::Host).unwrap(),
                String::new(),
                vec![],
            )
            .await
            .unwrap();
        World { factors, clock, alice, bob, db, ledger }
    }

    pub async fn commit(&self, statements: Vec<Statement>) -> Result<()> {
        self.ledger.commit(&warrant(&self.clock), statements).await
    }

    /// An app that alice has confirmed, and her recovery codes.
    async fn enrolled(&self) -> (Totp, Vec<SecretString>) {
        let (id, app) = self.begun().await;
        let confirmed = self.confirm(id, &self.code(&app, 0)).await.unwrap();
        self.commit(confirmed.statements).await.unwrap();
        (app, confirmed.recovery_codes)
    }

    async fn begun(&self) -> (Uuid, Totp) {
        let new = self.factors.begin_totp(&self.alice, APP.to_owned()).await.unwrap();
        self.commit(new.statements).await.unwrap();
        (new.id, Totp::from_url(new.provisioning.uri.expose_secret()).unwrap())
    }

    async fn confirm(&self, factor: Uuid, code: &SecretString) -> Option<Confirmed> {
        self.factors.confirm_totp(self.alice.id, factor, code).await.unwrap()
    }

    /// What the app shows `steps` from now.
    fn code(&self, app: &Totp, steps: i64) -> SecretString {
        let now = self.clock.now().as_second() + 30 * steps;
        app.generate(now.unsigned_abs()).to_string().into()
    }

    async fn prove(&self, otp: &SecretString) -> Tried {
        self.factors.prove(self.alice.id, otp).await.unwrap()
    }

    /// Proves and uses up.
    async fn used(&self, otp: &SecretString) {
        let Tried::Proven(proven) = self.prove(otp).await else {
            panic!("not proven");
        };
        self.commit(proven.statements).await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test writes on nobody's behalf")]
fn warrant(clock: &Clock) -> Warrant {
    Warrant::system("test", clock)
}

fn factors(
    db: &Arc<dyn Database>,
    ledger: &Ledger,
    clock: &Clock,
    key: u8,
    public_url: &str,
) -> Factors {
    let origin = public_url.parse().unwrap();
    Factors::new(db.clone(), ledger.clone(), clock.clone(), &Seed::new([key; 32]), &origin).unwrap()
}

async fn world() -> World {
    World::new("https://gate.example").await
}

#[tokio::test]
async fn an_app_counts_from_its_first_code_on() {
    let world = world().await;
    let (id, app) = world.begun().await;
    let code = world.code(&app, 0);
    assert!(matches!(world.prove(&code).await, Tried::Wrong), "it is pending");
    assert!(!world.factors.of(world.alice.id).await.unwrap().is_active());
    assert!(world.confirm(id, &world.code(&app, 7)).await.is_none());
    let confirmed = world.confirm(id, &code).await.unwrap();
    world.commit(confirmed.statements).await.unwrap();
    let enrolled = world.factors.of(world.alice.id).await.unwrap();
    assert!(enrolled.is_active());
    assert_eq!((enrolled.recovery_left, confirmed.recovery_codes.len()), (10, 10));
    assert!(matches!(world.prove(&code).await, Tried::Used), "confirming used it");
    let again = world.factors.confirm_totp(world.alice.id, id, &code).await;
    assert!(matches!(again, Err(Error::NotFound)), "it is pending no more");
}

#[tokio::test]
async fn an_app_that_nobody_confirms_is_forgotten() {
    let world = world().await;
    let (first, app) = world.begun().await;
    let (second, _) = world.begun().await;
    let missing = world.factors.confirm_totp(world.alice.id, first, &world.code(&app, 0)).await;
    assert!(matches!(missing, Err(Error::NotFound)), "the second took its place");
    let of_bob = world.factors.confirm_totp(world.bob.id, second, &"123456".into()).await;
    assert!(matches!(of_bob, Err(Error::NotFound)), "it is not his");
    world.clock.advance(15 * 60 + 1);
    let late = world.factors.confirm_totp(world.alice.id, second, &"123456".into()).await;
    assert!(matches!(late, Err(Error::NotFound)), "it waited too long");
}

#[tokio::test]
async fn a_step_is_used_once_and_only_forward() {
    let world = world().await;
    let (app, _) = world.enrolled().await;
    world.clock.advance(60);
    world.used(&world.code(&app, 0)).await;
    for steps in [-1, 0] {
        let tried = world.prove(&world.code(&app, steps)).await;
        assert!(matches!(tried, Tried::Used), "{steps} steps from now: {tried:?}");
    }
    world.used(&world.code(&app, 1)).await;
    for steps in [-2, 2] {
        let tried = world.prove(&world.code(&app, steps)).await;
        assert!(matches!(tried, Tried::Wrong), "{steps} steps from now: {tried:?}");
    }
}

#[tokio::test]
async fn of_two_who_use_one_code_one_wins() {
    let world = world().await;
    let (app, recovery) = world.enrolled().await;
    world.clock.advance(60);
    for otp in [&world.code(&app, 0), &recovery[0]] {
        let (Tried::Proven(first), Tried::Proven(second)) =
            (world.prove(otp).await, world.prove(otp).await)
        else {
            panic!("both saw it unused");
        };
        world.commit(first.statements).await.unwrap();
        let second = world.commit(second.statements).await;
        assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");
    }
}

#[tokio::test]
async fn a_recovery_code_is_good_once_for_its_owner() {
    let world = world().await;
    let (_, codes) = world.enrolled().await;
    let of_bob = world.factors.prove(world.bob.id, &codes[0]).await.unwrap();
    assert!(matches!(of_bob, Tried::Wrong));
    world.used(&codes[0]).await;
    assert!(matches!(world.prove(&codes[0]).await, Tried::Used));
    assert_eq!(world.factors.of(world.alice.id).await.unwrap().recovery_left, 9);
    let next = world.factors.new_recovery(world.alice.id).unwrap();
    world.commit(next.statements).await.unwrap();
    assert!(matches!(world.prove(&codes[1]).await, Tried::Wrong), "a new set ends the old");
    world.used(&next.codes[9]).await;
}

#[tokio::test]
async fn the_last_factor_takes_the_recovery_codes_with_it() {
    let world = world().await;
    world.enrolled().await;
    world.clock.advance(60);
    let (app, codes) = world.enrolled().await;
    assert!(codes.is_empty(), "the first set still holds");
    world.clock.advance(60);
    for (left, codes_left) in [(1, 10), (0, 0)] {
        let enrolled = world.factors.of(world.alice.id).await.unwrap();
        let first = enrolled.factors[0].id;
        let of_bob = world.factors.removal(world.bob.id, first).await;
        assert!(matches!(of_bob, Err(Error::NotFound)));
        let statements = world.factors.removal(world.alice.id, first).await.unwrap();
        world.commit(statements).await.unwrap();
        let enrolled = world.factors.of(world.alice.id).await.unwrap();
        assert_eq!((enrolled.factors.len(), enrolled.recovery_left), (left, codes_left));
    }
    assert!(matches!(world.prove(&world.code(&app, 0)).await, Tried::Wrong));
}

#[tokio::test]
async fn whoever_lost_everything_begins_anew() {
    let world = world().await;
    let (app, codes) = world.enrolled().await;
    world.clock.advance(60);
    world.commit(forget_all(world.alice.id)).await.unwrap();
    assert!(!world.factors.of(world.alice.id).await.unwrap().is_active());
    for otp in [&world.code(&app, 0), &codes[0]] {
        assert!(matches!(world.prove(otp).await, Tried::Wrong));
    }
    assert_eq!(world.enrolled().await.1.len(), 10);
}

#[tokio::test]
async fn the_store_holds_no_secret_and_opens_to_one_key() {
    let world = world().await;
    let (app, codes) = world.enrolled().await;
    let enrolled = world.factors.of(world.alice.id).await.unwrap();
    let body = &enrolled.factors[0].body;
    let secret = app.secret().as_ref();
    assert!(!body.windows(secret.len()).any(|it| it == secret));
    let code = codes[0].expose_secret().replace('-', "");
    let rows = world.db.query("SELECT hash FROM recovery_codes", vec![]).await.unwrap();
    assert!(rows.iter().all(|it| it.bytes(0).unwrap() != code.as_bytes()));
    assert!(world.factors.check_key().await.is_ok());
    let other = factors(&world.db, &world.ledger, &world.clock, 8, "https://gate.example");
    assert!(other.check_key().await.is_err());
    assert!(other.prove(world.alice.id, &world.code(&app, 1)).await.is_err(), "doubt never passes");
}

#[tokio::test]
async fn a_body_that_is_moved_to_another_user_does_not_open() {
    let world = world().await;
    let (app, _) = world.enrolled().await;
    let steal = Statement::new("UPDATE factors SET user_id = $1").bind(world.bob.id);
    world.commit(vec![steal]).await.unwrap();
    let tried = world.factors.prove(world.bob.id, &world.code(&app, 1)).await;
    assert!(tried.is_err(), "{tried:?}");
}
