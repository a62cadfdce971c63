//! The folder of a comparison: its settings, its plan and its finished runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mnist_data::source::FileSum;
use mnist_training::{
    FinishedRun, Observer, TrainingError,
    files::{self, CONFIG, Destination, Existing, OutputFolder, RESULT, ResultKind, State},
    run::{FolderLock, LEASE, LOCK, check_free},
    settings::{Overrides, Positive, check_unchanged, first_difference, read_saved},
};
use serde::de::IgnoredAny;

use crate::{
    ArmRuns, Comparison, ComparisonError, ComparisonSettings, Terms,
    arms::ArmAccuracies,
    basis::Basis,
    looks::FIRST_LOOK,
    plan::{PLAN, Plan, PlannedRun, RUNS},
    until_decided::next_runs,
};

/// Name of the report as an HTML page.
pub const PAGE: &str = "report.html";

/// Name of the report's short version in Markdown.
pub const MARKDOWN: &str = "report.md";

/// Name of the report's CSV table, with a row per run.
pub const TABLE: &str = "results.csv";

/// Name of the folder that contains the report's tables as Markdown, CSV and LaTeX.
pub const TABLES: &str = "tables";

/// Name of the folder that contains the report's figures.
pub const FIGURES: &str = "figures";

/// Name of the folder that contains the runs' events for TensorBoard, unless they are written elsewhere.
pub const TENSORBOARD: &str = "tensorboard";

/// Name of the file with the id by which MLflow knows the comparison, if it was sent there.
pub const MLFLOW_ID: &str = "mlflow-id.txt";

/// Identifies the folder of a comparison.
pub const COMPARISON: ResultKind = ResultKind {
    contents: &[
        CONFIG,
        PLAN,
        RESULT,
        PAGE,
        MARKDOWN,
        TABLE,
        TABLES,
        FIGURES,
        TENSORBOARD,
        MLFLOW_ID,
        RUNS,
        LOCK,
        LEASE,
    ],
    mark: CONFIG,
    state,
    is_resumable: true,
};

fn state(folder: &Path) -> Option<State> {
    Overrides::read(&folder.join(CONFIG)).ok()?;
    let (plan, result) = (folder.join(PLAN), folder.join(RESULT));
    let has_runs = || fs::read_dir(folder.join(RUNS)).is_ok_and(|mut runs| runs.next().is_some());
    let is_damaged = (plan.exists() && Plan::read_any(&plan).is_err())
        || (!plan.exists() && has_runs())
        || (result.exists() && files::read_sealed::<IgnoredAny>(&result).is_err());
    Some(if is_damaged {
        State::Damaged
    } else if result.exists() {
        State::Finished
    } else {
        State::Unfinished
    })
}

/// The folder of a comparison, with the finished runs in memory.
#[derive(Debug)]
pub struct ComparisonFolder {
    folder: OutputFolder,
    settings: ComparisonSettings,
    plan: Plan,
    arms: Vec<ArmRuns>,
}

impl ComparisonFolder {
    /// Returns the folder `path` as the destination of a comparison.
    ///
    /// # Errors
    /// When the folder contains anything else, or a comparison that `existing` does not allow.
    pub fn destination(path: PathBuf, existing: Existing) -> Result<Destination, TrainingError> {
        Destination::at(path, existing, &COMPARISON)
    }

    /// Begins a comparison, resumes one, or joins one that another process is training.
    ///
    /// # Errors
    /// When the destination contains a comparison with other settings or data, or another process is training in a
    /// folder that should be replaced. Also when the observer asks to stop while this waits for another process.
    pub fn begin(
        destination: Destination,
        settings: &ComparisonSettings,
        plan: Plan,
        observer: &dyn Observer,
    ) -> Result<Self, ComparisonError> {
        if let Some(path) = destination.replaces() {
            for run in fs::read_dir(path.join(RUNS)).into_iter().flatten() {
                check_free(&run.map_err(TrainingError::file("list the files in", path))?.path())?;
            }
        }
        let folder = destination.create()?;
        // Another process may begin the same comparison at the same time, perhaps with more seeds.
        let _lock = FolderLock::wait_for(folder.path(), observer)?;
        settings.check_resumes(&folder.path().join(CONFIG))?;
        let plan = plan.continued(&folder.path().join(PLAN))?;
        let mut this = Self::new(folder, settings.clone(), plan);
        // An earlier result must not be mistaken for the result of these settings.
        if !this.path().join(CONFIG).exists() || !this.is_current()? {
            this.folder.remove(RESULT)?;
        }
        this.folder.write(CONFIG, settings.to_toml()?.as_bytes())?;
        this.folder.write_sealed(PLAN, &this.plan)?;
        this.folder.remove_temporary(COMPARISON.contents)?;
        this.record_others(|_| false)?;
        // Runs can also be missing because their files were damaged or removed.
        if !this.is_finished() {
            this.folder.remove(RESULT)?;
        }
        Ok(this)
    }

