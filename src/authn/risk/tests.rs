//! What raises a rating, what lowers it, and what the store remembers of a sign-in.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::history::{Context, History, expect_first, remember, trust_first_use};
use super::sighting::{Agent, Network, Sighting};
use super::{FirstUse, Rating, Reason, rate};
use crate::authz::Warrant;
use crate::authz::facts::Risk;
use crate::clock::Clock;
use crate::directory::Kind;
use crate::net::places::{Country, Place, Places, Position};
use crate::store::{self, Batch, Database, Group, Sqlite, Statement};

const HOUR: i64 = 3_600_000_000;
const NOW: i64 = 500_000 * HOUR;

fn place(country: &str, latitude: f64, longitude: f64) -> Place {
    Place { country: Country::parse(country), position: Position::new(latitude, longitude) }
}

fn berlin() -> Place {
    place("DE", 52.52, 13.405)
}

fn sydney() -> Place {
    place("AU", -33.87, 151.21)
}

fn seen(address: &str, agent: &str, place: Place) -> Sighting {
    Sighting {
        kind: Kind::User,
        network: Network::of(address.parse().unwrap()),
        agent: Agent::of(agent),
        place,
        blocked: false,
        hour: 12,
        at: NOW,
    }
}

fn context(seen: &Sighting, hours_ago: i64) -> Context {
    let Sighting { network, agent, place, .. } = *seen;
    Context { network, agent, place, last_at: NOW - hours_ago * HOUR }
}

fn history(contexts: Vec<Context>) -> History {
    History { contexts, ..History::default() }
}

fn first(first_use: FirstUse) -> History {
    History { first_use: Some(first_use), ..History::default() }
}

fn rated(seen: &Sighting, history: &History) -> (Risk, Vec<Reason>) {
    let Rating { risk, reasons } = rate(seen, history);
    (risk, reasons)
}

#[test]
fn what_is_new_is_named() {
    use Reason::*;
    let home = seen("192.0.2.1", "curl/8", berlin());
    let known = history(vec![context(&home, 48)]);
    let nowhere = Place::default();
    let table = [
        (home.clone(), Risk::Low, vec![Known]),
        (seen("192.0.2.2", "curl/9", berlin()), Risk::Medium, vec![NewAddress]),
        (seen("192.0.2.1", "wget/1", berlin()), Risk::Medium, vec![NewUserAgent]),
        (seen("192.0.2.2", "wget/1", nowhere), Risk::Medium, vec![NewAddress, NewUserAgent]),
        (seen("192.0.2.2", "curl/8", sydney()), Risk::Medium, vec![NewAddress, NewCountry]),
        (Sighting { blocked: true, ..home }, Risk::High, vec![BlockedNetwork]),
    ];
    for (seen, risk, reasons) in table {
        assert_eq!(rated(&seen, &known), (risk, reasons), "{seen:?}");
    }
    assert_eq!(
        rated(&home, &first(super::FirstUse::Unknown)),
        (Risk::Medium, vec![NewAddress, NewUserAgent])
    );
}

#[test]
fn the_first_use_is_trusted_once_and_only_where_it_is_said() {
    let home = seen("192.0.2.1", "curl/8", berlin());
    let trusting = first(FirstUse::Trusted);
    assert_eq!(rated(&home, &trusting), (Risk::Low, vec![Reason::FirstUse]));
    let forgotten = rated(&home, &history(Vec::new())).0;
    assert_eq!(forgotten, Risk::Medium, "it has signed in before, too long ago to count");
    let blocked = Sighting { blocked: true, ..home };
    assert_eq!(rated(&blocked, &trusting).0, Risk::High);
}

#[test]
fn nobody_is_in_two_far_places_at_once() {
    let home = seen("192.0.2.1", "curl/8", berlin());
    let abroad = seen("198.51.100.1", "curl/8", sydney());
    let after = |hours| rated(&abroad, &history(vec![context(&home, hours)]));
    assert_eq!(after(16).0, Risk::High, "16,090 km");
    assert!(after(16).1.contains(&Reason::ImpossibleTravel));
    assert_eq!(after(17).0, Risk::Medium);
    assert_eq!(after(-5).0, Risk::High, "the clock was set back");
    let near = seen("198.51.100.1", "curl/8", place("DE", 53.55, 9.99));
    assert_eq!(rated(&near, &history(vec![context(&home, 0)])).0, Risk::Medium, "255 km");
    let both = history(vec![context(&home, 0), context(&abroad, 100)]);
    assert_eq!(rated(&abroad, &both).0, Risk::Low, "the address is known: a VPN");
    let machine = Sighting { kind: Kind::Agent, ..abroad };
    assert_eq!(rated(&machine, &history(vec![context(&home, 0)])).0, Risk::Medium);
}

