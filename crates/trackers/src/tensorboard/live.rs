//! Writes event files while runs train.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
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

use super::{begin_file, event_file::Events, hyperparameters, write};
use crate::{
    TrackedRun,
    tracked_run::{curve_metrics, epoch_metrics},
};

/// An observer that writes the metrics of each run into its folder below a root, while it trains. It passes everything
/// on to another observer.
///
/// A failure never disturbs the training: the other observer receives one warning, and no more events are written.
pub struct Live<'a> {
    observer: &'a dyn Observer,
    root: PathBuf,
    /// The files of the runs, by the runs' folders.
    runs: Mutex<BTreeMap<PathBuf, LiveRun>>,
    has_failed: AtomicBool,
}

/// The event file of a run that is training.
struct LiveRun {
    file: File,
    /// When the training would have begun without interruptions, in seconds since 1970.
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
        Ok(Self { observer, root, runs: Mutex::default(), has_failed: AtomicBool::new(false) })
    }
}

impl Live<'_> {
    /// Replaces the events of a run by the complete ones, see [`write()`]. If that fails, warns, unless something has failed
    /// before.
    pub fn finish(&self, tracked: &TrackedRun, test: Option<&Images>) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.remove(tracked.folder());
        if let Err(error) = write(&self.root, tracked, test) {
            self.warn(&error.to_string());
        }
    }

    /// Appends what is new in the run.
    fn append(&self, run: &RunProgress) -> Result<(), TrainingError> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if !runs.contains_key(run.folder) {
            runs.insert(run.folder.to_owned(), self.begin_run(run)?);
        }
        let Some(live) = runs.get_mut(run.folder) else { return Ok(()) };
        let (points, epochs) = (&run.progress.curve.points, &run.progress.epochs);
        let mut events = Events::more(live.began);
        events.metrics(&curve_metrics(&points[live.points.min(points.len())..]));
        let new_epochs = epoch_metrics(epochs).into_iter().filter(|metric| metric.step > live.epochs as u64);
        events.metrics(&new_epochs.collect::<Vec<_>>());
        (live.points, live.epochs) = (points.len(), epochs.len());
        live.file.write_all(events.bytes()).map_err(TrainingError::file("write into", &self.root))
    }

    /// Creates the event file of a run. If the run was interrupted, its earlier file is removed: the progress contains
    /// everything that counts.
    fn begin_run(&self, run: &RunProgress) -> Result<LiveRun, TrainingError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let began = now - run.progress.seconds();
        let path = begin_file(&self.root.join(run_name(run.settings, run.data)?), now)?;
        let mut events = Events::begin(began);
        hyperparameters::begin(&mut events, run.settings, began)?;
        let created = || -> std::io::Result<File> {
            let mut file = File::create_new(&path)?;
            file.write_all(events.bytes())?;
            Ok(file)
        };
        let file = created().map_err(TrainingError::file("write", &path))?;
        Ok(LiveRun { file, began, points: 0, epochs: 0 })
    }

    fn warn(&self, error: &str) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            self.observer.warning(&format!("cannot write events for TensorBoard: {error}"));
        }
    }
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
        if !self.has_failed.load(Ordering::Relaxed)
            && let Err(error) = self.append(run)
        {
            self.warn(&error.to_string());
        }
    }

    fn wants_stop(&self) -> bool {
        self.observer.wants_stop()
    }
}
