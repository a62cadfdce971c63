//! Formats numbers for people.

/// Formats a number with commas between thousands.
///
/// ```
/// assert_eq!(mnist_comparison::numbers::count(60_000), "60,000");
/// ```
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

/// Formats a number with its noun, such as "1 run" or "2,000 runs".
pub fn plural(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", count(number)) }
}
