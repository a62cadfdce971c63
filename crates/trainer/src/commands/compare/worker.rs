//! `compare --worker`: one of many processes that share the runs of a comparison. Others write the report.

use anyhow::Result;
use mnist_comparison::work;
use mnist_data::input::shown;
use mnist_model::ModelConfig;
use mnist_report::numbers::plural;
use mnist_training::Observer;

use super::{describe_run, settings_and_destination};
use crate::{cli::CompareArgs, terminal::Terminal};

pub fn run(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    let jobs = args.jobs;
    let (settings, destination) = settings_and_destination(args)?;
    let work = work(&ModelConfig::new(), &settings, destination, jobs, terminal, &mut |run, finished| {
        terminal.note(&describe_run(run, finished));
    })?;
    terminal.result(&work, || {
        let (trained, folder) = (plural(work.trained.len(), "run"), shown(&work.comparison));
        format!("{trained} of {folder} trained; no other run is free")
    })
}
