//! Random expressions, held against Python's fractions.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::value;

/// Reads an expression a line, answers the fraction, or `-` where there is none.
const PYTHON: &str = r#"
import re, sys, math
from fractions import Fraction as F
def rnd(x, n=F(0)):
    unit = F(10) ** -int(n); q = x / unit
    return (math.floor(abs(q) + F(1, 2)) * (1 if q >= 0 else -1)) * unit
names = dict(F=F, abs=abs, min=lambda *a: min(a), max=lambda *a: max(a), sum=lambda *a: sum(a), round=rnd,
    floor=lambda x: F(math.floor(x)), ceil=lambda x: F(math.ceil(x)), trunc=lambda x: F(math.trunc(x)),
    gcd=lambda *a: F(math.gcd(*map(int, a))), lcm=lambda *a: F(math.lcm(*map(int, a))))
for line in sys.stdin:
    source = re.sub(r"\d+(\.\d+)?(e-?\d+)?", lambda it: f"F('{it[0]}')", line.strip())
    try:
        it = F(eval(source, {"__builtins__": {}}, names))
        print(f"{it.numerator}/{it.denominator}")
    except ZeroDivisionError:
        print("-")
"#;

fn expressions() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (0u32..1000).prop_map(|it| it.to_string()),
        (0u32..1000, 0u32..1000).prop_map(|(a, b)| format!("{a}.{b:03}")),
        (0u32..100, -5i32..6).prop_map(|(a, b)| format!("{a}e{b}")),
    ];
    let whole = (0u32..100_000).prop_map(|it| it.to_string());
    let divisors = ("gcd|lcm", proptest::collection::vec(whole, 1..4))
        .prop_map(|(name, given)| format!("{name}({})", given.join(", ")));
    prop_oneof![8 => number, 1 => divisors].prop_recursive(6, 40, 3, |inner| {
        let binary = (inner.clone(), r"\+|-|\*|/|//|%", inner.clone());
        prop_oneof![
            8 => binary.prop_map(|(a, operator, b)| format!("{a} {operator} {b}")),
            3 => inner.clone().prop_map(|it| format!("({it})")),
            1 => inner.clone().prop_map(|it| format!("-{it}")),
            1 => (inner.clone(), -6i32..7).prop_map(|(it, by)| format!("({it})**{by}")),
            1 => ("abs|floor|ceil|trunc|round", inner.clone())
                .prop_map(|(name, it)| format!("{name}({it})")),
            1 => (inner.clone(), 0u32..5).prop_map(|(it, to)| format!("round({it}, {to})")),
            1 => ("min|max|sum", proptest::collection::vec(inner, 1..4))
                .prop_map(|(name, given)| format!("{name}({})", given.join(", "))),
        ]
    })
}

#[test]
fn random_expressions_are_worth_what_python_says() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let cases: Vec<String> =
        (0..3000).map(|_| expressions().new_tree(&mut runner).unwrap().current()).collect();
    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, lines) = (python.stdin.take().unwrap(), cases.join("\n"));
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writing.join().unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(expected.len(), cases.len());
    let mut compared = 0;
    for (case, expected) in cases.iter().zip(expected) {
        match value(case) {
            Ok(answer) => {
                assert!(answer.exact, "{case}");
                assert_eq!(fraction(&answer.result), expected, "{case}");
                compared += 1;
            }
            Err(fault) if fault.code() == "too_large" => {}
            Err(fault) => assert_eq!((fault.code(), expected), ("undefined", "-"), "{case}"),
        }
    }
    assert!(compared > 2000, "{compared}");
}

/// A decimal or a fraction as a fraction in its lowest terms.
fn fraction(text: &str) -> String {
    let (top, bottom) = match (text.split_once('/'), text.split_once('.')) {
        (Some((top, bottom)), _) => (top.to_owned(), bottom.parse().unwrap()),
        (_, Some((whole, places))) => {
            (format!("{whole}{places}"), num_traits::pow(10.into(), places.len()))
        }
        _ => (text.to_owned(), 1.into()),
    };
    let it = num_rational::BigRational::new(top.parse().unwrap(), bottom);
    format!("{}/{}", it.numer(), it.denom())
}

proptest! {
    #[test]
    fn no_text_at_all_brings_it_down(text in "\\PC{0,200}") {
        let _ = value(&text);
    }

    #[test]
    fn no_heap_of_tokens_brings_it_down(
        tokens in proptest::collection::vec(
            "\\(|\\)|,|!|-|\\+|\\*\\*|/|//|%|9|0|1e99|0\\.1|max|sqrt|log|factorial|comb|pi", 0..60,
        ),
    ) {
        let _ = super::evaluate(&tokens.join(" "), &super::later(super::TIME_MAX));
    }
}
