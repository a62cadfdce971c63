//! Rows of a matrix that is stored in parts, in as few launches as the device's number of arguments allows.

use burn::{
    backend::{Cube, ops::IntTensorOps},
    tensor::{DType, Int, IntDType, Tensor},
};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{LARGEST, THREADS, contiguous, cubes_for, empty, supported};

/// Copies one value per thread, if its row is in one of these parts. Part `i` has the rows from `starts[i]` to below
/// `starts[i + 1]`. The first launch writes zero for all other rows.
#[cube(launch)]
fn copy_rows(
    parts: &Sequence<Box<[f32]>>,
    rows: &[i32],
    output: &mut [f32],
    len: usize,
    #[comptime] columns: usize,
    #[comptime] starts: Vec<usize>,
    #[comptime] is_first: bool,
) {
    if ABSOLUTE_POS >= len {
        terminate!();
    }
    let row = rows[ABSOLUTE_POS / columns] as usize;
    let column = ABSOLUTE_POS % columns;
    if is_first {
        output[ABSOLUTE_POS] = 0.0;
    }
    #[unroll]
    for i in 0..comptime!(starts.len() - 1) {
        let start = comptime!(starts[i]);
        if row >= start && row < comptime!(starts[i + 1]) {
            output[ABSOLUTE_POS] = parts.index(i)[(row - start) * columns + column];
        }
    }
}

/// Returns the rows, or `None` if the kernel does not support the tensors.
pub(crate) fn gather(parts: &[Tensor<2>], rows: &Tensor<1, Int>) -> Option<Tensor<2>> {
    let primitive = |part: &Tensor<2>| part.clone().try_into_primitive::<Cube>().ok();
    let parts: Vec<CubeTensor> = parts.iter().map(primitive).collect::<Option<_>>()?;
    let rows = rows.clone().try_into_primitive::<Cube>().ok()?;
    let [_, columns] = parts.first()?.meta.shape().dims();
    let [count] = rows.meta.shape().dims();
    let len = count * columns;
    let is_supported = supported(&parts.iter().collect::<Vec<_>>())
        && parts.iter().all(|part| part.meta.shape()[1] == columns)
        && (1..LARGEST).contains(&len);
    if !is_supported {
        return None;
    }
    let [rows] = contiguous([Cube::int_cast(rows, IntDType::I32)]);
    let output = empty(&rows, [count, columns], DType::F32);
    let (cubes, dim) = cubes_for(&output, len, THREADS);
    // The rows, the output and the numbers are three more arguments.
    let most_parts = rows.client.properties().hardware.max_bindings as usize - 3;
    let mut start = 0;
    for parts in parts.chunks(most_parts) {
        let mut starts = vec![start];
        let is_first = start == 0;
        let arguments = parts.iter().map(|part| {
            start += part.meta.shape()[0];
            starts.push(start);
            let [part] = contiguous([part.clone()]);
            part.into_buffer_arg()
        });
        let arguments = SequenceArg::from_iter(arguments);
        copy_rows::launch(
            &output.client,
            cubes.clone(),
            dim,
            arguments,
            rows.clone().into_buffer_arg(),
            output.clone().into_buffer_arg(),
            len,
            columns,
            starts,
            is_first,
        );
    }
    Some(Tensor::from_primitive::<Cube>(output))
}
