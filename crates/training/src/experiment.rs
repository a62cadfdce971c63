//! An experiment: runs that train one network on the same images, each in its own folder.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use burn::{
    data::dataset::Dataset,
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use mnist_data::{FittedScaling, ImageBatch, border::border_mean, source::FileSum};
use mnist_kernels::instruction_set;
use mnist_model::{Classifier, Kernels, Network};

use crate::{
    Backend, Evaluation, ExperimentData, Observer, RunSettings, TrainingError, TrainingLoop, TrainingState,
    backend,
    checkpoint::Checkpoints,
    files::{self, CONFIG, OutputFolder, RESULT, sha256},
    monitor::Monitor,
    run::{
        DATA, Divergence, FinishedRun, FolderLock, Machine, PREDICTIONS, RUN, RunResult, SCALING, Scores,
        Status, Versions, WEIGHTS,
    },
    settings::check_unchanged,
    training_loop::{Ending, adam, step},
    transfers::read,
    weights,
};

/// Number of training images whose border a result describes. Their files may be large, so it is not all of them.
const BORDER_IMAGES: usize = 100;

/// The outcome of [`Experiment::run`].
#[derive(Debug)]
pub enum RunOutcome {
    /// This process has trained the run, or the rest of it.
    Trained(FinishedRun),
    /// The run was finished already.
    Found(FinishedRun),
    /// Another process is training in the folder.
    Elsewhere,
}

impl RunOutcome {
    /// Returns the finished run. Returns `None` if another process is training it.
    pub fn finished(self) -> Option<FinishedRun> {
        match self {
            Self::Trained(run) | Self::Found(run) => Some(run),
            Self::Elsewhere => None,
        }
    }
}

/// The network, the images and the device that all runs of an experiment share.
#[derive(Debug)]
pub struct Experiment<'a, N> {
    network: &'a N,
    data: &'a ExperimentData,
    device: Device,
    /// Batch sizes for which the kernels of a GPU are compiled.
    compiled: Mutex<Vec<usize>>,
}

impl<'a, N: Network> Experiment<'a, N> {
    /// Creates an experiment. `device` must be without autodiff.
    ///
    /// # Errors
    /// When the network cannot take the images, or does not return one logit per class.
    pub fn new(network: &'a N, data: &'a ExperimentData, device: Device) -> Result<Self, TrainingError> {
        network.check(data.image()).map_err(TrainingError::Network)?;
        check_output(network, data, &device)?;
        Ok(Self { network, data, device, compiled: Mutex::default() })
    }

