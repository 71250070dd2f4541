//! The recovery codes of the people in the tests, and their authenticator apps.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::Caller;
use super::enrolled::App;

/// What each person has in their pocket, by name.
#[derive(Default)]
pub struct Pockets(Mutex<HashMap<String, Vec<String>>>);

impl Pockets {
    /// Keeps the codes that an enrolment or a registration showed.
    pub fn keep(&self, name: &str, recovery_codes: &Value) {
        let codes = recovery_codes.as_array().unwrap().iter();
        let codes = codes.map(|it| it.as_str().unwrap().to_owned()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), codes);
    }

    /// A proof that has not been used yet: codes of the app work once in 30 seconds, recovery codes
    /// work at once.
    pub fn proof(&self, name: &str) -> String {
        let mut pockets = self.0.lock().unwrap();
        let pocket = pockets.get_mut(name).unwrap_or_else(|| panic!("{name} has no factor"));
        pocket.pop().unwrap_or_else(|| panic!("{name} has no recovery code left"))
    }
}

/// Enrols an app for the caller, and gives the caller with the second factor proven.
pub async fn enrol(pockets: &Pockets, name: &str, caller: &Caller) -> Caller {
    let path = "/api/v1/auth/factors/totp";
    let app = caller.post(path, &json!({})).await.expect(201);
    let code = App::scan(&app).code();
    let path = format!("{path}/{}/confirm", app["id"].as_str().unwrap());
    let confirmed = caller.post(&path, &json!({ "otp": code })).await.expect(200);
    pockets.keep(name, &confirmed["recovery_codes"]);
    let mut stronger = caller.clone();
    stronger.token = confirmed["access_token"].as_str().map(str::to_owned);
    stronger
}

/// What an app with this secret (Base32) shows at `time`.
pub fn code(secret: &str, time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let secret = Secret::try_from_base32(secret).unwrap();
    let app = Builder::new().with_secret(secret).build().unwrap();
    app.generate(seconds).to_string()
}
