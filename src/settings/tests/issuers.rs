//! Issuers that are trusted, and those that cannot be.

use super::{fault, given};
use crate::settings::{Signing, TrustedIssuer};

const TOML: &str = r#"
[[auth.trusted_issuers]]
kind = "sign_in"
name = "company"
issuer = "https://id.example/tenant"
client_id = "gate"
client_secret_file = "/run/secrets/company"
groups = { "eng-all" = "engineers" }
create_users = true

[[auth.trusted_issuers]]
kind = "workload"
name = "ci"
issuer = "https://ci.example"
audience = "https://gate.example"
algorithms = ["ES256"]
jwks_uri = "https://ci.example/keys"
agents = { "repo:acme/app:ref:refs/heads/main" = "deployer", "repo:acme/docs:*" = "writer" }
"#;

#[test]
fn issuers_are_read_from_tables_and_from_json() {
    let settings = given().toml(TOML).loaded();
    let [TrustedIssuer::SignIn(company), TrustedIssuer::Workload(ci)] =
        &settings.auth.trusted_issuers[..]
    else {
        panic!("{:?}", settings.auth.trusted_issuers);
    };
    assert_eq!(company.issuer.as_str(), "https://id.example/tenant");
    assert_eq!(company.algorithms, [Signing::RS256, Signing::ES256, Signing::EdDSA]);
    assert_eq!(company.username_claim.as_str(), "preferred_username");
    assert_eq!(company.groups["eng-all"].as_str(), "engineers");
    assert_eq!(ci.algorithms, [Signing::ES256]);
    let json = r#"[{"kind":"workload","name":"ci","issuer":"http://127.0.0.1:9","audience":"it",
                   "agents":{"a":"b"}}]"#;
    for given in [
        given().variable("GATEWRIGHT_AUTH__TRUSTED_ISSUERS", json),
        given().flags(&[&format!("--auth-trusted-issuers={json}")]),
    ] {
        assert_eq!(given.loaded().auth.trusted_issuers.len(), 1);
    }
}

#[test]
fn an_issuer_that_would_believe_too_much_is_refused() {
    let one = |kind: &str, change: &str| {
        let fields = match kind {
            "sign_in" => r#""client_id":"gate""#,
            _ => r#""audience":"it","agents":{"a":"b"}"#,
        };
        format!(
            r#"[{{"kind":"{kind}","name":"one","issuer":"https://id.example",{fields},{change}}}]"#
        )
    };
    for (json, words) in [
        ("{}".to_owned(), "is not a list of tables"),
        ("[7]".to_owned(), "expected internally tagged enum"),
        (r#"[{"name":"one"}]"#.to_owned(), "missing field `kind`"),
        (one("anything", r#""x":1"#), "unknown variant `anything`"),
        (one("sign_in", r#""agents":{}"#), "unknown field `agents`"),
        (one("workload", r#""create_users":true"#), "unknown field `create_users`"),
        (one("sign_in", r#""algorithms":["HS256"]"#), "unknown variant `HS256`"),
        (one("sign_in", r#""algorithms":["none"]"#), "unknown variant `none`"),
        (one("sign_in", r#""groups":{"x":"bootstrap"}"#), "`bootstrap` is no group"),
        (one("sign_in", r#""jwks_uri":"keys"#), "is not a list of tables"),
    ] {
        let refused = given().variable("GATEWRIGHT_AUTH__TRUSTED_ISSUERS", &json).refused();
        let said = refused.to_string();
        assert!(said.contains(words) && said.contains("auth.trusted_issuers"), "{json}: {said}");
    }
    for (field, values) in [
        ("name", &["", "Company", "a b", "1st", "-", "a/b", "ä"][..]),
        (
            "issuer",
            &[
                "",
                "id.example",
                "http://id.example",
                "https://id.example?x",
                "https://id.example/#x",
                "https://u@id.example",
                "https://id.example/ ",
                "ftp://id.example",
            ],
        ),
    ] {
        for value in values {
            let json = r#"[{"kind":"workload","name":"one","issuer":"https://a","audience":"it",
                            "agents":{}}]"#;
            let was = if field == "name" { r#""one""# } else { r#""https://a""# };
            let json = json.replacen(was, &format!("{value:?}"), 1);
            let given = given().variable("GATEWRIGHT_AUTH__TRUSTED_ISSUERS", &json);
            assert!(given.refused().to_string().contains(value), "{field}: {value}");
        }
    }
    for pattern in ["", "*", "repo:acme*", "a*b", "*:a", ":*", "**", "repo:**"] {
        let agents = format!(r#""agents":{{"{pattern}":"b"}}"#);
        let json = one("workload", "").replace(r#""agents":{"a":"b"},"#, &agents);
        let given = given().variable("GATEWRIGHT_AUTH__TRUSTED_ISSUERS", &json);
        assert!(given.refused().to_string().contains("is neither the `sub`"), "{pattern}");
    }
}

#[test]
fn issuers_do_not_stand_for_each_other() {
    let again = TOML.replace("name = \"ci\"", "name = \"company\"");
    assert_eq!(
        given().toml(&again).faults(),
        [fault("gatewright.toml:2", "auth.trusted_issuers", "two issuers are named `company`")]
    );
    let third = TOML.split("\n\n").nth(1).unwrap().replace("\"ci\"", "\"other\"");
    let problem = "`https://ci.example` is there twice";
    assert_eq!(
        given().toml(&format!("{TOML}\n{third}")).faults(),
        [fault("gatewright.toml:2", "auth.trusted_issuers", problem)]
    );
}
