//! Access tokens: EdDSA JWTs (RFC 9068) that name a session.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use moka::sync::Cache;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::TokenRules;
use super::caller::{Delegated, Proof, Session, Via};
use crate::authz::Warrant;
use crate::authz::facts::Risk;
use crate::directory::Kind;
use crate::{Error, Result, Unproven};

const SECOND: i64 = 1_000_000;
/// Longer is not one of ours, and is not worth the signature check.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
const REMEMBERED_MAX: u64 = 100_000;

/// What a token says. Instants are seconds, as JWTs have them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// Who is stood for: the principal, or the user that an agent acts for.
    pub sub: Uuid,
    pub jti: Uuid,
    /// The session: signing out ends every token that names it.
    pub sid: Uuid,
    pub kind: Kind,
    pub iat: i64,
    pub exp: i64,
    pub auth_time: i64,
    /// Whom the token was given to (RFC 9068).
    pub client_id: String,
    pub via: Via,
    pub risk: Risk,
    /// When a second factor was last proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_time: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attested: bool,
    /// The agents that act for `sub`, the one that acts now outermost (RFC 8693 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// By which mandate they act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<Uuid>,
    /// The sessions that this one stands on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub under: Vec<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// When the password was proven again; only in elevated tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reauth_time: Option<i64>,
    /// Space-separated (RFC 8693 section 4.2).
    pub scope: String,
}

/// An actor, and for whom it acts in turn.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    pub sub: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Act>>,
}

/// The key that a token is bound to (RFC 7800, RFC 9449 section 6.1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    pub jkt: String,
}

/// A token that was checked once, so that it need not be checked again.
#[derive(Debug)]
pub struct Checked {
    pub sub: Uuid,
    pub sid: Uuid,
    pub kind: Kind,
    audience: String,
    expires_at: i64,
    session: Session,
}

impl Checked {
    pub fn session(&self) -> Session {
        self.session.clone()
    }

    /// Microseconds since the epoch.
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }

    pub fn delegation(&self) -> Option<&Delegated> {
        self.session.proof.delegation.as_ref()
    }
}

/// Signs and verifies access tokens.
pub struct AccessTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// The audience of tokens for the API.
    audience: String,
    /// For whichever of our services.
    validation: Validation,
    /// For those who ask about a token that is another's.
    any_audience: Validation,
    header: Header,
    jwks: JwksDocument,
    /// Verified tokens by the digest of their bytes: a signature check costs more than a decision.
    /// Expiry and revocation are looked at every time.
    remembered: Cache<[u8; 32], Arc<Checked>>,
}

/// RFC 7517.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct JwksDocument {
    pub keys: Vec<Jwk>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: &'static str,
    pub alg: &'static str,
    #[serde(rename = "use")]
    pub usage: &'static str,
    pub kid: String,
    pub x: String,
}

