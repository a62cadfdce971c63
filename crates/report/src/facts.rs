//! How to reproduce a comparison: the same text in every format.

use mnist_training::{Backend, RunResult};

use crate::{
    Findings,
    numbers::{count, plural},
};

/// Name of the network that `mnist-trainer` trains.
pub const PROGRAMS_NETWORK: &str = "cnn";

/// Returns an instruction to repeat the comparison, and the command if `mnist-trainer` can do it. The command is
/// for a separate folder.
pub fn how_to_repeat(findings: &Findings) -> (String, Option<&'static str>) {
    match findings.network.as_str() {
        PROGRAMS_NETWORK => (
            "To repeat the comparison, copy its config.toml to another folder and run this command there:"
                .into(),
            Some("mnist-trainer compare --config config.toml --out again"),
        ),
        other => (
            format!(
                "To repeat the comparison, run the program that trained the network “{other}” with these settings."
            ),
            None,
        ),
    }
}

/// Returns names and values of facts about the runs. They come from the runs because the report may be written on
/// another machine.
pub fn facts(findings: &Findings) -> [(&'static str, String); 4] {
    let of_runs = |what: fn(&RunResult) -> String| {
        let mut different: Vec<String> = Vec::new();
        for value in findings.runs().map(|run| what(&run.result)) {
            if !different.contains(&value) {
                different.push(value);
            }
        }
        different.join("; ")
    };
    [
        ("Machine", of_runs(machine)),
        ("Device", of_runs(device)),
        ("Versions", of_runs(versions)),
        ("Parameters", of_runs(|run| count(run.parameters))),
    ]
}

fn machine(run: &RunResult) -> String {
    format!("{}, {}, {}", run.machine.cpu, plural(run.machine.cores, "core"), run.machine.os)
}

fn device(run: &RunResult) -> String {
    let is_cpu = run.backend.parse().is_ok_and(|backend: Backend| !backend.is_gpu());
    // Burn's name for a CPU does not help readers.
    let device = if is_cpu { "CPU" } else { run.device.as_str() };
    format!("{device}, Burn's {} backend, {}", run.backend, plural(run.threads, "thread"))
}

fn versions(run: &RunResult) -> String {
    format!("mnist-trainer {}, Burn {}", run.versions.mnist_trainer, run.versions.burn)
}
