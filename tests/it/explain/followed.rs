//! Denied, told what would help, done, allowed.

use serde_json::json;

use super::{Scene, kinds};
use crate::harness::PASSWORD;
use crate::harness::factor::enrol;

#[tokio::test]
async fn an_agent_does_what_it_is_told_and_is_let_in() {
    let it = Scene::new().await;
    let tool =
        it.tool("pay", json!({ "tags": ["money"], "required_scopes": ["agent:calc"] })).await;
    let (agent, _) = it.gate.agent("robot", "agent").await;
    let narrow = it.holding(&agent, "read:context").await;

    let invoke = format!("{tool}/invoke");
    let ask = json!({ "arguments": { "order": { "amount": 900, "to": "bob" } } });
    let problem = narrow.post(&invoke, &ask).await.problem(403, "denied");
    assert_eq!(kinds(&problem), ["scopes", "argument"], "{problem}");
    let [scopes, argument] = [&problem["fix"][0], &problem["fix"][1]];
    assert_eq!(argument["pointer"], "/order/amount", "{problem}");
    let mut less = ask.clone();
    let pointer = format!("/arguments{}", argument["pointer"].as_str().unwrap());
    *less.pointer_mut(&pointer).unwrap() = argument["value"].clone();
    let scope = scopes["value"]["token"][0].as_str().unwrap();
    let wide = it.holding(&agent, scope).await;

    // Neither is enough by itself, and not a unit more.
    assert_eq!(kinds(&narrow.post(&invoke, &less).await.problem(403, "denied")), ["scopes"]);
    assert_eq!(kinds(&wide.post(&invoke, &ask).await.problem(403, "denied")), ["argument"]);
    let mut more = less.clone();
    *more.pointer_mut(&pointer).unwrap() = json!(argument["value"].as_i64().unwrap() + 1);
    wide.post(&invoke, &more).await.problem(403, "denied");
    wide.post(&invoke, &less).await.expect(200);
    assert_eq!(it.upstream.calls(), 1);

    let access = format!("{tool}/access");
    let ask = json!({ "scopes": ["call", "steal"], "ttl_seconds": 90_000 });
    let problem = narrow.post(&access, &ask).await.problem(403, "denied");
    assert_eq!(kinds(&problem), ["scopes", "ttl"], "{problem}");
    let (scopes, ttl) = (&problem["fix"][0]["value"], &problem["fix"][1]["value"]);
    assert_eq!(scopes["token"], json!([scope]));
    let followed = json!({ "scopes": scopes["ask"], "ttl_seconds": ttl });
    wide.post(&access, &followed).await.expect(201);
    let longer = json!({ "scopes": scopes["ask"], "ttl_seconds": ttl.as_u64().unwrap() + 1 });
    wide.post(&access, &longer).await.problem(403, "denied");
}

#[tokio::test]
async fn a_person_does_what_they_are_told_and_is_let_in() {
    let it = Scene::new().await;
    let tool = it.tool("wire", json!({ "tags": ["guarded"], "consequential": true })).await;
    let invoke = format!("{tool}/invoke");
    let ask = json!({ "arguments": {} });
    let problem = it.admin.post(&invoke, &ask).await.problem(403, "denied");
    assert_eq!(kinds(&problem), ["confirm", "mfa"], "{problem}");
    // There is none yet that could be proven.
    let mfa = &problem["fix"][1];
    assert_eq!(mfa["value"], json!({ "enrol": true }));
    assert!(mfa["detail"].as_str().unwrap().contains("enrol one first"), "{mfa}");
    let explained =
        format!("/api/v1/decisions/{}/explain", problem["decision_id"].as_str().unwrap());
    let explained = it.admin.get(&explained).await.expect(200);
    assert_eq!(explained["explanation"]["fix"][1], *mfa, "{explained}");

    let problem = it.admin.delete(&tool).await.problem(403, "denied");
    assert_eq!(kinds(&problem), ["reauth"], "{problem}");
    let spare = it.tool("spare", json!({})).await;
    it.admin.elevated(PASSWORD).await.delete(&spare).await.expect(204);

    let stronger = enrol(&it.gate.pockets, "admin", &it.admin).await;
    let confirmed = json!({ "arguments": {}, "confirm_consequential": true });
    assert_eq!(kinds(&stronger.post(&invoke, &ask).await.problem(403, "denied")), ["confirm"]);
    let problem = it.admin.post(&invoke, &confirmed).await.problem(403, "denied");
    assert_eq!((kinds(&problem), &problem["fix"][0]["value"]), (vec!["mfa"], &json!(null)));
    stronger.post(&invoke, &confirmed).await.expect(200);
    assert_eq!(it.upstream.calls(), 1);
}
