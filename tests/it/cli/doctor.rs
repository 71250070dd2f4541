//! `gatewright doctor`: what it finds, and that it only looks.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gatewright::store::{self, Statement};
use serde_json::json;

use super::Ran;
use crate::harness::factor::{Pockets, enrol};
use crate::harness::places::{self, record};
use crate::harness::stores::{batch, group};
use crate::harness::{ADMIN, Gate, Setup, policies, postgres};

/// What it says, with an exit that must fit.
#[track_caller]
fn doctor(gate: &Gate, change: &[(&str, &str)], code: i32) -> String {
    let mut command = gate.command(&["doctor"]);
    for (key, value) in change {
        let variable = format!("GATEWRIGHT_{}", key.replace('.', "__").to_uppercase());
        command.env(variable, value);
    }
    let ran = Ran::from(command.output().unwrap()).expect(code);
    assert_eq!(ran.err, "");
    ran.out
}

/// That it says this about that, and how to mend it.
#[track_caller]
fn assert_says(said: &str, state: &str, of: &str, what: &str, mend: &str) {
    let mut lines = said.lines();
    let line = lines.find(|it| it.starts_with(state) && it.contains(of) && it.contains(what));
    assert!(line.is_some(), "{state} {of}: {what}?\n{said}");
    if !mend.is_empty() {
        let next = lines.next().unwrap();
        assert!(next.contains("mend: ") && next.contains(mend), "{mend}?\n{said}");
    }
}

/// Writes to a store behind its server's back.
async fn write(url: &str, sql: &'static str) {
    let db = store::open(&url.parse().unwrap()).unwrap();
    let held = db.commit(group(vec![batch(vec![Statement::new(sql)])])).await.unwrap();
    assert!(held.iter().all(Result::is_ok), "{held:?}");
}

fn expose(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

#[tokio::test]
async fn it_nags_until_the_administrator_has_a_second_factor() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        let gate = setup.start();
        gate.user("carol", "auditor").await;
        let admin = gate.admin().await;
        let said = doctor(&gate, &[], 0);
        assert_says(&said, "weak", "people", "`admin` can hand out roles", "enrol");
        assert!(!said.contains("carol"), "{said}");
        assert!(said.ends_with("0 broken, 1 weak, 10 well\n"), "{said}");
        enrol(&Pockets::default(), ADMIN, &admin).await;
        let said = doctor(&gate, &[], 0);
        assert_says(&said, "ok", "people", "has a second factor", "");
        assert!(said.ends_with("0 broken, 0 weak, 11 well\n"), "{said}");
    }
}

#[tokio::test]
async fn who_hands_out_roles_is_what_the_policies_say() {
    let setup = policies::own(Setup::new());
    let librarians = r#"
        @id("test.librarians") @title("Auditors hand out a role")
        permit (principal in Gatewright::Role::"auditor",
                action == Gatewright::Action::"grant_role", resource is Gatewright::User)
        when { context.role == Gatewright::Role::"user" };
    "#;
    policies::put(setup.folder.path(), "85-test.cedar", librarians);
    let gate = setup.start();
    let admin = gate.admin().await;
    let carol =
        json!({ "username": "carol", "password": "A-fine-pass-phrase-1", "role": "auditor" });
    let carol = admin.post("/api/v1/users", &carol).await.expect(201);
    let said = doctor(&gate, &[], 0);
    assert_says(&said, "weak", "people", "`carol` can hand out roles", "enrol");
    let path = format!("/api/v1/users/{}/suspend", carol["id"].as_str().unwrap());
    admin.act(&path).await.expect(200);
    assert!(!doctor(&gate, &[], 0).contains("carol"), "who is suspended can do nothing");
}

#[tokio::test]
async fn it_only_looks() {
    let folder = tempfile::tempdir().unwrap();
    super::run(folder.path(), &["init"]).expect(0);
    let listed = || -> Vec<_> {
        let all = fs::read_dir(folder.path()).unwrap();
        let mut all: Vec<_> = all.map(|it| it.unwrap().file_name()).collect();
        all.sort();
        all
    };
    let before = listed();
    let ran = super::run(folder.path(), &["doctor"]).expect(0);
    assert_says(&ran.out, "weak", "store", "is not there yet", "gatewright migrate");
    assert_eq!(listed(), before);

    fs::remove_file(folder.path().join("gatewright-keys/audit.key")).unwrap();
    let ran = super::run(folder.path(), &["doctor"]).expect(0);
    assert_says(&ran.out, "weak", "keys", "audit.key` is not there", "gatewright init");
    assert!(!folder.path().join("gatewright-keys/audit.key").exists());

    let gate = Gate::start();
    gate.admin().await;
    let head = async || gate.anyone().get("/api/v1/audit/checkpoint").await.text;
    let before = head().await;
    doctor(&gate, &[], 0);
    assert_eq!(head().await, before);
}

