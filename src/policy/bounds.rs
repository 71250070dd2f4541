//! Bounds on what is parsed at all.
//!
//! Cedar parses, validates and drops by recursion: without bounds, one line of brackets, or one
//! long chain of `&&`, overflows the stack, and that ends the process.

use super::fault::Fault;
use super::load::{SourceFile, Sources};

/// Far above what people write, far below what hurts.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;
pub(super) const FILES_MAX: usize = 500;
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Brackets within brackets.
const NESTING_MAX: usize = 32;
/// Operators in one statement: an expression is never deeper than it has operators.
const OPERATORS_MAX: usize = 600;
/// Declarations in one file: their hierarchy is closed transitively.
const STATEMENTS_MAX: usize = 2000;

/// The stack on which a bundle is checked: enough for the largest statement within the bounds,
/// several times over. Only what is touched is ever taken.
pub(super) const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Everything in `sources` that is out of bounds.
pub(super) fn check(sources: &Sources) -> Vec<Fault> {
    let files = || sources.files().map(|(_, file)| file);
    if files().count() > FILES_MAX || files().map(|it| it.text.len()).sum::<usize>() > BYTES_MAX {
        let problem = format!("more than {FILES_MAX} files or {BYTES_MAX} bytes");
        return vec![Fault::whole("policies", problem)];
    }
    let schema = sources.schema.iter().filter_map(|it| check_file(it, SCHEMA_BRACKETS).err());
    let policies = sources.policies.iter().filter_map(|it| check_file(it, BRACKETS).err());
    schema.chain(policies).collect()
}

/// Whether a policy file is within bounds.
pub(super) fn check_policies(file: &SourceFile) -> Result<(), Fault> {
    check_file(file, BRACKETS)
}

/// Opening and closing. In a schema `<` and `>` are brackets (`Set<Set<Long>>`); in a policy they
/// compare.
type Brackets = (&'static [u8], &'static [u8]);
const BRACKETS: Brackets = (b"([{", b")]}");
const SCHEMA_BRACKETS: Brackets = (b"([{<", b")]}>");

fn check_file(file: &SourceFile, (opening, closing): Brackets) -> Result<(), Fault> {
    let (mut depth, mut operators, mut statements) = (0_usize, 0_usize, 0_usize);
    let mut tokens = Tokens { rest: &file.text };
    while let Some((left, token)) = tokens.next() {
        match token.as_bytes() {
            [it] if opening.contains(it) => depth += 1,
            [it] if closing.contains(it) => depth = depth.saturating_sub(1),
            b";" => (operators, statements) = (0, statements + 1),
            b"." | b"&" | b"|" | b"+" | b"-" | b"*" | b"!" | b"if" | b"when" | b"unless" => {
                operators += 1;
            }
            _ => {}
        }
        let problem = if depth > NESTING_MAX {
            format!("nested deeper than {NESTING_MAX}")
        } else if operators > OPERATORS_MAX {
            format!("more than {OPERATORS_MAX} operators in one statement")
        } else if statements > STATEMENTS_MAX {
            format!("more than {STATEMENTS_MAX} statements in one file")
        } else {
            continue;
        };
        let offset = file.text.len() - left;
        return Err(Fault::at(file, offset, problem).fixed_by("split it"));
    }
    Ok(())
}

/// The tokens of Cedar as far as bounds need them: words and single characters, without space,
/// strings and comments.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// The next token, and how many bytes were left before it.
    fn next(&mut self) -> Option<(usize, &'a str)> {
        loop {
            self.rest = self.rest.trim_start();
            if let Some(comment) = self.rest.strip_prefix("//") {
                self.rest = comment.find('\n').and_then(|it| comment.get(it..)).unwrap_or("");
            } else if let Some(string) = self.rest.strip_prefix('"') {
                self.rest = after_string(string);
            } else {
                break;
            }
        }
        let left = self.rest.len();
        let word = |it: char| it.is_alphanumeric() || it == '_';
        let length = match self.rest.find(|it| !word(it)) {
            Some(0) => self.rest.chars().next().map_or(0, char::len_utf8),
            Some(length) => length,
            None => left,
        };
        let (token, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        (!token.is_empty()).then_some((left, token))
    }
}

/// What follows the string whose inside `text` begins with.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, it) in text.char_indices() {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.get(at + 1..).unwrap_or(""),
            _ => {}
        }
    }
    ""
}
