//! An OAuth client: a program that asks a person to let it act in their name.

use std::collections::HashMap;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::metadata::{ClientMetadata, Grant, ProofMethod};
use super::redirect::RedirectUri;
use crate::Result;
use crate::authz::Resource;
use crate::authz::uid::{Kind, uid};

#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub known: Known,
    pub metadata: ClientMetadata,
    /// SHA-256 of its secret, where it proves itself by one.
    secret_hash: Option<[u8; 32]>,
    entity: Entity,
}

/// How we come to know a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was registered here, at this instant (microseconds).
    Registered { at: i64 },
    /// Its id is the address of a document that tells of it; this is the document's host.
    ByDocument { host: String },
}

impl Client {
    pub fn new(
        id: String,
        known: Known,
        metadata: ClientMetadata,
        secret_hash: Option<[u8; 32]>,
    ) -> Result<Client> {
        let confidential = metadata.proof != ProofMethod::None;
        let registered = matches!(known, Known::Registered { .. });
        let attributes = HashMap::from([
            ("registered".to_owned(), RestrictedExpression::new_bool(registered)),
            ("confidential".to_owned(), RestrictedExpression::new_bool(confidential)),
        ]);
        let entity = Entity::new(uid(Kind::Client, &id), attributes, Default::default())
            .map_err(anyhow::Error::from)?;
        Ok(Client { id, known, metadata, secret_hash, entity })
    }

    /// The registered address that admits `asked`.
    pub fn admits(&self, asked: &RedirectUri) -> bool {
        self.metadata.redirect_uris.iter().any(|it| it.admits(asked))
    }

    pub fn may(&self, grant: Grant) -> bool {
        self.metadata.grants.contains(&grant)
    }

    /// Whether this is the client's secret, in constant time. A client without one has none to know.
    pub fn knows(&self, secret: &SecretString) -> bool {
        let hash: [u8; 32] = Sha256::digest(secret.expose_secret().as_bytes()).into();
        self.secret_hash.is_some_and(|it| hash.ct_eq(&it).into())
    }

    /// Whether an answer at `redirect` reaches this client and nobody who only says to be it. Where
    /// it might not, a person is asked each time (RFC 8252 section 8.6).
    pub fn is_assured_at(&self, redirect: &RedirectUri) -> bool {
        redirect.is_web() || self.metadata.proof != ProofMethod::None
    }
}

impl Resource for Client {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        self.metadata.name.as_ref().map_or("", |it| it.as_str())
    }
}
