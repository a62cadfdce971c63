//! `compare`: every scaling × every seed, ranked, with a report that grows.

use std::time::Duration;

use anyhow::Result;
use indicatif::HumanDuration;
use mnist_comparison::{
    Comparison, ComparisonFolder, ComparisonSettings, FittedScalings, Reporter, compare,
    folder::{COMPARISON, PAGE},
    plan::PlannedRun,
};
use mnist_data::Scaling;
use mnist_model::ModelConfig;
use mnist_report::{Findings, ReportError, SampleImages, numbers::percent, previews};
use mnist_training::{ExperimentData, FinishedRun, Observer, files::CONFIG};

use super::report::describe_comparison;
use crate::{cli::CompareArgs, terminal::Terminal};

pub fn run(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    let (out, jobs) = (args.out.clone(), args.jobs);
    let settings = ComparisonSettings::resolve(&args.overrides()?)?;
    let names: Vec<&str> = settings.scalings.iter().map(Scaling::name).collect();
    let destination = out.destination(format!("compare-{}", names.join("-")), &COMPARISON)?;
    if let Some(path) = destination.keeps() {
        // Before the data are read; the comparison asks again, once it has locked the folder.
        settings.check_resumes(&path.join(CONFIG))?;
    }
    let mut live = LiveReport { terminal, samples: None, failure: None };
    let comparison = compare(&ModelConfig::new(), &settings, destination, jobs, terminal, &mut live)?;
    let Comparison { diverged, planned, .. } = comparison;
    if diverged > 0 {
        terminal
            .warning(&format!("{diverged} of {planned} trainings diverged; they are left out of the means"));
    }
    terminal.result(&comparison, || {
        let page = comparison.folder.join(PAGE);
        match live.failure {
            None => format!("{}\nreport: {}", describe_comparison(&comparison), page.display()),
            Some(_) => describe_comparison(&comparison),
        }
    })
}

/// A line on the terminal and a new report after each run.
struct LiveReport<'a> {
    terminal: &'a Terminal,
    samples: Option<SampleImages>,
    /// Why the last report could not be written.
    failure: Option<String>,
}

impl LiveReport<'_> {
    /// Writes the report. If that fails, it warns, once for each cause, and the trainings go on.
    fn write(&mut self, folder: &ComparisonFolder, comparison: &Comparison) {
        let written = || -> Result<(), ReportError> {
            if folder.is_current()? {
                mnist_report::write(&Findings::new(folder, comparison, self.samples.as_ref())?)?;
            }
            Ok(())
        };
        let failure = written().err().map(|error| error.to_string());
        if let Some(failure) = &failure
            && self.failure.as_ref() != Some(failure)
        {
            self.terminal.warning(&format!(
                "cannot write the report: {failure}; write it later with `mnist-trainer report {}`",
                folder.path().display()
            ));
        }
        self.failure = failure;
    }
}

impl Reporter for LiveReport<'_> {
    fn begin(&mut self, data: &ExperimentData, fitted: &FittedScalings, folder: &ComparisonFolder) {
        match previews::of_all(folder.settings(), data, fitted, self.terminal) {
            Ok(previews) => self.samples = Some(SampleImages { test: data.test.clone(), previews }),
            Err(error) if error.is_interrupt() => {}
            Err(error) => self.terminal.warning(&format!("the report has no pictures: {error}")),
        }
    }

    fn run_finished(&mut self, folder: &ComparisonFolder, run: &PlannedRun, left: Option<Duration>) {
        if let Some(finished) = folder.run(run) {
            let left = left.map_or_else(String::new, |left| {
                // Whole seconds: nobody believes more.
                format!(", {} left", HumanDuration(Duration::from_secs(left.as_secs())))
            });
            let (done, all) = (folder.finished(), folder.plan().runs.len());
            self.terminal.note(&format!("{}; {done}/{all}{left}", describe_run(run, finished)));
        }
        if !folder.is_finished() {
            self.write(folder, &folder.comparison());
        }
    }

    fn conclude(&mut self, folder: &ComparisonFolder, comparison: &Comparison) {
        self.write(folder, comparison);
    }
}

fn describe_run(run: &PlannedRun, finished: &FinishedRun) -> String {
    let result = &finished.result;
    let outcome =
        result.test.map_or("diverged".to_owned(), |test| format!("test accuracy {}", percent(test.accuracy)));
    format!("{} seed {}: {outcome} ({:.0} s)", run.arm, run.seed, result.seconds)
}
