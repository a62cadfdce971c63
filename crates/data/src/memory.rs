//! The amount of free memory.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Returns the available memory in bytes, within the limit of the container if there is one.
pub(crate) fn available() -> u64 {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory);
    // `free_memory` would count cached file pages as used: after hashing a large data set, no memory would seem to be
    // left for whitening.
    let in_container =
        system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
    system.available_memory().min(in_container)
}
