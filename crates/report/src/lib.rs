//! Writes the report of a comparison: an HTML page, Markdown, a CSV table of the runs, SVG figures, and tables in
//! Markdown, CSV and LaTeX.
//!
//! [`write()`] writes all of them from [`Findings`], which borrow a
//! [`ComparisonFolder`](mnist_comparison::ComparisonFolder). The parts can be used alone: [`tables`] formats
//! the statistics, [`answers`] compares the runs' predictions image by image, [`previews`] applies scalings to
//! training images, and [`contact_sheet`] draws these previews as one picture.
//!
//! An *arm* is one configuration under comparison: a scaling, plus a learning rate and a batch size if the
//! comparison varies them.
//!
//! ```no_run
//! use mnist_comparison::ComparisonFolder;
//! use mnist_report::Findings;
//!
//! let folder = ComparisonFolder::open("runs/compare".as_ref())?;
//! let comparison = folder.comparison();
//! let files = mnist_report::write(&Findings::new(&folder, &comparison, None)?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

pub mod answers;
mod bitmap;
pub mod contact_sheet;
mod csv;
pub mod draw;
mod error;
mod facts;
mod figures;
mod findings;
mod html;
pub mod interval;
mod latex;
mod markdown;
pub mod notes;
pub mod numbers;
pub mod pictures;
mod policy;
pub mod previews;
mod style;
mod svg;
pub mod tables;
pub mod text;
mod tiles;
pub mod value_histogram;

use std::{fs, path::PathBuf};

use mnist_comparison::folder::{FIGURES, MARKDOWN, PAGE, TABLE, TABLES};
use mnist_training::{TrainingError, files::OutputFolder};

pub use error::ReportError;
pub use findings::{Findings, SampleImages};

/// Compiles the example in the README as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Writes the report into the comparison's folder and returns the paths of its files, the page last.
///
/// Everything is drawn before the first file is written, and each file is written completely or not at all.
/// Figures and tables of an earlier report that are not part of this one are removed. Lock the folder if other processes
/// can write a report there at the same time.
///
/// # Errors
/// When something cannot be drawn, or a file cannot be written.
pub fn write(findings: &Findings) -> Result<Vec<PathBuf>, ReportError> {
    let figures = figures::Figures::draw(findings)?;
    let mut files: Vec<(String, String)> = figures
        .iter()
        .map(|figure| (format!("{FIGURES}/{}.svg", figure.name), figure.standalone()))
        .collect();
    for (name, table) in
        [("ranking", tables::ranking(findings.comparison)), ("pairs", tables::pairs(findings.comparison))]
    {
        if !table.rows.is_empty() {
            files.push((format!("{TABLES}/{name}.md"), markdown::table(&table) + "\n"));
            files.push((format!("{TABLES}/{name}.csv"), csv::table(&table)?));
            files.push((format!("{TABLES}/{name}.tex"), latex::table(&table)));
        }
    }
    files.push((TABLE.into(), csv::runs(findings)?));
    files.push((MARKDOWN.into(), markdown::report(findings, &figures)));
    files.push((PAGE.into(), html::page(findings, &figures)?));

    let folder = findings.folder;
    for part in [FIGURES, TABLES] {
        OutputFolder::create(folder.path().join(part))?;
    }
    for (name, content) in &files {
        folder.write(name, content.as_bytes())?;
    }
    remove_stale(folder, FIGURES, &["svg"], &files)?;
    remove_stale(folder, TABLES, &["md", "csv", "tex"], &files)?;
    Ok(files.iter().map(|(name, _)| folder.path().join(name)).collect())
}

/// Removes files of an earlier report that are not part of this one, such as the figures of renamed arms. Only looks at
/// files with these extensions in a part of the folder.
fn remove_stale(
    folder: &OutputFolder,
    part: &str,
    extensions: &[&str],
    current: &[(String, String)],
) -> Result<(), TrainingError> {
    let path = folder.path().join(part);
    let listing = || TrainingError::file("list the files in", &path);
    for entry in fs::read_dir(&path).map_err(listing())? {
        let name = entry.map_err(listing())?.file_name().to_string_lossy().into_owned();
        let is_of_report = |extension: &str| {
            name.ends_with(&format!(".{extension}"))
                // A process that was killed while it wrote a file leaves `.<name>.<extension>.<random>`.
                || (name.starts_with('.') && name.contains(&format!(".{extension}.")))
        };
        let path = format!("{part}/{name}");
        let is_ours = extensions.iter().any(|extension| is_of_report(extension));
        if is_ours && current.iter().all(|(current, _)| *current != path) {
            folder.remove(&path)?;
        }
    }
    Ok(())
}
