//! `data`: describes a data set, downloads a known one, checks the files.

use std::path::PathBuf;

use anyhow::Result;
use burn::data::dataset::Dataset;
use mnist_data::{DatasetKind, Files, Images, PixelSums, input::shown, source::FileSum};
use mnist_training::{
    DatasetSettings,
    dataset::{fetch, open_splits},
    observer::watched,
};
use serde::Serialize;

use crate::{
    cli::{DataArgs, DataCommand},
    command_error::HintedError,
    layout::table,
    terminal::Terminal,
    wording::{fetching, other_files},
};

#[derive(Serialize)]
struct Summary {
    dataset: DatasetKind,
    train: SplitSummary,
    test: SplitSummary,
    /// Names of the classes in the order of the labels, if they have names.
    class_names: Option<Vec<String>>,
}

#[derive(Serialize)]
struct SplitSummary {
    images: usize,
    channels: usize,
    height: usize,
    width: usize,
    min: u8,
    max: u8,
    mean: f64,
    std: f64,
    labels: Vec<usize>,
}

#[derive(Serialize)]
struct FileList {
    dataset: DatasetKind,
    folder: PathBuf,
    source: String,
    files: Vec<FileEntry>,
}

#[derive(Serialize)]
struct FileEntry {
    #[serde(flatten)]
    sum: FileSum,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<bool>,
}

pub fn run(command: DataCommand, terminal: &Terminal) -> Result<()> {
    match command {
        DataCommand::Summary(args) => summary(&resolve(args)?, terminal),
        DataCommand::Fetch(args) => {
            let files = fetch(&resolve(args)?, terminal)?;
            let list = list(&files, |_| None, terminal)?;
            terminal.result(&list, || describe(&list))
        }
        DataCommand::Verify(args) => verify(&resolve(args)?, terminal),
    }
}

fn resolve(args: DataArgs) -> Result<DatasetSettings> {
    let settings = DatasetSettings::resolve(&args.dataset.over(args.config.read()?))?;
    Ok(DatasetSettings { limit: None, ..settings })
}

fn summary(settings: &DatasetSettings, terminal: &Terminal) -> Result<()> {
    let splits = open_splits(settings, terminal)?;
    let summary = Summary {
        dataset: settings.dataset,
        train: summarize(&splits.train, splits.classes, terminal)?,
        test: summarize(&splits.test, splits.classes, terminal)?,
        class_names: splits.class_names,
    };
    terminal.result(&summary, || {
        let row = |name: &str, split: &SplitSummary| {
            [
                name.to_owned(),
                format!("{} × {}×{}×{}", split.images, split.channels, split.height, split.width),
                format!("{}..{}", split.min, split.max),
                split.mean.to_string(),
                split.std.to_string(),
                per_class(&split.labels, summary.class_names.as_deref()),
            ]
        };
        let header = ["split", "images", "pixels", "mean", "std", "images per class"];
        table(header, [row("train", &summary.train), row("test", &summary.test)])
    })
}

/// Lists the counts in the order of the labels, with the names of the classes if they have names.
fn per_class(counts: &[usize], names: Option<&[String]>) -> String {
    let describe = |(class, count): (usize, &usize)| match names {
        Some(names) => format!("{} {count}", names[class]),
        None => count.to_string(),
    };
    let separator = if names.is_some() { ", " } else { " " };
    counts.iter().enumerate().map(describe).collect::<Vec<_>>().join(separator)
}

fn summarize(images: &Images, classes: usize, terminal: &Terminal) -> Result<SplitSummary> {
    let shape = images.shape();
    let mut sums = [PixelSums::default()];
    let (mut min, mut max) = (u8::MAX, u8::MIN);
    watched(terminal, |progress| {
        images.for_each_block(progress, |pixels| {
            PixelSums::add_grouped(&mut sums, pixels, shape.pixels());
            min = pixels.iter().copied().fold(min, u8::min);
            max = pixels.iter().copied().fold(max, u8::max);
        })
    })?;
    Ok(SplitSummary {
        images: images.len(),
        channels: shape.channels,
        height: shape.height,
        width: shape.width,
        min,
        max,
        mean: sums[0].mean(),
        std: sums[0].std(),
        labels: images.label_counts(classes),
    })
}

/// Prints which files have the right checksum, and fails if one has not.
fn verify(settings: &DatasetSettings, terminal: &Terminal) -> Result<()> {
    let files = watched(terminal, |progress| settings.source().verify(progress))?;
    // Other data sets have no known checksums; their files were checked for completeness.
    let are_known = files.are_known();
    let list = list(&files, |file| Some(are_known.as_ref().is_none_or(|known| known[file])), terminal)?;
    terminal.result(&list, || describe(&list))?;
    match list.files.iter().find(|file| file.ok == Some(false)) {
        None => Ok(()),
        Some(file) => {
            let path = list.folder.join(&file.sum.name);
            let (path, title) = (path.display(), settings.dataset.title());
            let message = format!("{path} is not {title}'s file: its SHA-256 is {}", file.sum.sha256);
            let hint = match &settings.data_dir {
                Some(_) => other_files(settings.dataset),
                None => format!("remove it, then run `{}`", fetching(settings.dataset)),
            };
            Err(HintedError::new(message, hint).into())
        }
    }
}

/// Lists the files. `ok` returns whether the file at a position is right, if that is known.
fn list(files: &Files, ok: impl Fn(usize) -> Option<bool>, terminal: &Terminal) -> Result<FileList> {
    let sums = watched(terminal, |progress| files.sums(progress))?;
    Ok(FileList {
        dataset: files.kind,
        folder: files.folder.clone(),
        source: files.source.clone(),
        files: sums
            .into_iter()
            .enumerate()
            .map(|(position, sum)| FileEntry { sum, ok: ok(position) })
            .collect(),
    })
}

fn describe(list: &FileList) -> String {
    let rows = list.files.iter().map(|file| {
        let verdict = match file.ok {
            // Fetching has already checked the known checksums.
            None => "–",
            Some(true) if list.dataset.known().is_some() => "ok",
            Some(true) => "complete",
            Some(false) => "WRONG",
        };
        [file.sum.name.clone(), file.sum.bytes.to_string(), file.sum.sha256.clone(), verdict.to_owned()]
    });
    let files = table(["file", "bytes", "SHA-256", "verified"], rows);
    format!("{} in {} (from {})\n{files}", list.dataset, shown(&list.folder), list.source)
}
