//! Finding a value in a stream of decoded bytes, in one pass (Knuth, Morris, Pratt).

use std::collections::VecDeque;
use std::ops::Range;

use zeroize::Zeroizing;

use super::views::Unit;

/// What is looked for. Not empty.
pub struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    /// For each length of a match that goes on: the longest other one that ends at the same place.
    shorter: Vec<usize>,
}

impl Needle {
    pub fn new(bytes: &[u8]) -> Needle {
        let mut needle = Needle { bytes: Zeroizing::new(bytes.to_vec()), shorter: vec![0] };
        let mut length = 0;
        for byte in bytes.iter().skip(1) {
            length = needle.longer(length, *byte);
            needle.shorter.push(length);
        }
        needle
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How much of the needle has been seen after one more byte, when so much was seen before.
    fn longer(&self, mut length: usize, byte: u8) -> usize {
        while length > 0 && self.bytes.get(length) != Some(&byte) {
            length = self.shorter.get(length - 1).copied().unwrap_or_default();
        }
        if self.bytes.get(length) == Some(&byte) { length + 1 } else { length }
    }
}

/// One search.
pub struct Matcher<'a> {
    needle: &'a Needle,
    length: usize,
    /// Where each byte of what was seen begins in the text.
    starts: VecDeque<usize>,
}

impl<'a> Matcher<'a> {
    pub fn new(needle: &'a Needle) -> Matcher<'a> {
        Matcher { needle, length: 0, starts: VecDeque::new() }
    }

    /// Takes the next byte; where in the text the needle is that ends with it.
    pub fn step(&mut self, unit: Unit) -> Option<Range<usize>> {
        self.length = self.needle.longer(self.length, unit.byte);
        if self.length == 0 {
            self.starts.clear();
            return None;
        }
        self.starts.push_back(unit.start);
        while self.starts.len() > self.length {
            self.starts.pop_front();
        }
        let whole = self.length == self.needle.len();
        whole.then(|| self.starts.front().map(|it| *it..unit.end)).flatten()
    }

    /// Forgets what was seen: nothing is found across a gap.
    pub fn interrupt(&mut self) {
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(needle: &str, text: &str) -> Vec<Range<usize>> {
        let needle = Needle::new(needle.as_bytes());
        let mut matcher = Matcher::new(&needle);
        let units = text.bytes().enumerate();
        let units = units.map(|(at, byte)| Unit { byte, start: at, end: at + 1 });
        units.filter_map(|it| matcher.step(it)).collect()
    }

    #[test]
    fn every_place_is_found_and_those_that_overlap() {
        for (needle, text, starts) in [
            ("a", "banana", &[1, 3, 5][..]),
            ("ana", "banana", &[1, 3]),
            ("abab", "ababab", &[0, 2]),
            ("aab", "aaaab", &[2]),
            ("abcabd", "abcabcabd", &[3]),
            ("x", "", &[]),
            ("banana", "banan", &[]),
        ] {
            let ranges: Vec<_> = starts.iter().map(|it| *it..it + needle.len()).collect();
            assert_eq!(found(needle, text), ranges, "{needle} in {text}");
        }
    }

    #[test]
    fn nothing_is_found_across_a_gap() {
        let needle = Needle::new(b"ab");
        let mut matcher = Matcher::new(&needle);
        let unit = |byte, start| Unit { byte, start, end: start + 1 };
        assert_eq!(matcher.step(unit(b'a', 0)), None);
        matcher.interrupt();
        assert_eq!(matcher.step(unit(b'b', 2)), None);
        assert_eq!(matcher.step(unit(b'a', 3)), None);
        assert_eq!(matcher.step(unit(b'b', 4)), Some(3..5));
    }
}
