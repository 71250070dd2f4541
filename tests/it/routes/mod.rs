//! The table of routes: who gets in where, and that nobody does by default.

mod closed;
mod paths;
mod things;

use std::collections::BTreeSet;

use gatewright::http::{Kind, Route, routes};
use gatewright::policy::Bundle;
use serde_json::json;

use crate::harness::Gate;

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

/// Answers whatever policy says, with what policy says of each action.
const EXECUTE: &str = "POST /api/v1/agent/execute";

fn line(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

fn lines(wanted: impl Fn(Kind) -> bool) -> Vec<String> {
    routes().iter().filter(|it| wanted(it.kind)).map(line).collect()
}

fn closed() -> impl Iterator<Item = Route> {
    routes().into_iter().filter(|it| it.kind != Kind::Public)
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
