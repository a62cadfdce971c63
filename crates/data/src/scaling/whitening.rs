//! ZCA whitening: x ↦ x·U·diag(1/√(s + ε))·Uᵀ, where U·diag(s)·Uᵀ is the second moment of the centered training images,
//! as in Keras' `ImageDataGenerator.fit`. Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny
//! Images" (2009), appendix A.
//!
//! All computations are in `f64`: in `f32`, rounding errors would be larger than the small eigenvalues.

use std::fmt;

use faer::{
    Accum, MatMut, MatRef, Par, Side,
    linalg::{matmul::matmul, solvers::SelfAdjointEigen},
};
use rayon::prelude::*;

use super::Scaling;
use crate::{DataError, Progress, ScalingError, images::ImageShape, memory};

/// Number of columns of a matrix that one thread computes. It is fixed because the shape of a product may affect its
/// last bits.
const COLUMNS: usize = 64;

/// Number of images that one product whitens, fixed for the same reason.
const IMAGES: usize = 32;

/// A matrix that whitens centered images of d values each.
#[derive(Clone, PartialEq)]
pub struct Whitening {
    /// d numbers, ascending.
    pub(super) eigenvalues: Vec<f64>,
    /// d×d, symmetric.
    pub(super) matrix: Vec<f64>,
}

impl fmt::Debug for Whitening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [smallest, largest] = [self.eigenvalues.first(), self.eigenvalues.last()];
        write!(f, "whitening of {} values, eigenvalues {smallest:?} to {largest:?}", self.eigenvalues.len())
    }
}

impl Whitening {
    pub(super) fn new(eigenvalues: Vec<f64>, matrix: Vec<f64>) -> Self {
        Self { eigenvalues, matrix }
    }

    /// Returns the variances along the principal directions of the centered training images, ascending, in squared
    /// units of the pixels before whitening.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// Returns the symmetric d×d matrix.
    pub fn matrix(&self) -> &[f64] {
        &self.matrix
    }

    /// Whitens centered images, d values each.
    pub(super) fn apply(&self, centered: &[f64]) -> Vec<f32> {
        let values = self.eigenvalues.len();
        let matrix = MatRef::from_column_major_slice(&self.matrix, values, values);
        let mut whitened = vec![0.0_f32; centered.len()];
        whitened.par_chunks_mut(IMAGES * values).zip(centered.par_chunks(IMAGES * values)).for_each_init(
            || [vec![0.0; IMAGES * values], vec![0.0; IMAGES * values]],
            |[padded, product], (whitened, centered)| {
                padded[..centered.len()].copy_from_slice(centered);
                let images = MatRef::from_column_major_slice(padded, values, IMAGES);
                let columns = MatMut::from_column_major_slice_mut(product, values, IMAGES);
                matmul(columns, Accum::Replace, matrix, images, 1.0, Par::Seq);
                for (whitened, &value) in whitened.iter_mut().zip(product.iter()) {
                    *whitened = value as f32;
                }
            },
        );
        whitened
    }
}

/// The sums Σ x·xᵀ and Σ x over images of d values.
pub(super) struct SecondMoment {
    values: usize,
    images: usize,
    /// Lower triangle of a d×d matrix, column by column.
    products: Vec<f64>,
    sums: Vec<f64>,
}

impl SecondMoment {
    pub(super) fn new(values: usize) -> Self {
        Self { values, images: 0, products: vec![0.0; values * values], sums: vec![0.0; values] }
    }

    /// Adds complete images.
    pub(super) fn add(&mut self, images: &[f64]) {
        self.images += images.len() / self.values;
        for image in images.chunks_exact(self.values) {
            for (sum, value) in self.sums.iter_mut().zip(image) {
                *sum += value;
            }
        }
        add_products(&mut self.products, images, self.values);
    }

