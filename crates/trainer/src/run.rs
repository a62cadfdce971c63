//! A run: one training in a folder that says everything about it.
//!
//! `result.json` is written last: a folder without it is a run that is not whole.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use burn::{data::dataset::Dataset, module::Module, tensor::Device};
use data_encoding::HEXLOWER;
use indicatif::ProgressBar;
use mnist_data::{FittedScaling, ScalingBatcher, source::FileSum};
use mnist_model::{ModelConfig, ModelError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    checkpoint,
    config::TrainingConfig,
    dataset::ExperimentData,
    device,
    evaluation::{Evaluation, evaluate},
    failure::{Interrupted, UsageError},
    folder::{self, CONFIG, OutputFolder, RESULT},
    interrupt,
    terminal::Terminal,
    training::{Ending, EpochMetrics, Training, TrainingProgress, TrainingState, Watch, model_config},
    weights,
};

const SCALING: &str = "scaling.json";
const WEIGHTS: &str = "model.safetensors";
const DATA: &str = "data.json";
const METRICS: &str = "metrics.csv";

/// The learning curve: rows of [`CurvePoint`](crate::curve::CurvePoint).
pub const CURVE: &str = "curve.csv";

/// What became of each test image: rows of [`Prediction`](crate::evaluation::Prediction); none if the
/// training diverged.
pub const PREDICTIONS: &str = "predictions.csv";

const CHECKPOINTS: &str = "checkpoints";

/// All that a run folder may hold.
pub const CONTENTS: [&str; 9] =
    [CONFIG, SCALING, WEIGHTS, RESULT, DATA, METRICS, CURVE, PREDICTIONS, CHECKPOINTS];

/// Whether a training came to a usable end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It did.
    Ok,
    /// Its loss was no longer a number.
    Diverged,
}

/// Loss and accuracy on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Fraction classified correctly.
    pub accuracy: f64,
}

/// What a run found: its `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResult {
    /// The run's folder, as seen from where the program was called.
    pub run: PathBuf,
    pub status: Status,
    pub scaling: String,
    pub seed: u64,
    pub learning_rate: f64,
    pub batch_size: usize,
    pub backend: String,
    pub device: String,
    pub threads: usize,
    /// See [`weights::sha256`]; none if the training diverged.
    pub weights_sha256: Option<String>,
    /// Of the file `scaling.json`: an edited one is not the one that was trained with.
    #[serde(default)]
    pub scaling_sha256: Option<String>,
    pub epochs: Vec<EpochMetrics>,
    pub validation: Option<Scores>,
    pub test: Option<Scores>,
    /// Test images per true class (row) and predicted class (column).
    pub confusion: Option<Vec<Vec<usize>>>,
    pub train_images: usize,
    pub test_images: usize,
    pub classes: usize,
    /// In the order of the labels, where the classes have names.
    pub class_names: Option<Vec<String>>,
    pub parameters: usize,
    /// Training time, validation included, test and loading not.
    pub seconds: f64,
    pub versions: Versions,
    /// Checksums of the data files.
    pub data: Vec<FileSum>,
}

/// What computed a result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Versions {
    pub mnist_trainer: String,
    pub burn: String,
}

impl Versions {
    /// Those of this build.
    pub fn current() -> Self {
        Self { mnist_trainer: env!("CARGO_PKG_VERSION").into(), burn: weights::burn_version() }
    }
}

/// What all runs of an experiment share.
pub struct Experiment<'a> {
    data: &'a ExperimentData,
    files: Vec<FileSum>,
    model: ModelConfig,
    device: Device,
    terminal: &'a Terminal,
}

impl<'a> Experiment<'a> {
    /// Refuses images that the network cannot take, before anything is written.
    pub fn new(
        data: &'a ExperimentData,
        files: Vec<FileSum>,
        device: Device,
        terminal: &'a Terminal,
    ) -> Result<Self, ModelError> {
        let model = model_config(data.train.shape(), data.classes);
        model.flat_features()?;
        Ok(Self { data, files, model, device, terminal })
    }

