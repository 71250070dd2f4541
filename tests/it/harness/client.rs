//! An OAuth client: what it registers, asks for and redeems.

use serde_json::{Value, json};

use super::caller::Answer;
use super::server::Gate;

/// From RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const CALLBACK: &str = "https://client.example/callback";

/// A registered client.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
    url: String,
}

impl Client {
    /// One that keeps no secret, and may refresh.
    pub async fn public(gate: &Gate) -> Client {
        Client::register(gate, &json!({ "token_endpoint_auth_method": "none" })).await
    }

    /// One that proves itself by a secret, and may refresh.
    pub async fn confidential(gate: &Gate) -> Client {
        let method = json!({ "token_endpoint_auth_method": "client_secret_post" });
        Client::register(gate, &method).await
    }

    /// `change` goes over what a plain client registers.
    pub async fn register(gate: &Gate, change: &Value) -> Client {
        let mut document = json!({
            "client_name": "An app",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let made = gate.anyone().post("/oauth/register", &document).await.expect(201);
        Client {
            id: made["client_id"].as_str().unwrap().to_owned(),
            secret: made["client_secret"].as_str().map(str::to_owned),
            url: gate.url.clone(),
        }
    }

    /// The path and query of a request; `change` replaces parameters or, where empty, drops them.
    pub fn asks(&self, change: &[(&str, &str)]) -> String {
        let plain = [
            ("client_id", self.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "read:public read:profile"),
            ("state", "a state"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = plain.iter().filter(|(name, _)| change.iter().all(|(it, _)| it != name));
        let pairs: Vec<_> = kept.chain(change).filter(|(_, value)| !value.is_empty()).collect();
        let url = reqwest::Url::parse_with_params("http://x/oauth/authorize", pairs).unwrap();
        format!("{}?{}", url.path(), url.query().unwrap())
    }

    /// Redeems a code; `change` as in [`Client::asks`].
    pub async fn redeem(&self, code: &str, change: &[(&str, &str)]) -> Answer {
        let plain = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.token(&plain, change).await
    }

    pub async fn refresh(&self, token: &str, change: &[(&str, &str)]) -> Answer {
        let plain = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(&plain, change).await
    }

    async fn token(&self, plain: &[(&str, &str)], change: &[(&str, &str)]) -> Answer {
        let mut own = vec![("client_id", self.id.as_str())];
        own.extend(self.secret.as_deref().map(|it| ("client_secret", it)));
        let all = own.iter().chain(plain);
        let kept = all.filter(|(name, _)| change.iter().all(|(it, _)| it != name));
        let form: Vec<_> = kept.chain(change).filter(|(_, it)| !it.is_empty()).copied().collect();
        super::Caller::new(&self.url, None).form("/oauth/token", &form).await
    }
}

/// A refusal in OAuth's words.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.expect(status)["error"], error, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
}
