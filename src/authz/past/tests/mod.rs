//! The past held against a model of it, and against everything that may go wrong with it.

mod model;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use cedar_policy::{Entity, EntityUid};
use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::rows::LEASE;
use super::*;
use crate::audit::checkpoint::Signer;
use crate::audit::{Ledger, Outcome};
use crate::authn::Root;
use crate::authz::Warrant;
use crate::authz::action::Resource;
use crate::authz::facts::{Amount, Tally};
use crate::authz::uid::{Kind, uid};
use crate::directory;
use crate::policy::{Bundle, SourceFile, Sources};
use crate::store::{
    Batch, Error as StoreError, Group, Result as StoreResult, Row, Sqlite, Statement,
};

const FACTS: &str = r#"
[history.calls]
action = "invoke"
within = "60s"

[history.customers]
action = "invoke"
set = "records"
count = "distinct"
of = "/id"
per = "session"

[history.paid]
action = "invoke"
set = "records"
count = "sum"
of = "/amount"
per = "everybody"
within = "100s"

[history.passed]
action = "invoke"
tool = "tests"
outcome = "success"
per = "user"
within = "60s"

[history.failed]
action = "invoke"
outcome = "failed"
per = "tool"
within = "60s"
"#;

/// Reads every fact there is.
const POLICY: &str = r#"
@id("ours.x") @title("A rule of ours")
forbid (principal, action in Gatewright::Action::"call", resource) when {
  context.history.calls > 3 || context.history.customers > 3 || context.history.passed < 1 ||
  context.history.failed > 3 || context.history.paid.greaterThan(decimal("3.0"))
};
"#;

fn bundle(history: &str, policy: &str) -> Bundle {
    let mut sources = Sources::starter();
    sources.history =
        (!history.is_empty()).then(|| SourceFile::new("policies", "history.toml", history));
    if !policy.is_empty() {
        sources.policies.push(SourceFile::new("policies", "90-ours.cedar", policy));
    }
    Bundle::tested_before(sources).unwrap()
}

/// A tool, as far as it matters.
struct Named {
    name: &'static str,
    entity: Entity,
}

impl Named {
    fn new(name: &'static str, set: &str) -> Named {
        let sets = HashSet::from([uid(Kind::ToolSet, set)]);
        let entity = Entity::new(uid(Kind::Tool, name), Default::default(), sets).unwrap();
        Named { name, entity }
    }
}

impl Resource for Named {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        self.name
    }
}

/// Of a machine's access token.
const TOKEN_LIFE: Duration = Duration::from_secs(900);

fn who(n: u128) -> Who {
    let principal = Uuid::from_u128(n);
    Who { principal, session: format!("session:{n}"), machine: None, user: principal }
}

fn asks<'a>(n: u128, tool: &'a Named, arguments: &'a Value) -> Asked<'a> {
    let sets = Default::default();
    Asked { who: who(n), action: "invoke", resource: tool, arguments: Some(arguments), sets }
}

async fn past(db: Arc<dyn Database>, clock: &Clock) -> Past {
    db.migrate().await.unwrap();
    let key = SigningKey::from_bytes(&[7; 32]);
    let signer = Arc::new(Signer::new("test/audit", &key).unwrap());
    let ledger = Ledger::start(db.clone(), signer, clock.clone()).await.unwrap();
    Past::start((db, ledger), &key, TOKEN_LIFE, clock.clone())
}

fn clock() -> Clock {
    Clock::manual("2026-03-11T10:00:00Z".parse::<Timestamp>().unwrap())
}

/// Writes down that an allowed request has begun, or ended.
#[expect(clippy::disallowed_methods, reason = "a test writes on nobody's behalf")]
async fn write(past: &Past, recorded: Recorded, outcome: Outcome) -> StoreResult<()> {
    let (at, id) = (past.clock.micros(), past.clock.new_id());
    let batch =
        Batch::new(&Warrant::system("test", &past.clock), recorded.statements(outcome, at, id));
    let guard = Statement::new("UPDATE audit_head SET size = size WHERE id = 1 RETURNING size");
    let seal = Box::new(|_: &Row, _: &[bool]| Ok(Vec::new()));
    let held = past.db.commit(Group { guard, batches: Arc::new(vec![batch]), seal }).await?;
    held.into_iter().collect::<StoreResult<Vec<()>>>()?;
    recorded.settle();
    Ok(())
}

async fn told(past: &Past, begun: &Begun) -> History {
    begun.told(past).await.unwrap().history
}

