//! The text of an expression, cut into tokens.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One as _, Zero as _, pow};

use super::fault::Fault;
use super::limits::{DIGITS_MAX, sized};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Number(BigRational),
    Name(String),
    Plus,
    Minus,
    Times,
    Over,
    FloorOver,
    Modulo,
    Power,
    Factorial,
    Open,
    Close,
    Comma,
}

/// A token and where it stands: its first character, counted from 1.
pub(super) type Placed = (Token, usize);

pub(super) fn tokens(expression: &str) -> Result<Vec<Placed>, Fault> {
    let mut reader = Reader { text: expression.chars().collect(), next: 0 };
    let mut found = Vec::new();
    loop {
        reader.take_while(char::is_whitespace);
        let at = reader.next + 1;
        let Some(first) = reader.peek(0) else { return Ok(found) };
        let token = match first {
            '0'..='9' | '.' => reader.number(at)?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let name = reader.take_while(|it| it.is_ascii_alphanumeric() || it == '_');
                Token::Name(name.to_ascii_lowercase())
            }
            other => reader.operator(other).ok_or_else(|| unreadable(at, other))?,
        };
        found.push((token, at));
    }
}

fn unreadable(at: usize, found: char) -> Fault {
    let detail = format!("`{}` has no meaning here; this is for arithmetic", found.escape_debug());
    Fault::Syntax { at, detail }
}

struct Reader {
    text: Vec<char>,
    next: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.next + ahead).copied()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(it) = self.peek(0).filter(|it| wanted(*it)) {
            taken.push(it);
            self.next += 1;
        }
        taken
    }

    fn operator(&mut self, first: char) -> Option<Token> {
        let double = self.peek(1) == Some(first);
        let (token, length) = match first {
            '*' if double => (Token::Power, 2),
            '/' if double => (Token::FloorOver, 2),
            '^' => (Token::Power, 1),
            '*' | '×' | '·' => (Token::Times, 1),
            '/' | '÷' => (Token::Over, 1),
            '%' => (Token::Modulo, 1),
            '+' => (Token::Plus, 1),
            '-' | '−' => (Token::Minus, 1),
            '!' => (Token::Factorial, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            'π' => (Token::Name("pi".to_owned()), 1),
            _ => return None,
        };
        self.next += length;
        Some(token)
    }

    /// `12`, `1_000`, `.5`, `12.25`, `6.02e23`: exactly what is written.
    fn number(&mut self, at: usize) -> Result<Token, Fault> {
        let whole = self.digits();
        let fraction = match self.peek(0) {
            Some('.') => {
                self.next += 1;
                self.digits()
            }
            _ => String::new(),
        };
        let syntax = |detail: &str| Fault::Syntax { at, detail: detail.to_owned() };
        if whole.is_empty() && fraction.is_empty() {
            return Err(syntax("a point with no digit beside it"));
        }
        let exponent = self.exponent().ok_or_else(|| syntax("the exponent has no digits"))??;
        if self.peek(0).is_some_and(|it| it.is_ascii_alphanumeric() || "_.".contains(it)) {
            return Err(syntax("a number runs into something else; put an operator between them"));
        }
        let digits = format!("{whole}{fraction}");
        let digits: BigInt = digits.parse().map_err(|_| syntax("this is no number"))?;
        if digits.is_zero() {
            return Ok(Token::Number(BigRational::zero()));
        }
        let scale = exponent - i64::try_from(fraction.len()).map_err(|_| Fault::TooLarge)?;
        let power = usize::try_from(scale.unsigned_abs()).map_err(|_| Fault::TooLarge)?;
        let power = pow(BigInt::from(10), power);
        let number = match scale < 0 {
            true => BigRational::new(digits, power),
            false => BigRational::new(digits * power, BigInt::one()),
        };
        Ok(Token::Number(sized(number)?))
    }

    fn digits(&mut self) -> String {
        self.take_while(|it| it.is_ascii_digit() || it == '_').replace('_', "")
    }

    /// What stands behind an `e`, zero where there is none; `None` when the `e` stands alone.
    fn exponent(&mut self) -> Option<Result<i64, Fault>> {
        if !matches!(self.peek(0), Some('e' | 'E')) {
            return Some(Ok(0));
        }
        self.next += 1;
        let sign = match self.peek(0) {
            Some('-') => -1,
            _ => 1,
        };
        if matches!(self.peek(0), Some('+' | '-')) {
            self.next += 1;
        }
        let digits = self.digits();
        if digits.is_empty() {
            return None;
        }
        let value = digits.parse::<i64>().ok().filter(|it| it.unsigned_abs() <= DIGITS_MAX);
        Some(value.map(|it| sign * it).ok_or(Fault::TooLarge))
    }
}
