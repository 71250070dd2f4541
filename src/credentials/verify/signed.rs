//! A credential whose signatures are good.

use std::collections::BTreeSet;
use std::fmt;

use biscuit_auth::{Biscuit, error};
use jiff::Timestamp;

use super::blocks::Blocks;
use super::checks::{self, Scopes};
use super::claims::Claims;
use super::refusal::Reason;

/// A credential that the issuer signed, and nobody altered. Whether it admits a call is still
/// open. May be kept until it expires, to skip the signatures when the same token comes again.
#[derive(Clone)]
pub struct Signed {
    pub(crate) biscuit: Biscuit,
    pub(crate) blocks: Blocks,
    pub(crate) claims: Claims,
}

impl Signed {
    /// The id that `credential(…)` states: what to revoke, count and cache by.
    pub fn credential_id(&self) -> &str {
        &self.claims.credential_id
    }

    /// The tool that it was issued for.
    pub fn tool(&self) -> &str {
        &self.claims.tool
    }

    /// The thumbprint of the key that the issuer bound it to.
    pub fn holder(&self) -> Option<&str> {
        self.claims.holder.as_deref()
    }

    /// Whether part of what allows it can only be told by its issuer, at each use.
    pub fn is_online_only(&self) -> bool {
        self.claims.online_only
    }

    /// The earliest expiry in it.
    pub fn expires_at(&self) -> Timestamp {
        self.claims.expires_at
    }

    /// The revocation id of every block, in hexadecimal, the issuer's first.
    pub fn revocation_ids(&self) -> Vec<String> {
        self.biscuit.revocation_identifiers().iter().map(hex::encode).collect()
    }

    /// The granted scopes that no check takes away from a call of `tool`, as far as the form of
    /// the checks tells: `None` when they have to be run to know.
    pub(crate) fn scopes(&self, tool: &str) -> Option<BTreeSet<String>> {
        let mut scopes = self.claims.rights.clone();
        for block in self.blocks.iter() {
            if !block.content.rules.is_empty() || !block.content.scope.is_empty() {
                return None;
            }
            for check in block.checks() {
                match checks::scopes(block, check, tool) {
                    Scopes::All => {}
                    Scopes::Only(some) => scopes.retain(|it| some.contains(it.as_str())),
                    Scopes::Unclear => return None,
                }
            }
        }
        Some(scopes)
    }

    /// The reason that a failed check stands for.
    pub(crate) fn subject(&self, failed: &error::FailedCheck, tool: &str) -> Option<Reason> {
        let error::FailedCheck::Block(failed) = failed else { return None };
        let block = self.blocks.get(failed.block_id as usize)?;
        let check = block.checks().get(failed.check_id as usize)?;
        Some(checks::subject(block, check, tool))
    }
}

/// The token itself holds the key to append to it, so it is as secret here as anywhere.
impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.claims.credential_id;
        f.debug_struct("Signed").field("credential_id", id).finish_non_exhaustive()
    }
}