    /// Joins a comparison that another process has begun, without writing anything. Returns `None` if the folder contains
    /// no plan yet. The finished runs are read only if they decide which runs are next.
    ///
    /// # Errors
    /// When the folder contains a comparison with other settings or of another version, or a damaged file.
    pub fn join(path: &Path, settings: &ComparisonSettings) -> Result<Option<Self>, ComparisonError> {
        if !path.join(PLAN).exists() {
            return Ok(None);
        }
        check_unchanged(&path.join(CONFIG), &settings.to_toml()?, &[])?;
        let plan = Plan::read(&path.join(PLAN), &settings.arms())?;
        plan.check_version()?;
        let mut this = Self::new(OutputFolder::create(path.to_owned())?, settings.clone(), plan);
        if settings.seeds.is_until_decided() {
            this.record_others(|_| false)?;
        }
        Ok(Some(this))
    }

    /// Returns the folder if its comparison was planned on data files with the checksums `data`.
    ///
    /// # Errors
    /// When it was planned on others.
    pub fn on_data(self, data: &[FileSum]) -> Result<Self, TrainingError> {
        if self.plan.data == data { Ok(self) } else { Err(TrainingError::OtherData(self.path().to_owned())) }
    }

    /// Opens a folder that [`begin`](Self::begin) has created, for a report. Weights and predictions of its runs may be
    /// missing.
    ///
    /// # Errors
    /// When the folder does not exist, does not contain a comparison, or contains a damaged file.
    pub fn open(path: &Path) -> Result<Self, ComparisonError> {
        if !path.is_dir() {
            return Err(ComparisonError::NoComparison(path.to_owned()));
        }
        if !path.join(PLAN).exists() {
            return Err(ComparisonError::NotAComparison(path.to_owned()));
        }
        let settings = ComparisonSettings::read(&path.join(CONFIG))?;
        let plan = Plan::read(&path.join(PLAN), &settings.arms())?;
        let folder = OutputFolder::create(path.to_owned())?;
        let mut this = Self::new(folder, settings, plan);
        for run in this.plan.runs.clone() {
            if let Some(finished) = run.read_left(&this.path().join(RUNS))? {
                this.record(&run, finished);
            }
        }
        Ok(this)
    }

    fn new(folder: OutputFolder, settings: ComparisonSettings, plan: Plan) -> Self {
        let arms = settings.arms().into_iter().map(|arm| ArmRuns { arm, runs: Vec::new() }).collect();
        Self { folder, settings, plan, arms }
    }

    /// Waits until no other process writes into the folder, locks it, and removes the temporary files of processes that
    /// were killed. Every file is written under this lock.
    ///
    /// # Errors
    /// When the folder cannot be locked, or the observer asks to stop while this waits.
    pub fn lock(&self, observer: &dyn Observer) -> Result<FolderLock, TrainingError> {
        let lock = FolderLock::wait_for(self.path(), observer)?;
        self.folder.remove_temporary(COMPARISON.contents)?;
        Ok(lock)
    }

    /// Records that somebody looks at the comparison before its planned end. From now on, it is tested at every look.
    /// Returns whether this is the first such look. With too few seeds for a test, nothing is recorded.
    ///
    /// # Errors
    /// When the plan cannot be read or written, or the observer asks to stop while this waits for another process.
    pub fn record_look(&mut self, observer: &dyn Observer) -> Result<bool, ComparisonError> {
        let usable = |arm: &&ArmRuns| arm.usable().count() >= FIRST_LOOK;
        if !matches!(self.basis(), Basis::Pending { .. }) || self.arms.iter().filter(usable).count() < 2 {
            return Ok(false);
        }
        let _lock = self.lock(observer)?;
        // Another process may have extended the plan.
        let saved = Plan { looked_at_early: true, ..Plan::read_any(&self.folder.path().join(PLAN))? };
        self.folder.write_sealed(PLAN, &saved)?;
        self.plan.looked_at_early = true;
        self.plan.extended |= saved.extended;
        Ok(true)
    }

