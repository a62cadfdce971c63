//! `report`: writes the report of a comparison again, from its folder.

use std::path::PathBuf;

use anyhow::{Result, bail};
use mnist_comparison::{Comparison, ComparisonFolder, FittedScalings, folder::PAGE};
use mnist_data::input::shown;
use mnist_model::ModelConfig;
use mnist_report::{Findings, SampleImages, notes, previews, tables};
use mnist_training::{ExperimentData, Observer};
use serde::Serialize;

use super::trackers::{Sent, TrackerDestination};
use crate::{
    cli::ReportArgs,
    command_error::HintedError,
    interrupt,
    layout::{fit_stdout, table},
    terminal::Terminal,
    wording::resume,
};

#[derive(Serialize)]
struct ReportResult {
    comparison: PathBuf,
    files: Vec<PathBuf>,
    #[serde(flatten)]
    sent: Option<Sent>,
}

pub fn run(args: ReportArgs, terminal: &Terminal) -> Result<()> {
    let tracker = TrackerDestination::of(&args)?;
    let mut folder = ComparisonFolder::open(&args.comparison)?;
    if folder.finished() == 0 {
        let folder = args.comparison.display();
        let hint = format!("finish some with `{}`", resume("compare", &args.comparison));
        let message = format!("the comparison {folder} is unfinished: it has no finished runs");
        return Err(HintedError::new(message, hint).into());
    }
    let is_elsewhere = args.data_dir.is_some();
    let data = match load_data(&folder, args.data_dir, terminal) {
        // With --data-dir this is an error, so that a report with images is not replaced by one without.
        Err(error) if !is_elsewhere && !interrupt::requested() => {
            terminal.warning(&format!(
                "the report has no images: {error:#}; if the data set has moved, use --data-dir"
            ));
            None
        }
        other => Some(other?),
    };
    let samples = match &data {
        Some(data) => {
            let fitted = FittedScalings::of_finished(&folder)?;
            let previews = previews::of_all(folder.settings(), data, &fitted, terminal)?;
            Some(SampleImages { test: data.test.clone(), previews })
        }
        None => None,
    };
    if folder.record_look(terminal)? {
        terminal.warning(
            "this report comes before the planned end, so the comparison is tested at every look from now on, \
             which needs larger differences",
        );
    }
    let comparison = folder.comparison();
    let mut files = {
        let _lock = folder.lock(terminal)?;
        mnist_report::write(&Findings::new(&folder, &comparison, samples.as_ref())?)?
    };
    let sent = match &tracker {
        Some(tracker) => Some(tracker.send(&folder, &comparison, samples.as_ref(), &mut files, terminal)?),
        None => None,
    };
    let result = ReportResult { comparison: args.comparison, files, sent };
    terminal.result(&result, || {
        let page = result.comparison.join(PAGE);
        let mut text = format!("{}\nreport: {}", describe_comparison(&comparison), shown(&page));
        if let Some(sent) = &result.sent {
            text.push('\n');
            text.push_str(&sent.describe());
        }
        text
    })
}

/// Opens the images that the comparison was trained and tested on, in `data_dir` if they have moved there.
fn load_data(
    folder: &ComparisonFolder,
    data_dir: Option<PathBuf>,
    terminal: &Terminal,
) -> Result<ExperimentData> {
    let mut training = folder.settings().training.clone();
    if data_dir.is_some() {
        training.dataset.data_dir = data_dir;
    }
    let data = ExperimentData::open(&training, &[], &ModelConfig::new(), terminal)?;
    if data.files != folder.plan().data {
        bail!("the data files differ from those that the comparison was trained on");
    }
    Ok(data)
}

/// Describes the result of a comparison: the headline, the ranking and the verdict.
pub fn describe_comparison(comparison: &Comparison) -> String {
    let several = comparison.has_several_seeds();
    let times = comparison.comparable_times;
    let mut header = vec!["rank", "scaling", "test accuracy"];
    header.extend(several.then_some("95% interval"));
    header.push("test loss");
    header.extend(times.then_some("training time"));
    let rows = comparison.scalings.iter().map(|arm| {
        let mut row = vec![tables::rank(arm), tables::name(arm), tables::accuracy(arm)];
        row.extend(several.then(|| tables::interval(arm.accuracy.ci95)));
        row.push(tables::loss(arm));
        row.extend(times.then(|| tables::seconds(arm)));
        row
    });
    let mut parts = vec![fit_stdout(&comparison.headline)];
    parts.extend(notes::run_on(comparison).map(|command| format!("Continue with: {command}")));
    parts.push(table(header, rows));
    parts.push(fit_stdout(&comparison.verdict));
    parts.join("\n")
}
