//! What the issuer says in the authority block, taken literally and exactly once.

use std::collections::BTreeSet;

use biscuit_auth::format::schema::{Term, term};
use jiff::Timestamp;

use super::blocks::{Block, Blocks};
use super::checks;
use super::refusal::{Reason, Refusal};
use super::token::malformed;

/// The credential format that this verifier knows, the `1` in `gatewright(1)`.
pub const FORMAT: i64 = 1;

/// The authority block. Only facts of that block are here: a holder's blocks may claim anything.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) credential_id: String,
    pub(crate) decision_id: String,
    pub(crate) agent: String,
    pub(crate) agent_name: String,
    pub(crate) on_behalf_of: Option<String>,
    pub(crate) tool: String,
    pub(crate) tool_digest: String,
    /// Scopes that `right` grants on that tool.
    pub(crate) rights: BTreeSet<String>,
    pub(crate) holder: Option<String>,
    pub(crate) online_only: bool,
    /// The issuer's expiry or an earlier one that a holder set.
    pub(crate) expires_at: Timestamp,
}

impl Claims {
    pub(crate) fn read(blocks: &Blocks) -> Result<Claims, Refusal> {
        let authority = blocks.get(0).ok_or_else(|| malformed("the token has no block"))?;
        let mut said = Said::default();
        for (name, terms) in authority.facts() {
            said.hear(authority, name, terms)?;
        }
        said.format()?;
        let expires_at = earliest_expiry(authority, blocks)?;
        said.into_claims(expires_at)
    }
}

/// The facts as they come, in any order.
#[derive(Default)]
struct Said<'a> {
    format: Option<i64>,
    issuer: Option<&'a str>,
    credential: Option<&'a str>,
    decision: Option<&'a str>,
    agent: Option<&'a str>,
    agent_name: Option<&'a str>,
    on_behalf_of: Option<&'a str>,
    tool: Option<&'a str>,
    tool_digest: Option<&'a str>,
    holder: Option<&'a str>,
    online_only: Option<bool>,
    rights: Vec<(&'a str, &'a str)>,
}

impl<'a> Said<'a> {
    fn hear(&mut self, block: Block<'a>, name: &str, terms: &[Term]) -> Result<(), Refusal> {
        match name {
            "gatewright" => once(name, &mut self.format, only(terms).and_then(integer)),
            "issuer" => once(name, &mut self.issuer, text(block, terms)),
            "credential" => once(name, &mut self.credential, text(block, terms)),
            "decision" => once(name, &mut self.decision, text(block, terms)),
            "agent" => once(name, &mut self.agent, text(block, terms)),
            "agent_name" => once(name, &mut self.agent_name, text(block, terms)),
            "on_behalf_of" => once(name, &mut self.on_behalf_of, text(block, terms)),
            "tool" => once(name, &mut self.tool, text(block, terms)),
            "tool_digest" => once(name, &mut self.tool_digest, text(block, terms)),
            "holder" => once(name, &mut self.holder, text(block, terms)),
            "online_only" => once(name, &mut self.online_only, only(terms).and_then(flag)),
            "right" => {
                let [tool, scope] = terms else { return Err(misshapen(name)) };
                let both = block.text(tool).zip(block.text(scope));
                self.rights.push(both.ok_or_else(|| misshapen(name))?);
                Ok(())
            }
            // A later minor format may say more. What restricts comes as a check or a new version.
            _ => Ok(()),
        }
    }

    fn format(&self) -> Result<(), Refusal> {
        match self.format {
            Some(FORMAT) => Ok(()),
            Some(other) => {
                Err(Refusal::new(Reason::Version, format!("format {other} is not known here")))
            }
            None => Err(Refusal::new(Reason::Version, "the token does not state a format")),
        }
    }

    fn into_claims(self, expires_at: Timestamp) -> Result<Claims, Refusal> {
        let tool = required("tool", self.tool)?;
        let rights = self.rights.iter().filter(|(on, _)| *on == tool);
        Ok(Claims {
            issuer: required("issuer", self.issuer)?,
            credential_id: required("credential", self.credential)?,
            decision_id: required("decision", self.decision)?,
            agent: required("agent", self.agent)?,
            agent_name: required("agent_name", self.agent_name)?,
            on_behalf_of: self.on_behalf_of.map(str::to_owned),
            rights: rights.map(|(_, scope)| (*scope).to_owned()).collect(),
            tool,
            tool_digest: required("tool_digest", self.tool_digest)?,
            holder: self.holder.map(str::to_owned),
            online_only: self.online_only.unwrap_or(false),
            expires_at,
        })
    }
}

/// The issuer must set an expiry; holders may only bring it forward.
fn earliest_expiry(authority: Block<'_>, blocks: &Blocks) -> Result<Timestamp, Refusal> {
    let issued = authority.checks().iter().filter_map(|it| checks::expiry(authority, it)).min();
    let issued = issued.ok_or_else(|| malformed("the token has no expiry check"))?;
    let narrowed = blocks
        .iter()
        .flat_map(|block| block.checks().iter().filter_map(move |it| checks::expiry(block, it)))
        .min()
        .map_or(issued, |it| it.min(issued));
    i64::try_from(narrowed)
        .ok()
        .and_then(|it| Timestamp::from_second(it).ok())
        .ok_or_else(|| malformed("the expiry is not a date"))
}

fn once<T>(name: &str, place: &mut Option<T>, value: Option<T>) -> Result<(), Refusal> {
    let value = value.ok_or_else(|| misshapen(name))?;
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(format!("the token states `{name}` twice"))),
    }
}

fn required(name: &str, value: Option<&str>) -> Result<String, Refusal> {
    value.map(str::to_owned).ok_or_else(|| malformed(format!("the token does not state `{name}`")))
}

fn misshapen(name: &str) -> Refusal {
    malformed(format!("the token states `{name}` in an unknown form"))
}

fn only(terms: &[Term]) -> Option<&Term> {
    match terms {
        [it] => Some(it),
        _ => None,
    }
}

fn text<'a>(block: Block<'a>, terms: &[Term]) -> Option<&'a str> {
    only(terms).and_then(|it| block.text(it))
}

fn integer(term: &Term) -> Option<i64> {
    match term.content {
        Some(term::Content::Integer(it)) => Some(it),
        _ => None,
    }
}

fn flag(term: &Term) -> Option<bool> {
    match term.content {
        Some(term::Content::Bool(it)) => Some(it),
        _ => None,
    }
}
