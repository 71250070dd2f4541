//! Scopes as clients write them: words with blanks between (RFC 6749 section 3.3).

use std::collections::BTreeSet;

/// Each is a decision of its own.
pub const SCOPES_MAX: usize = 64;
const CHARS_MAX: usize = 128;

/// Why a text is no list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadScopes {
    #[error("ask for at most {SCOPES_MAX} scopes")]
    TooMany,
    #[error("a scope is 1 to {CHARS_MAX} printable ASCII characters other than `\"` and `\\`")]
    Letters,
}

/// The scopes in `text`, each once.
///
/// # Errors
/// There are too many, or one has letters that no scope can have.
pub fn parse(text: &str) -> Result<BTreeSet<String>, BadScopes> {
    let letter = |it: u8| matches!(it, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    let mut scopes = BTreeSet::new();
    for scope in text.split(' ').filter(|it| !it.is_empty()) {
        if scope.len() > CHARS_MAX || !scope.bytes().all(letter) {
            return Err(BadScopes::Letters);
        }
        scopes.insert(scope.to_owned());
        if scopes.len() > SCOPES_MAX {
            return Err(BadScopes::TooMany);
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_words_with_blanks_between() {
        assert_eq!(parse("b a  b").unwrap(), ["a", "b"].map(str::to_owned).into());
        assert_eq!(parse("").unwrap(), BTreeSet::new());
        for text in ["a\tb", "a\"", "\\", "ä", "a\u{0}", &"x".repeat(129)] {
            assert_eq!(parse(text), Err(BadScopes::Letters), "{text}");
        }
        let many: Vec<String> = (0..65).map(|it| format!("s{it}")).collect();
        assert_eq!(parse(&many.join(" ")), Err(BadScopes::TooMany));
        assert_eq!(parse(&many[1..].join(" ")).unwrap().len(), 64);
    }
}