#[test]
fn hours_are_unusual_once_enough_are_known() {
    let home = seen("192.0.2.1", "curl/8", berlin());
    let at = |hour, hours: &[(i64, i64)]| {
        let known = History { hours: hours.to_vec(), ..history(vec![context(&home, 1)]) };
        rated(&Sighting { hour, ..home.clone() }, &known).1
    };
    assert_eq!(at(3, &[(9, 19)]), [Reason::Known], "nineteen are too few");
    assert_eq!(at(3, &[(9, 20)]), [Reason::UnusualHour]);
    assert_eq!(at(3, &[(9, 12), (17, 8)]), [Reason::UnusualHour]);
    assert_eq!(at(5, &[(9, 20)]), [Reason::UnusualHour]);
    assert_eq!(at(6, &[(9, 20)]), [Reason::Known]);
    assert_eq!(at(12, &[(9, 20)]), [Reason::Known]);
    assert_eq!(at(1, &[(22, 20)]), [Reason::Known], "the day is a circle");
    assert_eq!(at(2, &[(22, 20)]), [Reason::UnusualHour]);
}

#[test]
fn every_reason_is_the_word_that_it_is_written_as() {
    use Reason::*;
    let all = [
        BlockedNetwork,
        ImpossibleTravel,
        NewAddress,
        NewUserAgent,
        NewCountry,
        UnusualHour,
        FirstUse,
        Known,
    ];
    for reason in all {
        assert_eq!(serde_json::json!(reason), reason.as_str());
    }
    assert!(all.is_sorted_by_key(|it| std::cmp::Reverse(it.risk())), "the gravest first");
}

fn places() -> impl Strategy<Value = Place> {
    let table = [Place::default(), berlin(), sydney(), place("FR", 48.86, 2.35)];
    proptest::sample::select(table.to_vec())
}

fn sightings() -> impl Strategy<Value = Sighting> {
    let kind = proptest::sample::select(vec![Kind::User, Kind::Agent]);
    let agent = proptest::sample::select(vec!["curl/8", "wget/1", ""]);
    (kind, 0u8..4, agent, places(), any::<bool>(), 0i64..24).prop_map(
        |(kind, last, agent, place, blocked, hour)| {
            let address = format!("192.0.2.{last}");
            Sighting { kind, blocked, hour, ..seen(&address, agent, place) }
        },
    )
}

fn histories() -> impl Strategy<Value = History> {
    let contexts = proptest::collection::vec((sightings(), 0i64..100), 0..6);
    let hours = proptest::collection::vec((0i64..24, 1i64..15), 0..4);
    let first_use = proptest::sample::select(vec![FirstUse::Trusted, FirstUse::Unknown]);
    (contexts, hours, proptest::option::of(first_use)).prop_map(|(contexts, hours, first_use)| {
        let contexts: Vec<_> = contexts.iter().map(|(it, ago)| context(it, *ago)).collect();
        let first_use = first_use.filter(|_| contexts.is_empty());
        History { contexts, hours, first_use }
    })
}

proptest! {
    /// The rating is its gravest reason, whatever else there is.
    #[test]
    fn a_rating_is_as_grave_as_its_gravest_reason(
        seen in sightings(), history in histories(),
    ) {
        let rating = rate(&seen, &history);
        prop_assert_eq!(Some(rating.risk), rating.reasons.first().map(|it| it.risk()));
        prop_assert!(rating.reasons.iter().all(|it| it.risk() <= rating.risk));
        let calm = rating.reasons.iter().any(|it| it.risk() == Risk::Low);
        prop_assert_eq!(calm, rating.reasons.len() == 1 && rating.risk == Risk::Low);
    }

    /// A sign-in that became known is known: the next one like it is low.
    #[test]
    fn what_was_let_in_is_known(seen in sightings(), mut history in histories()) {
        let seen = Sighting { blocked: false, ..seen };
        history.contexts.push(context(&seen, 0));
        history.hours.push((seen.hour, 1));
        history.first_use = None;
        prop_assert_eq!(rated(&seen, &history), (Risk::Low, vec![Reason::Known]));
    }

    /// Knowing more contexts never raises a rating, but by what they say of where somebody was.
    #[test]
    fn knowing_more_never_raises_a_rating(
        seen in sightings(), mut history in histories(), more in sightings(), ago in 0i64..100,
    ) {
        history.first_use = None;
        let before = rated(&seen, &history).0;
        let mut grown = history;
        let mut more = context(&more, ago);
        more.place = Default::default();
        grown.contexts.push(more);
        prop_assert!(rated(&seen, &grown).0 <= before);
    }

    /// One signal more never lowers a rating.
    #[test]
    fn one_signal_more_never_lowers_a_rating(
        seen in sightings(), history in histories(),
    ) {
        let before = rated(&seen, &history).0;
        let stranger = Network::of("203.0.113.9".parse().unwrap());
        for worse in [
            Sighting { blocked: true, ..seen.clone() },
            Sighting { network: stranger, ..seen.clone() },
            Sighting { agent: Agent::of("stranger"), ..seen },
        ] {
            prop_assert!(rated(&worse, &history).0 >= before);
        }
    }
}

