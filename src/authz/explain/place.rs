//! Where in its file a part of a policy stands: Cedar's syntax tree knows no lines.
//!
//! The part is written down anew and its words are looked for among the policy's own. Brackets are
//! left out, as they are written in more than one way.

use crate::policy::Meta;

/// The words of one policy, looked through from the top.
pub struct Places<'a> {
    text: &'a str,
    /// Of the policy's first line.
    line: usize,
    words: Vec<Word<'a>>,
    /// Behind the part that was found last.
    from: usize,
}

struct Word<'a> {
    text: &'a str,
    /// Where it begins, in bytes.
    at: usize,
}

impl<'a> Places<'a> {
    pub fn of(meta: &'a Meta) -> Places<'a> {
        let text = meta.text.as_str();
        Places { text, line: meta.line, words: words(text), from: 0 }
    }

    /// The part as its author wrote it, on one line, and the line in the file; as Cedar writes it,
    /// and at the policy's beginning, where it is not found.
    pub fn next(&mut self, part: &str) -> (String, usize) {
        let wanted: Vec<&str> = words(part).iter().map(|it| it.text).collect();
        let stretch = |from: usize| {
            let found: Vec<&Word<'_>> = self.words.iter().skip(from).take(wanted.len()).collect();
            let is_it = found.len() == wanted.len()
                && found.iter().zip(&wanted).all(|(it, wanted)| it.text == *wanted);
            Some((found.first()?.at, found.last().map(|it| it.at + it.text.len())?))
                .filter(|_| is_it)
        };
        let starts = self.from..self.words.len();
        let Some((first, (begin, end))) =
            starts.into_iter().find_map(|it| Some((it, stretch(it)?)))
        else {
            return (part.to_owned(), self.line);
        };
        // The same part may be asked twice, from the same words never.
        self.from = first + 1;
        let above = self.text.get(..begin).unwrap_or_default();
        let line = self.line + above.matches('\n').count();
        (self.written(begin, end), line)
    }

    /// What stands there, with the brackets that belong to it.
    fn written(&self, begin: usize, end: usize) -> String {
        let inner = self.text.get(begin..end).unwrap_or_default();
        let rest = self.text.get(end..).unwrap_or_default();
        let mut text = inner.to_owned();
        let count = |text: &str, bracket: char| text.matches(bracket).count();
        for bracket in rest.chars().filter(|it| !it.is_whitespace()) {
            if bracket != ')' || count(&text, '(') <= count(&text, ')') {
                break;
            }
            text.push(bracket);
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Names, numbers, texts and signs, without brackets and comments.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|it| !it.is_empty()) {
        let length = length_of_word(rest);
        let word = rest.get(..length).unwrap_or(rest);
        let is_word = !word.starts_with(|it: char| it.is_whitespace() || it == '(' || it == ')')
            && !word.starts_with("//");
        if is_word {
            words.push(Word { text: word, at });
        }
        at += word.len();
    }
    words
}

fn length_of_word(rest: &str) -> usize {
    let is_name = |it: char| it.is_alphanumeric() || it == '_';
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with('"') {
        return length_of_text(rest);
    }
    if rest.starts_with(is_name) {
        return rest.find(|it| !is_name(it)).unwrap_or(rest.len());
    }
    rest.chars().next().map_or(1, char::len_utf8)
}

/// A text in quotes, with its escapes.
fn length_of_text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, it) in rest.char_indices().skip(1) {
        match (escaped, it) {
            (true, _) => escaped = false,
            (false, '\\') => escaped = true,
            (false, '"') => return at + 1,
            (false, _) => {}
        }
    }
    rest.len()
}
