//! `scale`: the tutorial's "confirm" steps for one scaling.

use anyhow::Result;
use burn::data::dataset::Dataset;
use mnist_data::{FittedScaling, Images, Moments};
use serde::Serialize;

use crate::{
    cli::ScaleArgs,
    config::{BATCH_SIZE, ConfigFile, DatasetConfig, Fraction},
    dataset::{ExperimentData, fit},
    failure::UsageError,
    interrupt,
    report::text::table,
    terminal::Terminal,
};

#[derive(Serialize)]
struct ScaleResult {
    scaling: &'static str,
    statistics: Statistics,
    batches: Batches,
    batch: Batch,
    train: Spread,
    test: Spread,
}

#[derive(Serialize)]
struct Statistics {
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
}

#[derive(Serialize)]
struct Batches {
    train: usize,
    test: usize,
}

#[derive(Serialize)]
struct Batch {
    shape: [usize; 4],
    #[serde(flatten)]
    spread: Spread,
}

#[derive(Serialize)]
struct Spread {
    min: f64,
    max: f64,
    mean: f64,
    std: f64,
}

pub fn run(args: ScaleArgs, terminal: &Terminal) -> Result<()> {
    let file = ConfigFile::read(args.config.config.as_deref())?;
    let Some(scaling) = args.scaling.or_else(|| file.scaling.clone()) else {
        let presets = mnist_data::scaling::preset_names().join(", ");
        return Err(UsageError(format!("name a scaling with --scaling: {presets}")).into());
    };
    let batch_size = args.batch_size.or(file.batch_size).unwrap_or(BATCH_SIZE).get() as usize;
    let config = DatasetConfig::resolve(args.dataset, args.limit, &file)?;
    let data = ExperimentData::load(&config, Fraction::default(), terminal)?;
    let fitted = fit(&scaling, &data.train)?;

    let first = data.train.first(batch_size);
    let shape = first.shape();
    let result = ScaleResult {
        scaling: scaling.name(),
        statistics: Statistics {
            mean: fitted.mean().map(<[f64]>::to_vec),
            std: fitted.std().map(<[f64]>::to_vec),
        },
        batches: Batches {
            train: data.train.len().div_ceil(batch_size),
            test: data.test.len().div_ceil(batch_size),
        },
        batch: Batch {
            shape: [first.len(), shape.channels, shape.height, shape.width],
            spread: spread(&fitted, &first),
        },
        train: spread(&fitted, &data.train),
        test: spread(&fitted, &data.test),
    };
    interrupt::check()?;
    terminal.result(&result, || describe(&result))
}

fn spread(fitted: &FittedScaling, images: &Images) -> Spread {
    let moments: Moments = fitted.moments(images);
    Spread { min: moments.min(), max: moments.max(), mean: moments.mean(), std: moments.std() }
}

fn describe(result: &ScaleResult) -> String {
    let statistic = |values: &Option<Vec<f64>>| match values.as_deref() {
        None => "none".to_owned(),
        Some([value]) => value.to_string(),
        Some(values) => format!("{} values", values.len()),
    };
    let row = |name: String, spread: &Spread| {
        let Spread { min, max, mean, std } = spread;
        [name, format!("{min:.6}"), format!("{max:.6}"), format!("{mean:.9}"), format!("{std:.9}")]
    };
    let rows = [
        row(format!("first batch {:?}", result.batch.shape), &result.batch.spread),
        row(format!("train, {} batches", result.batches.train), &result.train),
        row(format!("test, {} batches", result.batches.test), &result.test),
    ];
    format!(
        "{}: fitted mean {}, std {}\n{}",
        result.scaling,
        statistic(&result.statistics.mean),
        statistic(&result.statistics.std),
        table(["after scaling", "min", "max", "mean", "std"], rows)
    )
}
