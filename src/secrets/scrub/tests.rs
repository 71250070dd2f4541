use base64::prelude::{
    BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD, Engine as _,
};
use http::header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scrubber(values: &[&str]) -> Scrubber {
    let values: Vec<SecretString> = values.iter().map(|it| (*it).into()).collect();
    Scrubber::new(&values)
}

fn scrubbed(values: &[&str], text: &str) -> String {
    scrubber(values).text(text).into_owned()
}

/// As inside of the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn unicode_escaped(text: &str) -> String {
    text.encode_utf16().map(|it| format!("\\u{it:04X}")).collect()
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|it| format!("%{it:02x}")).collect()
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Every spelling of a secret that something between here and there may use.
fn spellings(secret: &str) -> Vec<String> {
    let wrapped: Vec<String> = BASE64_STANDARD
        .encode(secret)
        .as_bytes()
        .chunks(5)
        .map(|it| String::from_utf8(it.to_vec()).unwrap())
        .collect();
    let slashed = json_escaped(secret).replace('/', "\\/");
    vec![
        secret.to_owned(),
        json_escaped(secret),
        json_escaped(&json_escaped(secret)),
        slashed,
        unicode_escaped(secret),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        percent_encoded(secret),
        form_encoded(secret),
        json_escaped(&percent_encoded(secret)),
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD_NO_PAD.encode(secret),
        BASE64_URL_SAFE.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        wrapped.join("\r\n"),
        json_escaped(&wrapped.join("\n")),
        json_escaped(&BASE64_STANDARD.encode(secret)).replace('/', "\\/"),
        form_encoded(&BASE64_STANDARD.encode(secret)),
        hex::encode(secret),
        hex::encode_upper(secret),
    ]
}

#[test]
fn a_value_is_masked_in_every_spelling() {
    for secret in ["s3cr3t", "p@ss w/rd+\"\\", "grün&süß=🔑", "\u{1}\n\t/", "aaaa", "abab"] {
        for spelled in spellings(secret) {
            let text = format!("<a href={spelled}>");
            // The padding of base64 tells no more than a length.
            let left = scrubbed(&[secret], &text).replace("%3D", "").replace('=', "");
            assert_eq!(left, "<a href********>", "`{secret}` as {spelled}");
        }
    }
}

#[test]
fn a_value_inside_of_something_encoded_is_masked() {
    let secret = "s3cr3t/word";
    for before in ["", "u", "us", "user:"] {
        for after in ["", ":", "::", ":::"] {
            let whole = format!("{before}{secret}{after}");
            for encoded in [BASE64_STANDARD.encode(&whole), hex::encode(&whole)] {
                let left = scrubbed(&[secret], &format!("Basic {encoded} realm"));
                assert!(left.contains(MASK) && left.starts_with("Basic "), "{left}");
                let rest: Vec<&str> = left.split([' ', '*']).collect();
                for it in rest {
                    let decoded = BASE64_STANDARD_NO_PAD.decode(it).unwrap_or_default();
                    assert!(!decoded.windows(4).any(|it| it == b"cr3t"), "{left}");
                }
            }
        }
    }
}

#[test]
fn values_that_overlap_leave_nothing_of_either() {
    assert_eq!(scrubbed(&["abcd", "cdef"], "-abcdef-"), "-********-");
    assert_eq!(scrubbed(&["abab"], "-ababab-"), "-********-");
    assert_eq!(scrubbed(&["abc", "abcd"], "-abcd-abc-"), "-********-********-");
    assert_eq!(scrubbed(&["ab", "cd"], "abcd"), "****************");
}

#[test]
fn of_a_whole_header_the_secret_itself_is_known() {
    assert_eq!(scrubbed(&["Bearer s3cr3t"], "got Bearer s3cr3t"), "got ********");
    assert_eq!(scrubbed(&["bearer s3cr3t"], "got s3cr3t"), "got ********");
    assert_eq!(scrubbed(&["Basic bWU6czNjcjN0"], "got s3cr3t of me"), "got ******** of me");
    assert_eq!(scrubbed(&["Basic ="], "Basic x"), "Basic x");
    assert_eq!(scrubbed(&["two words"], "words"), "words");
}

