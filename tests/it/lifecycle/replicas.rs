//! Two servers on one database decide by the same bundle.

use super::{FREEZE, People, act, active, ask, calculator, setup, until};
use crate::harness::postgres::fresh_database;
use crate::harness::{Caller, Gate, Setup, policies};

fn second(one: &Gate, url: &str) -> Gate {
    let key = |name: &str| one.folder.path().join(name).display().to_string();
    let other = setup(Setup::new())
        .with("database.url", url)
        .with("policy.watch", "true")
        .with("auth.key_file", &key("access.key"))
        .with("auth.factors_key_file", &key("factors.key"))
        .with("credentials.key_file", &key("credentials.key"))
        .with("audit.key_file", &key("audit.key"));
    other.start()
}

async fn follow(url: &str) {
    let one = setup(Setup::new()).with("database.url", url).start();
    calculator(&one.admin().await).await;
    let (robot, here) = one.agent("robot", "agent").await;
    let other = second(&one, url);
    let there = Caller::new(&other.url, other.machine(&robot).await.token.as_deref());
    let people = People::on(&one).await;
    let made = people.draft(FREEZE).await;
    ask(&there).await.expect(201);
    people.carry(&made).await;
    ask(&here).await.problem(403, "denied");
    until(async || ask(&there).await.status == 403).await;

    let admin = other.admin().await;
    let retired = admin.get("/api/v1/bundles?state=retired").await.expect(200);
    act(&people.carol, &retired["items"][0], "rollback").await.expect(200);
    until(async || ask(&there).await.status == 201).await;

    policies::put(other.folder.path(), "90-own.cedar", &FREEZE.replace("freeze", "frost"));
    until(async || ask(&there).await.status == 403).await;
    until(async || ask(&here).await.status == 403).await;
    let frost = active(&people.dave).await;
    assert_eq!(frost["origin"], "directory");
    assert_eq!(active(&admin).await["id"], frost["id"]);
}

#[tokio::test]
async fn what_one_activates_the_other_decides_by_on_postgres() {
    follow(&fresh_database()).await;
}

#[tokio::test]
async fn what_one_activates_the_other_decides_by_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    follow(&format!("sqlite:{}", folder.path().join("shared.db").display())).await;
}
