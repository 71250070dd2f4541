//! Turns an allowed access into a Biscuit that says exactly what was allowed.

use std::collections::BTreeSet;

use biscuit_auth::builder::{
    Binary, Check, CheckKind, Expression, Fact, Op, Predicate, Rule, Term, fact, int, pred, string,
    var,
};
use biscuit_auth::{BiscuitBuilder, error};
use jiff::Timestamp;
use secrecy::SecretString;

use super::keys::RootKey;
use super::verify::{FORMAT, TOKEN_BYTES_MAX};

/// What the authority block will say. Ids are opaque here; nothing needs escaping.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The public URL of this Gatewright.
    pub issuer: String,
    pub credential_id: String,
    pub decision_id: String,
    /// The id of the principal, be it an agent or a user.
    pub agent_id: String,
    pub agent_name: String,
    /// The user on whose behalf the agent acts, when it was delegated to.
    pub on_behalf_of: Option<String>,
    /// The name of the tool.
    pub tool: String,
    /// The digest of the pinned definition, `sha256:…`.
    pub tool_digest: String,
    pub scopes: BTreeSet<String>,
    /// Cut to the second before it, which is all that Datalog can say.
    pub expires_at: Timestamp,
    /// The RFC 7638 thumbprint of the key that must be proved at each use.
    pub holder: Option<String>,
    /// Set when part of the decision cannot be said in Datalog.
    pub online_only: bool,
    /// What is left of the decision once everything known at issue has been filled in.
    pub checks: Vec<Check>,
}

/// A credential, fresh from the key.
#[derive(Debug)]
pub struct Minted {
    /// URL-safe base64. Whoever has it may use it.
    pub token: SecretString,
    /// One per block, in hexadecimal; a fresh credential has one block.
    pub revocation_ids: Vec<String>,
    pub root_key_id: u32,
}

/// Why no credential was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("a credential without scopes would allow nothing")]
    NoScopes,
    #[error("the expiry is before 1970")]
    Expiry,
    #[error("the credential would have {0} bytes, verifiers take {TOKEN_BYTES_MAX}")]
    TooLarge(usize),
    #[error("the credential cannot be built")]
    Biscuit(#[from] error::Token),
}

/// Signs the draft with `key`, whose id goes into the token.
pub fn mint(draft: &Draft, key: &RootKey) -> Result<Minted, MintError> {
    let biscuit = key.build(authority(draft)?.root_key_id(key.key_id()))?;
    let size = biscuit.serialized_size()?;
    if size > TOKEN_BYTES_MAX {
        return Err(MintError::TooLarge(size));
    }
    Ok(Minted {
        token: biscuit.to_base64()?.into(),
        revocation_ids: biscuit.revocation_identifiers().iter().map(hex::encode).collect(),
        root_key_id: key.key_id(),
    })
}

/// The authority block, not yet signed.
pub(super) fn authority(draft: &Draft) -> Result<BiscuitBuilder, MintError> {
    if draft.scopes.is_empty() {
        return Err(MintError::NoScopes);
    }
    let expiry = u64::try_from(draft.expires_at.as_second()).map_err(|_| MintError::Expiry)?;
    let mut builder = BiscuitBuilder::new();
    for fact in facts(draft) {
        builder = builder.fact(fact)?;
    }
    builder = builder.check(before(expiry))?.check(granted())?;
    if draft.holder.is_some() {
        builder = builder.check(proved())?;
    }
    for check in &draft.checks {
        builder = builder.check(check.clone())?;
    }
    Ok(builder)
}

fn facts(draft: &Draft) -> Vec<Fact> {
    let mut facts = vec![
        fact("gatewright", &[int(FORMAT)]),
        text("issuer", &draft.issuer),
        text("credential", &draft.credential_id),
        text("decision", &draft.decision_id),
        text("agent", &draft.agent_id),
        text("agent_name", &draft.agent_name),
    ];
    facts.extend(draft.on_behalf_of.iter().map(|it| text("on_behalf_of", it)));
    facts.push(text("tool", &draft.tool));
    facts.push(text("tool_digest", &draft.tool_digest));
    facts.extend(draft.scopes.iter().map(|it| fact("right", &[string(&draft.tool), string(it)])));
    facts.extend(draft.holder.iter().map(|it| text("holder", it)));
    if draft.online_only {
        facts.push(fact("online_only", &[Term::Bool(true)]));
    }
    facts
}

fn text(name: &str, value: &str) -> Fact {
    fact(name, &[string(value)])
}

/// `check if time($now), $now < expiry`, in seconds since 1970.
pub(crate) fn before(expiry: u64) -> Check {
    let earlier = Expression {
        ops: vec![
            Op::Value(var("now")),
            Op::Value(Term::Date(expiry)),
            Op::Binary(Binary::LessThan),
        ],
    };
    check(vec![Rule::new(head(), vec![pred("time", &[var("now")])], vec![earlier], vec![])])
}

/// `check if request($tool, $scope), right($tool, $scope)`.
fn granted() -> Check {
    let (tool, scope) = (var("tool"), var("scope"));
    let body = vec![pred("request", &[&tool, &scope]), pred("right", &[&tool, &scope])];
    check(vec![Rule::new(head(), body, vec![], vec![])])
}

/// `check if holder_proved($key), holder($key)`.
fn proved() -> Check {
    let body = vec![pred("holder_proved", &[var("key")]), pred("holder", &[var("key")])];
    check(vec![Rule::new(head(), body, vec![], vec![])])
}

/// `check if … or …`, one alternative per query.
pub(crate) fn check(queries: Vec<Rule>) -> Check {
    Check { queries, kind: CheckKind::One }
}

/// The head that every query of a check has; Biscuit ignores it.
pub(crate) fn head() -> Predicate {
    pred::<Term>("query", &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::fixture::{RING, draft};

    #[test]
    fn what_no_verifier_would_take_is_not_minted() {
        let mint = |draft: &Draft| mint(draft, RING.active()).map(drop);
        let empty = Draft { scopes: BTreeSet::new(), ..draft() };
        assert!(matches!(mint(&empty), Err(MintError::NoScopes)));
        let early = Draft { expires_at: Timestamp::MIN, ..draft() };
        assert!(matches!(mint(&early), Err(MintError::Expiry)));
        let long = Draft { agent_name: "x".repeat(TOKEN_BYTES_MAX), ..draft() };
        assert!(matches!(mint(&long), Err(MintError::TooLarge(size)) if size > TOKEN_BYTES_MAX));
    }

    #[test]
    fn two_credentials_of_one_draft_can_be_told_apart() {
        let mint = || mint(&draft(), RING.active()).unwrap();
        let (one, two) = (mint(), mint());
        assert_ne!(one.revocation_ids, two.revocation_ids);
        assert_eq!(one.root_key_id, RING.active().key_id());
        assert!(!format!("{one:?}").contains(secrecy::ExposeSecret::expose_secret(&one.token)));
    }
}
