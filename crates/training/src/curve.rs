//! The learning curve of a run: loss and accuracy over windows of a few steps.

use serde::{Deserialize, Serialize};

/// Steps per point in the first epoch, in which the network learns most.
const EARLY_STEPS: usize = 10;

/// Points in each later epoch.
const LATER_POINTS: usize = 20;

/// Minimum number of images over which to measure whether an accuracy is reached. At 98%, the standard error is then
/// 0.26%.
const SETTLED_IMAGES: usize = 3000;

/// A point of the curve: means over the images since the previous point.
///
/// Each image is measured before the weight update that learns from it. In the first epoch, the network has
/// not seen the image before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Steps since the start of the run.
    pub step: usize,
    /// Number of images that the means cover.
    pub images: usize,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Fraction classified correctly.
    pub accuracy: f64,
    /// Training time so far in seconds, including validation.
    pub seconds: f64,
}

/// Sums over a set of images.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// Number of images.
    pub images: usize,
    /// Sum of their losses.
    pub loss: f64,
    /// Number of images classified correctly.
    pub correct: usize,
}

impl Sums {
    /// Adds the sums of other images.
    pub fn add(&mut self, other: Self) {
        self.images += other.images;
        self.loss += other.loss;
        self.correct += other.correct;
    }

    /// Returns the mean loss.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images as f64
    }

    /// Returns the fraction classified correctly.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images as f64
    }
}

/// A learning curve that grows step by step.
#[derive(Debug, Clone, Default)]
pub struct CurveBuilder {
    /// The points so far.
    pub points: Vec<CurvePoint>,
    /// Steps since the start of the run.
    step: usize,
    /// Sums since the last point.
    window: Sums,
}

impl CurveBuilder {
    /// Returns a curve that goes on after `points`: `step` steps since the start of the run, with the sums `window`
    /// since the last point.
    pub(crate) fn resume(points: Vec<CurvePoint>, step: usize, window: Sums) -> Self {
        Self { points, step, window }
    }

    /// Returns the number of steps since the start of the run.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Returns the sums since the last point.
    pub(crate) fn window(&self) -> Sums {
        self.window
    }

    /// Adds a step of `epoch` (counted from 1) that ended after `seconds` of training.
    pub fn add(&mut self, step: Sums, epoch: usize, steps_per_epoch: usize, seconds: f64) {
        self.step += 1;
        self.window.add(step);
        let step_in_epoch = self.step - (epoch - 1) * steps_per_epoch;
        let steps_per_point = if epoch == 1 { EARLY_STEPS } else { steps_per_epoch.div_ceil(LATER_POINTS) };
        if step_in_epoch.is_multiple_of(steps_per_point) || step_in_epoch == steps_per_epoch {
            let window = std::mem::take(&mut self.window);
            self.points.push(CurvePoint {
                epoch,
                step: self.step,
                images: window.images,
                loss: window.mean_loss(),
                accuracy: window.accuracy(),
                seconds,
            });
        }
    }
}

/// Returns the first point at which at least this fraction of the last 3,000 or more images was classified
/// correctly.
pub fn first_reaching(points: &[CurvePoint], accuracy: f64) -> Option<&CurvePoint> {
    (0..points.len()).find_map(|last| {
        let (mut images, mut correct) = (0, 0.0);
        for point in points[..=last].iter().rev() {
            images += point.images;
            correct += point.accuracy * point.images as f64;
            if images >= SETTLED_IMAGES {
                break;
            }
        }
        let is_reached = images >= SETTLED_IMAGES && correct >= accuracy * images as f64;
        is_reached.then(|| &points[last])
    })
}
