//! Selection of the kernels' vector instructions at run time.
//!
//! Each kernel is written once, generic over [`pulp::Simd`]. `pulp` compiles it for each instruction set and
//! detects which of them the machine supports.

use std::sync::LazyLock;

#[cfg(target_arch = "aarch64")]
use pulp::aarch64::Neon;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use pulp::x86::{V3, V4};
use pulp::{Scalar128b, Simd, WithSimd};

/// A vector instruction set. Its `pulp` token proves that this machine supports it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum InstructionSet {
    /// 16 lanes, 32 registers.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx512(V4),
    /// 8 lanes, 16 registers, with fused multiply-add.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx2(V3),
    /// 4 lanes, 32 registers.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// 4 lanes of plain Rust, which the compiler translates to the target's instructions.
    Portable(Scalar128b),
}

static BEST: LazyLock<InstructionSet> = LazyLock::new(|| InstructionSet::available()[0]);

impl InstructionSet {
    /// Returns all instruction sets that this machine supports, fastest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            sets.extend(V4::try_new().map(Self::Avx512));
            sets.extend(V3::try_new().map(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        sets.extend(Neon::try_new().map(Self::Neon));
        sets.push(Self::Portable(Scalar128b));
        sets
    }

    /// Returns the fastest instruction set that this machine supports.
    pub(crate) fn best() -> Self {
        *BEST
    }

    /// Returns the name that a run records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx512(_) => "avx512",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
            Self::Portable(_) => "portable",
        }
    }

    /// Runs `operation`, compiled for this instruction set.
    pub(crate) fn run<Operation: WithSimd>(self, operation: Operation) -> Operation::Output {
        match self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx512(simd) => Simd::vectorize(simd, operation),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2(simd) => Simd::vectorize(simd, operation),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => Simd::vectorize(simd, operation),
            Self::Portable(simd) => Simd::vectorize(simd, operation),
        }
    }
}

/// Returns the vector instructions that the kernels for the CPU use on this machine: `avx512`, `avx2`, `neon` or
/// `portable`. The convolution gives the same bits with `avx512` and `avx2`, and rounds differently with others.
pub fn instruction_set() -> &'static str {
    InstructionSet::best().name()
}

/// Returns `a × b + c`, fused if the instruction set supports it.
///
/// The portable instruction set multiplies, then adds: its fused version in `pulp` would call the C library's
/// `fma` for each lane.
#[inline(always)]
pub(crate) fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if cfg!(target_arch = "aarch64") || S::F32_LANES > 4 {
        simd.mul_add_f32s(a, b, c)
    } else {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    }
}
