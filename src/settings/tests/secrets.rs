use secrecy::ExposeSecret;

use super::super::{DatabaseUrl, Settings};
use super::{fault, given};

const CANARY: &str = "canary-7f3a91";

fn password(settings: &Settings) -> Option<&str> {
    settings.auth.bootstrap_admin_password.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn secrets_are_read_and_never_shown() {
    let settings = given()
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_USERNAME", "root")
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD", CANARY)
        .variable("GATEWRIGHT_DATABASE__URL", &format!("postgres://app:{CANARY}@db.example/gate"))
        .loaded();
    assert_eq!(password(&settings), Some(CANARY));
    let DatabaseUrl::Postgres(url) = &settings.database.url else { panic!("no PostgreSQL") };
    assert!(url.expose_secret().contains(CANARY));
    let args = given().flags(&["--auth-bootstrap-admin-password", CANARY]).args();
    let shown = format!("{settings:?} {settings:#?} {args:?}");
    assert!(!shown.contains(CANARY), "{shown}");
}

#[test]
fn no_fault_shows_a_secret() {
    let number = "742917429174291";
    for given in [
        given().toml(&format!("[auth]\nbootstrap_admin_password = {number}")),
        given().toml(&format!("[auth]\nbootstrap_admin_password = [\"{CANARY}\"]")),
        given().toml(&format!("[auth]\nbootstrap_admin_password = \"{CANARY}\nb = 1")),
        given().toml(&format!("[database]\nurl = \"mysql://app:{CANARY}@db.example\"")),
        given().toml(&format!("[database]\nurl = \"postgres://app:{CANARY}@db:port/x y\"")),
        given().file(".env", &format!("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD='{CANARY}")),
        given()
            .variable("GATEWRIGHT_ENVIRONMENT", "production")
            .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD", CANARY),
    ] {
        let faults = given.refused();
        let shown = format!("{faults} {faults:?}");
        assert!(!shown.contains(CANARY) && !shown.contains(number), "{shown}");
    }
}

#[test]
fn the_line_of_a_bad_dot_env_is_named() {
    let given = given().file(".env", "A=1\n\nGATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD='open\n");
    assert_eq!(given.faults(), [fault(".env:3", "", "is not NAME=value")]);
}

#[test]
fn a_secret_may_come_from_a_file() {
    let given = given()
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_USERNAME", "root")
        .file("secret", &format!("{CANARY}\r\n"));
    let by_variable = given.variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD_FILE", "secret");
    assert_eq!(password(&by_variable.loaded()), Some(CANARY));
    let twice = by_variable.flags(&["--auth-bootstrap-admin-password", CANARY]);
    let problem =
        "`auth.bootstrap_admin_password` is given as well (flag --auth-bootstrap-admin-password)";
    let source = "variable GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD_FILE";
    assert_eq!(twice.faults(), [fault(source, "auth.bootstrap_admin_password_file", problem)]);
}

#[test]
fn a_secret_file_that_is_absent_or_empty_is_refused() {
    let given = given().file("empty", "\n").toml(
        "[auth]\nbootstrap_admin_username = \"root\"\nbootstrap_admin_password_file = \"empty\"\n\
         [database]\nurl_file = \"absent\"",
    );
    let faults = given.faults();
    let found: Vec<_> = faults.iter().map(|(source, key, _)| (&**source, &**key)).collect();
    let password = ("gatewright.toml:3", "auth.bootstrap_admin_password");
    assert_eq!(found, [("gatewright.toml:5", "database.url_file"), password]);
}
