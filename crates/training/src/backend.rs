//! The backends of this build, and how to open one.

use std::{fmt, num::NonZeroU32, str::FromStr};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// A backend, which computes the tensors. Each one is a feature of this crate with the same name.
///
/// Text names it as `flex`, `ndarray` or `wgpu`. `auto` is [`best`](Self::best).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "String")]
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

    /// Returns whether this build includes the backend.
    pub fn is_built(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu"),
        }
    }

    /// Returns the fastest backend of this build on this machine: a GPU if there is one, else the CPU. A program that
    /// draws on the CPU does not count as a GPU.
    pub fn best() -> Self {
        #[cfg(feature = "wgpu")]
        if adapters::adapter(0).is_ok_and(|adapter| adapter.is_hardware) {
            return Self::Wgpu;
        }
        default_cpu().unwrap_or_default()
    }

    /// Describes this machine's devices for the backend, in the order of their numbers: GPUs with their own memory come
    /// first, software that imitates a GPU last. A GPU is opened to find out. The list is empty if this build does not
    /// include the backend.
    pub fn devices(self) -> Vec<String> {
        match self {
            #[cfg(feature = "wgpu")]
            Self::Wgpu => {
                (0..).map_while(|number| Some(adapters::adapter(number).ok()?.describe())).collect()
            }
            _ => self.open().iter().map(describe).collect(),
        }
    }

    /// Opens the first device.
    ///
    /// # Errors
    /// As for [`open_device`](Self::open_device).
    pub fn open(self) -> Result<Device, TrainingError> {
        self.open_device(0)
    }

    /// Opens a device by its number, counted from 0.
    ///
    /// # Errors
    /// When the backend is not in this build, or finds no device of that number.
    pub fn open_device(self, number: usize) -> Result<Device, TrainingError> {
        let cpu = |device: Device| match number {
            0 => Ok(device),
            _ => Err(TrainingError::NoDevice { backend: self.name(), number, reason: String::new() }),
        };
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => cpu(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)] // Burn deprecates the whole backend, but still ships it.
            Self::Ndarray => cpu(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => match adapters::adapter(number) {
                Ok(adapter) => Ok(adapter.device),
                Err(reason) => Err(TrainingError::NoDevice { backend: self.name(), number, reason }),
            },
            #[allow(unreachable_patterns)] // Reachable when a backend is left out.
            _ => {
                let _ = cpu;
                Err(TrainingError::BackendNotBuilt(self.name()))
            }
        }
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
        if name == AUTO {
            return Ok(Self::best());
        }
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(|| format!("unknown backend `{name}`, expected one of: {names}, {AUTO}"))
    }
}

/// What text calls the [best](Backend::best) backend.
pub const AUTO: &str = "auto";

impl TryFrom<String> for Backend {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

/// Returns the readable name of a device.
pub fn describe(device: &Device) -> String {
    #[cfg(feature = "wgpu")]
    if let Some(adapter) = adapters::opened(device) {
        return adapter.describe();
    }
    let debug = format!("{device:?}");
    debug.strip_prefix("Device<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(&debug).to_owned()
}

/// Returns whether a device of any backend is a GPU. It then computes while the CPU goes on.
pub fn is_gpu(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    let is_cpu = |backend: Backend| !backend.is_gpu() && backend.open().is_ok_and(|cpu| cpu == device);
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

/// Returns whether this process has opened a GPU, or has tried to.
pub fn is_gpu_used() -> bool {
    #[cfg(feature = "wgpu")]
    return adapters::is_used();
    #[cfg(not(feature = "wgpu"))]
    false
}

/// Waits until the GPUs that this process has used have finished. A program should do so before it ends: drivers can crash
/// if they are unloaded while a GPU still works.
pub fn wait_for_gpus() {
    #[cfg(feature = "wgpu")]
    adapters::wait();
}

/// The graphics adapters that wgpu finds.
#[cfg(feature = "wgpu")]
mod adapters {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    };

    use burn::tensor::{Device, DeviceKind, wgpu::wgpu};

    /// Whether this process has opened an adapter, or has tried to. A panic hook reads it, so it must not need a lock.
    static IS_USED: AtomicBool = AtomicBool::new(false);

    /// Adapters that this process has opened, in the order of their numbers. Burn opens each only once.
    static OPENED: Mutex<Vec<Adapter>> = Mutex::new(Vec::new());

    /// An opened adapter.
    #[derive(Debug, Clone)]
    pub(super) struct Adapter {
        pub(super) device: Device,
        kind: DeviceKind,
        /// Whether it is a GPU, and not software that imitates one.
        pub(super) is_hardware: bool,
        info: wgpu::AdapterInfo,
    }

    impl Adapter {
        /// Returns its name, kind, driver and graphics interface.
        pub(super) fn describe(&self) -> String {
            let kind = match self.info.device_type {
                wgpu::DeviceType::DiscreteGpu => "discrete GPU",
                wgpu::DeviceType::IntegratedGpu => "integrated GPU",
                wgpu::DeviceType::VirtualGpu => "virtual GPU",
                wgpu::DeviceType::Cpu => "software on the CPU",
                wgpu::DeviceType::Other => "other kind",
            };
            let wgpu::AdapterInfo { name, driver, driver_info, backend, .. } = &self.info;
            let driver = [driver.as_str(), driver_info.as_str()].join(" ");
            let driver = if driver.trim().is_empty() { "unknown driver" } else { driver.trim() };
            format!("{name} ({kind}, {driver}, {backend:?})")
        }
    }

    /// Returns the adapter with this number. Opens all before it, too.
    pub(super) fn adapter(number: usize) -> Result<Adapter, String> {
        IS_USED.store(true, Ordering::Relaxed);
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reason = String::new();
        for kinds in KINDS {
            for kind in (0..).map_while(kinds) {
                if opened.len() > number {
                    break;
                }
                if opened.iter().any(|adapter| adapter.kind == kind) {
                    continue;
                }
                match Device::wgpu_options().device_kind(kind.clone()).init_with_setup() {
                    Ok((device, setup)) => {
                        let info = setup.adapter.get_info();
                        let is_hardware = info.device_type != wgpu::DeviceType::Cpu;
                        opened.push(Adapter { device, kind, is_hardware, info });
                    }
                    Err(error) => {
                        reason = error.to_string();
                        // There are no more adapters of this kind.
                        break;
                    }
                }
            }
        }
        opened.get(number).cloned().ok_or(reason)
    }

    pub(super) fn wait() {
        for adapter in &*OPENED.lock().unwrap_or_else(PoisonError::into_inner) {
            // The result was reported already; an error now changes nothing.
            let _ = adapter.device.sync();
        }
    }

    pub(super) fn is_used() -> bool {
        IS_USED.load(Ordering::Relaxed)
    }

    /// Returns the opened adapter of a device.
    pub(super) fn opened(device: &Device) -> Option<Adapter> {
        let device = device.clone().without_autodiff();
        let opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        opened.iter().find(|adapter| adapter.device == device).cloned()
    }

    /// Kinds of adapters, the fastest first. Each function returns the adapter of a number within its kind.
    const KINDS: [fn(usize) -> Option<DeviceKind>; 4] = [
        |number| Some(DeviceKind::DiscreteGpu(number)),
        |number| Some(DeviceKind::IntegratedGpu(number)),
        |number| Some(DeviceKind::VirtualGpu(number)),
        |number| (number == 0).then_some(DeviceKind::Cpu),
    ];
}
