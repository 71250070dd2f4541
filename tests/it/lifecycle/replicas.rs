//! Two servers on one database decide by the same bundle.

use super::{FREEZE, People, act, active, ask, calculator, deciding, setup, until};
use crate::harness::postgres::fresh_database;
use crate::harness::{Caller, Gate, Setup, policies};

const FILE: &str = "90-own.cedar";

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
    until(async || deciding(&other, &made["digest"]).await).await;
    ask(&there).await.problem(403, "denied");

    let admin = other.admin().await;
    let retired = admin.get("/api/v1/bundles?state=retired").await.expect(200);
    let back = act(&people.carol, &retired["items"][0], "rollback").await.expect(200);
    until(async || deciding(&other, &back["digest"]).await).await;
    ask(&there).await.expect(201);

    policies::put(other.folder.path(), FILE, &FREEZE.replace("freeze", "frost"));
    until(async || active(&admin).await["id"] != back["id"]).await;
    let frost = active(&admin).await;
    assert_eq!(frost["origin"], "directory");
    until(async || deciding(&one, &frost["digest"]).await).await;
    for it in [&here, &there] {
        ask(it).await.problem(403, "denied");
    }
    assert_eq!(active(&people.dave).await["id"], frost["id"]);
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

/// The folder of a replica gets each change late.
async fn lag(url: &str) {
    let one = setup(Setup::new()).with("database.url", url).with("policy.watch", "true").start();
    let other = second(&one, url);
    let (people, admin) = (People::on(&one).await, other.admin().await);
    let kept = active(&admin).await;
    policies::put(one.folder.path(), FILE, FREEZE);
    until(async || active(&admin).await["id"] != kept["id"]).await;
    let frozen = active(&admin).await;
    act(&people.carol, &kept, "rollback").await.expect(200);
    until(async || deciding(&other, &kept["digest"]).await).await;

    policies::put(other.folder.path(), FILE, FREEZE);
    policies::taken_up(&other, "left again, and are ignored", 0).await;
    assert_eq!(active(&admin).await["id"], kept["id"], "a late folder undid the rollback");
    assert_eq!(other.anyone().get("/readyz").await.expect(200)["status"], "ok");

    // What was turned back in the files, too, may come again with them.
    let taken = async || {
        let told = admin.get("/api/v1/audit-events?action=policy.taken").await.expect(200);
        told["items"].as_array().unwrap().len()
    };
    let before = taken().await;
    policies::take(one.folder.path(), FILE);
    until(async || taken().await > before).await;
    assert_eq!(active(&admin).await["id"], kept["id"]);
    policies::put(one.folder.path(), FILE, FREEZE);
    until(async || active(&admin).await["id"] == frozen["id"]).await;
}

#[tokio::test]
async fn a_folder_that_follows_late_undoes_no_rollback_on_postgres() {
    lag(&fresh_database()).await;
}

#[tokio::test]
async fn a_folder_that_follows_late_undoes_no_rollback_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    lag(&format!("sqlite:{}", folder.path().join("shared.db").display())).await;
}
