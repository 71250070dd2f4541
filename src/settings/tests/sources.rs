use std::collections::BTreeMap;

use clap::{Args, Command};
use serde_json::Value;

use super::super::keys::{self, KEYS, Kind};
use super::super::sources::gather;
use super::super::{LogLevel, Settings, SettingsArgs, template};
use super::{Given, fault, given, production};

#[test]
fn nothing_given_is_the_defaults() {
    let settings = given().loaded();
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.public_url.to_string(), "http://127.0.0.1:8080");
    assert_eq!(settings.auth.access_token_ttl_seconds, 900);
    assert_eq!(settings.rate_limits.login_username.to_string(), "20/15minutes");
}

#[test]
fn later_sources_win() {
    let level = |given: &Given| given.loaded().log.level;
    let given = given().toml("[log]\nlevel = \"error\"");
    assert_eq!(level(&given), LogLevel::Error);
    let given = given.file(".env", "OTHER=1\nGATEWRIGHT_LOG__LEVEL=warn\n");
    assert_eq!(level(&given), LogLevel::Warn);
    let given = given.variable("GATEWRIGHT_LOG__LEVEL", "debug");
    assert_eq!(level(&given), LogLevel::Debug);
    let given = given.flags(&["--log-level", "trace"]);
    assert_eq!(level(&given), LogLevel::Trace);
}

#[test]
fn a_source_that_is_silent_leaves_the_earlier_value() {
    let given = given()
        .toml("[auth]\naccess_token_ttl_seconds = 60\nelevated_token_ttl_seconds = 61")
        .variable("GATEWRIGHT_AUTH__ACCESS_TOKEN_TTL_SECONDS", "62");
    let auth = given.loaded().auth;
    let lives = (auth.access_token_ttl_seconds, auth.elevated_token_ttl_seconds);
    assert_eq!((lives, auth.refresh_token_ttl_seconds), ((62, 61), 1_209_600));
}

#[test]
fn the_file_may_be_named_by_flag_or_variable() {
    let given = given().toml("listen = \"127.0.0.1:1\"").file("b.toml", "listen = \"127.0.0.1:2\"");
    let given = given.variable("GATEWRIGHT_CONFIG", "b.toml");
    assert_eq!(given.loaded().listen.port(), 2);
    assert_eq!(given.flags(&["--config", "gatewright.toml"]).loaded().listen.port(), 1);
    let absent = production().flags(&["--config", "absent.toml"]);
    let [(source, key, problem)] = &absent.faults()[..] else { panic!("{:?}", absent.faults()) };
    assert_eq!((source.as_str(), key.as_str()), ("absent.toml:1", ""));
    assert!(problem.starts_with("cannot be read"), "{problem}");
}

#[test]
fn every_setting_is_taken_from_each_kind_of_source() {
    for key in KEYS.iter().filter(|it| it.kind != Kind::Lists) {
        let value = match (&key.fills, &key.default, &key.example) {
            (Some(_), ..) => Value::from("a-file"),
            (None, Some(value), _) | (None, None, Some(value)) => value.clone(),
            (None, None, None) => Value::from("anything"),
        };
        let toml = format!("{} = {}", key.name, keys::toml_text(&value));
        let text = match &value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let flag = format!("--{}={text}", key.flag);
        for given in [
            given().toml(&toml),
            given().file(".env", &format!("{}={text}", keys::variable(&key.name))),
            given().variable(&keys::variable(&key.name), &text),
            given().flags(&[&flag]),
        ] {
            let given = given.file("a-file", "sqlite:a.db");
            let environment = given.environment.iter().map(|(name, it)| (name.into(), it.into()));
            let all = gather(&given.args(), environment, given.folder.path());
            assert_eq!(all.faults, [], "{}", key.name);
            let name = key.fills.as_ref().unwrap_or(&key.name);
            assert_eq!(all.given.keys().collect::<Vec<_>>(), [name]);
        }
    }
}

#[test]
fn zones_are_taken_by_name_from_each_source() {
    let given = given()
        .toml("[risk.zones]\nvpn = [\"10.1.0.0/16\"]\noffice = [\"192.0.2.7\"]")
        .variable("GATEWRIGHT_RISK__ZONES__VPN", "10.2.0.0/16, 10.3.0.0/16")
        .flags(&["--risk-zones", "lab=2001:db8::/32", "--risk-zones", "shop=198.51.100.0/24"]);
    let zones = given.loaded().risk.zones;
    let shown: BTreeMap<_, _> = zones.iter().map(|(name, it)| (&**name, &it.0[..])).collect();
    let nets = |list: &[&str]| list.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>();
    assert_eq!(shown.len(), 4);
    assert_eq!(shown["vpn"], nets(&["10.2.0.0/16", "10.3.0.0/16"]));
    assert_eq!(shown["office"], nets(&["192.0.2.7/32"]));
    assert_eq!(shown["lab"], nets(&["2001:db8::/32"]));
    assert_eq!(shown["shop"], nets(&["198.51.100.0/24"]));
    let unnamed = super::given().flags(&["--risk-zones", "10.0.0.0/8"]);
    let problem = "`10.0.0.0/8` names no entry";
    assert_eq!(unnamed.faults(), [fault("flag --risk-zones", "risk.zones", problem)]);
}

