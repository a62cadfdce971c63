//! `compare --submit slurm` and `compare --print-job slurm`: a job array whose tasks train the runs of a comparison, and a
//! job that writes the report afterwards. `slurm_job.sh` is the script of both.

use std::{
    env,
    io::{self, Write},
    num::NonZeroU32,
    path::{self, Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result};
use mnist_comparison::begin;
use mnist_data::input::shown;
use mnist_model::ModelConfig;
use mnist_report::{notes::quote, numbers::plural};
use mnist_training::{
    Observer,
    observer::{Task, TaskProgress},
};
use serde::Serialize;

use super::settings_and_destination;
use crate::{
    cli::CompareArgs,
    command_error::{HintedError, UsageError},
    terminal::Terminal,
    wording::resume,
};

/// Default limit on the number of tasks. Each task trains one run after another.
const MOST_TASKS: usize = 32;

/// The jobs of a comparison that has begun, but of which no run is trained here.
struct Jobs {
    /// The comparison's folder, an absolute path.
    folder: PathBuf,
    /// Number of runs to train next.
    runs: usize,
    /// The program's file.
    program: String,
    /// Number of tasks in the array.
    tasks: usize,
    /// The number of tasks, if the user has chosen it.
    array: Option<NonZeroU32>,
    /// Number of simultaneous runs of a task, if the user has chosen it.
    runs_per_task: Option<NonZeroU32>,
    /// The user's options for `sbatch`, each in one word.
    options: Vec<String>,
}

/// Options of `sbatch` that this program sets itself, or that would change what it submits, and what to do instead.
const NOT_FOR_SBATCH: [(&str, &str, &str); 5] = [
    ("--array", "-a", "`--array N` before `--` sets how many tasks run at a time"),
    ("--dependency", "-d", "print the script with `--print-job slurm`, and submit it yourself"),
    ("--wait", "-W", "wait for the result with `mnist-trainer compare --resume <comparison>`"),
    ("--test-only", "--test-only", "print the script with `--print-job slurm`, and submit it yourself"),
    ("--wrap", "--wrap", "print the script with `--print-job slurm`, and change it"),
];

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
        let message = "cannot submit to Slurm: cannot find `sbatch` on the PATH";
        return Err(HintedError::new(message, "submit from a login node of the cluster").into());
    }
    let jobs = Jobs::begin(args, terminal)?;
    let again = jobs.submit_again();
    let script = jobs.script();
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
             watch them with `squeue --jobs {array},{report}` and `mnist-trainer runs {quoted}`\n\
             to stop, cancel both: `scancel {array} {report}`"
        )
    })
}

/// Begins the comparison and prints the script of its jobs.
pub fn print(args: CompareArgs, terminal: &Terminal) -> Result<()> {
    let jobs = Jobs::begin(args, terminal)?;
    let script = jobs.script();
    terminal.result(&Printed { comparison: &jobs.folder, script: &script }, || script.trim_end().to_owned())
}

impl Jobs {
    /// Begins the comparison, so that the tasks only join it. The data are fetched and checked here, because the nodes
    /// of many clusters have no network.
    fn begin(args: CompareArgs, terminal: &Terminal) -> Result<Self> {
        let (runs_per_task, array) = (args.jobs, args.array);
        let options = for_sbatch(&args.sbatch)?;
        let program = in_script(&env::current_exe().context("cannot find this program's own file")?)?;
        let (settings, destination) = settings_and_destination(args)?;
        let place = destination.keeps().or(destination.replaces()).unwrap_or(Path::new("."));
        in_script(&path::absolute(place).context("cannot find the working directory")?)?;
        let folder = begin(&ModelConfig::new(), &settings, destination, &WithoutNotes(terminal))?;
        let runs = folder.next_runs().len();
        if runs == 0 {
            let message =
                format!("there is nothing to submit: all runs of {} are finished", folder.path().display());
            let hint = format!("write the result with `{}`", resume("compare", folder.path()));
            return Err(HintedError::new(message, hint).into());
        }
        let tasks = array.map_or(runs.min(MOST_TASKS), |tasks| tasks.get() as usize);
        let folder = path::absolute(folder.path()).context("cannot find the working directory")?;
        Ok(Self { folder, runs, program, tasks, array, runs_per_task, options })
    }

