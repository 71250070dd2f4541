//! Two servers on one database, of which one knows what the other does not know yet.

use serde_json::{Value, json};

use crate::harness::postgres::fresh_database;
use crate::harness::{Answer, Caller, Gate, Setup, samples};

/// Two replicas: the second has read what is there when it starts, and nothing since.
struct Replicas {
    one: Gate,
    other: Gate,
    admin: Caller,
}

impl Replicas {
    /// Starts the second once `prepare` has done its part by the first.
    async fn start<T>(prepare: impl AsyncFnOnce(&Gate, &Caller) -> T) -> (Replicas, T) {
        let url = fresh_database();
        let one = Setup::new().with("database.url", &url).start();
        let admin = one.admin().await;
        let prepared = prepare(&one, &admin).await;
        let key = |name: &str| one.folder.path().join(name).display().to_string();
        let other = Setup::new()
            .with("database.url", &url)
            .with("auth.key_file", &key("access.key"))
            .with("auth.factors_key_file", &key("factors.key"))
            .with("credentials.key_file", &key("credentials.key"))
            .with("audit.key_file", &key("audit.key"))
            .start();
        (Replicas { one, other, admin }, prepared)
    }
}

async fn vend(agent: &Caller, tool: &Value) -> Answer {
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    agent.post(&path, &json!({ "scopes": ["read"], "ttl_seconds": 60 })).await
}

#[tokio::test]
async fn nobody_vends_on_what_another_replica_has_ended() {
    let (it, (tools, agent)) = Replicas::start(async |one: &Gate, admin: &Caller| {
        let mut tools = Vec::new();
        for name in ["kept", "deactivated"] {
            tools.push(admin.post("/api/v1/tools", &samples::translate(name)).await.expect(201));
        }
        (tools, one.agent("lingua", "translator").await.0)
    })
    .await;
    let stale = it.other.machine(&agent).await;
    vend(&stale, &tools[0]).await.expect(201);
    vend(&stale, &tools[1]).await.expect(201);

    let path = format!("/api/v1/tools/{}/deactivate", tools[1]["id"].as_str().unwrap());
    it.admin.act(&path).await.expect(200);
    vend(&stale, &tools[1]).await.problem(409, "conflict");
    vend(&stale, &tools[0]).await.expect(201);

    let path = format!("/api/v1/agents/{}/suspend", agent["client_id"].as_str().unwrap());
    it.admin.act(&path).await.expect(200);
    vend(&stale, &tools[0]).await.problem(409, "conflict");
    let feed = it.one.anyone().get("/api/v1/revocations").await.expect(200);
    assert_eq!(feed["credential_ids"].as_array().unwrap().len(), 3, "all there ever were");
}

#[tokio::test]
async fn a_session_ends_once_however_many_replicas_hold_its_token() {
    let (it, ()) = Replicas::start(async |_: &Gate, _: &Caller| ()).await;
    let login = json!({ "username": crate::harness::ADMIN, "password": crate::harness::PASSWORD });
    let tokens = it.one.anyone().post("/api/v1/auth/login", &login).await.expect(200);
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    let callers = [it.one.anyone(), it.other.anyone()];
    let refresh = |n: usize| callers[n % 2].post("/api/v1/auth/refresh", &body);
    let answers = futures_util::future::join_all((0..16).map(refresh)).await;
    let won: Vec<&Answer> = answers.iter().filter(|it| it.status == 200).collect();
    assert_eq!(won.len(), 1, "a refresh token is spent once");
    assert!(answers.iter().all(|it| [200, 401].contains(&it.status.as_u16())));
    // Whoever came second shows that there are two copies: the winner's pair is worth nothing now.
    let next = json!({ "refresh_token": won[0].json()["refresh_token"] });
    it.other.anyone().post("/api/v1/auth/refresh", &next).await.expect(401);
}
