//! A text as those who decode it see it: streams of bytes that know where in the text they are from.

use std::collections::VecDeque;

/// A decoded byte, and which part of the text it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    pub byte: u8,
    pub start: usize,
    pub end: usize,
}

/// The text as it is.
pub fn raw(text: &[u8]) -> impl Iterator<Item = Unit> {
    let units = text.iter().enumerate();
    units.map(|(start, byte)| Unit { byte: *byte, start, end: start + 1 })
}

/// The text of a form (`application/x-www-form-urlencoded`), but for percent-encoding.
pub fn spaced(text: impl Iterator<Item = Unit>) -> impl Iterator<Item = Unit> {
    text.map(|it| Unit { byte: if it.byte == b'+' { b' ' } else { it.byte }, ..it })
}

/// Units with a look at what comes.
struct Ahead<I> {
    rest: I,
    seen: VecDeque<Unit>,
}

impl<I: Iterator<Item = Unit>> Ahead<I> {
    fn new(rest: I) -> Ahead<I> {
        Ahead { rest, seen: VecDeque::new() }
    }

    fn next(&mut self) -> Option<Unit> {
        self.seen.pop_front().or_else(|| self.rest.next())
    }

    fn peek(&mut self, index: usize) -> Option<Unit> {
        while self.seen.len() <= index {
            self.seen.push_back(self.rest.next()?);
        }
        self.seen.get(index).copied()
    }

    /// What so many hexadecimal digits from there on stand for, and where they end.
    fn hex(&mut self, from: usize, count: usize) -> Option<(u32, usize)> {
        let mut read = (0, 0);
        for index in from..from + count {
            let unit = self.peek(index)?;
            read = (read.0 << 4 | u32::from(nibble(unit.byte)?), unit.end);
        }
        Some(read)
    }

    fn skip(&mut self, count: usize) {
        self.seen.drain(..count.min(self.seen.len()));
    }
}

/// Strings of JSON (RFC 8259 section 7), inside of their quotes.
pub struct Json<I> {
    from: Ahead<I>,
    /// The bytes of a character that one escape stood for.
    ready: VecDeque<Unit>,
}

impl<I: Iterator<Item = Unit>> Json<I> {
    pub fn new(from: I) -> Json<I> {
        Json { from: Ahead::new(from), ready: VecDeque::new() }
    }

    /// The character that an escape stands for, how many units follow its backslash, and its end.
    fn escape(&mut self) -> Option<(char, usize, usize)> {
        let letter = self.from.peek(0)?;
        let short = match letter.byte {
            it @ (b'"' | b'\\' | b'/') => it.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code(),
            _ => return None,
        };
        Some((short, 1, letter.end))
    }

    fn code(&mut self) -> Option<(char, usize, usize)> {
        let (high, end) = self.from.hex(1, 4)?;
        if let Some(it) = char::from_u32(high) {
            return Some((it, 5, end));
        }
        let paired = self.from.peek(5)?.byte == b'\\' && self.from.peek(6)?.byte == b'u';
        let (low, end) = self.from.hex(7, 4).filter(|_| paired)?;
        let mut both = char::decode_utf16([high as u16, low as u16]);
        Some((both.next()?.ok()?, 11, end))
    }
}

impl<I: Iterator<Item = Unit>> Iterator for Json<I> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        if let Some(it) = self.ready.pop_front() {
            return Some(it);
        }
        let unit = self.from.next()?;
        if unit.byte != b'\\' {
            return Some(unit);
        }
        let Some((sign, count, end)) = self.escape() else { return Some(unit) };
        self.from.skip(count);
        let bytes = sign.encode_utf8(&mut [0; 4]).bytes().collect::<Vec<_>>();
        self.ready.extend(bytes.into_iter().map(|byte| Unit { byte, start: unit.start, end }));
        self.ready.pop_front()
    }
}

/// Percent-encoding (RFC 3986 section 2.1).
pub struct Percent<I>(Ahead<I>);

impl<I: Iterator<Item = Unit>> Percent<I> {
    pub fn new(from: I) -> Percent<I> {
        Percent(Ahead::new(from))
    }
}

impl<I: Iterator<Item = Unit>> Iterator for Percent<I> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let unit = self.0.next()?;
        if unit.byte != b'%' {
            return Some(unit);
        }
        let Some((byte, end)) = self.0.hex(0, 2) else { return Some(unit) };
        self.0.skip(2);
        Some(Unit { byte: byte as u8, start: unit.start, end })
    }
}

/// Runs of digits that bytes were written in, read from the digit of a run on that the phase says.
pub struct Digits {
    bits: u32,
    digit: fn(u8) -> Option<u8>,
    phase: u32,
    /// Digits to leave out before bytes begin.
    out: u32,
    /// What was read and is no byte yet: its lowest bits.
    held: u32,
    held_bits: u32,
    /// Where the digit begins that the held bits are of.
    start: usize,
}

/// What one more unit comes to.
pub enum Read {
    Byte(Unit),
    /// No byte yet.
    More,
    /// No digit: what follows is another run.
    Gap,
}

impl Digits {
    /// As base64, in both alphabets (RFC 4648 sections 4 and 5), of every phase.
    pub fn base64() -> impl Iterator<Item = Digits> {
        (0..4).map(|phase| Digits::new(6, sextet, phase))
    }

    /// As hexadecimal, of every phase.
    pub fn hex() -> impl Iterator<Item = Digits> {
        (0..2).map(|phase| Digits::new(4, nibble, phase))
    }

    fn new(bits: u32, digit: fn(u8) -> Option<u8>, phase: u32) -> Digits {
        Digits { bits, digit, phase, out: phase, held: 0, held_bits: 0, start: 0 }
    }

    pub fn read(&mut self, unit: Unit) -> Read {
        match (self.digit)(unit.byte) {
            Some(_) if self.out > 0 => {
                self.out -= 1;
                Read::More
            }
            Some(it) => self.take(it, unit),
            // Long base64 is broken into lines (RFC 2045).
            None if matches!(unit.byte, b'\r' | b'\n') => Read::More,
            None => {
                (self.out, self.held, self.held_bits) = (self.phase, 0, 0);
                Read::Gap
            }
        }
    }

    fn take(&mut self, digit: u8, unit: Unit) -> Read {
        let start = if self.held_bits == 0 { unit.start } else { self.start };
        self.held = self.held << self.bits | u32::from(digit);
        self.held_bits += self.bits;
        self.start = unit.start;
        let Some(rest) = self.held_bits.checked_sub(u8::BITS) else { return Read::More };
        let byte = (self.held >> rest) as u8;
        self.held &= (1 << rest) - 1;
        self.held_bits = rest;
        Read::Byte(Unit { byte, start, end: unit.end })
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok())
}
