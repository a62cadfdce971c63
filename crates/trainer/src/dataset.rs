//! The images of an experiment: fetched, limited and split.

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use burn::data::dataset::Dataset;
use mnist_data::{DatasetKind, Files, Images, Source, Splits, source::FileSum};

use crate::{
    config::{DatasetConfig, Fraction},
    failure::UsageError,
    interrupt,
    terminal::Terminal,
};

/// The images of an experiment.
pub struct ExperimentData {
    /// What the statistics are fitted on and the model is trained on.
    pub train: Images,
    /// The last part of the train split, if one is kept apart; never trained on.
    pub validation: Option<Images>,
    /// Looked at once, at the end.
    pub test: Images,
    /// Number of classes.
    pub classes: usize,
    /// Checksums of the files behind it all.
    pub files: Vec<FileSum>,
}

impl ExperimentData {
    /// Loads the data set and cuts the validation part off the end of its train split.
    pub fn load(config: &DatasetConfig, validation_split: Fraction, terminal: &Terminal) -> Result<Self> {
        let (splits, files) = load_splits(config, terminal)?;
        let train =
            config.limit.map_or(splits.train.clone(), |limit| splits.train.first(limit.get() as usize));
        // Keras' cut: the train part is the floor of its share.
        let trained_on = (train.len() as f64 * (1.0 - validation_split.get())) as usize;
        let (train, validation) = train.split_at(trained_on);
        if train.is_empty() {
            return Err(UsageError("--validation-split leaves no image to train on".into()).into());
        }
        Ok(Self {
            train,
            validation: (!validation.is_empty()).then_some(validation),
            test: splits.test,
            classes: splits.classes,
            files,
        })
    }
}

/// Both splits of the data set, with the checksums of its files.
pub fn load_splits(config: &DatasetConfig, terminal: &Terminal) -> Result<(Splits, Vec<FileSum>)> {
    let files = fetch(config, terminal)?;
    let sums = files.sums();
    let splits = files.into_splits()?;
    if config.dataset == DatasetKind::Idx {
        // Nobody vouches for these: say which they are.
        let named: Vec<String> = sums.iter().map(|sum| format!("{} {}", sum.name, sum.sha256)).collect();
        terminal.line(format!("IDX data with SHA-256 sums: {}", named.join(", ")));
    }
    Ok((splits, sums))
}

/// Reads the files of the data set, from the network if they are nowhere else.
pub fn fetch(config: &DatasetConfig, terminal: &Terminal) -> Result<Files> {
    let bar = terminal.download_bar();
    let files = source(config).fetch(&mut |name, done, total| {
        bar.set_message(name.to_owned());
        bar.set_length(total.unwrap_or(0));
        bar.set_position(done);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    Ok(files?)
}

/// Where the configuration says to look.
pub fn source(config: &DatasetConfig) -> Source {
    Source::new(config.dataset, config.data_dir.clone())
}

/// Fits a scaling on the images that are trained on.
pub fn fit(scaling: &mnist_data::Scaling, train: &Images) -> Result<mnist_data::FittedScaling> {
    scaling.fit(train).with_context(|| format!("cannot fit `{}`", scaling.name()))
}
