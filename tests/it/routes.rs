//! The table of routes: who gets in where, and that nobody does by default.

use std::collections::BTreeSet;

use gatewright::authn::Service;
use gatewright::http::{Kind, Route, routes};
use gatewright::policy::Bundle;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::address::by_address;
use crate::harness::{Answer, Caller, Gate, Holder, Setup, policies, samples, send};

const PUBLIC: &[&str] = &[
    "GET /livez",
    "GET /readyz",
    "GET /health",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/{file}",
    "GET /.well-known/jwks.json",
    "GET /.well-known/biscuit-keys.json",
    "GET /.well-known/audit-key.json",
    "GET /api/v1/revocations",
    "GET /api/v1/audit/checkpoint",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/mfa",
    "POST /api/v1/auth/refresh",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/oauth-protected-resource",
    "POST /oauth/register",
    "POST /oauth/token",
    "POST /oauth/revoke",
    "POST /oauth/introspect",
    "GET /oauth/authorize",
    "GET /oauth/sign-in",
    "POST /oauth/sign-in",
    "POST /oauth/second-factor",
    "GET /oauth/federation/{issuer}/start",
    "GET /oauth/federation/{issuer}/callback",
    "POST /oauth/consent",
    "GET /oauth/account",
    "POST /oauth/sign-out",
    "GET /oauth/style.css",
    "POST /oauth/account/passkey",
    "GET /oauth/passkey",
    "POST /oauth/passkey",
    "GET /oauth/passkey.js",
    "POST /api/v1/auth/mfa/passkey",
    "POST /api/v1/auth/mfa/passkey/finish",
    "POST /api/v1/register/user",
    "GET /.well-known/oauth-protected-resource/mcp",
    "GET /api/v1/forward-auth",
    "POST /api/v1/forward-auth",
    "PUT /api/v1/forward-auth",
    "PATCH /api/v1/forward-auth",
    "DELETE /api/v1/forward-auth",
    "GET /.well-known/authzen-configuration",
];

/// Routes that ask themselves, because what is asked stands in the body; and what they ask.
const IDENTIFIED: &[(&str, &str)] = &[
    ("POST /api/v1/auth/elevate", "elevate"),
    ("POST /api/v1/auth/factors/totp", "enroll_factor"),
    ("POST /api/v1/auth/factors/totp/{factor}/confirm", "enroll_factor"),
    ("POST /api/v1/auth/factors/passkeys", "enroll_factor"),
    ("POST /api/v1/auth/factors/passkeys/finish", "enroll_factor"),
    ("POST /api/v1/auth/elevate/passkey", "elevate"),
    ("POST /api/v1/api-keys", "create_api_key"),
    ("GET /api/v1/agent/actions", "discover_tool"),
    ("POST /api/v1/agent/execute", "invoke"),
    ("POST /mcp", "invoke"),
    ("POST /api/v1/credentials/validate", "introspect_credential"),
    ("GET /api/v1/approvals/events", "follow_approvals"),
    ("POST /access/v1/requests", "request_approval"),
    ("GET /access/v1/requests/{approval}", "view_approval"),
    ("POST /access/v1/requests/{approval}/cancel", "cancel_approval"),
    ("POST /access/v1/evaluation", "query_access"),
    ("POST /access/v1/evaluations", "query_access"),
    ("POST /access/v1/search/subject", "search_access"),
    ("POST /access/v1/search/resource", "query_access"),
    ("POST /access/v1/search/action", "query_access"),
];

/// What questions about decisions ask besides.
const ASKED_WITH_QUESTIONS: &[&str] = &["supply_context", "supply_properties"];

/// What public routes ask once they know who it is.
const ASKED_AT_SIGN_IN: &[&str] = &[
    "introspect_token",
    "sign_in",
    "hold_scope",
    "register_client",
    "authorize_client",
    "act_for",
    "present_credential",
];

/// What steps of an enrolment ask in place of `enroll_factor`, once there is a factor.
const ASKED_BESIDE_A_FACTOR: &[&str] = &["add_factor"];

/// What is asked when a decision is looked at, besides whether that may be seen at all.
const ASKED_OF_A_DECISION: &[&str] = &["inspect_decision"];

/// Actions that policies can speak of already, and that nothing can ask for yet.
const AWAITING: &[&str] = &["delete_agent", "quarantine_tool", "transfer_tool", "view_role"];

