use serde_json::Number;

use super::super::numbers::{decimal, long};

fn number(text: &str) -> Number {
    serde_json::from_str(text).unwrap()
}

#[test]
fn whole_numbers_are_taken_as_they_are() {
    for (text, value) in [
        ("0", Some(0)),
        ("-7", Some(-7)),
        ("5.0", Some(5)),
        ("-0.0", Some(0)),
        ("1e3", Some(1_000)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("18446744073709551615", None),
        ("1e16", None),
        ("9007199254740993.0", Some(9_007_199_254_740_992)),
        ("0.5", None),
        ("1e300", None),
    ] {
        assert_eq!(long(&number(text)), value, "{text}");
    }
}

#[test]
fn four_digits_after_the_point_are_kept_and_a_fifth_is_never_dropped() {
    for (text, value) in [
        ("0", Some("0.0")),
        ("0.0", Some("0.0")),
        ("-0.0", Some("0.0")),
        ("499", Some("499.0000")),
        ("499.99", Some("499.9900")),
        ("500.0001", Some("500.0001")),
        ("-0.0001", Some("-0.0001")),
        ("1.00005", None),
        ("1e-4", Some("0.0001")),
        ("1e-5", None),
        ("1.5e3", Some("1500.0000")),
        ("922337203685477", Some("922337203685477.0000")),
        ("922337203685478", None),
        ("-922337203685477", Some("-922337203685477.0000")),
        ("18446744073709551615", None),
        ("1e300", None),
        ("1e-300", None),
        ("0.1", Some("0.1000")),
        ("0.30000000000000004", None),
    ] {
        assert_eq!(decimal(&number(text)).as_deref(), value, "{text}");
    }
}
