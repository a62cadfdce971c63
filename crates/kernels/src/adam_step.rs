//! The numbers that the kernels of Adam share: Flex's and the GPUs'.

/// The factors of one step, see [`Adam`](crate::Adam).
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) beta_1: f32,
    pub(crate) beta_2: f32,
    /// √(1 − β₂ᵗ) / (1 − β₁ᵗ)
    pub(crate) factor: f32,
    /// ε √(1 − β₂ᵗ)
    pub(crate) epsilon: f32,
    pub(crate) learning_rate: f32,
}
