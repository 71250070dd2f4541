//! Tokens that somebody asks about (RFC 7662), or has ended (RFC 7009).

use serde_json::{Value, json};

use crate::harness::browser::query;
use crate::harness::client::{Client, assert_refused};
use crate::harness::holder::ASSERTION_TYPE;
use crate::harness::{Answer, Browser, Caller, Gate, Holder, PASSWORD, Setup, samples};

const ME: &str = "/api/v1/auth/me";
const INTROSPECT: &str = "/oauth/introspect";
const REVOKE: &str = "/oauth/revoke";

/// Somebody who may ask at the OAuth endpoints.
struct Asker<'a> {
    gate: &'a Gate,
    id: String,
    secret: Option<String>,
}

impl<'a> Asker<'a> {
    fn machine(gate: &'a Gate, agent: &Value) -> Asker<'a> {
        let text = |name: &str| agent[name].as_str().unwrap().to_owned();
        Asker { gate, id: text("client_id"), secret: Some(text("client_secret")) }
    }

    fn client(gate: &'a Gate, client: &Client) -> Asker<'a> {
        Asker { gate, id: client.id.clone(), secret: client.secret.clone() }
    }

    async fn ask(&self, path: &str, token: &Value) -> Answer {
        let mut form = vec![("token", token.as_str().unwrap()), ("client_id", &self.id)];
        form.extend(self.secret.as_deref().map(|it| ("client_secret", it)));
        self.gate.anyone().form(path, &form).await
    }

    async fn introspect(&self, token: &Value) -> Value {
        let answer = self.ask(INTROSPECT, token).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        answer.expect(200)
    }

    #[track_caller]
    fn told_nothing(answer: &Value) {
        assert_eq!(*answer, json!({ "active": false }));
    }
}

/// The tokens of a person who let this client act for them.
async fn tokens(gate: &Gate, client: &Client) -> Value {
    let code =
        query(&Browser::at(gate).allow(&client.asks(&[("prompt", "consent")])).await)["code"]
            .clone();
    client.redeem(&code, &[]).await.expect(200)
}

fn with(gate: &Gate, token: &Value) -> Caller {
    Caller::new(&gate.url, token.as_str())
}

#[tokio::test]
async fn a_server_learns_what_a_token_is_good_for_while_it_is() {
    let tools = "https://tools.example/mcp";
    let gate = Setup::new().with("auth.resources", tools).start();
    let (server, _) = gate.agent("tools", "mcp_server").await;
    let server = Asker::machine(&gate, &server);
    let user = gate.user("alice", "user").await;
    let token = json!(user.token);
    let told = server.introspect(&token).await;
    let me = user.get(ME).await.expect(200);
    for (name, expected) in [
        ("active", json!(true)),
        ("token_type", json!("Bearer")),
        ("scope", json!("read:profile read:public write:profile")),
        ("sub", me["id"].clone()),
        ("sub_kind", json!("user")),
        ("username", json!("alice")),
        ("iss", json!(gate.url)),
        ("aud", json!(gate.url)),
    ] {
        assert_eq!(told[name], expected, "{name}: {told}");
    }
    assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 900);

    // Of another resource: of no use here, and for its own server to understand.
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", agent["client_id"].as_str().unwrap()),
        ("client_secret", agent["client_secret"].as_str().unwrap()),
        ("resource", tools),
    ];
    let elsewhere = gate.anyone().form("/oauth/token", &form).await.expect(200);
    let told = server.introspect(&elsewhere["access_token"]).await;
    assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!(tools)));
    assert_eq!(told["client_id"], agent["client_id"]);

    let admin = gate.admin().await;
    let id = me["id"].as_str().unwrap();
    admin.act(&format!("/api/v1/users/{id}/suspend")).await.expect(200);
    Asker::told_nothing(&server.introspect(&token).await);
    let other = gate.user("bob", "user").await;
    other.act("/api/v1/auth/logout").await.expect(204);
    for token in [json!(other.token), json!("x"), json!("gwk_x"), json!("gwr_x"), json!("a.b.c")] {
        Asker::told_nothing(&server.introspect(&token).await);
    }
    let filter = "/api/v1/audit-events?action=token.introspect";
    let entries = admin.get(filter).await.expect(200);
    assert_eq!(entries["items"][0]["entry"]["details"]["reason"], "unknown_token");
    assert!(!entries.to_string().contains(token.as_str().unwrap()));
}

#[tokio::test]
async fn who_may_not_know_is_told_what_a_bad_token_is_told() {
    let gate = Gate::start();
    let user = json!(gate.admin().await.token);
    let (agent, machine) = gate.agent("reckoner", "agent").await;
    let asker = Asker::machine(&gate, &agent);
    Asker::told_nothing(&asker.introspect(&user).await);
    let own = asker.introspect(&json!(machine.token)).await;
    assert_eq!((&own["active"], &own["sub"]), (&json!(true), &agent["client_id"]));

    let client = Client::confidential(&gate).await;
    let app = Asker::client(&gate, &client);
    Asker::told_nothing(&app.introspect(&user).await);
    let public = Client::public(&gate).await;
    let nobody = Asker::client(&gate, &public);
    assert_refused(&nobody.ask(INTROSPECT, &user).await, 401, "invalid_client");
    let wrong = Asker { secret: Some("gws_wrong".into()), ..Asker::machine(&gate, &agent) };
    for path in [INTROSPECT, REVOKE] {
        assert_refused(&wrong.ask(path, &json!(machine.token)).await, 401, "invalid_client");
        let alone = [("token", machine.token.as_deref().unwrap())];
        assert_refused(&gate.anyone().form(path, &alone).await, 401, "invalid_client");
        let none = [("client_id", &*asker.id), ("client_secret", asker.secret.as_deref().unwrap())];
        assert_refused(&gate.anyone().form(path, &none).await, 400, "invalid_request");
    }
    machine.get(ME).await.expect(200);
}

