//! Opens, limits and splits the images of an experiment, and fits scalings on them.

use burn::data::dataset::Dataset;
use mnist_data::{
    DatasetKind, Files, FittedScaling, ImageShape, Images, Moments, Scaling, ScalingError, Splits,
    source::FileSum,
};

use crate::{
    DatasetSettings, Network, Observer, TrainingError, TrainingSettings, observer::watched,
    settings::Fraction,
};

/// The images of an experiment.
#[derive(Debug, Clone)]
pub struct ExperimentData {
    /// The training images. The scaling is fitted on them too.
    pub train: Images,
    /// The validation images, if any: the last part of the train split, never trained on.
    pub validation: Option<Images>,
    /// The test images. Training never uses them; [`fit`](Self::fit) only looks for extreme values in them.
    pub test: Images,
    /// Number of classes.
    pub classes: usize,
    /// Names of the classes in the order of the labels, if they have names.
    pub class_names: Option<Vec<String>>,
    /// Checksums of the data files; empty after [`open_unchecked`](Self::open_unchecked).
    pub files: Vec<FileSum>,
}

impl ExperimentData {
    /// Opens the data set without a validation split and without checksums, to look at the images or to train
    /// without a run folder. A run in a folder needs [`open`](Self::open): when it resumes, it compares the
    /// checksums.
    ///
    /// # Errors
    /// When the files cannot be fetched or read, or the observer asks to stop.
    pub fn open_unchecked(
        settings: &DatasetSettings,
        observer: &dyn Observer,
    ) -> Result<Self, TrainingError> {
        let files = fetch(settings, observer)?;
        from_splits(files, observer, |splits| Self::split(splits, settings, Fraction::NONE, Vec::new()))
    }

    /// Opens the data set for runs, with its validation split and the checksums of its files.
    ///
    /// This checks early, before the training, that the `network` accepts the images, that the `scalings` fit in
    /// memory, and that every picture can be decoded.
    ///
    /// # Errors
    /// When one of these checks fails, or the files cannot be fetched or read. Also when the validation split takes
    /// all training images, or all of a class, and when the observer asks to stop.
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
        from_splits(files, observer, |splits| {
            Self::split(splits, &settings.dataset, settings.validation_split, sums)
        })
    }

    /// Limits the train split, and splits the validation images off its end.
    fn split(
        splits: Splits,
        settings: &DatasetSettings,
        validation_split: Fraction,
        files: Vec<FileSum>,
    ) -> Result<Self, TrainingError> {
        let Splits { train, test, classes, class_names } = splits;
        let train = settings.limit.map_or(train.clone(), |limit| train.first(limit.get() as usize));
        // As in Keras, the number of training images is rounded down.
        let trained_on = (train.len() as f64 * (1.0 - validation_split.get())) as usize;
        let (train, validation) = train.split_at(trained_on);
        if train.is_empty() {
            return Err(TrainingError::Settings("`validation_split` leaves no image to train on".into()));
        }
        let (in_train, in_validation) = (train.label_counts(classes), validation.label_counts(classes));
        if let Some(class) = (0..classes).find(|&class| in_train[class] == 0 && in_validation[class] > 0) {
            return Err(TrainingError::ClassNotTrained(class));
        }
        let validation = (!validation.is_empty()).then_some(validation);
        Ok(Self { train, validation, test, classes, class_names, files })
    }

    /// Fits a scaling on the training images, like [`fit`](fn@fit). If it whitens, also warns of extreme test values.
    ///
    /// # Errors
    /// As for [`fit`](fn@fit).
    pub fn fit(&self, scaling: &Scaling, observer: &dyn Observer) -> Result<FittedScaling, TrainingError> {
        /// A sample of the training images is enough, since a whitening bounds the values of all of them. But a single
        /// test image may be extreme.
        const TRAIN_IMAGES: usize = 1000;
        let fitted = fit(scaling, &self.train, observer)?;
        if scaling.zca_whitening {
            let moments = |images: &Images| watched(observer, |progress| fitted.moments(images, progress));
            let train = moments(&self.train.first(TRAIN_IMAGES))?;
            warn_of_extremes(&fitted, &train, &moments(&self.test)?, observer);
        }
        Ok(fitted)
    }

    /// Returns `[channels, height, width]` of every image.
    pub fn image(&self) -> [usize; 3] {
        dimensions(self.train.shape())
    }
}

/// Returns the shape in the form that a [`Network`] takes.
pub(crate) fn dimensions(shape: ImageShape) -> [usize; 3] {
    [shape.channels, shape.height, shape.width]
}

