//! What `environment = "production"` refuses.

use std::env::temp_dir;
use std::path::Path;

use secrecy::ExposeSecret;

use super::rules::Rules;
use super::{DatabaseUrl, LogLevel};

const PASSWORD_CHARS_MIN: usize = 15;
/// Fewer different characters than this is a pattern, not a secret.
const DIFFERENT_CHARS_MIN: usize = 6;

/// What people write into examples, without case, digits and signs.
const WEAK_WORDS: [&str; 12] = [
    "password",
    "passwordpassword",
    "adminpassword",
    "administrator",
    "changeme",
    "changemechangeme",
    "replacethis",
    "replacethisinproduction",
    "correcthorsebatterystaple",
    "letmeinletmein",
    "qwertyuiopasdfghjkl",
    "yoursupersecretkeychangeinproduction",
];

/// Adds everything that production refuses.
pub fn apply(rules: &mut Rules<'_>) {
    public_url(rules);
    transport(rules);
    proxies(rules);
    admin_password(rules);
    database(rules);
    log_level(rules);
}

fn public_url(rules: &mut Rules<'_>) {
    let (key, url) = ("public_url", &rules.settings.public_url);
    let fix = "set `public_url` to the https address that callers use";
    if !rules.is_given(key) {
        return rules.refuse(key, "production needs the address that callers use", fix);
    }
    if url.is_loopback() {
        return rules.refuse(key, format!("`{url}` is reached by this machine alone"), fix);
    }
    if !url.is_https() {
        rules.refuse(key, format!("`{url}` would carry tokens in plain http"), fix);
    }
}

/// Plain HTTP on the listener is right only behind a proxy that speaks TLS: on the same machine,
/// or one that is listed.
fn transport(rules: &mut Rules<'_>) {
    let settings = rules.settings;
    let listen = settings.listen;
    let behind_proxy = listen.ip().is_loopback() || !settings.risk.trusted_proxies.is_empty();
    if settings.tls.cert_file.is_none() && !behind_proxy {
        let problem = format!("without it, {listen} answers plain http to whoever reaches it");
        let fix = "give `tls.cert_file` and `tls.key_file`; behind a proxy that speaks TLS, \
                   listen on loopback or list the proxy in `risk.trusted_proxies`";
        rules.refuse("tls.cert_file", problem, fix);
    }
    if let Some(it) = settings.cors.allowed_origins.iter().find(|it| !it.is_https()) {
        let problem =
            format!("pages of `{it}` come over plain http, where anyone can rewrite them");
        rules.refuse("cors.allowed_origins", problem, "list https origins only");
    }
    if let Some(it) = settings.outbound.internal_origins.iter().find(|it| !it.is_https()) {
        let problem = format!("`{it}` would be called by plain http, which anyone can answer");
        rules.refuse("outbound.internal_origins", problem, "list https origins only");
    }
    let mut issuers = settings.auth.trusted_issuers.iter().map(|it| it.issuer().as_str());
    if let Some(it) = issuers.find(|it| !it.starts_with("https://")) {
        let problem = format!("`{it}` would be asked by plain http who may come in");
        rules.refuse("auth.trusted_issuers", problem, "name issuers by https only");
    }
}

fn proxies(rules: &mut Rules<'_>) {
    let risk = &rules.settings.risk;
    if risk.trust_proxy_headers && risk.trusted_proxies.is_empty() {
        let problem = "would believe a caller about its own address";
        let fix = "list the proxies in `risk.trusted_proxies`, or set it to `false`";
        rules.refuse("risk.trust_proxy_headers", problem, fix);
    }
    if let Some(net) = risk.trusted_proxies.iter().find(|it| it.prefix_len() == 0) {
        let problem = format!("`{net}` makes every caller a proxy");
        rules.refuse("risk.trusted_proxies", problem, "list the proxies' own networks");
    }
}

fn admin_password(rules: &mut Rules<'_>) {
    let auth = &rules.settings.auth;
    let Some(password) = &auth.bootstrap_admin_password else { return };
    let password = password.expose_secret().to_lowercase();
    let username = auth.bootstrap_admin_username.as_deref().unwrap_or_default().to_lowercase();
    let key = "auth.bootstrap_admin_password";
    let fix = "choose 15 characters or more that nobody else would, or leave it out and use \
               `gatewright seed-admin`";
    if password.chars().count() < PASSWORD_CHARS_MIN {
        let problem = format!("is shorter than {PASSWORD_CHARS_MIN} characters");
        return rules.refuse(key, problem, fix);
    }
    if !username.is_empty() && bare(&password) == bare(&username) {
        return rules.refuse(key, "is the user name again", fix);
    }
    if is_weak(&password) {
        rules.refuse(key, "is easy to guess", fix);
    }
}

fn is_weak(secret: &str) -> bool {
    let mut different: Vec<char> = secret.chars().collect();
    different.sort_unstable();
    different.dedup();
    different.len() < DIFFERENT_CHARS_MIN || WEAK_WORDS.contains(&bare(secret).as_str())
}

/// The letters alone, in lower case: `Password-1234567` is `password`.
fn bare(text: &str) -> String {
    text.chars().filter(|it| it.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

fn database(rules: &mut Rules<'_>) {
    let fix = "keep it where it outlives a restart: `sqlite:/var/lib/gatewright/gatewright.db`, \
               or a PostgreSQL server";
    match &rules.settings.database.url {
        DatabaseUrl::SqliteMemory => {
            rules.refuse("database.url", "is gone when the server stops", fix);
        }
        DatabaseUrl::SqliteFile(path) if is_temporary(&rules.cwd.join(path)) => {
            let problem = format!("`{}` is in a folder for temporary files", path.display());
            rules.refuse("database.url", problem, fix);
        }
        DatabaseUrl::SqliteFile(_) | DatabaseUrl::Postgres(_) => {}
    }
}

fn is_temporary(path: &Path) -> bool {
    let folders = ["/tmp", "/var/tmp", "/dev/shm", "/run"].map(Path::new);
    folders.iter().any(|it| path.starts_with(it)) || path.starts_with(temp_dir())
}

fn log_level(rules: &mut Rules<'_>) {
    if matches!(rules.settings.log.level, LogLevel::Debug | LogLevel::Trace) {
        let problem = "would write down what requests hold";
        rules.refuse("log.level", problem, "set `log.level` to `info`, `warn` or `error`");
    }
}
