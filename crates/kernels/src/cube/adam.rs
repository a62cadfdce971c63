//! Adam: one launch per parameter, in place.

use burn::{
    backend::Cube,
    tensor::{DType, Tensor},
};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{THREADS, contiguous, cubes_for, empty, supported};
use crate::adam_step::Step;

/// Updates a parameter and its moments. Each output may be the same memory as its input: a thread reads and writes
/// only its own value. The operations and their order are the same as on the CPU.
#[cube(launch)]
#[expect(clippy::too_many_arguments, reason = "a kernel has no structs of slices")]
fn update(
    parameter: &[f32],
    gradient: &[f32],
    moment_1: &[f32],
    moment_2: &[f32],
    new_parameter: &mut [f32],
    new_moment_1: &mut [f32],
    new_moment_2: &mut [f32],
    len: usize,
    beta_1: f32,
    beta_2: f32,
    factor: f32,
    epsilon: f32,
    learning_rate: f32,
) {
    if ABSOLUTE_POS >= len {
        terminate!();
    }
    let gradient = gradient[ABSOLUTE_POS];
    let first = moment_1[ABSOLUTE_POS] * beta_1 + gradient * (1.0 - beta_1);
    let second = moment_2[ABSOLUTE_POS] * beta_2 + gradient * gradient * (1.0 - beta_2);
    let update = first * factor / (second.sqrt() + epsilon);
    new_moment_1[ABSOLUTE_POS] = first;
    new_moment_2[ABSOLUTE_POS] = second;
    new_parameter[ABSOLUTE_POS] = parameter[ABSOLUTE_POS] - update * learning_rate;
}

/// Whether the kernel supports these tensors.
pub(crate) fn holds<const D: usize>(tensors: [&Tensor<D>; 2]) -> bool {
    let [parameter, gradient] = tensors.map(|tensor| tensor.clone().try_into_primitive::<Cube>().ok());
    let (Some(parameter), Some(gradient)) = (parameter, gradient) else { return false };
    supported(&[&parameter, &gradient]) && parameter.meta.shape() == gradient.meta.shape()
}

/// Returns the new parameter and its moments.
///
/// # Panics
/// If the tensors are not on this backend: see [`holds`].
pub(crate) fn step<const D: usize>(
    step: &Step,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
) -> [Tensor<D>; 3] {
    let [moment_1, moment_2] = moments;
    let tensors = [parameter, gradient, moment_1, moment_2];
    let shape = tensors[0].dims();
    for tensor in &tensors {
        assert_eq!(tensor.dims(), shape, "gradient and moments must match the parameter");
    }
    let [parameter, gradient, moment_1, moment_2] = contiguous(
        tensors.map(|tensor| tensor.try_into_primitive::<Cube>().expect("the tensor is on this backend")),
    );
    let len = parameter.meta.shape().num_elements();
    let (count, dim) = cubes_for(&parameter, len, THREADS);
    let client = parameter.client.clone();
    // The numbers are the positions of the arguments of the kernel.
    let (parameter_argument, new_parameter) = output(&parameter, 0);
    let (moment_1_argument, new_moment_1) = output(&moment_1, 2);
    let (moment_2_argument, new_moment_2) = output(&moment_2, 3);
    update::launch(
        &client,
        count,
        dim,
        parameter.into_buffer_arg(),
        gradient.into_buffer_arg(),
        moment_1.into_buffer_arg(),
        moment_2.into_buffer_arg(),
        parameter_argument,
        moment_1_argument,
        moment_2_argument,
        len,
        step.beta_1,
        step.beta_2,
        step.factor,
        step.epsilon,
        step.learning_rate,
    );
    [new_parameter, new_moment_1, new_moment_2].map(Tensor::from_primitive::<Cube>)
}

/// Returns the argument that the kernel writes, and the tensor that it becomes. This is the memory of the input at
/// `position`, unless another tensor still uses it.
fn output(input: &CubeTensor, position: usize) -> (BufferArg, CubeTensor) {
    if input.can_mut() {
        return (BufferArg::alias(position, input.meta.shape().num_elements()), input.clone());
    }
    let output = empty(input, input.meta.shape().clone(), DType::F32);
    (output.clone().into_buffer_arg(), output)
}
