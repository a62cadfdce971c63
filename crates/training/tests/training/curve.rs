//! Where points are set, what they are means of, and when an accuracy counts as reached.

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
fn points_are_close_in_the_first_epoch_and_wider_later() {
    let points = curve(2, 45, |_| CORRECT);
    assert_eq!(steps(&points)[..6], [10, 20, 30, 40, 45, 48], "an epoch's rest makes a point");
    assert_eq!(points.iter().filter(|point| point.epoch == 2).count(), 15);
    assert_eq!(points.last().unwrap().step, 90);
    assert_eq!(points.iter().map(|point| point.images).sum::<usize>(), 90 * 64, "each image in one point");
}

#[test]
fn point_is_the_mean_over_its_own_steps() {
    let points = curve(1, 20, |step| if step < 5 { WRONG } else { CORRECT });
    assert!((points[0].accuracy - 0.5).abs() < 1e-12);
    assert!((points[0].loss - 0.55).abs() < 1e-12);
    assert!((points[1].accuracy - 1.0).abs() < 1e-12);
    assert!((points[1].loss - 0.1).abs() < 1e-12);
}

#[test]
fn accuracy_is_reached_by_enough_images_only() {
    let points = curve(1, 200, |step| if step < 100 { WRONG } else { CORRECT });
    // 50 steps are the first with 3,000 images or more.
    assert_eq!(first_reaching(&points, 1.0).unwrap().step, 150);
    assert_eq!(first_reaching(&points, 0.5).unwrap().step, 130);
    assert_eq!(first_reaching(&curve(1, 46, |_| CORRECT), 0.5), None, "2,944 images");
    assert_eq!(first_reaching(&curve(1, 47, |_| CORRECT), 0.5).unwrap().step, 47);
    assert_eq!(first_reaching(&curve(1, 100, |_| WRONG), 0.5), None);
}
