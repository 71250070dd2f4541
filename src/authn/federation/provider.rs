//! A provider that people sign in with (OpenID Connect Core 1.0).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::Context as _;
use secrecy::SecretString;
use serde_json::Value;

use super::issuer::Issuer;
use crate::authn::proofs::Claims;
use crate::directory::Groups;
use crate::settings::{Origin, SignInIssuer};

#[derive(Debug)]
pub struct Provider {
    pub(super) issuer: Issuer,
    pub(super) client_id: String,
    pub(super) secret: Option<SecretString>,
    pub(super) scope: String,
    /// Where it sends people back to: an address for each provider, so that an answer of one is
    /// never taken for an answer of another (RFC 9700 section 4.4.2).
    pub(super) redirect_uri: String,
    title: String,
    username_claim: String,
    groups_claim: String,
    groups: BTreeMap<String, String>,
    second_factor: Vec<String>,
    creates_users: bool,
}

/// Somebody who signed in with a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The issuer's name for them, which it gives to nobody else.
    pub subject: String,
    /// What they would like to be called.
    pub username: Option<String>,
    /// Our groups that the provider's claims make them a member of.
    pub groups: Groups,
    /// When the provider saw a second factor that counts here, in seconds since the epoch.
    pub second_factor_at: Option<i64>,
}

impl Provider {
    pub(super) fn open(settings: &SignInIssuer, own: &Origin) -> anyhow::Result<Provider> {
        let name = settings.name.as_str();
        let secret = match &settings.client_secret_file {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("reading the secret in `{}`", path.display()))?;
                anyhow::ensure!(!text.trim().is_empty(), "`{}` is empty", path.display());
                Some(text.trim().into())
            }
            None => None,
        };
        let scopes = settings.scopes.iter().map(|it| it.as_str()).filter(|it| *it != "openid");
        let scopes: Vec<&str> = std::iter::once("openid").chain(scopes).collect();
        let groups = settings.groups.iter();
        let (url, algorithms) = (&settings.issuer, &settings.algorithms);
        Ok(Provider {
            issuer: Issuer::new(&settings.name, url, algorithms, settings.jwks_uri.as_ref()),
            client_id: settings.client_id.as_str().to_owned(),
            secret,
            scope: scopes.join(" "),
            redirect_uri: format!("{own}/oauth/federation/{name}/callback"),
            title: settings.title.as_ref().map_or(name, |it| it.as_str()).to_owned(),
            username_claim: settings.username_claim.as_str().to_owned(),
            groups_claim: settings.groups_claim.as_str().to_owned(),
            groups: groups.map(|(value, it)| (value.clone(), it.as_str().to_owned())).collect(),
            second_factor: settings.second_factor.iter().map(|it| it.as_str().into()).collect(),
            creates_users: settings.create_users,
        })
    }

    pub fn name(&self) -> &str {
        &self.issuer.name
    }

    /// What people know it by.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The issuer as its tokens spell it.
    pub fn issuer(&self) -> &str {
        &self.issuer.url
    }

    /// Whether people that nobody registered become users by signing in.
    pub fn creates_users(&self) -> bool {
        self.creates_users
    }

    /// The groups that its claims make people members of.
    pub fn source_of(&self) -> impl Iterator<Item = &String> {
        self.groups.values()
    }

    /// The groups of somebody who is in `of` and whose claims now say `claimed`: this provider
    /// gives and takes those that it is the source of, and leaves the others.
    pub fn regrouped(&self, of: &Groups, claimed: &Groups) -> Groups {
        let source_of: BTreeSet<&String> = self.source_of().collect();
        let others = of.iter().filter(|it| !source_of.contains(it));
        others.chain(claimed).cloned().collect()
    }

    /// Whether its word about second factors counts: then it has to say when it saw one.
    pub(super) fn is_believed_about_factors(&self) -> bool {
        !self.second_factor.is_empty()
    }

    /// When it saw a second factor: that is not now for those who were signed in there before, and
    /// unknown where it does not say.
    fn second_factor_at(&self, claims: &Claims) -> Option<i64> {
        let methods = claims.get("amr").and_then(Value::as_array)?;
        let counts = |it: &Value| self.second_factor.iter().any(|name| it == name.as_str());
        methods.iter().any(counts).then(|| claims.seconds("auth_time")).flatten()
    }

    pub(super) fn person(&self, subject: String, claims: &Claims) -> Person {
        let values = match claims.get(&self.groups_claim) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one.as_str()],
            _ => Vec::new(),
        };
        let groups = values.into_iter().filter_map(|it| self.groups.get(it).cloned()).collect();
        let username = claims.text(&self.username_claim).map(str::to_owned);
        Person { subject, username, groups, second_factor_at: self.second_factor_at(claims) }
    }
}
