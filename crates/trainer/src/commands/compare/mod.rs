//! `compare`: trains with each scaling and seed, and ranks the scalings. It updates the report after each run.

mod slurm;
mod worker;

use std::collections::BTreeSet;

use anyhow::Result;
use mnist_comparison::{
    Arm, ArmRuns, Comparison, ComparisonFolder, ComparisonSettings, FittedScalings, Reporter, Seeds, compare,
    folder::{COMPARISON, PAGE, TENSORBOARD},
    plan::PlannedRun,
    significance::mean,
};
use mnist_data::{Scaling, input::shown};
use mnist_model::ModelConfig;
use mnist_report::{
    Findings, ReportError, SampleImages, notes,
    numbers::{percent, plural},
    previews,
};
use mnist_trackers::{TrackedRun, tensorboard::Live};
use mnist_training::{
    ExperimentData, FinishedRun, Observer,
    files::{CONFIG, Destination},
};

use super::{describe_machine, describe_training, report::describe_comparison};
use crate::{
    cli::{CompareArgs, Scheduler},
    live_view::{ArmStanding, describe_time_left},
    terminal::Terminal,
};

pub fn run(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    match (args.submit, args.print_job) {
        (Some(Scheduler::Slurm), _) => return slurm::submit(args, terminal),
        (_, Some(Scheduler::Slurm)) => return slurm::print(args, terminal),
        _ if args.worker => return worker::run(args, terminal),
        _ => {}
    }
    let (out, jobs) = (args.out.clone(), args.jobs);
    out.check_tensorboard(Some(TENSORBOARD))?;
    let (settings, destination) = settings_and_destination(args)?;
    let tensorboard = out.tensorboard.map(|root| Live::new(root, terminal)).transpose()?;
    let observer: &dyn Observer = tensorboard.as_ref().map_or(terminal, |live| live);
    let tensorboard = tensorboard.as_ref();
    let mut live =
        LiveReport { terminal, tensorboard, tracked: BTreeSet::new(), samples: None, failure: None };
    let comparison = compare(&ModelConfig::new(), &settings, destination, jobs, observer, &mut live)?;
    let Comparison { diverged, planned, .. } = comparison;
    if diverged > 0 {
        terminal.warning(&format!(
            "{diverged} of {planned} runs diverged; diverged runs are counted but excluded from means"
        ));
    }
    if let Some(note) = notes::mixed_hardware(&comparison) {
        terminal.warning(&note);
    }
    terminal.saved_result(&comparison, || {
        let page = comparison.folder.join(PAGE);
        match live.failure {
            None => format!("{}\nreport: {}", describe_comparison(&comparison), shown(&page)),
            Some(_) => describe_comparison(&comparison),
        }
    })
}

/// Returns what to compare, and the folder to write into.
fn settings_and_destination(args: CompareArgs) -> Result<(ComparisonSettings, Destination)> {
    let out = args.out.clone();
    let settings = ComparisonSettings::resolve(&args.overrides()?)?;
    let names: Vec<&str> = settings.scalings.iter().map(Scaling::name).collect();
    let destination = out.destination(format!("compare-{}", names.join("-")), &COMPARISON)?;
    if let Some(path) = destination.keeps() {
        // Fails early, before the data are read. The comparison checks again when it has locked the folder.
        settings.check_resumes(&path.join(CONFIG))?;
    }
    Ok((settings, destination))
}

/// Prints a line and updates the report after each run.
struct LiveReport<'a> {
    terminal: &'a Terminal,
    tensorboard: Option<&'a Live<'a>>,
    /// Names of the runs whose events are complete.
    tracked: BTreeSet<String>,
    samples: Option<SampleImages>,
    /// The reason why the last report could not be written.
    failure: Option<String>,
}

impl LiveReport<'_> {
    /// Completes the events of all finished runs.
    fn track(&mut self, folder: &ComparisonFolder) {
        let Some(live) = self.tensorboard else { return };
        let test = self.samples.as_ref().map(|samples| &samples.test);
        for run in TrackedRun::of_comparison(folder) {
            if !self.tracked.contains(&run.name) {
                live.finish(&run, test);
                self.tracked.insert(run.name);
            }
        }
    }

    /// Writes the report. If that fails, warns once for each cause, and the training continues.
    fn write(&mut self, folder: &ComparisonFolder, comparison: &Comparison) {
        let written = || -> Result<(), ReportError> {
            let _lock = folder.lock(self.terminal)?;
            if folder.is_current()? {
                mnist_report::write(&Findings::new(folder, comparison, self.samples.as_ref())?)?;
            }
            Ok(())
        };
        // After a stop, `compare` says how to resume.
        let failure = written().err().filter(|error| !error.is_interrupt()).map(|error| error.to_string());
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
        let settings = folder.settings();
        let missing = folder.next_runs().len();
        let header = describe_training(&settings.scaling_names(), &settings.training, missing);
        self.terminal.announce([header, describe_machine(&describe_plan(settings), &settings.training)]);
        self.terminal.set_standing(standing(folder));
        match previews::of_all(settings, data, fitted, self.terminal) {
            Ok(previews) => self.samples = Some(SampleImages { test: data.test.clone(), previews }),
            Err(error) if error.is_interrupt() => {}
            Err(error) => self.terminal.warning(&format!("the report has no images: {error}")),
        }
        self.track(folder);
    }

    fn run_finished(&mut self, folder: &ComparisonFolder, run: &PlannedRun) {
        if let Some(finished) = folder.run(run) {
            let left = self.terminal.time_left();
            let left = left.map_or_else(String::new, |left| format!(", {}", describe_time_left(left)));
            let done = folder.finished();
            let of_all = match folder.settings().seeds {
                Seeds::Planned { .. } => format!("{done} of {}", folder.plan().runs.len()),
                Seeds::UntilDecided { .. } => plural(done, "run"),
            };
            self.terminal.set_standing(standing(folder));
            self.terminal.note(&format!("{}; {of_all}{left}", describe_run(run, finished)));
        }
        self.track(folder);
        if !folder.is_finished() {
            self.write(folder, &folder.comparison());
        }
    }

    fn conclude(&mut self, folder: &ComparisonFolder, comparison: &Comparison) {
        self.track(folder);
        self.write(folder, comparison);
    }
}

/// Describes the planned runs, such as "3 scalings × 10 seeds".
fn describe_plan(settings: &ComparisonSettings) -> String {
    let most = plural(settings.seeds.most().get() as usize, "seed");
    let seeds = if settings.seeds.is_until_decided() { format!("up to {most}") } else { most };
    format!("{} × {seeds}", Arm::counted(&settings.arms()))
}

/// Returns the mean accuracy of each arm over its finished runs.
fn standing(folder: &ComparisonFolder) -> Vec<ArmStanding> {
    let standing = |arm: &ArmRuns| {
        let accuracies: Vec<f64> =
            arm.usable().filter_map(|run| run.result.test).map(|test| test.accuracy).collect();
        ArmStanding { name: arm.arm.name.clone(), mean: mean(&accuracies), seeds: arm.runs.len() }
    };
    folder.arms().iter().map(standing).collect()
}

fn describe_run(run: &PlannedRun, finished: &FinishedRun) -> String {
    let result = &finished.result;
    let outcome =
        result.test.map_or("diverged".to_owned(), |test| format!("test accuracy {}", percent(test.accuracy)));
    format!("{} seed {}: {outcome} ({:.0} s)", run.arm, run.seed, result.seconds)
}