    /// Records the runs that other processes have finished meanwhile, and whether they looked at the comparison or
    /// extended it. Skips the runs that are `ours`: their results will be [recorded](Self::record) from memory. Skips
    /// damaged runs too: the experiment finishes them again.
    ///
    /// # Errors
    /// When a finished run cannot be read, for a reason outside its files.
    pub fn record_others(&mut self, ours: impl Fn(&PlannedRun) -> bool) -> Result<(), TrainingError> {
        let saved = Plan::read_any(&self.folder.path().join(PLAN))?;
        self.plan.looked_at_early |= saved.looked_at_early;
        self.plan.extended |= saved.extended;
        let runs = self.folder.path().join(RUNS);
        for run in self.plan.runs.clone() {
            if self.run(&run).is_some() || ours(&run) {
                continue;
            }
            match run.read(&runs) {
                Ok(Some(finished)) => self.record(&run, finished),
                Ok(None) => {}
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds a finished run to its arm. A run that is recorded again, because another process has finished it
    /// meanwhile, replaces the earlier one.
    pub fn record(&mut self, run: &PlannedRun, finished: FinishedRun) {
        let runs = &mut self.arms[run.arm_index].runs;
        match runs.binary_search_by_key(&run.seed, |recorded| recorded.result.seed) {
            Ok(place) => runs[place] = finished,
            Err(place) => runs.insert(place, finished),
        }
    }

    /// Returns the settings of the comparison.
    pub fn settings(&self) -> &ComparisonSettings {
        &self.settings
    }

    /// Returns the plan of the comparison.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder as an output, to write a report into.
    pub fn output(&self) -> &OutputFolder {
        &self.folder
    }

    /// Returns every arm with its finished runs, by ascending seed.
    pub fn arms(&self) -> &[ArmRuns] {
        &self.arms
    }

    /// Returns a planned run's result; `None` if the run is unfinished.
    pub fn run(&self, run: &PlannedRun) -> Option<&FinishedRun> {
        self.arms[run.arm_index].runs.iter().find(|finished| finished.result.seed == run.seed)
    }

    /// Returns the number of finished runs.
    pub fn finished(&self) -> usize {
        self.arms.iter().map(|arm| arm.runs.len()).sum()
    }

    /// Returns the runs to train next: all missing ones of a plan, or those of the next seed if the comparison runs
    /// until it is decided. Empty if the comparison is finished.
    pub fn next_runs(&self) -> Vec<PlannedRun> {
        if !self.settings.seeds.is_until_decided() {
            return self.plan.runs.iter().filter(|run| self.run(run).is_none()).cloned().collect();
        }
        let Some(run) = self.arms.iter().flat_map(|arm| &arm.runs).next() else {
            return self.of_first_look();
        };
        let accuracies: Vec<ArmAccuracies> = self.arms.iter().map(ArmRuns::accuracies).collect();
        let design = self.terms(Basis::UntilDecided, 0).design(run.result.test_images);
        let next = next_runs(&accuracies, design, self.most_seeds());
        let is_next = |run: &&PlannedRun| next.contains(&(run.arm_index, run.seed));
        self.plan.runs.iter().filter(is_next).cloned().collect()
    }

    fn of_first_look(&self) -> Vec<PlannedRun> {
        self.plan.runs.iter().filter(|run| run.seed <= FIRST_LOOK as u64).cloned().collect()
    }

    fn most_seeds(&self) -> usize {
        self.settings.seeds.most().get() as usize
    }

    /// Returns whether no run is missing.
    pub fn is_finished(&self) -> bool {
        self.next_runs().is_empty()
    }

    fn basis(&self) -> Basis {
        self.plan.basis(self.settings.seeds.is_until_decided(), self.is_finished())
    }

    fn terms(&self, basis: Basis, missing: usize) -> Terms {
        let margin = self.settings.margin.map(Positive::get);
        let is_until_decided = self.settings.seeds.is_until_decided();
        Terms { seeds: self.most_seeds(), is_until_decided, missing, basis, margin }
    }

    /// Compares the finished runs.
    pub fn comparison(&self) -> Comparison {
        let terms = self.terms(self.basis(), self.next_runs().len());
        Comparison::of(self.folder.path().to_owned(), &terms, &self.arms)
    }

    /// Writes `result.json` if all runs are finished and the settings are [current](Self::is_current).
    ///
    /// # Errors
    /// When the settings cannot be read, the result cannot be written, or the observer asks to stop while this waits
    /// for another process.
    pub fn conclude(&self, comparison: &Comparison, observer: &dyn Observer) -> Result<(), TrainingError> {
        // Another process could extend the comparison between the check and the result.
        let _lock = self.lock(observer)?;
        if self.is_current()? && self.is_finished() {
            self.folder.write_sealed(RESULT, comparison)?;
        }
        Ok(())
    }

    /// Returns whether the folder still contains these settings. If not, another process has added seeds or
    /// arms, and will write the result and the report.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub fn is_current(&self) -> Result<bool, TrainingError> {
        let path = self.folder.path().join(CONFIG);
        let difference = first_difference(&read_saved(&path)?, &self.settings.to_toml()?, &[]);
        Ok(difference.map_err(TrainingError::damaged(path))?.is_none())
    }
}
