//! Nobody gets past the door by default.

use gatewright::authn::Service;
use reqwest::header;
use serde_json::json;

use super::things::Things;
use super::{EXECUTE, closed, line};
use crate::harness::address::by_address;
use crate::harness::{Answer, Gate, Setup, policies, send};

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
