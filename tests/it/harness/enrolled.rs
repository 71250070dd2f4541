//! People who enrol an authenticator app, step by step.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::factor::code;
use super::{Answer, Caller, Gate, Setup, policies};

pub use super::server::WORDS;

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
pub struct App {
    /// Base32.
    pub secret: String,
}

impl App {
    /// Reads what an enrolment gave.
    pub fn scan(given: &Value) -> App {
        App { secret: given["secret"].as_str().unwrap().to_owned() }
    }

    /// The code of now. The next one is good as well, and so is one that has just passed: a test that
    /// takes them in this order never meets a turn of the clock.
    pub fn code(&self) -> String {
        code(&self.secret, now())
    }

    pub fn next_code(&self) -> String {
        code(&self.secret, now() + Duration::from_secs(30))
    }

    /// A code that is not right and is not about to be.
    pub fn wrong_code(&self) -> String {
        let right: Vec<String> = (0..7u64)
            .map(|it| {
                code(&self.secret, now() + Duration::from_secs(30 * it) - Duration::from_secs(90))
            })
            .collect();
        (0..8).map(|it| format!("{:06}", it * 111_111)).find(|it| !right.contains(it)).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Somebody who has confirmed an app.
pub struct Enrolled {
    pub app: App,
    /// The code that confirmed it.
    pub used_code: String,
    pub recovery_codes: Vec<String>,
    /// With the factor just proven.
    pub caller: Caller,
}

/// Registers a plain user, who has no second factor.
pub async fn register(gate: &Gate, username: &str) {
    let body = json!({ "username": username, "password": WORDS });
    gate.admin().await.post("/api/v1/users", &body).await.expect(201);
}

/// Signs in with the password alone.
pub async fn sign_in(gate: &Gate, username: &str) -> Caller {
    let body = json!({ "username": username, "password": WORDS });
    let tokens = gate.anyone().post("/api/v1/auth/login", &body).await.expect(200);
    Caller::new(&gate.url, tokens["access_token"].as_str())
}

/// Registers a user, who enrols an app. Its code of now is used up.
pub async fn enrolled(gate: &Gate, username: &str) -> Enrolled {
    register(gate, username).await;
    let caller = sign_in(gate, username).await;
    enrol(gate, &caller).await
}

/// Enrols an app for somebody who has just signed in. Its code of now is used up.
pub async fn enrol(gate: &Gate, caller: &Caller) -> Enrolled {
    let given = caller.post("/api/v1/auth/factors/totp", &json!({})).await.expect(201);
    let app = App::scan(&given);
    let used_code = app.code();
    let confirmed = confirm(caller, &given, &used_code).await.expect(200);
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    let recovery_codes = codes.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let caller = Caller::new(&gate.url, confirmed["access_token"].as_str());
    Enrolled { app, used_code, recovery_codes, caller }
}

pub async fn confirm(caller: &Caller, given: &Value, otp: &str) -> Answer {
    let path = format!("/api/v1/auth/factors/totp/{}/confirm", given["id"].as_str().unwrap());
    caller.post(&path, &json!({ "otp": otp })).await
}

/// The token of a sign-in that waits for a second factor.
pub async fn held(anyone: &Caller, username: &str) -> Value {
    let body = json!({ "username": username, "password": WORDS });
    anyone.post("/api/v1/auth/login", &body).await.problem(401, "mfa_required")
}

/// Goes on with it.
pub async fn prove(anyone: &Caller, held: &Value, otp: &str) -> Answer {
    let body = json!({ "mfa_token": held["mfa_token"], "otp": otp });
    anyone.post("/api/v1/auth/mfa", &body).await
}
