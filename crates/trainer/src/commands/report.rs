//! `report`: the report of a comparison again, from what is on disk.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    cli::ReportArgs,
    comparison_folder::ComparisonFolder,
    config::DatasetConfig,
    dataset::ExperimentData,
    interrupt,
    report::{self, Pictures, previews},
    terminal::{Terminal, warn},
};

#[derive(Serialize)]
struct ReportResult {
    comparison: PathBuf,
    files: Vec<PathBuf>,
}

pub fn run(args: ReportArgs, terminal: &Terminal) -> Result<()> {
    let folder = ComparisonFolder::open(&args.comparison)?;
    if folder.whole() == 0 {
        bail!("no training of {} has come to an end; --resume goes on", args.comparison.display());
    }
    let is_elsewhere = args.data_dir.is_some();
    let data = match load_data(&folder, args.data_dir, terminal) {
        // A place that was named must be right: a report with pictures stays what it is.
        Err(error) if !is_elsewhere && !interrupt::requested() => {
            warn(format!(
                "the report is written without pictures: {error:#}; --data-dir names another place of the data"
            ));
            None
        }
        other => Some(other?),
    };
    let pictures = match &data {
        Some(data) => {
            let fitted = |scaling: &_| folder.fitted(scaling);
            let previews = previews::of_all(folder.config(), data, terminal, fitted)?;
            Some(Pictures { test: &data.test, previews })
        }
        None => None,
    };
    let result = ReportResult { comparison: args.comparison, files: folder.write_report(pictures.as_ref())? };
    terminal.result(&result, || {
        let page = result.comparison.join(report::PAGE);
        format!("{}\nreport: {}", report::text::comparison(&folder.comparison()), page.display())
    })
}

/// The images that were trained on and tested with, in `data_dir` if they are no longer where they were.
fn load_data(
    folder: &ComparisonFolder,
    data_dir: Option<PathBuf>,
    terminal: &Terminal,
) -> Result<ExperimentData> {
    let settings = &folder.config().settings;
    let saved = settings.dataset.clone();
    let dataset = DatasetConfig { data_dir: data_dir.or(saved.data_dir), ..saved };
    let (data, sums) = ExperimentData::load_checked(&dataset, settings.validation_split, &[], terminal)?;
    if sums != folder.plan().data {
        bail!("the data files are no longer those that were trained on");
    }
    Ok(data)
}
