//! An experiment: trainings on the same images, each in a run folder of its own.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use burn::{data::dataset::Dataset, module::Module, tensor::Device};
use indicatif::ProgressBar;
use mnist_data::{FittedScaling, ScalingBatcher, source::FileSum};
use mnist_model::{ModelConfig, ModelError};

use crate::{
    checkpoint,
    claim::Claim,
    config::TrainingConfig,
    dataset::ExperimentData,
    device,
    evaluation::{Evaluation, evaluate},
    failure::{Interrupted, UsageError},
    folder::{self, CONFIG, OutputFolder, RESULT},
    machine::Machine,
    run::{
        CHECKPOINTS, CURVE, DATA, PREDICTIONS, RunResult, SCALING, Scores, Status, Versions, WEIGHTS, sha256,
    },
    terminal::Terminal,
    training::{Ending, Training, TrainingState, model_config},
    weights,
};

mod monitor;

use monitor::Monitor;

/// What all runs of an experiment share.
pub struct Experiment<'a> {
    data: &'a ExperimentData,
    files: Vec<FileSum>,
    model: ModelConfig,
    device: Device,
    terminal: &'a Terminal,
    /// Of the whole comparison that the runs are part of, in images.
    overall: Option<ProgressBar>,
    /// Set when a run has failed, for the others to stop as on ctrl-C.
    failed: AtomicBool,
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
        Ok(Self { data, files, model, device, terminal, overall: None, failed: AtomicBool::new(false) })
    }

    /// Shows the runs as parts of something larger, whose bar counts the images trained on.
    pub fn with_overall(self, bar: ProgressBar) -> Self {
        Self { overall: Some(bar), ..self }
    }

    /// Where its progress is shown.
    pub fn terminal(&self) -> &Terminal {
        self.terminal
    }

    /// Checksums of the files behind them.
    pub fn files(&self) -> &[FileSum] {
        &self.files
    }

    /// Makes the runs at work stop at their next step, each with a checkpoint.
    pub fn stop(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Trains in the folder `path`, or goes on where an earlier attempt in it stopped, or gives its result if
    /// it is whole. None if another process is at work in it.
    pub fn run(
        &self,
        config: &TrainingConfig,
        fitted: &Arc<FittedScaling>,
        path: &Path,
    ) -> Result<Option<RunResult>> {
        let folder = OutputFolder::create(path.to_owned())?;
        let Some(_claim) = Claim::take(path)? else { return Ok(None) };
        self.check_earlier(config, fitted, path)?;
        if let Some(whole) = RunResult::read(path)? {
            if let Some(overall) = &self.overall {
                // Another process has trained it meanwhile.
                overall.inc((self.data.train.len() * config.settings.epochs.get() as usize) as u64);
            }
            return Ok(Some(whole));
        }
        let fresh = TrainingState::new(&self.model, config.seed, &self.device)?;
        let checkpoints = path.join(CHECKPOINTS);
        let state = checkpoint::load_newest(&checkpoints, fresh)?;
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
        let mut monitor = Monitor::new(self, &training, &folder);
        let (ending, state) = training.run(state, &mut monitor)?;
        monitor.close();
        if ending == Ending::Stopped {
            checkpoint::save(&checkpoints, &state)?;
            return Err(Interrupted::Resumable(path.to_owned()).into());
        }
        let result = self.conclude(&training, ending, &state, &folder, sha256(scaling.as_bytes()));
        Interrupted::resumable(result, path).map(Some)
    }

    /// Refuses a folder of another configuration, other data or another fitted scaling.
    fn check_earlier(&self, config: &TrainingConfig, fitted: &FittedScaling, path: &Path) -> Result<()> {
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
        Ok(())
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
            machine: Machine::current(),
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
