//! Whether a token that a person put into a file could be guessed.

/// As many as 256 bits have in base 64, less a few: nobody types less by hand.
const CHARS_MIN: usize = 32;
const CHARS_MAX: usize = 512;
/// Of what [`bits`] sees, which is less than there are: 32 random hexadecimal digits show 60 and
/// more, `changeme` four times over shows 25.
const BITS_MIN: f64 = 48.0;

/// What stands in examples, and in no random text worth keeping.
const EXAMPLE_WORDS: [&str; 8] =
    ["password", "changeme", "change-me", "change_me", "secret", "example", "replace", "token"];

/// What our own secrets begin with; and a JWT, whose first bytes are `{"`.
const OWN_PREFIXES: [&str; 2] = ["gw", "eyJ"];

/// Why a token is refused; never says what it is.
pub fn weakness(token: &str) -> Option<&'static str> {
    let lower = token.to_ascii_lowercase();
    if !is_b68(token) {
        return Some("has characters that a bearer token cannot have");
    }
    if token.len() < CHARS_MIN {
        return Some("is shorter than 32 characters");
    }
    if token.len() > CHARS_MAX {
        return Some("is longer than 512 characters");
    }
    if is_own(token) {
        return Some("is written like a token of Gatewright's own");
    }
    if EXAMPLE_WORDS.iter().any(|it| lower.contains(it)) {
        return Some("has a word of examples in it");
    }
    (bits(token) < BITS_MIN).then_some("is easy to guess")
}

/// `b68token` of RFC 6750 section 2.1.
fn is_b68(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~+/".contains(&it))
}

fn is_own(token: &str) -> bool {
    let [ours, jwt] = OWN_PREFIXES;
    let after = token.strip_prefix(ours).and_then(|it| it.as_bytes().get(1));
    after == Some(&b'_') || token.starts_with(jwt)
}

/// A cautious estimate of a token's bits: Shannon's measure of its characters, for those of them
/// that nothing before foretold. Foretold is a neighbour of the character before, and what
/// followed that character once already: `abcdef`, `aaaa` and `tokentoken` say little.
fn bits(token: &str) -> f64 {
    let bytes = token.as_bytes();
    let pairs: Vec<&[u8]> = bytes.windows(2).collect();
    let foretold = |(index, pair): (usize, &&[u8])| match **pair {
        [a, b] => a.abs_diff(b) <= 1 || pairs.iter().take(index).any(|it| it == pair),
        _ => false,
    };
    let surprises = bytes.len() - pairs.iter().enumerate().filter(|it| foretold(*it)).count();
    surprises as f64 * bits_per_char(bytes)
}

fn bits_per_char(bytes: &[u8]) -> f64 {
    let mut times = [0u32; 256];
    for byte in bytes {
        if let Some(it) = times.get_mut(usize::from(*byte)) {
            *it += 1;
        }
    }
    let shares = times.iter().filter(|it| **it > 0).map(|it| f64::from(*it) / bytes.len() as f64);
    shares.map(|it| -it * it.log2()).sum()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_type_is_refused() {
        for weak in [
            "my-secret-token",
            "my-secret-token-that-is-longer-than-32",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "12345678901234567890123456789012345678901234567890",
            "qwertyqwertyqwertyqwertyqwertyqwerty",
            "Zugang-Zugang-Zugang-Zugang-Zugang-1",
            "gwk_0000000000000000000000000000000000000000000aaaaaa",
            "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJodHRwczovL2dhdGUifQ.c2ln",
            "x9Fq2LmZ81vTn4Kp7RwYb3Hs6Dj0Ga5Ü",
            "================================",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
    }

    proptest! {
        #[test]
        fn what_a_generator_gives_is_accepted(bytes: [u8; 24], longer: [u8; 32]) {
            for token in [hex::encode(bytes), hex::encode(longer), BASE64_STANDARD.encode(bytes)] {
                // Sixteen equal bytes are as likely as any, and nobody will ever see them.
                let different: std::collections::BTreeSet<_> = token.bytes().collect();
                prop_assume!(different.len() >= 10 && !is_own(&token));
                prop_assert_eq!(weakness(&token), None, "{}", token);
            }
        }
    }
}
