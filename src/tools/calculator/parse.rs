//! From tokens to a program, by precedence (a Pratt parser), with bounded nesting.
//!
//! | binds | operators |
//! |---|---|
//! | loosest | `+` `-` |
//! | | `*` `/` `//` `%` |
//! | | sign |
//! | | `**` `^`, from the right: `2**3**2` is `2**9`, `-2**2` is `-4` |
//! | tightest | `!` |

use super::fault::Fault;
use super::functions;
use super::limits::NESTING_MAX;
use super::program::{Program, Step};
use super::token::{Placed, Token};

const SUM: u8 = 10;
const PRODUCT: u8 = 20;
const SIGN: u8 = 30;
const POWER: u8 = 40;
const FACTORIAL: u8 = 50;

/// Reads a whole expression.
pub(super) fn parse(tokens: &[Placed]) -> Result<Program, Fault> {
    let mut parser = Parser { tokens, next: 0, depth: 0, steps: Vec::new() };
    parser.expression(0)?;
    match parser.peek() {
        None => Ok(Program(parser.steps)),
        Some((token, at)) => Err(Fault::Syntax { at: *at, detail: misplaced(token).to_owned() }),
    }
}

fn misplaced(token: &Token) -> &'static str {
    match token {
        Token::Close => "this parenthesis closes nothing",
        Token::Comma => "a comma stands between the arguments of a function only",
        _ => "an operator is missing here",
    }
}

struct Parser<'a> {
    tokens: &'a [Placed],
    next: usize,
    depth: usize,
    steps: Vec<Step>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Placed> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<&'a Placed> {
        let token = self.peek();
        self.next += 1;
        token
    }

    /// Where the next token stands, or the end.
    fn at(&self) -> usize {
        self.peek().or(self.tokens.last()).map_or(1, |(_, at)| *at)
    }

    fn syntax<T>(&self, detail: &str) -> Result<T, Fault> {
        Err(Fault::Syntax { at: self.at(), detail: detail.to_owned() })
    }

    /// An expression of operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(Fault::TooDeep);
        }
        self.operand()?;
        while let Some((token, _)) = self.peek() {
            let Some((binds, right, step)) = operator(token) else { break };
            if binds < least {
                break;
            }
            self.next += 1;
            if let Some(right) = right {
                self.expression(right)?;
            }
            self.steps.push(step);
        }
        self.depth -= 1;
        Ok(())
    }

    fn operand(&mut self) -> Result<(), Fault> {
        let Some((token, at)) = self.take() else {
            return self.syntax("the expression ends where a number is expected");
        };
        match token {
            Token::Number(it) => self.steps.push(Step::Push(it.clone())),
            Token::Name(name) => return self.name(name, *at),
            Token::Plus => return self.expression(SIGN),
            Token::Minus => {
                self.expression(SIGN)?;
                self.steps.push(Step::Negate);
            }
            Token::Open => {
                self.expression(0)?;
                return self.close();
            }
            _ => {
                let detail = "a number is expected here".to_owned();
                return Err(Fault::Syntax { at: *at, detail });
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some((Token::Close, _)) => {
                self.next += 1;
                Ok(())
            }
            Some((Token::Comma, _)) => self.syntax(misplaced(&Token::Comma)),
            Some(_) => self.syntax("an operator or `)` is missing here"),
            None => self.syntax("a parenthesis is not closed"),
        }
    }

    /// A constant, or a function with its arguments.
    fn name(&mut self, name: &str, at: usize) -> Result<(), Fault> {
        let called = matches!(self.peek(), Some((Token::Open, _)));
        if !called && let Some(constant) = functions::constant(name) {
            self.steps.push(Step::Constant(constant));
            return Ok(());
        }
        let Some(function) = functions::named(name) else {
            let (name, known) = (name.chars().take(40).collect(), functions::names());
            return Err(Fault::Unknown { at, name, known });
        };
        if !called {
            return self.syntax("a function wants its arguments in parentheses");
        }
        self.next += 1;
        let given = self.arguments()?;
        if !function.takes.contains(&given) {
            let detail = format!("`{name}` takes {}, not {given}", function.wants());
            return Err(Fault::Syntax { at, detail });
        }
        self.steps.push(Step::Call(function, given));
        Ok(())
    }

    /// How many there were.
    fn arguments(&mut self) -> Result<usize, Fault> {
        if matches!(self.peek(), Some((Token::Close, _))) {
            self.next += 1;
            return Ok(0);
        }
        let mut given = 1;
        loop {
            self.expression(0)?;
            match self.peek() {
                Some((Token::Comma, _)) => {
                    self.next += 1;
                    given += 1;
                }
                _ => return self.close().map(|()| given),
            }
        }
    }
}

/// How tightly an operator binds, how tightly its right side must, and what it does. One without a
/// right side stands behind its operand.
fn operator(token: &Token) -> Option<(u8, Option<u8>, Step)> {
    Some(match token {
        Token::Plus => (SUM, Some(SUM + 1), Step::Add),
        Token::Minus => (SUM, Some(SUM + 1), Step::Subtract),
        Token::Times => (PRODUCT, Some(PRODUCT + 1), Step::Multiply),
        Token::Over => (PRODUCT, Some(PRODUCT + 1), Step::Divide),
        Token::FloorOver => (PRODUCT, Some(PRODUCT + 1), Step::FloorDivide),
        Token::Modulo => (PRODUCT, Some(PRODUCT + 1), Step::Modulo),
        Token::Power => (POWER, Some(POWER), Step::Power),
        Token::Factorial => (FACTORIAL, None, Step::Factorial),
        _ => return None,
    })
}
