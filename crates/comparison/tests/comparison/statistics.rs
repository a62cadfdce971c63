//! Statistics of given accuracies: order, pairs by seed, tests and ranks.

use mnist_comparison::{
    Accuracy, ArmAccuracies, Decision, Design, Looks, McNemar, Pair, SeedAccuracy, Statistics,
    significance::{SIGNIFICANT, Sample, detectable},
};

use crate::support::{ONCE, TEST_IMAGES, statistics};

fn ranks(statistics: &Statistics) -> Vec<(&str, &[usize])> {
    statistics.arms.iter().map(|arm| (arm.name.as_str(), &arm.ranks[..])).collect()
}

fn pair<'a>(statistics: &'a Statistics, a: &str, b: &str) -> &'a Pair {
    statistics.pairs.iter().find(|pair| pair.a == a && pair.b == b).unwrap()
}

#[test]
fn arms_are_sorted_by_mean_and_keep_their_original_position() {
    let statistics =
        statistics(&[("none", &[9000, 9100]), ("zca", &[9500, 9600]), ("center", &[9400, 9300])]);
    let arms: Vec<(&str, usize, usize)> =
        statistics.arms.iter().map(|arm| (arm.name.as_str(), arm.index, arm.runs)).collect();
    assert_eq!(arms, [("zca", 1, 2), ("center", 2, 2), ("none", 0, 2)]);
    let Accuracy { mean, std, ci95, .. } = statistics.arms[0].accuracy;
    assert_eq!(mean, Some(0.955));
    // 100 images / √2; ± 12.706·std/√2, at most 1.
    assert!((std.unwrap() - 0.0070711).abs() < 1e-7);
    let [low, high] = ci95.unwrap();
    assert!((low - (0.955 - 0.0635310)).abs() < 1e-6 && high.total_cmp(&1.0).is_eq());
}

#[test]
fn every_pair_has_the_better_mean_first() {
    let statistics =
        statistics(&[("none", &[9000, 9100]), ("zca", &[9500, 9600]), ("center", &[9400, 9300])]);
    let pairs: Vec<(&str, &str, [usize; 2], usize)> = statistics
        .pairs
        .iter()
        .map(|pair| (pair.a.as_str(), pair.b.as_str(), pair.places, pair.seeds))
        .collect();
    assert_eq!(
        pairs,
        [("zca", "center", [0, 1], 2), ("zca", "none", [0, 2], 2), ("center", "none", [1, 2], 2)]
    );
    assert_eq!(statistics.pairs[0].difference, Some(0.02));
}

#[test]
fn arm_without_a_run_is_left_out() {
    let arms = [
        ArmAccuracies::new("none", []),
        ArmAccuracies::new("center", [(1, 0.5), (2, 0.6)]),
        ArmAccuracies::new("zca", [(1, 0.7), (2, 0.9)]),
    ];
    let statistics = Statistics::of(&arms, ONCE).unwrap();
    let names: Vec<(&str, usize)> =
        statistics.arms.iter().map(|arm| (arm.name.as_str(), arm.index)).collect();
    assert_eq!(names, [("zca", 2), ("center", 1)]);
    assert_eq!(statistics.pairs.len(), 1);
    let nothing = Statistics::of(&[], ONCE).unwrap();
    assert_eq!((nothing.arms, nothing.pairs), (Vec::new(), Vec::new()));
}

#[test]
fn diverged_seeds_are_counted_and_left_out_of_means_and_pairs() {
    let seeds = |accuracies: [Option<f64>; 3]| {
        (1..).zip(accuracies).map(|(seed, accuracy)| SeedAccuracy { seed, accuracy, answers: None }).collect()
    };
    let arms = [
        ArmAccuracies { name: "none".into(), runs: seeds([None, None, None]) },
        ArmAccuracies { name: "center".into(), runs: seeds([Some(0.5), None, Some(0.6)]) },
        ArmAccuracies { name: "zca".into(), runs: seeds([Some(0.7), Some(0.8), Some(0.9)]) },
    ];
    let statistics = Statistics::of(&arms, ONCE).unwrap();
    let counted: Vec<(&str, usize, usize, bool)> = statistics
        .arms
        .iter()
        .map(|arm| (arm.name.as_str(), arm.diverged, arm.runs, arm.is_usable()))
        .collect();
    assert_eq!(counted, [("zca", 0, 3, true), ("center", 1, 3, true), ("none", 3, 3, false)]);
    assert_eq!(statistics.arms[1].accuracy.mean, Some(0.55));
    assert_eq!(
        statistics.arms[2].accuracy,
        Accuracy { mean: None, std: None, ci95: None, ci95_new_images: None }
    );
    assert_eq!(pair(&statistics, "zca", "center").seeds, 2);
    let Pair { seeds, difference, .. } = pair(&statistics, "center", "none");
    assert_eq!((*seeds, *difference), (0, None));
    assert!(
        statistics.verdict().ends_with("1 of 3 runs of center diverged and was left out."),
        "{}",
        statistics.verdict()
    );
}

