//! `scale`: shows the statistics of a scaling and the pixel values after it, as the tutorial does to confirm a
//! scaling.

use std::{io::Cursor, path::Path};

use anyhow::Result;
use burn::data::dataset::Dataset;
use image::ImageFormat;
use mnist_data::{FittedScaling, Images, Moments, Scaling, ScalingError, scaling::preset_names};
use mnist_report::{contact_sheet, previews::PreviewImages};
use mnist_training::{
    DatasetSettings, ExperimentData, Observer, TrainingError,
    dataset::{fit, warn_of_extremes},
    files,
    observer::watched,
    settings::{BATCH_SIZE, Overrides},
};
use serde::Serialize;

use crate::{cli::ScaleArgs, command_error::HintedError, layout::table, terminal::Terminal};

#[derive(Serialize)]
struct ScaleResult {
    scaling: &'static str,
    statistics: Statistics,
    zca: Option<Zca>,
    batches: Batches,
    batch: Batch,
    train: ValueRange,
    test: ValueRange,
}

#[derive(Serialize)]
struct Statistics {
    mean: Option<Vec<f64>>,
    std: Option<Vec<f64>>,
}

#[derive(Serialize)]
struct Zca {
    epsilon: f64,
    /// Eigenvalues in ascending order, in squared units of the pixels before whitening.
    eigenvalues: Vec<f64>,
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
    range: ValueRange,
}

/// Range, mean and standard deviation of the values of some images.
#[derive(Serialize)]
struct ValueRange {
    min: f64,
    max: f64,
    mean: f64,
    std: f64,
}

impl From<Moments> for ValueRange {
    fn from(moments: Moments) -> Self {
        Self { min: moments.min(), max: moments.max(), mean: moments.mean(), std: moments.std() }
    }
}

pub fn run(args: ScaleArgs, terminal: &Terminal) -> Result<()> {
    let flags = Overrides {
        scaling: args.scaling,
        batch_size: args.batch_size,
        limit: args.limit,
        ..Overrides::default()
    };
    let overrides = args.dataset.over(flags.over(args.config.read()?));
    let scaling = overrides.scaling.clone().ok_or(TrainingError::NoScaling)?;
    if let Some(path) = &args.picture {
        check_path(path)?;
    }
    let batch_size = overrides.batch_size.unwrap_or(BATCH_SIZE).get() as usize;
    let dataset = DatasetSettings::resolve(&overrides)?;
    let data = ExperimentData::open_unchecked(&dataset, terminal)?;
    let fitted = fit(&scaling, &data.train, terminal)?;

    let first = data.train.first(batch_size);
    let shape = first.shape();
    let moments = |images: &Images| watched(terminal, |progress| fitted.moments(images, progress));
    let (batch, train, test) = (moments(&first)?, moments(&data.train)?, moments(&data.test)?);
    warn_of_extremes(&fitted, &train, &test, terminal);
    let result = ScaleResult {
        scaling: scaling.name(),
        statistics: Statistics {
            mean: fitted.mean().map(<[f64]>::to_vec),
            std: fitted.std().map(<[f64]>::to_vec),
        },
        zca: fitted.whitening().map(|whitening| Zca {
            epsilon: scaling.zca_epsilon,
            eigenvalues: whitening.eigenvalues().to_vec(),
        }),
        batches: Batches {
            train: data.train.len().div_ceil(batch_size),
            test: data.test.len().div_ceil(batch_size),
        },
        batch: Batch { shape: [first.len(), shape.channels, shape.height, shape.width], range: batch.into() },
        train: train.into(),
        test: test.into(),
    };
    if let Some(path) = &args.picture {
        draw(path, &fitted, &data, terminal)?;
    }
    terminal.result(&result, || describe(&result))
}

/// Refuses a path that cannot be written, before anything is computed.
fn check_path(path: &Path) -> Result<(), HintedError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let reason = if path.is_dir() {
        "it is a folder"
    } else if folder.is_some_and(|folder| !folder.is_dir()) {
        "its folder does not exist"
    } else if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("png")) {
        "the file name must end in .png"
    } else {
        return Ok(());
    };
    let message = format!("cannot write {}: {reason}", path.display());
    Err(HintedError::new(message, "name a PNG file in an existing folder, such as --picture sheet.png"))
}

/// Longest time for the whitening of a preset on the contact sheet, in seconds. Presets that take longer are left
/// out.
const LONGEST_FIT: f64 = 60.0;

/// Draws one image of each class under each preset, and under `asked_for` if it is not a preset.
fn draw(path: &Path, asked_for: &FittedScaling, data: &ExperimentData, terminal: &Terminal) -> Result<()> {
    let mut scalings: Vec<Scaling> =
        preset_names().into_iter().map(str::parse).collect::<Result<_, ScalingError>>()?;
    if !scalings.contains(asked_for.scaling()) {
        scalings.push(asked_for.scaling().clone());
    }
    let previews = PreviewImages::new(&data.train, data.classes)?;
    let mut rows = Vec::new();
    for scaling in scalings {
        let is_asked_for = scaling == *asked_for.scaling();
        if let Some(cost) = scaling.whitening_cost(data.train.shape(), data.train.len())
            && !is_asked_for
            && (cost.seconds > LONGEST_FIT || cost.check_memory().is_err())
        {
            terminal.note(&format!(
                "the contact sheet leaves out {}: fitting it would take too much time or memory",
                scaling.name()
            ));
            continue;
        }
        let fitted_now;
        let fitted = if is_asked_for {
            asked_for
        } else {
            // The user did not ask for this scaling, so its warnings are not printed.
            fitted_now = watched(terminal, |progress| scaling.fit(&data.train, progress))?;
            &fitted_now
        };
        rows.push(previews.under(scaling.name(), fitted, terminal)?);
    }
    let mut png = Cursor::new(Vec::new());
    contact_sheet::draw(&rows, data.train.shape())?.write_to(&mut png, ImageFormat::Png)?;
    files::write(path, png.get_ref())?;
    terminal.note(&format!("contact sheet: {}", path.display()));
    Ok(())
}

fn describe(result: &ScaleResult) -> String {
    let statistic = |values: &Option<Vec<f64>>| match values.as_deref() {
        None => "–".to_owned(),
        Some([value]) => value.to_string(),
        Some(values) => format!("{} values", values.len()),
    };
    let row = |name: String, range: &ValueRange| {
        let ValueRange { min, max, mean, std } = range;
        [name, format!("{min:.6}"), format!("{max:.6}"), format!("{mean:.9}"), format!("{std:.9}")]
    };
    let rows = [
        row(format!("first batch {:?}", result.batch.shape), &result.batch.range),
        row(format!("train, {} batches", result.batches.train), &result.train),
        row(format!("test, {} batches", result.batches.test), &result.test),
    ];
    let zca = result.zca.as_ref().map_or(String::new(), |zca| {
        let below = zca.eigenvalues.iter().filter(|&&eigenvalue| eigenvalue < zca.epsilon).count();
        let largest = zca.eigenvalues.last().copied().unwrap_or_default();
        format!(
            ", {} eigenvalues up to {largest:.3}, {below} of them below the ε of {}",
            zca.eigenvalues.len(),
            zca.epsilon
        )
    });
    format!(
        "{}: fitted mean {}, std {}{zca}\n{}",
        result.scaling,
        statistic(&result.statistics.mean),
        statistic(&result.statistics.std),
        table(["after scaling", "min", "max", "mean", "std"], rows)
    )
}
