//! The fitted scalings of a comparison. Each scaling is fitted once and shared by its runs.

use std::sync::Arc;

use mnist_data::FittedScaling;
use mnist_training::{ExperimentData, Observer, TrainingError, run::SCALING};

use crate::{ComparisonFolder, ComparisonSettings, plan::PlannedRun};

/// The fitted scalings of a comparison. Scalings that no run has needed yet are missing.
#[derive(Debug, Clone)]
pub struct FittedScalings(Vec<Option<Arc<FittedScaling>>>);

impl FittedScalings {
    /// Fits the scalings of these runs on the training images.
    ///
    /// # Errors
    /// As for [`ExperimentData::fit`].
    pub fn fit(
        settings: &ComparisonSettings,
        runs: &[PlannedRun],
        data: &ExperimentData,
        observer: &dyn Observer,
    ) -> Result<Self, TrainingError> {
        let arms = settings.arms();
        let is_needed = |scaling: usize| runs.iter().any(|run| arms[run.arm_index].scaling_index == scaling);
        let fitted = settings.scalings.iter().enumerate().map(|(index, scaling)| {
            is_needed(index).then(|| data.fit(scaling, observer).map(Arc::new)).transpose()
        });
        Ok(Self(fitted.collect::<Result<_, _>>()?))
    }

    /// Adds the missing scalings that finished runs have saved.
    ///
    /// # Errors
    /// When a run's `scaling.json` cannot be read.
    pub fn add_finished(&mut self, folder: &ComparisonFolder) -> Result<(), TrainingError> {
        for arm in folder.arms() {
            let place = &mut self.0[arm.arm.scaling_index];
            if let (None, Some(run)) = (&place, arm.runs.first()) {
                let scaling = serde_json::from_slice(&run.result.read_file(SCALING)?);
                let path = run.result.run.join(SCALING);
                *place = Some(Arc::new(scaling.map_err(TrainingError::damaged(path))?));
            }
        }
        Ok(())
    }

    /// Reads the scalings that the finished runs of a comparison have saved.
    ///
    /// # Errors
    /// When a run's `scaling.json` cannot be read.
    pub fn of_finished(folder: &ComparisonFolder) -> Result<Self, TrainingError> {
        let mut fitted = Self(vec![None; folder.settings().scalings.len()]);
        fitted.add_finished(folder)?;
        Ok(fitted)
    }

    /// Returns the fitted scaling by its position in the settings; `None` if it is missing.
    pub fn get(&self, scaling_index: usize) -> Option<&Arc<FittedScaling>> {
        self.0.get(scaling_index)?.as_ref()
    }
}
