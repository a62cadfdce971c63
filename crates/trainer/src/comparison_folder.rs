//! A comparison's folder: its configuration, its plan, and the runs of it that are whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use mnist_data::{FittedScaling, Scaling};

use crate::{
    claim::{self, Claim, LOCK},
    comparison::{ComparedRun, Comparison},
    config::{ComparisonConfig, first_difference},
    folder::{self, CONFIG, Destination, OutputFolder, RESULT},
    plan::{PLAN, Plan, PlannedRun, RUNS},
    report::{self, FIGURES, Findings, MARKDOWN, PAGE, Pictures, TABLE},
    run::{RunResult, SCALING},
};

/// All that such a folder may hold.
pub const CONTENTS: [&str; 9] = [CONFIG, PLAN, RESULT, PAGE, MARKDOWN, TABLE, FIGURES, RUNS, LOCK];

pub struct ComparisonFolder {
    folder: OutputFolder,
    config: ComparisonConfig,
    plan: Plan,
    /// Numbers in the plan of the whole runs, ascending.
    numbers: Vec<usize>,
    /// The whole runs, in the same order.
    runs: Vec<ComparedRun>,
}

impl ComparisonFolder {
    /// Begins a comparison, or takes up one with the runs that are whole, or joins one that another process
    /// is at work on.
    pub fn begin(
        destination: Destination,
        start_over: bool,
        config: &ComparisonConfig,
        plan: Plan,
    ) -> Result<Self> {
        if let (Some(path), true) = (destination.path(), start_over) {
            for run in fs::read_dir(path.join(RUNS)).into_iter().flatten() {
                claim::check_free(&run?.path())?;
            }
        }
        let folder = destination.create(start_over, &CONTENTS)?;
        // Two processes may begin at the same time, one of them with more seeds.
        let _claim = Claim::wait_for(folder.path())?;
        config.check_resumes(&folder.path().join(CONFIG))?;
        plan.check_resumes(&folder.path().join(PLAN))?;
        // Until there is a new one, the result of fewer runs must not pass for that of this configuration.
        folder.remove(RESULT)?;
        folder.write(CONFIG, config.to_toml()?.as_bytes())?;
        folder.write_json(PLAN, &plan)?;
        Self { folder, config: config.clone(), plan, numbers: Vec::new(), runs: Vec::new() }.with_whole_runs()
    }

    /// Opens a folder that [`begin`](Self::begin) made.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        if !path.is_dir() {
            bail!("the comparison {name} does not exist or is not a folder");
        }
        if !path.join(PLAN).exists() {
            bail!("{name} is not a comparison: it has no {PLAN}");
        }
        let config = ComparisonConfig::read(&path.join(CONFIG))?;
        let plan = folder::read_json(&path.join(PLAN))?;
        let folder = OutputFolder::create(path.to_owned())?;
        Self { folder, config, plan, numbers: Vec::new(), runs: Vec::new() }.with_whole_runs()
    }

    fn with_whole_runs(mut self) -> Result<Self> {
        self.take_whole_runs()?;
        Ok(self)
    }

    /// Takes in the runs that have become whole, of whichever process.
    pub fn take_whole_runs(&mut self) -> Result<()> {
        for number in 0..self.plan.runs.len() {
            let Err(place) = self.numbers.binary_search(&number) else { continue };
            let PlannedRun { arm, name, .. } = &self.plan.runs[number];
            if let Some(result) = RunResult::read(&self.folder.path().join(RUNS).join(name))? {
                self.runs.insert(place, ComparedRun::read(arm, result)?);
                self.numbers.insert(place, number);
            }
        }
        Ok(())
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Number of whole runs.
    pub fn whole(&self) -> usize {
        self.runs.len()
    }

    /// What a scaling was fitted to in a whole run, if there is one.
    pub fn fitted(&self, scaling: &Scaling) -> Result<Option<FittedScaling>> {
        let arms = self.config.arms();
        let is_of =
            |run: &&ComparedRun| arms.iter().any(|arm| arm.name == run.arm && arm.scaling == *scaling);
        let run = self.runs.iter().find(is_of);
        run.map(|run| folder::read_json(&run.result.run.join(SCALING))).transpose()
    }

    /// Writes the report of the whole runs, and gives its files.
    ///
    /// None where another process has added seeds or scalings: the report is then of them all, and not this
    /// process's to write.
    pub fn write_report(&self, pictures: Option<&Pictures>) -> Result<Vec<PathBuf>> {
        if !self.is_current()? {
            return Ok(Vec::new());
        }
        let (comparison, config) = (self.comparison(), self.config.to_toml()?);
        let findings = Findings { comparison: &comparison, config: &config, runs: &self.runs, pictures };
        report::write(&self.folder, &findings)
    }

    /// What the whole runs say together, written down if they are all.
    pub fn conclude(&self, pictures: &Pictures) -> Result<Comparison> {
        let comparison = self.comparison();
        self.write_report(Some(pictures))?;
        if self.is_current()? && comparison.finished == comparison.planned {
            self.folder.write_json(RESULT, &comparison)?;
        }
        Ok(comparison)
    }

    /// The configuration in force.
    pub fn config(&self) -> &ComparisonConfig {
        &self.config
    }

    /// What the whole runs say together.
    pub fn comparison(&self) -> Comparison {
        Comparison::of(self.folder.path().to_owned(), &self.config, &self.runs)
    }

    /// Whether the folder's configuration still is this one.
    fn is_current(&self) -> Result<bool> {
        let path = self.folder.path().join(CONFIG);
        let saved = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(first_difference(&saved, &self.config.to_toml()?, &[])?.is_none())
    }
}
