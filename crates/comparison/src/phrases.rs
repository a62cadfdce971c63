//! Phrases that the headline and the verdict share: lists of names, and differences in images.

use crate::numbers::count;

/// A list of more arms than this names only the first [`NAMED_OF_MORE`] and counts the others: names can be long.
const ALL_NAMED_UP_TO: usize = 5;

/// Number of arms that a long list names.
const NAMED_OF_MORE: usize = 3;

/// Joins items as "a, b and c", with `last` before the last one. A long list becomes "a, b, c and 4 others".
pub fn list(items: impl IntoIterator<Item = String>, last: &str) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    if items.len() > ALL_NAMED_UP_TO {
        let others = items.len() - NAMED_OF_MORE;
        items.truncate(NAMED_OF_MORE);
        items.push(format!("{others} others"));
    }
    match &items[..] {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// Puts a name in quotes if it contains a comma, as the names of a grid do, or is the word "none".
pub fn quoted(arm: &str) -> String {
    if arm.contains(',') || arm == "none" { format!("\"{arm}\"") } else { arm.to_owned() }
}

/// Rounds to whole images.
pub fn whole(images: f64) -> String {
    count(images.round() as usize)
}

/// Formats a margin of equivalence: whole images without a decimal.
pub fn margin(images: f64) -> String {
    if images.fract() == 0.0 { whole(images) } else { format!("{images}") }
}

/// Returns a difference in images, with half the width of its interval if it has one.
pub fn difference(images: f64, half_width: Option<f64>) -> String {
    match half_width {
        None => whole(images),
        // Rounded to whole images, a narrow interval would lose its precision.
        Some(half_width) if half_width < 3.0 && images < 1000.0 => format!("{images:.1} ± {half_width:.1}"),
        Some(half_width) => format!("{} ± {}", whole(images), whole(half_width)),
    }
}

/// Returns half the width of an interval in images. `None` if the interval reaches the end of what is possible: then
/// its width says nothing.
pub fn half_width([low, high]: [f64; 2], test_images: usize) -> Option<f64> {
    (low > -1.0 && high < 1.0).then(|| (high - low) / 2.0 * test_images as f64)
}
