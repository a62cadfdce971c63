//! What one needs to know to do it again.

use maud::{Markup, html};

use crate::{report::Findings, run::RunResult};

/// Settings, machine, versions, and the command.
pub fn section(findings: &Findings) -> Markup {
    let of_runs = |what: fn(&RunResult) -> String| {
        let mut different: Vec<String> = Vec::new();
        for value in findings.runs.iter().map(|run| what(&run.result)) {
            if !different.contains(&value) {
                different.push(value);
            }
        }
        different.join("; ")
    };
    let facts = [
        (
            "Machine",
            of_runs(|run| format!("{}, {} cores, {}", run.machine.cpu, run.machine.cores, run.machine.os)),
        ),
        ("Device", of_runs(|run| format!("{} on {}, {} threads", run.backend, run.device, run.threads))),
        (
            "Versions",
            of_runs(|run| {
                format!("mnist-trainer {}, Burn {}", run.versions.mnist_trainer, run.versions.burn)
            }),
        ),
        ("Parameters", of_runs(|run| run.parameters.to_string())),
    ];
    html! {
        p { "In the folder of this report, or with a copy of its " code { "config.toml" } ":" }
        pre tabindex="0" { code { (COMMAND) } }
        dl { @for (name, value) in &facts { div { dt { (name) } dd { (value) } } } }
        h3 { "config.toml" }
        pre tabindex="0" { code { (findings.config) } }
        @if let Some(run) = findings.runs.first() {
            h3 { "Data" }
            ul.files { @for file in run.result.data.iter().take(FILES) { li { (file.name) " " code { (file.sha256) } } } }
            @if run.result.data.len() > FILES { p { "and " (run.result.data.len() - FILES) " more files" } }
        }
    }
}

/// Does the whole comparison again.
pub const COMMAND: &str = "mnist-trainer compare --config config.toml";

/// Data files that are listed.
const FILES: usize = 8;
