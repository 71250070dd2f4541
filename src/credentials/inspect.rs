//! Shows what a token says. Nobody vouches for a word of it: no signature is checked here.

use std::fmt;

use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::format::schema::{self, proof};
use jiff::Timestamp;
use prost::Message;
use serde::Serialize;

use super::verify::Refusal;
use super::verify::parts::{Claims, Unverified, container, decode, malformed, parse};

/// What is said with every inspection.
const WARNING: &str = "not verified: anyone can write such a token";

/// A token, laid open.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Always false: use `verify` for anything that matters.
    pub verified: bool,
    pub warning: &'static str,
    pub size_bytes: usize,
    pub root_key_id: Option<u32>,
    /// Whether the holder gave up narrowing it further.
    pub sealed: bool,
    /// What the authority block states, when it has the form of a credential.
    pub credential: Option<Stated>,
    /// Why it is no credential, otherwise.
    pub problem: Option<String>,
    pub blocks: Vec<InspectedBlock>,
}

/// The facts of the authority block.
#[derive(Clone, Debug, Serialize)]
pub struct Stated {
    pub issuer: String,
    pub credential_id: String,
    pub decision_id: String,
    pub agent: String,
    pub agent_name: String,
    pub on_behalf_of: Option<String>,
    pub tool: String,
    pub tool_digest: String,
    /// As issued; later blocks may narrow them.
    pub scopes: Vec<String>,
    /// The earliest in any block.
    pub expires_at: Timestamp,
    pub holder: Option<String>,
    pub online_only: bool,
}

/// One block as Datalog source, an entry per statement.
#[derive(Clone, Debug, Serialize)]
pub struct InspectedBlock {
    pub index: usize,
    pub revocation_id: String,
    pub datalog_version: u32,
    /// The public key of the third party that signed it, if one did.
    pub signed_by: Option<String>,
    pub facts: Vec<String>,
    pub rules: Vec<String>,
    pub checks: Vec<String>,
}

/// Reads `token` without believing it.
pub fn inspect(token: &str) -> Result<Inspection, Refusal> {
    let Unverified { blocks, .. } = parse(token)?;
    let bytes = decode(token)?;
    let mut container = container(&bytes)?;
    let counts = blocks.statements();
    let printable = printable(&mut container)?;
    let credential = Claims::read(&blocks);
    let problem = credential.as_ref().err().map(ToString::to_string);
    let blocks = counts.into_iter().enumerate();
    Ok(Inspection {
        verified: false,
        warning: WARNING,
        size_bytes: bytes.len(),
        root_key_id: container.root_key_id,
        sealed: matches!(container.proof.content, Some(proof::Content::FinalSignature(_))),
        credential: credential.ok().map(stated),
        problem,
        blocks: blocks
            .map(|(index, counts)| block(&printable, index, counts))
            .collect::<Result<_, _>>()?,
    })
}

fn stated(claims: Claims) -> Stated {
    Stated {
        issuer: claims.issuer,
        credential_id: claims.credential_id,
        decision_id: claims.decision_id,
        agent: claims.agent,
        agent_name: claims.agent_name,
        on_behalf_of: claims.on_behalf_of,
        tool: claims.tool,
        tool_digest: claims.tool_digest,
        scopes: claims.rights.into_iter().collect(),
        expires_at: claims.expires_at,
        holder: claims.holder,
        online_only: claims.online_only,
    }
}

/// The same token with every string escaped. Biscuit prints strings as they are, so that a quote
/// and a line break in one would look like another statement, and could steer a terminal.
fn printable(container: &mut schema::Biscuit) -> Result<UnverifiedBiscuit, Refusal> {
    let unreadable = |it: &dyn fmt::Display| malformed(format!("the token is unreadable: {it}"));
    for signed in std::iter::once(&mut container.authority).chain(&mut container.blocks) {
        let mut block =
            schema::Block::decode(signed.block.as_slice()).map_err(|it| unreadable(&it))?;
        block.symbols = block.symbols.iter().map(|it| escape(it)).collect();
        signed.block = block.encode_to_vec();
    }
    UnverifiedBiscuit::from(container.encode_to_vec()).map_err(|it| unreadable(&it))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '\'' => escaped.push(it),
            _ => escaped.extend(it.escape_debug()),
        }
    }
    escaped
}

