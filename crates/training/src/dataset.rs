//! The images of an experiment: fetched, limited, split, and scalings fitted on them.

use burn::data::dataset::Dataset;
use mnist_data::{
    DatasetKind, Files, FittedScaling, ImageShape, Images, Scaling, ScalingError, Splits, source::FileSum,
};

use crate::{
    DatasetSettings, Network, Observer, TrainingError, TrainingSettings, observer::watched,
    settings::Fraction,
};

/// The images of an experiment.
#[derive(Debug)]
pub struct ExperimentData {
    /// The images that the scaling is fitted on and the model is trained on.
    pub train: Images,
    /// The validation images, if any: the last part of the train split, never trained on.
    pub validation: Option<Images>,
    /// The test images, used once, after the training.
    pub test: Images,
    /// Number of classes.
    pub classes: usize,
    /// Their names in the order of the labels, if they have names.
    pub class_names: Option<Vec<String>>,
    /// Checksums of the data files; empty after [`open_unchecked`](Self::open_unchecked).
    pub files: Vec<FileSum>,
}

impl ExperimentData {
    /// Opens the data set without a validation split and without checksums: to look at the images, or to train
    /// without a run folder. A run that is to be resumed needs [`open`](Self::open), by which it notices other
    /// data.
    ///
    /// # Errors
    /// When the files cannot be fetched or read, or the observer asks to stop.
    pub fn open_unchecked(
        settings: &DatasetSettings,
        observer: &dyn Observer,
    ) -> Result<Self, TrainingError> {
        let splits = into_splits(fetch(settings, observer)?, observer)?;
        Self::split(splits, settings, Fraction::NONE, Vec::new())
    }

    /// Opens the data set for trainings: with its validation split, and with the checksums of its files.
    ///
    /// This fails early rather than during a training: for images that the `network` cannot take, `scalings`
    /// that do not fit in memory, and pictures that cannot be decoded.
    ///
    /// # Errors
    /// In those cases, when the files cannot be fetched or read, when the validation split leaves too little
    /// to train on, or when the observer asks to stop.
    pub fn open(
        settings: &TrainingSettings,
        scalings: &[Scaling],
        network: &impl Network,
        observer: &dyn Observer,
    ) -> Result<Self, TrainingError> {
        let files = fetch(&settings.dataset, observer)?;
        network.check(dimensions(files.shape())).map_err(TrainingError::Network)?;
        for scaling in scalings {
            if let Some(cost) = scaling.whitening_cost(files.shape(), 0) {
                cost.check_memory().map_err(|cause| TrainingError::Fit { scaling: scaling.name(), cause })?;
            }
        }
        let sums = watched(observer, |progress| files.sums(progress))?;
        let splits = into_splits(files, observer)?;
        Self::split(splits, &settings.dataset, settings.validation_split, sums)
    }

    /// Limits the train split and splits the validation images off its end.
    fn split(
        splits: Splits,
        settings: &DatasetSettings,
        validation_split: Fraction,
        files: Vec<FileSum>,
    ) -> Result<Self, TrainingError> {
        let Splits { train, test, classes, class_names } = splits;
        let train = settings.limit.map_or(train.clone(), |limit| train.first(limit.get() as usize));
        // Keras' cut: the train part is the floor of its share.
        let trained_on = (train.len() as f64 * (1.0 - validation_split.get())) as usize;
        let (train, validation) = train.split_at(trained_on);
        if train.is_empty() {
            return Err(TrainingError::Settings("`validation_split` leaves no image to train on".into()));
        }
        let (in_train, in_validation) = (train.label_counts(classes), validation.label_counts(classes));
        if let Some(class) = (0..classes).find(|&class| in_train[class] == 0 && in_validation[class] > 0) {
            return Err(TrainingError::Settings(format!(
                "`validation_split` takes all images of class {class} away from training; are the images sorted by class?"
            )));
        }
        let validation = (!validation.is_empty()).then_some(validation);
        Ok(Self { train, validation, test, classes, class_names, files })
    }

    /// `[channels, height, width]` of every image.
    pub fn image(&self) -> [usize; 3] {
        dimensions(self.train.shape())
    }
}

/// The shape in the form that a [`Network`] takes.
pub(crate) fn dimensions(shape: ImageShape) -> [usize; 3] {
    [shape.channels, shape.height, shape.width]
}

/// Opens both splits of the data set.
///
/// # Errors
/// When the files cannot be fetched or read, or the observer asks to stop.
pub fn open_splits(settings: &DatasetSettings, observer: &dyn Observer) -> Result<Splits, TrainingError> {
    into_splits(fetch(settings, observer)?, observer)
}

fn into_splits(files: Files, observer: &dyn Observer) -> Result<Splits, TrainingError> {
    if files.kind == DatasetKind::Idx {
        // Nobody publishes checksums for these files, so show which they are.
        let sums = watched(observer, |progress| files.sums(progress))?;
        let named: Vec<String> = sums.iter().map(|sum| format!("{} {}", sum.name, sum.sha256)).collect();
        observer.note(&format!("IDX data with SHA-256 sums: {}", named.join(", ")));
    }
    Ok(files.into_splits()?)
}

/// Reads the files of the data set; downloads them if this machine does not have them.
///
/// # Errors
/// When no source has the files, a file is broken, or the observer asks to stop.
pub fn fetch(settings: &DatasetSettings, observer: &dyn Observer) -> Result<Files, TrainingError> {
    Ok(watched(observer, |progress| settings.source().fetch(progress))?)
}

/// Fits a scaling on the train images. Notes the cost of a whitening, and warns of statistics from too few
/// images.
///
/// # Errors
/// When the images cannot be read, a whitening does not fit in memory, or the observer asks to stop.
pub fn fit(
    scaling: &Scaling,
    train: &Images,
    observer: &dyn Observer,
) -> Result<FittedScaling, TrainingError> {
    if let Some(cost) = scaling.whitening_cost(train.shape(), train.len()) {
        observer.note(&format!(
            "zca_whitening of {} values per image will take about {:.1} GB of memory and {:.0} s",
            cost.values,
            cost.bytes as f64 / 1e9,
            cost.seconds.ceil()
        ));
        if cost.lacks_images() {
            observer.warning(&format!(
                "{}: {} images do not show every direction of {} values; zca_whitening multiplies the others by {:.0}",
                scaling.name(),
                cost.images,
                cost.values,
                scaling.zca_epsilon.sqrt().recip()
            ));
        }
    }
    let fitted = watched(observer, |progress| scaling.fit(train, progress)).map_err(|cause| match cause {
        // A data error names the file itself.
        ScalingError::Data(cause) => TrainingError::Data(cause),
        cause => TrainingError::Fit { scaling: scaling.name(), cause },
    })?;
    let stds = fitted.std().unwrap_or_default();
    let constant = stds.iter().filter(|&&std| std == 0.0).count();
    if constant > 0 {
        observer.warning(&format!(
            "{}: {constant} of {} standard deviations are 0; there, any difference from the train images is divided by 1e-6",
            scaling.name(),
            stds.len()
        ));
    }
    Ok(fitted)
}
