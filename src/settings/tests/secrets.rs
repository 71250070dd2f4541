use secrecy::ExposeSecret;

use super::super::{DatabaseUrl, Settings};
use super::{fault, given};

const CANARY: &str = "canary-7f3a91";

fn bootstrap_token(settings: &Settings) -> Option<&str> {
    settings.auth.bootstrap_token.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn secrets_are_read_and_never_shown() {
    let settings = given()
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_TOKEN", CANARY)
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_USERNAME", "root")
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD", CANARY)
        .variable("GATEWRIGHT_DATABASE__URL", &format!("postgres://app:{CANARY}@db.example/gate"))
        .loaded();
    assert_eq!(bootstrap_token(&settings), Some(CANARY));
    let DatabaseUrl::Postgres(url) = &settings.database.url else { panic!("no PostgreSQL") };
    assert!(url.expose_secret().contains(CANARY));
    let args = given().flags(&["--auth-bootstrap-token", CANARY]).args();
    let shown = format!("{settings:?} {settings:#?} {args:?}");
    assert!(!shown.contains(CANARY), "{shown}");
}

#[test]
fn no_fault_shows_a_secret() {
    let number = "742917429174291";
    for given in [
        given().toml(&format!("[auth]\nbootstrap_token = {number}")),
        given().toml(&format!("[auth]\nbootstrap_token = [\"{CANARY}\"]")),
        given().toml(&format!("[auth]\nbootstrap_token = \"{CANARY}\nb = 1")),
        given().toml(&format!("[database]\nurl = \"mysql://app:{CANARY}@db.example\"")),
        given().toml(&format!("[database]\nurl = \"postgres://app:{CANARY}@db:port/x y\"")),
        given().file(".env", &format!("GATEWRIGHT_AUTH__BOOTSTRAP_TOKEN='{CANARY}")),
        given()
            .variable("GATEWRIGHT_ENVIRONMENT", "production")
            .variable("GATEWRIGHT_AUTH__BOOTSTRAP_TOKEN", CANARY)
            .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD", CANARY),
    ] {
        let faults = given.refused();
        let shown = format!("{faults} {faults:?}");
        assert!(!shown.contains(CANARY) && !shown.contains(number), "{shown}");
    }
}

#[test]
fn the_line_of_a_bad_dot_env_is_named() {
    let given = given().file(".env", "A=1\n\nGATEWRIGHT_AUTH__BOOTSTRAP_TOKEN='open\n");
    assert_eq!(given.faults(), [fault(".env:3", "", "is not NAME=value")]);
}

#[test]
fn a_secret_may_come_from_a_file() {
    let given = given().file("token", &format!("{CANARY}\r\n"));
    let by_variable = given.variable("GATEWRIGHT_AUTH__BOOTSTRAP_TOKEN_FILE", "token");
    assert_eq!(bootstrap_token(&by_variable.loaded()), Some(CANARY));
    let twice = by_variable.flags(&["--auth-bootstrap-token", CANARY]);
    let problem = "`auth.bootstrap_token` is given as well (flag --auth-bootstrap-token)";
    let source = "variable GATEWRIGHT_AUTH__BOOTSTRAP_TOKEN_FILE";
    assert_eq!(twice.faults(), [fault(source, "auth.bootstrap_token_file", problem)]);
}

#[test]
fn a_secret_file_that_is_absent_or_empty_is_refused() {
    let given = given().file("empty", "\n").toml(
        "[auth]\nbootstrap_token_file = \"absent\"\nbootstrap_admin_username = \"root\"\n\
         bootstrap_admin_password_file = \"empty\"",
    );
    let faults = given.faults();
    let found: Vec<_> = faults.iter().map(|(source, key, _)| (&**source, &**key)).collect();
    let password = ("gatewright.toml:4", "auth.bootstrap_admin_password");
    assert_eq!(found, [password, ("gatewright.toml:2", "auth.bootstrap_token_file")]);
}
