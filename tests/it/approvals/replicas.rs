//! Two servers on one database.

use serde_json::json;

use super::{Scene, decide, setup, with};
use crate::harness::postgres::fresh_database;
use crate::harness::{Caller, Setup};

#[tokio::test]
async fn a_yes_that_one_gives_the_other_takes_and_only_for_the_tool_as_it_is() {
    let url = fresh_database();
    let it = Scene::on(Setup::new().with("database.url", &url)).await;
    let key = |name: &str| it.gate.folder.path().join(name).display().to_string();
    let other = setup(Setup::new().with("database.url", &url))
        .with("auth.key_file", &key("access.key"))
        .with("auth.factors_key_file", &key("factors.key"))
        .with("credentials.key_file", &key("credentials.key"))
        .with("audit.key_file", &key("audit.key"))
        .start();
    let there = Caller::new(&other.url, other.machine(&it.asks).await.token.as_deref());
    let invoke = format!("{}/invoke", it.tool_path());

    let arguments = json!({ "amount": 1 });
    let asked = there.post(&invoke, &json!({ "arguments": arguments })).await.expect(202);
    let asked = &asked["approval"];
    decide(&it.erin, asked, "approve").await.expect(200);
    let uses = (0..8).map(|n| {
        let by = if n % 2 == 0 { &there } else { &it.agent };
        let body = with(asked, &arguments);
        let invoke = &invoke;
        async move { by.post(invoke, &body).await }
    });
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|it| it.status == 200).count(), 1);
    assert_eq!(it.upstream.calls(), 1);

    // The other does not know yet that the tool has changed, or may not be used any more.
    let second = it.approved(&json!({ "amount": 2 })).await;
    let third = it.approved(&json!({ "amount": 3 })).await;
    let endpoint = json!({ "endpoint": it.upstream.url("/elsewhere") });
    it.admin.patch(&it.tool_path(), &endpoint).await.expect(200);
    let body = with(&second, &json!({ "amount": 2 }));
    there.post(&invoke, &body).await.problem(409, "conflict");
    it.admin.act(&format!("{}/deactivate", it.tool_path())).await.expect(200);
    let body = with(&third, &json!({ "amount": 3 }));
    there.post(&invoke, &body).await.problem(409, "conflict");
    assert_eq!(it.upstream.calls(), 1);
}
