//! What ends with what: mandates, sessions, users and agents, and all that stands on them.

use serde_json::json;

use super::{ACCESS_TOKEN, World, refused, vend, vended};
use crate::harness::postgres::fresh_database;
use crate::harness::{Caller, Setup};

async fn is_over(caller: &Caller) {
    caller.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
}

async fn goes_on(caller: &Caller) {
    caller.get("/api/v1/auth/me").await.expect(200);
}

fn sorted<const N: usize>(mut ids: [String; N]) -> Vec<String> {
    ids.sort_unstable();
    ids.into()
}

async fn feed(it: &World) -> Vec<String> {
    let mut feed = it.feed().await;
    feed.sort_unstable();
    feed
}

#[tokio::test]
async fn a_session_takes_with_it_what_was_opened_and_vended_under_it() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        // Another port is another issuer, where none is named.
        let gate = setup.with("auth.audience", "gate").with("auth.issuer", "gate").start();
        let mut it = World::on(gate).await;
        let mandate = it.mandate(json!({})).await;
        let [first, second, third] = it.chain(&mandate).await;
        let kept = vended(&first).await;
        let gone = [vended(&second).await, vended(&third).await];
        second.act("/api/v1/auth/logout").await.expect(204);
        is_over(&second).await;
        is_over(&third).await;
        goes_on(&first).await;
        assert_eq!(feed(&it).await, sorted(gone));

        it.gate.restart();
        let at = |caller: &Caller| Caller::new(&it.gate.url, caller.token.as_deref());
        is_over(&at(&second)).await;
        is_over(&at(&third)).await;
        goes_on(&at(&first)).await;
        let path = format!("/api/v1/credentials/{kept}");
        let own = it.gate.machine(&it.agents[0]).await;
        assert_eq!(own.get(&path).await.expect(200)["state"], "issued");
    }
}

#[tokio::test]
async fn signing_out_ends_what_was_exchanged_for_the_users_token() {
    let it = World::new().await;
    it.mandate(json!({})).await;
    let by = (ACCESS_TOKEN, it.uma.token.as_deref().unwrap());
    let first = it.caller(&it.exchange(0, by, &[]).await);
    let second = it.next(1, &first).await;
    let gone = [vended(&first).await, vended(&second).await, vended(&it.tool_user().await).await];
    it.uma.act("/api/v1/auth/logout").await.expect(204);
    is_over(&first).await;
    is_over(&second).await;
    assert_eq!(feed(&it).await, sorted([gone[0].clone(), gone[1].clone()]));
    refused(&it.exchange(0, by, &[]).await, "invalid_request");
}

impl World {
    /// An agent that acts for itself, which none of this is about.
    async fn tool_user(&self) -> Caller {
        self.gate.machine(&self.agents[3]).await
    }
}

#[tokio::test]
async fn whoever_is_suspended_acts_for_nobody_and_is_acted_for_by_nobody() {
    let it = World::new().await;
    let mandate = it.mandate(json!({})).await;
    let [first, second, third] = it.chain(&mandate).await;
    let kept = vended(&first).await;
    let gone = [vended(&second).await, vended(&third).await];

    let middle = format!("/api/v1/agents/{}", it.id(1));
    it.admin.act(&format!("{middle}/suspend")).await.expect(200);
    assert_eq!(feed(&it).await, sorted(gone.clone()));
    for caller in [&second, &third] {
        let denied = caller.get("/api/v1/auth/me").await.problem(403, "denied");
        assert_eq!(denied["reasons"], json!(["guard.principal.active.agent"]));
        vend(caller, json!({})).await.problem(404, "not_found");
    }
    vended(&first).await;
    it.admin.act(&format!("{middle}/resume")).await.expect(200);
    is_over(&second).await;
    is_over(&third).await;
    goes_on(&first).await;

    let second = it.next(1, &first).await;
    let user = format!("/api/v1/users/{}", it.user);
    it.admin.act(&format!("{user}/suspend")).await.expect(200);
    assert!(feed(&it).await.contains(&kept));
    for caller in [&first, &second] {
        let denied = caller.get("/api/v1/auth/me").await.problem(403, "denied");
        assert_eq!(denied["reasons"], json!(["guard.principal.active.user"]));
    }
    it.admin.act(&format!("{user}/resume")).await.expect(200);
    is_over(&first).await;
    is_over(&second).await;
    // The mandate is the user's word, and the user is back.
    goes_on(&it.first(&mandate).await).await;
}

#[tokio::test]
async fn nobody_goes_on_with_a_mandate_that_another_replica_has_revoked() {
    let url = fresh_database();
    let one = Setup::new().with("database.url", &url);
    let one = one.with("auth.audience", "gate").with("auth.issuer", "gate").start();
    let it = World::on(one).await;
    let mandate = it.mandate(json!({})).await;
    let first = it.first(&mandate).await;
    let key = |name: &str| it.gate.folder.path().join(name).display().to_string();
    let other = Setup::new()
        .with("database.url", &url)
        .with("auth.key_file", &key("access.key"))
        .with("auth.factors_key_file", &key("factors.key"))
        .with("auth.audience", "gate")
        .with("auth.issuer", "gate")
        .with("credentials.key_file", &key("credentials.key"))
        .with("audit.key_file", &key("audit.key"))
        .start();
    let stale = Caller::new(&other.url, first.token.as_deref());
    vended(&stale).await;

    let path = format!("/api/v1/mandates/{}", mandate["id"].as_str().unwrap());
    it.uma.delete(&path).await.expect(204);
    vend(&stale, json!({})).await.problem(409, "conflict");
    assert_eq!(it.feed().await.len(), 1, "all there ever was");
    let there = World { gate: other, ..it };
    let by = (super::MANDATE, mandate["id"].as_str().unwrap());
    refused(&there.exchange(0, by, &[]).await, "invalid_request");
}