fn block(
    biscuit: &UnverifiedBiscuit,
    index: usize,
    (facts, rules): (usize, usize),
) -> Result<InspectedBlock, Refusal> {
    let unprintable = |it| malformed("a block cannot be printed").because(it);
    let source = biscuit.print_block_source(index).map_err(unprintable)?;
    let mut lines = source.lines().map(|it| it.trim_end_matches(';').to_owned());
    let revocation_id = biscuit.revocation_identifiers().get(index).map(hex::encode);
    let signed_by = biscuit.external_public_keys().get(index).copied().flatten();
    Ok(InspectedBlock {
        index,
        revocation_id: revocation_id.unwrap_or_default(),
        datalog_version: biscuit.block_version(index).map_err(unprintable)?,
        signed_by: signed_by.map(|it| it.print()),
        facts: lines.by_ref().take(facts).collect(),
        rules: lines.by_ref().take(rules).collect(),
        checks: lines.collect(),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.warning)?;
        let key = self.root_key_id.map_or_else(|| "none".to_owned(), |it| it.to_string());
        let sealed = if self.sealed { ", sealed" } else { "" };
        writeln!(f, "{} bytes, root key {key}{sealed}", self.size_bytes)?;
        if let Some(it) = &self.credential {
            writeln!(f, "expires {}", it.expires_at)?;
        }
        if let Some(it) = &self.problem {
            writeln!(f, "no credential: {it}")?;
        }
        self.blocks.iter().try_for_each(|it| write!(f, "{it}"))
    }
}

impl fmt::Display for InspectedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.index == 0 { "issuer" } else { "holder" };
        writeln!(f, "\nblock {} ({whose}), datalog version {}", self.index, self.datalog_version)?;
        writeln!(f, "revocation id {}", self.revocation_id)?;
        if let Some(it) = &self.signed_by {
            writeln!(f, "signed by {it}")?;
        }
        let statements = self.facts.iter().chain(&self.rules).chain(&self.checks);
        statements.into_iter().try_for_each(|it| writeln!(f, "  {it};"))
    }
}

#[cfg(test)]
mod tests {
    use biscuit_auth::UnverifiedBiscuit;
    use biscuit_auth::builder::{BlockBuilder, fact, string};

    use super::*;
    use crate::credentials::fixture::{draft, later, token, verify};

    #[test]
    fn everything_in_the_token_is_shown() {
        let token = token(&draft());
        let inspection = inspect(&token).unwrap();
        let stated = inspection.credential.clone().unwrap();
        assert_eq!((stated.tool.as_str(), stated.expires_at), ("translate", later(900)));
        assert_eq!(stated.scopes, ["read", "translate"]);
        let [block] = inspection.blocks.as_slice() else { panic!("one block") };
        assert_eq!(block.facts.len(), 10);
        assert_eq!(
            block.checks,
            [
                "check if time($now), $now < 2026-11-21T22:15:00Z",
                "check if request($tool, $scope), right($tool, $scope)"
            ]
        );
        assert_eq!(verify(&token, "read").unwrap().revocation_ids, [block.revocation_id.as_str()]);
        assert!(inspection.to_string().starts_with("not verified"));
        assert_eq!(serde_json::to_value(&inspection).unwrap()["verified"], false);
    }

    #[test]
    fn a_string_cannot_pass_for_another_statement() {
        let lie = "x\");\nright(\"translate\", \"admin\");\u{1b}[2J\u{202e}";
        let block = BlockBuilder::new().fact(fact("note", &[string(lie)])).unwrap();
        let token = UnverifiedBiscuit::from_base64(token(&draft())).unwrap().append(block).unwrap();
        let inspection = inspect(&token.to_base64().unwrap()).unwrap();
        let shown = r#"note("x\");\nright(\"translate\", \"admin\");\u{1b}[2J\u{202e}")"#;
        assert_eq!(inspection.blocks[1].facts, [shown]);
        assert!(inspection.blocks[1].checks.is_empty());
        assert!(!inspection.to_string().contains('\u{1b}'));
    }

    #[test]
    fn another_biscuit_is_shown_as_well() {
        let pair = biscuit_auth::KeyPair::new();
        let code = r#"user("a"); r($u) <- user($u); check if r("a") trusting authority"#;
        let biscuit = biscuit_auth::Biscuit::builder().code(code).unwrap().build(&pair).unwrap();
        let inspection = inspect(&biscuit.seal().unwrap().to_base64().unwrap()).unwrap();
        assert_eq!((inspection.root_key_id, inspection.sealed), (None, true));
        assert!(inspection.problem.unwrap().starts_with("version"));
        assert_eq!(inspection.blocks[0].rules, ["r($u) <- user($u)"]);
        assert_eq!(inspection.blocks[0].checks, [r#"check if r("a") trusting authority"#]);
    }
}