    /// Trains in the folder `path`, or goes on where an earlier attempt in it stopped, or gives its result if
    /// it is whole.
    pub fn run(
        &self,
        config: &TrainingConfig,
        fitted: &Arc<FittedScaling>,
        path: &Path,
    ) -> Result<RunResult> {
        if let Some(whole) = self.check_earlier(config, fitted, path)? {
            return Ok(whole);
        }
        let fresh = TrainingState::new(&self.model, config.seed, &self.device)?;
        let checkpoints = path.join(CHECKPOINTS);
        let state = checkpoint::load_newest(&checkpoints, fresh)?;
        let folder = OutputFolder::create(path.to_owned())?;
        folder.write(CONFIG, toml::to_string(config)?.as_bytes())?;
        folder.write_json(DATA, &self.files)?;
        let scaling = folder::json(fitted.as_ref())?;
        folder.write(SCALING, scaling.as_bytes())?;

        let training = Training {
            config,
            train: &self.data.train,
            validation: self.data.validation.as_ref(),
            classes: self.data.classes,
            batcher: ScalingBatcher::new(fitted.clone())
                .whitening_on_device(config.settings.backend.is_gpu()),
            device: self.device.clone(),
        };
        let mut monitor = Monitor::new(self.terminal, &training, &folder);
        let (ending, state) = training.run(state, &mut monitor)?;
        monitor.bar.finish_and_clear();
        if ending == Ending::Stopped {
            checkpoint::save(&checkpoints, &state)?;
            return Err(Interrupted::Resumable(path.to_owned()).into());
        }
        Interrupted::resumable(
            self.conclude(&training, ending, &state, &folder, sha256(scaling.as_bytes())),
            path,
        )
    }

    /// Refuses a folder of another configuration or other data; gives the result if it is there.
    fn check_earlier(
        &self,
        config: &TrainingConfig,
        fitted: &FittedScaling,
        path: &Path,
    ) -> Result<Option<RunResult>> {
        folder::check_same_config(&path.join(CONFIG), &toml::to_string(config)?, &[])?;
        if path.join(DATA).exists() && folder::read_json::<Vec<FileSum>>(&path.join(DATA))? != self.files {
            return Err(UsageError(format!(
                "the data files are not those that {} began with",
                path.display()
            ))
            .into());
        }
        let scaling = path.join(SCALING);
        if scaling.exists() && folder::read_json::<FittedScaling>(&scaling)? != *fitted {
            // It was edited, or another kind of CPU rounds a whitening differently.
            return Err(UsageError(format!(
                "{} is not what is fitted now; go on where it was fitted, or start over with --force",
                scaling.display()
            ))
            .into());
        }
        if !path.join(RESULT).exists() {
            return Ok(None);
        }
        let result: RunResult = folder::read_json(&path.join(RESULT))?;
        self.terminal.line(format!("{}: whole already", path.display()));
        Ok(Some(RunResult { run: path.to_owned(), ..result }))
    }

    /// Looks at the test images and writes weights and result.
    fn conclude(
        &self,
        training: &Training,
        ending: Ending,
        state: &TrainingState,
        folder: &OutputFolder,
        scaling_sha256: String,
    ) -> Result<RunResult> {
        let TrainingConfig { seed, settings, scaling } = training.config;
        let model = state.model.valid();
        let mut test: Option<Evaluation> = None;
        if ending == Ending::Finished {
            let evaluation = evaluate(
                &model,
                &self.data.test,
                self.data.classes,
                settings.batch_size.get() as usize,
                &training.batcher,
                &self.device,
            )?;
            // The last step may have been the one too many.
            test = Some(evaluation).filter(|evaluation| evaluation.loss.is_finite());
        }
        folder.write_csv(CURVE, &state.progress.curve.points)?;
        let mut weights_sha256 = None;
        if let Some(test) = &test {
            folder.write_csv(PREDICTIONS, &test.predictions)?;
            let weights = weights::to_safetensors(&model)?;
            folder.write(WEIGHTS, &weights)?;
            weights_sha256 = Some(weights::sha256(&weights)?);
        }
        let epochs = &state.progress.epochs;
        let validation = epochs.last().and_then(|epoch| {
            Some(Scores { loss: epoch.validation_loss?, accuracy: epoch.validation_accuracy? })
        });
        let result = RunResult {
            run: folder.path().to_owned(),
            status: if test.is_some() { Status::Ok } else { Status::Diverged },
            scaling: scaling.name().into(),
            seed: *seed,
            learning_rate: settings.learning_rate.get(),
            batch_size: settings.batch_size.get() as usize,
            backend: settings.backend.to_string(),
            device: device::describe(&self.device),
            threads: rayon::current_num_threads(),
            weights_sha256,
            scaling_sha256: Some(scaling_sha256),
            epochs: epochs.clone(),
            validation,
            test: test.as_ref().map(|test| Scores { loss: test.loss, accuracy: test.accuracy }),
            confusion: test.map(|test| test.confusion),
            train_images: training.train.len(),
            test_images: self.data.test.len(),
            classes: training.classes,
            class_names: self.data.class_names.clone(),
            parameters: model.num_params(),
            seconds: state.progress.seconds(),
            versions: Versions::current(),
            data: self.files.clone(),
        };
        folder.write_json(RESULT, &result)?;
        Ok(result)
    }
}