#[tokio::test]
async fn keys_must_be_there_and_their_owners_alone() {
    let gate = Gate::start();
    let at = |name: &str| gate.folder.path().join(name);
    for (name, loss) in [
        ("access.key", "every access token ends"),
        ("audit.key", "cannot be continued"),
        ("credentials.key", "every credential ends"),
    ] {
        expose(&at(name));
        let said = doctor(&gate, &[], 1);
        assert_says(&said, "BROKEN", "keys", name, "");
        assert!(said.contains("chmod 600"), "{said}");
        fs::remove_file(at(name)).unwrap();
        let said = doctor(&gate, &[], 1);
        assert_says(&said, "BROKEN", "keys", &format!("{name}` is not there"), loss);
        assert!(!at(name).exists(), "it is not made anew");
    }
}

#[tokio::test]
async fn the_store_must_answer_and_be_of_this_programs_schema() {
    let nobody = ("database.url", "postgres://nobody@127.0.0.1:1/none");
    let said = doctor(&Gate::start(), &[nobody], 1);
    assert_says(&said, "BROKEN", "store", "does not answer", "database.url");

    let url = postgres::fresh_database();
    let gate = Setup::new().with("database.url", &url).start();
    write(&url, "DELETE FROM refinery_schema_history WHERE version > 1").await;
    let said = doctor(&gate, &[], 1);
    assert_says(&said, "BROKEN", "store", "its schema is 1", "gatewright migrate");
    let newer = "INSERT INTO refinery_schema_history (version, name) VALUES (99, 'newer')";
    write(&url, newer).await;
    let said = doctor(&gate, &[], 1);
    assert_says(&said, "BROKEN", "store", "its schema is 99", "newer program");

    let gate = Gate::start();
    expose(&gate.folder.path().join("gatewright.db"));
    let said = doctor(&gate, &[], 0);
    assert_says(&said, "weak", "store", "may be read by others", "chmod 600");
    let url = format!("sqlite:{}", gate.folder.path().join("gatewright.db").display());
    write(&url, "UPDATE audit SET at = at + 3600000000").await;
    let said = doctor(&gate, &[], 1);
    assert_says(&said, "BROKEN", "clock", "and the store has entries of", "NTP");
}

#[tokio::test]
async fn what_stands_around_a_server_must_fit() {
    let gate = policies::own(Setup::new()).start();
    let at = |name: &str| gate.folder.path().join(name);
    let path = |name: &str| at(name).display().to_string();
    let (trust, listed) = ("risk.trust_proxy_headers", "risk.trusted_proxies");

    let said = doctor(&gate, &[(trust, "true")], 1);
    assert_says(&said, "BROKEN", "proxies", "none is listed", listed);
    let said = doctor(&gate, &[(trust, "true"), (listed, "0.0.0.0/0")], 1);
    assert_says(&said, "BROKEN", "proxies", "makes every caller a proxy", "own networks");
    let said = doctor(&gate, &[(listed, "10.0.0.0/8")], 0);
    assert_says(&said, "weak", "proxies", "not believed", trust);
    let said = doctor(&gate, &[("public_url", "https://gate.example")], 0);
    assert_says(&said, "weak", "proxies", "reached through none", listed);
    assert_says(&said, "weak", "settings", "callers come by https://gate.example", "production");
    let said = doctor(&gate, &[(trust, "true"), (listed, "10.0.0.0/8")], 0);
    assert_says(&said, "ok", "proxies", "10.0.0.0/8", "");

    places::write(&at("places.mmdb"), &json!({ "192.0.2.0/24": record("DE", 52.5, 13.4) }));
    let said = doctor(&gate, &[("risk.geoip_db", &path("places.mmdb"))], 0);
    assert_says(&said, "ok", "geoip", "places.mmdb` of 20", "");
    let said = doctor(&gate, &[("risk.geoip_db", &path("absent.mmdb"))], 1);
    assert_says(&said, "BROKEN", "geoip", "cannot read", "risk.geoip_db");

    fs::write(at("tokens"), "short\n").unwrap();
    fs::set_permissions(at("tokens"), Permissions::from_mode(0o600)).unwrap();
    let said = doctor(&gate, &[("auth.tokens_file", &path("tokens"))], 1);
    assert_says(&said, "BROKEN", "tokens", "fault", "correct the lines");
    assert!(!said.contains("short"), "{said}");

    let said = doctor(&gate, &[("auth.issuer", ""), ("listen", "nowhere")], 1);
    assert_says(&said, "BROKEN", "settings", "`auth.issuer`", "");
    assert_says(&said, "BROKEN", "settings", "`listen`", "");

    policies::put(gate.folder.path(), "90-test.cedar", "permit (principal, action, resource");
    let said = doctor(&gate, &[], 1);
    assert_says(&said, "BROKEN", "policies", "90-test.cedar", "gatewright policy check");
}
