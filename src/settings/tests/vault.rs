use super::{fault, given};

const ADDR: &str = "vault.addr = \"https://vault.example:8200\"\n";

#[test]
fn vault_is_told_in_one_way_who_comes() {
    let role = "vault.role_id = \"r\"\nvault.secret_id_file = \"s\"\n";
    let token = "vault.token_file = \"t\"\n";
    for good in [format!("{ADDR}{role}"), format!("{ADDR}{token}")] {
        given().toml(&good).loaded();
    }
    let both = given().toml(&format!("{ADDR}{role}{token}")).faults();
    let problem = "`vault.role_id` is given as well";
    assert_eq!(both, [fault("gatewright.toml:4", "vault.token_file", problem)]);
    let none = given().toml(ADDR).faults();
    let problem = "lets nobody in without proof";
    assert_eq!(none, [fault("gatewright.toml:1", "vault.addr", problem)]);
    let half = given().toml(&format!("{ADDR}vault.role_id = \"r\"\n")).faults();
    let problem = "does nothing without `vault.secret_id_file`";
    assert_eq!(half, [fault("gatewright.toml:2", "vault.role_id", problem)]);
}

#[test]
fn what_is_for_vault_needs_one() {
    for (line, key) in [
        ("vault.token_file = \"t\"", "vault.token_file"),
        ("vault.ca_file = \"c\"", "vault.ca_file"),
        ("vault.lease_paths = [\"database\"]", "vault.lease_paths"),
    ] {
        let problem = "does nothing without `vault.addr`";
        let expected = [fault("gatewright.toml:1", key, problem)];
        assert_eq!(given().toml(line).faults(), expected, "{line}");
    }
}

#[test]
fn secrets_do_not_travel_in_plain_http() {
    let at =
        |addr: &str| given().toml(&format!("vault.addr = \"{addr}\"\nvault.token_file = \"t\"\n"));
    at("http://127.0.0.1:8200").loaded();
    let problem = "`http://vault.example:8200` would carry secrets in plain http";
    let expected = [fault("gatewright.toml:1", "vault.addr", problem)];
    assert_eq!(at("http://vault.example:8200").faults(), expected);
}

#[test]
fn what_is_vaults_own_or_ours_is_leased_to_no_tool() {
    let listed = |path: &str| {
        let more = "vault.token_file = \"t\"\nvault.mount = \"kv/apps\"\n";
        given().toml(&format!("{ADDR}{more}vault.lease_paths = [\"{path}\"]\n"))
    };
    for good in ["database/creds", "aws", "kv/other", "system"] {
        listed(good).loaded();
    }
    for bad in ["sys", "sys/leases", "auth/token", "identity", "cubbyhole", "kv", "kv/apps/data"] {
        let problem = format!("`{bad}` holds more than a tool may be given");
        let expected = [fault("gatewright.toml:4", "vault.lease_paths", &problem)];
        assert_eq!(listed(bad).faults(), expected);
    }
    for bad in ["/database", "database/", "data base", "..", ""] {
        let faults = listed(bad).faults();
        assert_eq!(faults[0].1, "vault.lease_paths[0]", "{faults:?}");
    }
}
