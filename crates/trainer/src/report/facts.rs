//! What one needs to know to do a comparison again: the same facts in every format.

use super::{
    Findings,
    numbers::{count, plural},
};
use crate::{device::Backend, run::RunResult};

/// Does the whole comparison again; its own folder is named apart, so as not to write into the first's.
pub const COMMAND: &str = "mnist-trainer compare --config config.toml --out again";

/// Where [`COMMAND`] is to be called.
pub const WHERE: &str = "To do it again, with a copy of its config.toml, in another folder:";

/// Names and values, of the runs: who writes a report need not be who trained.
pub fn facts(findings: &Findings) -> [(&'static str, String); 4] {
    let of_runs = |what: fn(&RunResult) -> String| {
        let mut different: Vec<String> = Vec::new();
        for value in findings.runs.iter().map(|run| what(&run.result)) {
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
    // What Burn calls a CPU is no name that a reader knows.
    let device = if is_cpu { "CPU" } else { run.device.as_str() };
    format!("{device}, by Burn's {} backend, {}", run.backend, plural(run.threads, "thread"))
}

fn versions(run: &RunResult) -> String {
    format!("mnist-trainer {}, Burn {}", run.versions.mnist_trainer, run.versions.burn)
}