/// Lists answer whatever policy says, with what it lets be seen.
const LISTS: &[&str] = &[
    "GET /api/v1/users",
    "GET /api/v1/agents",
    "GET /api/v1/api-keys",
    "GET /api/v1/users/{user}/mandates",
    "GET /api/v1/tools",
    "GET /api/v1/agent/actions",
    "GET /api/v1/credentials",
    "GET /api/v1/approvals",
    "GET /api/v1/bundles",
    "GET /api/v1/grants",
];

/// Answers whatever policy says, with what policy says of each action.
const EXECUTE: &str = "POST /api/v1/agent/execute";

const ALMOST_NOTHING: &str = r#"
@id("only.sign-in") @title("Everybody signs in")
permit (principal, action == Gatewright::Action::"sign_in", resource == Gatewright::Registry::"registry");
@id("only.scope") @title("Everybody holds one scope")
permit (principal, action == Gatewright::Action::"hold_scope", resource)
when { [Gatewright::Scope::"read:public"].contains(resource) };
@id("only.govern") @title("Policy admins can still mend it: no bundle may lock them out")
permit (
  principal in Gatewright::Role::"policy_admin",
  action in [Gatewright::Action::"elevate", Gatewright::Action::"enroll_factor", Gatewright::Action::"grant_role"],
  resource
);
"#;

fn line(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

fn lines(wanted: impl Fn(Kind) -> bool) -> Vec<String> {
    routes().iter().filter(|it| wanted(it.kind)).map(line).collect()
}

#[test]
fn the_ways_in_without_a_permit_are_these() {
    assert_eq!(lines(|it| it == Kind::Public), PUBLIC);
    let identified: Vec<&str> = IDENTIFIED.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines(|it| it == Kind::Identified), identified);
}

#[test]
fn every_action_of_the_schema_has_a_route_and_every_route_an_action() {
    let bundle = Bundle::starter().unwrap();
    let named = bundle.schema().request_envs().map(|it| it.action().id().unescaped().to_owned());
    let known: BTreeSet<String> = named.collect();

    let all = routes();
    let guarded = all.iter().filter_map(|it| match it.kind {
        Kind::Guarded(action) => Some(action),
        Kind::Identified | Kind::Public => None,
    });
    let inside = IDENTIFIED.iter().map(|(_, action)| action);
    let inside = inside.chain(ASKED_AT_SIGN_IN).chain(ASKED_BESIDE_A_FACTOR);
    let inside = inside.chain(ASKED_WITH_QUESTIONS).chain(ASKED_OF_A_DECISION).copied();
    let asked: BTreeSet<String> = guarded.chain(inside).map(str::to_owned).collect();
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "the schema does not know {unknown:?}");

    let awaiting: Vec<_> = known.difference(&asked).collect();
    assert_eq!(awaiting, AWAITING.iter().collect::<Vec<_>>(), "actions without a route");
}

#[tokio::test]
async fn the_api_document_describes_these_routes_and_no_others() {
    let gate = Gate::start();
    let document = gate.anyone().get("/openapi.json").await.expect(200);
    let mut described = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let line = format!("{} {path}", method.to_uppercase());
            let open = operation["security"] == json!([]);
            assert_eq!(open, PUBLIC.contains(&line.as_str()), "{line}");
            described.insert(line);
        }
    }
    assert_eq!(described, lines(|_| true).into_iter().collect());
}

/// Things to ask about, one of each kind.
struct Things {
    user: String,
    agent: String,
    tool: String,
    credential: String,
    token: String,
    key: String,
    mandate: String,
    approval: String,
    bundle: String,
    grant: String,
    decision: String,
}

impl Things {
    async fn make(gate: &Gate) -> (Things, Value) {
        let admin = gate.admin().await;
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let body = json!({ "username": "somebody", "password": "A-fine-pass-phrase-1" });
        let user = text(&admin.post("/api/v1/users", &body).await.expect(201)["id"]);
        let mut tool = samples::calculate("calc");
        tool["tags"] = json!(["calculators"]);
        let tool = admin.post("/api/v1/tools", &tool).await.expect(201);
        let (agent, caller) = gate.agent("reckoner", "agent").await;
        let path = format!("/api/v1/tools/{}/access", text(&tool["id"]));
        let vended = caller.post(&path, &json!({ "scopes": ["evaluate"] })).await.expect(201);
        let key = json!({ "name": "ci", "principal": agent["client_id"], "scopes": [] });
        let elevated = admin.elevated(crate::harness::server::PASSWORD).await;
        let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
        let uma = gate.user_with_factor("uma", "user").await;
        let path = format!("/api/v1/users/{}/mandates", uma.id().await);
        let mandate = samples::mandate("reckoner", "calculators", &["evaluate"]);
        let mandate = uma.post(&path, &mandate).await.expect(201);
        let approval = waiting(gate, &admin).await;
        let grant = samples::grant("Group:favoured", "Tool:calc");
        let grant = admin.post("/api/v1/grants", &grant).await.expect(201);
        let bundles = admin.get("/api/v1/bundles").await.expect(200);
        let things = Things {
            grant: text(&grant["id"]),
            bundle: text(&bundles["items"][0]["id"]),
            approval: text(&approval["approval"]["id"]),
            decision: text(&vended["decision_id"]),
            mandate: text(&mandate["id"]),
            key: text(&key["id"]),
            user,
            agent: text(&agent["client_id"]),
            tool: text(&tool["id"]),
            credential: text(&vended["credential"]["credential_id"]),
            token: text(&vended["credential"]["token"]),
        };
        (things, agent)
    }

