//! Whose review counts: nobody's who speaks for another person of the same change, or who could not
//! give it today.

use serde_json::{Value, json};

use super::{FREEZE, People, act, draft, path, review, setup};
use crate::approvals::registered;
use crate::harness::address::by_address;
use crate::harness::server::WORDS;
use crate::harness::{Answer, Caller, Gate, Setup};

/// Asked where no review counts.
const FOUR_EYES: &str = "root.policy.four-eyes";
/// Asks a draft without tests for a second review.
const UNTESTED: &str = "root.policy.untested";

/// A policy admin whom another one makes, with a second factor proven just now.
async fn sponsored(gate: &Gate, by: &Caller, name: &str) -> Caller {
    let body = json!({ "username": name, "password": WORDS, "role": "policy_admin" });
    let made = by.post("/api/v1/register/user", &body).await.expect(201);
    gate.pockets.keep(name, &made["mfa_setup"]["recovery_codes"]);
    gate.sign_in(name, WORDS).await
}

/// Who reviewed it, and why that does not count, where it does not.
async fn weighed(by: &Caller, bundle: &Value) -> Vec<(String, Value)> {
    let shown = by.get(&path(bundle)).await.expect(200);
    let reviews = shown["reviews"].as_array().unwrap().iter();
    reviews
        .map(|it| {
            assert_eq!(it["counts"], it["discount"].is_null(), "{it}");
            (it["reviewer"]["name"].as_str().unwrap().to_owned(), it["discount"].clone())
        })
        .collect()
}

/// Refused for want of reviews that count, and told where to see which do.
#[track_caller]
fn wanting(answer: &Answer) -> Vec<String> {
    let problem = answer.problem(403, "denied");
    assert!(problem["fix"].to_string().contains("which count"), "{problem}");
    let reasons = problem["reasons"].as_array().unwrap().iter();
    reasons.map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// None counts.
#[track_caller]
fn unread(answer: &Answer) {
    let reasons = wanting(answer);
    assert!(reasons.iter().any(|it| it == FOUR_EYES), "{reasons:?}");
}

/// One counts, of two.
#[track_caller]
fn half_read(answer: &Answer) {
    let reasons = wanting(answer);
    let has = |id: &str| reasons.iter().any(|it| it == id);
    assert!(has(UNTESTED) && !has(FOUR_EYES), "{reasons:?}");
}

#[tokio::test]
async fn nobody_reviews_by_the_hands_of_people_they_made() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let (dave, erin) = (&people.dave, &people.erin);
    let one = sponsored(&gate, dave, "one").await;
    let two = sponsored(&gate, dave, "two").await;
    let grandchild = sponsored(&gate, &two, "three").await;
    let no = json!("not_independent");

    let his = people.draft(FREEZE).await;
    for it in [&one, &two, &grandchild] {
        review(it, &his, "yes").await.expect(200);
    }
    for it in [dave, erin] {
        unread(&act(it, &his, "activate").await);
    }
    let names = ["one", "two", "three"].map(|it| (it.to_owned(), no.clone()));
    assert_eq!(weighed(erin, &his).await, names);

    // Neither may they lend their hands to each other, or to whom they stem from.
    let theirs = draft(&one, &FREEZE.replace("during", "for")).await.expect(201);
    for it in [dave, &two] {
        review(it, &theirs, "yes").await.expect(200);
    }
    unread(&act(&grandchild, &theirs, "activate").await);
    let carols = draft(&people.carol, &FREEZE.replace("during", "in")).await.expect(201);
    for it in [&one, &two] {
        review(it, &carols, "yes").await.expect(200);
    }
    let counted = weighed(erin, &carols).await.iter().filter(|(_, why)| why.is_null()).count();
    assert_eq!(counted, 1, "both speak for one");
    half_read(&act(&people.carol, &carols, "activate").await);
    // Whoever activates is one of the change, too.
    review(&people.frank, &carols, "yes").await.expect(200);
    half_read(&act(dave, &carols, "activate").await);
    assert_eq!(act(erin, &carols, "activate").await.expect(200)["state"], "active");
}

