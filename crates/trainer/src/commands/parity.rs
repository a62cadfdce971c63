//! `parity`: checks that each backend computes the same as Flex, up to rounding.

use anyhow::{Result, bail};
use mnist_data::Scaling;
use mnist_model::Kernels;
use mnist_training::{
    Backend, DatasetSettings, ExperimentData, Observer,
    backend::{describe, in_pool},
    dataset::fit,
    parity::{Check, Implementation, check},
    settings::Overrides,
};
use serde::Serialize;

use super::open_devices;
use crate::{cli::ParityArgs, layout::table, terminal::Terminal};

/// Number of test images. They take less time than the training.
const TEST_IMAGES: usize = 2_000;

#[derive(Serialize)]
struct ParityResult {
    backends: Vec<BackendResult>,
}

#[derive(Serialize)]
struct BackendResult {
    backend: &'static str,
    device: String,
    ok: bool,
    checks: Vec<Check>,
}

pub fn run(args: ParityArgs, terminal: &Terminal) -> Result<()> {
    in_pool(args.threads, || compare_all(args, terminal))
}

fn compare_all(args: ParityArgs, terminal: &Terminal) -> Result<()> {
    let devices = open_devices(args.backend, args.device)?;
    let flex = Backend::Flex.open()?;
    let dataset = DatasetSettings::resolve(&args.dataset.over(Overrides::default()))?;
    let mut data = ExperimentData::open_unchecked(&dataset, terminal)?;
    data.train = data.train.first(args.limit.get() as usize);
    data.test = data.test.first(TEST_IMAGES);
    let fitted = fit(&"standardize".parse::<Scaling>()?, &data.train, terminal)?.into();

    let mut result = ParityResult { backends: Vec::new() };
    for (backend, device) in devices {
        terminal.note(&format!("checking {backend} …"));
        // Flex' kernels are compared with Burn's own operations, all others with Flex' kernels.
        let kernels = if backend == Backend::Flex { Kernels::Primitives } else { Kernels::Fused };
        let reference = Implementation { device: flex.clone(), kernels };
        let tested = Implementation { device, kernels: Kernels::Fused };
        let checks = check(&tested, &reference, &data, &fitted, terminal)?;
        let ok = checks.iter().all(|check| check.ok);
        let device = describe(&tested.device);
        result.backends.push(BackendResult { backend: backend.name(), device, ok, checks });
    }
    terminal.result(&result, || describe_all(&result))?;
    let wrong = result.backends.iter().filter(|backend| !backend.ok).map(|backend| {
        let names = backend.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str());
        format!("{} differs from flex in: {}", backend.backend, names.collect::<Vec<_>>().join("; "))
    });
    let wrong = wrong.collect::<Vec<_>>();
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("; ")) }
}

fn describe_all(result: &ParityResult) -> String {
    let rows = result.backends.iter().flat_map(|backend| {
        backend.checks.iter().map(|check| {
            [
                backend.backend.to_owned(),
                check.name.clone(),
                format!("{:.1e}", check.error),
                format!("{:.0e}", check.tolerance),
                if check.ok { "ok".to_owned() } else { "DIFFERS".to_owned() },
            ]
        })
    });
    table(["backend", "check", "difference", "tolerance", ""], rows)
}
