//! Counts the kernels that the process launches on GPUs.

use std::collections::BTreeMap;

/// Runs `work`, and returns its result and the number of launches of each kernel meanwhile, by all threads of the
/// process. Without the feature `wgpu`, there are none.
pub fn count_launches<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<String, usize>) {
    #[cfg(feature = "wgpu")]
    {
        let launches = std::sync::Arc::new(counting::Launches::default());
        let observation = cubecl::logging::LaunchObservation::new(launches.clone());
        let result = work();
        drop(observation);
        (result, launches.by_name())
    }
    #[cfg(not(feature = "wgpu"))]
    (work(), BTreeMap::new())
}

#[cfg(feature = "wgpu")]
mod counting {
    use std::{
        collections::BTreeMap,
        sync::{Mutex, PoisonError},
    };

    use cubecl::logging::LaunchObserver;

    #[derive(Default)]
    pub(super) struct Launches(Mutex<BTreeMap<&'static str, usize>>);

    impl Launches {
        /// Returns the launches by the readable names of the kernels.
        pub(super) fn by_name(&self) -> BTreeMap<String, usize> {
            let launches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut by_name = BTreeMap::new();
            for (name, count) in &*launches {
                *by_name.entry(name.to_string()).or_default() += count;
            }
            by_name
        }
    }

    impl LaunchObserver for Launches {
        fn launched(&self, kernel: &'static str) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(kernel).or_default() += 1;
        }
    }
}
