//! Numbers, one step more and one step less.

/// A whole number.
pub(super) fn long(text: &str) -> Option<[String; 2]> {
    let number: i64 = text.parse().ok()?;
    Some([number.checked_add(1)?.to_string(), number.checked_sub(1)?.to_string()])
}

/// A duration in its quotes: by a second, as facts are told in seconds; by a millisecond where it
/// has some of its own.
pub(super) fn duration(quoted: &str) -> Option<[String; 2]> {
    let ms = milliseconds(quoted.trim_matches('"'))?;
    let (number, unit) = if ms % 1000 == 0 { (ms / 1000, "s") } else { (ms, "ms") };
    Some([number.checked_add(1)?, number.checked_sub(1)?].map(|it| format!("\"{it}{unit}\"")))
}

/// A decimal in its quotes: by its fourth digit, the last there is.
pub(super) fn decimal(quoted: &str) -> Option<[String; 2]> {
    let (whole, digits) = quoted.trim_matches('"').split_once('.')?;
    let units: i64 = format!("{whole}{digits:0<4}").parse().ok()?;
    let written = |it: i64| {
        let sign = if it < 0 { "-" } else { "" };
        let units = it.unsigned_abs();
        format!("\"{sign}{}.{:04}\"", units / 10_000, units % 10_000)
    };
    Some([units.checked_add(1)?, units.checked_sub(1)?].map(written))
}

/// What Cedar reads as a duration: `1d2h3m4s5ms`.
fn milliseconds(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |it| (-1, it));
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|it: char| it.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let factor = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        let part = number.parse::<i64>().ok()?.checked_mul(factor)?;
        total = total.checked_add(part)?;
        rest = after;
    }
    total.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moves_by_its_smallest_step() {
        let moved = |it: Option<[String; 2]>| it.unwrap().join(" ");
        assert_eq!(moved(long("100")), "101 99");
        assert_eq!(moved(duration("\"9h30m\"")), "\"34201s\" \"34199s\"");
        assert_eq!(moved(duration("\"1s500ms\"")), "\"1501ms\" \"1499ms\"");
        assert_eq!(moved(duration("\"-1s\"")), "\"0s\" \"-2s\"");
        assert_eq!(moved(decimal("\"10.00\"")), "\"10.0001\" \"9.9999\"");
        assert_eq!(moved(decimal("\"0.0\"")), "\"0.0001\" \"-0.0001\"");
        assert_eq!(duration("\"soon\""), None);
        assert_eq!(long("9223372036854775807"), None);
    }
}
