//! Arguments as a person is shown them who decides: nothing hides in them, and they have an end.

use serde_json::{Map, Value};

/// More than anybody reads.
const BYTES_MAX: usize = 64 * 1024;

/// Arguments fit to be looked at.
#[derive(Debug, PartialEq)]
pub struct Shown {
    pub arguments: Value,
    /// Whether that is all of them.
    pub is_complete: bool,
}

/// Writes out what a screen would not show, or would show elsewhere, and cuts off what is too much.
/// A backslash is doubled, so that no two texts come out alike, and no name takes another's place.
pub fn shown(arguments: &Value) -> Shown {
    let mut room = BYTES_MAX;
    let arguments = fit(arguments, &mut room);
    Shown { arguments, is_complete: room > 0 }
}

/// `room` is what is left of it, and nothing once something was left out.
fn fit(value: &Value, room: &mut usize) -> Value {
    match value {
        Value::String(text) => Value::String(spelled(text, room)),
        Value::Array(items) => {
            let mut fitting = Vec::new();
            for item in items {
                if *room == 0 {
                    break;
                }
                fitting.push(fit(item, room));
            }
            Value::Array(fitting)
        }
        Value::Object(members) => {
            let mut fitting = Map::new();
            for (name, member) in members {
                if *room == 0 {
                    break;
                }
                let name = spelled(name, room);
                fitting.insert(name, fit(member, room));
            }
            Value::Object(fitting)
        }
        other => {
            *room = room.saturating_sub(other.to_string().len());
            other.clone()
        }
    }
}

fn spelled(text: &str, room: &mut usize) -> String {
    let mut out = String::with_capacity(text.len().min(*room));
    // What surrounds it takes room, too, so that empty texts have an end as well.
    *room = room.saturating_sub(4);
    for it in text.chars() {
        let before = out.len();
        match it {
            '\\' => out.push_str("\\\\"),
            it if is_deceptive(it) => out.extend(it.escape_unicode()),
            it => out.push(it),
        }
        let took = out.len() - before;
        if took >= *room {
            out.truncate(before);
            out.push('…');
            *room = 0;
            return out;
        }
        *room -= took;
    }
    out
}

/// Control characters but for line ends and tabs; characters that turn the direction of the text,
/// take no room, are not meant to be seen, or are blank though they count as letters or signs.
fn is_deceptive(it: char) -> bool {
    (it.is_control() && !matches!(it, '\n' | '\t'))
        || matches!(
            it,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_not_be_seen_is_written_out() {
        let it = json!({
            "a\u{202e}b": "x\u{1b}[2Jy\r\n\t",
            "tags": ["\u{e0041}", "ä 文 🎉"],
            "n": 1, "f": 1.5, "t": true, "none": null,
        });
        let shown = shown(&it);
        assert!(shown.is_complete);
        let expected = json!({
            "a\\u{202e}b": "x\\u{1b}[2Jy\\u{d}\n\t",
            "tags": ["\\u{e0041}", "ä 文 🎉"],
            "n": 1, "f": 1.5, "t": true, "none": null,
        });
        assert_eq!(shown.arguments, expected);
    }

    #[test]
    fn no_two_texts_come_out_alike() {
        let it = json!({ "to": { "mallory\u{200b}": 1_000_000, "mallory\\u{200b}": 1 } });
        let shown = shown(&it);
        assert!(shown.is_complete);
        let expected = json!({ "to": { "mallory\\u{200b}": 1_000_000, "mallory\\\\u{200b}": 1 } });
        assert_eq!(shown.arguments, expected);
        assert_eq!(spelled("C:\\dir\\\\", &mut 100), "C:\\\\dir\\\\\\\\");
    }

    #[test]
    fn what_is_blank_is_written_out() {
        for it in [
            '\u{34f}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{17b5}',
            '\u{180b}',
            '\u{180f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{e0000}',
            '\u{e0fff}',
        ] {
            assert_eq!(spelled(&it.to_string(), &mut 100), it.escape_unicode().to_string());
        }
    }

    #[test]
    fn what_is_too_much_has_an_end_and_says_so() {
        for big in [
            json!({ "text": "ä".repeat(BYTES_MAX) }),
            json!({ "text": "\u{7}".repeat(BYTES_MAX / 2) }),
            json!({ "list": vec![""; BYTES_MAX] }),
            json!({ "list": vec![1; BYTES_MAX * 2] }),
            json!({ "k".repeat(BYTES_MAX): 1, "other": 2 }),
        ] {
            let shown = shown(&big);
            assert!(!shown.is_complete);
            assert!(shown.arguments.to_string().len() < 4 * BYTES_MAX);
        }
        let fits = json!({ "text": "x".repeat(BYTES_MAX - 100) });
        assert_eq!(shown(&fits), Shown { arguments: fits, is_complete: true });
    }
}
