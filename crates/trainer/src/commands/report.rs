//! `report`: a comparison's report again, from what is on disk.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{cli::ReportArgs, comparison_folder::ComparisonFolder, terminal::Terminal};

#[derive(Serialize)]
struct ReportResult {
    comparison: PathBuf,
    files: Vec<PathBuf>,
}

pub fn run(args: &ReportArgs, terminal: &Terminal) -> Result<()> {
    let folder = ComparisonFolder::open(&args.comparison)?;
    if folder.whole() == 0 {
        bail!("no training of {} has come to an end", args.comparison.display());
    }
    let result = ReportResult { comparison: args.comparison.clone(), files: folder.write_report()? };
    terminal.result(&result, || {
        result.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join("\n")
    })
}
