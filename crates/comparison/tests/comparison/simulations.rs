//! Simulations: 95% intervals contain the true value in 95% of the comparisons, and detectable differences are
//! found in 80%.

use mnist_comparison::{
    ArmAccuracies, Decision, Design, Looks, Statistics,
    looks::FIRST_LOOK,
    significance::{POWER, SIGNIFICANT, Sample, detectable, holm, sample_std, t_test},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use statrs::distribution::{ContinuousCDF, Normal};

const REPETITIONS: usize = 10_000;

/// Numbers of seeds to simulate.
const SEEDS: [usize; 4] = [2, 3, 5, 10];

/// Enough that rounding to whole images does not matter.
const TEST_IMAGES: usize = 1_000_000;

/// Mean number of correct images.
const CORRECT: f64 = 990_000.0;

/// Standard deviation between seeds, in images.
const STD: f64 = 2_000.0;

/// Draws arms that differ by chance alone.
struct Simulation {
    generator: ChaCha8Rng,
    seeds: usize,
}

impl Simulation {
    fn new(seeds: usize) -> Self {
        Self { generator: ChaCha8Rng::seed_from_u64(seeds as u64), seeds }
    }

    fn arm(&mut self, number: usize, correct: f64) -> ArmAccuracies {
        let of_seed = Normal::new(correct, STD).unwrap();
        let runs = (1..=self.seeds as u64).map(|seed| {
            let images = of_seed.inverse_cdf(self.generator.random()).round();
            (seed, images / TEST_IMAGES as f64)
        });
        ArmAccuracies::new(number.to_string(), runs)
    }

    /// Draws one arm for each mean number of correct images.
    fn statistics(&mut self, correct: &[f64]) -> Statistics {
        let arms: Vec<ArmAccuracies> =
            correct.iter().enumerate().map(|(number, &correct)| self.arm(number, correct)).collect();
        Statistics::of(&arms, Design::new(TEST_IMAGES, Looks::Once)).unwrap()
    }

    /// Draws two arms and returns their p-value.
    fn p_value(&mut self, correct: [f64; 2]) -> Option<f64> {
        self.statistics(&correct).pairs[0].p
    }
}

/// Returns the fraction of [`REPETITIONS`] in which something happens.
fn rate(mut happens: impl FnMut() -> bool) -> f64 {
    (0..REPETITIONS).filter(|_| happens()).count() as f64 / REPETITIONS as f64
}

/// Asserts that a rate is within three standard errors of the expected one.
fn assert_rate(rate: f64, expected: f64, what: &str) {
    let error = (expected * (1.0 - expected) / REPETITIONS as f64).sqrt();
    assert!((rate - expected).abs() <= 3.0 * error, "{what}: {rate}, expected {expected} ± 3·{error}");
}

fn misses(interval: Option<[f64; 2]>, truth: f64) -> bool {
    !interval.is_some_and(|[low, high]| (low..=high).contains(&truth))
}

#[test]
fn interval_of_an_arm_misses_the_true_mean_in_five_percent() {
    for seeds in SEEDS {
        let mut simulation = Simulation::new(seeds);
        let truth = CORRECT / TEST_IMAGES as f64;
        let missed = rate(|| misses(simulation.statistics(&[CORRECT]).arms[0].accuracy.ci95, truth));
        assert_rate(missed, SIGNIFICANT, &format!("{seeds} seeds"));
    }
}

#[test]
fn pair_without_a_true_difference_is_significant_in_five_percent() {
    for seeds in SEEDS {
        let mut simulation = Simulation::new(seeds);
        let rejected = rate(|| {
            let pair = simulation.statistics(&[CORRECT; 2]).pairs.remove(0);
            let is_rejected = pair.p.is_some_and(|p| p < SIGNIFICANT);
            let interval_rejects = misses(pair.ci95, 0.0);
            assert_eq!(is_rejected, interval_rejects, "{pair:?}");
            is_rejected
        });
        assert_rate(rejected, SIGNIFICANT, &format!("{seeds} seeds"));
    }
}

#[test]
fn holm_correction_of_independent_tests_has_the_expected_error_rate() {
    const PAIRS: i32 = 3;
    // Holm's first step rejects where the smallest of m independent p-values is below 5%/m.
    let expected = 1.0 - (1.0 - SIGNIFICANT / f64::from(PAIRS)).powi(PAIRS);
    assert!((expected - 0.049171).abs() < 1e-6);
    for seeds in SEEDS {
        let mut simulation = Simulation::new(seeds);
        let found = rate(|| {
            let p_values: Vec<f64> = (0..PAIRS).filter_map(|_| simulation.p_value([CORRECT; 2])).collect();
            holm(&p_values).iter().any(|&p| p < SIGNIFICANT)
        });
        assert_rate(found, expected, &format!("{seeds} seeds"));
    }
}

/// Pairs that share an arm are not independent, so the error rate is lower than for independent pairs. There is no
/// formula for it; the expected rate comes from a simulation with SciPy in scripts/golden_statistics.py.
#[test]
fn holm_correction_of_all_pairs_has_the_error_rate_of_scipy() {
    #[derive(Deserialize)]
    struct Golden {
        all_pairs_of_three: Vec<Simulated>,
    }
    #[derive(Deserialize)]
    struct Simulated {
        seeds: usize,
        found: f64,
    }
    let golden: Golden = serde_json::from_str(include_str!("../golden/statistics.json")).unwrap();
    assert_eq!(golden.all_pairs_of_three.len(), SEEDS.len());
    let check = |Simulated { seeds, found: expected }: &Simulated| {
        let mut simulation = Simulation::new(*seeds);
        let found = rate(|| {
            let pairs = simulation.statistics(&[CORRECT; 3]).pairs;
            pairs.iter().any(|pair| pair.p_holm.is_some_and(|p| p < SIGNIFICANT))
        });
        assert_rate(found, *expected, &format!("{seeds} seeds"));
        let error = (SIGNIFICANT * (1.0 - SIGNIFICANT) / REPETITIONS as f64).sqrt();
        assert!(found <= SIGNIFICANT + 3.0 * error, "{seeds} seeds: {found} is above 5%");
    };
    golden.all_pairs_of_three.iter().for_each(check);
}

#[test]
fn detectable_difference_is_found_in_eighty_percent() {
    for seeds in SEEDS {
        for tests in [1, 3] {
            let level = SIGNIFICANT / f64::from(tests);
            // Any values, scaled to the true standard deviation of the differences.
            let values: Vec<f64> = (0..seeds).map(|value| value as f64).collect();
            let spread = 2.0_f64.sqrt() * STD / sample_std(&values).unwrap();
            let difference = detectable(&Sample::of(&values).unwrap(), level).unwrap() * spread;
            let mut simulation = Simulation::new(seeds);
            let found =
                rate(|| simulation.p_value([CORRECT, CORRECT - difference]).is_some_and(|p| p < level));
            assert_rate(found, POWER, &format!("{seeds} seeds, one of {tests} tests"));
        }
    }
}

/// A comparison that is looked at after every seed, with accuracies in whole images of [`ROUNDED_IMAGES`].
struct Watched {
    /// True mean and standard deviation of each arm, in images.
    arms: Vec<(f64, f64)>,
    most_seeds: usize,
}

/// Number of test images, so few that rounding matters a little.
const ROUNDED_IMAGES: usize = 10_000;

/// The margin of equivalence in images.
const MARGIN: f64 = 20.0;

/// The standard deviations between seeds of normalize, center and standardize on MNIST, in images.
const STDS: [f64; 3] = [14.0, 25.0, 18.0];

/// How often something wrong is said at any look, as fractions of the comparisons.
#[derive(Debug)]
struct Misled {
    /// An arm is called better than one that is at least as good.
    better: f64,
    /// Two arms are called equivalent whose difference is the margin or more.
    equivalent: f64,
    /// An interval does not contain the true difference.
    not_covered: f64,
}

impl Watched {
    /// Returns arms with the means 9,500 + `distance`·(position mod 2).
    fn new(arms: usize, equal_stds: bool, distance: f64) -> Self {
        let std = |arm: usize| if equal_stds { 18.0 } else { STDS[arm % 3] };
        let arms = (0..arms).map(|arm| (9500.0 + distance * (arm % 2) as f64, std(arm))).collect();
        Self { arms, most_seeds: 50 }
    }

    fn draw(&self, generator: &mut ChaCha8Rng) -> Vec<ArmAccuracies> {
        let draw = |(name, &(mean, std)): (usize, &(f64, f64))| {
            let of_seed = Normal::new(mean, std).unwrap();
            let runs = (1..=self.most_seeds as u64).map(|seed| {
                let images = of_seed.inverse_cdf(generator.random()).round();
                (seed, images / ROUNDED_IMAGES as f64)
            });
            ArmAccuracies::new(name.to_string(), runs.collect::<Vec<_>>())
        };
        self.arms.iter().enumerate().map(draw).collect()
    }

    /// Looks at `repetitions` comparisons after every seed from 2 on.
    fn misled(&self, repetitions: usize) -> Misled {
        let mut generator = ChaCha8Rng::seed_from_u64(self.arms.len() as u64);
        let design = Design { margin: MARGIN, ..Design::new(ROUNDED_IMAGES, Looks::Any) };
        let [mut better, mut equivalent, mut not_covered] = [0; 3];
        for _ in 0..repetitions {
            let all = self.draw(&mut generator);
            let mut seen = [false; 3];
            for look in 2..=self.most_seeds {
                let so_far: Vec<ArmAccuracies> = all
                    .iter()
                    .map(|arm| ArmAccuracies { name: arm.name.clone(), runs: arm.runs[..look].to_vec() })
                    .collect();
                for pair in Statistics::of(&so_far, design).unwrap().pairs {
                    let mean = |name: &str| self.arms[name.parse::<usize>().unwrap()].0;
                    let truth = mean(&pair.a) - mean(&pair.b);
                    let is_wrong = match pair.decision {
                        Decision::A => truth <= 0.0,
                        Decision::B => truth >= 0.0,
                        _ => false,
                    };
                    seen[0] |= is_wrong;
                    seen[1] |= pair.decision == Decision::Equivalent && truth.abs() >= MARGIN;
                    let truth = truth / ROUNDED_IMAGES as f64;
                    seen[2] |= pair.ci95.is_some_and(|interval| misses(Some(interval), truth));
                }
            }
            for (count, seen) in [&mut better, &mut equivalent, &mut not_covered].into_iter().zip(seen) {
                *count += usize::from(seen);
            }
        }
        let rate = |count: usize| count as f64 / repetitions as f64;
        Misled { better: rate(better), equivalent: rate(equivalent), not_covered: rate(not_covered) }
    }
}

/// Asserts that at most 5 in 100 comparisons mislead who looks after every seed, up to three standard errors. Prints
/// the rates.
fn assert_seldom_misled(repetitions: usize, numbers_of_arms: &[usize]) {
    let limit = SIGNIFICANT + 3.0 * (SIGNIFICANT * (1.0 - SIGNIFICANT) / repetitions as f64).sqrt();
    for &arms in numbers_of_arms {
        for equal_stds in [true, false] {
            for distance in [0.0, MARGIN, 50.0] {
                let misled = Watched::new(arms, equal_stds, distance).misled(repetitions);
                let Misled { better, equivalent, not_covered } = misled;
                println!("{arms} arms, equal stds: {equal_stds}, distance {distance}: {misled:?}");
                assert!(better <= limit && equivalent <= limit && not_covered <= limit, "{misled:?}");
            }
        }
    }
}

#[test]
fn who_looks_after_every_seed_is_seldom_misled() {
    assert_seldom_misled(100, &[2, 3]);
    assert_seldom_misled(10, &[8]);
}

#[test]
#[ignore = "takes minutes: the full form of the simulation above"]
fn who_looks_after_every_seed_is_misled_in_at_most_five_percent() {
    assert_seldom_misled(1_000, &[2, 3]);
    assert_seldom_misled(60, &[8]);
}

#[derive(Deserialize)]
struct Crossing {
    alpha: f64,
    n: usize,
    probability: f64,
}

/// The exact probabilities come from the recursion in scripts/golden_looks.py.
#[test]
fn test_at_every_look_rejects_as_often_as_the_recursion_says() {
    #[derive(Deserialize)]
    struct Golden {
        crossing: Vec<Crossing>,
    }
    let golden: Golden = serde_json::from_str(include_str!("../golden/looks.json")).unwrap();
    for Crossing { alpha, n: seeds, probability } in golden.crossing {
        if alpha.total_cmp(&SIGNIFICANT).is_ne() || !(10..=50).contains(&seeds) {
            continue;
        }
        let levels: Vec<Option<f64>> =
            (0..=seeds).map(|values| Looks::Any.level_of_test(values, alpha)).collect();
        let mut generator = ChaCha8Rng::seed_from_u64(seeds as u64);
        let normal = Normal::standard();
        let rejected = rate(|| {
            let values: Vec<f64> = (0..seeds).map(|_| normal.inverse_cdf(generator.random())).collect();
            (FIRST_LOOK..=seeds).any(|look| {
                let p = t_test(&Sample::of(&values[..look]).unwrap()).unwrap();
                p < levels[look].unwrap()
            })
        });
        assert_rate(rejected, probability, &format!("{seeds} seeds"));
    }
}
