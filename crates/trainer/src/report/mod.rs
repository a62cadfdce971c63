//! Results in words, tables and figures: one file per format.

mod answers;
pub mod contact_sheet;
mod csv;
mod facts;
mod figures;
mod html;
mod markdown;
mod notes;
mod numbers;
pub mod prediction;
pub mod previews;
mod tables;
pub mod text;
mod tiles;

use std::path::{Path, PathBuf};

use anyhow::Result;
use mnist_data::Images;

use crate::{
    comparison::{ComparedRun, Comparison, ScalingResult},
    folder::OutputFolder,
    run::RunResult,
};
use contact_sheet::Row;
use numbers::count;

/// The page for a browser.
pub const PAGE: &str = "report.html";

/// The same in short.
pub const MARKDOWN: &str = "report.md";

/// A row per run.
pub const TABLE: &str = "results.csv";

/// Folder of the figures.
pub const FIGURES: &str = "figures";

/// What there is to report.
pub struct Findings<'a> {
    /// Its arms and pairs, best first.
    pub comparison: &'a Comparison,
    /// The `config.toml` in force.
    pub config: &'a str,
    /// The runs behind it.
    pub runs: &'a [ComparedRun],
    /// Not every report has the data set at hand.
    pub pictures: Option<&'a Pictures<'a>>,
}

/// What a report can show of the data set.
pub struct Pictures<'a> {
    /// The images that the runs' predictions are about.
    pub test: &'a Images,
    /// What each scaling does to some images; those of scalings without a run are not shown.
    pub previews: Vec<Row>,
}

impl<'a> Findings<'a> {
    /// The runs of an arm.
    fn runs_of(&self, arm: &'a ScalingResult) -> impl Iterator<Item = &'a ComparedRun> {
        self.runs.iter().filter(move |run| run.arm == arm.name)
    }

    /// A class as people call it.
    fn class(&self, class: usize) -> String {
        let names = self.runs.first().and_then(|run| run.result.class_names.as_ref());
        names.and_then(|names| names.get(class).cloned()).unwrap_or_else(|| class.to_string())
    }

    /// A run's folder, as seen from the report.
    fn folder_of(&self, run: &RunResult) -> String {
        let inside = run.run.strip_prefix(&self.comparison.folder).unwrap_or(&run.run);
        inside.display().to_string()
    }

    /// How far the comparison has come, if it is not at its end.
    fn unfinished(&self) -> Option<String> {
        let Comparison { planned, finished, .. } = self.comparison;
        (finished < planned).then(|| {
            format!(
                "So far {} of {} trainings; what is below may still change.",
                count(*finished),
                count(*planned)
            )
        })
    }
}

/// Writes the report, each file whole or not at all, the page last; nothing if anything cannot be drawn.
///
/// Gives the paths of all its files.
pub fn write(folder: &OutputFolder, findings: &Findings) -> Result<Vec<PathBuf>> {
    let figures = figures::Figures::draw(findings)?;
    let figure_files: Vec<(String, String)> = figures
        .iter()
        .map(|figure| (format!("{FIGURES}/{}.svg", figure.name), figure.standalone()))
        .collect();
    let mut files = figure_files.clone();
    files.push((TABLE.into(), csv::runs(findings)?));
    files.push((MARKDOWN.into(), markdown::report(findings, &figures)));
    files.push((PAGE.into(), html::page(findings, &figures)?));

    OutputFolder::create(folder.path().join(FIGURES))?;
    for (name, content) in &files {
        folder.write(name, content.as_bytes())?;
    }
    remove_stale_figures(folder, &figure_files)?;
    Ok(files.iter().map(|(name, _)| folder.path().join(name)).collect())
}

/// Removes figures of arms whose names have changed since an earlier report.
fn remove_stale_figures(folder: &OutputFolder, current: &[(String, String)]) -> Result<()> {
    for entry in std::fs::read_dir(folder.path().join(FIGURES))? {
        let name = format!("{FIGURES}/{}", entry?.file_name().to_string_lossy());
        let is_figure = Path::new(&name).extension().is_some_and(|extension| extension == "svg");
        if is_figure && current.iter().all(|(current, _)| *current != name) {
            folder.remove(&name)?;
        }
    }
    Ok(())
}

/// A fraction in percent.
pub fn percent(fraction: f64) -> String {
    format!("{:.2}%", 100.0 * fraction)
}
