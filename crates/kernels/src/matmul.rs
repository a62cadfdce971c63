//! Matrix multiplication as a Burn operation that uses all threads.
//!
//! Flex uses several threads only for products of at least 192³ multiplications. The CNN's dense layer is just
//! below that threshold: 1,600 × 64 weights, with a batch of 64 images. Smaller products run on one thread, but here
//! too, because the default build does not optimize Flex.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

/// Multiplies two matrices, like [`Tensor::matmul`].
///
/// # Shapes
/// - `lhs`: `[rows, inner]`
/// - `rhs`: `[inner, columns]`
/// - output: `[rows, columns]`
///
/// # Panics
/// If the shapes do not match.
///
/// # Example
/// ```
/// use burn::tensor::{Device, Tensor};
/// use mnist_kernels::matmul;
///
/// let device = Device::flex();
/// let images = Tensor::<2>::ones([64, 1600], &device);
/// let weight = Tensor::<2>::ones([1600, 64], &device);
///
/// let output = matmul(images, weight);
/// assert_eq!(output.dims(), [64, 64]);
/// assert_eq!(output.mean().into_scalar::<f32>(), 1600.0);
/// ```
pub fn matmul(lhs: Tensor<2>, rhs: Tensor<2>) -> Tensor<2> {
    assert_eq!(lhs.dims()[1], rhs.dims()[0], "lhs must have as many columns as rhs has rows");
    let (lhs, rhs) = (lhs.into_dispatch(), rhs.into_dispatch());
    Tensor::from_dispatch(<Dispatch as MatmulBackend>::matmul(lhs, rhs))
}

/// A backend's implementation of [`matmul`]. At run time, Burn dispatches to the backend of the tensors.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "wgpu"),
    Autodiff
)]
pub trait MatmulBackend: Backend {
    /// Multiplies two matrices on this backend, see [`matmul`].
    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(lhs, rhs)
    }
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "Burn will drop this backend after 0.22")]
impl MatmulBackend for burn::backend::NdArray {}

#[cfg(feature = "wgpu")]
impl MatmulBackend for burn::backend::Cube {}

impl<B: MatmulBackend, C: CheckpointStrategy> MatmulBackend for Autodiff<B, C> {
    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        let parents = [lhs.node(), rhs.node()];
        let (lhs, rhs) = (lhs.into_primitive(), rhs.into_primitive());
        match MatmulBackward.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let output = B::matmul(lhs.clone(), rhs.clone());
                tracked.finish((lhs, rhs), output)
            }
            OpsKind::UnTracked(untracked) => untracked.finish(B::matmul(lhs, rhs)),
        }
    }
}

#[derive(Debug)]
struct MatmulBackward;

impl<B: MatmulBackend> Backward<B, 2> for MatmulBackward {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [lhs_node, rhs_node] = ops.parents;
        let (lhs, rhs) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        if let Some(node) = lhs_node {
            let of_lhs = B::matmul(gradient.clone(), B::float_transpose(rhs));
            gradients.register::<B>(node.id, of_lhs);
        }
        if let Some(node) = rhs_node {
            let of_rhs = B::matmul(B::float_transpose(lhs), gradient);
            gradients.register::<B>(node.id, of_rhs);
        }
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::{
        backend::{Flex, ops::FloatTensorOps},
        tensor::{Bytes, DType, Shape},
    };
    use burn_flex::{FlexTensor, Layout};

    use super::MatmulBackend;

    /// Minimum number of multiplications for which it pays to wake other threads.
    const PARALLEL: usize = 1 << 20;

    impl MatmulBackend for Flex {
        fn matmul(lhs: FlexTensor, rhs: FlexTensor) -> FlexTensor {
            let [rows, inner] = lhs.layout().shape().dims();
            let [rhs_rows, columns] = rhs.layout().shape().dims();
            let known = lhs.dtype() == DType::F32 && rhs.dtype() == DType::F32 && inner == rhs_rows;
            if !known || rows * inner * columns == 0 {
                return <Self as FloatTensorOps<Self>>::float_matmul(lhs, rhs);
            }
            let output = product(rows, inner, columns, &lhs, &rhs);
            let layout = Layout::contiguous(Shape::new([rows, columns]));
            FlexTensor::new(Bytes::from_elems(output), layout, DType::F32)
        }
    }

    #[expect(unsafe_code, reason = "the interface of `gemm`")]
    fn product(rows: usize, inner: usize, columns: usize, lhs: &FlexTensor, rhs: &FlexTensor) -> Vec<f32> {
        let parallelism = if rows * inner * columns < PARALLEL {
            gemm::Parallelism::None
        } else {
            gemm::Parallelism::Rayon(0)
        };
        let mut output = Vec::<f32>::with_capacity(rows * columns);
        let (lhs_strides, rhs_strides) = (lhs.layout().strides(), rhs.layout().strides());
        // SAFETY: `output` has capacity for `rows * columns` values. The first `false` tells `gemm` not to read
        // them, and it writes all of them before `set_len`. `start` checks that every index of a tensor's shape
        // is inside its storage. The caller checked that the shapes match.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                inner,
                output.as_mut_ptr(),
                1,
                columns as isize,
                false,
                start(lhs),
                lhs_strides[1],
                lhs_strides[0],
                start(rhs),
                rhs_strides[1],
                rhs_strides[0],
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
            output.set_len(rows * columns);
        }
        output
    }
    /// Returns a pointer to the first value of a matrix. Its strides may be negative, so other values may come
    /// before it in memory.
    ///
    /// # Panics
    /// If the matrix is empty, or its layout exceeds its storage.
    fn start(tensor: &FlexTensor) -> *const f32 {
        let (storage, layout) = (tensor.storage::<f32>(), tensor.layout());
        let (mut low, mut high) = (layout.start_offset() as isize, layout.start_offset() as isize);
        for (&size, &stride) in layout.shape().iter().zip(layout.strides()) {
            let reach = (size as isize - 1) * stride;
            low += reach.min(0);
            high += reach.max(0);
        }
        assert!(0 <= low && (high as usize) < storage.len(), "the tensor's layout exceeds its storage");
        storage.as_ptr().wrapping_add(layout.start_offset())
    }
}
