use super::super::Source;
use super::{Given, given, production};

/// The settings that are refused.
fn refused(given: &Given) -> Vec<String> {
    given.refused().0.into_iter().map(|it| it.key).collect()
}

#[test]
fn a_sound_deployment_is_accepted() {
    assert!(production().loaded().environment.is_production());
    let public = production()
        .variable("GATEWRIGHT_LISTEN", "0.0.0.0:8443")
        .variable("GATEWRIGHT_TLS__CERT_FILE", "a.pem")
        .variable("GATEWRIGHT_TLS__KEY_FILE", "a.key")
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_USERNAME", "root")
        .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD", "five tall birches sang");
    assert_eq!(public.loaded().listen.port(), 8443);
    let proxied = production()
        .variable("GATEWRIGHT_LISTEN", "0.0.0.0:8080")
        .variable("GATEWRIGHT_RISK__TRUST_PROXY_HEADERS", "true")
        .variable("GATEWRIGHT_RISK__TRUSTED_PROXIES", "10.0.0.0/8");
    assert!(proxied.loaded().risk.trust_proxy_headers);
}

#[test]
fn everything_unsound_is_refused_at_once() {
    let unsound = |given: Given| {
        given
            .variable("GATEWRIGHT_LISTEN", "0.0.0.0:8080")
            .variable("GATEWRIGHT_RISK__TRUST_PROXY_HEADERS", "true")
            .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_USERNAME", "admin")
            .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD", "AdminPass123!")
            .variable("GATEWRIGHT_CORS__ALLOWED_ORIGINS", "http://console.example")
            .variable("GATEWRIGHT_LOG__LEVEL", "debug")
            .variable("GATEWRIGHT_DATABASE__URL", "sqlite::memory:")
    };
    assert!(!unsound(given()).loaded().environment.is_production());
    let mut keys = refused(&unsound(given().variable("GATEWRIGHT_ENVIRONMENT", "production")));
    keys.sort();
    assert_eq!(
        keys,
        [
            "auth.bootstrap_admin_password",
            "cors.allowed_origins",
            "database.url",
            "log.level",
            "public_url",
            "risk.trust_proxy_headers",
            "tls.cert_file",
        ]
    );
}

#[test]
fn the_public_url_must_be_reachable_over_https() {
    for (url, accepted) in [
        ("https://gate.example", true),
        ("http://gate.example", false),
        ("https://localhost", false),
        ("https://127.0.0.1:8443", false),
        ("https://[::1]", false),
    ] {
        let given = production().variable("GATEWRIGHT_PUBLIC_URL", url);
        assert_eq!(given.load().is_ok(), accepted, "{url}");
    }
    let unset =
        given().toml("environment = \"production\"\n[database]\nurl = \"sqlite:/srv/a.db\"");
    let faults = unset.refused().0;
    let found: Vec<_> = faults.iter().map(|it| (&*it.key, &it.source)).collect();
    assert_eq!(found, [("public_url", &Source::Default)]);
}

#[test]
fn weak_secrets_are_refused_however_they_are_spelled() {
    let password = |text: &str| {
        production()
            .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_USERNAME", "Administrator-7")
            .variable("GATEWRIGHT_AUTH__BOOTSTRAP_ADMIN_PASSWORD", text)
    };
    for weak in [
        "fourteen chars",
        "administrator-7",
        "12 Administrator 34567",
        "Password-Password-1",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "replace-this-in-production",
    ] {
        assert_eq!(refused(&password(weak)), ["auth.bootstrap_admin_password"], "{weak}");
    }
    password("five tall birches sang").loaded();
}

#[test]
fn the_database_must_outlive_a_restart() {
    for (url, accepted) in [
        ("sqlite:/var/lib/gatewright/a.db", true),
        ("postgresql://db.example/gate", true),
        ("sqlite::memory:", false),
        ("sqlite:/tmp/a.db", false),
        ("sqlite:/var/tmp/a.db", false),
        ("sqlite:/dev/shm/a.db", false),
        // The folder of this test is a temporary one.
        ("sqlite:a.db", false),
    ] {
        let given = production().variable("GATEWRIGHT_DATABASE__URL", url);
        assert_eq!(given.load().is_ok(), accepted, "{url}");
    }
}

#[test]
fn a_network_of_everyone_is_no_proxy() {
    for everyone in ["0.0.0.0/0", "::/0"] {
        let given = production().variable("GATEWRIGHT_RISK__TRUSTED_PROXIES", everyone);
        assert_eq!(refused(&given), ["risk.trusted_proxies"]);
    }
}
