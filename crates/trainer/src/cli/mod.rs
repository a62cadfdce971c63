//! The command line: commands and flags. [`settings`] turns them into the settings of the libraries.

mod errors;
mod invocation;
mod settings;
mod values;

use std::{env, ffi::OsString, num::NonZeroU32, path::PathBuf, process::ExitCode};

use clap::{ArgGroup, Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use mnist_data::{ColorMode, DatasetKind, Scaling, Size};
use mnist_training::{
    Backend,
    settings::{Fraction, Positive},
};

pub use errors::USAGE;
pub use invocation::{DataDirOrigin, Invocation};
pub use values::ExportTo;
use values::count;

use crate::terminal::set_colors;

/// Find out which pixel scaling to train an image classifier with
///
/// Without a command, mnist-trainer compares three scalings on MNIST: normalize, center and standardize.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = "Example: mnist-trainer train --scaling standardize")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub output: OutputFlags,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Describe a data set, download a known one or check its files
    #[command(subcommand, arg_required_else_help = false)]
    #[command(after_help = "Example: mnist-trainer data summary")]
    Data(DataCommand),
    /// Show the statistics of a scaling and the pixel values after it
    Scale(ScaleArgs),
    /// Train one model and save it in a run folder
    Train(TrainArgs),
    /// Train with each scaling and seed, rank the scalings and write a report
    Compare(CompareArgs),
    /// Measure the accuracy of a trained run on the test images
    Evaluate(EvaluateArgs),
    /// Classify images with a trained run
    Predict(PredictArgs),
    /// Write the report of a comparison again, without training
    ///
    /// Before the planned end, this counts as a look: from then on, the comparison is tested at every look, which needs
    /// larger differences.
    Report(ReportArgs),
    /// List, show or compare the runs and comparisons below a folder
    #[command(args_conflicts_with_subcommands = true, arg_required_else_help = false)]
    Runs(RunsArgs),
    /// Compare accuracies from any program: which differences are more than chance
    Verdict(VerdictArgs),
    /// Export a trained run for other programs (ONNX, safetensors), or as a page to draw on (html)
    Export(ExportArgs),
    /// Measure the speed of training, inference and data preparation on this machine
    Bench(BenchArgs),
    /// Check that every backend computes the same as Flex, up to rounding
    Parity(ParityArgs),
    /// Print a shell completion script
    #[command(
        after_help = "Example: mnist-trainer completions bash > ~/.local/share/bash-completion/completions/mnist-trainer"
    )]
    Completions {
        /// Shell to print the script for
        shell: Shell,
    },
    /// Write the man pages of the program and its commands
    #[command(after_help = "Example: mnist-trainer man ~/.local/share/man/man1")]
    Man {
        /// Folder to write the pages into; it may contain other pages
        folder: PathBuf,
    },
    /// List the backends and their devices
    #[command(after_help = "Example: mnist-trainer devices --format json")]
    Devices,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Show the shape, pixel range, mean, standard deviation and class counts of both splits
    #[command(after_help = "Example: mnist-trainer data summary --format json")]
    Summary(DataArgs),
    /// Download a known data set into the cache, unless it is already there
    #[command(after_help = "Example: mnist-trainer data fetch")]
    Fetch(DataArgs),
    /// Check a known data set's files against their checksums, or another data set for completeness
    #[command(after_help = "Example: mnist-trainer data verify --data-dir ~/mnist")]
    Verify(DataArgs),
}

#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(flatten)]
    pub dataset: DatasetFlags,
    #[command(flatten)]
    pub config: ConfigFlag,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer scale --scaling standardize
  mnist-trainer scale --scaling sample-center --batch-size 128 --format json
  mnist-trainer scale --scaling zca --picture scalings.png")]