#[tokio::test]
async fn a_role_counts_as_the_giver_s_for_a_month_and_the_host_s_at_once() {
    // Tokens outlive the restart: they are for this address, whatever the port.
    let mut gate = setup(Setup::new()).with("public_url", "http://gate.example").start();
    by_address(&mut gate);
    let people = People::on(&gate).await;
    let uma = registered(&gate, "uma", "user").await;
    let role = format!("/api/v1/users/{}/roles/policy_admin", uma.id().await);
    people.dave.put(&role).await.expect(200);
    let made = people.draft(FREEZE).await;
    review(&uma, &made, "yes").await.expect(200);
    let gwen = registered(&gate, "gwen", "policy_admin").await;
    review(&gwen, &made, "yes").await.expect(200);
    let of = |name: &str, why: Value| (name.to_owned(), why);
    let before = [of("uma", json!("not_independent")), of("gwen", Value::Null)];
    assert_eq!(weighed(&people.erin, &made).await, before);

    // A month later: two who made each other long ago are two.
    assert!(gate.stop().success());
    let db = rusqlite::Connection::open(gate.folder.path().join("gatewright.db")).unwrap();
    let sql = "UPDATE users SET origin = '{\"before\":0}' WHERE username = 'uma'";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    drop(db);
    gate.restart();
    by_address(&mut gate);
    let erin = Caller::new(&gate.url, people.erin.token.as_deref());
    assert_eq!(weighed(&erin, &made).await, [of("uma", Value::Null), of("gwen", Value::Null)]);
    act(&erin, &made, "activate").await.expect(200);
}

#[tokio::test]
async fn nobody_steps_back_from_behind_whom_they_made() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let dave = &people.dave;
    let (sam, tom) =
        (registered(&gate, "sam", "user").await, registered(&gate, "tom", "user").await);
    let role = async |of: &Caller| format!("/api/v1/users/{}/roles/policy_admin", of.id().await);
    let (to_sam, to_tom) = (role(&sam).await, role(&tom).await);
    dave.put(&to_sam).await.expect(200);
    sam.put(&to_tom).await.expect(200);
    dave.delete(&to_sam).await.expect(200);

    let made = people.draft(FREEZE).await;
    review(&tom, &made, "yes").await.expect(200);
    let not_his = [("tom".to_owned(), json!("not_independent"))];
    assert_eq!(weighed(&people.erin, &made).await, not_his);
    unread(&act(&people.erin, &made, "activate").await);

    // Another hand that gives it again hides nobody.
    people.erin.delete(&to_tom).await.expect(200);
    people.erin.put(&to_tom).await.expect(200);
    assert_eq!(weighed(&people.frank, &made).await, not_his);

    // It is told of the active bundle, too, what counted of what was said.
    for it in [&people.carol, &people.frank] {
        review(it, &made, "yes").await.expect(200);
    }
    act(&people.erin, &made, "activate").await.expect(200);
    let told = weighed(&people.carol, &made).await;
    assert_eq!(told.iter().filter(|(_, why)| why.is_null()).count(), 2, "{told:?}");
}

#[tokio::test]
async fn a_review_outlives_neither_the_reviewer_s_role_nor_the_comparison() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let (carol, frank, erin) = (&people.carol, &people.frank, &people.erin);
    let role = format!("/api/v1/users/{}/roles/policy_admin", frank.id().await);
    let made = people.draft(FREEZE).await;
    review(carol, &made, "yes").await.expect(200);
    review(frank, &made, "yes").await.expect(200);
    erin.delete(&role).await.expect(200);
    let why = weighed(erin, &made).await;
    assert_eq!(why[1], ("frank".to_owned(), json!("not_allowed")), "{why:?}");
    half_read(&act(erin, &made, "activate").await);

    // Nor does an objection: nobody could take it back.
    erin.put(&role).await.expect(200);
    review(frank, &made, "no").await.expect(200);
    let problem = act(erin, &made, "activate").await.problem(403, "denied");
    assert!(problem["reasons"].to_string().contains("root.policy.objection"), "{problem}");
    let admin = gate.admin().await;
    let suspend = format!("/api/v1/users/{}/suspend", frank.id().await);
    admin.act(&suspend).await.expect(200);
    review(&admin, &made, "yes").await.expect(200);

    let other = people.draft(&FREEZE.replace("during", "in")).await;
    for it in [carol, &admin] {
        review(it, &other, "yes").await.expect(200);
    }
    act(erin, &other, "activate").await.expect(200);
    act(erin, &made, "activate").await.problem(409, "conflict");
    act(erin, &made, "check").await.expect(200);
    let reviews = weighed(erin, &made).await;
    for name in ["carol", "admin"] {
        assert!(reviews.contains(&(name.to_owned(), json!("outdated"))), "{reviews:?}");
    }
    unread(&act(erin, &made, "activate").await);
    for it in [carol, &admin] {
        review(it, &made, "yes").await.expect(200);
    }
    act(erin, &made, "activate").await.expect(200);
}
