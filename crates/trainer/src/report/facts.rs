//! What one needs to know to do it again, for every format.

use super::Findings;
use crate::run::RunResult;

/// Does the whole comparison again, in another folder with a copy of `config.toml`.
pub const COMMAND: &str = "mnist-trainer compare --config config.toml --out again";

/// Name and value of what computed the runs; several values where they differ.
pub fn facts(findings: &Findings) -> Vec<(&'static str, String)> {
    let of_runs = |what: fn(&RunResult) -> String| {
        let mut different: Vec<String> = Vec::new();
        for value in findings.runs.iter().map(|run| what(&run.result)) {
            if !different.contains(&value) {
                different.push(value);
            }
        }
        different.join("; ")
    };
    vec![
        (
            "Machine",
            of_runs(|run| format!("{}, {} cores, {}", run.machine.cpu, run.machine.cores, run.machine.os)),
        ),
        ("Backend", of_runs(|run| format!("{} ({})", run.backend, run.device))),
        ("Threads of each training", of_runs(|run| run.threads.to_string())),
        (
            "Versions",
            of_runs(|run| {
                format!("mnist-trainer {}, Burn {}", run.versions.mnist_trainer, run.versions.burn)
            }),
        ),
        ("Parameters", of_runs(|run| run.parameters.to_string())),
    ]
}