    /// A request that only policy can have anything against.
    fn request(&self, caller: &Caller, route: &Route) -> reqwest::RequestBuilder {
        let mut path = route.path.to_owned();
        for (name, value) in [
            ("user", &*self.user),
            ("agent", &self.agent),
            ("tool", &self.tool),
            ("credential", &self.credential),
            ("key", &self.key),
            ("mandate", &self.mandate),
            ("approval", &self.approval),
            ("bundle", &self.bundle),
            ("policy", "use.translators"),
            ("grant", &self.grant),
            ("decision", &self.decision),
            ("role", "auditor"),
            ("version", "1.0.0"),
            ("factor", "019aa111-0000-7000-8000-000000000000"),
        ] {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "what to put into {path}?");
        match route.path {
            "/api/v1/audit/proof" => path.push_str("?seq=0"),
            "/api/v1/audit/consistency" => path.push_str("?from=1"),
            _ => {}
        }
        let request = caller.request(route.method.clone(), &path);
        match self.body(&line(route)) {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    fn body(&self, line: &str) -> Option<Value> {
        let password = "A-fine-pass-phrase-2";
        Some(match line {
            "POST /api/v1/auth/elevate" => json!({ "password": crate::harness::server::PASSWORD }),
            "POST /api/v1/auth/factors/totp" => json!({}),
            "POST /api/v1/auth/factors/totp/{factor}/confirm" => json!({ "otp": "123456" }),
            "POST /api/v1/auth/factors/passkeys" => json!({ "name": "laptop" }),
            "POST /api/v1/auth/factors/passkeys/finish" => {
                json!({ "ceremony": "gwo_none", "credential": samples::passkey() })
            }
            "POST /api/v1/users" => json!({ "username": "newcomer", "password": password }),
            "POST /api/v1/register/machine" => json!({ "name": "newcomer", "role": "agent" }),
            "PUT /api/v1/agents/{agent}/keys" => Holder::ed25519(1).jwks("one"),
            "POST /api/v1/api-keys" => json!({ "name": "another", "scopes": [] }),
            "POST /api/v1/users/{user}/mandates" => {
                samples::mandate(&self.agent, "calculators", &["evaluate"])
            }
            "POST /api/v1/tools" => samples::calculate("another"),
            "POST /api/v1/tools/import" => samples::api("imported"),
            "POST /api/v1/tools/remote/test-connection" => {
                json!({ "server_url": "https://127.0.0.1/mcp" })
            }
            "POST /api/v1/tools/{tool}/versions" => json!({ "version": "2.0.0" }),
            "PATCH /api/v1/tools/{tool}" => json!({ "description": "changed" }),
            "POST /api/v1/tools/{tool}/access" => json!({ "scopes": ["evaluate"] }),
            _ if samples::question(line).is_some() => samples::question(line)?,
            "POST /access/v1/requests" => samples::access_request(
                &self.agent,
                &self.tool,
                "019aa111-0000-7000-8000-000000000000",
            ),
            "PUT /api/v1/tools/{tool}/account" => json!({ "token": "t" }),
            "POST /api/v1/tools/{tool}/invoke" => json!({ "arguments": {} }),
            "POST /mcp" => json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
            "POST /api/v1/policies" => json!({ "text": samples::POLICY }),
            "PUT /api/v1/policies/{policy}" => json!({ "text": samples::POLICY }),
            "POST /api/v1/bundles" => {
                json!({ "files": { "policies/90-ours.cedar": samples::POLICY } })
            }
            "POST /api/v1/bundles/{bundle}/review" => json!({ "verdict": "yes", "reason": "so" }),
            "POST /api/v1/grants" => samples::grant("Role:agent", &format!("Tool:{}", self.tool)),
            EXECUTE => json!({ "custom_actions": { "calc": {} } }),
            "POST /api/v1/credentials" => json!({ "tool": self.tool, "scopes": ["evaluate"] }),
            "POST /api/v1/credentials/validate" => {
                json!({ "token": self.token, "tool": "calc", "scope": "evaluate" })
            }
            _ => return None,
        })
    }

    /// All of them as they are now.
    async fn state(&self, admin: &Caller) -> Vec<Value> {
        let mut found = Vec::new();
        for path in [
            format!("/api/v1/users/{}", self.user),
            format!("/api/v1/agents/{}", self.agent),
            format!("/api/v1/tools/{}", self.tool),
            format!("/api/v1/credentials/{}", self.credential),
            format!("/api/v1/api-keys/{}", self.key),
            format!("/api/v1/mandates/{}", self.mandate),
            format!("/api/v1/approvals/{}", self.approval),
            format!("/api/v1/grants/{}", self.grant),
            "/api/v1/users".into(),
            "/api/v1/agents".into(),
            "/api/v1/tools".into(),
            "/api/v1/credentials".into(),
            "/api/v1/api-keys".into(),
        ] {
            found.push(admin.get(&path).await.expect(200));
        }
        found
    }
}

/// A call that waits for a person.
async fn waiting(gate: &Gate, admin: &Caller) -> Value {
    let tool = admin.post("/api/v1/tools", &samples::risky("pay", "https://pay.example/")).await;
    let path = format!("/api/v1/tools/{}/invoke", tool.expect(201)["id"].as_str().unwrap());
    let (_, asks) = gate.agent("lingua", "translator").await;
    asks.post(&path, &json!({ "arguments": {} })).await.expect(202)
}

fn closed() -> impl Iterator<Item = Route> {
    routes().into_iter().filter(|it| it.kind != Kind::Public)
}

#[track_caller]
fn assert_unauthenticated(answer: &Answer, what: &str) {
    assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text);
    answer.problem(401, "unauthenticated");
    let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str();
    assert!(challenge.as_ref().is_ok_and(|it| it.starts_with("Bearer ")), "{what}: {challenge:?}");
}

#[tokio::test]
async fn without_a_credential_or_with_garbage_nobody_gets_past_the_door() {
    let gate = Gate::start();
    let (things, _) = Things::make(&gate).await;
    let token = gate.admin().await.token.unwrap();
    let forged = format!("{}x", &token[..token.len() - 1]);
    let basic = "Basic YWRtaW46QWRtMW4=".to_owned();
    let garbage = ["Bearer x".into(), "Bearer ".into(), format!("Bearer {forged}"), basic];
    for route in closed() {
        let request = || things.request(&gate.anyone(), &route);
        let answer = send(request()).await;
        assert_unauthenticated(&answer, &line(&route));
        let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(!challenge.contains("error"), "nothing was sent: {challenge}");
        for value in &garbage {
            let answer = send(request().header(header::AUTHORIZATION, value)).await;
            assert_unauthenticated(&answer, &format!("{} with `{value}`", line(&route)));
        }
        let twice = request().bearer_auth(&token).bearer_auth(&token);
        assert_unauthenticated(&send(twice).await, &format!("{} with two", line(&route)));
    }
}

#[tokio::test]
async fn policies_that_permit_nothing_close_every_route() {
    let setup = policies::own(Setup::new()).with("public_url", "http://gate.example");
    let mut gate = setup.start();
    by_address(&mut gate);
    let (things, agent) = Things::make(&gate).await;
    let before = things.state(&gate.admin().await).await;
    gate.vouch(&things.user).await;
    let kept = gate.folder.path().join("kept");
    std::fs::rename(policies::folder(gate.folder.path()), &kept).unwrap();
    std::fs::create_dir(policies::folder(gate.folder.path())).unwrap();
    // No bundle is taken up that lacks the template of a grant.
    let grant = std::fs::read_to_string(kept.join("templates/grant.cedar")).unwrap();
    policies::put(gate.folder.path(), "grant.cedar", &grant);
    policies::put(gate.folder.path(), "only.cedar", ALMOST_NOTHING);
    gate.restart();
    by_address(&mut gate);

    // Whose password is another, or who has none, does not come as far as the decision.
    let elevate = "POST /api/v1/auth/elevate";
    let person = gate.sign_in("somebody", "A-fine-pass-phrase-1").await;
    for caller in [person, gate.machine(&agent).await] {
        for route in closed().filter(|it| line(it) != elevate) {
            let line = line(&route);
            let answer = send(things.request(&caller, &route)).await;
            match answer.status.as_u16() {
                200 if LISTS.contains(&line.as_str()) => {
                    assert_eq!(answer.json()["items"], json!([]), "{line}");
                }
                // Its tokens are others; what they see and call then is tested with the rest of it.
                401 if route.service == Service::Mcp => assert_unauthenticated(&answer, &line),
                200 if line == EXECUTE => {
                    assert_eq!(answer.json()["actions"]["calc"]["status"], "denied", "{line}");
                }
                403 => drop(answer.problem(403, "denied")),
                // This door looks for the refusal first, and has words of its own.
                400 | 404 if line.contains(" /access/v1/requests") => {
                    let code = answer.json()["code"].clone();
                    assert!(code == "unknown_task" || code == "invalid_denial_binding", "{code}");
                }
                404 => drop(answer.problem(404, "not_found")),
                other => panic!("{line}: {other}: {}", answer.text),
            }
        }
    }

    std::fs::remove_dir_all(policies::folder(gate.folder.path())).unwrap();
    std::fs::rename(&kept, policies::folder(gate.folder.path())).unwrap();
    // What was active before is not taken up again by a restart alone.
    policies::put(gate.folder.path(), "99-back.cedar", "// As it was.");
    gate.restart();
    by_address(&mut gate);
    assert_eq!(things.state(&gate.admin().await).await, before, "nothing was done");
}

#[tokio::test]
async fn one_resource_comes_with_a_tag_that_a_change_can_insist_on() {
    let gate = Gate::start();
    let (things, _) = Things::make(&gate).await;
    let admin = gate.admin().await;
    let single = |it: &Route| it.method == Method::GET && it.path.ends_with('}');
    for route in closed().filter(single) {
        let shown = send(things.request(&admin, &route)).await;
        shown.expect(200);
        assert!(shown.headers.contains_key(header::ETAG), "{}", line(&route));
    }
    let path = format!("/api/v1/credentials/{}", things.credential);
    let revoke =
        |tag: &str| send(admin.request(Method::DELETE, &path).header(header::IF_MATCH, tag));
    revoke("\"2\"").await.problem(412, "precondition_failed");
    revoke("\"1\"").await.expect(204);
    assert_eq!(admin.get(&path).await.headers[header::ETAG], "\"2\"");
}

#[tokio::test]
async fn a_path_is_known_by_its_one_spelling_and_its_methods() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    for (method, path, allow) in [
        (Method::DELETE, "/api/v1/tools", "POST, GET, HEAD"),
        (Method::PUT, "/api/v1/tools/x", "GET, HEAD, PATCH, DELETE"),
        (Method::POST, "/livez", "GET, HEAD"),
        (Method::GET, "/api/v1/auth/login", "POST"),
        (Method::OPTIONS, "/api/v1/auth/login", "POST"),
    ] {
        let answer = send(admin.request(method, path)).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.headers[header::ALLOW], allow, "{path}");
    }
    for path in [
        "/",
        "/api/v1/tools/",
        "//api/v1/tools",
        "/api/v1//tools",
        "/API/v1/tools",
        "/api/v1/t%6Fols",
        "/api%2Fv1/tools",
        "/api/v1/tools/x/y/z",
        "/nothing",
    ] {
        admin.get(path).await.problem(404, "not_found");
    }
    let head = send(admin.request(Method::HEAD, "/livez")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn a_parameter_of_a_path_is_percent_decoded_once() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let body = json!({ "username": "somebody", "password": "A-fine-pass-phrase-1" });
    let user = admin.post("/api/v1/users", &body).await.expect(201);
    let id = user["id"].as_str().unwrap();
    let encoded: String = id.bytes().map(|it| format!("%{it:02X}")).collect();
    assert_eq!(admin.get(&format!("/api/v1/users/{encoded}")).await.expect(200), user);

    let granted = admin.put(&format!("/api/v1/users/{id}/roles/%61uditor")).await.expect(200);
    assert_eq!(granted["roles"], json!(["auditor", "user"]));
    for role in ["%2561uditor", "auditor%2F", "%61dmin", "%FF", "%00", "", "nonsense"] {
        let answer = admin.put(&format!("/api/v1/users/{id}/roles/{role}")).await;
        assert!([403, 404].contains(&answer.status.as_u16()), "{role}: {}", answer.text);
    }
    let user = admin.get(&format!("/api/v1/users/{id}")).await.expect(200);
    assert_eq!(user["roles"], json!(["auditor", "user"]));
}