pub struct ScaleArgs {
    /// Scaling to fit on the training images; --config can define your own
    #[arg(long, value_name = "SCALING", value_parser = values::scaling())]
    pub scaling: Option<Scaling>,
    /// Show a batch of the first N training images [default: 64]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch_size: Option<NonZeroU32>,
    /// Use only the first N training images
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub limit: Option<NonZeroU32>,
    /// Also draw a contact sheet: the same images under each scaling, with histograms of up to 10,000
    /// training images
    #[arg(long, value_name = "FILE.png")]
    pub picture: Option<PathBuf>,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    #[command(flatten)]
    pub config: ConfigFlag,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer train --scaling standardize
  mnist-trainer train --config configs/center.toml --epochs 1 --limit 6000
  mnist-trainer train --resume runs/center")]
pub struct TrainArgs {
    /// Scaling of the pixels; --config can define your own
    #[arg(long, value_name = "SCALING", value_parser = values::scaling())]
    pub scaling: Option<Scaling>,
    /// Seed of the initial weights and of the order of the images [default: 1]
    #[arg(long, value_name = "N", value_parser = values::seed, allow_negative_numbers = true)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub training: TrainingFlags,
    #[command(flatten)]
    pub config: ConfigFlag,
    #[command(flatten)]
    pub out: OutFlags,
}

#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:
  mnist-trainer compare
  mnist-trainer compare --scalings normalize,standardize --seeds 5
  mnist-trainer compare --until-decided --margin 20
  mnist-trainer compare --resume runs/tutorial --seeds 20
  mnist-trainer compare --seeds 10 --submit slurm -- --time=1:00:00 --cpus-per-task=2",
    group(ArgGroup::new("cluster").args(["submit", "print_job"]))
)]
pub struct CompareArgs {
    /// Scalings to compare, separated by commas [default: normalize,center,standardize]
    #[arg(long, value_name = "SCALING,…", value_delimiter = ',', value_parser = values::scaling())]
    pub scalings: Option<Vec<Scaling>>,
    /// Train each scaling with the seeds 1 to N [default: 1]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub seeds: Option<NonZeroU32>,
    /// Train more seeds until each pair of scalings is decided: one is better, or both are equivalent
    #[arg(long, conflicts_with = "seeds")]
    pub until_decided: bool,
    /// Difference in test images that does not matter: scalings within it are equivalent [default: 0.2% of the
    /// test images]
    #[arg(long, value_name = "IMAGES", allow_negative_numbers = true)]
    pub margin: Option<Positive>,
    /// Most seeds with --until-decided [default: 50]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, conflicts_with = "seeds")]
    pub max_seeds: Option<NonZeroU32>,
    /// Train N runs at a time; they share the threads [default: what ends soonest, at most 8; 1 on a GPU]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub jobs: Option<NonZeroU32>,
    /// With --resume: train runs that no other process is training, and write no report. For many processes that share
    /// one comparison
    #[arg(long, requires = "resume", conflicts_with_all = ["submit", "print_job", "tensorboard"])]
    pub worker: bool,
    /// Train on a cluster: submit a job array that trains the runs, and a job that then writes the report
    #[arg(long, value_name = "SCHEDULER", conflicts_with = "print_job")]
    pub submit: Option<Scheduler>,
    /// Begin the comparison and print the script of --submit, so that you can change it first
    #[arg(long, value_name = "SCHEDULER")]
    pub print_job: Option<Scheduler>,
    /// With --submit or --print-job: number of tasks in the array [default: one per run, at most 32]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, requires = "cluster")]
    pub array: Option<NonZeroU32>,
    /// With --submit or --print-job: options for sbatch, such as --time=2:00:00
    #[arg(last = true, requires = "cluster", value_name = "SBATCH OPTIONS")]
    pub sbatch: Vec<String>,
    #[command(flatten)]
    pub training: TrainingFlags,
    #[command(flatten)]
    pub config: ConfigFlag,
    #[command(flatten)]
    pub out: OutFlags,
}

/// A cluster's scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    // Without a description: help then lists the names in one line.
    Slurm,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer report runs/compare-normalize-center-standardize-20261122T120000Z
  mnist-trainer report runs/tutorial --to tensorboard
  mnist-trainer report runs/tutorial --to mlflow --tracking-uri http://127.0.0.1:5000

MLflow's own variables name the user: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and
MLFLOW_TRACKING_PASSWORD.")]
pub struct ReportArgs {
    /// Folder of a comparison, finished or not
    pub comparison: PathBuf,
    /// New folder of the data set, if it has moved
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Also send the finished runs to an experiment tracker
    #[arg(long, value_name = "TRACKER", value_enum)]
    pub to: Option<Tracker>,
    /// Folder of the events for TensorBoard, which contains a folder per run [default: `tensorboard` in the
    /// comparison's folder]
    #[arg(long, value_name = "DIR", requires = "to")]
    pub out: Option<PathBuf>,
    /// URL of the MLflow server [default: $MLFLOW_TRACKING_URI]
    #[arg(long, value_name = "URL", requires = "to")]
    pub tracking_uri: Option<String>,
    /// MLflow experiment to send the runs to; created if it does not exist [default: $MLFLOW_EXPERIMENT_NAME,
    /// else mnist-trainer]
    #[arg(long, value_name = "NAME", requires = "to")]
    pub experiment: Option<String>,
}

