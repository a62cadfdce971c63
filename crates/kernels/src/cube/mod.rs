//! Kernels for GPUs, written in CubeCL, which translates them for Vulkan, Metal, DirectX, CUDA and ROCm.
//!
//! Each operation is a single launch, because a launch costs about as much as the arithmetic of a small network.
//! The kernels use no atomic operations and add in a fixed order, so a device gives the same bits in every run.
//! They read and write contiguous tensors of `f32`. For everything else, the operations run Burn's own.

pub(crate) mod adam;
mod block;
mod cross_entropy;
mod dense;
pub(crate) mod gather;

use burn::tensor::{DType, Shape};
use burn_cubecl::{kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

/// Threads of a cube (a "workgroup" or "block" elsewhere). Every GPU that Burn supports allows at least 256.
const THREADS: usize = 256;

/// Indices are 32 bits wide, so larger tensors run Burn's own operations.
const LARGEST: usize = 1 << 31;

/// Whether the kernels support these tensors: not empty, of `f32`, and not too large for 32-bit indices.
fn supported(tensors: &[&CubeTensor]) -> bool {
    tensors.iter().all(|tensor| {
        tensor.dtype == DType::F32 && (1..LARGEST).contains(&tensor.meta.shape().num_elements())
    })
}

/// Returns tensors whose values are in row-major order. Copies only those that are not.
fn contiguous<const N: usize>(tensors: [CubeTensor; N]) -> [CubeTensor; N] {
    tensors.map(into_contiguous)
}

/// Returns a contiguous tensor on the same device whose values are still to be written.
fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), dtype)
}

/// Returns the number of cubes for one thread per value. A device limits the number of cubes per dimension, so
/// this uses several dimensions, and may return more cubes than needed.
fn cubes_for(tensor: &CubeTensor, threads: usize, threads_per_cube: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(threads_per_cube as u32);
    (calculate_cube_count_elemwise(&tensor.client, threads, dim), dim)
}

/// Adds up `width` values of each lane of a cube in a fixed order: a tree. `values[lane * width + i]` is value `i`
/// of a lane. Afterwards, the sums are in `values[..width]`. The number of lanes is a power of two.
///
/// A thread adds `count` values of its lane from `first` on. The threads of a lane must not share any: between two
/// barriers, nothing orders their additions.
#[cube]
fn sum_lanes(
    values: &mut Shared<[f32]>,
    lane: usize,
    first: usize,
    #[comptime] count: usize,
    #[comptime] lanes: usize,
    #[comptime] width: usize,
) {
    sync_cube();
    let steps = comptime!(lanes.ilog2());
    #[unroll]
    for step in 0..steps {
        let half = comptime!(lanes >> (step + 1));
        if lane < half {
            #[unroll]
            for i in 0..count {
                let other = values[(lane + half) * width + first + i];
                values[lane * width + first + i] += other;
            }
        }
        sync_cube();
    }
}