#[test]
fn addresses_that_follow_from_others_follow_them() {
    let settings = given().flags(&["--listen", "0.0.0.0:9000"]).loaded();
    assert_eq!(settings.public_url.to_string(), "http://127.0.0.1:9000");
    assert_eq!(settings.auth.issuer, "http://127.0.0.1:9000");
    let flags = ["--public-url", "https://Gate.example/", "--auth-audience", "tools"];
    let settings = given().flags(&flags).loaded();
    assert_eq!(settings.auth.issuer, "https://gate.example");
    assert_eq!(settings.auth.audience, "tools");
    let files = ["--tls-cert-file", "a.pem", "--tls-key-file", "a.key"];
    assert_eq!(given().flags(&files).loaded().public_url.to_string(), "https://127.0.0.1:8080");
}

#[test]
fn an_unknown_name_is_refused_with_the_one_that_was_meant() {
    let given = given()
        .toml(
            "lisen = \"127.0.0.1:1\"\n\n[auth]\nacces_token_ttl_seconds = 5\n\n[rate_limit]\na = 1",
        )
        .file(".env", "A=1\nGATEWRIGHT_LOG__LEVL=info\n")
        .variable("GATEWRIGHT_AUTH_ISSUER", "me")
        .variable("GATEWRIGHT_TLS", "on")
        .variable("GATEWRIGHT_TEAPOT__SPOUT", "short");
    let faults = given.faults();
    let found: Vec<_> = faults.iter().map(|(source, key, _)| (&**source, &**key)).collect();
    assert_eq!(
        found,
        [
            ("gatewright.toml:4", "auth.acces_token_ttl_seconds"),
            ("gatewright.toml:1", "lisen"),
            ("gatewright.toml:6", "rate_limit"),
            ("GATEWRIGHT_LOG__LEVL in .env", "log.levl"),
            ("variable GATEWRIGHT_AUTH_ISSUER", "auth_issuer"),
            ("variable GATEWRIGHT_TLS", "tls"),
            ("variable GATEWRIGHT_TEAPOT__SPOUT", "teapot.spout"),
        ]
    );
    assert!(faults.iter().all(|(.., problem)| problem == "there is no such setting"));
    assert_eq!(
        given.refused().0.iter().map(|it| &*it.fix).collect::<Vec<_>>(),
        [
            "did you mean `auth.access_token_ttl_seconds`?",
            "did you mean `listen`?",
            "did you mean `rate_limits`?",
            "did you mean `GATEWRIGHT_LOG__LEVEL`?",
            "did you mean `GATEWRIGHT_AUTH__ISSUER`?",
            "give the settings in it: `GATEWRIGHT_TLS__NAME`",
            "take it out; `gatewright init` writes a file with all settings",
        ]
    );
}

#[test]
fn an_unknown_flag_is_refused_with_the_one_that_was_meant() {
    let command = SettingsArgs::augment_args(Command::new("serve"));
    let error = command.try_get_matches_from(["serve", "--database-uri", "x"]).unwrap_err();
    assert!(error.to_string().contains("'--database-url'"), "{error}");
}

#[test]
fn every_wrong_value_is_told_at_once_with_its_place() {
    let given = given()
        .toml(
            "listen = \"here\"\nenvironment = \"prod\"\nlog = 3\n\
             [policy]\nwatch = \"yes\"\nhome_time_zone = \"Mars/Base\"\n\
             [auth]\naccess_token_ttl_seconds = \"900\"\nissuer = \"\"\n\
             [risk]\nblocked_networks = [\"10.0.0.0/8\", \"10.0.0.1/8\"]\n",
        )
        .file(".env", "GATEWRIGHT_RATE_LIMITS__LOGIN_IP=often\n")
        .variable("GATEWRIGHT_CREDENTIALS__DEFAULT_TTL_SECONDS", "0")
        .flags(&["--auth-refresh-token-ttl-seconds=-5", "--cors-allowed-origins=*"]);
    let mut faults = given.faults();
    faults.sort();
    let mut expected = vec![
        fault("gatewright.toml:1", "listen", "`here`: invalid socket address syntax"),
        fault(
            "gatewright.toml:2",
            "environment",
            "unknown variant `prod`, expected `development` or `production`",
        ),
        fault("gatewright.toml:3", "log", "is a table, not a value"),
        fault("gatewright.toml:5", "policy.watch", "`yes` is neither `true` nor `false`"),
        fault(
            "gatewright.toml:6",
            "policy.home_time_zone",
            "`Mars/Base` is no time zone that this machine knows",
        ),
        fault("gatewright.toml:8", "auth.access_token_ttl_seconds", "`900` is not a whole number"),
        fault("gatewright.toml:9", "auth.issuer", "`` is empty"),
        fault(
            "gatewright.toml:11",
            "risk.blocked_networks[1]",
            "`10.0.0.1/8` has bits past its prefix: `10.0.0.0/8`?",
        ),
        fault(
            "GATEWRIGHT_RATE_LIMITS__LOGIN_IP in .env",
            "rate_limits.login_ip",
            "`often` is no limit such as `5/minute` or `20/15minutes`",
        ),
        fault(
            "variable GATEWRIGHT_CREDENTIALS__DEFAULT_TTL_SECONDS",
            "credentials.default_ttl_seconds",
            "`0` is out of range",
        ),
        fault(
            "flag --auth-refresh-token-ttl-seconds",
            "auth.refresh_token_ttl_seconds",
            "`-5` is not a whole number",
        ),
        fault(
            "flag --cors-allowed-origins",
            "cors.allowed_origins[0]",
            "`*` would let every web page use its visitor's rights",
        ),
    ];
    expected.sort();
    assert_eq!(faults, expected);
}

