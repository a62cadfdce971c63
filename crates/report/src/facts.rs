//! How to reproduce a comparison: the same text in every format.

use mnist_comparison::Arm;
use mnist_training::{Backend, RunResult};

use crate::{
    Findings, notes,
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

/// Maximum number of arms whose names are listed.
const NAMED: usize = 8;

/// Returns names and values of what a reader needs to know first: the data set, what was compared, when, and on which
/// machine.
pub fn overview(findings: &Findings) -> Vec<(&'static str, String)> {
    let arms = &findings.comparison.scalings;
    let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    let names = if names.len() > NAMED { String::new() } else { format!(": {}", names.join("; ")) };
    let compared = Arm::counted(arms.iter().map(|arm| &findings.runs_of(arm).arm));
    let mut facts = vec![
        ("Data", data(findings)),
        ("Compared", format!("{compared}{names}")),
        ("Trained", notes::extent(findings.comparison)),
    ];
    facts.extend(date(findings).map(|date| ("Date", date)));
    facts.extend(facts_of(findings, [("Machine", machine as Fact)]));
    facts
}

fn data(findings: &Findings) -> String {
    let result = findings.runs().next().map(|run| &run.result);
    let [train, classes] = [result.map_or(0, |run| run.train_images), result.map_or(0, |run| run.classes)];
    format!(
        "{}: {}, {}, {}",
        findings.dataset,
        plural(train, "training image"),
        plural(findings.comparison.test_images, "test image"),
        if classes == 1 { "1 class".into() } else { format!("{} classes", count(classes)) }
    )
}

/// Returns the day of the first and of the last run, in UTC; `None` if all runs are of old versions.
fn date(findings: &Findings) -> Option<String> {
    let days = || findings.runs().filter_map(|run| run.result.finished.as_deref()?.get(..10));
    let (first, last) = (days().min()?, days().max()?);
    Some(if first == last { first.to_owned() } else { format!("{first} to {last}") })
}

/// Returns names and values of facts about the runs that [`overview`] does not show. They come from the runs because
/// the report may be written on another machine.
pub fn facts(findings: &Findings) -> [(&'static str, String); 3] {
    facts_of(
        findings,
        [
            ("Device", device as Fact),
            ("Versions", versions),
            ("Parameters", |run: &RunResult| count(run.parameters)),
        ],
    )
}

/// Returns a fact about a run.
type Fact = fn(&RunResult) -> String;

/// Returns the different values of facts over all runs.
fn facts_of<const N: usize>(
    findings: &Findings,
    facts: [(&'static str, Fact); N],
) -> [(&'static str, String); N] {
    facts.map(|(name, what)| {
        let mut different: Vec<String> = Vec::new();
        for value in findings.runs().map(|run| what(&run.result)) {
            if !different.contains(&value) {
                different.push(value);
            }
        }
        (name, different.join("; "))
    })
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