#[test]
fn one_seed_has_an_order_but_no_ranks_and_no_tests() {
    let statistics = statistics(&[("center", &[9800]), ("standardize", &[9900])]);
    assert_eq!(ranks(&statistics), [("standardize", &[][..]), ("center", &[])]);
    let Pair { a, b, difference, ci95, p, p_holm, detectable, mcnemar, .. } = &statistics.pairs[0];
    assert_eq!((a.as_str(), b.as_str()), ("standardize", "center"));
    assert_eq!((*difference, *ci95, *p, *p_holm, *detectable), (Some(0.01), None, None, None, None));
    assert!(mcnemar.is_none());
}

#[test]
fn runs_are_paired_by_seed_and_not_by_position() {
    let arms = [
        ArmAccuracies::new("center", [(3, 0.9030), (1, 0.9010), (2, 0.9020)]),
        ArmAccuracies::new("none", [(1, 0.9000), (3, 0.9000)]),
    ];
    let statistics = Statistics::of(&arms, ONCE).unwrap();
    let Pair { seeds, difference, ci95, .. } = &statistics.pairs[0];
    assert_eq!((*seeds, *difference), (2, Some(0.002)));
    // The differences are 10 and 30 images: 20 ± 12.706·14.142/√2.
    let [low, high] = ci95.unwrap();
    assert!((low + 0.010706).abs() < 1e-6 && (high - 0.014706).abs() < 1e-6, "{low} to {high}");
}

#[test]
fn smallest_p_value_of_three_is_tripled() {
    let statistics = statistics(&[
        ("none", &[9000, 9050, 9030]),
        ("center", &[9500, 9540, 9530]),
        ("normalize", &[9520, 9500, 9580]),
    ]);
    let mut pairs: Vec<&Pair> = statistics.pairs.iter().collect();
    pairs.sort_by(|a, b| a.p.unwrap().total_cmp(&b.p.unwrap()));
    let factors: Vec<f64> = pairs.iter().map(|pair| pair.p_holm.unwrap() / pair.p.unwrap()).collect();
    assert!(
        factors.iter().zip([3.0, 2.0, 1.0]).all(|(ours, holm)| (ours - holm).abs() < 1e-9),
        "{factors:?}"
    );
}

#[test]
fn detectable_difference_needs_six_seeds_and_is_at_the_strictest_level() {
    let detectable_of = |seeds: usize| {
        let arms: [(&str, &[u32]); 3] = [
            ("none", &[9000, 9050, 9030, 9020, 9015, 9070]),
            ("center", &[9500, 9540, 9530, 9510, 9505, 9520]),
            ("normalize", &[9520, 9500, 9580, 9500, 9550, 9540]),
        ];
        let statistics = statistics(&arms.map(|(name, images)| (name, &images[..seeds])));
        pair(&statistics, "normalize", "center").detectable
    };
    assert_eq!(detectable_of(5), None);
    let differences = Sample::of(&[20.0, -40.0, 50.0, -10.0, 45.0, 20.0]).unwrap();
    let images = detectable(&differences, SIGNIFICANT / 3.0).unwrap();
    let ours = detectable_of(6).unwrap() * TEST_IMAGES as f64;
    assert!((ours / images - 1.0).abs() < 1e-12, "the significance level is divided by three");
}

#[test]
fn arms_share_a_rank_exactly_if_their_difference_is_not_significant() {
    let statistics_of_four = statistics(&[
        ("none", &[9000, 9004, 8998, 9001]),
        ("center", &[9500, 9503, 9498, 9502]),
        ("normalize", &[9900, 9902, 9901, 9898]),
        ("standardize", &[9899, 9903, 9899, 9901]),
    ]);
    let expected = [("standardize", &[1][..]), ("normalize", &[1]), ("center", &[2]), ("none", &[3])];
    assert_eq!(ranks(&statistics_of_four), expected);
    // An arm with a large spread differs significantly from no other, whatever its mean.
    let with_a_large_spread = statistics(&[
        ("none", &[9980, 2000, 9900, 9300]),
        ("center", &[9500, 9503, 9498, 9502]),
        ("normalize", &[9900, 9902, 9901, 9898]),
    ]);
    assert_eq!(ranks(&with_a_large_spread), [("normalize", &[1][..]), ("center", &[2]), ("none", &[1, 2])]);
}

