//! Intervals that cover new test images: the variance components agree with statsmodels, and the intervals cover.

use mnist_comparison::{ArmAccuracies, Design, Looks, SeedAccuracy, Statistics};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use statrs::distribution::{ContinuousCDF, Normal};

#[derive(Deserialize)]
struct Golden {
    new_images: Vec<NewImages>,
}

#[derive(Deserialize)]
struct NewImages {
    #[serde(default)]
    runs: Vec<String>,
    #[serde(default)]
    a: Vec<String>,
    #[serde(default)]
    b: Vec<String>,
    level: f64,
    interval: [f64; 2],
    widened: [f64; 2],
}

fn arm(name: &str, runs: &[String]) -> ArmAccuracies {
    let answers = |text: &String| text.chars().map(|character| character == '1').collect();
    let runs = (1..).zip(runs).map(|(seed, text)| SeedAccuracy::of_answers(seed, answers(text)));
    ArmAccuracies { name: name.into(), runs: runs.collect() }
}

/// Compares without rounding: the golden intervals are plain t-intervals.
fn compare(arms: &[ArmAccuracies], test_images: usize) -> Statistics {
    Statistics::of(arms, Design { whole_images: false, ..Design::new(test_images, Looks::Once) }).unwrap()
}

fn assert_close(ours: [f64; 2], theirs: [f64; 2], limits: [f64; 2]) {
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        let theirs = theirs.clamp(limits[0], limits[1]);
        assert!((ours - theirs).abs() < 1e-9, "{ours} and {theirs}");
    }
}

#[test]
fn intervals_for_new_images_agree_with_the_analysis_of_variance_of_statsmodels() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/looks.json")).unwrap();
    let (mut arms, mut pairs) = (0, 0);
    for NewImages { runs, a, b, level, interval, widened } in golden.new_images {
        // Without a spread between runs there is no interval to widen.
        if interval[0].total_cmp(&interval[1]).is_eq() {
            continue;
        }
        if runs.is_empty() {
            // At the level 5%/3 of the golden values, a pair needs two more pairs: those with a third arm.
            assert!((level - 0.05 / 3.0).abs() < 1e-12);
            let third = ArmAccuracies::new(
                "third",
                (1..).zip([0.1, 0.2, 0.15, 0.05, 0.3, 0.12].into_iter().cycle()).take(a.len()),
            );
            let statistics = compare(&[arm("a", &a), arm("b", &b), third], a[0].len());
            let pair = statistics.pairs.iter().find(|pair| pair.b != "third" && pair.a != "third").unwrap();
            let sign = |[low, high]: [f64; 2]| if pair.a == "a" { [low, high] } else { [-high, -low] };
            if statistics.pairs.iter().all(|pair| pair.p.is_some()) {
                assert_close(sign(pair.ci95.unwrap()), interval, [-1.0, 1.0]);
                assert_close(sign(pair.ci95_new_images.unwrap()), widened, [-1.0, 1.0]);
                pairs += 1;
            }
        } else {
            let statistics = compare(&[arm("a", &runs)], runs[0].len());
            let accuracy = &statistics.arms[0].accuracy;
            assert_close(accuracy.ci95.unwrap(), interval, [0.0, 1.0]);
            assert_close(accuracy.ci95_new_images.unwrap(), widened, [0.0, 1.0]);
            arms += 1;
        }
    }
    assert!(arms >= 3 && pairs >= 3, "{arms} arms and {pairs} pairs");
}

/// Draws the answers of `seeds` models to images of known difficulty. Each model has a skill of its own.
fn draw(generator: &mut ChaCha8Rng, difficulty: &[f64], seeds: u64, skill: f64) -> Vec<SeedAccuracy> {
    let normal = Normal::standard();
    let run = |seed| {
        let ability = skill + 0.1 * normal.inverse_cdf(generator.random());
        let answers = difficulty
            .iter()
            .map(|difficulty| generator.random::<f64>() < normal.cdf(ability - difficulty))
            .collect();
        SeedAccuracy::of_answers(seed, answers)
    };
    (1..=seeds).map(run).collect()
}

/// Returns how often the interval for new images and the one over seeds miss the expected difference.
fn misses(repetitions: usize, images: usize, looks: Looks) -> [f64; 2] {
    const SKILLS: [f64; 2] = [1.3, 1.0];
    let normal = Normal::standard();
    // An answer is correct if ability − difficulty − noise > 0, a sum of normal variables.
    let spread = (1.0_f64 + 0.1_f64.powi(2) + 1.0 + 1.0).sqrt();
    let [a, b] = SKILLS.map(|skill| normal.cdf(skill / spread));
    let mut missed = [0, 0];
    for repetition in 0..repetitions {
        let mut generator = ChaCha8Rng::seed_from_u64(repetition as u64);
        let difficulty: Vec<f64> = (0..images).map(|_| normal.inverse_cdf(generator.random())).collect();
        let arms: Vec<ArmAccuracies> = ["a", "b"]
            .into_iter()
            .zip(SKILLS)
            .map(|(name, skill)| ArmAccuracies {
                name: name.into(),
                runs: {
                    // What is difficult for one arm need not be for the other.
                    let of_arm: Vec<f64> = difficulty
                        .iter()
                        .map(|common| common + normal.inverse_cdf(generator.random()))
                        .collect();
                    draw(&mut generator, &of_arm, 6, skill)
                },
            })
            .collect();
        let pair = Statistics::of(&arms, Design::new(images, looks)).unwrap().pairs.remove(0);
        let truth = if pair.a == "a" { a - b } else { b - a };
        for (missed, interval) in missed.iter_mut().zip([pair.ci95_new_images, pair.ci95]) {
            let [low, high] = interval.unwrap();
            *missed += usize::from(!(low..=high).contains(&truth));
        }
    }
    missed.map(|missed| missed as f64 / repetitions as f64)
}

#[test]
fn interval_for_new_images_covers_the_difference_on_images_that_nobody_has_seen() {
    const REPETITIONS: usize = 1000;
    let limit = 0.05 + 3.0 * (0.05 * 0.95 / REPETITIONS as f64).sqrt();
    for images in [20, 300] {
        for looks in [Looks::Once, Looks::Any] {
            let [new_images, seeds] = misses(REPETITIONS, images, looks);
            assert!(new_images <= limit, "{images} images, {looks}: {new_images}");
            assert!(new_images <= seeds, "{images} images, {looks}: {new_images} and {seeds}");
        }
    }
    let [_, seeds] = misses(REPETITIONS, 300, Looks::Once);
    assert!(seeds > limit, "the interval over seeds alone is too narrow for new images: {seeds}");
}
