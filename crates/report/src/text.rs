//! Fits names from outside into tables and figures.

/// Shortens a name to at most `longest` characters. Leaves out the middle, because names often differ at one end.
///
/// ```
/// use mnist_report::text::shortened;
///
/// assert_eq!(shortened("cat", 8), "cat");
/// assert_eq!(shortened("chestnut-breasted malkoha", 8), "che…koha");
/// ```
pub fn shortened(name: &str, longest: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= longest {
        return name.to_owned();
    }
    let end = letters.len() - longest / 2;
    let start = longest.saturating_sub(longest / 2 + 1);
    letters[..start].iter().chain(&['…']).chain(&letters[end..]).collect()
}
