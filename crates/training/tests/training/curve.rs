//! The learning curve: the spacing of its points, their means, and when an accuracy counts as reached.

use mnist_training::curve::{CurveBuilder, CurvePoint, Sums, first_reaching};

const CORRECT: Sums = Sums { images: 64, loss: 6.4, correct: 64 };
const WRONG: Sums = Sums { images: 64, loss: 64.0, correct: 0 };

fn curve(epochs: usize, steps_per_epoch: usize, step: impl Fn(usize) -> Sums) -> Vec<CurvePoint> {
    let mut curve = CurveBuilder::default();
    for epoch in 1..=epochs {
        for number in 0..steps_per_epoch {
            let so_far = (epoch - 1) * steps_per_epoch + number;
            curve.add(step(so_far), epoch, steps_per_epoch, so_far as f64);
        }
    }
    curve.points
}

fn steps(points: &[CurvePoint]) -> Vec<usize> {
    points.iter().map(|point| point.step).collect()
}

#[test]
fn points_are_closer_in_the_first_epoch_than_later() {
    let points = curve(2, 45, |_| CORRECT);
    assert_eq!(steps(&points)[..6], [10, 20, 30, 40, 45, 48], "the last steps of an epoch are a point");
    assert_eq!(points.iter().filter(|point| point.epoch == 2).count(), 15);
    assert_eq!(points.last().unwrap().step, 90);
    assert_eq!(points.iter().map(|point| point.images).sum::<usize>(), 90 * 64, "each image is in one point");
}

#[test]
fn point_is_the_mean_over_its_steps() {
    let points = curve(1, 20, |step| if step < 5 { WRONG } else { CORRECT });
    assert!((points[0].accuracy - 0.5).abs() < 1e-12);
    assert!((points[0].loss - 0.55).abs() < 1e-12);
    assert!((points[1].accuracy - 1.0).abs() < 1e-12);
    assert!((points[1].loss - 0.1).abs() < 1e-12);
}

#[test]
fn accuracy_counts_as_reached_only_over_enough_images() {
    let points = curve(1, 200, |step| if step < 100 { WRONG } else { CORRECT });
    // Points are 10 steps apart, so the shortest window with at least 3,000 images has 50 steps.
    assert_eq!(first_reaching(&points, 1.0).unwrap().step, 150);
    assert_eq!(first_reaching(&points, 0.5).unwrap().step, 130);
    assert_eq!(first_reaching(&curve(1, 46, |_| CORRECT), 0.5), None, "2,944 images");
    assert_eq!(first_reaching(&curve(1, 47, |_| CORRECT), 0.5).unwrap().step, 47);
    assert_eq!(first_reaching(&curve(1, 100, |_| WRONG), 0.5), None);
}
