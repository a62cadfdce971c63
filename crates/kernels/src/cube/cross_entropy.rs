//! Softmax cross-entropy: one launch for the loss and the probabilities, one for the gradient of the logits.

use burn::{
    backend::{Cube, ops::IntTensorOps},
    tensor::{DType, IntDType},
};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{THREADS, contiguous, cubes_for, empty, sum_lanes, supported};
use crate::cross_entropy::{CrossEntropyBackend, CrossEntropyTraining, primitives};

/// Computes the loss and the probabilities with a single cube, because only threads of the same cube can add up
/// their losses in a fixed order. Each thread, a "lane", computes every `lanes`-th row.
///
/// `nan` is the loss of a target that is not a class. It is an argument because WGSL has no NaN.
#[cube(launch)]
fn loss_and_probabilities(
    logits: &[f32],
    targets: &[i32],
    loss: &mut [f32],
    probabilities: &mut [f32],
    batch: usize,
    nan: f32,
    #[comptime] classes: usize,
    #[comptime] lanes: usize,
) {
    let lane = UNIT_POS as usize;
    let mut sum_of_losses = 0.0f32;
    let mut row = lane;
    while row < batch {
        let first = row * classes;
        // Shifted by the largest logit, no exponential overflows.
        let mut largest = logits[first];
        for class in 1..classes {
            let logit = logits[first + class];
            if logit > largest {
                largest = logit;
            }
        }
        let mut sum = 0.0f32;
        for class in 0..classes {
            let exponential = (logits[first + class] - largest).exp();
            probabilities[first + class] = exponential;
            sum += exponential;
        }
        for class in 0..classes {
            probabilities[first + class] /= sum;
        }
        let target = targets[row];
        if target >= 0 && target < comptime!(classes as i32) {
            sum_of_losses += sum.ln() - (logits[first + target as usize] - largest);
        } else {
            sum_of_losses += nan;
        }
        row += lanes;
    }
    let mut shared = Shared::<[f32]>::new_slice(lanes);
    shared[lane] = sum_of_losses;
    sum_lanes(&mut shared, lane, 0usize, 1usize, lanes, 1usize);
    if lane == 0 {
        loss[0] = shared[0] / f32::cast_from(batch);
    }
}

/// Computes `(probabilities − one_hot(targets)) · gradient / batch`. The row of a target that is not a class
/// becomes `nan`.
#[cube(launch)]
fn logits_gradient(
    probabilities: &[f32],
    targets: &[i32],
    gradient: &[f32],
    of_logits: &mut [f32],
    batch: usize,
    nan: f32,
    #[comptime] classes: usize,
) {
    if ABSOLUTE_POS >= batch * classes {
        terminate!();
    }
    let class = (ABSOLUTE_POS % classes) as i32;
    let target = targets[ABSOLUTE_POS / classes];
    let mut value = probabilities[ABSOLUTE_POS];
    if class == target {
        value -= 1.0;
    }
    if target < 0 || target >= comptime!(classes as i32) {
        value = nan;
    }
    of_logits[ABSOLUTE_POS] = value * (gradient[0] / f32::cast_from(batch));
}

impl CrossEntropyBackend for Cube {
    fn cross_entropy(logits: CubeTensor, targets: CubeTensor) -> CubeTensor {
        Self::forward_with_probabilities(logits, targets).0
    }
}

impl CrossEntropyTraining for Cube {
    fn forward_with_probabilities(logits: CubeTensor, targets: CubeTensor) -> (CubeTensor, CubeTensor) {
        let [batch, classes] = logits.meta.shape().dims();
        if !supported(&[&logits]) || targets.meta.shape().num_elements() != batch {
            return primitives::forward::<Self>(logits, targets);
        }
        let [logits, targets] = contiguous([logits, Self::int_cast(targets, IntDType::I32)]);
        let loss = empty(&logits, [1], DType::F32);
        let probabilities = empty(&logits, [batch, classes], DType::F32);
        let lanes = batch.next_power_of_two().clamp(2, THREADS);
        loss_and_probabilities::launch(
            &loss.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(lanes as u32),
            logits.into_buffer_arg(),
            targets.into_buffer_arg(),
            loss.clone().into_buffer_arg(),
            probabilities.clone().into_buffer_arg(),
            batch,
            f32::NAN,
            classes,
            lanes,
        );
        (loss, probabilities)
    }

    fn logits_gradient(probabilities: CubeTensor, targets: CubeTensor, gradient: CubeTensor) -> CubeTensor {
        let [batch, classes] = probabilities.meta.shape().dims();
        let fits = targets.meta.shape().num_elements() == batch && gradient.meta.shape().num_elements() == 1;
        if !supported(&[&probabilities, &gradient]) || !fits {
            return primitives::logits_gradient::<Self>(probabilities, targets, gradient);
        }
        let targets = Self::int_cast(targets, IntDType::I32);
        let [probabilities, targets, gradient] = contiguous([probabilities, targets, gradient]);
        let of_logits = empty(&probabilities, [batch, classes], DType::F32);
        let (count, dim) = cubes_for(&of_logits, batch * classes, THREADS);
        logits_gradient::launch(
            &of_logits.client,
            count,
            dim,
            probabilities.into_buffer_arg(),
            targets.into_buffer_arg(),
            gradient.into_buffer_arg(),
            of_logits.clone().into_buffer_arg(),
            batch,
            f32::NAN,
            classes,
        );
        of_logits
    }
}