    /// Computes the whitening for images that are first multiplied by `unit` and then reduced by `mean`, which has one
    /// number per value, in rescaled units. The sums are over the original values.
    pub(super) fn whitening(
        mut self,
        mean: &[f64],
        unit: f64,
        epsilon: f64,
        progress: &mut Progress,
    ) -> Result<Whitening, ScalingError> {
        let mut go_on = |step: &str| {
            let stopped = progress(step, 0, None).is_break();
            if stopped { Err(ScalingError::Data(DataError::Interrupted)) } else { Ok(()) }
        };
        let (d, count) = (self.values, self.images as f64);
        let averages: Vec<f64> = self.sums.iter().map(|sum| unit * sum / count).collect();
        // Σ (x − μ)(x − μ)ᵀ / n, where several positions may share one μ.
        self.products.par_chunks_mut(d).enumerate().for_each(|(column, products)| {
            for (row, product) in products.iter_mut().enumerate().skip(column) {
                *product = unit * unit * *product / count
                    - mean[row] * averages[column]
                    - averages[row] * mean[column]
                    + mean[row] * mean[column];
            }
        });
        go_on("computing the eigenvectors for zca_whitening")?;
        let eigen = SelfAdjointEigen::new(MatRef::from_column_major_slice(&self.products, d, d), Side::Lower);
        drop(self.products);
        let eigen = eigen
            .map_err(|_| ScalingError::Invalid("the eigenvalues for zca_whitening do not converge".into()))?;
        // Numbers below zero are rounding errors.
        let eigenvalues: Vec<f64> = (0..d).map(|index| eigen.S()[index].max(0.0)).collect();

        go_on("multiplying the eigenvectors for zca_whitening")?;
        // W = A·Aᵀ with A = U·diag((s + ε)^(−1/4)).
        let mut roots = vec![0.0; d * d];
        roots.par_chunks_mut(d).enumerate().for_each(|(column, root)| {
            let factor = (eigenvalues[column] + epsilon).powf(-0.25);
            for (row, root) in root.iter_mut().enumerate() {
                *root = factor * eigen.U()[(row, column)];
            }
        });
        drop(eigen);
        let mut matrix = vec![0.0; d * d];
        add_products(&mut matrix, &roots, d);
        drop(roots);
        for column in 0..d {
            for row in 0..column {
                matrix[column * d + row] = matrix[row * d + column];
            }
        }
        Ok(Whitening::new(eigenvalues, matrix))
    }
}

/// Adds x·xᵀ for each vector x of `values` numbers to the lower triangle of a square matrix, column by column.
fn add_products(matrix: &mut [f64], vectors: &[f64], values: usize) {
    let vectors = MatRef::from_column_major_slice(vectors, values, vectors.len() / values);
    matrix.par_chunks_mut(COLUMNS * values).enumerate().for_each(|(part, columns)| {
        let (first, count) = (part * COLUMNS, columns.len() / values);
        let columns = MatMut::from_column_major_slice_mut(columns, values, count);
        matmul(
            columns.subrows_mut(first, values - first),
            Accum::Add,
            vectors.subrows(first, values - first),
            vectors.subrows(first, count).transpose(),
            1.0,
            Par::Seq,
        );
    });
}

/// The cost of fitting a ZCA whitening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WhiteningCost {
    /// Number of values per image: the side of the matrix.
    pub values: usize,
    /// Number of training images.
    pub images: usize,
    /// Peak memory, in bytes.
    pub bytes: u64,
    /// Rough estimate of the time on this machine, in seconds.
    pub seconds: f64,
}

impl Scaling {
    /// Returns the cost of fitting the whitening, if the scaling has one.
    pub fn whitening_cost(&self, shape: ImageShape, images: usize) -> Option<WhiteningCost> {
        self.zca_whitening.then(|| WhiteningCost::of(shape.pixels(), images))
    }
}

impl WhiteningCost {
    fn of(values: usize, images: usize) -> Self {
        let side = values as f64;
        // Matrices for the sums, the eigenvectors, their workspace, and the roots or the result; and one block of
        // images as `f64`.
        let bytes = 5 * 8 * (values as u64).pow(2) + (64 << 20);
        // Speeds of a core of 2024. Products run in parallel, the eigenproblem does not.
        let products = images as f64 * side * side / (20e9 * rayon::current_num_threads() as f64);
        Self { values, images, bytes, seconds: products + 3e-10 * side.powi(3) }
    }

    /// Returns whether there are too few images to measure the variance along every direction. Along a direction
    /// without variance, whitening multiplies by 1/√ε.
    pub fn lacks_images(&self) -> bool {
        self.images <= self.values
    }

    /// Checks that fitting fits in memory.
    ///
    /// # Errors
    /// When fitting needs more memory than is free.
    pub fn check_memory(&self) -> Result<(), ScalingError> {
        let available = memory::available();
        if self.bytes <= available {
            return Ok(());
        }
        Err(ScalingError::TooLarge { values: self.values, bytes: self.bytes, available })
    }
}
