//! Formats numbers for people: with commas between thousands and a real minus sign.

pub use mnist_comparison::numbers::{count, plural};

use crate::interval::Interval;

/// Stands for a missing value, and for a value that is not a number.
pub(crate) const MISSING: &str = "–";

/// Formats a fraction in percent, with two decimals.
pub fn percent(fraction: f64) -> String {
    format!("{:.2}%", 100.0 * fraction)
}

/// Formats a number of at least 0 with one decimal.
pub fn tenths(number: f64) -> String {
    let tenths = (number * 10.0).round() as usize;
    format!("{}.{}", count(tenths / 10), tenths % 10)
}

/// Formats a number with its sign and one decimal. A number that rounds to 0 has no sign.
pub fn signed(number: f64) -> String {
    let sign = match (number * 10.0).round() {
        0.0 => "",
        below if below < 0.0 => "−",
        _ => "+",
    };
    format!("{sign}{}", tenths(number.abs()))
}

/// Formats a loss: with four decimals below 10,000, and in scientific notation from there on. A loss that is not a
/// number is an en dash.
///
/// ```
/// use mnist_report::numbers::loss;
///
/// assert_eq!([loss(0.03217), loss(1.2e30), loss(f64::NAN)], ["0.0322", "1.2e30", "–"]);
/// ```
pub fn loss(value: f64) -> String {
    /// From here on, four decimals would round to 10,000 or more.
    const LARGE: f64 = 9999.99995;
    if value.is_nan() {
        MISSING.into()
    } else if value.is_infinite() {
        "∞".into()
    } else if value < LARGE {
        format!("{value:.4}")
    } else {
        format!("{value:.1e}")
    }
}

/// Formats a value with the precision that suits its interval: the larger end has about four digits.
pub fn short(value: f64, interval: Interval) -> String {
    let magnitude = interval.low.abs().max(interval.high.abs());
    let number = if magnitude != 0.0 && !(1e-3..1e5).contains(&magnitude) {
        format!("{value:.2e}")
    } else {
        let decimals = (3.0 - magnitude.log10().floor()).clamp(0.0, 6.0);
        let factor = 10_f64.powf(decimals);
        // Adding 0.0 turns -0 into 0, for example if a mean of -1e-9 is rounded.
        ((value * factor).round() / factor + 0.0).to_string()
    };
    number.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_no_sign() {
        assert_eq!([signed(0.0), signed(-0.04), signed(0.06)], ["0.0", "0.0", "+0.1"]);
    }

    #[test]
    fn thousands_have_commas() {
        assert_eq!([count(60_000), tenths(1234.96), signed(-10_000.0)], ["60,000", "1,235.0", "−10,000.0"]);
    }

    #[test]
    fn large_losses_are_in_scientific_notation() {
        assert_eq!([loss(0.0), loss(0.03217), loss(2.302614)], ["0.0000", "0.0322", "2.3026"]);
        assert_eq!([loss(9999.9999), loss(9999.99996), loss(10000.0)], ["9999.9999", "1.0e4", "1.0e4"]);
        assert_eq!([loss(1.2e30), loss(4.56e300)], ["1.2e30", "4.6e300"]);
        assert_eq!([loss(f64::NAN), loss(f64::INFINITY)], ["–", "∞"]);
    }

    #[test]
    fn precision_depends_on_the_interval() {
        let write = |low, high, value| short(value, Interval { low, high });
        assert_eq!(write(0.0, 255.0, 33.318421), "33.3");
        assert_eq!(write(0.0, 255.0, 255.0), "255");
        assert_eq!(write(-0.42421296, 2.8214867, -0.42421296), "−0.424");
        assert_eq!(write(-0.42421296, 2.8214867, -1e-9), "0");
        assert_eq!(write(0.0, 0.0, 0.0), "0");
        assert_eq!(write(0.0, 2.55e-7, 1.2345e-7), "1.23e−7");
        assert_eq!(write(-1e30, 1.0, -1e30), "−1.00e30");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([plural(1, "thread"), plural(2000, "thread")], ["1 thread", "2,000 threads"]);
    }
}