impl AccessTokens {
    pub fn new(key: &SigningKey, rules: &TokenRules) -> Result<AccessTokens> {
        let private = key.to_pkcs8_der().map_err(anyhow::Error::from)?;
        let public = key.verifying_key();
        let jwk = jwk(public.as_bytes());
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&rules.issuer]);
        validation.set_audience(&[&rules.audience, &rules.mcp_audience]);
        // Without this a token that lacks a claim would pass the check of that claim.
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // Expiry is checked by the clock that is handed in.
        validation.validate_exp = false;
        let mut any_audience = validation.clone();
        any_audience.validate_aud = false;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".into());
        header.kid = Some(jwk.kid.clone());
        Ok(AccessTokens {
            encoding: EncodingKey::from_ed_der(private.as_bytes()),
            decoding: DecodingKey::from_ed_der(public.as_bytes()),
            audience: rules.audience.clone(),
            validation,
            any_audience,
            header,
            jwks: JwksDocument { keys: vec![jwk] },
            remembered: Cache::new(REMEMBERED_MAX),
        })
    }

    pub fn jwks(&self) -> &JwksDocument {
        &self.jwks
    }

    pub fn sign(&self, _: &Warrant, claims: &Claims) -> Result<String> {
        Ok(encode(&self.header, claims, &self.encoding).map_err(anyhow::Error::from)?)
    }

    /// What the token says, if we signed it, for this audience of ours, and it has not expired at
    /// `now`.
    pub fn verify(&self, token: &str, audience: &str, now: i64) -> Result<Arc<Checked>> {
        const REFUSED: Error = Error::Unauthenticated(Unproven::BadToken);
        let digest: [u8; 32] = Sha256::digest(token).into();
        let checked = match self.remembered.get(&digest) {
            Some(it) => it,
            None => {
                let claims = self.decoded(token, &self.validation).ok_or(REFUSED)?;
                let checked = Arc::new(self.checked(claims));
                self.remembered.insert(digest, checked.clone());
                checked
            }
        };
        if now >= checked.expires_at {
            self.remembered.invalidate(&digest);
            return Err(REFUSED);
        }
        // Not left to the check of the signature, which the memory spares.
        if checked.audience == audience { Ok(checked) } else { Err(REFUSED) }
    }

    fn checked(&self, claims: Claims) -> Checked {
        let resource = (claims.aud != self.audience).then(|| claims.aud.clone());
        let mut checked = Checked::from(claims);
        Arc::make_mut(&mut checked.session.proof).resource = resource;
        checked
    }

    /// What the token says, whomever it is for, if we signed it and it has not expired at `now`.
    pub fn read(&self, token: &str, now: i64) -> Option<Claims> {
        self.decoded(token, &self.any_audience).filter(|it| now < it.exp * SECOND)
    }

    fn decoded(&self, token: &str, validation: &Validation) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let data = decode::<Claims>(token, &self.decoding, validation).ok()?;
        // Tokens of other kinds may be signed with this key some day (RFC 8725 section 3.11).
        let ours = data.header.typ == self.header.typ && data.header.kid == self.header.kid;
        // Half a delegation would read as the user's own word.
        let whole = data.claims.act.is_some() == data.claims.mandate.is_some();
        (ours && whole).then_some(data.claims)
    }
}

impl Claims {
    /// The chain of agents, for tokens that stand for another.
    fn delegation(&self) -> Option<Delegated> {
        let (mandate, outermost) = (self.mandate?, self.act.as_ref()?);
        let nested = std::iter::successors(Some(outermost), |it| it.act.as_deref());
        let mut chain: Vec<Uuid> = nested.map(|it| it.sub).collect();
        chain.reverse();
        Some(Delegated { mandate, user: self.sub, chain, under: self.under.clone() })
    }
}

impl Act {
    /// The claim for a chain that begins with the agent that has the mandate.
    pub fn of(chain: &[Uuid]) -> Option<Act> {
        let within = |act: Option<Act>, sub: &Uuid| Some(Act { sub: *sub, act: act.map(Box::new) });
        chain.iter().fold(None, within)
    }
}

impl From<Claims> for Checked {
    fn from(it: Claims) -> Checked {
        let scopes: BTreeSet<String> = it.scope.split_whitespace().map(str::to_owned).collect();
        let delegation = it.delegation();
        let acts = delegation.as_ref().and_then(|it| it.chain.last().copied());
        let sub = acts.unwrap_or(it.sub);
        let proof = Proof {
            via: it.via,
            risk: it.risk,
            risk_reasons: Vec::new(),
            mfa_at: it.mfa_time.map(|it| it * SECOND),
            attested: it.attested,
            // Whoever signed in through no client stands there in its place.
            client: Some(it.client_id).filter(|client| *client != sub.to_string()),
            resource: None,
            delegation,
            key: it.cnf.map(|it| it.jkt),
        };
        Checked {
            sub,
            sid: it.sid,
            kind: if acts.is_some() { Kind::Agent } else { it.kind },
            audience: it.aud,
            expires_at: it.exp * SECOND,
            session: Session {
                id: Some(it.sid),
                scopes: Arc::new(scopes),
                authenticated_at: it.auth_time * SECOND,
                reauthenticated_at: it.reauth_time.map(|it| it * SECOND),
                proof: Arc::new(proof),
            },
        }
    }
}