    /// Returns the network to train.
    pub fn network(&self) -> &'a N {
        self.network
    }

    /// Returns the images to train and test on.
    pub fn data(&self) -> &'a ExperimentData {
        self.data
    }

    /// Trains in the folder `path`. Resumes an unfinished run there, and returns the result of a finished one. If a
    /// file of a finished run is missing or was changed, warns and finishes the run again from its last checkpoint. Does
    /// nothing while another process is training in the folder.
    ///
    /// # Errors
    /// When the folder contains a run with other settings, data or statistics, a file cannot be read or written,
    /// or the observer asks to stop. After a stop, the folder contains a checkpoint.
    pub fn run(
        &self,
        settings: &RunSettings,
        fitted: &Arc<FittedScaling>,
        path: &Path,
        observer: &dyn Observer,
    ) -> Result<RunOutcome, TrainingError> {
        let training = settings.training.for_network(&self.network.name())?;
        let settings = &RunSettings { training, ..settings.clone() };
        if fitted.scaling() != &settings.scaling {
            return Err(TrainingError::Settings(format!(
                "the settings name the scaling `{}`, but `{}` was fitted",
                settings.scaling.name(),
                fitted.scaling().name()
            )));
        }
        let folder = OutputFolder::create(path.to_owned())?;
        let Some(lock) = FolderLock::try_take(path)? else { return Ok(RunOutcome::Elsewhere) };
        let records = self.records(settings, fitted)?;
        self.check_resumes(path, &records)?;
        folder.remove_temporary(RUN.contents)?;
        if let Some(finished) = read_finished(&folder, settings, observer)? {
            return Ok(RunOutcome::Found(finished));
        }
        let device = self.device.clone().autodiff();
        let model = self.network.build(self.data.image(), self.data.classes, settings.seed, &device);
        let fresh = TrainingState::new(model.map_err(TrainingError::Network)?);
        let mut checkpoints = Checkpoints::new(path, identity(settings, &records)?);
        let state = checkpoints.load_newest(fresh, observer)?;
        for (name, content) in &records {
            folder.write(name, content.as_bytes())?;
        }

        if backend::is_gpu(&self.device) {
            self.compile_kernels(settings, observer)?;
        }
        let training = TrainingLoop::new(settings, self.data, fitted.clone(), self.device.clone(), observer);
        checkpoints.append_rows(&state.progress)?;
        let mut monitor =
            Monitor::new(&training, path, &self.data.files, &state.progress, &mut checkpoints, &lock);
        let (ending, state) = training.run(state, &mut monitor)?;
        drop(monitor);
        let test = match ending {
            Ending::Stopped => {
                lock.check()?;
                checkpoints.save(&state)?;
                return Err(TrainingError::Resumable(path.to_owned()));
            }
            Ending::Finished => {
                let test = training.evaluate(&state.model.valid(), &self.data.test);
                Some(test.map_err(|error| error.resumable(path.to_owned()))?)
            }
            Ending::Diverged => None,
        };
        // The evaluation may have taken long.
        lock.check()?;
        let finished = self.conclude(&training, state, test, &folder, &mut checkpoints, &records)?;
        Ok(RunOutcome::Trained(finished))
    }

    /// Trains a step on black images, and forgets it. A GPU compiles the kernels then, and not while the time of the
    /// training is measured.
    fn compile_kernels(&self, settings: &RunSettings, observer: &dyn Observer) -> Result<(), TrainingError> {
        let images = self.data.train.len();
        let batch_size = (settings.training.batch_size.get() as usize).min(images);
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.contains(&batch_size) {
            return Ok(());
        }
        observer.note("compiling the GPU's kernels …");
        let device = self.device.clone().autodiff();
        let [channels, height, width] = self.data.image();
        let model = self.network.build(self.data.image(), self.data.classes, settings.seed, &device);
        let mut model = model.map_err(TrainingError::Network)?;
        let mut optimizer = adam(Kernels::Fused);
        // The last batch of an epoch is smaller.
        for images in [batch_size, images % batch_size].into_iter().filter(|&images| images > 0) {
            let batch = ImageBatch {
                images: Tensor::zeros([images, channels, height, width], &device),
                targets: Tensor::from_data(TensorData::zeros::<i32, _>([images]), &device),
            };
            let of_inference = batch.images.clone().inner();
            let (trained, _, loss) = step(model, &mut optimizer, 0.0, batch);
            let logits = trained.valid().forward(of_inference);
            read(vec![loss.inner(), logits.flatten(0, 1)])?;
            model = trained;
        }
        compiled.push(batch_size);
        Ok(())
    }

    /// Returns the files that describe a run, each with its name: the settings, the data and the fitted scaling.
    fn records(
        &self,
        settings: &RunSettings,
        fitted: &FittedScaling,
    ) -> Result<[(&'static str, String); 3], TrainingError> {
        Ok([
            (CONFIG, settings.to_toml()?),
            (DATA, files::json(&self.data.files)?),
            (SCALING, files::json(fitted)?),
        ])
    }

    /// Refuses a folder whose run has other settings, other data or another fitted scaling.
    fn check_resumes(&self, path: &Path, records: &[(&str, String); 3]) -> Result<(), TrainingError> {
        let [(_, settings), _, (_, fitted)] = records;
        check_unchanged(&path.join(CONFIG), settings, &[])?;
        let data = path.join(DATA);
        if data.exists() && files::read_json::<Vec<FileSum>>(&data)? != self.data.files {
            return Err(TrainingError::OtherData(path.to_owned()));
        }
        let scaling = path.join(SCALING);
        let is_same =
            || files::read(&scaling, fitted.len() as u64).is_ok_and(|saved| saved == fitted.as_bytes());
        if scaling.exists() && !is_same() {
            // The file was edited, or comes from a CPU that rounds a whitening differently.
            return Err(TrainingError::OtherFit(scaling));
        }
        Ok(())
    }

    /// Writes the weights and the result. `test` is the evaluation on the test images, or `None` if the loss diverged.
    fn conclude(
        &self,
        training: &TrainingLoop,
        state: TrainingState<N::Model>,
        test: Option<Evaluation>,
        folder: &OutputFolder,
        checkpoints: &mut Checkpoints,
        records: &[(&'static str, String)],
    ) -> Result<FinishedRun, TrainingError> {
        let RunSettings { seed, training: settings, scaling } = training.settings;
        let model = state.model.valid();
        // If the last weight update made the loss infinite or NaN, all epochs are finished.
        let unfinished = usize::from(test.is_none());
        // The last weight update can make the loss infinite or NaN.
        let test = test.filter(|evaluation| evaluation.loss.is_finite());
        let seconds = state.progress.seconds();
        checkpoints.append_rows(&state.progress)?;
        // Written again, in case somebody has removed the files meanwhile.
        let mut outputs: Vec<(&str, Vec<u8>)> =
            records.iter().map(|(name, content)| (*name, content.clone().into_bytes())).collect();
        let mut weights_sha256 = None;
        if let Some(test) = &test {
            let weights = weights::to_safetensors(&model)?;
            weights_sha256 = Some(weights::sha256(&weights)?);
            outputs.extend([(PREDICTIONS, files::csv(&test.predictions)?), (WEIGHTS, weights)]);
        }
        let mut sums = checkpoints.csv_sums().to_vec();
        for (name, bytes) in outputs {
            folder.write(name, &bytes)?;
            sums.push(files::sum(name, &bytes));
        }
        let scaling_sha256 = sums.iter().find(|sum| sum.name == SCALING).map(|sum| sum.sha256.clone());
        let curve = state.progress.curve;
        let divergence = Divergence { epoch: state.progress.epochs.len() + unfinished, step: curve.step() };
        let epochs = state.progress.epochs;
        let validation = epochs.last().and_then(|epoch| {
            Some(Scores { loss: epoch.validation_loss?, accuracy: epoch.validation_accuracy? })
        });
        let first = self.data.train.first(BORDER_IMAGES);
        let result = RunResult {
            run: folder.path().to_owned(),
            status: if test.is_some() { Status::Ok } else { Status::Diverged },
            diverged: test.is_none().then_some(divergence),
            scaling: scaling.name().into(),
            seed: *seed,
            learning_rate: settings.learning_rate.get(),
            batch_size: settings.batch_size.get() as usize,
            backend: settings.backend.to_string(),
            device: backend::describe(&self.device),
            threads: rayon::current_num_threads(),
            machine: Machine::current(),
            instruction_set: (settings.backend == Backend::Flex).then(|| instruction_set().to_owned()),
            weights_sha256,
            scaling_sha256: scaling_sha256.unwrap_or_default(),
            epochs,
            validation,
            test: test.as_ref().map(|test| Scores { loss: test.loss, accuracy: test.accuracy }),
            confusion: test.as_ref().map(|test| test.confusion.clone()),
            train_images: training.train.len(),
            test_images: self.data.test.len(),
            classes: training.classes,
            class_names: self.data.class_names.clone(),
            border_mean: Some(border_mean(&first.pixels(0..first.len())?, first.shape())),
            parameters: model.num_params(),
            seconds,
            finished: Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            versions: Versions::current(),
            data: self.data.files.clone(),
            files: sums,
        };
        result.check_files()?;
        checkpoints.keep(1)?;
        folder.write_sealed(RESULT, &result)?;
        let predictions = test.map(|test| test.predictions).unwrap_or_default();
        Ok(FinishedRun { result, curve: curve.points, predictions })
    }
}

/// Returns the finished run in the folder, if there is one. If it is damaged, removes its result, so that the run is
/// finished again.
fn read_finished(
    folder: &OutputFolder,
    settings: &RunSettings,
    observer: &dyn Observer,
) -> Result<Option<FinishedRun>, TrainingError> {
    match FinishedRun::read_intact(folder.path(), settings.seed) {
        Err(error) if error.is_damage() => {
            observer.warning(&format!("{error}; finishing the run again from its last checkpoint"));
            folder.remove(RESULT)?;
            Ok(None)
        }
        other => other,
    }
}

/// Returns a checksum of everything that a run's result depends on.
fn identity(settings: &RunSettings, records: &[(&str, String)]) -> Result<String, TrainingError> {
    let records = records.iter().filter(|(name, _)| *name != CONFIG);
    Ok(sha256(
        files::json(&(settings.with_effect()?, records.collect::<Vec<_>>(), Versions::current()))?.as_bytes(),
    ))
}

/// Refuses a network that does not return one logit per class, because computing its loss would panic.
///
/// The check runs on the CPU if this build has a CPU backend: a GPU would tune its kernels for this one image.
fn check_output<N: Network>(
    network: &N,
    data: &ExperimentData,
    device: &Device,
) -> Result<(), TrainingError> {
    let cpu = backend::default_cpu().and_then(|cpu| cpu.open().ok());
    let device = cpu.as_ref().unwrap_or(device);
    let model = network.build(data.image(), data.classes, 0, device).map_err(TrainingError::Network)?;
    let [channels, height, width] = data.image();
    let logits = model.forward(Tensor::zeros([1, channels, height, width], device));
    let (found, expected) = (logits.dims(), [1, data.classes]);
    if found == expected {
        return Ok(());
    }
    Err(TrainingError::Output { network: network.name(), expected, found })
}
