//! Writes event files while runs train.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use mnist_comparison::plan::run_name;
use mnist_data::Images;
use mnist_training::{
    Observer, TrainingError,
    observer::{RunProgress, Task, TaskProgress},
};

use super::{
    create_folder_of, event_file::Events, file_name, finished_path, hyperparameters, remove_others,
    write_beside,
};
use crate::{
    TrackedRun, TrackerError,
    tracked_run::{curve_metrics, epoch_metrics},
};

/// Part of the names of event files of runs that are training. They come before that of the finished run, also if both
/// have the same time.
const LIVE: &str = ".live";

/// An observer that writes the metrics of each run into its folder below a root, while it trains. It passes everything
/// on to another observer.
///
/// A failure never disturbs the training: the other observer receives one warning, and no more events of this run are
/// written until it is finished.
pub struct Live<'a> {
    observer: &'a dyn Observer,
    root: PathBuf,
    /// The files of the runs, by the runs' folders.
    runs: Mutex<BTreeMap<PathBuf, Arc<Mutex<LiveRun>>>>,
    has_warned: AtomicBool,
}

/// The events of a run that is training.
#[derive(Default)]
enum LiveRun {
    /// Nothing is written yet.
    #[default]
    New,
    /// There is a file.
    Written(EventFile),
    /// Something could not be written.
    Failed,
}

/// The event file of a run that is training.
struct EventFile {
    file: File,
    path: PathBuf,
    /// Now minus the training time so far, when the file was created, in seconds since 1970.
    began: f64,
    points: usize,
    epochs: usize,
}

impl<'a> Live<'a> {
    /// Checks that event files can be written below the folder `root`, which is created if it does not exist.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn new(root: PathBuf, observer: &'a dyn Observer) -> Result<Self, TrainingError> {
        fs::create_dir_all(&root).map_err(TrainingError::file("create", &root))?;
        let probe = tempfile::tempfile_in(&root).and_then(|mut file| file.write_all(&[0; 4096]));
        probe.map_err(TrainingError::file("write into", &root))?;
        Ok(Self { observer, root, runs: Mutex::default(), has_warned: AtomicBool::new(false) })
    }
}

impl Live<'_> {
    /// Replaces the events of a run by the complete ones, see [`write()`](super::write()), unless they are already there.
    /// If that fails, warns, unless something has failed before.
    pub fn finish(&self, tracked: &TrackedRun, test: Option<&Images>) {
        lock(&self.runs).remove(tracked.folder());
        if let Err(error) = self.complete(tracked, test) {
            self.warn(&error.to_string());
        }
    }

    fn complete(&self, tracked: &TrackedRun, test: Option<&Images>) -> Result<(), TrackerError> {
        if finished_path(&self.root, tracked).exists() {
            return Ok(());
        }
        let path = write_beside(&self.root, tracked, test)?;
        // Another process that finished the same run may be writing a temporary file.
        Ok(remove_others(&path, |name| !name.starts_with('.'))?)
    }

    /// Appends what is new in the run. Only the trainings of this run wait for each other.
    fn append(&self, run: &RunProgress) -> Result<(), TrainingError> {
        let live = lock(&self.runs).entry(run.folder.to_owned()).or_default().clone();
        let mut live = lock(&live);
        let file = match std::mem::replace(&mut *live, LiveRun::Failed) {
            LiveRun::New => self.begin_run(run)?,
            LiveRun::Written(file) => file,
            LiveRun::Failed => return Ok(()),
        };
        *live = LiveRun::Written(file.append(run)?);
        Ok(())
    }

    /// Creates the event file of a run. If the run was interrupted, its earlier file is removed: the progress contains
    /// everything that counts.
    fn begin_run(&self, run: &RunProgress) -> Result<EventFile, TrainingError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let began = now - run.progress.seconds();
        let path = self.root.join(run_name(run.settings, run.data)?).join(file_name(now, LIVE));
        create_folder_of(&path)?;
        // This process has locked the run, so no other one writes its events.
        remove_others(&path, |_| true)?;
        let mut events = Events::begin(began);
        hyperparameters::begin(&mut events, run.settings, began)?;
        let created = || -> std::io::Result<File> {
            let mut file = File::create(&path)?;
            file.write_all(events.bytes())?;
            Ok(file)
        };
        let file = created().map_err(TrainingError::file("write", &path))?;
        Ok(EventFile { file, path, began, points: 0, epochs: 0 })
    }

    fn warn(&self, error: &str) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            self.observer.warning(&format!("cannot write events for TensorBoard: {error}"));
        }
    }
}

impl EventFile {
    /// Appends what is new in the run.
    fn append(mut self, run: &RunProgress) -> Result<Self, TrainingError> {
        let (points, epochs) = (&run.progress.curve.points, &run.progress.epochs);
        let mut events = Events::more(self.began);
        // The curve of a run only grows while it trains.
        events.metrics(&curve_metrics(points.get(self.points..).unwrap_or_default()));
        let new_epochs = epoch_metrics(epochs).into_iter().filter(|metric| metric.step > self.epochs as u64);
        events.metrics(&new_epochs.collect::<Vec<_>>());
        (self.points, self.epochs) = (points.len(), epochs.len());
        self.file.write_all(events.bytes()).map_err(TrainingError::file("write into", &self.path))?;
        Ok(self)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Live<'_> {
    fn note(&self, text: &str) {
        self.observer.note(text);
    }

    fn warning(&self, text: &str) {
        self.observer.warning(text);
    }

    fn begin(&self, task: &Task) -> Box<dyn TaskProgress + '_> {
        self.observer.begin(task)
    }

    fn progress(&self, run: &RunProgress) {
        self.observer.progress(run);
        if let Err(error) = self.append(run) {
            self.warn(&error.to_string());
        }
    }

    fn wants_stop(&self) -> bool {
        self.observer.wants_stop()
    }
}
