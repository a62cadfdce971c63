//! The machine that a run was trained on.

use std::{env::consts, thread};

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// The properties of a machine that training time depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name, or its architecture if it has none.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: usize,
    /// The operating system and its version.
    pub os: String,
}

impl Machine {
    /// Returns the machine of this process.
    pub fn current() -> Self {
        let with_cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(with_cpus);
        let name = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
        Self {
            cpu: name.filter(|name| !name.is_empty()).unwrap_or_else(|| consts::ARCH.into()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            os: System::long_os_version().unwrap_or_else(|| consts::OS.into()),
        }
    }
}
