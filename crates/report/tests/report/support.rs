//! Synthetic runs, comparisons and previews.

use std::{fs, path::PathBuf};

use mnist_comparison::{Arm, ArmRuns, Basis, Comparison, Terms};
use mnist_data::{Moments, Scaling};
use mnist_report::{Findings, SampleImages, previews::Preview, value_histogram::ValueHistogram};
use mnist_training::{
    FinishedRun, RunResult, TrainingSettings,
    files::OutputFolder,
    prediction::LabelledPrediction,
    run::{Machine, Scores, Status, Versions},
};
use tempfile::TempDir;

/// Returns a run that made these predictions for images of class 1, each with a probability of 0.9.
pub fn run(seed: u64, predicted: &[usize]) -> FinishedRun {
    let prediction = |(image, &predicted): (usize, &usize)| LabelledPrediction {
        image,
        label: 1,
        predicted,
        probability: 0.9,
        label_probability: if predicted == 1 { 0.9 } else { 0.1 },
        file: None,
    };
    let correct = predicted.iter().filter(|&&class| class == 1).count();
    let mut confusion = vec![vec![0; 10]; 10];
    for &class in predicted {
        confusion[1][class] += 1;
    }
    let result = RunResult {
        status: Status::Ok,
        test: Some(Scores { loss: 0.1, accuracy: correct as f64 / predicted.len() as f64 }),
        confusion: Some(confusion),
        test_images: predicted.len(),
        ..diverged(seed).result
    };
    let predictions = predicted.iter().enumerate().map(prediction).collect();
    FinishedRun { result, predictions, curve: Vec::new() }
}

/// Returns a run that diverged.
pub fn diverged(seed: u64) -> FinishedRun {
    let result = RunResult {
        run: PathBuf::from(format!("run-{seed}")),
        status: Status::Diverged,
        scaling: "none".into(),
        seed,
        learning_rate: 0.001,
        batch_size: 64,
        backend: "flex".into(),
        device: "Cpu".into(),
        threads: 1,
        machine: Machine { cpu: "a CPU".into(), cores: 2, os: "an OS".into() },
        instruction_set: Some("avx2".into()),
        weights_sha256: None,
        scaling_sha256: String::new(),
        epochs: Vec::new(),
        validation: None,
        test: None,
        confusion: None,
        train_images: 100,
        test_images: 0,
        classes: 10,
        class_names: None,
        border_mean: None,
        parameters: 1000,
        seconds: 2.0,
        finished: Some("2026-11-26T12:00:00Z".into()),
        versions: Versions::current(),
        data: Vec::new(),
        files: Vec::new(),
        diverged: None,
    };
    FinishedRun { result, predictions: Vec::new(), curve: Vec::new() }
}

/// Returns an arm with these predictions, one list per seed from 1 on.
pub fn arm(name: &str, predicted: &[&[usize]]) -> ArmRuns {
    arm_with(name, predicted.iter().zip(1..).map(|(predicted, seed)| run(seed, predicted)).collect())
}

/// Returns an arm with these runs.
pub fn arm_with(name: &str, runs: Vec<FinishedRun>) -> ArmRuns {
    let arm = Arm {
        name: name.into(),
        scaling_name: name.into(),
        scaling_index: 0,
        scaling: Scaling::default(),
        training: TrainingSettings::default(),
    };
    ArmRuns { arm, runs }
}

/// A synthetic comparison in a temporary folder.
pub struct Synthetic {
    folder: TempDir,
    output: OutputFolder,
    arms: Vec<ArmRuns>,
    comparison: Comparison,
}

impl Synthetic {
    pub fn new(arms: Vec<ArmRuns>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = OutputFolder::create(folder.path().to_owned()).unwrap();
        let seeds = arms.iter().map(|arm| arm.runs.len()).max().unwrap_or(0);
        let comparison = Comparison::of(folder.path().to_owned(), &terms(seeds, &arms), &arms);
        Self { folder, output, arms, comparison }
    }

    pub fn findings<'a>(&'a self, samples: Option<&'a SampleImages>) -> Findings<'a> {
        Findings {
            comparison: &self.comparison,
            config: "seeds = 2\n".into(),
            network: "cnn".into(),
            dataset: "MNIST".into(),
            arms: &self.arms,
            folder: &self.output,
            samples,
        }
    }

    /// Replaces the arms and keeps the folder.
    pub fn with_arms(self, arms: Vec<ArmRuns>) -> Self {
        Self { folder: self.folder, output: self.output, ..Self::new(arms) }
    }

    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Returns the sorted names of the files in a folder of the report.
    pub fn names_in(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Returns a preview of these images, with their statistics.
pub fn preview(name: &str, images: &[&[f32]]) -> Preview {
    let values = images.concat();
    let moments = Moments::of(values.iter().map(|&value| f64::from(value)));
    let mut histogram = ValueHistogram::new(moments.min(), moments.max());
    histogram.add(&values);
    Preview {
        name: name.into(),
        moments,
        images: images.iter().map(|image| image.to_vec()).collect(),
        histogram,
    }
}

fn terms(seeds: usize, arms: &[ArmRuns]) -> Terms {
    let finished: usize = arms.iter().map(|arm| arm.runs.len()).sum();
    let missing = (arms.len() * seeds).saturating_sub(finished);
    let basis = if missing == 0 { Basis::Planned { seeds } } else { Basis::Pending { seeds } };
    Terms { seeds, is_until_decided: false, missing, basis, margin: None }
}