fn count(history: &History, name: &str) -> u64 {
    match history.get(name) {
        Some(Tally::Count(it)) => it,
        other => panic!("{name}: {other:?}"),
    }
}

/// A store that must not be asked anything.
struct Silent;

#[async_trait]
impl Database for Silent {
    async fn query(&self, _: &'static str, _: Vec<crate::store::Value>) -> StoreResult<Vec<Row>> {
        Err(StoreError::Stopped)
    }

    async fn commit(&self, _: Group) -> StoreResult<Vec<StoreResult<()>>> {
        Err(StoreError::Stopped)
    }

    async fn migrate(&self) -> StoreResult<()> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "silent"
    }
}

#[tokio::test]
async fn whoever_has_nothing_to_do_with_the_past_never_gets_to_the_store() {
    let clock = clock();
    let known = past(Arc::new(Sqlite::in_memory().unwrap()), &clock).await;
    let db: Arc<dyn Database> = Arc::new(Silent);
    let past = Past { writer: Writer::start(db.clone(), clock.clone()), db, ..known };
    let (tool, arguments) = (Named::new("read", "records"), json!({ "id": 1, "amount": 1 }));
    let call = asks(1, &tool, &arguments);
    let other =
        Asked { action: "request_credential", arguments: None, ..asks(1, &tool, &arguments) };

    let plain = bundle("", "");
    let declared = bundle(FACTS, POLICY);
    for (bundle, asked) in [(&plain, &call), (&plain, &other), (&declared, &other)] {
        let begun = past.begin(bundle, asked).await.unwrap();
        assert_eq!(told(&past, &begun).await, History::default());
        assert_eq!(past.foresee(bundle, asked).await.unwrap(), History::default());
    }
    let down = past.begin(&declared, &call).await;
    assert!(matches!(down, Err(crate::Error::Unavailable { .. })), "{down:?}");
    assert!(past.foresee(&declared, &call).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused_with_its_place() {
    let past = past(Arc::new(Sqlite::in_memory().unwrap()), &clock()).await;
    let (bundle, tool) = (bundle(FACTS, POLICY), Named::new("read", "records"));
    for (arguments, pointers) in [
        (json!({}), &["/arguments/id", "/arguments/amount"][..]),
        (json!({ "id": null, "amount": 1 }), &["/arguments/id"]),
        (json!({ "id": 1, "amount": "1" }), &["/arguments/amount"]),
        (json!({ "id": 1, "amount": -0.5 }), &["/arguments/amount"]),
        (json!({ "id": 1, "amount": 0.00001 }), &["/arguments/amount"]),
        (json!({ "id": 1, "amount": 1e300 }), &["/arguments/amount"]),
    ] {
        match past.begin(&bundle, &asks(1, &tool, &arguments)).await {
            Err(crate::Error::Invalid(faults)) => {
                let at: HashSet<&str> = faults.iter().map(|it| it.pointer.as_str()).collect();
                assert_eq!(at, pointers.iter().copied().collect(), "{arguments}");
            }
            other => panic!("{arguments}: {other:?}"),
        }
    }
    let elsewhere = Named::new("read", "others");
    past.begin(&bundle, &asks(1, &elsewhere, &json!({}))).await.unwrap();
}

#[tokio::test]
async fn another_session_gives_a_machine_nothing_more() {
    let clock = clock();
    let past = past(Arc::new(Sqlite::in_memory().unwrap()), &clock).await;
    let history = format!(
        "{FACTS}\n[history.tested]\naction = \"invoke\"\noutcome = \"success\"\nper = \"session\"\n"
    );
    let policy = POLICY.replace("{\n  context", "{\n  context.history.tested < 1 || context");
    let (bundle, tool) = (bundle(&history, &policy), Named::new("read", "records"));
    let arguments = [1, 2, 3].map(|id| json!({ "id": id, "amount": 0 }));
    let machine = Who::machine(directory::Kind::Agent, Uuid::from_u128(1), Uuid::from_u128(1));
    let asks = |session: u128, at: usize| {
        let who = Who { session: format!("session:{session}"), machine: machine.clone(), ..who(1) };
        Asked { who, ..asks(1, &tool, &arguments[at]) }
    };
    let done = async |session, at| {
        let begun = past.begin(&bundle, &asks(session, at)).await.unwrap();
        let seen = count(&told(&past, &begun).await, "customers");
        let mut recorded = begun.recorded();
        let ended = recorded.follow();
        write(&past, recorded, Outcome::Success).await.unwrap();
        write(&past, ended, Outcome::Success).await.unwrap();
        seen
    };
    assert_eq!((done(1, 0).await, done(2, 1).await), (1, 2), "a new token is no new session");
    // What ended well is the session's own: more of it could allow.
    let foreseen = past.foresee(&bundle, &asks(3, 2)).await.unwrap();
    assert_eq!(count(&foreseen, "customers"), 3);
    assert_eq!(count(&foreseen, "tested"), 0);
    let foreseen = past.foresee(&bundle, &asks(1, 2)).await.unwrap();
    assert_eq!(count(&foreseen, "tested"), 1);
    // The first of its tokens is over, and what it saw with it.
    clock.advance(i64::try_from(TOKEN_LIFE.as_secs()).unwrap());
    assert_eq!(done(4, 2).await, 1);
}

#[tokio::test]
async fn a_request_that_was_allowed_is_told_of_itself_once() {
    let past = past(Arc::new(Sqlite::in_memory().unwrap()), &clock()).await;
    let (bundle, tool) = (bundle(FACTS, POLICY), Named::new("read", "records"));
    let arguments = json!({ "id": 1, "amount": 2 });
    let asked = || asks(1, &tool, &arguments);
    let begun = past.begin(&bundle, &asked()).await.unwrap();
    let then = told(&past, &begun).await;
    write(&past, begun.recorded(), Outcome::Success).await.unwrap();
    assert_eq!(past.recall(&bundle, &asked()).await.unwrap(), then);
    // What is not decided yet comes after it.
    let later = past.begin(&bundle, &asked()).await.unwrap();
    assert_eq!(past.recall(&bundle, &asked()).await.unwrap(), then);
    assert_eq!(count(&told(&past, &later).await, "calls"), 2);
}

#[tokio::test]
async fn of_what_nobody_tells_the_end_of_no_end_is_counted() {
    let past = past(Arc::new(Sqlite::in_memory().unwrap()), &clock()).await;
    let (bundle, tool) = (bundle(FACTS, POLICY), Named::new("tests", "none"));
    let arguments = json!({});
    let asked = || asks(1, &tool, &arguments);
    let begun = past.begin(&bundle, &asked()).await.unwrap();
    write(&past, begun.recorded().without_end(), Outcome::Success).await.unwrap();
    let history = past.recall(&bundle, &asked()).await.unwrap();
    assert_eq!((count(&history, "calls"), count(&history, "passed")), (1, 0));
}

#[test]
fn what_hangs_on_a_session_or_a_key_counts_with_it() {
    let (agent, user) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let sessions = |kind, root| {
        let it = Who::under(root, (kind, agent), Some(user));
        assert_eq!((it.principal, it.user), (agent, user));
        (it.session, it.machine)
    };
    let of = |kind: &str, id: Uuid| format!("{kind}:{id}");
    let (session, key) = (Some(Root::Session(user)), Some(Root::ApiKey(user)));
    let machine = Some(format!("machine:{agent}/{user}"));
    assert_eq!(sessions(directory::Kind::Agent, session), (of("session", user), machine));
    assert_eq!(sessions(directory::Kind::User, session), (of("session", user), None));
    assert_eq!(sessions(directory::Kind::Agent, key), (of("key", user), None));
    assert_eq!(sessions(directory::Kind::Agent, None), (of("principal", agent), None));
}

#[tokio::test]
async fn a_sum_beyond_what_can_be_said_is_never_a_pass() {
    let past = past(Arc::new(Sqlite::in_memory().unwrap()), &clock()).await;
    let (bundle, tool) = (bundle(FACTS, POLICY), Named::new("pay", "records"));
    let most = json!({ "id": 1, "amount": 922_337_203_685_477_i64 });
    let one = past.begin(&bundle, &asks(1, &tool, &most)).await.unwrap();
    let sum = told(&past, &one).await.get("paid");
    assert_eq!(sum, Some(Tally::Sum(Amount::of_units(9_223_372_036_854_770_000))));
    let other = past.begin(&bundle, &asks(1, &tool, &most)).await.unwrap();
    assert!(other.told(&past).await.is_err());
    assert!(past.foresee(&bundle, &asks(1, &tool, &most)).await.is_err());
}

#[tokio::test]
async fn a_reservation_of_a_process_that_died_ends_with_its_lease() {
    let clock = clock();
    let db: Arc<dyn Database> = Arc::new(Sqlite::in_memory().unwrap());
    let (one, other) = (past(db.clone(), &clock).await, past(db, &clock).await);
    let (bundle, tool) = (bundle(FACTS, POLICY), Named::new("read", "others"));
    let (arguments, seconds) = (json!({}), LEASE / 1_000_000);
    let asked = || asks(1, &tool, &arguments);
    let late = one.begin(&bundle, &asked()).await.unwrap();
    std::mem::forget(one.begin(&bundle, &asked()).await.unwrap());

    let held = other.begin(&bundle, &asked()).await.unwrap();
    assert_eq!(count(&told(&other, &held).await, "calls"), 3);
    assert!(held.told(&other).await.unwrap().waits);
    held.give_back().await;
    clock.advance(seconds - 1);
    let held = other.begin(&bundle, &asked()).await.unwrap();
    assert_eq!(count(&told(&other, &held).await, "calls"), 3, "it is waited for");
    held.give_back().await;
    clock.advance(1);
    let foreseen = other.foresee(&bundle, &asked()).await.unwrap();
    assert_eq!(count(&foreseen, "calls"), 1);
    let held = other.begin(&bundle, &asked()).await.unwrap();
    assert_eq!(count(&told(&other, &held).await, "calls"), 1);
    assert!(!held.told(&other).await.unwrap().waits);
    // Whoever comes too late has lost its place: it must not happen uncounted.
    let settled = write(&one, late.recorded(), Outcome::Success).await;
    assert!(matches!(settled, Err(StoreError::Conflict)), "{settled:?}");
    write(&other, held.recorded(), Outcome::Success).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_as_many_pass_as_may_however_many_are_refused_for_something_else() {
    const LIMIT: u64 = 10;
    let folder = tempfile::tempdir().unwrap();
    let open = || Arc::new(Sqlite::open(folder.path().join("db")).unwrap());
    let clock = clock();
    let pasts = [past(open(), &clock).await, past(open(), &clock).await].map(Arc::new);
    let (bundle, tool) = (Arc::new(bundle(FACTS, POLICY)), Arc::new(Named::new("read", "others")));
    let tasks = (0..60).map(|n| {
        let (past, bundle, tool) = (pasts[n % 2].clone(), bundle.clone(), tool.clone());
        tokio::spawn(async move {
            let begun = past.begin(&bundle, &asks(1, &tool, &json!({}))).await.unwrap();
            let calls = count(&told(&past, &begun).await, "calls");
            if n % 3 == 0 || calls > LIMIT {
                begun.give_back().await;
                return false;
            }
            write(&past, begun.recorded(), Outcome::Success).await.unwrap();
            true
        })
    });
    let passed = futures_util::future::join_all(tasks).await;
    let passed = passed.into_iter().filter(|it| *it.as_ref().unwrap()).count() as u64;
    // Who is refused at a count that others give back would ask again: `Authz::decide` does.
    assert!((1..=LIMIT).contains(&passed), "{passed}");
    let (arguments, past) = (json!({}), &pasts[0]);
    let asked = asks(1, &tool, &arguments);
    let foreseen = past.foresee(&bundle, &asked).await.unwrap();
    assert_eq!(count(&foreseen, "calls"), passed + 1, "what was refused has left nothing behind");
}

#[tokio::test]
async fn what_no_window_reaches_is_forgotten_and_no_more() {
    let clock = clock();
    let db: Arc<dyn Database> = Arc::new(Sqlite::in_memory().unwrap());
    let past = past(db.clone(), &clock).await;
    let (bundle, tool) = (bundle(FACTS, POLICY), Named::new("read", "records"));
    let arguments = json!({ "id": "somebody", "amount": 1 });
    let begun = past.begin(&bundle, &asks(1, &tool, &arguments)).await.unwrap();
    write(&past, begun.recorded(), Outcome::Success).await.unwrap();
    let kept = async || {
        let rows = db.query("SELECT value FROM history", vec![]).await.unwrap();
        rows.iter().for_each(|row| {
            let value = row.opt_bytes(0).unwrap().unwrap_or_default();
            assert!(
                [0, 32].contains(&value.len()) && !value.starts_with(b"some"),
                "a hash, if any"
            );
        });
        rows.len()
    };
    assert_eq!(kept().await, 3);
    clock.advance(60);
    past.prune().await.unwrap();
    assert_eq!(kept().await, 3);
    clock.advance(1);
    past.prune().await.unwrap();
    assert_eq!(kept().await, 2, "the sum looks back farther, the session has no end yet");
    clock.advance(40);
    past.prune().await.unwrap();
    assert_eq!(kept().await, 1);
    clock.advance(90 * 86_400);
    past.prune().await.unwrap();
    assert_eq!(kept().await, 0, "there is no such session any more");
}
