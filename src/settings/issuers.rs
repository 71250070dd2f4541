//! Settings of the issuers whose word is taken: about people who sign in, and about workloads.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::origin::Origin;

/// The group of whoever shows the bootstrap token: no claim makes anyone a member.
const GROUP_RESERVED: &str = "bootstrap";
const NAME_CHARS_MAX: usize = 32;
const TEXT_CHARS_MAX: usize = 200;

/// An issuer, by what its tokens are believed about.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TrustedIssuer {
    /// People sign in with it (OpenID Connect).
    SignIn(SignInIssuer),
    /// Its tokens say which workload has them, such as those of Kubernetes and of CI services.
    Workload(WorkloadIssuer),
}

/// An OpenID provider.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInIssuer {
    pub name: IssuerName,
    /// What people read on the button; the name when not set.
    pub title: Option<Word>,
    pub issuer: IssuerUrl,
    pub client_id: Word,
    /// File of the secret that the provider gave us; a public client has none.
    pub client_secret_file: Option<PathBuf>,
    #[serde(default = "algorithms")]
    pub algorithms: Vec<Signing>,
    /// Where its keys are; found through the issuer when not set.
    #[schemars(with = "Option<String>")]
    pub jwks_uri: Option<Url>,
    /// What is asked for besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<Word>,
    /// The claim that a new user is named by.
    #[serde(default = "username_claim")]
    pub username_claim: Word,
    /// The claim that lists groups or roles.
    #[serde(default = "groups_claim")]
    pub groups_claim: Word,
    /// Which of its values makes somebody a member of which of our groups.
    #[serde(default)]
    pub groups: BTreeMap<String, GroupName>,
    /// Which values of `amr` (RFC 8176), such as `mfa`, count as a second factor here.
    #[serde(default)]
    pub second_factor: Vec<Word>,
    /// Whether people that nobody registered become users by signing in.
    #[serde(default)]
    pub create_users: bool,
}

/// An issuer of workload identities.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadIssuer {
    pub name: IssuerName,
    pub issuer: IssuerUrl,
    /// Whom its tokens must be for: this server, by the name that workloads ask for.
    pub audience: Word,
    #[serde(default = "algorithms")]
    pub algorithms: Vec<Signing>,
    /// Where its keys are; found through the issuer when not set.
    #[schemars(with = "Option<String>")]
    pub jwks_uri: Option<Url>,
    /// Which agent a workload is, by its `sub`: the whole of it, or what it begins with and a `*`.
    pub agents: BTreeMap<Subjects, Word>,
}

impl TrustedIssuer {
    pub fn name(&self) -> &IssuerName {
        match self {
            TrustedIssuer::SignIn(it) => &it.name,
            TrustedIssuer::Workload(it) => &it.name,
        }
    }

    pub fn issuer(&self) -> &IssuerUrl {
        match self {
            TrustedIssuer::SignIn(it) => &it.issuer,
            TrustedIssuer::Workload(it) => &it.issuer,
        }
    }

    /// What tells its tokens from those of the others.
    pub(super) fn purpose(&self) -> (&IssuerUrl, Option<&Word>) {
        match self {
            TrustedIssuer::SignIn(it) => (&it.issuer, None),
            TrustedIssuer::Workload(it) => (&it.issuer, Some(&it.audience)),
        }
    }
}

/// Signatures that are believed: of key pairs, so that who checks one could not have made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Signing {
    RS256,
    PS256,
    ES256,
    EdDSA,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $problem:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
        #[serde(try_from = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) { Ok($name(text)) } else { Err(format!("`{text}` {}", $problem)) }
            }
        }
    };
}

text!(
    /// What the issuer is called in addresses and in the log.
    IssuerName,
    "is no name of 1 to 32 lower-case letters, digits and `-` that begins with a letter",
    |it| {
        let of = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
        it.len() <= NAME_CHARS_MAX
            && it.starts_with(|it: char| it.is_ascii_lowercase())
            && it.bytes().all(of)
    }
);
text!(
    /// An issuer as its tokens spell it in `iss`.
    IssuerUrl,
    "is no issuer: an https URL without query and fragment; http for this machine only",
    |it| {
        let Ok(url) = Url::parse(it) else { return false };
        let Ok(origin) = url.origin().ascii_serialization().parse::<Origin>() else { return false };
        let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        bare && (origin.is_https() || origin.is_loopback()) && it.bytes().all(|it| it.is_ascii_graphic())
    }
);
text!(
    /// A text that says something.
    Word,
    "is not a text of 1 to 200 printable characters",
    |it| {
        let short = (1..=TEXT_CHARS_MAX).contains(&it.chars().count());
        short && it.trim() == it && !it.contains(char::is_control)
    }
);
text!(
    /// One of our groups.
    GroupName,
    "is no group that anyone can be made a member of",
    |it| {
        let short = (1..=TEXT_CHARS_MAX).contains(&it.chars().count());
        short && it.trim() == it && !it.contains(char::is_control) && it != GROUP_RESERVED
    }
);
text!(
    /// The `sub` of workloads. A `*` stands behind a `:` or `/` only: `repo:acme*` would also mean
    /// `repo:acme-evil`.
    Subjects,
    "is neither the `sub` of a workload nor what one begins with, up to a `:` or `/`, and a `*`",
    |it| match it.strip_suffix('*') {
        Some(start) => start.ends_with([':', '/']) && start.len() > 1 && !start.contains('*'),
        None => !it.is_empty() && !it.contains('*'),
    }
);

impl Subjects {
    /// How much of `subject` this names: none where it names another.
    pub fn names(&self, subject: &str) -> Option<usize> {
        match self.0.strip_suffix('*') {
            Some(start) => subject.starts_with(start).then_some(start.len()),
            None => (subject == self.0).then_some(usize::MAX),
        }
    }
}

fn algorithms() -> Vec<Signing> {
    vec![Signing::RS256, Signing::ES256, Signing::EdDSA]
}

fn scopes() -> Vec<Word> {
    ["profile", "email"].map(|it| Word(it.to_owned())).to_vec()
}

fn username_claim() -> Word {
    Word("preferred_username".to_owned())
}

fn groups_claim() -> Word {
    Word("groups".to_owned())
}
