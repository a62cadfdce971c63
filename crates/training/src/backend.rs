//! The backends of this build, and how to open one.

use std::{fmt, num::NonZeroU32, str::FromStr};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// A backend, which computes the tensors. Each one is a feature of this crate with the same name.
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
    /// All backends, in the order of the help and the messages.
    pub const ALL: [Self; 3] = [Self::Flex, Self::Ndarray, Self::Wgpu];

    /// Returns the name, as in settings and features.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
        }
    }

    /// Returns whether the backend computes on a GPU.
    pub fn is_gpu(self) -> bool {
        self == Self::Wgpu
    }

    /// Returns this machine's devices for the backend, or `None` if this build does not include it.
    pub fn devices(self) -> Option<Vec<Device>> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Some(vec![Device::flex()]),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)] // Burn deprecates the whole backend, but still ships it.
            Self::Ndarray => Some(vec![Device::ndarray()]),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Some(Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec()),
            #[allow(unreachable_patterns)] // Reachable when a backend is left out.
            _ => None,
        }
    }

    /// Opens the first device.
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

/// Returns the readable name of a device.
pub fn describe(device: &Device) -> String {
    let debug = format!("{device:?}");
    debug.strip_prefix("Device<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(&debug).to_owned()
}

/// Returns whether a device of any backend is a GPU. It then computes while the CPU goes on.
pub fn is_gpu(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    let is_cpu = |backend: Backend| {
        !backend.is_gpu() && backend.devices().is_some_and(|devices| devices.contains(&device))
    };
    !Backend::ALL.into_iter().any(is_cpu)
}

/// Returns the CPU backend to use as Burn's default device, if this build has one.
///
/// Burn loads optimizer records onto its default device. In a build with `wgpu` that is a GPU, so resuming on the
/// CPU would start the GPU, or panic if there is none. A program should therefore set the environment variable
/// `BURN_DEVICE` to this backend's [`name`](Backend::name) before it starts a thread.
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
/// One of the pool's threads runs `work` itself. An operation then starts at once on the calling thread, and the
/// other threads join in. The thread that prepares batches decodes and scales on a second pool of the same size.
///
/// # Errors
/// When `threads` is above 1,024, the system cannot start the threads, or `work` fails.
pub fn in_pool<T: Send, E: From<TrainingError> + Send>(
    threads: Option<NonZeroU32>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    /// Stack size of a thread in bytes, as large as a main thread's.
    const STACK: usize = 8 << 20;
    /// Largest number of threads, above any machine's number of cores. With millions, the system would kill the
    /// process.
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
