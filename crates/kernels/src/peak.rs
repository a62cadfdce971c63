//! A measurement of the machine's peak floating-point performance.

use std::{hint::black_box, time::Instant};

use pulp::{Simd, WithSimd};

use crate::instruction_set::{InstructionSet, multiply_add};

/// Number of independent sums: enough to hide the latency of a multiply-add, few enough to stay in registers.
const SUMS: usize = 12;
const ROUNDS: usize = 2_000_000;

/// Measures the peak floating-point operations per second of all threads in the current Rayon pool together.
///
/// The threads run multiply-adds on registers, without access to memory. Each counts as two operations. Returns
/// the best of ten tries.
///
/// # Example
/// ```
/// let peak = mnist_kernels::fma_peak();
/// println!("{:.0} GFLOP/s", peak / 1e9);
/// # assert!(peak > 0.0);
/// ```
pub fn fma_peak() -> f64 {
    let tries = (0..10).map(|_| {
        let start = Instant::now();
        let flops: Vec<usize> = rayon::broadcast(|_| InstructionSet::best().run(MultiplyAdds));
        flops.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64()
    });
    tries.fold(0.0, f64::max)
}

struct MultiplyAdds;

impl WithSimd for MultiplyAdds {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let factor = black_box(simd.splat_f32s(0.999));
        let summand = black_box(simd.splat_f32s(0.001));
        let mut sums = [simd.splat_f32s(1.0); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = multiply_add(simd, *sum, factor, summand);
            }
        }
        black_box(sums);
        2 * S::F32_LANES * SUMS * ROUNDS
    }
}

#[cfg(test)]
mod tests {
    use super::fma_peak;

    #[test]
    fn peak_is_finite_and_positive() {
        let peak = fma_peak();
        assert!(peak.is_finite() && peak > 0.0, "{peak}");
    }
}
