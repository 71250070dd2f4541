//! The tokens of a policy, with their places.

use std::ops::Range;

/// What a token is, as far as a policy's anatomy needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Sort {
    Word,
    Text,
    Sign,
}

/// A token: a word or number, a string with its quotes, or a sign of one or two characters.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Token<'a> {
    pub(in crate::policy) sort: Sort,
    pub(in crate::policy) text: &'a str,
    /// In bytes.
    pub(in crate::policy) at: Range<usize>,
}

const LONG_SIGNS: [&str; 7] = ["&&", "||", "==", "!=", "<=", ">=", "::"];

/// The tokens of `text`, without space and comments.
pub(in crate::policy) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').and_then(|it| comment.get(it..)).unwrap_or("");
            continue;
        }
        let (sort, length) = measure(rest);
        let Some((token, after)) = rest.split_at_checked(length) else { break };
        if token.is_empty() {
            break;
        }
        let start = text.len() - rest.len();
        tokens.push(Token { sort, text: token, at: start..start + length });
        rest = after;
    }
    tokens
}

/// What `text` begins with, and how long it is.
fn measure(text: &str) -> (Sort, usize) {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    if text.starts_with('"') {
        return (Sort::Text, string_length(text));
    }
    match text.find(|it| !is_word(it)) {
        Some(0) if LONG_SIGNS.iter().any(|it| text.starts_with(it)) => (Sort::Sign, 2),
        Some(0) => (Sort::Sign, text.chars().next().map_or(0, char::len_utf8)),
        Some(length) => (Sort::Word, length),
        None => (Sort::Word, text.len()),
    }
}

/// The length of the string that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, it) in text.char_indices().skip(1) {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_no_code() {
        let all = tokens("a <= \"x \\\" && y\" // && never\n && b::\"c\"");
        let texts: Vec<&str> = all.iter().map(|it| it.text).collect();
        assert_eq!(texts, ["a", "<=", "\"x \\\" && y\"", "&&", "b", "::", "\"c\""]);
        assert_eq!(all[3].at, 30..32);
    }
}
