//! The walk through machines, tools, and what is done with them.

use reqwest::Method;
use serde_json::json;

use super::witness::Witness;
use crate::harness::mcp_server::McpServer;
use crate::harness::server::PASSWORD;
use crate::harness::{Caller, Gate, Holder, Upstream, samples, send};

pub(super) async fn principal_changes(
    witness: &mut Witness,
    admin: &Caller,
    template: &str,
    path: &str,
    role: &str,
) {
    let roles = format!("{template}/roles/{{role}}");
    witness.saw("put", &roles, &admin.put(&format!("{path}/roles/{role}")).await);
    witness.saw("delete", &roles, &admin.delete(&format!("{path}/roles/{role}")).await);
    for verb in ["suspend", "resume"] {
        let answer = admin.act(&format!("{path}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
}

pub(super) async fn machines(gate: &Gate, witness: &mut Witness, admin: &Caller) -> Caller {
    let path = "/api/v1/register/machine";
    let body = json!({ "name": "lingua", "role": "translator" });
    let agent = witness.saw("post", path, &admin.post(path, &body).await);
    witness.saw("get", "/api/v1/agents", &admin.get("/api/v1/agents").await);
    let id = agent["client_id"].as_str().unwrap();
    let one = format!("/api/v1/agents/{id}");
    witness.saw("get", "/api/v1/agents/{agent}", &admin.get(&one).await);
    principal_changes(witness, admin, "/api/v1/agents/{agent}", &one, "agent").await;
    let secret = agent["client_secret"].as_str().unwrap();
    let mut form =
        [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let tokens =
        witness.saw("post", "/oauth/token", &gate.anyone().form("/oauth/token", &form).await);
    form[2].1 = "wrong";
    witness.saw("post", "/oauth/token", &gate.anyone().form("/oauth/token", &form).await);
    form[0].1 = "password";
    witness.saw("post", "/oauth/token", &gate.anyone().form("/oauth/token", &form).await);
    form[2].1 = secret;
    form[0] = ("token", tokens["access_token"].as_str().unwrap());
    let path = "/oauth/introspect";
    let told = witness.saw("post", path, &gate.anyone().form(path, &form).await);
    assert_eq!(told["active"], true, "{told}");
    form[0].1 = "none";
    for path in [path, "/oauth/revoke"] {
        witness.saw("post", path, &gate.anyone().form(path, &form).await);
        witness.saw("post", path, &gate.anyone().form(path, &form[..1]).await);
    }
    let again = json!({ "password": PASSWORD });
    let elevated = admin.post("/api/v1/auth/elevate", &again).await.expect(200);
    let elevated = Caller::new(&gate.url, elevated["access_token"].as_str());
    let keys = elevated.request(Method::PUT, &format!("{one}/keys"));
    let keys = send(keys.json(&Holder::ed25519(1).jwks("one"))).await;
    witness.saw("put", "/api/v1/agents/{agent}/keys", &keys);
    let overlap = json!({ "overlap_seconds": 60 });
    let rotated = elevated.post(&format!("{one}/secret"), &overlap).await;
    witness.saw("post", "/api/v1/agents/{agent}/secret", &rotated);
    Caller::new(&gate.url, tokens["access_token"].as_str())
}

pub(super) async fn registry(witness: &mut Witness, admin: &Caller) -> String {
    let path = "/api/v1/tools";
    let tool = witness.saw("post", path, &admin.post(path, &samples::translate("translate")).await);
    witness.saw("post", path, &admin.post(path, &json!({ "name": "x" })).await);
    witness.saw("get", path, &admin.get(path).await);
    let id = tool["id"].as_str().unwrap().to_owned();
    let (template, one) = ("/api/v1/tools/{tool}", format!("{path}/{id}"));
    witness.saw("get", template, &admin.get(&one).await);
    witness.saw("patch", template, &admin.patch(&one, &json!({ "description": "New" })).await);
    for verb in ["deactivate", "activate"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    id
}

pub(super) async fn mcp(gate: &Gate, witness: &mut Witness) {
    let path = "/.well-known/oauth-protected-resource/mcp";
    witness.saw("get", path, &gate.anyone().get(path).await);
    let (agent, _) = gate.agent("talker", "agent").await;
    let resource = format!("{}/mcp", gate.url);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", agent["client_id"].as_str().unwrap()),
        ("client_secret", agent["client_secret"].as_str().unwrap()),
        ("resource", &resource),
    ];
    let token = gate.anyone().form("/oauth/token", &form).await.expect(200);
    let caller = Caller::new(&gate.url, token["access_token"].as_str());
    let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let request = caller.request(Method::POST, "/mcp").json(&asked);
    let request = request.header("accept", "application/json, text/event-stream");
    witness.saw("post", "/mcp", &send(request).await);
}

pub(super) async fn servers(witness: &mut Witness, admin: &Caller) {
    let path = "/api/v1/tools/import";
    for document in [samples::api("imported"), samples::api("imported"), json!({})] {
        witness.saw("post", path, &admin.post(path, &document).await);
    }
    let mut station = McpServer::start("streamable");
    let (all, template) = ("/api/v1/tools", "/api/v1/tools/{tool}");
    let test = "/api/v1/tools/remote/test-connection";
    let known = json!({ "server_url": station.url });
    witness.saw("post", test, &admin.post(test, &known).await);
    let nobody = json!({ "server_url": "http://127.0.0.1:1/" });
    witness.saw("post", test, &admin.post(test, &nobody).await);
    let server = json!({
        "tool_type": "remote", "name": "weather", "server_url": station.url, "scopes": ["use"],
        "static_headers": { "X-Key": "word" },
    });
    let server = witness.saw("post", all, &admin.post(all, &server).await);
    let one = format!("{all}/{}", server["id"].as_str().unwrap());
    witness.saw("get", template, &admin.get(&one).await);
    let each = json!({ "requires_per_user_auth": true });
    witness.saw("patch", template, &admin.patch(&one, &each).await);
    let account = admin.request(Method::PUT, &format!("{one}/account"));
    let account = send(account.json(&json!({ "token": "mine" }))).await;
    account.expect(204);
    witness.saw("put", &format!("{template}/account"), &account);
    station.tell(&json!({ "describe": "Something else." }));
    let path = format!("{template}/reprobe");
    let found = witness.saw("post", &path, &admin.act(&format!("{one}/reprobe")).await);
    assert_eq!(found["quarantined"], json!(["weather__forecast"]), "{found}");
    let path = format!("{template}/probes");
    witness.saw("get", &path, &admin.get(&format!("{one}/probes")).await);
    let tools = witness.saw("get", all, &admin.get(all).await);
    let member = tools["items"].as_array().unwrap().iter();
    let member = member.clone().find(|it| it["name"] == "weather__forecast").unwrap();
    let member = format!("{all}/{}", member["id"].as_str().unwrap());
    witness.saw("get", template, &admin.get(&member).await);
    for _ in 0..2 {
        let answer = admin.act(&format!("{member}/accept")).await;
        witness.saw("post", &format!("{template}/accept"), &answer);
    }
    let path = format!("{template}/versions");
    let version = json!({ "version": "2.0.0", "risk_level": "medium" });
    witness.saw("post", &path, &admin.post(&format!("{member}/versions"), &version).await);
    witness.saw("get", &path, &admin.get(&format!("{member}/versions")).await);
    let path = format!("{path}/{{version}}/rollback");
    witness.saw("post", &path, &admin.act(&format!("{member}/versions/1.0.0/rollback")).await);
}

pub(super) async fn calls(witness: &mut Witness, admin: &Caller) {
    let upstream = Upstream::open().await;
    let tool = json!({
        "tool_type": "http", "name": "orders", "endpoint": upstream.url("/{id}"), "scopes": ["call"],
        "input_schema": { "type": "object", "properties": { "id": { "type": "string" } } },
        "auth_method": "bearer", "secrets": { "token": "s3cret" },
    });
    let tool = witness.saw("post", "/api/v1/tools", &admin.post("/api/v1/tools", &tool).await);
    let one = format!("/api/v1/tools/{}", tool["id"].as_str().unwrap());
    witness.saw("get", "/api/v1/tools/{tool}", &admin.get(&one).await);
    for (id, status) in [("x", 200), ("status/500", 200), ("..", 502)] {
        let answer =
            admin.post(&format!("{one}/invoke"), &json!({ "arguments": { "id": id } })).await;
        answer.expect(status);
        witness.saw("post", "/api/v1/tools/{tool}/invoke", &answer);
    }
    let template = "/api/v1/tools/{tool}/account";
    witness.saw("delete", template, &admin.delete(&format!("{one}/account")).await);
}

pub(super) async fn granting(gate: &Gate, witness: &mut Witness) {
    let admin = gate.admin().await;
    gate.agent("favoured", "agent").await;
    let list = "/api/v1/grants";
    let body = samples::grant("Agent:favoured", "ToolSet:favours");
    let made = witness.saw("post", list, &admin.post(list, &body).await);
    witness.saw("post", list, &admin.post(list, &json!({})).await);
    witness.saw("get", list, &admin.get(list).await);
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    witness.saw("get", "/api/v1/grants/{grant}", &admin.get(&one).await);
    witness.saw("delete", "/api/v1/grants/{grant}", &admin.delete(&one).await);
}

pub(super) async fn delegation(gate: &Gate, witness: &mut Witness, agent: &Caller) {
    let uma = gate.user_with_factor("uma", "user").await;
    let template = "/api/v1/users/{user}/mandates";
    let path = format!("/api/v1/users/{}/mandates", uma.id().await);
    let mandate = samples::mandate("lingua", "translation", &["agent:translate", "read"]);
    let given = witness.saw("post", template, &uma.post(&path, &mandate).await);
    witness.saw("post", template, &uma.post(&path, &json!({})).await);
    witness.saw("get", template, &uma.get(&path).await);
    let ask = json!({ "tool": "translate", "scopes": ["read"], "on_behalf_of": uma.id().await });
    let path = "/api/v1/credentials";
    let access = witness.saw("post", path, &agent.post(path, &ask).await);
    let one = format!("{path}/{}", access["credential"]["credential_id"].as_str().unwrap());
    witness.saw("get", "/api/v1/credentials/{credential}", &uma.get(&one).await);
    let one = format!("/api/v1/mandates/{}", given["id"].as_str().unwrap());
    for _ in 0..2 {
        witness.saw("get", "/api/v1/mandates/{mandate}", &uma.get(&one).await);
        witness.saw("delete", "/api/v1/mandates/{mandate}", &uma.delete(&one).await);
    }
}

pub(super) async fn vending(witness: &mut Witness, admin: &Caller, agent: &Caller, tool: &str) {
    let path = format!("/api/v1/tools/{tool}/access");
    let template = "/api/v1/tools/{tool}/access";
    let ask = json!({ "scopes": ["read"] });
    let access = witness.saw("post", template, &agent.post(&path, &ask).await);
    let long = json!({ "scopes": ["read"], "ttl_seconds": 86_400 });
    let denied = witness.saw("post", template, &agent.post(&path, &long).await);
    assert!(denied["fix"].is_array(), "{denied}");
    let template = "/api/v1/tools/{tool}/invoke";
    let call = format!("/api/v1/tools/{tool}/invoke");
    witness.saw("post", template, &agent.post(&call, &json!({ "arguments": {} })).await);
    let path = "/api/v1/agent/actions";
    witness.saw("get", path, &agent.get(path).await);
    let path = "/api/v1/agent/execute";
    let several = json!({ "prompt": "a", "custom_actions": { "translate": { "text": "a" } } });
    witness.saw("post", path, &agent.post(path, &several).await);
    witness.saw("post", path, &agent.post(path, &json!({})).await);
    let path = "/api/v1/credentials";
    let by_name = json!({ "tool": "translate", "scopes": ["read"] });
    witness.saw("post", path, &agent.post(path, &by_name).await);
    witness.saw("get", path, &agent.get(path).await);
    let mut holder = agent.clone();
    holder.token = access["credential"]["token"].as_str().map(str::to_owned);
    let (template, asked) =
        ("/api/v1/forward-auth", "/api/v1/forward-auth?tool=translate&scope=read");
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = send(holder.request(method.clone(), asked)).await;
        answer.expect(200);
        witness.saw(&method.as_str().to_lowercase(), template, &answer);
    }
    let id = access["credential"]["credential_id"].as_str().unwrap();
    let (template, one) = ("/api/v1/credentials/{credential}", format!("{path}/{id}"));
    witness.saw("get", template, &agent.get(&one).await);
    let path = "/api/v1/credentials/validate";
    let token = &access["credential"]["token"];
    let question = json!({ "token": token, "tool": "translate", "scope": "read" });
    let valid = witness.saw("post", path, &admin.post(path, &question).await);
    assert_eq!(valid["valid"], true, "{valid}");
    witness.saw("delete", template, &agent.delete(&one).await);
    witness.saw("get", template, &agent.get(&one).await);
    for question in [question, json!({ "token": "none", "tool": "translate", "scope": "read" })] {
        let invalid = witness.saw("post", path, &admin.post(path, &question).await);
        assert_eq!(invalid["valid"], false, "{invalid}");
    }
}