#[test]
fn a_broken_file_hides_no_fault_and_invents_none() {
    let given = production().toml("a = \nb = [\n").variable("GATEWRIGHT_LOG__LEVEL", "loud");
    let given = given.variable("GATEWRIGHT_PUBLIC_URL", "http://localhost");
    let faults = given.faults();
    assert!(faults.iter().any(|it| it.0 == "gatewright.toml:1" && it.1.is_empty()), "{faults:?}");
    assert!(faults.iter().any(|it| it.1 == "log.level"), "{faults:?}");
    assert!(faults.iter().all(|it| it.1 != "public_url"), "{faults:?}");
}

#[test]
fn settings_that_need_each_other_come_together() {
    let given = given().flags(&[
        "--auth-bootstrap-admin-username=root",
        "--tls-client-ca-file=ca.pem",
        "--auth-refresh-token-ttl-seconds=60",
        "--metrics-listen=127.0.0.1:8080",
    ]);
    let username = "does nothing without `auth.bootstrap_admin_password`";
    assert_eq!(
        given.faults(),
        [
            fault(
                "flag --auth-bootstrap-admin-username",
                "auth.bootstrap_admin_username",
                username
            ),
            fault(
                "flag --tls-client-ca-file",
                "tls.client_ca_file",
                "does nothing without `tls.cert_file`"
            ),
            fault(
                "flag --auth-refresh-token-ttl-seconds",
                "auth.refresh_token_ttl_seconds",
                "is shorter than the life of an access token"
            ),
            fault("flag --metrics-listen", "metrics.listen", "is the API's own address"),
        ]
    );
}

#[test]
fn a_sandbox_is_named_in_full_and_ends_before_the_call_does() {
    let given =
        given().flags(&["--gateway-sandbox=python3", "--gateway-sandbox-timeout-seconds=31"]);
    let (sandbox, timeout) = ("gateway.sandbox", "gateway.sandbox_timeout_seconds");
    let longer = "is longer than any call of a tool may take";
    assert_eq!(
        given.faults(),
        [
            fault("flag --gateway-sandbox", sandbox, "`python3` does not begin with `/`"),
            fault("flag --gateway-sandbox-timeout-seconds", timeout, longer),
        ]
    );
}

#[test]
fn variables_that_kubernetes_makes_are_no_settings() {
    let links = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP_ADDR"];
    let given = links.iter().fold(given(), |given, it| {
        given.variable(&format!("GATEWRIGHT_{it}"), "tcp://10.0.0.1:8080")
    });
    assert_eq!(format!("{:?}", given.loaded()), format!("{:?}", Settings::default()));
}

#[test]
fn the_file_that_init_writes_says_the_defaults() {
    let with_defaults: String = template()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(it) if !it.starts_with(' ') => format!("{it}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let said = given().toml(&with_defaults);
    let all = gather(&said.args(), [], said.folder.path());
    let defaults = KEYS.iter().filter(|it| it.default.is_some()).map(|it| &it.name);
    assert!(defaults.clone().count() > 20);
    assert!(defaults.eq(KEYS.iter().map(|it| &it.name).filter(|it| all.given.contains_key(*it))));
    assert_eq!(format!("{:?}", said.loaded()), format!("{:?}", Settings::default()));
    assert_eq!(
        format!("{:?}", given().toml(&template()).loaded()),
        format!("{:?}", Settings::default())
    );
    for key in KEYS.iter() {
        let name = key.name.rsplit('.').next().unwrap();
        assert!(template().contains(&format!("{name} = ")), "{}", key.name);
        assert!(!key.doc.is_empty(), "{}", key.name);
    }
}

/// Who would add another is asked here what it opens, and what it opens when it is lost.
#[test]
fn none_of_the_switches_opens_a_door() {
    let switches = KEYS.iter().filter(|it| it.kind == Kind::Switch).map(|it| it.name.as_str());
    assert_eq!(
        switches.collect::<Vec<_>>(),
        ["policy.watch", "risk.trust_proxy_headers", "probe.allow_private_networks"]
    );
}
