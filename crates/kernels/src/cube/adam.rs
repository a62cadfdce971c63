//! Adam: one launch for many parameters, in place.

use std::cell::RefCell;

use burn::{
    backend::Cube,
    tensor::{DType, Tensor},
};
use burn_cubecl::tensor::CubeTensor;
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::{THREADS, contiguous, empty, supported};
use crate::adam_step::Step;

/// Updates parameters and their moments. Each output may be the same memory as its input: a thread reads and writes
/// only its own value. The operations and their order are the same as on the CPU.
///
/// `lens` are the numbers of values of the parameters. Each parameter has its own cubes, with a thread per value.
#[cube(launch)]
#[expect(clippy::too_many_arguments, reason = "a kernel has no structs of slices")]
fn update(
    parameters: &Sequence<Box<[f32]>>,
    gradients: &Sequence<Box<[f32]>>,
    moments_1: &Sequence<Box<[f32]>>,
    moments_2: &Sequence<Box<[f32]>>,
    new_parameters: &mut Sequence<Box<[f32]>>,
    new_moments_1: &mut Sequence<Box<[f32]>>,
    new_moments_2: &mut Sequence<Box<[f32]>>,
    beta_1: f32,
    beta_2: f32,
    factor: f32,
    epsilon: f32,
    learning_rate: f32,
    #[comptime] lens: Vec<usize>,
) {
    #[unroll]
    for i in 0..comptime!(lens.len()) {
        let len = comptime!(lens[i]);
        let first_cube = comptime!(cubes(&lens[..i]));
        let end_cube = comptime!(cubes(&lens[..=i]));
        let position = CUBE_POS * THREADS + UNIT_POS as usize;
        if CUBE_POS >= first_cube && CUBE_POS < end_cube && position < comptime!(first_cube * THREADS + len) {
            let at = position - comptime!(first_cube * THREADS);
            let gradient = gradients.index(i)[at];
            let first = moments_1.index(i)[at] * beta_1 + gradient * (1.0 - beta_1);
            let second = moments_2.index(i)[at] * beta_2 + gradient * gradient * (1.0 - beta_2);
            let update = first * factor / (second.sqrt() + epsilon);
            let parameter = parameters.index(i)[at] - update * learning_rate;
            new_moments_1.index_mut(i)[at] = first;
            new_moments_2.index_mut(i)[at] = second;
            new_parameters.index_mut(i)[at] = parameter;
        }
    }
}

/// Returns the number of cubes for parameters of these numbers of values.
fn cubes(lens: &[usize]) -> usize {
    lens.iter().map(|len| len.div_ceil(THREADS)).sum()
}

/// Whether the kernel supports these tensors.
pub(crate) fn holds<const D: usize>(tensors: [&Tensor<D>; 2]) -> bool {
    let [parameter, gradient] = tensors.map(|tensor| tensor.clone().try_into_primitive::<Cube>().ok());
    let (Some(parameter), Some(gradient)) = (parameter, gradient) else { return false };
    supported(&[&parameter, &gradient]) && parameter.meta.shape() == gradient.meta.shape()
}

/// The update of one parameter, still to be launched.
pub(crate) struct Update {
    step: Step,
    gradient: CubeTensor,
    /// The parameter and its moments.
    inputs: [CubeTensor; 3],
    /// Where to write their new values, unless in place.
    outputs: [Option<CubeTensor>; 3],
}

impl Update {
    /// Prepares an update. Returns it with the new parameter and its moments, whose values [`launch`](Self::launch)
    /// writes.
    ///
    /// # Panics
    /// If the tensors are not on this backend: see [`holds`].
    pub(crate) fn new<const D: usize>(
        step: Step,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        moments: [Tensor<D>; 2],
    ) -> (Self, [Tensor<D>; 3]) {
        let [moment_1, moment_2] = moments;
        let tensors = [parameter, gradient, moment_1, moment_2];
        let shape = tensors[0].dims();
        for tensor in &tensors {
            assert_eq!(tensor.dims(), shape, "gradient and moments must match the parameter");
        }
        let [parameter, gradient, moment_1, moment_2] = contiguous(
            tensors.map(|tensor| tensor.try_into_primitive::<Cube>().expect("the tensor is on this backend")),
        );
        let inputs = [parameter, moment_1, moment_2];
        // The memory of an input, unless another tensor still uses it.
        let outputs = inputs
            .each_ref()
            .map(|input| (!input.can_mut()).then(|| empty(input, input.meta.shape().clone(), DType::F32)));
        let of = |i: usize| outputs[i].clone().unwrap_or_else(|| inputs[i].clone());
        let results = [of(0), of(1), of(2)].map(Tensor::from_primitive::<Cube>);
        (Self { step, gradient, inputs, outputs }, results)
    }

