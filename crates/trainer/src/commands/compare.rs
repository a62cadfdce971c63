//! `compare`: every scaling × every seed, ranked.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use burn::{data::dataset::Dataset, tensor::Device};
use indicatif::{HumanDuration, ProgressBar};
use mnist_data::{FittedScaling, Scaling};

use crate::{
    cli::CompareArgs,
    comparison_folder::{CONTENTS, ComparisonFolder},
    config::{Arm, ComparisonConfig, ConfigFile},
    dataset::{ExperimentData, fit},
    device::in_pool,
    experiment::Experiment,
    failure::Interrupted,
    folder::{CONFIG, Destination},
    plan::{Plan, PlannedRun, RUNS},
    report::{self, Pictures, previews},
    run::RunResult,
    runner::{Job, Shares, train_all},
    terminal::{Terminal, take_away, warn},
};

pub fn run(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    let file = ConfigFile::read(args.config.config.as_deref())?;
    let config = ComparisonConfig::resolve(args.scalings, args.seeds, args.training, &file)?;
    let device = config.settings.backend.open()?;
    let names: Vec<&str> = config.scalings.iter().map(Scaling::name).collect();
    let destination = Destination::choose(&args.out, format!("compare-{}", names.join("-")), &CONTENTS)?;
    if let (Some(path), true) = (destination.path(), args.out.resume) {
        config.check_resumes(&path.join(CONFIG))?;
    }
    in_pool(config.settings.threads, || {
        compare(&config, args.jobs, device, destination, args.out.force, terminal)
    })
}

fn compare(
    config: &ComparisonConfig,
    jobs: Option<NonZeroU32>,
    device: Device,
    destination: Destination,
    force: bool,
    terminal: &Terminal,
) -> Result<()> {
    let settings = &config.settings;
    let shares = Shares::new(jobs, settings.backend.is_gpu())?;
    let (data, files) = ExperimentData::load_checked(
        &settings.dataset,
        settings.validation_split,
        &config.scalings,
        terminal,
    )?;
    let experiment = Experiment::new(&data, files, device, terminal)?;
    let plan = Plan::new(config, experiment.files())?;
    let missing = match destination.path() {
        Some(path) if !force => plan.missing(path),
        _ => (0..plan.runs.len()).collect(),
    };
    let jobs = jobs_to_do(config, &plan, &missing, &data, terminal)?;
    let mut folder = ComparisonFolder::begin(destination, force, config, plan)?;

    let (whole, all) = (folder.whole(), folder.plan().runs.len());
    if whole > 0 {
        terminal.line(format!("{whole} of {all} trainings are whole already"));
    }
    let fitted = |scaling: &Scaling| {
        let of_job = jobs.iter().map(|job| &job.fitted).find(|fitted| fitted.scaling() == scaling);
        of_job.map_or_else(|| folder.fitted(scaling), |fitted| Ok(Some(fitted.as_ref().clone())))
    };
    let previews = previews::of_all(config, &data, terminal, fitted)?;
    let pictures = Pictures { test: &data.test, previews };
    let images = data.train.len() as u64 * u64::from(settings.epochs.get());
    let overall = terminal.overall_bar(images * jobs.len() as u64);
    let experiment = experiment.with_overall(overall.clone());
    let path = folder.path().to_owned();
    let begun = Instant::now();
    let trained = train_all(&experiment, jobs, shares, &path.join(RUNS), |number, result| {
        let line = describe(&folder.plan().runs[number], &result);
        folder.take_whole_runs()?;
        let left = time_left(begun.elapsed(), &overall);
        terminal.line(format!("{line}; {}/{all}{left}", folder.whole()));
        folder.write_report(Some(&pictures)).map(drop)
    });
    take_away(&overall);
    Interrupted::resumable(trained, &path)?;
    let comparison = folder.conclude(&pictures)?;
    if comparison.diverged > 0 {
        warn(format!("{} of {all} trainings diverged; they are left out of the means", comparison.diverged));
    }
    terminal.result(&comparison, || {
        let page = path.join(report::PAGE);
        format!("{}\nreport: {}", report::text::comparison(&comparison), page.display())
    })
}

/// The trainings that are missing, with what their scalings were fitted to.
fn jobs_to_do(
    config: &ComparisonConfig,
    plan: &Plan,
    missing: &[usize],
    data: &ExperimentData,
    terminal: &Terminal,
) -> Result<Vec<Job>> {
    let arms = config.arms();
    let planned = missing.iter().map(|&number| {
        let run = &plan.runs[number];
        let arm = arms.iter().find(|arm| arm.name == run.arm);
        Ok((number, run, arm.context("the plan has other arms")?))
    });
    let planned: Vec<(usize, &PlannedRun, &Arm)> = planned.collect::<Result<_>>()?;
    let is_needed = |scaling: &&Scaling| planned.iter().any(|(_, _, arm)| arm.scaling == **scaling);
    let fitted = config.scalings.iter().filter(is_needed).map(|scaling| fit(scaling, &data.train, terminal));
    let fitted: Vec<Arc<FittedScaling>> = fitted.map(|fitted| fitted.map(Arc::new)).collect::<Result<_>>()?;
    let jobs = planned.into_iter().map(|(number, run, arm)| {
        let fitted = fitted.iter().find(|fitted| *fitted.scaling() == arm.scaling);
        Ok(Job {
            number,
            training: arm.training(run.seed),
            fitted: fitted.context("a scaling was not fitted")?.clone(),
            name: run.name.clone(),
        })
    });
    jobs.collect()
}

/// What became of a training, in a line.
fn describe(run: &PlannedRun, result: &RunResult) -> String {
    let PlannedRun { arm, seed, .. } = run;
    let outcome = result
        .test
        .map_or("diverged".to_owned(), |test| format!("test accuracy {}", report::percent(test.accuracy)));
    format!("{arm} seed {seed}: {outcome} ({:.0} s)", result.seconds)
}

/// How long the rest will take, if it goes on as it has gone since the start.
fn time_left(elapsed: Duration, overall: &ProgressBar) -> String {
    let (done, all) = (overall.position(), overall.length().unwrap_or_default());
    if done == 0 || done >= all {
        return String::new();
    }
    let left = elapsed.mul_f64((all - done) as f64 / done as f64);
    // Whole seconds: nobody believes more.
    format!(", {} left", HumanDuration(Duration::from_secs(left.as_secs())))
}
