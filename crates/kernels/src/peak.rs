//! The machine's limit: how many multiply-adds it can do when nothing else slows it down.

use std::{hint::black_box, time::Instant};

use pulp::{Simd, WithSimd};

use crate::instruction_set::{InstructionSet, multiply_add};

/// Independent sums: enough to hide the latency of a multiply-add, few enough for the registers.
const SUMS: usize = 12;
const ROUNDS: usize = 2_000_000;

/// Measures how many floating-point operations per second all threads of the current Rayon pool reach
/// together, in multiply-adds from register to register: the best of several tries.
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
    fn peak_is_a_number_above_zero() {
        let peak = fma_peak();
        assert!(peak.is_finite() && peak > 0.0, "{peak}");
    }
}