#[test]
fn difference_that_is_significant_only_before_correction_is_ignored() {
    let statistics = statistics(&[
        ("none", &[9000, 9000, 9000, 9000]),
        ("center", &[9010, 9020, 9030, 9015]),
        ("normalize", &[9900, 8000, 9990, 8100]),
    ]);
    let pair = pair(&statistics, "center", "none");
    assert!(pair.p.unwrap() < SIGNIFICANT && pair.p_holm.unwrap() > SIGNIFICANT, "{pair:?}");
    assert!(statistics.arms.iter().all(|arm| arm.ranks == [1]));
    assert!(!statistics.verdict().contains("beats"), "{}", statistics.verdict());
}

#[test]
fn equal_arms_differ_by_exactly_zero() {
    // Sums of 0.1, 0.2 and 0.3001 would have rounding errors.
    let statistics = statistics(&[("center", &[1000, 2000, 3001]), ("none", &[1000, 2000, 3001])]);
    let Pair { difference, ci95, p, p_holm, decision, .. } = statistics.pairs[0];
    assert_eq!((difference, p, p_holm), (Some(0.0), Some(1.0), Some(1.0)));
    // 4.303·√(1/6)/√3 images: whole numbers of images can be equal by chance.
    let [low, high] = ci95.unwrap();
    assert!((low + 0.000_101_4).abs() < 1e-7 && (high - 0.000_101_4).abs() < 1e-7, "{low} to {high}");
    assert_eq!(decision, Decision::Equivalent);
    assert_eq!(ranks(&statistics), [("center", &[1][..]), ("none", &[1])]);
}

/// Whole numbers of images vary by at least their rounding, so a few equal differences are not exact.
#[test]
fn same_difference_with_every_seed_has_the_spread_of_rounding() {
    let statistics = statistics(&[("center", &[1000, 2000, 3001]), ("none", &[1040, 2040, 3041])]);
    let Pair { seeds, difference, ci95, p, decision, .. } = statistics.pairs[0];
    assert_eq!((seeds, difference, decision), (3, Some(0.004), Decision::A));
    let [low, high] = ci95.unwrap();
    assert!((low - 0.003_898_6).abs() < 1e-7 && (high - 0.004_101_4).abs() < 1e-7, "{low} to {high}");
    assert!(p.unwrap() < 1e-4);
}

#[test]
fn same_difference_of_accuracies_that_are_not_rounded_is_not_tested() {
    let arms = [
        ArmAccuracies::new("center", [(1, 0.25), (2, 0.5), (3, 0.75)]),
        ArmAccuracies::new("none", [(1, 0.375), (2, 0.625), (3, 0.875)]),
    ];
    let statistics = Statistics::of(&arms, Design { whole_images: false, ..ONCE }).unwrap();
    let Pair { ci95, p, decision, .. } = statistics.pairs[0];
    assert_eq!((ci95, p, decision), (None, None, Decision::Undecided));
    assert_eq!(ranks(&statistics), [("none", &[][..]), ("center", &[])]);
}

#[test]
fn untested_pair_is_ignored_by_the_holm_correction() {
    let arms = [
        ArmAccuracies::new("none", [(1, 0.25), (2, 0.5), (3, 0.75)]),
        ArmAccuracies::new("center", [(1, 0.375), (2, 0.625), (3, 0.875)]),
        ArmAccuracies::new("normalize", [(1, 0.5), (2, 0.6), (3, 0.95)]),
    ];
    let statistics = Statistics::of(&arms, Design { whole_images: false, ..ONCE }).unwrap();
    let constant = pair(&statistics, "center", "none");
    assert_eq!((constant.p, constant.p_holm), (None, None));
    let tested: Vec<f64> = statistics.pairs.iter().filter_map(|pair| Some(pair.p_holm? / pair.p?)).collect();
    assert_eq!(tested.len(), 2);
    assert!(tested.iter().any(|factor| (factor - 2.0).abs() < 1e-12), "{tested:?}");
}

