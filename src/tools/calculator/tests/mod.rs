//! Tables of expressions and what they are worth, and bombs that must not go off.

mod oracle;

use std::time::{Duration, Instant};

use super::*;
use crate::clock::Clock;

fn later(it: Duration) -> Deadline {
    Deadline::after(it, &Clock::system())
}

fn value(expression: &str) -> Result<Answer, Fault> {
    evaluate(expression, &later(Duration::from_secs(60)))
}

#[track_caller]
fn text(expression: &str) -> String {
    value(expression).unwrap_or_else(|it| panic!("{expression}: {it}")).result
}

/// Expressions and the exact numbers that they are worth.
const EXACT: [(&str, &str); 61] = [
    ("1+1", "2"),
    ("0.1 + 0.2", "0.3"),
    ("1/3 + 1/6", "0.5"),
    ("1/3", "1/3"),
    ("-7/3", "-7/3"),
    ("7 // 2", "3"),
    ("-7 // 2", "-4"),
    ("-7 % 3", "2"),
    ("7 % -3", "-2"),
    ("7.5 % 2", "1.5"),
    ("2**100", "1267650600228229401496703205376"),
    ("2**-3", "0.125"),
    ("2^10", "1024"),
    ("-2**2", "-4"),
    ("(-2)**2", "4"),
    ("(-2)**-3", "-0.125"),
    ("2**3**2", "512"),
    ("2**-2**2", "0.0625"),
    ("-3!", "-6"),
    ("3!!", "720"),
    ("4**0.5", "2"),
    ("(4/9)**1.5", "8/27"),
    ("27**(1/3)", "3"),
    ("cbrt(-27)", "-3"),
    ("root(32, 5)", "2"),
    ("sqrt(2.25)", "1.5"),
    ("factorial(20)", "2432902008176640000"),
    ("comb(49, 6)", "13983816"),
    ("comb(3, 5)", "0"),
    ("gcd(12, 18, 27)", "3"),
    ("gcd(-12)", "12"),
    ("lcm(4, 6)", "12"),
    ("min(3, 1/3, 0.3)", "0.3"),
    ("max(1, 2, -3)", "2"),
    ("sum(0.1, 0.2, 0.3)", "0.6"),
    ("mean(1, 2)", "1.5"),
    ("round(2.5)", "3"),
    ("round(-2.5)", "-3"),
    ("round(2.675, 2)", "2.68"),
    ("round(1234, -2)", "1200"),
    ("floor(-0.5)", "-1"),
    ("ceil(-0.5)", "0"),
    ("trunc(-1.5)", "-1"),
    ("abs(-1/2)", "0.5"),
    ("log(8, 2)", "3"),
    ("log10(0.001)", "-3"),
    ("log2(2**5000)", "5000"),
    ("ln(1)", "0"),
    ("1e3", "1000"),
    ("1.5E-3", "0.0015"),
    ("1_000_000", "1000000"),
    (".5 + 1.", "1.5"),
    ("6 × 7 ÷ 2 − 1", "20"),
    ("+-+-3", "3"),
    ("0e9999", "0"),
    ("hypot(3, 4)", "5"),
    ("ABS(-3)", "3"),
    ("1**(10**100)", "1"),
    ("(-1)**(10**100+1)", "-1"),
    ("0**0", "1"),
    ("1/2**1000 * 2**1000", "1"),
];

#[test]
fn exact_numbers_stay_exact() {
    for (expression, expected) in EXACT {
        let answer = value(expression).unwrap_or_else(|it| panic!("{expression}: {it}"));
        assert_eq!((&*answer.result, answer.exact), (expected, true), "{expression}");
    }
}

#[test]
fn what_is_rounded_says_so() {
    for (expression, expected) in [
        ("sqrt(2)", "1.4142135623730951"),
        ("sin(0)", "0"),
        ("cos(pi)", "-1"),
        ("2*π", "6.283185307179586"),
        ("exp(1) - e", "0"),
        ("round(pi, 2)", "3.14"),
        ("2**0.5", "1.4142135623730951"),
        ("atan2(1, 1) * 4", "3.141592653589793"),
        ("exp(100)", "2.6881171418161356e43"),
        ("degrees(pi)", "180"),
        ("ln(10**1000)", "2302.5850929940457"),
        ("root(-2, 3)", "-1.2599210498948732"),
    ] {
        let answer = value(expression).unwrap_or_else(|it| panic!("{expression}: {it}"));
        assert_eq!((&*answer.result, answer.exact), (expected, false), "{expression}");
    }
    let third = value("1/3").unwrap();
    assert_eq!(third.decimal.as_deref(), Some("0.333333333333333333333333333333"));
    let small = value("1/(3*10**20)").unwrap().decimal.unwrap();
    assert!(small.starts_with("0.00000000000000000000333333333333"), "{small}");
}