#[tokio::test]
async fn a_client_knows_and_ends_what_it_was_given_and_nothing_else() {
    let gate = Gate::start();
    let client = Client::confidential(&gate).await;
    let app = Asker::client(&gate, &client);
    let other_client = Client::confidential(&gate).await;
    let other = Asker::client(&gate, &other_client);
    let given = tokens(&gate, &client).await;
    let (access, refresh) = (&given["access_token"], &given["refresh_token"]);
    let told = app.introspect(refresh).await;
    assert_eq!(
        (&told["token_type"], &told["client_id"]),
        (&json!("refresh_token"), &json!(client.id))
    );
    assert_eq!(told["scope"], given["scope"]);
    assert_eq!(app.introspect(access).await["client_id"], client.id);
    Asker::told_nothing(&other.introspect(access).await);
    for token in [access, refresh] {
        assert_refused(&other.ask(REVOKE, token).await, 400, "unauthorized_client");
    }
    with(&gate, access).get(ME).await.expect(200);

    // Either token ends the session, and both tokens with it.
    for last in ["refresh_token", "access_token"] {
        let given = tokens(&gate, &client).await;
        let kept = tokens(&gate, &client).await;
        with(&gate, &given["access_token"]).get(ME).await.expect(200);
        app.ask(REVOKE, &given[last]).await.expect(200);
        with(&gate, &given["access_token"]).get(ME).await.problem(401, "unauthenticated");
        let spent = client.refresh(given["refresh_token"].as_str().unwrap(), &[]).await;
        assert_refused(&spent, 400, "invalid_grant");
        Asker::told_nothing(&app.introspect(&given["refresh_token"]).await);
        app.ask(REVOKE, &given[last]).await.expect(200);
        with(&gate, &kept["access_token"]).get(ME).await.expect(200);
    }
    app.ask(REVOKE, &json!("whatever")).await.expect(200);

    let public = Client::public(&gate).await;
    let given = tokens(&gate, &public).await;
    Asker::client(&gate, &public).ask(REVOKE, &given["refresh_token"]).await.expect(200);
    with(&gate, &given["access_token"]).get(ME).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_machine_ends_its_tokens_and_keys_and_what_they_got() {
    let gate = Gate::start();
    let admin = gate.admin().await.elevated(PASSWORD).await;
    let (agent, machine) = gate.agent("lingua", "translator").await;
    let asker = Asker::machine(&gate, &agent);
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let access = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let body =
        json!({ "name": "ci", "principal": agent["client_id"], "scopes": ["agent:translate"] });
    let made = admin.post("/api/v1/api-keys", &body).await.expect(201);
    let told = asker.introspect(&made["key"]).await;
    assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("agent:translate")));
    assert_eq!(told.get("exp"), None);
    let path = format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.get(&path).await.expect(200)["last_used_at"], Value::Null, "only asked about");

    for token in [json!(machine.token), made["key"].clone()] {
        let caller = with(&gate, &token);
        let vended = caller.post(&access, &json!({ "scopes": ["read"] })).await.expect(201);
        let question =
            json!({ "token": vended["credential"]["token"], "tool": "translate", "scope": "read" });
        let valid = async || {
            let answer = admin.post("/api/v1/credentials/validate", &question).await.expect(200);
            answer["valid"].clone()
        };
        assert_eq!(valid().await, true);
        asker.ask(REVOKE, &token).await.expect(200);
        caller.get(ME).await.problem(401, "unauthenticated");
        Asker::told_nothing(&asker.introspect(&token).await);
        assert_eq!(valid().await, false);
    }
    admin.get(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_signed_proof_of_who_asks_is_good_once() {
    let gate = Gate::start();
    let holder = Holder::ed25519(7);
    let body = json!({ "name": "signer", "role": "mcp_server", "jwks": holder.jwks("one") });
    let agent = gate.admin().await.post("/api/v1/register/machine", &body).await.expect(201);
    let id = agent["client_id"].as_str().unwrap();
    let token = gate.user("alice", "user").await.token.unwrap();
    for path in [INTROSPECT, REVOKE] {
        let assertion = holder.assertion(&gate.url, id, "one", &json!({}));
        let token = if path == REVOKE { "gwr_none" } else { &token };
        let form = [
            ("token", token),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &assertion),
        ];
        gate.anyone().form(path, &form).await.expect(200);
        assert_refused(&gate.anyone().form(path, &form).await, 401, "invalid_client");
    }
}

#[tokio::test]
async fn what_stands_in_a_file_is_not_ended_over_the_network() {
    let token = "q7VdK2mXw9Rt4LzB8nYc3HsJ6PfG1aEu";
    let setup = Setup::new();
    let path = setup.folder.path().join("tokens");
    std::fs::write(&path, format!("user:admin {token} read:public\n")).unwrap();
    let gate = setup.with("auth.tokens_file", path.to_str().unwrap()).start();
    let (server, _) = gate.agent("tools", "mcp_server").await;
    let server = Asker::machine(&gate, &server);
    let told = server.introspect(&json!(token)).await;
    assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("read:public")));
    assert_refused(&server.ask(REVOKE, &json!(token)).await, 400, "unsupported_token_type");
    with(&gate, &json!(token)).get(ME).await.expect(200);
}