#[test]
fn half_an_escape_is_no_spelling_and_no_panic() {
    for text in ["\\", "\\u", "\\u00", "\\ud83d", "\\ud83d\\u0041", "%", "%4", "%zz", "\\x41", "=="]
    {
        assert_eq!(scrubbed(&["secret"], text), text);
    }
    assert_eq!(scrubbed(&["%zz"], "a%zzb"), "a********b");
    assert_eq!(scrubbed(&["\\q"], "a\\qb"), "a********b");
}

#[test]
fn a_short_value_is_found_as_it_is_and_in_no_base64() {
    assert_eq!(scrubbed(&["7"], "1 of 7 in NzY3"), "1 of ******** in NzY3");
    assert_eq!(scrubbed(&[""], "anything"), "anything");
}

#[test]
fn json_and_headers_stay_what_they_are() {
    let scrubber = scrubber(&["s3cr3t", "424242"]);
    let mut value = json!({
        "s3cr3t": [1, "x s3cr3t y", null, true, 424242, 1424242.5],
        "other": { "b": BASE64_STANDARD.encode("s3cr3t") },
    });
    scrubber.json(&mut value);
    let expected = json!({
        "********": [1, "x ******** y", null, true, MASK, "1********.5"],
        "other": { "b": MASK },
    });
    assert_eq!(value, expected);
    let basic = format!("Basic {}", BASE64_STANDARD.encode("me:s3cr3t"));
    let mut headers = HeaderMap::from_iter([
        (header::SERVER, "one".parse().unwrap()),
        (header::WWW_AUTHENTICATE, basic.parse().unwrap()),
        (header::SET_COOKIE, "it=s3cr3t; Secure".parse().unwrap()),
    ]);
    scrubber.headers(&mut headers);
    assert_eq!(headers[header::SERVER], "one");
    assert_eq!(headers[header::SET_COOKIE], "it=********; Secure");
    assert!(headers[header::WWW_AUTHENTICATE].to_str().unwrap().ends_with(MASK));
}

#[test]
fn the_time_it_takes_grows_with_the_text_alone() {
    // By trying every place it would be 10^10 steps.
    let (secret, text) = ("a".repeat(50_000) + "b", "a".repeat(200_000));
    assert_eq!(scrubbed(&[&secret], &text), text);
}

/// No sign of the mask, which would be found in the mask.
fn secret() -> impl Strategy<Value = String> {
    "[^*]{4,20}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_spelling_is_left(secret in secret(), before in "[^*]{0,9}", after in "[^*]{0,9}") {
        for spelled in spellings(&secret) {
            let left = scrubbed(&[&secret], &format!("{before} {spelled} {after}"));
            prop_assert!(left.contains(MASK), "{spelled:?} in {left:?}");
            prop_assert!(!left.contains(&spelled), "{spelled:?} in {left:?}");
        }
    }

    #[test]
    fn nothing_is_left_of_several(secrets in proptest::collection::vec(secret(), 1..4)) {
        let secrets: Vec<&str> = secrets.iter().map(|it| &**it).collect();
        let text: String = secrets.iter().flat_map(|it| spellings(it)).collect();
        let left = scrubbed(&secrets, &text);
        for secret in secrets {
            prop_assert!(!left.contains(secret), "{secret:?} in {left:?}");
        }
    }

    #[test]
    fn what_holds_no_value_stays_as_it_was(text in "[ -Z]{0,60}") {
        prop_assert!(matches!(scrubber(&["secret"]).text(&text), Cow::Borrowed(_)));
    }

    #[test]
    fn bytes_that_are_no_text_are_scrubbed_as_well(
        before in proptest::collection::vec(any::<u8>(), 0..20), secret in "[a-z]{8}"
    ) {
        let bytes = [&before[..], secret.as_bytes(), &[0xff, 0xfe]].concat();
        let left = scrubber(&[&secret]).bytes(&bytes).into_owned();
        prop_assert!(!left.windows(8).any(|it| it == secret.as_bytes()));
    }
}
