//! Bodies of several texts: `multipart/form-data` (RFC 7578), of a size that was bounded before.

use warp::http::header;

use super::call::Call;
use crate::{Error, Result};

/// One part: the name that it goes by, and its text.
#[derive(Debug, PartialEq)]
pub struct Part {
    pub name: String,
    pub text: String,
}

/// Longer ones are none (RFC 2046 section 5.1.1).
const BOUNDARY_CHARS_MAX: usize = 70;
const PARTS_MAX: usize = 1_000;

/// What parts the body, if the request says that it is of this type.
pub fn boundary(call: &Call) -> Option<String> {
    let kind = call.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameter(parameters, "boundary").filter(|it| (1..=BOUNDARY_CHARS_MAX).contains(&it.len()))
}

/// The parts of `body`, in their order.
///
/// # Errors
/// The body is not made like that.
pub fn parts(body: &[u8], boundary: &str) -> Result<Vec<Part>> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("is not UTF-8"))?;
    let delimiter = format!("--{boundary}");
    let rest = text.strip_prefix(&delimiter).ok_or_else(|| malformed("begins with no part"))?;
    let between = format!("\r\n{delimiter}");
    let mut parts = Vec::new();
    let mut pieces = rest.split(between.as_str());
    loop {
        let Some(piece) = pieces.next() else { return Err(malformed("does not end")) };
        if piece.trim_end() == "--" {
            return Ok(parts);
        }
        if parts.len() == PARTS_MAX {
            return Err(malformed("has too many parts"));
        }
        parts.push(part(piece)?);
    }
}

fn part(piece: &str) -> Result<Part> {
    let piece = piece.strip_prefix("\r\n").ok_or_else(|| malformed("has a broken delimiter"))?;
    let whole = piece.split_once("\r\n\r\n");
    let (head, text) = whole.ok_or_else(|| malformed("has a part without a head"))?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    });
    let name = disposition.and_then(|it| it.strip_prefix("form-data"));
    let name = name.and_then(|it| parameter(it, "name"));
    let name = name.ok_or_else(|| malformed("has a part without a name"))?;
    Ok(Part { name, text: text.to_owned() })
}

/// The value of `; name=value`, quoted or not.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    text.split(';').find_map(|it| {
        let (name, value) = it.split_once('=')?;
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let found = name.trim().eq_ignore_ascii_case(wanted);
        found.then(|| quoted.unwrap_or(value).to_owned())
    })
}

fn malformed(how: &str) -> Error {
    Error::Malformed(format!("the form {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_names_and_their_very_text() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"policies/a.cedar\"; \
                    filename=\"a.cedar\"\r\nContent-Type: text/plain\r\n\r\nline\r\nother\n\r\n--x\r\n\
                    content-disposition: form-data; name=note\r\n\r\nhello\r\n--x--\r\n";
        let part = |name: &str, text: &str| Part { name: name.into(), text: text.into() };
        let expected = [part("policies/a.cedar", "line\r\nother\n"), part("note", "hello")];
        assert_eq!(parts(body.as_bytes(), "x").unwrap(), expected);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let head = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        for body in [
            "",
            "--x",
            "--y--",
            "--x\r\n\r\n--x--",
            &format!("{head}text"),
            &format!("{head}text\r\n--x"),
            "--x\r\nContent-Disposition: form-data\r\n\r\ntext\r\n--x--",
        ] {
            assert!(parts(body.as_bytes(), "x").is_err(), "{body:?}");
        }
        assert!(parts(b"--x--\xff", "x").is_err());
    }
}
