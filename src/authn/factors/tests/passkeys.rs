//! Passkeys, with an authenticator in software.

use serde_json::{Value, from_value};

use super::authenticator::Authenticator;
use super::*;

const ORIGIN: &str = "https://gate.example";

/// Enrols it for `user`; the error of the ceremony or of its commit.
async fn enrol(world: &World, user: &User, key: &Authenticator) -> Result<Confirmed> {
    let begun = world.factors.begin_passkey(user, "laptop".to_owned()).await?;
    let made = from_value(key.create(&begun.options)).unwrap();
    let mut confirmed = world.factors.finish_passkey(user.id, &begun.state, &made).await?;
    world.commit(std::mem::take(&mut confirmed.statements)).await?;
    Ok(confirmed)
}

async fn begun(world: &World) -> Ceremony {
    world.factors.begin_proof(world.alice.id).await.unwrap().unwrap()
}

async fn finished(world: &World, state: &CeremonyState, signed: Value) -> Tried {
    let signed = from_value(signed).unwrap();
    world.factors.finish_proof(world.alice.id, state, &signed).await.unwrap()
}

async fn prove(world: &World, key: &Authenticator) -> Tried {
    let begun = begun(world).await;
    finished(world, &begun.state, key.get(&begun.options)).await
}

#[tokio::test]
async fn a_passkey_is_enrolled_and_proven() {
    let (world, mut key) = (world().await, Authenticator::new(ORIGIN));
    assert!(world.factors.begin_proof(world.alice.id).await.unwrap().is_none());
    let confirmed = enrol(&world, &world.alice, &key).await.unwrap();
    assert_eq!(confirmed.recovery_codes.len(), 10, "it is her first factor");
    let enrolled = world.factors.of(world.alice.id).await.unwrap();
    assert!(enrolled.is_active() && enrolled.has_passkeys());
    assert_eq!(enrolled.factors[0].name, "laptop");
    for counter in [0, 0, 3, 4, 9] {
        key.counter = counter;
        let Tried::Proven(proven) = prove(&world, &key).await else {
            panic!("counter {counter} was not proven");
        };
        assert_eq!(proven.means, Means::Passkey);
        world.commit(proven.statements).await.unwrap();
    }
    assert!(world.factors.of(world.alice.id).await.unwrap().factors[0].used_at.is_some());
}

#[tokio::test]
async fn a_copy_is_noticed_by_its_counter() {
    let (world, mut key) = (world().await, Authenticator::new(ORIGIN));
    enrol(&world, &world.alice, &key).await.unwrap();
    key.counter = 5;
    let early = begun(&world).await;
    let Tried::Proven(proven) = prove(&world, &key).await else {
        panic!("not proven");
    };
    world.commit(proven.statements).await.unwrap();
    for counter in [0, 4, 5] {
        key.counter = counter;
        assert!(matches!(prove(&world, &key).await, Tried::Used), "counter {counter}");
        let tried = finished(&world, &early.state, key.get(&early.options)).await;
        assert!(matches!(tried, Tried::Used), "counter {counter}, begun before the other use");
    }
}

#[tokio::test]
async fn of_two_proofs_with_one_counter_one_wins() {
    let (world, mut key) = (world().await, Authenticator::new(ORIGIN));
    enrol(&world, &world.alice, &key).await.unwrap();
    key.counter = 5;
    let (Tried::Proven(first), Tried::Proven(second)) =
        (prove(&world, &key).await, prove(&world, &key).await)
    else {
        panic!("both saw it unused");
    };
    world.commit(first.statements).await.unwrap();
    assert!(matches!(world.commit(second.statements).await, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn what_was_signed_elsewhere_proves_nothing() {
    let (world, mut key) = (world().await, Authenticator::new(ORIGIN));
    enrol(&world, &world.alice, &key).await.unwrap();
    let stranger = Authenticator::new(ORIGIN);
    assert!(matches!(prove(&world, &stranger).await, Tried::Wrong), "another key of that id");
    key.verifies_user = false;
    assert!(matches!(prove(&world, &key).await, Tried::Wrong), "nobody was verified");
    key.verifies_user = true;
    key.origin = "https://gate.example.evil.example";
    assert!(matches!(prove(&world, &key).await, Tried::Wrong), "another page");
    key.origin = ORIGIN;
    let (first, second) = (begun(&world).await, begun(&world).await);
    let tried = finished(&world, &second.state, key.get(&first.options)).await;
    assert!(matches!(tried, Tried::Wrong), "the challenge of another ceremony");
}

#[tokio::test]
async fn a_ceremony_belongs_to_who_began_it() {
    let (world, key) = (world().await, Authenticator::new(ORIGIN));
    enrol(&world, &world.alice, &key).await.unwrap();
    let begun = begun(&world).await;
    let signed = from_value(key.get(&begun.options)).unwrap();
    let of_bob = world.factors.finish_proof(world.bob.id, &begun.state, &signed).await;
    assert!(of_bob.is_err(), "{of_bob:?}");
    let enrolment = world.factors.begin_passkey(&world.bob, "his".to_owned()).await.unwrap();
    let crossed = world.factors.finish_proof(world.bob.id, &enrolment.state, &signed).await;
    assert!(crossed.is_err(), "an enrolment is no proof: {crossed:?}");
}

#[tokio::test]
async fn a_passkey_is_enrolled_once_and_with_its_user_verified() {
    let (world, mut key) = (world().await, Authenticator::new(ORIGIN));
    enrol(&world, &world.alice, &key).await.unwrap();
    let again = enrol(&world, &world.alice, &key).await;
    assert!(matches!(again, Err(Error::Invalid(_))), "{again:?}");
    let of_bob = enrol(&world, &world.bob, &key).await;
    assert!(matches!(of_bob, Err(Error::Conflict(_))), "{of_bob:?}");
    key.verifies_user = false;
    let unverified = enrol(&world, &world.bob, &key).await;
    assert!(matches!(unverified, Err(Error::Invalid(_))), "{unverified:?}");
}

#[tokio::test]
async fn a_removed_passkey_proves_nothing_even_in_a_ceremony_that_began_before() {
    let (world, key) = (world().await, Authenticator::new(ORIGIN));
    enrol(&world, &world.alice, &key).await.unwrap();
    let begun = begun(&world).await;
    world.commit(forget_all(world.alice.id)).await.unwrap();
    let tried = finished(&world, &begun.state, key.get(&begun.options)).await;
    assert!(matches!(tried, Tried::Wrong), "{tried:?}");
}

#[tokio::test]
async fn a_server_without_a_name_says_so() {
    let world = World::new("http://127.0.0.1:8080").await;
    let refused = world.factors.begin_passkey(&world.alice, "laptop".to_owned()).await;
    let Err(Error::Conflict(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("public_url"), "{why}");
}
