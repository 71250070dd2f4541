//! Office hours in the home zone, whatever the hour and the day of the test.

use gatewright::clock::Clock;
use jiff::civil::{Weekday, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde_json::json;

use super::{ask, denied, entry, tool};
use crate::harness::{Caller, Gate, Setup, policies};

/// The same hours as the repository's rule, on the other two days.
const WEEKEND: &str = r#"
@id("own.weekend") @title("Tools in the set weekend: Saturday and Sunday, 9 to 17") @fix("time")
forbid (principal, action in Gatewright::Action::"use", resource in Gatewright::ToolSet::"weekend")
unless {
  [Gatewright::Weekday::"sat", Gatewright::Weekday::"sun"].contains(context.clock.local.weekday) &&
  duration("9h") <= context.clock.local.time && context.clock.local.time < duration("17h")
};
"#;

/// A zone in which it is `hour` o'clock now. Its name has the sign of POSIX: west is plus.
fn zone_where_it_is(hour: i8) -> String {
    let utc = Clock::system().now().to_zoned(TimeZone::UTC).hour();
    let east = hour - utc;
    let east = if east < -12 { east + 24 } else { east };
    format!("Etc/GMT{:+}", -east)
}

async fn start(zone: &str) -> (Gate, Caller, Caller) {
    let setup = policies::own(Setup::new()).with("policy.home_time_zone", zone);
    policies::put(setup.folder.path(), "65-weekend.cedar", WEEKEND);
    let gate = setup.start();
    let admin = gate.admin().await;
    tool(&admin, "office", json!({ "tags": ["business-hours"] })).await;
    tool(&admin, "leisure", json!({ "tags": ["weekend"] })).await;
    tool(&admin, "always", json!({})).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    (gate, admin, robot)
}

fn is_weekend(day: Weekday) -> bool {
    matches!(day, Weekday::Saturday | Weekday::Sunday)
}

/// The next nine o'clock of a day that counts.
fn opening(now: &Zoned, on_weekends: bool) -> Timestamp {
    let nine =
        |days: i64| now.date().checked_add(days.days()).unwrap().to_datetime(time(9, 0, 0, 0));
    let counts = |it: &Zoned| it > now && is_weekend(it.weekday()) == on_weekends;
    let candidates = (0..8).map(|it| nine(it).to_zoned(now.time_zone().clone()).unwrap());
    candidates.into_iter().find(counts).unwrap().timestamp()
}

fn now_in(zone: &str) -> Zoned {
    Clock::system().now().to_zoned(TimeZone::get(zone).unwrap())
}

#[tokio::test]
async fn at_noon_the_tools_of_the_day_are_open() {
    let zone = zone_where_it_is(12);
    let (_gate, admin, robot) = start(&zone).await;
    let now = now_in(&zone);
    let (open, shut, rule) = match is_weekend(now.weekday()) {
        true => ("leisure", "office", "limit.business-hours"),
        false => ("office", "leisure", "own.weekend"),
    };
    let vended = ask(&robot, open).await;
    vended.expect(201);
    ask(&robot, "always").await.expect(201);
    let facts = &entry(&admin, &vended).await["facts"];
    assert_eq!(facts["clock"]["home"]["weekday"], now.strftime("%a").to_string().to_lowercase());

    let refused = ask(&robot, shut).await;
    let detail = denied(&refused, &[rule], &["time"]);
    assert_eq!(detail, format!("ask again at {}", opening(&now, shut == "leisure")));
}

#[tokio::test]
async fn at_night_they_are_shut_and_the_fix_is_the_next_opening() {
    let zone = zone_where_it_is(3);
    let (_gate, _, robot) = start(&zone).await;
    ask(&robot, "always").await.expect(201);
    for (name, rule, on_weekends) in
        [("office", "limit.business-hours", false), ("leisure", "own.weekend", true)]
    {
        let refused = ask(&robot, name).await;
        let detail = denied(&refused, &[rule], &["time"]);
        let opening = opening(&now_in(&zone), on_weekends);
        assert_eq!(detail, format!("ask again at {opening}"));
        let wait = refused.json()["fix"][0]["retry_after_seconds"].as_i64().unwrap();
        let told = refused.headers["retry-after"].to_str().unwrap();
        assert_eq!(told, wait.to_string(), "the header says the same");
        let asked = opening.as_second() - wait;
        assert!(asked <= Clock::system().now().as_second(), "asked before it was answered");
        assert_eq!(Timestamp::from_second(asked + wait).unwrap(), opening);
    }
}

#[tokio::test]
async fn trading_hours_are_new_yorks_wherever_home_is() {
    let (_gate, admin, robot) = start("Asia/Tokyo").await;
    tool(&admin, "trade", json!({ "tags": ["trading"] })).await;
    let trades = || {
        let now = now_in("America/New_York");
        let open = time(9, 30, 0, 0)..time(16, 0, 0, 0);
        !is_weekend(now.weekday()) && open.contains(&now.time())
    };
    let (before, answer, after) = (trades(), ask(&robot, "trade").await, trades());
    if before == after {
        assert_eq!(answer.status == 201, before, "{}", answer.text);
    }
}