/// Shows a training on the terminal and keeps its folder up to date.
struct Monitor<'a> {
    terminal: &'a Terminal,
    bar: ProgressBar,
    steps_per_epoch: usize,
    batch_size: usize,
    epochs: usize,
    folder: &'a OutputFolder,
}

impl<'a> Monitor<'a> {
    fn new(terminal: &'a Terminal, training: &Training, folder: &'a OutputFolder) -> Self {
        let TrainingConfig { seed, settings, scaling } = training.config;
        let batch_size = settings.batch_size.get() as usize;
        let steps_per_epoch = training.train.len().div_ceil(batch_size);
        let epochs = settings.epochs.get() as usize;
        let bar = terminal.training_bar((steps_per_epoch * epochs) as u64);
        bar.set_prefix(format!("{} seed {seed}", scaling.name()));
        Self { terminal, bar, steps_per_epoch, batch_size, epochs, folder }
    }
}

impl Watch for Monitor<'_> {
    fn step(&mut self, progress: &TrainingProgress) -> ControlFlow<()> {
        let steps =
            progress.epochs.len() * self.steps_per_epoch + progress.epoch.images.div_ceil(self.batch_size);
        self.bar.set_position(steps as u64);
        let (loss, accuracy) = (progress.epoch.mean_loss(), progress.epoch.accuracy());
        self.bar.set_message(format!("loss {loss:.4}, accuracy {:.2}%", 100.0 * accuracy));
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, state: &TrainingState) -> Result<()> {
        checkpoint::save(&self.folder.path().join(CHECKPOINTS), state)?;
        self.folder.write_csv(METRICS, &state.progress.epochs)?;
        if let Some(epoch) = state.progress.epochs.last() {
            let line = self.describe(epoch); // Before `suspend`, which holds the bar's lock.
            self.bar.suspend(|| self.terminal.line(line));
        }
        Ok(())
    }
}

impl Monitor<'_> {
    fn describe(&self, epoch: &EpochMetrics) -> String {
        let validation = match (epoch.validation_loss, epoch.validation_accuracy) {
            (Some(loss), Some(accuracy)) => {
                format!(", validation loss {loss:.4}, accuracy {:.2}%", 100.0 * accuracy)
            }
            _ => String::new(),
        };
        format!(
            "{}: epoch {}/{}: loss {:.4}, accuracy {:.2}%{validation} ({:.1} s)",
            self.bar.prefix(),
            epoch.epoch,
            self.epochs,
            epoch.train_loss,
            100.0 * epoch.train_accuracy,
            epoch.seconds,
        )
    }
}

/// A whole run on disk, for those who use its model.
pub struct FinishedRun {
    pub config: TrainingConfig,
    pub fitted: FittedScaling,
    pub classes: usize,
    pub class_names: Option<Vec<String>>,
    pub weights: PathBuf,
}

impl FinishedRun {
    /// Opens a run's folder; one that is not whole is refused.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        if !path.is_dir() {
            bail!("the run {name} does not exist or is not a folder");
        }
        if path.join("runs").is_dir() {
            bail!("{name} is a comparison; name one of its runs, which are in {name}/runs");
        }
        if !path.join(RESULT).exists() {
            bail!("{name} is not a whole run: it has no {RESULT}; finish it with --out {name} --resume");
        }
        let weights = path.join(WEIGHTS);
        if !fs::exists(&weights)? {
            bail!("{name} has no {WEIGHTS}: its training diverged, so there is no model to use");
        }
        let result: RunResult = folder::read_json(&path.join(RESULT))?;
        let scaling = path.join(SCALING);
        let bytes = fs::read(&scaling).with_context(|| format!("cannot read {}", scaling.display()))?;
        match result.scaling_sha256 {
            None => bail!("{name} was trained by an older version of this program; train again"),
            Some(trained_with) if trained_with != sha256(&bytes) => bail!(
                "{} is not the one this run was trained with; put it back, or train again",
                scaling.display()
            ),
            Some(_) => {}
        }
        Ok(Self {
            config: TrainingConfig::read(&path.join(CONFIG))?,
            fitted: serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", scaling.display()))?,
            classes: result.classes,
            class_names: result.class_names,
            weights,
        })
    }
}

/// In hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
