//! Ranked full text over tools: BM25 (Robertson and Zaragoza, 2009) with a weight for each field.
//!
//! Immutable maps all the way: a snapshot of the catalogue keeps the index that belongs to it, and a
//! change shares all but a few nodes with the one before.

use std::collections::BTreeMap;

use imbl::{HashMap, OrdMap};
use uuid::Uuid;

use super::definition::Definition;

/// How soon a word that occurs often stops to count for more.
const SATURATION: f64 = 1.2;
/// How much longer texts count for less.
const LENGTH_WEIGHT: f64 = 0.75;
/// What a word counts that only begins as asked for, beside one that is it.
const PREFIX_WEIGHT: f64 = 0.4;
/// A beginning that fits more words than this says little.
const PREFIXES_MAX: usize = 64;
const WORDS_MAX: usize = 2_000;
const WORD_CHARS_MAX: usize = 40;
const ASKED_MAX: usize = 32;

/// How well tools fit what was asked for; those that do not are not in it.
pub type Scores = std::collections::HashMap<Uuid, f64>;

#[derive(Clone, Default)]
pub(super) struct Index {
    /// For each word the tools that have it, and how much of it.
    words: OrdMap<String, HashMap<Uuid, f64>>,
    lengths: HashMap<Uuid, f64>,
    length: f64,
}

impl Index {
    pub fn put(&mut self, id: Uuid, definition: &Definition) {
        let words = weighted(definition);
        let length: f64 = words.values().sum();
        for (word, weight) in words {
            self.words.entry(word).or_default().insert(id, weight);
        }
        self.length += length - self.lengths.insert(id, length).unwrap_or_default();
    }

    /// Takes out what was put in with this definition.
    pub fn remove(&mut self, id: Uuid, definition: &Definition) {
        for word in weighted(definition).into_keys() {
            let Some(tools) = self.words.get_mut(&word) else { continue };
            tools.remove(&id);
            if tools.is_empty() {
                self.words.remove(&word);
            }
        }
        self.length -= self.lengths.remove(&id).unwrap_or_default();
    }

    /// The tools that have all of these words, or words that begin like them; where no tool has all,
    /// those that have any.
    pub fn search(&self, asked: &str) -> Scores {
        let mut words = BTreeMap::new();
        collect(asked, 1.0, &mut words);
        let words: Vec<Scores> = words.keys().take(ASKED_MAX).map(|it| self.word(it)).collect();
        let mut sums: std::collections::HashMap<Uuid, (usize, f64)> = Default::default();
        for (id, score) in words.iter().flatten() {
            let (count, sum) = sums.entry(*id).or_default();
            (*count, *sum) = (*count + 1, *sum + score);
        }
        let all = words.len();
        let least = if sums.values().any(|(count, _)| *count == all) { all } else { 1 };
        let fits = sums.into_iter().filter(|(_, (count, _))| *count >= least);
        fits.map(|(id, (_, sum))| (id, sum)).collect()
    }

    fn word(&self, word: &str) -> Scores {
        let mut scores = Scores::new();
        let from = self.words.range(word.to_owned()..).take(PREFIXES_MAX);
        for (found, tools) in from.take_while(|(found, _)| found.starts_with(word)) {
            let weight = if found == word { 1.0 } else { PREFIX_WEIGHT };
            self.score(tools, weight, &mut scores);
        }
        scores
    }

    fn score(&self, tools: &HashMap<Uuid, f64>, weight: f64, scores: &mut Scores) {
        let (count, having) = (self.lengths.len() as f64, tools.len() as f64);
        let rarity = (1.0 + (count - having + 0.5) / (having + 0.5)).ln();
        let average = (self.length / count.max(1.0)).max(1.0);
        for (id, often) in tools {
            let length = self.lengths.get(id).copied().unwrap_or(average);
            let damping = SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / average);
            *scores.entry(*id).or_default() +=
                weight * rarity * often * (SATURATION + 1.0) / (often + damping);
        }
    }
}

