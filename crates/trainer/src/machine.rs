//! The machine that trains, for those who read about it elsewhere.

use std::{env::consts, thread};

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// What computed, as far as a run's time depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name, or its kind where it has none.
    pub cpu: String,
    /// Logical cores that this process may use.
    pub cores: usize,
    /// The operating system and its version.
    pub os: String,
}

impl Machine {
    /// This one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_has_a_name_and_cores() {
        let machine = Machine::current();
        assert!(!machine.cpu.is_empty() && !machine.os.is_empty());
        assert!(machine.cores >= 1);
    }
}
