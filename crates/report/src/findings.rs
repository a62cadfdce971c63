//! The input of a report.

use std::path::Path;

use mnist_comparison::{ArmResult, ArmRuns, Comparison, ComparisonFolder};
use mnist_data::{Images, input::shown};
use mnist_training::{DatasetSettings, FinishedRun, RunResult, TrainingError, files::OutputFolder};

use crate::{
    facts::PROGRAMS_NETWORK,
    notes,
    previews::Preview,
    style::{self, Look},
};

/// Everything that a report shows: a comparison, its runs and its settings.
#[derive(Debug)]
pub struct Findings<'a> {
    /// The result of the comparison.
    pub comparison: &'a Comparison,
    /// The content of the comparison's `config.toml`.
    pub config: String,
    /// Name of the network that was trained.
    pub network: String,
    /// Name of the data set, such as `MNIST`.
    pub dataset: String,
    /// Every arm with its finished runs. [`ArmResult::arm_index`] is a position in this slice.
    pub arms: &'a [ArmRuns],
    /// The folder that the report is written into.
    pub folder: &'a OutputFolder,
    /// Images from the data set. Without them, the report shows no images.
    pub samples: Option<&'a SampleImages>,
}

/// Images from the data set that a report shows.
#[derive(Debug)]
pub struct SampleImages {
    /// The test images, for which the runs have predictions.
    pub test: Images,
    /// Some training images under each scaling. Scalings without a run are not shown.
    pub previews: Vec<Preview>,
}

impl<'a> Findings<'a> {
    /// Collects the findings from a comparison's folder.
    ///
    /// # Errors
    /// When the settings cannot be written as TOML.
    pub fn new(
        folder: &'a ComparisonFolder,
        comparison: &'a Comparison,
        samples: Option<&'a SampleImages>,
    ) -> Result<Self, TrainingError> {
        let config = folder.settings().to_toml()?;
        let training = &folder.settings().training;
        let (network, dataset) = (training.network.clone(), dataset_name(&training.dataset));
        Ok(Self {
            comparison,
            config,
            network,
            dataset,
            arms: folder.arms(),
            folder: folder.output(),
            samples,
        })
    }

    /// Returns the runs of an arm.
    pub(crate) fn runs_of(&self, arm: &ArmResult) -> &'a ArmRuns {
        &self.arms[arm.arm_index]
    }

    /// Returns all runs, those of the best arm first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &'a FinishedRun> {
        self.comparison.scalings.iter().flat_map(|arm| &self.runs_of(arm).runs)
    }

    /// Returns the look of an arm. It depends on the settings of the comparison, not on the results.
    pub(crate) fn look(&self, arm: &ArmResult) -> Look {
        let color = style::color(&arm.scaling);
        let earlier = self.arms[..arm.arm_index].iter();
        let shape = earlier.filter(|earlier| style::color(&earlier.arm.scaling_name) == color).count();
        Look { color, shape }
    }

    /// Returns the name of a class, or its number if it has no name.
    pub(crate) fn class(&self, class: usize) -> String {
        let names = self.runs().next().and_then(|run| run.result.class_names.as_ref());
        names.and_then(|names| names.get(class).cloned()).unwrap_or_else(|| class.to_string())
    }

    /// Returns the number of usable runs whose `predictions.csv` is missing.
    pub(crate) fn without_predictions(&self) -> usize {
        self.runs().filter(|run| run.is_usable() && run.predictions.is_empty()).count()
    }

    /// Returns the name of a test image: its file, or its number if it has no file of its own.
    pub(crate) fn test_image(&self, image: usize) -> String {
        let of_run = |run: &FinishedRun| run.predictions.get(image)?.file.clone();
        let of_data = || self.samples.filter(|samples| image < samples.test.labels().len())?.test.file(image);
        let file = self.runs().find_map(of_run).or_else(of_data);
        file.unwrap_or_else(|| format!("test image {image}"))
    }

    /// Returns a run's folder, relative to the report.
    pub(crate) fn folder_of(&self, run: &RunResult) -> String {
        let inside = run.run.strip_prefix(&self.comparison.folder).unwrap_or(&run.run);
        inside.display().to_string()
    }

    /// Returns the command with which `mnist-trainer` continues an undecided comparison; `None` for networks of other
    /// programs.
    pub(crate) fn run_on(&self) -> Option<String> {
        notes::run_on(self.comparison).filter(|_| self.network == PROGRAMS_NETWORK)
    }

    /// Returns a warning if some runs are unfinished. The verdict counts them.
    pub(crate) fn unfinished(&self) -> Option<&'static str> {
        let Comparison { planned, finished, .. } = self.comparison;
        (finished < planned).then_some("This comparison is unfinished. The results may still change.")
    }
}

/// Returns the name of a data set, such as `MNIST`, or the name of its folder.
fn dataset_name(settings: &DatasetSettings) -> String {
    let folder = settings.data_dir.as_deref().and_then(Path::file_name);
    match folder.filter(|_| settings.dataset.known().is_none()) {
        Some(folder) => shown(folder).to_string(),
        None => settings.dataset.title().into(),
    }
}
