//! Rows of a matrix that is stored in parts.

use burn::tensor::{Int, Tensor};

/// Returns the rows of a matrix at the positions `rows`, in this order.
///
/// The matrix is given in `parts`, one below the other: a GPU limits the size of the tensors that a kernel reads. On
/// GPUs, this is a single launch, unless there are more parts than a kernel can have arguments.
///
/// # Shapes
/// - `parts`: `[rows of the part, columns]`
/// - `rows`: `[count]`, each from 0 to below the number of rows of all parts
/// - output: `[count, columns]`
///
/// # Panics
/// If there are no parts, or they differ in their number of columns. A row that is not there panics on a CPU, and is zero on a
/// GPU.
///
/// # Example
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use mnist_kernels::gather;
///
/// let device = Device::flex();
/// let parts = [
///     Tensor::<2>::from_floats([[0.0, 1.0], [2.0, 3.0]], &device),
///     Tensor::<2>::from_floats([[4.0, 5.0]], &device),
/// ];
/// let rows = Tensor::<1, Int>::from_ints([2, 0], &device);
/// assert_eq!(gather(&parts, rows).try_into_vec_as::<f32>()?, [4.0, 5.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gather(parts: &[Tensor<2>], rows: Tensor<1, Int>) -> Tensor<2> {
    #[cfg(feature = "wgpu")]
    if let Some(gathered) = crate::cube::gather::gather(parts, &rows) {
        return gathered;
    }
    Tensor::cat(parts.to_vec(), 0).select(0, rows)
}
