//! Measures the peak performance of the machine's cores, caches and memory.

use std::{hint::black_box, sync::Mutex, time::Instant};

use pulp::{Simd, WithSimd};

use crate::instruction_set::{InstructionSet, multiply_add};

/// Number of tries. The best counts, because other programs can only make a try slower.
const TRIES: usize = 10;
/// Number of independent sums: enough to hide the latency of a multiply-add, few enough to stay in registers.
const SUMS: usize = 12;
/// Number of multiply-adds of each sum in a try.
const ROUNDS: usize = 2_000_000;
/// Number of registers that the loads alternate between.
const LOADS: usize = 8;
/// Number of times that the loop is unrolled, so that the loop itself takes no time.
const TURNS: usize = 4;
/// Bytes that each thread moves in a try: enough to take milliseconds from the fastest cache.
const BYTES: usize = 1 << 29;
/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;
const LINE_VALUES: usize = LINE / size_of::<u32>();

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
    best_rate(|_| InstructionSet::best().run(MultiplyAdds))
}

/// Measures the bytes per second that all threads in the current Rayon pool together load into registers.
///
/// Each thread reads a buffer of its own again and again. The size of this buffer, in bytes, decides where it is:
/// 16 KiB fit into the L1 cache of every current CPU, and 256 KiB into most L2 caches. Returns the best of ten tries.
///
/// # Example
/// ```
/// let l1 = mnist_kernels::load_bandwidth(16 << 10);
/// println!("{:.0} GB/s", l1 / 1e9);
/// # assert!(l1 > 0.0);
/// ```
pub fn load_bandwidth(buffer: usize) -> f64 {
    bandwidth(buffer, |values, passes| {
        InstructionSet::best().run(Loads { values, passes });
        size_of_val(values) * passes
    })
}

/// Measures the bytes per second that all threads in the current Rayon pool together read and write when they update
/// values in place. Each value counts twice, because it is read and written.
///
/// Each thread updates a buffer of its own again and again, see [`load_bandwidth`].
///
/// # Example
/// ```
/// let memory = mnist_kernels::update_bandwidth(1 << 20);
/// println!("{:.0} GB/s", memory / 1e9);
/// # assert!(memory > 0.0);
/// ```
pub fn update_bandwidth(buffer: usize) -> f64 {
    bandwidth(buffer, |values, passes| {
        InstructionSet::best().run(Updates { values, passes });
        2 * size_of_val(values) * passes
    })
}

/// Gives each thread a buffer and measures the rate of `run`, which gets it with a number of passes and returns the
/// bytes that it moved.
fn bandwidth(buffer: usize, run: impl Fn(&mut [u32], usize) -> usize + Sync) -> f64 {
    let lines = buffer.div_ceil(LINE).next_multiple_of(LOADS * TURNS).max(LOADS * TURNS);
    let len = lines * LINE_VALUES;
    let passes = (BYTES / (lines * LINE)).max(1);
    // The thread that uses a buffer writes it first, so that its memory is close to the thread's core.
    let buffers = rayon::broadcast(|_| Mutex::new(vec![1_u32; len + LINE_VALUES]));
    best_rate(|thread| {
        let mut buffer = buffers[thread].lock().expect("no thread panics");
        let start = buffer.as_ptr().align_offset(LINE);
        run(&mut buffer[start..start + len], passes)
    })
}

/// Returns the best rate per second of what all threads together do. `run` gets the number of its thread and returns
/// how much it did.
fn best_rate(run: impl Fn(usize) -> usize + Sync) -> f64 {
    let tries = (0..TRIES).map(|_| {
        // Wakes the threads, so that the time does not include it.
        rayon::broadcast(|_| ());
        let start = Instant::now();
        let amounts: Vec<usize> = rayon::broadcast(|context| run(context.index()));
        amounts.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64()
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

struct Loads<'a> {
    values: &'a [u32],
    passes: usize,
}

impl WithSimd for Loads<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (registers, _) = S::as_simd_u32s(self.values);
        let (groups, _) = registers.as_chunks::<LOADS>();
        let (iterations, _) = groups.as_chunks::<TURNS>();
        let mut bits = [simd.splat_u32s(0); LOADS];
        // One loop over all passes: the end of an inner loop would be a branch that the CPU predicts wrongly.
        for iteration in iterations.iter().cycle().take(black_box(self.passes) * iterations.len()) {
            for group in iteration {
                for (bits, &register) in bits.iter_mut().zip(group) {
                    *bits = simd.or_u32s(*bits, register);
                }
            }
        }
        black_box(bits);
    }
}

struct Updates<'a> {
    values: &'a mut [u32],
    passes: usize,
}

impl WithSimd for Updates<'_> {
    type Output = ();

    /// Updates the values with plain Rust, which the compiler vectorizes.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for _ in 0..self.passes {
            for value in black_box(&mut *self.values) {
                *value = value.wrapping_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fma_peak, load_bandwidth, update_bandwidth};

    #[test]
    fn peak_is_finite_and_positive() {
        let peak = fma_peak();
        assert!(peak.is_finite() && peak > 0.0, "{peak}");
    }

    /// Only what differs several times is compared, because another program may slow down one of the measurements.
    #[test]
    fn caches_are_faster_than_memory() {
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let [l1, l2, memory] =
            [16 << 10, 256 << 10, 64 << 20].map(|buffer| one_thread.install(|| load_bandwidth(buffer)));
        assert!(memory.is_finite() && memory > 0.0, "{memory}");
        assert!(l1 > memory, "L1 {l1}, memory {memory}");
        assert!(l2 > 0.8 * memory, "L2 {l2}, memory {memory}");
    }

    #[test]
    fn buffers_of_any_size_are_measured() {
        for bytes in [0, 1000] {
            for rate in [load_bandwidth(bytes), update_bandwidth(bytes)] {
                assert!(rate.is_finite() && rate > 0.0, "{bytes}: {rate}");
            }
        }
    }
}
