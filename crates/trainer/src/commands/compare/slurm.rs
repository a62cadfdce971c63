//! `compare --submit slurm` and `compare --print-job slurm`: a job array whose tasks train the runs of a comparison, and a
//! job that writes the report afterwards. `slurm_job.sh` is the script of both.

use std::{
    env,
    io::{self, Write},
    iter,
    num::NonZeroU32,
    path::{self, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result};
use mnist_comparison::begin;
use mnist_model::ModelConfig;
use mnist_report::{notes::quote, numbers::plural};
use mnist_training::{
    Observer,
    observer::{Task, TaskProgress},
};
use serde::Serialize;

use super::settings_and_destination;
use crate::{cli::CompareArgs, command_error::HintedError, terminal::Terminal, wording::resume};

/// Default limit on the number of tasks. Each task trains one run after another.
const MOST_TASKS: usize = 32;

/// The jobs of a comparison that has begun, but of which no run is trained here.
struct Jobs {
    /// The comparison's folder, an absolute path.
    folder: PathBuf,
    /// Number of runs to train next.
    runs: usize,
    /// Number of tasks in the array.
    tasks: usize,
    /// Number of simultaneous runs of a task, if the user has chosen it.
    runs_per_task: Option<NonZeroU32>,
    /// The user's options for `sbatch`.
    options: Vec<String>,
}

/// The submitted jobs, as JSON shows them.
#[derive(Serialize)]
struct Submitted<'a> {
    comparison: &'a PathBuf,
    job: &'a str,
    tasks: usize,
    report_job: &'a str,
}

/// The script, as JSON shows it.
#[derive(Serialize)]
struct Printed<'a> {
    comparison: &'a PathBuf,
    script: &'a str,
}

/// Begins the comparison and submits its jobs.
pub fn submit(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    if !is_on_path("sbatch") {
        let message = "cannot submit to Slurm: there is no program `sbatch` on the PATH";
        return Err(HintedError::new(message, "submit from a login node of the cluster").into());
    }
    let jobs = Jobs::begin(args, terminal)?;
    let again = format!("{} --submit slurm", resume("compare", &jobs.folder));
    let script = jobs.script()?;
    let array = sbatch(&jobs.array_option(), &jobs.options, &script, terminal).map_err(|cause| {
        let hint = format!("nothing was submitted; to try again, use `{again}`");
        HintedError::new(format!("cannot submit to Slurm: {cause}"), hint)
    })?;
    let report = sbatch(&after(&array), &jobs.options, &script, terminal).map_err(|cause| {
        let cancelled = Command::new("scancel").arg(&array).output();
        let hint = if cancelled.is_ok_and(|cancelled| cancelled.status.success()) {
            format!("job {array}, which trains the runs, was cancelled; to try again, use `{again}`")
        } else {
            format!("cancel the job that trains the runs with `scancel {array}`; to try again, use `{again}`")
        };
        HintedError::new(format!("cannot submit the job that writes the report: {cause}"), hint)
    })?;
    let Jobs { folder, runs, tasks, .. } = &jobs;
    terminal.result(&Submitted { comparison: folder, job: &array, tasks: *tasks, report_job: &report }, || {
        let (runs, tasks, quoted) = (plural(*runs, "run"), plural(*tasks, "task"), quote(&folder.to_string_lossy()));
        format!(
            "comparison: {quoted}\njob {array} trains {runs} in {tasks}; afterwards, job {report} writes the report\n\
             watch them with `squeue --jobs {array},{report}` and `mnist-trainer runs {quoted}`"
        )
    })
}

/// Begins the comparison and prints the script of its jobs.
pub fn print(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    let jobs = Jobs::begin(args, terminal)?;
    let script = jobs.script()?;
    terminal.result(&Printed { comparison: &jobs.folder, script: &script }, || script.trim_end().to_owned())
}