    /// Runs the update, or leaves it to [`launch_together`] if that runs on this thread.
    pub(crate) fn launch(self) {
        let rest = COLLECTED.with_borrow_mut(|collected| match collected {
            Some(collected) => {
                collected.push(self);
                None
            }
            None => Some(self),
        });
        launch_group(rest.into_iter().collect());
    }

    /// Number of the kernel's arguments that this update takes.
    fn arguments(&self) -> usize {
        4 + self.outputs.iter().flatten().count()
    }

    fn len(&self) -> usize {
        self.gradient.meta.shape().num_elements()
    }

    fn can_join(&self, other: &Self) -> bool {
        self.step == other.step && self.gradient.device == other.gradient.device
    }
}

thread_local! {
    /// The updates of this thread's [`launch_together`].
    static COLLECTED: RefCell<Option<Vec<Update>>> = const { RefCell::new(None) };
}

/// Runs `step`, then its updates in as few launches as the device's number of arguments allows. Until then, the new values
/// are not there, so `step` must not use them.
pub(crate) fn launch_together<T>(step: impl FnOnce() -> T) -> T {
    /// Ends the collecting, even if `step` panics.
    struct Collecting;

    impl Drop for Collecting {
        fn drop(&mut self) {
            COLLECTED.set(None);
        }
    }

    let collecting = Collecting;
    COLLECTED.set(Some(Vec::new()));
    let result = step();
    let updates = COLLECTED.take().unwrap_or_default();
    drop(collecting);

    let mut group: Vec<Update> = Vec::new();
    for update in updates {
        if let Some(first) = group.first() {
            // One more argument holds the numbers.
            let most = update.gradient.client.properties().hardware.max_bindings as usize - 1;
            let arguments = group.iter().chain([&update]).map(Update::arguments).sum::<usize>();
            if arguments > most || !first.can_join(&update) {
                launch_group(std::mem::take(&mut group));
            }
        }
        group.push(update);
    }
    launch_group(group);
    result
}

/// Runs the updates of one step in one launch.
fn launch_group(group: Vec<Update>) {
    let Some(Update { step, gradient, .. }) = group.first() else { return };
    let (step, client) = (*step, gradient.client.clone());
    let lens: Vec<usize> = group.iter().map(Update::len).collect();
    let count = group.len();
    let dim = CubeDim::new_1d(THREADS as u32);
    let threads = cubes(&lens) * THREADS;

    // The arguments in the order of the kernel: `count` of each. An argument that writes in place refers to the position
    // of its input.
    let mut inputs: [Vec<BufferArg>; 3] = Default::default();
    let mut outputs: [Vec<BufferArg>; 3] = Default::default();
    let mut gradients = Vec::new();
    for (i, update) in group.into_iter().enumerate() {
        let positions = [i, 2 * count + i, 3 * count + i];
        let of_update = update.inputs.into_iter().zip(update.outputs).zip(positions).enumerate();
        for (kind, ((input, output), position)) in of_update {
            outputs[kind].push(match output {
                Some(output) => output.into_buffer_arg(),
                None => BufferArg::alias(position, lens[i]),
            });
            inputs[kind].push(input.into_buffer_arg());
        }
        gradients.push(update.gradient.into_buffer_arg());
    }
    let [parameters, moments_1, moments_2] = inputs.map(SequenceArg::from_iter);
    let [new_parameters, new_moments_1, new_moments_2] = outputs.map(SequenceArg::from_iter);
    update::launch(
        &client,
        calculate_cube_count_elemwise(&client, threads, dim),
        dim,
        parameters,
        SequenceArg::from_iter(gradients),
        moments_1,
        moments_2,
        new_parameters,
        new_moments_1,
        new_moments_2,
        step.beta_1,
        step.beta_2,
        step.factor,
        step.epsilon,
        step.learning_rate,
        lens,
    );
}
