//! What scalings do to some train images, to be shown: computed once, for it does not change.

use anyhow::Result;
use burn::data::dataset::Dataset;
use mnist_data::{FittedScaling, Images, LabelledImage, Scaling};

use super::contact_sheet::{Histogram, Row};
use crate::{
    config::ComparisonConfig,
    dataset::{ExperimentData, watched},
    terminal::Terminal,
};

/// Images that are shown, of as many classes.
const SHOWN: usize = 10;

/// Train images whose values the histograms count.
const COUNTED: usize = 10_000;

/// What each scaling of a comparison does to train images; one that `fitted` does not know is left out.
pub fn of_all(
    config: &ComparisonConfig,
    data: &ExperimentData,
    terminal: &Terminal,
    fitted: impl Fn(&Scaling) -> Result<Option<FittedScaling>>,
) -> Result<Vec<Row>> {
    let previews = Previews::new(&data.train, data.classes)?;
    let mut rows = Vec::new();
    for (name, scaling) in config.scaling_names().iter().zip(&config.scalings) {
        if let Some(fitted) = fitted(scaling)? {
            rows.push(previews.of(name, &fitted, terminal)?);
        }
    }
    Ok(rows)
}

/// Shows what a fitted scaling makes of the same images as another.
pub struct Previews {
    shown: Vec<LabelledImage>,
    counted: Images,
}

impl Previews {
    /// Takes the first image of each of the first classes.
    pub fn new(train: &Images, classes: usize) -> Result<Self> {
        let labels = train.labels();
        let first_of = |class: usize| labels.iter().position(|&label| label as usize == class);
        let shown: Vec<usize> = (0..classes).filter_map(first_of).take(SHOWN).collect();
        Ok(Self { shown: train.get_many(shown)?, counted: train.first(COUNTED) })
    }

    /// The images under this scaling, which is called `name`.
    pub fn of(&self, name: &str, fitted: &FittedScaling, terminal: &Terminal) -> Result<Row> {
        let moments = watched(terminal, |progress| fitted.moments(&self.counted, progress))?;
        let mut histogram = Histogram::new(moments.min(), moments.max());
        let add = |values: &[f32]| histogram.add(values);
        watched(terminal, |progress| fitted.for_each_scaled(&self.counted, progress, add))?;
        let images = self.shown.iter().map(|image| fitted.scale(&[image.pixels()])).collect();
        Ok(Row { name: name.to_owned(), moments, images, histogram })
    }
}
