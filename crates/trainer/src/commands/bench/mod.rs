//! `bench`: measures how fast this machine trains, predicts and prepares data, with each backend.

#[cfg(feature = "flex")]
mod kernels;

use anyhow::Result;
use mnist_data::Scaling;
use mnist_kernels::fma_peak;
use mnist_model::Kernels;
use mnist_training::{
    Backend, DatasetSettings, ExperimentData, Observer,
    backend::in_pool,
    dataset::fit,
    settings::{BATCH_SIZE, Overrides},
};
use serde::Serialize;

use super::open_devices;
use crate::{
    bench::{self, Benchmark, Measurement, Spread, Throughput},
    cli::BenchArgs,
    layout::{fit_stdout, table},
    terminal::Terminal,
};

#[derive(Serialize)]
struct BenchResult {
    /// Peak of the CPU, in GFLOP/s.
    fma_peak_gflops: f64,
    results: Vec<Measurement>,
    /// Speed of the data preparation.
    data: Throughput,
}

pub fn run(args: BenchArgs, terminal: &Terminal) -> Result<()> {
    in_pool(args.threads, || measure(args, terminal))
}

fn measure(args: BenchArgs, terminal: &Terminal) -> Result<()> {
    if args.kernels {
        #[cfg(feature = "flex")]
        return kernels::measure(args, terminal);
        #[cfg(not(feature = "flex"))]
        return Err(crate::command_error::UsageError(
            "--kernels needs a build with the feature `flex`".into(),
        )
        .into());
    }
    let devices = open_devices(args.backend, args.device)?;
    let (benchmark, data) = open(args, "normalize", terminal)?;

    let mut results = Vec::new();
    for (backend, device) in &devices {
        terminal.note(&format!("timing {backend} …"));
        results.push(benchmark.run(*backend, device, &data, terminal)?);
    }
    let fma_peak_gflops = fma_peak() / 1e9;
    terminal.note("timing data preparation …");
    let scaling = "standardize".parse()?;
    let data = bench::throughput(&scaling, &data.train, benchmark.batch_size, &devices[0].1, terminal)?;
    let result = BenchResult { fma_peak_gflops, results, data };
    terminal.result(&result, || describe(&result))
}

/// Opens the data set, and returns the settings of the measurement with it.
fn open(args: BenchArgs, scaling: &str, terminal: &Terminal) -> Result<(Benchmark, ExperimentData)> {
    let dataset = DatasetSettings::resolve(&args.dataset.over(Overrides::default()))?;
    let data = ExperimentData::open_unchecked(&dataset, terminal)?;
    let benchmark = Benchmark {
        batch_size: args.batch_size.unwrap_or(BATCH_SIZE).get() as usize,
        steps: args.steps.get() as usize,
        kernels: if args.primitives { Kernels::Primitives } else { Kernels::Fused },
        scaling: fit(&scaling.parse::<Scaling>()?, &data.train, terminal)?.into(),
    };
    Ok((benchmark, data))
}

fn describe_data(data: &Throughput) -> String {
    let Throughput { scaling, images, batch_size, .. } = data;
    format!(
        "Data preparation: fitting {scaling} on {images} images {:.2} GB/s, shuffled batches of {batch_size} {:.2} GB/s ({:.0} images/s), copying memory {:.2} GB/s",
        data.fit_gb_per_second.median,
        data.batch_gb_per_second.median,
        data.batch_images_per_second.median,
        data.copy_gb_per_second.median
    )
}

fn describe(result: &BenchResult) -> String {
    let spread = |Spread { median, min, max }: Spread, digits: usize| {
        format!("{median:.digits$} ({min:.digits$} to {max:.digits$})")
    };
    let row = |measured: &Measurement| {
        // The measured peak is the CPU's, not the GPU's.
        let share = if measured.backend == Backend::Wgpu.name() {
            String::new()
        } else {
            format!(", {:.0}% of peak", 100.0 * measured.gflops / result.fma_peak_gflops)
        };
        [
            measured.backend.to_owned(),
            measured.threads.to_string(),
            measured.batch_size.to_string(),
            spread(measured.train_step_ms, 2),
            format!("{:.0}", measured.train_images_per_second),
            format!("{:.0}{share}", measured.gflops),
            spread(measured.inference_images_per_second, 0),
            measured.peak_memory_mb.map_or("–".into(), |megabytes| format!("{megabytes:.0}")),
        ]
    };
    let header = [
        "backend",
        "threads",
        "batch",
        "training step, ms",
        "images/s",
        "GFLOP/s",
        "inference, images/s",
        "peak memory, MB",
    ];
    format!(
        "{}\nCPU peak: {:.0} GFLOP/s (multiply-adds in registers)\n{}",
        table(header, result.results.iter().map(row)),
        result.fma_peak_gflops,
        fit_stdout(&describe_data(&result.data))
    )
}
