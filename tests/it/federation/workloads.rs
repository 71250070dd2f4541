//! Workloads that bring the token of their cluster.

use serde_json::{Value, json};

use super::Company;
use crate::harness::provider::Provider;
use crate::harness::{Answer, Caller, PASSWORD};

const CRAWLER: &str = "system:serviceaccount:prod:crawler";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn exchange(company: &Company, token: &str, more: &[(&str, &str)]) -> Answer {
    let plain = [("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", JWT)];
    let kept = plain.iter().filter(|(name, _)| more.iter().all(|(it, _)| it != name));
    let form: Vec<_> = kept.chain(more).filter(|(_, it)| !it.is_empty()).copied().collect();
    company.gate.anyone().form("/oauth/token", &form).await
}

fn refused(answer: &Answer, error: &str) {
    assert_eq!(answer.expect(400)["error"], error, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_workload_is_the_agent_that_it_stands_for() {
    let mut company = Company::start().await;
    let (agent, _) = company.gate.agent("crawler", "agent").await;
    let claims = json!({ "sub": CRAWLER, "aud": ["https://gate.example"] });
    let token = company.provider.vouch(&claims);
    let answer = exchange(&company, &token, &[("scope", "read:context")]).await;
    let tokens = answer.expect(200);
    assert_eq!(tokens["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(
        (&tokens["token_type"], &tokens["scope"]),
        (&json!("Bearer"), &json!("read:context"))
    );
    assert_eq!(tokens["refresh_token"], Value::Null);
    let crawler = Caller::new(&company.gate.url, tokens["access_token"].as_str());
    let me = crawler.get("/api/v1/auth/me").await.expect(200);
    assert_eq!((&me["id"], &me["kind"]), (&agent["client_id"], &json!("agent")));
    assert_eq!(me["session"]["assurance_level"], 2, "attested");

    let admin = company.admin.elevated(PASSWORD).await;
    let id = agent["client_id"].as_str().unwrap();
    admin.act(&format!("/api/v1/agents/{id}/suspend")).await.expect(200);
    refused(&exchange(&company, &token, &[]).await, "unauthorized_client");
}

#[tokio::test]
async fn a_token_that_vouches_for_something_else_is_refused() {
    let mut company = Company::start().await;
    company.gate.agent("crawler", "agent").await;
    let audience = "https://gate.example";
    for (claims, reason) in [
        (json!({ "sub": CRAWLER, "aud": "https://other.example" }), "wrong_audience"),
        (json!({ "sub": CRAWLER }), "wrong_audience"),
        (json!({ "sub": format!("{CRAWLER}2"), "aud": audience }), "unknown_workload"),
        (json!({ "sub": CRAWLER, "aud": audience, "exp": 1_000_000_000 }), "wrong_time"),
        (json!({ "sub": CRAWLER, "aud": audience, "nbf": 9_000_000_000_i64 }), "wrong_time"),
        (
            json!({ "sub": CRAWLER, "aud": audience, "iss": "https://evil.example" }),
            "unknown_issuer",
        ),
        // People sign in with this one; it is not asked about workloads.
        (
            json!({ "sub": CRAWLER, "aud": audience, "iss": company.provider.issuer.clone() }),
            "unknown_issuer",
        ),
    ] {
        let token = company.provider.vouch(&claims);
        refused(&exchange(&company, &token, &[]).await, "invalid_request");
        assert_eq!(company.reason("auth.token").await, reason, "{claims}");
    }
    let good = company.provider.vouch(&json!({ "sub": CRAWLER, "aud": audience }));
    let [head, body, _] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    for forged in
        [format!("{head}.{body}."), format!("{head}.{body}"), "x".repeat(20_000), good[1..].into()]
    {
        refused(&exchange(&company, &forged, &[]).await, "invalid_request");
        assert_eq!(company.reason("auth.token").await, "bad_token");
    }
    for more in [
        &[("subject_token", "")][..],
        &[("subject_token_type", "")],
        &[("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")],
        &[("requested_token_type", JWT)],
    ] {
        refused(&exchange(&company, &good, more).await, "invalid_request");
    }
    refused(&exchange(&company, &good, &[("scope", "admin:all")]).await, "invalid_scope");
    refused(
        &exchange(&company, &good, &[("resource", "https://evil.example")]).await,
        "invalid_target",
    );
    exchange(&company, &good, &[]).await.expect(200);
}

#[tokio::test]
async fn workloads_go_on_for_a_while_when_their_issuer_is_down_and_new_ones_wait() {
    let mut company = Company::start().await;
    company.gate.agent("crawler", "agent").await;
    let claims = json!({ "sub": CRAWLER, "aud": "https://gate.example" });
    let (first, second) = (company.provider.vouch(&claims), company.provider.vouch(&claims));
    exchange(&company, &first, &[]).await.expect(200);
    company.provider = Provider::start();
    exchange(&company, &second, &[]).await.expect(200);

    let mut fresh = Company::start().await;
    fresh.gate.agent("crawler", "agent").await;
    let token = fresh.provider.vouch(&claims);
    fresh.provider = Provider::start();
    exchange(&fresh, &token, &[]).await.problem(503, "unavailable");
}
