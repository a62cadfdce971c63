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
