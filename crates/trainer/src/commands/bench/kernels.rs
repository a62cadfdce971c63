//! `bench --kernels`: shows the time of each kernel of a training step on the CPU, beside its limit on this machine.

use anyhow::Result;
use mnist_report::numbers::plural;
use mnist_training::{Backend, Observer};

use super::open;
use crate::{
    bench::{KernelTime, KernelTimes, Peaks, Resource},
    cli::BenchArgs,
    command_error::UsageError,
    layout::table,
    terminal::Terminal,
};

pub fn measure(args: BenchArgs, terminal: &Terminal) -> Result<()> {
    let backend = args.backend.unwrap_or(Backend::Flex);
    if backend != Backend::Flex {
        return Err(UsageError(format!("--kernels supports only --backend flex, not {backend}")).into());
    }
    let device = backend.open_device(args.device as usize)?;
    let (benchmark, data) = open(args, "standardize", terminal)?;
    terminal.note("timing the kernels …");
    let times = benchmark.time_kernels(&device, &data, terminal)?;
    terminal.result(&times, || describe(&times))
}

fn describe(times: &KernelTimes) -> String {
    let row = |time: &KernelTime| {
        [
            time.kernel.clone(),
            significant(time.mflop),
            significant(time.limit_ms),
            time.limited_by.map_or("–", Resource::name).to_owned(),
            format!("{} ({})", significant(time.ms.median), significant(time.ms.min)),
            significant(time.times_limit),
            significant(time.gflops),
        ]
    };
    let header = ["kernel", "MFLOP", "limit, ms", "limited by", "time, ms (min)", "× limit", "GFLOP/s"];
    let rows = times.kernels.iter().chain([&times.all_kernels, &times.train_step]);
    let Peaks { fma_peak_gflops, l1_gb_per_second, l2_gb_per_second, memory_gb_per_second } = times.peaks;
    format!(
        "Batch of {}, {} with {} instructions\n\
         Peaks: {fma_peak_gflops:.0} GFLOP/s, L1 {l1_gb_per_second:.0} GB/s, L2 {l2_gb_per_second:.0} GB/s, \
         memory {memory_gb_per_second:.0} GB/s\n{}",
        times.batch_size,
        plural(times.threads, "thread"),
        times.instruction_set,
        table(header, rows.map(row))
    )
}

/// Writes a number with three significant digits, or all digits before the point.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    // Rounded first: 9.996 becomes 10.0.
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    let decimals = (2.0 - rounded.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn numbers_have_three_significant_digits() {
        let written = [0.0, 0.000123456, 0.5, 9.876, 9.996, 64.0, 1234.5].map(significant);
        assert_eq!(written, ["0", "0.000123", "0.500", "9.88", "10.0", "64.0", "1234"]);
    }
}
