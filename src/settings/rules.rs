//! What settings must not say together, in any environment.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::faults::Source;
use super::production;
use super::sources::Gathered;
use super::{Settings, VaultPath};
use crate::approvals::signing_key;
use crate::net::outbound::{Reach, Unfit};

const SIGNING_BYTES_MIN: usize = 24;
const TOKEN_BYTES_MIN: usize = 32;
const TOKEN_DIFFERENT_MIN: usize = 10;

/// Looks at settings whose values fit one by one, and adds what is wrong with them together.
pub fn apply(settings: &Settings, all: &mut Gathered, cwd: &Path) {
    let mut rules = Rules { settings, all, cwd };
    rules.pairs();
    rules.lives();
    rules.resources();
    rules.bootstrap_token();
    rules.webhook();
    rules.listeners();
    rules.services();
    rules.sandbox();
    rules.issuers();
    rules.vault();
    if settings.environment.is_production() {
        production::apply(&mut rules);
    }
}

/// Settings under judgement.
pub struct Rules<'a> {
    pub settings: &'a Settings,
    pub cwd: &'a Path,
    all: &'a mut Gathered,
}

impl Rules<'_> {
    /// Adds a fault of the setting `key`, unless one was found already: then the value that would
    /// be judged here is not the one that was given.
    pub fn refuse(&mut self, key: &str, problem: impl Into<String>, fix: &str) {
        if self.is_faulty(key) {
            return;
        }
        let source = self.all.given.get(key).map_or(Source::Default, |it| it.source.clone());
        self.all.refuse(source, key, problem.into(), fix.to_owned());
    }

    /// Whether any source gave the setting, be it wrongly.
    pub fn is_given(&self, key: &str) -> bool {
        self.all.given.contains_key(key) || self.is_faulty(key)
    }

    fn is_faulty(&self, key: &str) -> bool {
        self.all.faults.iter().any(|it| it.key.starts_with(key))
    }

    /// Settings of which neither makes sense without the other.
    fn pairs(&mut self) {
        for (key, needs) in [
            ("auth.bootstrap_admin_username", "auth.bootstrap_admin_password"),
            ("auth.bootstrap_admin_password", "auth.bootstrap_admin_username"),
            ("auth.tokens_principal", "auth.tokens_file"),
            ("approvals.webhook_url", "approvals.webhook_secret"),
            ("approvals.webhook_secret", "approvals.webhook_url"),
            ("tls.cert_file", "tls.key_file"),
            ("tls.key_file", "tls.cert_file"),
            ("tls.client_ca_file", "tls.cert_file"),
            ("gateway.ollama_url", "gateway.ollama_model"),
            ("gateway.ollama_model", "gateway.ollama_url"),
            ("gateway.openai_url", "gateway.openai_model"),
            ("gateway.openai_model", "gateway.openai_url"),
            ("vault.role_id", "vault.secret_id_file"),
            ("vault.secret_id_file", "vault.role_id"),
            ("vault.token_file", "vault.addr"),
            ("vault.role_id", "vault.addr"),
            ("vault.ca_file", "vault.addr"),
        ] {
            if self.is_given(key) && !self.is_given(needs) {
                let fix = format!("give `{needs}` too, or neither");
                self.refuse(key, format!("does nothing without `{needs}`"), &fix);
            }
        }
    }

    fn lives(&mut self) {
        let auth = &self.settings.auth;
        if auth.refresh_token_ttl_seconds < auth.access_token_ttl_seconds {
            let problem = "is shorter than the life of an access token";
            let fix = "make it `auth.access_token_ttl_seconds` or more";
            self.refuse("auth.refresh_token_ttl_seconds", problem, fix);
        }
    }

    fn resources(&mut self) {
        let no_target = |it: &&String| !url::Url::parse(it).is_ok_and(|it| it.fragment().is_none());
        if let Some(text) = self.settings.auth.resources.iter().find(no_target) {
            let fix = "name absolute addresses, such as `https://tools.example/mcp`";
            self.refuse("auth.resources", format!("`{text}` is no address of a service"), fix);
        }
    }

    /// It makes administrators, and no limit stands before it: it must be out of reach of guessing.
    fn bootstrap_token(&mut self) {
        let Some(token) = &self.settings.auth.bootstrap_token else { return };
        let token = token.expose_secret();
        let mut different: Vec<char> = token.chars().collect();
        different.sort_unstable();
        different.dedup();
        if token.len() < TOKEN_BYTES_MIN || different.len() < TOKEN_DIFFERENT_MIN {
            let problem = format!("is shorter than {TOKEN_BYTES_MIN} characters, or easy to guess");
            self.refuse("auth.bootstrap_token", problem, "make one with `openssl rand -hex 32`");
        }
        if !token.bytes().all(|it| it.is_ascii_graphic()) {
            let fix = "make one with `openssl rand -hex 32`";
            self.refuse("auth.bootstrap_token", "does not fit into a header", fix);
        }
    }

    fn webhook(&mut self) {
        let approvals = &self.settings.approvals;
        if let Some(Err(unfit)) =
            approvals.webhook_url.as_ref().map(|it| Reach::Configured.check(it))
        {
            let fix = "name an https address, or one of this machine";
            self.refuse("approvals.webhook_url", format!("cannot be called: {unfit}"), fix);
        }
        let key = approvals.webhook_secret.as_ref().map(signing_key);
        if key.is_some_and(|it| it.is_none_or(|it| it.expose_secret().len() < SIGNING_BYTES_MIN)) {
            let problem = format!("is shorter than {SIGNING_BYTES_MIN} bytes, or not Base64");
            self.refuse(
                "approvals.webhook_secret",
                problem,
                "make one with `openssl rand -hex 32`",
            );
        }
    }

    fn listeners(&mut self) {
        let listen = self.settings.listen;
        if listen.port() != 0 && self.settings.metrics.listen == Some(listen) {
            let fix = "choose another port, or take it out to serve `/metrics` with the API";
            self.refuse("metrics.listen", "is the API's own address", fix);
        }
    }

    /// Services that are called: one model, and each at an address that may be called.
    fn services(&mut self) {
        let gateway = &self.settings.gateway;
        if gateway.ollama_url.is_some() && gateway.openai_url.is_some() {
            let problem = "is a second language model beside `gateway.ollama_url`";
            self.refuse("gateway.openai_url", problem, "take one of them out");
        }
        for (key, url) in [
            ("gateway.ollama_url", &gateway.ollama_url),
            ("gateway.openai_url", &gateway.openai_url),
            ("gateway.search_url", &gateway.search_url),
        ] {
            let Some(url) = url else { continue };
            let origin = url.origin().ascii_serialization();
            let mut internal = self.settings.outbound.internal_origins.iter();
            match Reach::Configured.check(url) {
                Err(Unfit::NotHttps)
                    if url.scheme() == "http" && internal.any(|it| it.to_string() == origin) => {}
                Err(Unfit::NotHttps) => {
                    let fix = "use https, or list it in `outbound.internal_origins`";
                    self.refuse(key, "would be called by plain http", fix);
                }
                Err(unfit) => self.refuse(key, "is not an address to call", &unfit.to_string()),
                Ok(()) => {}
            }
        }
    }

    fn sandbox(&mut self) {
        let gateway = &self.settings.gateway;
        if let Some(python) = gateway.sandbox.as_ref().filter(|it| !it.is_absolute()) {
            let problem = format!("`{}` does not begin with `/`", python.display());
            self.refuse("gateway.sandbox", problem, "name it as `/usr/bin/python3`");
        }
        let over = gateway.sandbox_timeout_seconds > gateway.timeout_seconds;
        if gateway.sandbox.is_some() && over {
            let problem = "is longer than any call of a tool may take";
            let fix = "make it `gateway.timeout_seconds` or less";
            self.refuse("gateway.sandbox_timeout_seconds", problem, fix);
        }
    }

    /// A name stands for one issuer, and an issuer's word is taken in one way for one purpose.
    fn issuers(&mut self) {
        let (key, issuers) = ("auth.trusted_issuers", &self.settings.auth.trusted_issuers);
        for (index, it) in issuers.iter().enumerate() {
            let before = issuers.iter().take(index);
            if before.clone().any(|other| other.name() == it.name()) {
                let problem = format!("two issuers are named `{}`", it.name().as_str());
                self.refuse(key, problem, "give each a name of its own");
            }
            if before.clone().any(|other| other.purpose() == it.purpose()) {
                let problem = format!("`{}` is there twice", it.issuer().as_str());
                self.refuse(key, problem, "keep one, and give it all that both are to do");
            }
        }
    }

    /// Vault knows Gatewright in one way, and what is Vault's own or ours is leased to no tool.
    fn vault(&mut self) {
        const RESERVED: [&str; 4] = ["auth", "cubbyhole", "identity", "sys"];
        let vault = &self.settings.vault;
        let Some(addr) = &vault.addr else {
            if !vault.lease_paths.is_empty() {
                let problem = "does nothing without `vault.addr`";
                self.refuse("vault.lease_paths", problem, "give `vault.addr` too, or neither");
            }
            return;
        };
        match (&vault.token_file, &vault.role_id) {
            (None, None) => {
                let fix = "give `vault.role_id` and `vault.secret_id_file`, or `vault.token_file`";
                self.refuse("vault.addr", "lets nobody in without proof", fix);
            }
            (Some(_), Some(_)) => {
                let problem = "`vault.role_id` is given as well";
                self.refuse("vault.token_file", problem, "keep one of them");
            }
            _ => {}
        }
        if !addr.is_https() && !addr.is_loopback() {
            let problem = format!("`{addr}` would carry secrets in plain http");
            self.refuse("vault.addr", problem, "name it by https");
        }
        let mut paths = vault.lease_paths.iter();
        let reserved = |it: &VaultPath| {
            RESERVED.iter().any(|own| it.is_in(own))
                || it.is_in(vault.mount.as_str())
                || vault.mount.is_in(it.as_str())
        };
        if let Some(path) = paths.find(|it| reserved(it)) {
            let problem = format!("`{path}` holds more than a tool may be given");
            let fix = "name dynamic engines only, such as `database/creds`";
            self.refuse("vault.lease_paths", problem, fix);
        }
    }
}
