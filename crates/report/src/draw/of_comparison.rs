//! The section of a report to draw on, with a model per scaling.

use maud::{Markup, html};
use mnist_comparison::ArmResult;
use mnist_training::predictor::TrainedModel;

use super::{Models, section};
use crate::{Findings, ReportError};

/// Limit for the models in a report, in bytes, so that it can be sent by mail. A model for MNIST takes 650 KB, and the
/// matrix of the scaling `zca` 3.3 MB.
const MOST_BYTES: usize = 8 << 20;

/// The models of a comparison that a report shows, and why it leaves out others.
pub struct DrawSection {
    models: Option<Models>,
    missing: Vec<String>,
    too_large: Vec<String>,
}

impl DrawSection {
    /// Reads the model of the first seed of each arm, the best arm first. Returns `None` if the images are not like
    /// MNIST's, or no run has a model.
    pub fn read(findings: &Findings) -> Result<Option<Self>, ReportError> {
        let mut section = Self { models: None, missing: Vec::new(), too_large: Vec::new() };
        for arm in &findings.comparison.scalings {
            let Some(run) = findings.runs_of(arm).usable().next() else { continue };
            match TrainedModel::open(&run.result.run) {
                Ok(trained) if Models::fits_a_report(&trained) => section.add(arm, &trained)?,
                Ok(_) => return Ok(None),
                Err(error) => section.leave_out(&arm.name, error.into())?,
            }
        }
        Ok(Some(section).filter(|section| !section.is_empty()))
    }

    fn add(&mut self, arm: &ArmResult, trained: &TrainedModel) -> Result<(), ReportError> {
        let (name, index) = (arm.name.clone(), Some(arm.arm_index));
        let added = match &mut self.models {
            Some(models) => models.add(name, index, trained),
            None => Models::new(name, index, trained).map(|models| self.models = Some(models)),
        };
        if let Err(error) = added {
            return self.leave_out(&arm.name, error);
        }
        if let Some(models) = self.models.take_if(|models| models.bytes() > MOST_BYTES) {
            self.models = models.without_last();
            self.too_large.push(arm.name.clone());
        }
        Ok(())
    }

    /// Leaves out an arm whose model is missing or damaged, or does not fit the models before it.
    fn leave_out(&mut self, arm: &str, error: ReportError) -> Result<(), ReportError> {
        match error {
            ReportError::OtherImages { .. } => {}
            ReportError::Training(error) if !error.is_interrupt() => {}
            error => return Err(error),
        }
        self.missing.push(arm.to_owned());
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.models.is_none() && self.missing.is_empty() && self.too_large.is_empty()
    }

    /// Returns whether the section has scripts.
    pub fn has_scripts(&self) -> bool {
        self.models.is_some()
    }

    /// Returns the heading of the section.
    pub fn heading(&self) -> &'static str {
        if self.models.as_ref().is_some_and(Models::prepares) { "Draw a digit" } else { "Draw" }
    }

    /// Returns the body of the section.
    pub fn body(&self, findings: &Findings) -> Result<Markup, ReportError> {
        let several = findings.comparison.has_several_seeds();
        Ok(html! {
            @if !self.missing.is_empty() {
                p.missing { (left_out(&self.missing)) " left out, because the weights are missing or damaged, or belong to another network or to other classes." }
            }
            @if !self.too_large.is_empty() {
                p.missing { (left_out(&self.too_large)) " left out, to keep this report small enough to mail." }
            }
            @if let Some(models) = &self.models {
                @if several { p.note { "Each scaling is shown with the model of its first seed. The seeds differ, so this is one example." } }
                (section(models)?)
            }
        })
    }
}

/// Returns the start of a sentence about these arms.
fn left_out(arms: &[String]) -> String {
    let verb = if arms.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", arms.join(", "))
}
