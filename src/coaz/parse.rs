//! Reading an expression: by precedence, from the ternary down to a literal.

use serde_json::{Number, Value};

use super::expression::{Expr, Key, Op, Path, Step};

/// Longer than any honest expression.
const CHARS_MAX: usize = 1_000;
/// Brackets within brackets, and signs before signs.
const DEPTH_MAX: usize = 24;
/// Operators by how weakly they bind, the longest of a kind first.
const LEVELS: [&[(&str, Op)]; 4] = [
    &[("||", Op::Or)],
    &[("&&", Op::And)],
    &[
        ("==", Op::Equal),
        ("!=", Op::Unequal),
        ("<=", Op::AtMost),
        (">=", Op::AtLeast),
        ("<", Op::Less),
        (">", Op::More),
        ("in", Op::In),
    ],
    &[("+", Op::Plus)],
];

/// # Errors
/// What cannot be read, in words.
pub fn parse(text: &str) -> Result<Expr, String> {
    if text.chars().count() > CHARS_MAX {
        return Err(format!("is longer than {CHARS_MAX} characters"));
    }
    let mut reader = Reader { rest: text, depth: 0 };
    let expr = reader.choice()?;
    reader.skip();
    match reader.rest.is_empty() {
        true => Ok(expr),
        false => Err(reader.unread()),
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn choice(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("is nested deeper than {DEPTH_MAX} levels"));
        }
        let first = self.level(0)?;
        let expr = match self.take("?") {
            false => first,
            true => {
                let then = self.choice()?;
                self.expect(":")?;
                Expr::Choice(Box::new((first, then, self.choice()?)))
            }
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn level(&mut self, level: usize) -> Result<Expr, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some(op) = self.operator(operators) {
            let right = self.level(level + 1)?;
            left = Expr::Binary(op, Box::new((left, right)));
        }
        Ok(left)
    }

    fn operator(&mut self, of: &[(&str, Op)]) -> Option<Op> {
        let (sign, op) = of.iter().find(|(sign, _)| self.sees(sign))?;
        self.take(sign);
        Some(*op)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("is nested deeper than {DEPTH_MAX} levels"));
        }
        let expr = if self.take("!") {
            Expr::Not(Box::new(self.unary()?))
        } else if self.take("-") {
            Expr::Minus(Box::new(self.unary()?))
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        if self.take("(") {
            let inner = self.choice()?;
            self.expect(")")?;
            return Ok(inner);
        }
        match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => Ok(Expr::Literal(self.quoted(quote)?.into())),
            Some(it) if it.is_ascii_digit() => self.number().map(Expr::Literal),
            Some(it) if it.is_ascii_alphabetic() || it == '_' => self.named(),
            _ => Err(self.unread()),
        }
    }

    fn named(&mut self) -> Result<Expr, String> {
        let name = self.word().to_owned();
        match name.as_str() {
            "true" => return Ok(Expr::Literal(true.into())),
            "false" => return Ok(Expr::Literal(false.into())),
            "null" => return Ok(Expr::Literal(Value::Null)),
            _ => {}
        }
        if self.take("(") {
            if name != "size" {
                return Err(format!("calls `{name}`, which is not known here"));
            }
            let of = self.choice()?;
            self.expect(")")?;
            return Ok(Expr::Size(Box::new(of)));
        }
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        Ok(Expr::Path(Path { root: name, steps }))
    }

    fn step(&mut self) -> Result<Option<Step>, String> {
        if self.take("[") {
            let optional = self.take("?");
            self.skip();
            let key = match self.rest.chars().next() {
                Some(quote @ ('\'' | '"')) => Key::Member(self.quoted(quote)?),
                _ => {
                    let index = self.number()?.as_u64().and_then(|it| usize::try_from(it).ok());
                    Key::Index(index.ok_or("an index must be a whole number")?)
                }
            };
            self.expect("]")?;
            return Ok(Some(Step { key, optional }));
        }
        if !self.take(".") {
            return Ok(None);
        }
        let optional = self.take("?");
        self.skip();
        let member = self.word().to_owned();
        if member.is_empty() {
            return Err(self.unread());
        }
        if self.sees("(") {
            return Err(format!("calls `{member}`, which is not known here"));
        }
        Ok(Some(Step { key: Key::Member(member), optional }))
    }

    fn word(&mut self) -> &'a str {
        let other = |it: char| !(it.is_ascii_alphanumeric() || it == '_');
        let end = self.rest.find(other).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Result<Value, String> {
        let end = self.rest.find(|it: char| !(it.is_ascii_digit() || it == '.'));
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let number: Number = digits.parse().map_err(|_| self.unread())?;
        self.rest = rest;
        Ok(Value::Number(number))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some((_, it @ ('\\' | '\'' | '"'))) => text.push(it),
                    Some((_, 'n')) => text.push('\n'),
                    _ => return Err("has an escape that is not known here".into()),
                },
                it if it == quote => {
                    self.rest = self.rest.get(at + quote.len_utf8()..).unwrap_or_default();
                    return Ok(text);
                }
                it => text.push(it),
            }
        }
        Err("has a text that does not end".into())
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn sees(&mut self, sign: &str) -> bool {
        self.skip();
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        // `in` is a word, and `<` is not the beginning of `<=`: the longer one is asked for first.
        !sign.starts_with(|it: char| it.is_ascii_alphabetic())
            || !rest.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_')
    }

    fn take(&mut self, sign: &str) -> bool {
        let seen = self.sees(sign);
        if seen {
            self.rest = self.rest.strip_prefix(sign).unwrap_or(self.rest);
            self.skip();
        }
        seen
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("lacks a `{sign}`")) }
    }

    fn unread(&self) -> String {
        let some: String = self.rest.chars().take(20).collect();
        match some.is_empty() {
            true => "ends where a value should stand".into(),
            false => format!("cannot be read from `{some}` on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mappings_are_written_in_can_be_read() {
        for text in [
            "token.sub",
            "token.?client_id",
            "params.arguments[\"customer-id\"]",
            "params.arguments.list[0].id",
            "params.arguments.amount > 10000 ? 'high' : 'standard'",
            "params.name == 'a' && !(token.admin || params.arguments.dry)",
            "'a' + params.name + \"b\\\"\"",
            "params.arguments.currency in token.currencies",
            "size(params.arguments.to) >= 2",
            "-1 < params.arguments.n",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, wanted) in [
            ("", "ends where"),
            ("params.", "ends where"),
            ("params.arguments.id)", "from `)`"),
            ("token.roles.exists(r, r == 'a')", "calls `exists`"),
            ("matches(params.name, 'a')", "calls `matches`"),
            ("'open", "does not end"),
            ("a ? b", "lacks a `:`"),
            (&"(".repeat(100), "nested deeper"),
            (&"!".repeat(100), "nested deeper"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(wanted), "{text}: {told}");
        }
    }
}