/// Opens both splits of the data set.
///
/// # Errors
/// When the files cannot be fetched or read, or the observer asks to stop.
pub fn open_splits(settings: &DatasetSettings, observer: &dyn Observer) -> Result<Splits, TrainingError> {
    from_splits(fetch(settings, observer)?, observer, Ok)
}

/// Opens both splits and passes them to `build`. Then notes the checksums of IDX files; after an error there is no
/// note.
fn from_splits<T>(
    files: Files,
    observer: &dyn Observer,
    build: impl FnOnce(Splits) -> Result<T, TrainingError>,
) -> Result<T, TrainingError> {
    // There are no published checksums to check these files against, so the user sees theirs.
    let is_idx = files.kind == DatasetKind::Idx;
    let sums = if is_idx { watched(observer, |progress| files.sums(progress))? } else { Vec::new() };
    let is_folder = files.kind == DatasetKind::Folder;
    let splits = files.into_splits()?;
    let untested = if is_folder { untested_classes(&splits) } else { Vec::new() };
    let (classes, result) = (splits.classes, build(splits)?);
    if !untested.is_empty() {
        let (count, names) = (untested.len(), untested.join(", "));
        observer.warning(&format!("{count} of {classes} classes have no test pictures: {names}"));
    }
    if is_idx {
        let named: Vec<String> = sums.iter().map(|sum| format!("{} {}", sum.name, sum.sha256)).collect();
        observer.note(&format!("SHA-256 sums of the IDX files: {}", named.join(", ")));
    }
    Ok(result)
}

/// Returns the names of the classes without test images.
fn untested_classes(splits: &Splits) -> Vec<String> {
    let counts = splits.test.label_counts(splits.classes);
    let names = splits.class_names.iter().flatten().zip(counts);
    names.filter(|&(_, count)| count == 0).map(|(name, _)| name.clone()).collect()
}

/// Reads the files of the data set. Downloads those that this machine does not have, and notes the first source that
/// answers.
///
/// # Errors
/// When no source has the files, a file is broken, or the observer asks to stop.
pub fn fetch(settings: &DatasetSettings, observer: &dyn Observer) -> Result<Files, TrainingError> {
    let mut is_announced = false;
    let known = settings.dataset.known();
    let mut announce = |source: &str| {
        // Only once, so that an error after several sources is not lost among notes.
        if let Some(known) = known.filter(|_| !is_announced) {
            observer.note(&format!("downloading {} ({} MB) from {source}", known.title, known.megabytes));
            is_announced = true;
        }
    };
    Ok(watched(observer, |progress| settings.source().fetch_announced(&mut announce, progress))?)
}

/// Fits a scaling on the training images. Notes the cost of a whitening. Warns of too few images for a
/// whitening, and of standard deviations that are 0.
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
            "fitting zca_whitening with {} values per image will take about {:.1} GB of memory and {:.0} s",
            cost.values,
            cost.bytes as f64 / 1e9,
            cost.seconds.ceil()
        ));
        if cost.lacks_images() {
            observer.warning(&format!(
                "{}: {} images do not vary in all {} directions; whitening multiplies values along the others by {:.0}",
                scaling.name(),
                cost.images,
                cost.values,
                scaling.zca_epsilon.sqrt().recip()
            ));
        }
    }
    let fitted = watched(observer, |progress| scaling.fit(train, progress)).map_err(|cause| match cause {
        // A data error already names the file.
        ScalingError::Data(cause) => TrainingError::Data(cause),
        cause => TrainingError::Fit { scaling: scaling.name(), cause },
    })?;
    let stds = fitted.std().unwrap_or_default();
    let constant = stds.iter().filter(|&&std| std == 0.0).count();
    if constant > 0 {
        observer.warning(&format!(
            "{}: {constant} of {} standard deviations are 0, so differences from the training images at these pixels are divided by 1e-6",
            scaling.name(),
            stds.len()
        ));
    }
    Ok(fitted)
}

/// Warns if the scaled test values go far beyond the scaled training values. A model has never seen such values.
pub fn warn_of_extremes(fitted: &FittedScaling, train: &Moments, test: &Moments, observer: &dyn Observer) {
    /// The largest test value is usually about as large as the largest training value.
    const FAR: f64 = 10.0;
    let largest = |moments: &Moments| moments.max().max(-moments.min());
    let (train, test) = (largest(train), largest(test));
    if test <= FAR * train {
        return;
    }
    let scaling = fitted.scaling();
    let remedy = if scaling.zca_whitening {
        "; a larger zca_epsilon prevents this"
    } else if fitted.std().is_some_and(|stds| stds.contains(&0.0)) {
        "; a coarser granularity prevents this"
    } else {
        ""
    };
    observer.warning(&format!(
        "{}: scaled test values reach {test:.0}, but scaled training values only {train:.0}{remedy}",
        scaling.name()
    ));
}
