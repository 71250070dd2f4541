//! A chain of three agents, from the user's word to a credential that a tool verifies.

use serde_json::{Value, json};

use super::{ACCESS_TOKEN, World, claims, refused, vend};
use crate::harness::{Caller, Gate, Setup};

/// What `gatewright token verify` says of a credential, as a tool's operator would run it.
fn verify(gate: &Gate, token: &str) -> (Option<i32>, Value) {
    let url = |path: &str| format!("{}{path}", gate.url);
    let (keys, feed) = (url("/.well-known/biscuit-keys.json"), url("/api/v1/revocations"));
    let words = [
        ["token", "verify", token],
        ["--tool", "calc", "--scope"],
        ["evaluate", "--output", "json"],
    ];
    let believed = ["--keys-url", &keys, "--feed-url", &feed];
    let output = gate.command(&[&words.concat(), &believed[..]].concat()).output();
    let output = output.unwrap();
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), said)
}

#[tokio::test]
async fn three_agents_act_one_for_the_other_until_the_user_says_no() {
    for gate in [Setup::new().start(), Setup::on_postgres().start()] {
        let it = World::on(gate).await;
        let mandate = it.mandate(json!({})).await;
        let chain = it.chain(&mandate).await;
        says_who_acts_for_whom(&it, &chain).await;

        let access = vend(&chain[2], json!({})).await.expect(201);
        let token = access["credential"]["token"].as_str().unwrap();
        let (code, said) = verify(&it.gate, token);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!((&said["agent"], &said["on_behalf_of"]), (&json!(it.id(2)), &json!(it.user)));
        is_written_down(&it, &access).await;

        // A fourth agent would be one too many, whatever anybody says.
        let third = (ACCESS_TOKEN, chain[2].token.as_deref().unwrap());
        let why = refused(&it.exchange(3, third, &[]).await, "invalid_request");
        assert!(why.contains("a chain as long as this one"), "{why}");

        let path = format!("/api/v1/mandates/{}", mandate["id"].as_str().unwrap());
        it.uma.delete(&path).await.expect(204);
        for caller in &chain {
            caller.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
            vend(caller, json!({})).await.problem(401, "unauthenticated");
        }
        assert_eq!(it.feed().await, [access["credential"]["credential_id"].as_str().unwrap()]);
        let (code, said) = verify(&it.gate, token);
        assert_eq!((code, &said["reason"]), (Some(3), &json!("revoked")), "{said}");
        refused(&it.exchange(2, third, &[]).await, "invalid_request");
    }
}

async fn says_who_acts_for_whom(it: &World, chain: &[Caller; 3]) {
    let told = claims(&chain[2]);
    assert_eq!((&told["sub"], &told["scope"]), (&json!(it.user), &json!("agent:calc agent:llm")));
    let within = json!({ "sub": it.id(1), "act": { "sub": it.id(0) } });
    assert_eq!(told["act"], json!({ "sub": it.id(2), "act": within }));
    for pair in chain.windows(2) {
        let [above, below] = [0, 1].map(|at| claims(&pair[at])["exp"].as_i64().unwrap());
        assert!(below <= above, "a token outlives the one it stands on");
    }
    let me = chain[2].get("/api/v1/auth/me").await.expect(200);
    assert_eq!((&me["kind"], &me["id"]), (&json!("agent"), &json!(it.id(2))));
    let agents = [it.id(0), it.id(1), it.id(2)];
    assert_eq!(me["delegation"]["on_behalf_of"], json!(it.user));
    assert_eq!(me["delegation"]["chain"], json!(agents));
}

/// The audit names the one who acts as the actor, and the others beside it.
async fn is_written_down(it: &World, access: &Value) {
    let decision = access["decision_id"].as_str().unwrap();
    let found = it.admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
    let entry = &found.expect(200)["items"][0]["entry"];
    assert_eq!(
        (&entry["actor"]["id"], &entry["event"]),
        (&json!(it.id(2)), &json!("credential.issue"))
    );
    assert_eq!(entry["details"]["on_behalf_of"], json!(it.user));
    assert_eq!(entry["details"]["chain"], json!([it.id(0), it.id(1), it.id(2)]));
    assert_eq!(entry["reasons"], json!(["use.low-risk", "use.user"]), "of every leg");
    assert_eq!(entry["facts"]["delegation"]["depth"], 3);

    let id = access["credential"]["credential_id"].as_str().unwrap();
    let seen = it.uma.get(&format!("/api/v1/credentials/{id}")).await.expect(200);
    assert_eq!(seen["on_behalf_of"], json!(it.user), "the user sees what is held in their name");
    assert_eq!(seen["mandate_id"], entry["details"]["mandate"]);
}
