//! Numbers as people read them: commas at thousands, a real minus.

use indicatif::HumanCount;

/// A whole number.
pub fn count(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

/// So many of something.
pub fn plural(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", count(number)) }
}

/// A number of at least 0, with one decimal.
pub fn tenths(number: f64) -> String {
    let tenths = (number * 10.0).round() as u64;
    format!("{}.{}", HumanCount(tenths / 10), tenths % 10)
}

/// A number with its sign and one decimal; what is rounded to 0 has no sign.
pub fn signed(number: f64) -> String {
    let sign = match (number * 10.0).round() {
        0.0 => "",
        below if below < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{}", tenths(number.abs()))
}

/// With a minus in place of each hyphen.
pub fn with_minus(number: &str) -> String {
    number.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_difference_has_no_sign() {
        assert_eq!([signed(0.0), signed(-0.04), signed(0.06)], ["0.0", "0.0", "+0.1"]);
    }

    #[test]
    fn thousands_have_commas() {
        assert_eq!([count(60_000), tenths(1234.96), signed(-10_000.0)], ["60,000", "1,235.0", "−10,000.0"]);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([plural(1, "thread"), plural(2000, "thread")], ["1 thread", "2,000 threads"]);
    }
}
