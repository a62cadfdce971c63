//! The convolution block on Flex: passes tensors to the kernels as slices, and turns the results into tensors.

use std::borrow::Cow;

use burn::{
    backend::Flex,
    tensor::{Bytes, DType, Shape},
};
use burn_flex::{FlexTensor, Layout};
use rayon::prelude::*;

use crate::{
    aligned::AlignedVec,
    convolution::{self, Geometry, KERNEL},
    forward::Forward,
    instruction_set::InstructionSet,
    operation::{ConvBlockBackend, ConvBlockTraining},
    primitives,
};

impl ConvBlockBackend for Flex {
    fn conv_block(input: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let Some(geometry) = geometry(&input, &weight, &bias) else {
            return primitives::forward::<Self>(input, weight, bias);
        };
        let [weight, bias] = [weight.to_contiguous(), bias.to_contiguous()];
        let output = convolution::forward_without_winners(
            InstructionSet::best(),
            &geometry,
            &channels_last(&input),
            contiguous(&weight),
            contiguous(&bias),
        );
        output_tensor(output, &geometry)
    }
}

impl ConvBlockTraining for Flex {
    fn forward_with_winners(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        let Some(geometry) = geometry(&input, &weight, &bias) else {
            return primitives::forward_with_winners::<Self>(input, weight, bias);
        };
        let [weight, bias] = [weight.to_contiguous(), bias.to_contiguous()];
        let convolution::Pooled { output, winners, inputs_in_range } = convolution::forward(
            InstructionSet::best(),
            &geometry,
            &channels_last(&input),
            contiguous(&weight),
            contiguous(&bias),
        );
        // Zero times a NaN or infinite input is NaN, but the kernel of the weights' gradient skips
        // windows without a winner. Inputs of 10¹⁵
        // or more take this path too, because one test covers both.
        if !inputs_in_range {
            return primitives::forward_with_winners::<Self>(input, weight, bias);
        }
        let layout = channels_last_layout(output_shape(&geometry), 0);
        let winners = FlexTensor::new(Bytes::from_elems(winners), layout, WINNERS);
        (output_tensor(output, &geometry), winners)
    }

    fn input_gradient(forward: Forward<Self>, output_gradient: FlexTensor) -> FlexTensor {
        let weight = forward.weight.to_contiguous();
        // Zero times a NaN or infinite weight is NaN, but the kernel skips windows without a winner.
        let Some(geometry) =
            fused(&forward).filter(|_| convolution::all_finite(InstructionSet::best(), contiguous(&weight)))
        else {
            return primitives::input_gradient(with_indices(forward), output_gradient);
        };
        let gradient = convolution::input_gradient(
            InstructionSet::best(),
            &geometry,
            contiguous(&weight),
            forward.winners.storage(),
            &like_output(&output_gradient, &geometry),
        );
        channels_last_tensor(gradient, dims(&forward.input))
    }

    fn parameter_gradients(forward: Forward<Self>, output_gradient: FlexTensor) -> (FlexTensor, FlexTensor) {
        let Some(geometry) = fused(&forward) else {
            return primitives::parameter_gradients(forward, output_gradient);
        };
        let input = channels_last(&forward.input);
        let (weight, bias) = convolution::weight_gradient(
            InstructionSet::best(),
            &geometry,
            &input,
            forward.winners.storage(),
            &like_output(&output_gradient, &geometry),
        );
        let like = |like: &FlexTensor, values: Vec<f32>| {
            let layout = Layout::contiguous(like.layout().shape().clone());
            FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
        };
        (like(&forward.weight, weight), like(&forward.bias, bias))
    }

    /// Computes both at the same time, so that no thread waits for work between them.
    fn gradients(
        forward: Forward<Self>,
        output_gradient: FlexTensor,
    ) -> (FlexTensor, (FlexTensor, FlexTensor)) {
        let (same_forward, same_gradient) = (forward.clone(), output_gradient.clone());
        rayon::join(
            || Self::input_gradient(same_forward, same_gradient),
            || Self::parameter_gradients(forward, output_gradient),
        )
    }
}

/// Type of the winners after a fused forward pass. The primitives use another type, so the type shows which of
/// the two ran.
const WINNERS: DType = DType::U8;

