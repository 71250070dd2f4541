//! Every number in a policy stands on a boundary that the table knows: one more or one less, and
//! some row fails.

use cedar_policy::{Policy, PolicyId, PolicySet};

use crate::policy::Bundle;
use crate::policy::load::Sources;
use crate::policy::table::{Prepared, Question, Table, without};

/// Moved, these change no answer: another rule stands at the same number.
const SHADOWED: [(&str, &str); 1] = [
    // guard.ttl.global allows nobody more than an hour.
    ("use.translators", "3601s"),
];

#[test]
fn no_number_can_move_without_a_row_noticing() {
    let bundle = Bundle::starter().unwrap();
    let table = Table::read(&Sources::starter().tests.unwrap(), &bundle).unwrap();
    let mut moved = 0;
    for (id, meta) in bundle.metas().iter().filter(|(_, meta)| !meta.template) {
        for (number, text) in variants(&meta.text) {
            moved += 1;
            let other = Policy::parse(Some(PolicyId::new(id)), &text).unwrap();
            let noticed = table.rows().any(|row| notices(row, &bundle, &other));
            let shadowed = SHADOWED.contains(&(id.as_str(), number.as_str()));
            assert_ne!(noticed, shadowed, "`{id}` with {number}");
        }
    }
    assert!(moved > 50, "only {moved} numbers were found to move");
}

/// Whether the row fails when `other` stands in place of the policy of its name.
fn notices(row: &Prepared, bundle: &Bundle, other: &Policy) -> bool {
    let Question::Possible(it) = row.question() else { return false };
    let policies = it.policies(bundle);
    let Some(ours) = policies.policy(other.id()) else { return false };
    // Only where the two differ does the whole slice have to be asked.
    let alone = |policy: &Policy| it.decide(&PolicySet::from_policies([policy.clone()]).unwrap());
    if alone(ours) == alone(other) {
        return false;
    }
    let mut changed = without(policies, other.id().as_ref()).unwrap();
    changed.add(other.clone()).unwrap();
    row.complaint_of(&it.decide(&changed)).is_some()
}

/// The policy's text with each of its numbers one more and one less, and that number.
fn variants(text: &str) -> Vec<(String, String)> {
    let mut variants = Vec::new();
    let mut replace = |at: usize, old: &str, new: String| {
        let text = format!("{}{new}{}", &text[..at], &text[at + old.len()..]);
        variants.push((new, text));
    };
    for (start, _) in text.match_indices("duration(\"") {
        let at = start + "duration(\"".len();
        let old = text[at..].split('"').next().unwrap();
        let seconds = seconds(old);
        replace(at, old, format!("{}s", seconds + 1));
        replace(at, old, format!("{}s", seconds - 1));
    }
    for (start, _) in text.match_indices("decimal(\"") {
        let at = start + "decimal(\"".len();
        let old = text[at..].split('"').next().unwrap();
        let units = (old.parse::<f64>().unwrap() * 10_000.0).round() as i64;
        for units in [units + 1, units - 1] {
            replace(at, old, format!("{}.{:04}", units / 10_000, units % 10_000));
        }
    }
    for operator in ["> ", "< ", ">= ", "<= "] {
        for (start, _) in text.match_indices(operator) {
            let at = start + operator.len();
            let old: String = text[at..].chars().take_while(char::is_ascii_digit).collect();
            if let Ok(number) = old.parse::<i64>() {
                replace(at, &old, (number + 1).to_string());
                replace(at, &old, (number - 1).to_string());
            }
        }
    }
    variants
}

fn seconds(duration: &str) -> i64 {
    let mut seconds = 0;
    let mut number = String::new();
    for it in duration.chars() {
        let unit = match it {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            digit => {
                number.push(digit);
                continue;
            }
        };
        seconds += number.parse::<i64>().unwrap() * unit;
        number.clear();
    }
    seconds
}
