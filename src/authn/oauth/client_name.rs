//! What a client calls itself, fit to be shown to a person who is to trust it.

use serde::{Deserialize, Serialize};

const CHARS_MAX: usize = 80;

/// A name in letters that are seen where they stand: nothing in it hides, overlaps or turns the
/// direction of what is written around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientName(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {CHARS_MAX} visible characters, without controls, marks of direction or invisible ones"
)]
pub struct BadName;

impl ClientName {
    /// # Errors
    /// It is empty, too long, or holds what a person would not see as it is.
    pub fn parse(text: &str) -> Result<ClientName, BadName> {
        let fits = (1..=CHARS_MAX).contains(&text.chars().count())
            && text.trim() == text
            && text.chars().all(is_seen);
        if fits { Ok(ClientName(text.to_owned())) } else { Err(BadName) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientName {
    type Error = BadName;

    fn try_from(text: String) -> Result<ClientName, BadName> {
        ClientName::parse(&text)
    }
}

impl From<ClientName> for String {
    fn from(it: ClientName) -> String {
        it.0
    }
}

/// Letters of any script, digits and marks; the one kind of space is the blank. Characters that
/// combine with the one before are seen, but pile up: of those, none.
fn is_seen(it: char) -> bool {
    let blank = it == ' ';
    let hidden = matches!(it,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{10FFFF}');
    let piles_up = matches!(it,
        '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}');
    blank || !(it.is_control() || it.is_whitespace() || hidden || piles_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_as_it_is() {
        for good in ["VS Code", "Клиент 2", "日本語の名前", "Éditeur (beta)", "it's <b>bold</b>"]
        {
            assert_eq!(ClientName::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(CHARS_MAX + 1);
        for bad in [
            "",
            " ",
            " name",
            "name ",
            &long,
            "two\nlines",
            "bell\u{7}",
            "right\u{202E}left",
            "zero\u{200B}width",
            "mark\u{200F}",
            "isolate\u{2066}d",
            "nb\u{A0}space",
            "soft\u{AD}hyphen",
            "za\u{335}\u{336}lgo",
            "tag\u{E0041}",
            "private\u{E000}",
            "filler\u{3164}",
        ] {
            assert_eq!(ClientName::parse(bad), Err(BadName), "{bad:?}");
        }
    }
}