/// Returns the sizes of a block, or `None` if the kernels do not support it. They support `f32`, a 3×3 kernel
/// and a non-empty output.
fn geometry(input: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> Option<Geometry> {
    let [batch, channels_in, height, width] = dims(input);
    let [channels_out, weight_channels, rows, columns] = dims(weight);
    let geometry = Geometry { batch, height, width, channels_in, channels_out };
    let known = [input, weight, bias].iter().all(|tensor| tensor.dtype() == DType::F32)
        && [rows, columns] == [KERNEL; 2]
        && weight_channels == channels_in
        && bias.layout().num_elements() == channels_out
        && batch * geometry.output_len() * channels_in > 0;
    known.then_some(geometry)
}

/// Returns the sizes of a block, or `None` if its forward pass ran the primitives.
fn fused(forward: &Forward<Flex>) -> Option<Geometry> {
    // Only the fused forward pass creates winners of this type, so the kernels can trust them.
    (forward.winners.dtype() == WINNERS)
        .then(|| geometry(&forward.input, &forward.weight, &forward.bias))
        .flatten()
}

/// Returns a forward pass with the winners that the primitives' backward pass needs. After a fused forward pass,
/// it repeats the pass with the primitives.
fn with_indices(forward: Forward<Flex>) -> Forward<Flex> {
    if forward.winners.dtype() != WINNERS {
        return forward;
    }
    let Forward { input, weight, bias, .. } = forward;
    let (output, winners) =
        primitives::forward_with_winners::<Flex>(input.clone(), weight.clone(), bias.clone());
    Forward { input, weight, bias, output, winners }
}

fn dims(tensor: &FlexTensor) -> [usize; 4] {
    tensor.layout().shape().dims()
}

fn output_shape(geometry: &Geometry) -> [usize; 4] {
    [geometry.batch, geometry.channels_out, geometry.output_height(), geometry.output_width()]
}

/// Returns the layout of a tensor `[batch, channels, height, width]` whose channels are adjacent in memory.
fn channels_last_layout([batch, channels, height, width]: [usize; 4], start: usize) -> Layout {
    let strides = [height * width * channels, 1, width * channels, channels];
    let strides = strides.iter().map(|&stride| stride as isize).collect();
    Layout::new(Shape::new([batch, channels, height, width]), strides, start)
}

/// Turns a block's output into a tensor.
fn output_tensor(values: AlignedVec, geometry: &Geometry) -> FlexTensor {
    let shape = output_shape(geometry);
    if geometry.output_is_channels_last() {
        return channels_last_tensor(values, shape);
    }
    let [_, channels, height, width] = shape;
    let strides = [channels * height * width, height * width, width, 1].map(|stride| stride as isize);
    let layout = Layout::new(Shape::new(shape), strides.into(), values.start);
    FlexTensor::new(Bytes::from_elems(values.storage), layout, DType::F32)
}

/// Turns values whose channels are adjacent in memory into a tensor `[batch, channels, height, width]`.
fn channels_last_tensor(values: AlignedVec, shape: [usize; 4]) -> FlexTensor {
    assert_eq!(values.len, shape.iter().product::<usize>());
    let layout = channels_last_layout(shape, values.start);
    FlexTensor::new(Bytes::from_elems(values.storage), layout, DType::F32)
}

/// Returns the values of a contiguous tensor.
fn contiguous(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("to_contiguous returns contiguous f32 values")
}

/// Returns the values of a gradient in the layout of the block's output. Copies them only if they have another layout.
fn like_output<'a>(gradient: &'a FlexTensor, geometry: &Geometry) -> Cow<'a, [f32]> {
    if geometry.output_is_channels_last() {
        return channels_last(gradient);
    }
    if gradient.is_contiguous() {
        let (values, start) = (gradient.storage::<f32>(), gradient.layout().start_offset());
        return Cow::Borrowed(&values[start..start + gradient.layout().num_elements()]);
    }
    Cow::Owned(contiguous(&gradient.to_contiguous()).to_vec())
}

/// Returns the values of a tensor `[batch, channels, height, width]` with adjacent channels. Copies them only if
/// they have another layout.
fn channels_last(tensor: &FlexTensor) -> Cow<'_, [f32]> {
    let shape @ [_, channels, height, width] = dims(tensor);
    let len: usize = shape.iter().product();
    let (values, start) = (tensor.storage::<f32>(), tensor.layout().start_offset());
    let strides = tensor.layout().strides();
    let wanted = channels_last_layout(shape, start);
    let same = |((size, is), wanted): ((&usize, &isize), &isize)| *size == 1 || is == wanted;
    if shape.iter().zip(strides).zip(wanted.strides()).all(same) {
        return Cow::Borrowed(&values[start..start + len]);
    }
    let mut copy = vec![0.0; len];
    copy.par_chunks_exact_mut(channels * height * width).enumerate().for_each(|(image, copy)| {
        for (pixel, copy) in copy.chunks_exact_mut(channels).enumerate() {
            let [row, column] = [pixel / width, pixel % width];
            let first = start as isize
                + image as isize * strides[0]
                + row as isize * strides[2]
                + column as isize * strides[3];
            for (channel, value) in copy.iter_mut().enumerate() {
                *value = values[(first + channel as isize * strides[1]) as usize];
            }
        }
    });
    Cow::Owned(copy)
}