#[test]
fn with_mcnemar_identifies_arms_by_their_original_position() {
    let statistics = statistics(&[("none", &[9000]), ("zca", &[9500]), ("center", &[9400])]);
    // No predictions for the first arm.
    let statistics = statistics.with_mcnemar(|a, b| (a > 0 && b > 0).then_some([100 * a, 100 * b]));
    let McNemar { only_a, only_b, p, p_holm } = pair(&statistics, "zca", "center").mcnemar.clone().unwrap();
    assert_eq!((only_a, only_b), (100, 200));
    assert!(0.0 < p && p < 1e-6 && p.total_cmp(&p_holm).is_eq(), "{p} and {p_holm}");
    assert!(pair(&statistics, "zca", "none").mcnemar.is_none());
    assert!(pair(&statistics, "center", "none").mcnemar.is_none());
}

#[test]
fn accuracies_that_cannot_be_compared_are_refused() {
    let arm = |name: &str, runs: &[(u64, f64)]| ArmAccuracies::new(name, runs.iter().copied());
    let refusal = |arms: &[ArmAccuracies], test_images| {
        Statistics::of(arms, Design { test_images, ..ONCE }).unwrap_err().to_string()
    };
    for (arms, images, message) in [
        (vec![arm("a", &[(1, 0.9)])], 0, "there are no test images"),
        (vec![arm("a", &[(1, 98.5)])], 100, "`a`, seed 1: accuracy 98.5 is not between 0 and 1"),
        (vec![arm("a", &[(2, f64::NAN)])], 100, "`a`, seed 2: accuracy NaN is not between 0 and 1"),
        (vec![arm("a", &[(1, 0.9), (1, 0.8)])], 100, "`a` has seed 1 twice"),
        (vec![arm("a", &[(1, 0.9)]), arm("a", &[(1, 0.8)])], 100, "two arms are named `a`"),
    ] {
        assert_eq!(refusal(&arms, images), format!("cannot compare the accuracies: {message}"));
    }
}

#[test]
fn margin_is_above_zero_and_within_the_test_set() {
    let arms = [ArmAccuracies::new("a", [(1, 0.9)])];
    for margin in [0.0, -1.0, f64::NAN, 10_001.0] {
        let error = Statistics::of(&arms, Design { margin, ..ONCE }).unwrap_err();
        let expected = format!("the margin {margin} must be above 0 and at most the 10000 test images");
        assert_eq!(error.to_string(), expected);
    }
}

/// Arms that are added later are tested at later looks, so the first look must leave room for them.
#[test]
fn arm_without_a_run_counts_for_the_level_of_every_look() {
    let two = [
        ArmAccuracies::new("a", (1..=4).map(|seed| (seed, 0.9 + 0.0003 * seed as f64))),
        ArmAccuracies::new("b", (1..=4).map(|seed| (seed, 0.88 + 0.0001 * (seed % 2) as f64))),
    ];
    let three = [two[0].clone(), two[1].clone(), ArmAccuracies::new("c", [])];
    let any = Design { looks: Looks::Any, ..ONCE };
    let p_holm = |arms: &[ArmAccuracies]| Statistics::of(arms, any).unwrap().pairs[0].p_holm.unwrap();
    assert!((p_holm(&three) / p_holm(&two) - 3.0).abs() < 1e-9);
}

/// Holm's correction may decide a pair whose simultaneous interval is a little too wide. The reverse cannot happen.
#[test]
fn interval_that_excludes_zero_is_decided_at_every_look() {
    for looks in [Looks::Once, Looks::Any] {
        for step in 0..200_u32 {
            let images = |seed: u32, arm: u32| {
                9800 + (seed * 37 + arm * 53 + step * seed * arm) % 41 + arm * step / 20
            };
            let arms: Vec<ArmAccuracies> = (0..3)
                .map(|arm| {
                    let runs = (1..=8)
                        .map(|seed| (u64::from(seed), f64::from(images(seed, arm)) / TEST_IMAGES as f64));
                    ArmAccuracies::new(arm.to_string(), runs)
                })
                .collect();
            for pair in Statistics::of(&arms, Design { looks, ..ONCE }).unwrap().pairs {
                let [low, high] = pair.ci95.unwrap();
                assert!(!(low > 0.0 || high < 0.0) || pair.decision.is_better(), "{pair:?}");
                assert_eq!(pair.decision.is_better(), pair.p_holm.unwrap() < SIGNIFICANT, "{pair:?}");
                if looks == Looks::Any {
                    assert_eq!(pair.decision.is_better(), low > 0.0 || high < 0.0, "{pair:?}");
                }
            }
        }
    }
}