/// The key with its RFC 7638 thumbprint as id.
fn jwk(public: &[u8; 32]) -> Jwk {
    let x = BASE64_URL_SAFE_NO_PAD.encode(public);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
    Jwk { kty: "OKP", crv: "Ed25519", alg: "EdDSA", usage: "sig", kid, x }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    fn rules(issuer: &str, audience: &str) -> TokenRules {
        let ttl = Duration::from_secs(900);
        let (access_ttl, refresh_ttl, elevated_ttl) = (ttl, ttl, ttl);
        let (issuer, audience) = (issuer.into(), audience.into());
        TokenRules {
            issuer,
            audience,
            mcp_audience: "https://gate/mcp".into(),
            access_ttl,
            refresh_ttl,
            elevated_ttl,
            server: Default::default(),
            bootstrap_token: None,
        }
    }

    fn claims(iss: &str, aud: &str) -> Claims {
        Claims {
            iss: iss.into(),
            aud: aud.into(),
            sub: Uuid::nil(),
            jti: Uuid::nil(),
            sid: Uuid::nil(),
            kind: Kind::User,
            iat: 1000,
            exp: 1900,
            auth_time: 1000,
            client_id: "client".into(),
            via: Via::Password,
            risk: Risk::Low,
            mfa_time: None,
            attested: false,
            act: None,
            mandate: None,
            under: Vec::new(),
            cnf: None,
            reauth_time: None,
            scope: "read:public read:profile".into(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test signs on nobody's behalf")]
    fn signed(seed: u8, rules: &TokenRules, claims: &Claims) -> String {
        let tokens = AccessTokens::new(&SigningKey::from_bytes(&[seed; 32]), rules).unwrap();
        tokens.sign(&Warrant::system("test", &Clock::system()), claims).unwrap()
    }

    #[test]
    fn a_chain_of_actors_reads_back() {
        let chain: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let act = Act::of(&chain);
        assert_eq!(act.as_ref().unwrap().sub, chain[2], "who acts now is outermost");
        let user = Uuid::from_u128(9);
        let (mandate, under) = (Some(Uuid::nil()), vec![Uuid::from_u128(7)]);
        let told = Claims { sub: user, act, mandate, under: under.clone(), ..claims("i", "a") };
        let checked = Checked::from(told);
        assert_eq!((checked.kind, checked.sub), (Kind::Agent, chain[2]));
        let delegation = checked.session.proof.delegation.clone().unwrap();
        assert_eq!(delegation, Delegated { mandate: Uuid::nil(), user, chain, under });
    }

    #[test]
    fn verifies_its_own_and_nothing_else() {
        let ours = rules("https://gate", "https://gate");
        let tokens = AccessTokens::new(&SigningKey::from_bytes(&[1; 32]), &ours).unwrap();
        let good = signed(1, &ours, &claims("https://gate", "https://gate"));
        let verify = |token: &str, now| tokens.verify(token, "https://gate", now);
        let session = verify(&good, 1899 * SECOND).unwrap().session();
        assert_eq!(session.proof.resource, None);
        assert!(session.scopes.contains("read:profile"));
        assert!(verify(&good, 1900 * SECOND).is_err(), "expired");
        for half in [
            Claims { mandate: Some(Uuid::nil()), ..claims("https://gate", "https://gate") },
            Claims { act: Act::of(&[Uuid::nil()]), ..claims("https://gate", "https://gate") },
        ] {
            let token = signed(1, &ours, &half);
            assert!(verify(&token, 1000 * SECOND).is_err(), "half a delegation");
        }

        let none = {
            let body = good.split('.').nth(1).unwrap();
            let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
            format!("{header}.{body}.")
        };
        for (what, token) in [
            ("another key", signed(2, &ours, &claims("https://gate", "https://gate"))),
            ("another issuer", signed(1, &ours, &claims("https://evil", "https://gate"))),
            ("another audience", signed(1, &ours, &claims("https://gate", "https://evil"))),
            ("no algorithm", none),
            ("not a token", "x".into()),
            ("too long", "x".repeat(TOKEN_BYTES_MAX + 1)),
        ] {
            assert!(verify(&token, 1000 * SECOND).is_err(), "{what}");
        }
    }

    #[test]
    fn a_token_is_good_for_the_service_that_it_is_given_for() {
        const API: &str = "https://gate";
        const MCP: &str = "https://gate/mcp";
        let ours = rules(API, API);
        let tokens = AccessTokens::new(&SigningKey::from_bytes(&[1; 32]), &ours).unwrap();
        let good_for = |token: &str, service| tokens.verify(token, service, 1000 * SECOND).is_ok();
        for (given, other) in [(API, MCP), (MCP, API)] {
            let token = signed(1, &ours, &claims(API, given));
            // Remembered or not.
            for _ in 0..2 {
                assert!(!good_for(&token, other) && good_for(&token, given), "for {given}");
            }
        }
        let token = signed(1, &ours, &claims(API, MCP));
        let session = tokens.verify(&token, MCP, 1000 * SECOND).unwrap().session();
        assert_eq!(session.proof.resource.as_deref(), Some(MCP));
    }
}
