//! Numbers as people read them.

/// A whole number with a comma at thousands.
///
/// ```
/// assert_eq!(mnist_comparison::numbers::count(60_000), "60,000");
/// ```
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

/// A number with a noun: "1 run", "2,000 runs".
pub fn plural(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", count(number)) }
}
