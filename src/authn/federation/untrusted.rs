//! Why somebody else's word is not taken.

use std::sync::Arc;

use crate::audit::Actor;
use crate::audit::entry::Origin;
use crate::authn::Authn;
use crate::authn::proofs::BadJws;
use crate::net::outbound::Failure;
use crate::{Error, Unproven};

/// Said to the operator, in the log and in the audit; whoever brought the word is told no more than
/// that it does not do.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    #[error("the token {0}")]
    Jws(#[from] BadJws),
    #[error("the token is of a type that is not accepted here")]
    Type,
    #[error("the token is signed by an algorithm that the issuer is not trusted with")]
    Algorithm,
    #[error("the token is signed by a key that the issuer does not publish")]
    Key,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for somebody else")]
    Audience,
    #[error("the token is not of this time")]
    Time,
    #[error("the token is about nobody")]
    Subject,
    #[error("the token is not the answer to this sign-in")]
    Nonce,
    #[error("the token belongs to another access token")]
    AccessToken,
    #[error("the issuer describes itself as another one, or not at all")]
    Discovery,
    #[error("the answer came from another issuer than was asked")]
    MixedUp,
    #[error("the sign-in was not begun in this browser, or is over")]
    State,
    #[error("the provider ended the sign-in: `{0}`")]
    Ended(String),
    #[error("the provider did not take the code")]
    Code,
    #[error("the token is of an issuer that is not trusted with workloads")]
    UnknownIssuer,
    #[error("the token is about a workload that no agent stands for")]
    UnknownWorkload,
    #[error("nobody here goes by this account")]
    UnknownPerson,
    #[error("the issuer cannot be asked")]
    Unreachable(#[source] Arc<Failure>),
}

impl Untrusted {
    /// A word for the audit.
    pub fn reason(&self) -> &'static str {
        match self {
            Untrusted::Jws(_) => "bad_token",
            Untrusted::Type => "wrong_type",
            Untrusted::Algorithm => "wrong_algorithm",
            Untrusted::Key => "unknown_key",
            Untrusted::Issuer => "wrong_issuer",
            Untrusted::Audience => "wrong_audience",
            Untrusted::Time => "wrong_time",
            Untrusted::Subject => "no_subject",
            Untrusted::Nonce => "wrong_nonce",
            Untrusted::AccessToken => "wrong_access_token",
            Untrusted::Discovery => "bad_discovery",
            Untrusted::MixedUp => "mixed_up",
            Untrusted::State => "bad_state",
            Untrusted::Ended(_) => "ended_by_provider",
            Untrusted::Code => "bad_code",
            Untrusted::UnknownIssuer => "unknown_issuer",
            Untrusted::UnknownWorkload => "unknown_workload",
            Untrusted::UnknownPerson => "unknown_person",
            Untrusted::Unreachable(_) => "issuer_unreachable",
        }
    }
}

impl From<Arc<Failure>> for Untrusted {
    fn from(it: Arc<Failure>) -> Untrusted {
        Untrusted::Unreachable(it)
    }
}

impl From<Failure> for Untrusted {
    fn from(it: Failure) -> Untrusted {
        Untrusted::Unreachable(Arc::new(it))
    }
}

impl Authn {
    /// Writes down that somebody else's word was not taken, and gives the answer for it.
    pub(super) async fn distrust(
        &self,
        event: &'static str,
        untrusted: &Untrusted,
        origin: &Origin,
    ) -> Error {
        tracing::warn!(
            error = untrusted as &dyn std::error::Error,
            event,
            "the word of an issuer is not taken"
        );
        let refused =
            self.refuse(event, Actor::anonymous("unknown"), untrusted.reason(), origin).await;
        match (refused, untrusted) {
            (Error::Unauthenticated(_), Untrusted::Unreachable(_)) => {
                Error::Unavailable { what: "the identity provider" }
            }
            (Error::Unauthenticated(_), Untrusted::UnknownPerson) => {
                Error::Unauthenticated(Unproven::UnknownPerson)
            }
            (Error::Unauthenticated(_), _) => Error::Unauthenticated(Unproven::Distrusted),
            (other, _) => other,
        }
    }
}
