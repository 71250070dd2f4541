//! The lines of a tokens file: `[agent:NAME|user:NAME] TOKEN [SCOPE …]`.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::strength::weakness;
use crate::directory::PrincipalName;
use crate::registry::is_word;

const TOKENS_MAX: usize = 10_000;
const SCOPES_MAX: usize = 64;

/// The SHA-256 of a token: all that is kept of it.
pub type Digest = [u8; 32];

/// What a line says, besides the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub principal: PrincipalName,
    /// No more than these; all that the principal may hold when the line names none.
    pub scopes: Option<Arc<BTreeSet<String>>>,
}

/// What is wrong with one line. Never shows the line: it may hold a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// Reads every line, or tells every fault. A token without a principal of its own acts as
/// `otherwise`.
pub fn parse(
    text: &str,
    otherwise: Option<&PrincipalName>,
) -> Result<HashMap<Digest, Line>, Vec<Fault>> {
    let (mut tokens, mut faults) = (HashMap::new(), Vec::new());
    for (number, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let added = line(text, otherwise).and_then(|(digest, line)| {
            if tokens.len() == TOKENS_MAX {
                return Err(format!("is one more than the {TOKENS_MAX} tokens there may be"));
            }
            match tokens.insert(digest, line) {
                None => Ok(()),
                Some(_) => Err("has a token that stands further up already".to_owned()),
            }
        });
        if let Err(problem) = added {
            faults.push(Fault { line: number, problem });
        }
    }
    if faults.is_empty() { Ok(tokens) } else { Err(faults) }
}

fn line(text: &str, otherwise: Option<&PrincipalName>) -> Result<(Digest, Line), String> {
    let mut words = text.split_whitespace().peekable();
    // No token has a colon in it (RFC 6750), and every principal has.
    let named = words.next_if(|it| it.contains(':')).map(str::parse::<PrincipalName>);
    let principal = match named {
        Some(Ok(it)) => it,
        Some(Err(_)) => return Err("begins with no principal such as `agent:deploy`".to_owned()),
        None => otherwise.cloned().ok_or(
            "does not say whose token it is: begin it with `agent:NAME` or `user:NAME`, \
             or set `auth.tokens_principal`",
        )?,
    };
    let token = words.next().ok_or("has no token behind the principal")?;
    if let Some(weakness) = weakness(token) {
        return Err(format!("the token {weakness}"));
    }
    let scopes: BTreeSet<String> = words.map(str::to_owned).collect();
    if scopes.len() > SCOPES_MAX || !scopes.iter().all(|it| is_word(it)) {
        return Err(format!("has more than {SCOPES_MAX} scopes, or one that is none"));
    }
    let scopes = (!scopes.is_empty()).then(|| Arc::new(scopes));
    Ok((Sha256::digest(token).into(), Line { principal, scopes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "q7VdK2mXw9Rt4LzB8nYc3HsJ6PfG1aEu";
    const B: &str = "f3a91c07d52be846907bc1e8fd243a65";

    fn faults(text: &str) -> Vec<String> {
        let faults = parse(text, None).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_line_says_whose_token_it_is_and_what_it_may() {
        let text = format!("# ours\n\n {A}\r\nuser:alice\t{B} read:public agent:calc\n");
        let tokens = parse(&text, Some(&"agent:ci".parse().unwrap())).unwrap();
        let line = |token: &str| &tokens[&Digest::from(Sha256::digest(token))];
        assert_eq!(line(A).principal.to_string(), "agent:ci");
        assert_eq!(line(A).scopes, None);
        assert_eq!(line(B).principal.to_string(), "user:alice");
        let scopes = ["agent:calc", "read:public"].map(str::to_owned);
        assert_eq!(line(B).scopes, Some(Arc::new(scopes.into())));
    }

    #[test]
    fn nothing_is_no_token() {
        for text in ["", "\n\n", "# none yet\n"] {
            assert!(parse(text, Some(&"agent:ci".parse().unwrap())).unwrap().is_empty());
        }
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_without_its_token() {
        let text = format!(
            "{A}\nagent:ci {A}\nagent:ci\nrobot:x {B}\nagent:ci brief\nagent:ci {A}\nagent:ci {B} \"\n"
        );
        let faults = faults(&text);
        let numbers: Vec<_> = faults.iter().map(|it| it.split(':').next().unwrap()).collect();
        assert_eq!(numbers, ["line 1", "line 3", "line 4", "line 5", "line 6", "line 7"]);
        assert!(
            faults.iter().all(|it| !it.contains(A) && !it.contains(B) && !it.contains("brief"))
        );
        assert!(faults[4].contains("further up"), "{faults:?}");
    }
}