    /// Returns the script of both jobs.
    fn script(&self) -> String {
        let words = |own: String| {
            let options = self.options.iter().map(|option| quote(option));
            options.chain([own]).collect::<Vec<_>>().join(" ")
        };
        filled(
            include_str!("slurm_job.sh"),
            &[
                ("@ARRAY@", words(self.array_option())),
                ("@AFTERWARDS@", words(after("$job"))),
                ("@PROGRAM@", quote(&self.program)),
                ("@FOLDER@", quote(&self.folder.to_string_lossy())),
                ("@JOBS@", self.jobs_option()),
            ],
        )
    }

    /// Returns the command that submits these jobs again.
    fn submit_again(&self) -> String {
        let array = self.array.map_or_else(String::new, |tasks| format!(" --array {tasks}"));
        let options: Vec<String> = self.options.iter().map(|option| quote(option)).collect();
        let options = if options.is_empty() { String::new() } else { format!(" -- {}", options.join(" ")) };
        format!("{} --submit slurm{array}{}{options}", resume("compare", &self.folder), self.jobs_option())
    }

    fn jobs_option(&self) -> String {
        self.runs_per_task.map_or_else(String::new, |runs| format!(" --jobs {runs}"))
    }

    fn array_option(&self) -> String {
        format!("--array=1-{}", self.tasks)
    }
}

/// Returns the option that starts a job after all tasks of another have ended, even if some have failed.
fn after(job: &str) -> String {
    format!("--dependency=afterany:{job}")
}

/// Returns the user's options for `sbatch`, each joined with its value, so that `sbatch` mistakes no word for a script.
///
/// # Errors
/// When a word belongs to no option, an option would change what is submitted, or the script could not quote it.
fn for_sbatch(words: &[String]) -> Result<Vec<String>> {
    let mut options: Vec<String> = Vec::new();
    let mut awaits_value = false;
    for word in words {
        if word.contains(char::is_control) {
            return Err(
                UsageError(format!("an option of sbatch contains a control character: {word:?}")).into()
            );
        }
        let is_option = word.trim_start_matches('-').len() < word.len() && word.len() > 1 && word != "--";
        match options.last_mut() {
            Some(option) if awaits_value && !is_option => {
                option.push_str(if option.starts_with("--") { "=" } else { "" });
                option.push_str(word);
                awaits_value = false;
            }
            _ if is_option => {
                options.push(word.clone());
                awaits_value = if word.starts_with("--") { !word.contains('=') } else { word.len() == 2 };
            }
            _ => {
                let message = format!("`{word}` is not an option: only options of sbatch can follow `--`");
                return Err(UsageError(message).into());
            }
        }
    }
    for option in &options {
        // sbatch accepts the first letters of a name.
        let name = option.split('=').next().unwrap_or_default();
        let is_of = |(long, short, _): &&(&str, &str, &str)| {
            if name.starts_with("--") { long.starts_with(name) } else { name.starts_with(short) }
        };
        if let Some((long, _, advice)) = NOT_FOR_SBATCH.iter().find(is_of) {
            return Err(UsageError(format!("{long} cannot be passed to sbatch; {advice}")).into());
        }
    }
    Ok(options)
}

/// Returns a path as a script contains it.
///
/// # Errors
/// When the script could not name it.
fn in_script(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    let refused = || {
        let message = format!("cannot write {} into a script", shown(path));
        HintedError::new(message, "use a path in UTF-8 without control characters").into()
    };
    text.map(str::to_owned).ok_or_else(refused)
}

/// Returns the template with each name replaced by its value. Names within values stay.
fn filled(template: &str, values: &[(&str, String)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    let next = |rest: &str| values.iter().filter_map(|value| Some((rest.find(value.0)?, value))).min();
    while let Some((at, (name, value))) = next(rest) {
        text += &rest[..at];
        text += value;
        rest = &rest[at + name.len()..];
    }
    text + rest
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

/// Submits a script and returns the number of the job.
///
/// # Errors
/// With the reason that `sbatch` gives, in one line.
fn sbatch(option: &str, options: &[String], script: &str, observer: &dyn Observer) -> Result<String, String> {
    let submit = || -> io::Result<Output> {
        let mut sbatch = Command::new("sbatch");
        sbatch.arg("--parsable").args(options).arg(option);
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
