//! The input of a report, for every format.

use mnist_comparison::{ArmResult, ArmRuns, Comparison, ComparisonFolder};
use mnist_data::Images;
use mnist_training::{FinishedRun, RunResult, TrainingError, files::OutputFolder};

use crate::{numbers::count, previews::Preview};

/// A comparison with everything that a report shows of it.
#[derive(Debug)]
pub struct Findings<'a> {
    /// The statistics.
    pub comparison: &'a Comparison,
    /// The `config.toml` in force.
    pub config: String,
    /// Name of the network that was trained.
    pub network: String,
    /// Every arm with its runs; [`ArmResult::arm_index`] is a position here.
    pub arms: &'a [ArmRuns],
    /// The folder to write the report into.
    pub folder: &'a OutputFolder,
    /// Images of the data set; a report without them has no pictures.
    pub samples: Option<&'a SampleImages>,
}

/// Images of the data set that a report shows.
#[derive(Debug)]
pub struct SampleImages {
    /// The test images, which the runs have predictions for.
    pub test: Images,
    /// What each scaling does to some train images. Scalings without a run are not shown.
    pub previews: Vec<Preview>,
}

impl<'a> Findings<'a> {
    /// The findings of a comparison's folder.
    ///
    /// # Errors
    /// When the settings cannot be written as TOML.
    pub fn new(
        folder: &'a ComparisonFolder,
        comparison: &'a Comparison,
        samples: Option<&'a SampleImages>,
    ) -> Result<Self, TrainingError> {
        let config = folder.settings().to_toml()?;
        let network = folder.settings().training.network.clone();
        Ok(Self { comparison, config, network, arms: folder.arms(), folder: folder.output(), samples })
    }

    /// The runs of an arm.
    pub(crate) fn runs_of(&self, arm: &ArmResult) -> &'a ArmRuns {
        &self.arms[arm.arm_index]
    }

    /// All runs, best arm first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &'a FinishedRun> {
        self.comparison.scalings.iter().flat_map(|arm| &self.runs_of(arm).runs)
    }

    /// A class's name, or its number where it has none.
    pub(crate) fn class(&self, class: usize) -> String {
        let names = self.runs().next().and_then(|run| run.result.class_names.as_ref());
        names.and_then(|names| names.get(class).cloned()).unwrap_or_else(|| class.to_string())
    }

    /// A run's folder, as seen from the report.
    pub(crate) fn folder_of(&self, run: &RunResult) -> String {
        let inside = run.run.strip_prefix(&self.comparison.folder).unwrap_or(&run.run);
        inside.display().to_string()
    }

    /// Says how many trainings are finished, unless all are.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let Comparison { planned, finished, .. } = self.comparison;
        (finished < planned).then(|| {
            format!(
                "So far {} of {} trainings are finished; the results may still change.",
                count(*finished),
                count(*planned)
            )
        })
    }
}
