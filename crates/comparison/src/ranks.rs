//! Ranks: two arms share a rank if and only if neither is decidedly better.

use crate::pairs::Pair;

/// Returns the ranks of each arm, ascending. An arm without a tested pair has no rank. `arms` is the number of
/// arms, which are sorted, best first.
///
/// A rank is a largest possible group of arms in which no arm is better than another. The algorithm starts with one
/// group, splits it at each pair in which one is, and drops groups that another contains: Piepho,
/// "An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons" (2004).
pub(crate) fn ranks(arms: usize, pairs: &[Pair]) -> Vec<Vec<usize>> {
    let tested: Vec<(usize, usize, bool)> = pairs
        .iter()
        .filter_map(|pair| {
            let [a, b] = pair.places;
            pair.p?;
            Some((a, b, pair.decision.is_better()))
        })
        .collect();
    let is_tested = |arm: &usize| tested.iter().any(|(a, b, _)| a == arm || b == arm);

    let mut groups: Vec<Vec<usize>> = vec![(0..arms).filter(is_tested).collect()];
    for &(a, b, _) in tested.iter().filter(|(_, _, is_better)| *is_better) {
        separate(&mut groups, a, b);
    }
    // By their best arm.
    groups.sort();
    let ranks_of = |arm: usize| -> Vec<usize> {
        (1..).zip(&groups).filter(|(_, group)| group.contains(&arm)).map(|(rank, _)| rank).collect()
    };
    (0..arms).map(ranks_of).collect()
}

/// Splits each group that contains both arms into one without `a` and one without `b`.
fn separate(groups: &mut Vec<Vec<usize>>, a: usize, b: usize) {
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
