//! The least time that a kernel can take on this machine, from what its cores and caches reach.

use mnist_kernels::{fma_peak, load_bandwidth, update_bandwidth};
use serde::Serialize;

/// A buffer that fits into the L1 cache of every current CPU.
const L1_BUFFER: usize = 16 << 10;
/// A buffer that fits into most L2 caches, but into few L1 caches.
const L2_BUFFER: usize = 256 << 10;

/// What all threads of this machine reach together, measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Peaks {
    /// Multiply-adds in registers, in GFLOP/s. Each counts as two operations.
    pub fma_peak_gflops: f64,
    /// Loads from the L1 cache, in GB/s.
    pub l1_gb_per_second: f64,
    /// Loads from the L2 cache, in GB/s.
    pub l2_gb_per_second: f64,
    /// Reads and writes of values that are updated in place, in GB/s. The buffers are as large as Adam's tensors, so
    /// they are in the memory or cache from which Adam reads.
    pub memory_gb_per_second: f64,
}

impl Peaks {
    /// Measures the peaks. `memory` is the number of bytes that all threads together update in place.
    pub fn measure(memory: usize) -> Self {
        Self {
            fma_peak_gflops: fma_peak() / 1e9,
            l1_gb_per_second: load_bandwidth(L1_BUFFER) / 1e9,
            l2_gb_per_second: load_bandwidth(L2_BUFFER) / 1e9,
            memory_gb_per_second: update_bandwidth(memory / rayon::current_num_threads()) / 1e9,
        }
    }

    /// Returns the better of two measurements of each peak. Another program can only make a measurement worse.
    pub fn max(self, other: Self) -> Self {
        Self {
            fma_peak_gflops: self.fma_peak_gflops.max(other.fma_peak_gflops),
            l1_gb_per_second: self.l1_gb_per_second.max(other.l1_gb_per_second),
            l2_gb_per_second: self.l2_gb_per_second.max(other.l2_gb_per_second),
            memory_gb_per_second: self.memory_gb_per_second.max(other.memory_gb_per_second),
        }
    }

    /// Returns the least seconds for this work, and the resource that sets this limit.
    pub fn limit(&self, work: &Work) -> (f64, Resource) {
        let Work { flops, l1_bytes, l2_bytes, memory_bytes } = *work;
        let seconds = [
            (flops, self.fma_peak_gflops, Resource::Fma),
            (l1_bytes, self.l1_gb_per_second, Resource::L1),
            (l2_bytes, self.l2_gb_per_second, Resource::L2),
            (memory_bytes, self.memory_gb_per_second, Resource::Memory),
        ]
        .map(|(amount, peak, resource)| (amount as f64 / (1e9 * peak), resource));
        seconds.into_iter().max_by(|(a, _), (b, _)| a.total_cmp(b)).expect("four resources")
    }
}

/// The least work of a kernel with its algorithm.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// Floating-point operations. A multiply-add counts as two.
    pub flops: usize,
    /// Bytes that are loaded from the L1 cache because the registers cannot hold them.
    pub l1_bytes: usize,
    /// Bytes of the tensors, each read or written once.
    pub l2_bytes: usize,
    /// Bytes that Adam reads and writes.
    pub memory_bytes: usize,
}

/// The part of the machine that limits a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// The units that multiply and add.
    Fma,
    /// Loads from the L1 cache.
    L1,
    /// Loads from the L2 cache.
    L2,
    /// Reads and writes of Adam's tensors, in whichever cache or memory they fit.
    Memory,
}

impl Resource {
    /// Returns the name for a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fma => "FMA",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::Memory => "memory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Peaks, Resource, Work};

    #[test]
    fn slowest_resource_sets_the_limit() {
        let peaks = Peaks {
            fma_peak_gflops: 200.0,
            l1_gb_per_second: 400.0,
            l2_gb_per_second: 100.0,
            memory_gb_per_second: 50.0,
        };
        let work = Work { flops: 2_000_000, l1_bytes: 4_000_000, ..Work::default() };
        assert_eq!(peaks.limit(&Work { l1_bytes: 0, ..work }), (1e-5, Resource::Fma));
        assert_eq!(peaks.limit(&Work { flops: 0, ..work }), (1e-5, Resource::L1));
        assert_eq!(peaks.limit(&Work { l2_bytes: 2_000_000, ..work }), (2e-5, Resource::L2));
        assert_eq!(peaks.limit(&Work { memory_bytes: 2_000_000, ..work }), (4e-5, Resource::Memory));
    }
}