impl Jobs {
    /// Begins the comparison, so that the tasks only join it. The data are fetched and checked here, because the nodes
    /// of many clusters have no network.
    fn begin(args: CompareArgs, terminal: &Terminal) -> Result<Self> {
        let (runs_per_task, tasks, options) = (args.jobs, args.array, args.sbatch.clone());
        let (settings, destination) = settings_and_destination(args)?;
        let folder = begin(&ModelConfig::new(), &settings, destination, &WithoutNotes(terminal))?;
        let runs = folder.next_runs().len();
        if runs == 0 {
            let message =
                format!("there is nothing to submit: all runs of {} are finished", folder.path().display());
            let hint = format!("write the result with `{}`", resume("compare", folder.path()));
            return Err(HintedError::new(message, hint).into());
        }
        let tasks = tasks.map_or(runs.min(MOST_TASKS), |tasks| tasks.get() as usize);
        let folder = path::absolute(folder.path()).context("cannot find the working directory")?;
        Ok(Self { folder, runs, tasks, runs_per_task, options })
    }

    /// Returns the script of both jobs.
    fn script(&self) -> Result<String> {
        let program = env::current_exe().context("cannot find this program's own file")?;
        let words = |first: String, options: &[String]| {
            let quoted = options.iter().map(|option| quote(option));
            iter::once(first).chain(quoted).collect::<Vec<_>>().join(" ")
        };
        let jobs = self.runs_per_task.map_or_else(String::new, |runs| format!(" --jobs {runs}"));
        Ok(include_str!("slurm_job.sh")
            .replace("@ARRAY@", &words(self.array_option(), &self.options))
            .replace("@AFTERWARDS@", &words(after("$job"), &self.options))
            .replace("@PROGRAM@", &quote(&program.to_string_lossy()))
            .replace("@FOLDER@", &quote(&self.folder.to_string_lossy()))
            .replace("@JOBS@", &jobs))
    }

    fn array_option(&self) -> String {
        format!("--array=1-{}", self.tasks)
    }
}

/// Returns the option that starts a job after all tasks of another have ended, even if some have failed.
fn after(job: &str) -> String {
    format!("--dependency=afterany:{job}")
}

/// Shows the progress of a download, but no notes: an error has two lines and comes alone.
struct WithoutNotes<'a>(&'a Terminal);

impl Observer for WithoutNotes<'_> {
    fn warning(&self, text: &str) {
        self.0.warning(text);
    }

    fn begin(&self, task: &Task) -> Box<dyn TaskProgress + '_> {
        self.0.begin(task)
    }

    fn wants_stop(&self) -> bool {
        self.0.wants_stop()
    }
}

/// Submits a script and returns the number of the job. The user's `options` come last, so they win.
///
/// # Errors
/// With the reason that `sbatch` gives, in one line.
fn sbatch(option: &str, options: &[String], script: &str, observer: &dyn Observer) -> Result<String, String> {
    let submit = || -> io::Result<Output> {
        let mut sbatch = Command::new("sbatch");
        sbatch.args(["--parsable", option]).args(options);
        sbatch.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut sbatch = sbatch.spawn()?;
        // If sbatch ends before it reads the script, its own message says why.
        let _ = sbatch.stdin.take().map(|mut input| input.write_all(script.as_bytes()));
        sbatch.wait_with_output()
    };
    let output = submit().map_err(|error| format!("sbatch cannot be started: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    let messages: Vec<&str> = messages.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !output.status.success() {
        let causes: Vec<&str> =
            messages.iter().map(|line| line.strip_prefix("sbatch: error: ").unwrap_or(line)).collect();
        return Err(if causes.is_empty() { output.status.to_string() } else { causes.join("; ") });
    }
    for message in messages {
        observer.note(message);
    }
    // A federation adds the name of the cluster.
    let printed = String::from_utf8_lossy(&output.stdout);
    let job = printed.trim().split(';').next().unwrap_or_default();
    let is_number = !job.is_empty() && job.chars().all(|digit| digit.is_ascii_digit());
    if is_number {
        Ok(job.to_owned())
    } else {
        Err(format!("sbatch printed {printed:?} instead of a job's number"))
    }
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