#[test]
fn what_has_no_answer_says_why() {
    for (expression, code, words) in [
        ("", "syntax", "ends where a number is expected"),
        ("1 +", "syntax", "ends where"),
        ("1 2", "syntax", "at character 3: an operator is missing"),
        ("2(3)", "syntax", "operator is missing"),
        ("2pi", "syntax", "runs into"),
        ("0x10", "syntax", "runs into"),
        ("1.2.3", "syntax", "runs into"),
        (".", "syntax", "no digit"),
        ("1e", "syntax", "exponent"),
        ("(1", "syntax", "not closed"),
        ("1)", "syntax", "closes nothing"),
        ("1,2", "syntax", "comma"),
        ("(1,2)", "syntax", "comma"),
        ("*1", "syntax", "a number is expected"),
        ("sqrt", "syntax", "parentheses"),
        ("sqrt()", "syntax", "`sqrt` takes 1 argument, not 0"),
        ("log(1,2,3)", "syntax", "takes 1 or 2 arguments"),
        ("pi(2)", "unknown_name", "`pi`"),
        ("x + 3", "unknown_name", "`x` is no function or constant; there are e, pi, tau, abs"),
        ("x = 3", "syntax", "`=` has no meaning"),
        ("3 = 3", "syntax", "`=` has no meaning"),
        ("__import__(1)", "unknown_name", "`__import__`"),
        ("random()", "unknown_name", "`random`"),
        ("5 kg to lb", "syntax", "operator is missing"),
        ("@2020-01-01", "syntax", "`@`"),
        ("1 + 'a'", "syntax", "`\\'`"),
        ("1/0", "undefined", "division by zero"),
        ("1//0", "undefined", "division by zero"),
        ("1%0", "undefined", "division by zero"),
        ("0**-1", "undefined", "division by zero"),
        ("1/(pi-pi)", "undefined", "division by zero"),
        ("sqrt(-1)", "undefined", "no real number"),
        ("(-8)**(1/3)", "undefined", "no real number"),
        ("log(0)", "undefined", "above 0"),
        ("log(2, 1)", "undefined", "base 1"),
        ("asin(2)", "undefined", "not a number"),
        ("exp(1000)", "undefined", "too large"),
        ("sin(10**400)", "undefined", "too large"),
        ("factorial(-1)", "undefined", "from 0 on"),
        ("2.5!", "undefined", "whole numbers"),
        ("gcd(0.5, 1)", "undefined", "whole numbers"),
        ("round(1, 0.5)", "undefined", "whole number"),
        ("round(1, 1001)", "undefined", "up to 1000"),
        ("root(2, 0)", "undefined", "degree 0"),
    ] {
        let fault = value(expression).expect_err(expression);
        assert_eq!(fault.code(), code, "{expression}: {fault}");
        assert!(fault.to_string().contains(words), "{expression}: {fault}");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let deep = |count: usize| format!("{}1{}", "(".repeat(count), ")".repeat(count));
    let power_tower = "9**".repeat(1000) + "9";
    for (expression, code) in [
        ("9**9**9".to_owned(), "too_large"),
        ("9**9**9**9**9".to_owned(), "too_large"),
        ("(1/9)**9**9".to_owned(), "too_large"),
        ("(10**3000)**3.5".to_owned(), "too_large"),
        ("factorial(10**9)".to_owned(), "too_large"),
        ("99999999999!".to_owned(), "too_large"),
        ("9!!!!".to_owned(), "too_large"),
        ("comb(10**9, 10**8)".to_owned(), "too_large"),
        ("1e10001".to_owned(), "too_large"),
        ("1e-1001".to_owned(), "too_large"),
        ("1e99999999999999999999".to_owned(), "too_large"),
        ("10**9999 * 10**9999".to_owned(), "too_large"),
        ("2**(1e9999)".to_owned(), "too_large"),
        (deep(100_000), "too_long"),
        (deep(2000), "too_deep"),
        ("sqrt(".repeat(100) + "1" + &")".repeat(100), "too_deep"),
        ("-".repeat(4000) + "1", "too_deep"),
        (power_tower, "too_deep"),
        ("9".repeat(5000), "too_long"),
    ] {
        let started = Instant::now();
        let fault = value(&expression).expect_err("a bomb");
        assert_eq!(fault.code(), code, "{expression:.40}: {fault}");
        assert!(started.elapsed() < TIME_MAX, "{expression:.40} took {:?}", started.elapsed());
    }
    assert_eq!(text(&deep(60)), "1");
    assert_eq!(text(&("1+".repeat(2047) + "1")), "2048");
    assert_eq!(text(&"9".repeat(4096)).len(), 4096);
}

#[test]
fn what_takes_too_long_is_given_up() {
    assert_eq!(evaluate("1+1", &later(Duration::ZERO)), Err(Fault::TooSlow));
    let heavy = format!("gcd({}7**3500)", "9**10400+1, 9**10400, ".repeat(170));
    let started = Instant::now();
    let _ = evaluate(&heavy, &later(Duration::from_millis(100)));
    let harmonic = (1..700).map(|it| format!("1/{it}")).collect::<Vec<_>>().join("+");
    let sum = value(&harmonic).unwrap();
    assert!(sum.exact && sum.decimal.unwrap().starts_with("7.1"));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
