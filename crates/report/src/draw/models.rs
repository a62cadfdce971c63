//! The trained models on a page to draw on, as the JSON that its script reads.

use std::path::Path;

use data_encoding::BASE64;
use mnist_data::{DatasetKind, FittedScaling, ImageShape, Scaling, Whitening, preparation::PREPARED};
use mnist_training::{export::layers, predictor::TrainedModel};
use serde::Serialize;

use crate::{ReportError, numbers::count, style};

/// Limit for the models on a page, in bytes of base64. Browsers do not hold longer texts.
const MOST_BYTES: usize = 400 << 20;

/// Trained models for the same images and classes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Models {
    shape: ImageShape,
    classes: Vec<String>,
    /// Whether pictures show digits and are prepared like MNIST's. Otherwise they are only resized.
    prepares: bool,
    #[serde(rename = "models")]
    list: Vec<Model>,
}

/// A trained model.
#[derive(Serialize)]
struct Model {
    name: String,
    /// The color of its scaling in all pictures.
    color: String,
    /// Index of its arm in a comparison.
    arm: Option<usize>,
    scaling: ScalingStatistics,
    /// The layers in order, weights before biases: little-endian `f32` in base64.
    weights: Vec<String>,
}

/// A fitted scaling. Numbers are little-endian `f64` in base64.
#[derive(Serialize)]
struct ScalingStatistics {
    steps: Scaling,
    mean: Option<String>,
    std: Option<String>,
    /// The lower triangle of the symmetric matrix, row by row.
    whitening: Option<String>,
}

impl Models {
    /// Reads the models of runs, which are named after their scalings.
    ///
    /// # Errors
    /// When there are no runs, a run has no usable model or another network, or the runs differ in the shape of the
    /// images or in the classes.
    pub fn open<'a>(runs: impl IntoIterator<Item = &'a Path>) -> Result<Self, ReportError> {
        let trained = runs.into_iter().map(TrainedModel::open).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = (0..trained.len()).map(|index| name(&trained, index)).collect();
        let mut models: Option<Self> = None;
        for (trained, name) in trained.iter().zip(names) {
            match &mut models {
                Some(models) => models.add(name, None, trained)?,
                None => models = Some(Self::new(name, None, trained)?),
            }
        }
        models.ok_or(ReportError::NoModels)
    }

    /// Starts with one model. `arm` is its index in a comparison.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn new(name: String, arm: Option<usize>, trained: &TrainedModel) -> Result<Self, ReportError> {
        let mut models = Self {
            shape: trained.fitted.shape(),
            classes: classes(trained),
            prepares: has_mnist_shape(trained) && dataset(trained) == DatasetKind::Mnist,
            list: Vec::new(),
        };
        models.add(name, arm, trained)?;
        Ok(models)
    }

    /// Adds a model. `arm` is its index in a comparison.
    ///
    /// # Errors
    /// When it takes other images or has other classes than the first model, when it is another network than the
    /// tutorial's, or when its weights cannot be read.
    pub fn add(
        &mut self,
        name: String,
        arm: Option<usize>,
        trained: &TrainedModel,
    ) -> Result<(), ReportError> {
        let differ =
            |difference: String| Err(ReportError::OtherImages { run: trained.run().to_owned(), difference });
        let (shape, classes) = (trained.fitted.shape(), classes(trained));
        if shape != self.shape {
            return differ(format!("takes images of {shape}, but the first run takes {}", self.shape));
        }
        if classes.len() != self.classes.len() {
            let [found, expected] = [classes.len(), self.classes.len()].map(count);
            return differ(format!("has {found} classes, but the first run has {expected}"));
        }
        if classes != self.classes {
            return differ("has other class names than the first run".into());
        }
        let model = Model {
            name,
            color: style::hex(style::color(trained.fitted.scaling().name())),
            arm,
            scaling: ScalingStatistics::of(&trained.fitted),
            weights: layers(trained)?.iter().map(|layer| BASE64.encode(layer)).collect(),
        };
        let bytes = self.bytes() + model.bytes();
        if bytes > MOST_BYTES {
            return Err(ReportError::PageTooLarge(bytes));
        }
        self.list.push(model);
        Ok(())
    }

    /// Returns the size of all models on the page.
    pub fn bytes(&self) -> usize {
        self.list.iter().map(Model::bytes).sum()
    }

    /// Returns the names of the models in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|model| &*model.name)
    }

    pub(super) fn shape(&self) -> ImageShape {
        self.shape
    }

    pub(super) fn prepares(&self) -> bool {
        self.prepares
    }

    /// Returns whether a report shows a model to draw on: one for images of MNIST's shape, such as Fashion-MNIST's.
    pub(super) fn fits_a_report(trained: &TrainedModel) -> bool {
        has_mnist_shape(trained) && dataset(trained) != DatasetKind::Folder
    }

    /// Removes the model that was added last. Returns `None` if none is left.
    pub(super) fn without_last(mut self) -> Option<Self> {
        self.list.pop();
        Some(self).filter(|models| !models.list.is_empty())
    }
}

impl Model {
    fn bytes(&self) -> usize {
        let ScalingStatistics { mean, std, whitening, .. } = &self.scaling;
        self.weights.iter().chain([mean, std, whitening].into_iter().flatten()).map(String::len).sum()
    }
}

impl ScalingStatistics {
    fn of(fitted: &FittedScaling) -> Self {
        let encode = |numbers: &[f64]| {
            BASE64.encode(&numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
        };
        Self {
            steps: fitted.scaling().clone(),
            mean: fitted.mean().map(encode),
            std: fitted.std().map(encode),
            whitening: fitted.whitening().map(|whitening| encode(&lower_triangle(whitening))),
        }
    }
}

fn has_mnist_shape(trained: &TrainedModel) -> bool {
    trained.fitted.shape() == PREPARED
}

fn dataset(trained: &TrainedModel) -> DatasetKind {
    trained.settings.training.dataset.dataset
}

fn lower_triangle(whitening: &Whitening) -> Vec<f64> {
    let rows = whitening.matrix().chunks_exact(whitening.eigenvalues().len());
    rows.enumerate().flat_map(|(row, numbers)| &numbers[..=row]).copied().collect()
}

/// Returns the names of the classes; those without a name are named by their number.
fn classes(trained: &TrainedModel) -> Vec<String> {
    trained
        .class_names
        .clone()
        .unwrap_or_else(|| (0..trained.classes).map(|class| class.to_string()).collect())
}

/// Returns the name of a run's model: its scaling. If several runs have the same scaling, their folder follows.
fn name(all: &[TrainedModel], index: usize) -> String {
    let scaling = |trained: &TrainedModel| trained.fitted.scaling().name();
    let is_unique = all.iter().filter(|other| scaling(other) == scaling(&all[index])).count() == 1;
    let scaling = scaling(&all[index]);
    if is_unique { scaling.to_owned() } else { format!("{scaling} ({})", all[index].run().display()) }
}
