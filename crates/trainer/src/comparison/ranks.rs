//! Ranks: arms share one exactly if they cannot be told apart.

use super::{Pair, ScalingResult};
use crate::significance::SIGNIFICANT;

/// For each of the `arms`, which are sorted, best first, its ranks, ascending; none where none of its pairs
/// was tested.
///
/// A rank is a group of arms of which no two can be told apart, and which no other arm could join. The
/// groups are found by inserting the pairs that can be told apart, and absorbing groups in larger ones:
/// Piepho, "An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons" (2004).
pub fn ranks(arms: &[ScalingResult], pairs: &[Pair]) -> Vec<Vec<usize>> {
    let place = |name: &str| arms.iter().position(|arm| arm.name == name);
    let tested: Vec<(usize, usize, bool)> = pairs
        .iter()
        .filter_map(|pair| Some((place(&pair.a)?, place(&pair.b)?, pair.p_holm? < SIGNIFICANT)))
        .collect();
    let is_tested = |arm: &usize| tested.iter().any(|(a, b, _)| a == arm || b == arm);

    let mut groups: Vec<Vec<usize>> = vec![(0..arms.len()).filter(is_tested).collect()];
    for &(a, b, _) in tested.iter().filter(|(_, _, told_apart)| *told_apart) {
        insert(&mut groups, a, b);
    }
    // The group with the best arm comes first, then that with the best other.
    groups.sort();
    let ranks_of = |arm: usize| -> Vec<usize> {
        (1..).zip(&groups).filter(|(_, group)| group.contains(&arm)).map(|(rank, _)| rank).collect()
    };
    (0..arms.len()).map(ranks_of).collect()
}

/// Splits each group that holds both arms in one without the first and one without the second.
fn insert(groups: &mut Vec<Vec<usize>>, a: usize, b: usize) {
    let (both, mut kept): (Vec<_>, Vec<_>) =
        groups.drain(..).partition(|group| group.contains(&a) && group.contains(&b));
    let without = |group: &[usize], left_out| -> Vec<usize> {
        group.iter().copied().filter(|&arm| arm != left_out).collect()
    };
    for group in both {
        for part in [without(&group, a), without(&group, b)] {
            let is_within = |other: &Vec<usize>| part.iter().all(|arm| other.contains(arm));
            if !kept.iter().any(is_within) {
                kept.push(part);
            }
        }
    }
    *groups = kept;
}