/// The words of a tool, each with how often it occurs: in its name it counts for more.
fn weighted(it: &Definition) -> BTreeMap<String, f64> {
    let mut words = BTreeMap::new();
    collect(&it.name, 4.0, &mut words);
    collect(&it.display_name, 3.0, &mut words);
    for tag in &it.tags {
        collect(tag, 2.0, &mut words);
    }
    collect(&it.description, 1.0, &mut words);
    words
}

/// Words are runs of letters and digits, in lower case; `getWeather` is one, and two.
fn collect(text: &str, weight: f64, words: &mut BTreeMap<String, f64>) {
    let mut add = |word: &str| {
        let word: String = word.chars().flat_map(char::to_lowercase).take(WORD_CHARS_MAX).collect();
        if words.len() < WORDS_MAX {
            *words.entry(word).or_default() += weight;
        }
    };
    for run in text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()) {
        add(run);
        let humps = humps(run);
        if humps.len() > 1 {
            humps.into_iter().for_each(&mut add);
        }
    }
}

/// The parts of a word that begin with a capital after a small letter.
fn humps(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut after_small) = (0, false);
    for (at, letter) in word.char_indices() {
        if letter.is_uppercase() && after_small {
            parts.extend(word.get(start..at));
            start = at;
        }
        after_small = letter.is_lowercase();
    }
    parts.extend(word.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(name: &str, description: &str, tags: &[&str]) -> Definition {
        serde_json::from_value(json!({
            "tool_type": "function", "name": name, "version": "1", "input_schema": {}, "tags": tags,
            "risk_level": "low", "scopes": ["use"], "max_ttl_seconds": 60, "description": description,
        }))
        .unwrap()
    }

    struct Shelf(Vec<(Uuid, Definition)>, Index);

    impl Shelf {
        fn of(all: &[(&str, &str, &[&str])]) -> Shelf {
            let mut shelf = Shelf(Vec::new(), Index::default());
            for (at, (name, description, tags)) in all.iter().enumerate() {
                let it = (Uuid::from_u128(at as u128 + 1), definition(name, description, tags));
                shelf.1.put(it.0, &it.1);
                shelf.0.push(it);
            }
            shelf
        }

        fn ranked(&self, asked: &str) -> Vec<&str> {
            let scores = self.1.search(asked);
            let mut found: Vec<_> = scores.into_iter().collect();
            found.sort_by(|a, b| b.1.total_cmp(&a.1));
            let name = |id: Uuid| self.0.iter().find(|it| it.0 == id).unwrap().1.name.as_str();
            found.into_iter().map(|(id, _)| name(id)).collect()
        }
    }

    #[test]
    fn what_fits_best_comes_first() {
        let shelf = Shelf::of(&[
            ("weather_forecast", "Tells the weather of the coming days.", &["weather"]),
            ("send_mail", "Sends mail. Not about the weather.", &[]),
            ("getTideTable", "High and low water, for sailors.", &["weather"]),
            ("translate", "Übersetzt Texte.", &[]),
        ]);
        assert_eq!(shelf.ranked("weather"), ["weather_forecast", "getTideTable", "send_mail"]);
        assert_eq!(shelf.ranked("forecast of the weather")[0], "weather_forecast");
        assert_eq!(shelf.ranked("tide"), ["getTideTable"]);
        assert_eq!(shelf.ranked("GETTIDETABLE"), ["getTideTable"]);
        assert_eq!(shelf.ranked("trans"), ["translate"]);
        assert_eq!(shelf.ranked("übersetzt"), ["translate"]);
        for nothing in ["", "%", "wether", "lation"] {
            assert!(shelf.ranked(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn an_index_forgets_what_it_is_told_to() {
        let all = [("one", "a b c a", &["x"][..]), ("two", "b c d", &["y"])];
        let Shelf(tools, mut index) = Shelf::of(&all);
        let before = index.clone();
        index.remove(tools[0].0, &tools[0].1);
        assert_eq!(index.search("a b c x one").keys().copied().collect::<Vec<_>>(), [tools[1].0]);
        index.remove(tools[1].0, &tools[1].1);
        assert!(index.words.is_empty() && index.lengths.is_empty() && index.length.abs() < 1e-9);
        assert_eq!(before.search("b").len(), 2, "the snapshot before is what it was");
    }
}