/// A program that shows and compares runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tracker {
    /// Event files, for `tensorboard --logdir`.
    Tensorboard,
    /// An MLflow server: parameters, metrics, the report and the models.
    Mlflow,
}

#[derive(Debug, Args)]
#[command(
    after_help = "With --format json, `runs` contains an object per row with the keys path, kind, state, problem, date,
dataset, data_dir, scalings, seed, seeds, accuracy, best, finished_runs and planned_runs.

Examples:
  mnist-trainer runs
  mnist-trainer runs runs/compare-normalize-center-20261122T120000Z
  mnist-trainer runs diff runs/center runs/standardize"
)]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// Folder to search, with all folders below it; the runs of a comparison count as one row. To list them, name the
    /// comparison
    #[arg(default_value = "runs")]
    pub folder: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Show the settings, data, versions, result and files of a run or a comparison
    #[command(after_help = "Example: mnist-trainer runs show runs/center")]
    Show {
        /// Folder of a run or a comparison, finished or not
        run: PathBuf,
    },
    /// Compare two runs, or two comparisons: settings, data, versions, accuracy and the answers to the test images
    #[command(after_help = "Example: mnist-trainer runs diff runs/center runs/standardize")]
    Diff {
        /// Folder of the first
        a: PathBuf,
        /// Folder of the second
        b: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer verdict accuracies.csv
  mnist-trainer verdict accuracies.csv --test-images 10000 --looks once --format json")]
pub struct VerdictArgs {
    /// CSV file with the columns `arm,seed,accuracy`, accuracies as fractions such as 0.9905; `-` reads standard
    /// input
    pub file: PathBuf,
    /// Number of test images behind each accuracy: accuracies are rounded to whole images [default: 10000,
    /// without rounding]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub test_images: Option<NonZeroU32>,
    /// Difference in test images that does not matter: arms within it are equivalent [default: 0.2% of the test
    /// images]
    #[arg(long, value_name = "IMAGES", allow_negative_numbers = true)]
    pub margin: Option<Positive>,
    /// How often you look: `once`, at a number of seeds chosen beforehand, or `any` number of times
    #[arg(long, value_name = "LOOKS", value_enum, default_value_t = LooksFlag::Any)]
    pub looks: LooksFlag,
}

/// How often the accuracies are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LooksFlag {
    /// Once, at a number of seeds that was chosen before the first accuracy was known.
    Once,
    /// Any number of times.
    Any,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: mnist-trainer evaluate runs/train-standardize-seed1-20261122T120000Z")]
pub struct EvaluateArgs {
    /// Run folder written by `train` or `compare`
    pub run: PathBuf,
    /// Images per batch [default: the run's]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch_size: Option<NonZeroU32>,
    #[command(flatten)]
    pub dataset: RunDatasetFlags,
    #[command(flatten)]
    pub compute: RunComputeFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer export runs/train-standardize-seed1-20261122T120000Z --to onnx
  mnist-trainer export runs/center --to safetensors --out exported
  mnist-trainer export runs/center runs/standardize --to html --out draw.html")]
pub struct ExportArgs {
    /// Run folders written by `train` or `compare`; only html takes several
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Format to export to
    #[arg(long, value_name = "FORMAT", value_parser = values::export_to())]
    pub to: ExportTo,
    #[command(flatten)]
    pub dataset: RunDatasetFlags,
    #[command(flatten)]
    pub compute: RunComputeFlags,
    #[command(flatten)]
    pub out: ExportOutFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer predict runs/standardize seven.png
  mnist-trainer predict runs/standardize --prepare --show photo.jpg
  mnist-trainer predict runs/standardize --format json digits/*.png")]
pub struct PredictArgs {
    /// Run folder written by `train` or `compare`
    pub run: PathBuf,
    /// Pictures (PNG, JPEG, BMP, WebP), or files of raw bytes (channels × height × width); `-` reads one
    /// image from standard input
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Cut the digit out of a photo or scan and prepare it like MNIST's: 20×20 pixels, centered, white on
    /// black
    #[arg(long)]
    pub prepare: bool,
    /// Also print the pixels that the network receives
    #[arg(long)]
    pub show: bool,
    #[command(flatten)]
    pub compute: RunComputeFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer bench
  mnist-trainer bench --kernels
  mnist-trainer bench --backend flex --threads 1 --batch-size 256 --format json")]
pub struct BenchArgs {
    /// Images per step [default: 64]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch_size: Option<NonZeroU32>,
    /// Number of steps to time after the warm-up, or repetitions of each kernel; a slow backend stops after 20 seconds
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, default_value = "200")]
    pub steps: NonZeroU32,
    /// Use Burn's own operations and optimizer instead of this program's. For a fair comparison, build with
    /// `--config profile.release.package.burn-flex.opt-level=3` (see docs/PERFORMANCE.md)
    #[arg(long)]
    pub primitives: bool,
    /// Time each kernel of a training step on the CPU, beside its limit on this machine
    #[arg(long, conflicts_with = "primitives")]
    pub kernels: bool,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    /// Time only this backend [default: every backend in this build that has a device]
    #[arg(long, value_name = "BACKEND", value_parser = values::backend())]
    pub backend: Option<Backend>,
    /// Number of the GPU, as `devices` lists them [default: 0]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub device: u32,
    /// Number of CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub threads: Option<NonZeroU32>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Each kernel gets the same random values on both backends. Then both train the tutorial's network.

Examples:
  mnist-trainer parity
  mnist-trainer parity --backend wgpu --format json"
)]
pub struct ParityArgs {
    /// Check only this backend [default: every backend in this build that has a device]
    #[arg(long, value_name = "BACKEND", value_parser = values::backend())]
    pub backend: Option<Backend>,
    /// Number of the GPU, as `devices` lists them [default: 0]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub device: u32,
    /// Number of images to train on
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, default_value = "6400")]
    pub limit: NonZeroU32,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    /// Number of CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub threads: Option<NonZeroU32>,
}

/// Settings of a run, without scaling and seed.
#[derive(Debug, Default, Args)]
pub struct TrainingFlags {
    /// Passes over the training images [default: 5]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub epochs: Option<NonZeroU32>,
    /// Images per training step [default: 64]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub batch_size: Option<NonZeroU32>,
    /// Adam's learning rate [default: 0.001]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub learning_rate: Option<Positive>,
    /// Fraction of the training images to hold out for validation, taken from the end [default: 0]
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true)]
    pub validation_split: Option<Fraction>,
    /// Use only the first N training images, for a quick look
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub limit: Option<NonZeroU32>,
    /// Time between two checkpoints; each epoch ends with one too [default: 60]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub checkpoint_every: Option<Positive>,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    #[command(flatten)]
    pub compute: ComputeFlags,
}

/// The data set, MNIST by default.
#[derive(Debug, Default, Args)]
pub struct DatasetFlags {
    /// Kind of data set [default: mnist]
    #[arg(long, value_name = "KIND", value_parser = values::dataset())]
    pub dataset: Option<DatasetKind>,
    /// Folder of the data set [default: the cache, for mnist first $MNIST_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Download a known data set from this web folder only [default for mnist: $MNIST_MIRROR]
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub mirror: Option<String>,
    /// Resize pictures to this size (only --dataset folder) [default: all must have the same size]
    #[arg(long, value_name = "HxW")]
    pub resize: Option<Size>,
    /// Read pictures in grayscale or in color [default: all must be the same]
    #[arg(long, value_name = "MODE", value_parser = values::color_mode())]
    pub color_mode: Option<ColorMode>,
}

/// The data set, by default the one that the run was trained on.
#[derive(Debug, Args)]
pub struct RunDatasetFlags {
    /// Kind of data set [default: the run's]
    #[arg(long, value_name = "KIND", value_parser = values::dataset())]
    pub dataset: Option<DatasetKind>,
    /// Folder of the data set [default: the run's]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Resize pictures to this size (only --dataset folder) [default: the run's]
    #[arg(long, value_name = "HxW")]
    pub resize: Option<Size>,
    /// Read pictures in grayscale or in color [default: the run's]
    #[arg(long, value_name = "MODE", value_parser = values::color_mode())]
    pub color_mode: Option<ColorMode>,
}

#[derive(Debug, Default, Args)]
pub struct ComputeFlags {
    /// Backend to compute with [default: flex]
    #[arg(long, value_name = "BACKEND", value_parser = values::backend())]
    pub backend: Option<Backend>,
    /// Number of the device, as `devices` lists them [default: 0]
    #[arg(long, value_name = "N")]
    pub device: Option<u32>,
    /// Number of CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub threads: Option<NonZeroU32>,
}

/// The backend, by default the one that the run was trained with.
#[derive(Debug, Args)]
pub struct RunComputeFlags {
    /// Backend to compute with [default: the run's]
    #[arg(long, value_name = "BACKEND", value_parser = values::backend())]
    pub backend: Option<Backend>,
    /// Number of the device, as `devices` lists them [default: 0]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub device: u32,
    /// Number of CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub threads: Option<NonZeroU32>,
}

#[derive(Debug, Default, Args)]
pub struct ConfigFlag {
    /// Read settings from a TOML file; flags override them
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct OutFlags {
    /// Output folder [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue in DIR with the settings that are saved there, and train only what is missing. Without DIR, continue in
    /// --out; the settings must be the same
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with = "force")]
    #[expect(clippy::option_option, reason = "clap's type for a flag with an optional value")]
    pub resume: Option<Option<PathBuf>>,
    /// Delete the earlier result in the output folder and start over
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Also write events for TensorBoard below DIR, in a folder per run
    #[arg(long, value_name = "DIR")]
    pub tensorboard: Option<PathBuf>,
}

/// The output of an export, which is written at once, so that there is nothing to resume.
#[derive(Debug, Default, Args)]
pub struct ExportOutFlags {
    /// Output folder; for html also a file that ends with .html [default: a new folder under runs/]
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Replace an earlier export there
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Flags of every command. Their help comes last, after the command's own flags.
#[derive(Debug, Args)]
pub struct OutputFlags {
    /// Format of the result
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, display_order = 900)]
    pub format: Format,
    /// When to use colors
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto, display_order = 900)]
    pub color: Color,
    /// Print only the result, warnings and errors
    #[arg(long, global = true, display_order = 900)]
    pub quiet: bool,
}

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// In a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Reads the flag from arguments that may have errors.
    fn of(arguments: &[OsString]) -> Self {
        let words = arguments.iter().map(|word| word.to_string_lossy());
        let words: Vec<_> = words.take_while(|word| word != "--").collect();
        let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
        let separate = || words.windows(2).find(|pair| pair[0] == "--color").map(|pair| &*pair[1]);
        let value = joined.or_else(separate);
        value.and_then(|value| Self::from_str(value, false).ok()).unwrap_or(Self::Auto)
    }

    /// Uses colors for the errors and results of this program, and returns the choice for clap's help.
    fn set(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => {
                set_colors(true);
                ColorChoice::Always
            }
            Self::Never => {
                set_colors(false);
                ColorChoice::Never
            }
        }
    }
}

/// Format of the result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON object.
    Json,
}

impl OutputFlags {
    /// Returns whether to print the result as JSON.
    pub fn wants_json(&self) -> bool {
        self.format == Format::Json
    }
}

/// Parses the command line. Prints errors, help and the version itself, and then returns the exit status.
pub fn parse() -> Result<(Cli, Invocation), ExitCode> {
    let arguments: Vec<OsString> = env::args_os().collect();
    let color = Color::of(&arguments).set();
    let matches = Cli::command().color(color).try_get_matches_from(&arguments);
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    match parsed {
        Ok((cli, matches)) => Ok((cli, Invocation::new(&arguments, &matches))),
        Err(error) => Err(errors::report(&error, &arguments)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_read_from_arguments_with_errors() {
        for (arguments, expected) in [
            ("compare --color never --seeds 0", Color::Never),
            ("compare --seeds 0 --color=always", Color::Always),
            ("compare --color sometimes", Color::Auto),
            ("compare --color", Color::Auto),
            ("predict run -- --color never", Color::Auto),
        ] {
            let arguments: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
            assert_eq!(Color::of(&arguments), expected, "{arguments:?}");
        }
    }
}
