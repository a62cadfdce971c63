//! Backends: which were compiled in, and opening one.

use std::{fmt, num::NonZeroU32, str::FromStr};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// What computes the tensors. Each backend is a feature of this crate with the same name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Burn's CPU backend.
    #[default]
    Flex,
    /// Burn's older CPU backend.
    Ndarray,
    /// Any GPU, through Vulkan, Metal, DirectX 12 or OpenGL.
    Wgpu,
}

impl Backend {
    /// All backends, in the order they are listed to users.
    pub const ALL: [Self; 3] = [Self::Flex, Self::Ndarray, Self::Wgpu];

    /// Its name in settings and as a feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
        }
    }

    /// Whether it computes on a GPU.
    pub fn is_gpu(self) -> bool {
        self == Self::Wgpu
    }

    /// This machine's devices for it; `None` if this build does not include the backend.
    pub fn devices(self) -> Option<Vec<Device>> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Some(vec![Device::flex()]),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)] // Burn deprecates the backend, not its use while it is there.
            Self::Ndarray => Some(vec![Device::ndarray()]),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Some(Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec()),
            #[allow(unreachable_patterns)] // Reached by the backends left out of this build.
            _ => None,
        }
    }

    /// Opens its first device.
    ///
    /// # Errors
    /// When the backend is not in this build, or finds no device.
    pub fn open(self) -> Result<Device, TrainingError> {
        let devices = self.devices().ok_or(TrainingError::BackendNotBuilt(self.name()))?;
        devices.into_iter().next().ok_or(TrainingError::NoDevice(self.name()))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(|| format!("unknown backend `{name}`, expected one of: {names}"))
    }
}

/// The name of a device, as people read it.
pub fn describe(device: &Device) -> String {
    let debug = format!("{device:?}");
    debug.strip_prefix("Device<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(&debug).to_owned()
}

/// The CPU backend to make Burn's default device, if this build has one.
///
/// Burn loads optimizer records onto its default device, which is a GPU in a build that has `wgpu`: resuming
/// on the CPU would then start a GPU, or panic if there is none. A program therefore sets the environment
/// variable `BURN_DEVICE` to this backend's [`name`](Backend::name) before it starts a thread.
pub fn default_cpu() -> Option<Backend> {
    if cfg!(feature = "flex") {
        Some(Backend::Flex)
    } else if cfg!(feature = "ndarray") {
        Some(Backend::Ndarray)
    } else {
        None
    }
}

/// Runs `work` on a pool of this many CPU threads, by default one per core.
///
/// One of the pool's threads runs `work` itself. An operation then starts at once on the calling thread, and
/// the other threads join in. The thread that prepares batches decodes and scales on a pool of the same size.
///
/// # Errors
/// When there are too many threads, the system starts none, or `work` fails.
pub fn in_pool<T: Send, E: From<TrainingError> + Send>(
    threads: Option<NonZeroU32>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    /// As large as that of a main thread.
    const STACK: usize = 8 << 20;
    /// More than any machine has cores. With millions, the system would kill the process.
    const MOST: usize = 1024;
    let count = threads.map_or(0, |threads| threads.get() as usize);
    if count > MOST {
        return Err(TrainingError::TooManyThreads { asked_for: count, most: MOST }.into());
    }
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(count).stack_size(STACK);
    // Another caller may have built the global pool already.
    let _ = pool().build_global();
    pool().build().map_err(|_| TrainingError::Threads(count))?.install(work)
}
