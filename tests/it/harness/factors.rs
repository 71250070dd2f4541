//! An authenticator app, and people who have one.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::Totp;

use super::{Answer, Caller, Gate, Setup, policies};

pub const WORDS: &str = "A-fine-pass-phrase-1";

/// Whoever signs in proves a second factor, but for those who set things up.
const EVERYBODY_PROVES: &str = r#"
@id("test.second-factor") @title("People prove a second factor")
forbid (principal is Gatewright::User, action, resource)
unless {
  action in Gatewright::Action::"session" || context.session has mfa_age ||
  principal in Gatewright::Role::"admin" || principal in Gatewright::Role::"guest"
};
"#;

/// A server whose policies ask everybody but administrators for a second factor.
pub fn strict(setup: Setup) -> Gate {
    let setup = policies::own(setup);
    policies::put(setup.folder.path(), "15-test.cedar", EVERYBODY_PROVES);
    setup.start()
}

/// What a phone shows.
pub struct App(Totp);

impl App {
    /// Reads the `otpauth` URI, as a phone reads the QR code of it.
    pub fn scan(given: &Value) -> App {
        App(Totp::from_url(given["provisioning_uri"].as_str().unwrap()).unwrap())
    }

    /// The code of now. The next one is good as well, and so is one that has just passed: a test that
    /// takes them in this order never meets a turn of the clock.
    pub fn code(&self) -> String {
        self.at(0)
    }

    pub fn next_code(&self) -> String {
        self.at(1)
    }

    /// A code that was never right and is not about to be.
    pub fn wrong_code(&self) -> String {
        let right: Vec<String> = (-3..=3).map(|it| self.at(it)).collect();
        let codes = (0..8).map(|it| format!("{:06}", it * 111_111));
        codes.into_iter().find(|it| !right.contains(it)).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
    fn at(&self, steps: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.0.generate(now.checked_add_signed(30 * steps).unwrap()).to_string()
    }
}

/// Somebody who has confirmed an app.
pub struct Enrolled {
    pub app: App,
    pub recovery_codes: Vec<String>,
    /// With the factor just proven.
    pub caller: Caller,
}

/// Registers a plain user, who has no second factor.
pub async fn register(gate: &Gate, username: &str) {
    let body = json!({ "username": username, "password": WORDS });
    gate.admin().await.post("/api/v1/users", &body).await.expect(201);
}

/// Registers a user, who enrols an app. Its code of now is used up.
pub async fn enrolled(gate: &Gate, username: &str) -> Enrolled {
    register(gate, username).await;
    let caller = gate.sign_in(username, WORDS).await;
    let given = caller.act("/api/v1/auth/factors/totp").await.expect(201);
    let app = App::scan(&given);
    let confirmed = confirm(&caller, &given, &app.code()).await.expect(200);
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    let recovery_codes = codes.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let caller = Caller::new(&gate.url, confirmed["access_token"].as_str());
    Enrolled { app, recovery_codes, caller }
}

pub async fn confirm(caller: &Caller, given: &Value, otp: &str) -> Answer {
    let path = format!("/api/v1/auth/factors/totp/{}/confirm", given["id"].as_str().unwrap());
    caller.post(&path, &json!({ "otp": otp })).await
}

/// The token of a sign-in that waits for a second factor.
pub async fn held(gate: &Gate, username: &str) -> Value {
    let body = json!({ "username": username, "password": WORDS });
    gate.anyone().post("/api/v1/auth/login", &body).await.problem(401, "mfa_required")
}

/// Goes on with it.
pub async fn prove(gate: &Gate, held: &Value, otp: &str) -> Answer {
    let body = json!({ "mfa_token": held["mfa_token"], "otp": otp });
    gate.anyone().post("/api/v1/auth/mfa", &body).await
}