/// Commits statements of one batch; how it ended.
#[expect(clippy::disallowed_methods, reason = "a test writes on nobody's behalf")]
async fn commit(db: &dyn Database, statements: Vec<Statement>) -> store::Result<()> {
    let batch = Batch::new(&Warrant::system("test", &Clock::system()), statements);
    let guard = Statement::new("UPDATE audit_head SET size = size WHERE id = 1 RETURNING size");
    let seal = Box::new(|_: &store::Row, _: &[bool]| Ok(Vec::new()));
    let outcomes = db.commit(Group { guard, batches: Arc::new(vec![batch]), seal }).await?;
    outcomes.into_iter().collect()
}

async fn load(db: &dyn Database, principal: Uuid, since: i64) -> History {
    let of = (Kind::User, principal);
    History::load(db, of, since, &Places::default()).await.unwrap()
}

#[tokio::test]
async fn the_store_remembers_each_principal_by_itself() {
    let db = Sqlite::in_memory().unwrap();
    db.migrate().await.unwrap();
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let home = seen("2001:db8::1", "curl/8", berlin());
    assert_eq!(load(&db, one, 0).await.first_use, Some(FirstUse::Unknown));
    for hours in 0..3 {
        let again = Sighting { at: NOW + hours * HOUR, hour: 12 + hours / 2, ..home.clone() };
        commit(&db, remember(one, &again)).await.unwrap();
    }
    let known = load(&db, one, 0).await;
    let [context] = &known.contexts[..] else { panic!("{known:?}") };
    assert_eq!((context.network, context.agent), (home.network, home.agent));
    assert_eq!((context.place.country, context.last_at), (berlin().country, NOW + 2 * HOUR));
    assert_eq!(known.hours, [(12, 2), (13, 1)]);
    assert!(load(&db, other, 0).await.contexts.is_empty());
    let stale = load(&db, one, NOW + 3 * HOUR).await;
    assert!(stale.contexts.is_empty());
    assert_eq!(stale.first_use, None, "old, and not as if never seen");
}

#[tokio::test]
async fn the_latest_fifty_contexts_are_kept() {
    let db = Sqlite::in_memory().unwrap();
    db.migrate().await.unwrap();
    let one = Uuid::from_u128(1);
    for n in 0..60 {
        let at = seen(&format!("192.0.2.{n}"), "curl/8", berlin());
        commit(&db, remember(one, &Sighting { at: NOW + n, ..at })).await.unwrap();
    }
    let rows = db.query("SELECT network FROM known_contexts", vec![]).await.unwrap();
    assert_eq!(rows.len(), 50);
    let known = load(&db, one, 0).await;
    let oldest = known.contexts.iter().map(|it| it.last_at).min();
    assert_eq!(oldest, Some(NOW + 10));
}

#[tokio::test]
async fn of_two_first_uses_one_is_the_first() {
    let db = Sqlite::in_memory().unwrap();
    db.migrate().await.unwrap();
    let one = Uuid::from_u128(1);
    let first = |address: &str| {
        let mut statements = remember(one, &seen(address, "curl/8", berlin()));
        statements.push(expect_first(one));
        statements
    };
    commit(&db, first("192.0.2.1")).await.unwrap();
    commit(&db, first("192.0.2.1")).await.expect("the same context is no other first use");
    let late = commit(&db, first("192.0.2.2")).await;
    assert!(matches!(late, Err(store::Error::Conflict)), "{late:?}");
    assert_eq!(load(&db, one, 0).await.contexts.len(), 1);
}

#[tokio::test]
async fn machines_are_trusted_at_first_and_people_only_where_the_host_said_so() {
    let db = Sqlite::in_memory().unwrap();
    db.migrate().await.unwrap();
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    commit(&db, vec![trust_first_use(one)]).await.unwrap();
    let table = [
        (Kind::User, one, FirstUse::Trusted),
        (Kind::User, other, FirstUse::Unknown),
        (Kind::Agent, other, FirstUse::Trusted),
    ];
    for (kind, id, expected) in table {
        let history = History::load(&db, (kind, id), 0, &Places::default()).await.unwrap();
        assert_eq!(history.first_use, Some(expected), "{kind:?} {id}");
    }
}
