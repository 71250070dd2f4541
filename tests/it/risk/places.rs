//! Where on earth, and when: journeys that nobody makes, countries and hours that are unusual.

use serde_json::{Value, json};

use super::{Place, assert_rated, login, setup};
use crate::harness::enrolled::WORDS;
use crate::harness::places::{self, record};
use crate::harness::stores::{batch, group};
use crate::harness::{Gate, Setup};
use gatewright::store::{self, Statement};

const BERLIN: Place = Place { address: "192.0.2.1", agent: "Firefox/121.0" };
const POTSDAM: Place = Place { address: "192.0.2.130", ..BERLIN };
const PARIS: Place = Place { address: "198.51.100.1", ..BERLIN };
const SYDNEY: Place = Place { address: "2001:db8:61::1", ..BERLIN };

fn worldly() -> Setup {
    let setup = setup();
    let file = setup.folder.path().join("places.mmdb");
    let records = json!({
        "192.0.2.0/25": record("DE", 52.52, 13.405),
        "192.0.2.128/25": record("DE", 52.4, 13.06),
        "198.51.100.0/24": { "country": { "iso_code": "FR" } },
        "2001:db8:61::/48": record("AU", -33.87, 151.21),
    });
    places::write(&file, &records);
    setup.with("risk.geoip_db", file.to_str().unwrap())
}

/// A user who has signed in in Berlin, and nowhere else.
async fn berliner(gate: &Gate) -> Value {
    let body = json!({ "username": "alice", "password": WORDS });
    let user = gate.admin().await.post("/api/v1/users", &body).await.expect(201);
    gate.vouch(user["id"].as_str().unwrap()).await;
    let tokens = login(gate, BERLIN, "alice", WORDS).await.expect(200);
    assert_rated(&tokens, "low", &["first_use"]);
    user
}

/// Changes the store behind the server's back.
async fn rewrite(setup_url: &str, statement: Statement) {
    let db = store::open(&setup_url.parse().unwrap()).unwrap();
    let held = db.commit(group(vec![batch(vec![statement])])).await.unwrap();
    assert!(held.iter().all(Result::is_ok), "{held:?}");
}

#[tokio::test]
async fn nobody_is_in_berlin_and_in_sydney_within_minutes() {
    let gate = worldly().start();
    berliner(&gate).await;
    let blocked = login(&gate, SYDNEY, "alice", WORDS).await.problem(403, "risk_blocked");
    assert_rated(&blocked, "high", &["impossible_travel", "new_address", "new_country"]);
    assert_eq!(blocked["reasons"], json!(["guard.risk.high"]));
    let near = login(&gate, POTSDAM, "alice", WORDS).await.expect(200);
    assert_rated(&near, "medium", &["new_address"]);
    let nowhere = login(&gate, PARIS, "alice", WORDS).await.expect(200);
    assert_rated(&nowhere, "medium", &["new_address", "new_country"]);
    let home = login(&gate, BERLIN, "alice", WORDS).await.expect(200);
    assert_rated(&home, "low", &["known"]);
}

#[tokio::test]
async fn what_was_known_long_ago_and_hours_that_are_unusual_ask_for_more() {
    let setup = worldly().with("risk.known_for_days", "30");
    let url = format!("sqlite:{}", setup.folder.path().join("gatewright.db").display());
    let gate = setup.start();
    let alice = berliner(&gate).await;
    let id = alice["id"].as_str().unwrap();
    let nights = "UPDATE known_hours SET hour = (hour + 12) % 24, times = 20
                  WHERE principal_id = $1";
    rewrite(&url, Statement::new(nights).bind(id).expect_rows(1)).await;
    let unusual = login(&gate, BERLIN, "alice", WORDS).await.expect(200);
    assert_rated(&unusual, "medium", &["unusual_hour"]);
    let long_ago = "UPDATE known_contexts SET last_at = last_at - 31 * 86400000000
                    WHERE principal_id = $1";
    rewrite(&url, Statement::new(long_ago).bind(id).expect_rows(1)).await;
    let forgotten = login(&gate, BERLIN, "alice", WORDS).await.expect(200);
    assert_rated(&forgotten, "medium", &["new_address", "new_user_agent", "unusual_hour"]);
}
