//! Comparison of the matrix product with Burn's own. Most values are small integers, whose sums are exact in f32
//! in any order, so the results must be equal.

mod difference;

use burn::tensor::{Device, Tensor, TensorData};
use mnist_kernels::matmul;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;

use difference::difference;

/// Rows, inner size and columns of products above and below the size from which several threads are used.
const SIZES: [[usize; 3]; 3] = [[64, 1600, 64], [130, 97, 90], [3, 4, 5]];

fn integers(shape: [usize; 2], seed: u64, device: &Device) -> Tensor<2> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape[0] * shape[1]).map(|_| generator.random_range(-2_i8..=2).into()).collect();
    Tensor::from_data(TensorData::new::<f32, _>(values, shape), device)
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// Returns the same matrix in different memory layouts.
fn forms(matrix: &Tensor<2>) -> [Tensor<2>; 4] {
    let [rows, columns] = matrix.dims();
    let padded = Tensor::cat(vec![matrix.zeros_like(), matrix.clone(), matrix.zeros_like()], 1);
    [
        matrix.clone(),
        Tensor::from_data(matrix.clone().transpose().into_data(), &matrix.device()).transpose(),
        Tensor::from_data(matrix.clone().flip([0, 1]).into_data(), &matrix.device()).flip([0, 1]),
        padded.slice([0..rows, columns..2 * columns]),
    ]
}

#[test]
fn products_equal_burns_in_every_memory_layout() {
    let device = Device::flex();
    for [rows, inner, columns] in SIZES {
        let (lhs, rhs) = (integers([rows, inner], 1, &device), integers([inner, columns], 2, &device));
        let expected = values(lhs.clone().matmul(rhs.clone()));
        for lhs in forms(&lhs) {
            for rhs in forms(&rhs) {
                let ours = values(matmul(lhs.clone(), rhs));
                assert_eq!(difference("product", &ours, &expected, |a, b| a - b == 0.0), None);
            }
        }
    }
}

#[test]
fn products_of_expanded_rows_equal_burns() {
    let device = Device::flex();
    let lhs = integers([1, 1600], 1, &device).expand([64, 1600]);
    let rhs = integers([1600, 64], 2, &device);
    assert_eq!(values(matmul(lhs.clone(), rhs.clone())), values(lhs.matmul(rhs)));
}

#[test]
fn gradients_equal_burns() {
    let device = Device::flex().autodiff();
    for [rows, inner, columns] in SIZES {
        let gradients = |product: fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
            let lhs = integers([rows, inner], 1, &device).require_grad();
            let rhs = integers([inner, columns], 2, &device).require_grad();
            let weights = integers([rows, columns], 3, &device);
            let gradients = (product(lhs.clone(), rhs.clone()) * weights).sum().backward();
            [lhs.grad(&gradients).unwrap(), rhs.grad(&gradients).unwrap()].map(values)
        };
        assert_eq!(gradients(matmul), gradients(Tensor::matmul));
    }
}

#[test]
fn nan_and_infinity_propagate_as_in_burns_product() {
    let device = Device::flex();
    for odd in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let lhs = integers([64, 1600], 1, &device);
        let lhs = lhs.slice_assign([3..4, 5..6], Tensor::full([1, 1], odd, &device));
        let rhs = integers([1600, 64], 2, &device);
        let (ours, theirs) = (values(matmul(lhs.clone(), rhs.clone())), values(lhs.matmul(rhs)));
        let same = |a: f32, b: f32| a.total_cmp(&b).is_eq() || a.is_nan() && b.is_nan();
        assert_eq!(difference("product", &ours, &theirs, same), None, "with {odd}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let device = Device::flex();
    // The sums of fractions depend on their order.
    let lhs = integers([64, 1600], 1, &device) / 3.0;
    let rhs = integers([1600, 64], 2, &device) / 7.0;
    let with_threads = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| values(matmul(lhs.clone(), rhs.clone())))
    };
    let alone = with_threads(1);
    for threads in [2, 3, 16] {
        let same_bits = |a: f32, b: f32| a.to_bits() == b.to_bits();
        let difference = difference("product", &with_threads(threads), &alone, same_bits);
        assert_eq!(difference, None, "{threads} threads");
    }
}

#[test]
#[should_panic(expected = "lhs must have as many columns as rhs has rows")]
fn mismatched_shapes_panic() {
    matmul(Tensor::zeros([2, 3], &Device::flex()), Tensor::zeros([4, 2], &Device::flex()));
}
