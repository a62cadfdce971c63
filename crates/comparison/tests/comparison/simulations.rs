//! Simulations: 95% intervals contain the true value in 95% of the comparisons, and detectable differences are
//! found in 80%.

use mnist_comparison::{
    ArmAccuracies, Statistics,
    significance::{POWER, SIGNIFICANT, detectable, holm, sample_std},
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
        Statistics::of(&arms, TEST_IMAGES).unwrap()
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
            let interval_rejects = pair.ci95.is_some_and(|interval| misses(Some(interval), 0.0));
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
            let difference = detectable(&values, level).unwrap() * spread;
            let mut simulation = Simulation::new(seeds);
            let found =
                rate(|| simulation.p_value([CORRECT, CORRECT - difference]).is_some_and(|p| p < level));
            assert_rate(found, POWER, &format!("{seeds} seeds, one of {tests} tests"));
        }
    }
}
