//! What somebody looks for, in words that SQLite's full-text search cannot take for its own.

/// The most words and phrases that are looked for.
const TERMS_MAX: usize = 32;

/// A query: words, `"phrases"`, and `begin*` for whatever begins so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<String>);

impl Query {
    /// Reads a query; none when there is no word in it.
    pub(super) fn read(text: &str) -> Option<Query> {
        let mut terms = Vec::new();
        for (index, part) in text.split('"').enumerate() {
            match index % 2 {
                0 => terms.extend(part.split_whitespace().filter_map(word)),
                _ => terms.extend(quoted(part)),
            }
        }
        terms.truncate(TERMS_MAX);
        (!terms.is_empty()).then_some(Query(terms))
    }

    /// For records that hold every term.
    pub(super) fn all(&self) -> String {
        self.0.join(" ")
    }

    /// For records that hold at least one of them; none where that is the same.
    pub(super) fn any(&self) -> Option<String> {
        (self.0.len() > 1).then(|| self.0.join(" OR "))
    }
}

fn word(text: &str) -> Option<String> {
    match text.strip_suffix('*') {
        Some(beginning) => quoted(beginning).map(|it| format!("{it} *")),
        None => quoted(text),
    }
}

/// A string of FTS5: all in it is text. What holds no letter and no digit stands for nothing.
fn quoted(text: &str) -> Option<String> {
    text.chars().any(char::is_alphanumeric).then(|| {
        let plain: String =
            text.chars().map(|it| if it.is_control() || it == '"' { ' ' } else { it }).collect();
        format!("\"{plain}\"")
    })
}
