//! Comparison of tensors with a message that describes what differs, where, and by how much.

/// Describes how `ours` differs from the expected values, or returns `None` if it does not. Two values count as
/// equal if `same` returns true.
pub fn difference(
    what: &str,
    ours: &[f32],
    expected: &[f32],
    same: impl Fn(f32, f32) -> bool,
) -> Option<String> {
    let count = ours.len();
    if count != expected.len() {
        return Some(format!("{what}: {count} values, expected {}", expected.len()));
    }
    let pairs = ours.iter().zip(expected).enumerate();
    let differing: Vec<_> = pairs.filter(|&(_, (&ours, &expected))| !same(ours, expected)).collect();
    let (place, (ours, expected)) = differing.first()?;
    let largest = differing.iter().map(|(_, (ours, expected))| (*ours - *expected).abs()).fold(0.0, f32::max);
    Some(format!(
        "{what}: {} of {count} values differ, by at most {largest:e}; value {place} is {ours:?}, expected {expected:?}",
        differing.len(),
    ))
}
