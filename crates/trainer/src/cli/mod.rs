//! The command line: what it may say, and in [`settings`] the settings that it means.

mod settings;

use std::{num::NonZeroU32, path::PathBuf, process::ExitCode};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use mnist_data::{ColorMode, DatasetKind, Scaling, Size};
use mnist_training::{
    Backend,
    export::ExportFormat,
    settings::{Fraction, Positive},
};

use crate::failure::USAGE;

/// Trains a CNN on MNIST and answers which pixel scaling to train with.
///
/// Without a command: compare the tutorial's three scalings.
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
    /// Look at a data set, fetch MNIST, check its files
    #[command(subcommand, arg_required_else_help = false)]
    #[command(after_help = "Example: mnist-trainer data summary")]
    Data(DataCommand),
    /// Show what a scaling does to the pixels: its statistics, one batch, both whole splits
    Scale(ScaleArgs),
    /// Train one model and write a run folder
    Train(TrainArgs),
    /// Train every scaling with every seed, rank them and write a comparison folder
    Compare(CompareArgs),
    /// Evaluate a run's model on the test images, scaled as the run scaled them
    Evaluate(EvaluateArgs),
    /// Classify images with a trained run, scaled as the run scaled its images
    Predict(PredictArgs),
    /// Write a comparison's report again from what is on disk, training nothing
    Report(ReportArgs),
    /// Write a run's model, with its scaling, for PyTorch or as ONNX
    Export(ExportArgs),
    /// Time a training step, inference, fitting and batching on this machine
    Bench(BenchArgs),
    /// Print a script that completes this program's arguments in a shell
    #[command(
        after_help = "Example: mnist-trainer completions bash > ~/.local/share/bash-completion/completions/mnist-trainer"
    )]
    Completions {
        /// Shell that the script is for
        shell: Shell,
    },
    /// List the backends compiled in and the devices found
    #[command(after_help = "Example: mnist-trainer devices --format json")]
    Devices,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Shape, range, mean and standard deviation of both splits; images per class
    #[command(after_help = "Example: mnist-trainer data summary --format json")]
    Summary(DataArgs),
    /// Get MNIST into the cache (or check that it is there)
    #[command(after_help = "Example: mnist-trainer data fetch")]
    Fetch(DataArgs),
    /// Verify the SHA-256 of MNIST's files; other data sets are only checked for completeness
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
    /// Scaling to fit on the train split
    #[arg(long, value_name = "SCALING", help = scaling_help("Scaling to fit on the train split"))]
    pub scaling: Option<Scaling>,
    /// Images in the batch to look at: the first N of the train split
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroU32>,
    /// Use the first N train images only
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU32>,
    /// Also draw a contact sheet: the same images under each scaling, with the
    /// histograms of the values of up to 10,000 train images
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
  mnist-trainer train --scaling center --out runs/center --resume")]
pub struct TrainArgs {
    #[arg(long, value_name = "SCALING", help = scaling_help("How to scale the pixels"))]
    pub scaling: Option<Scaling>,
    /// Seed of the initial weights and of the order of the images [default: 1]
    // TOML's integers, in which it is saved, end at `i64::MAX`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
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
  mnist-trainer compare --config configs/compare.toml --out runs/tutorial --resume")]
pub struct CompareArgs {
    #[arg(long, value_name = "SCALING,…", value_delimiter = ',',
        help = scaling_help("Scalings to compare [default: normalize,center,standardize]"))]
    pub scalings: Option<Vec<Scaling>>,
    /// Train each scaling with the seeds 1 to N [default: 1]
    #[arg(long, value_name = "N")]
    pub seeds: Option<NonZeroU32>,
    /// Trainings at a time, which share the threads [default: one per thread, at most 8; on a GPU 1]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroU32>,
    #[command(flatten)]
    pub training: TrainingFlags,
    #[command(flatten)]
    pub config: ConfigFlag,
    #[command(flatten)]
    pub out: OutFlags,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example: mnist-trainer report runs/compare-normalize-center-standardize-20261122T120000Z"
)]
pub struct ReportArgs {
    /// Comparison folder that `compare` wrote, finished or not
    pub comparison: PathBuf,
    /// Folder of the data, if it is no longer where it was
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example: mnist-trainer evaluate runs/train-standardize-seed1-20261122T120000Z")]
pub struct EvaluateArgs {
    /// Run folder that `train` or `compare` wrote
    pub run: PathBuf,
    /// Images per batch [default: the run's]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroU32>,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    #[command(flatten)]
    pub compute: ComputeFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer export runs/train-standardize-seed1-20261122T120000Z --to onnx
  mnist-trainer export runs/center --to safetensors --out exported")]
pub struct ExportArgs {
    /// Run folder that `train` or `compare` wrote
    pub run: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_parser = export_format())]
    pub to: ExportFormat,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    #[command(flatten)]
    pub compute: ComputeFlags,
    #[command(flatten)]
    pub out: WholeOutFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer predict runs/standardize seven.png
  mnist-trainer predict runs/standardize --prepare --show photo.jpg
  mnist-trainer predict runs/standardize --format json digits/*.png")]
pub struct PredictArgs {
    /// Run folder that `train` or `compare` wrote
    pub run: PathBuf,
    /// Picture (PNG, JPEG, BMP, WebP) or raw bytes of one image, channels × height × width; - is
    /// standard input
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Prepare photographs or scans of a digit as MNIST's digits were: cut out, brought to 20×20
    /// pixels and centred, white on black
    #[arg(long)]
    pub prepare: bool,
    /// Also show the pixels that the network saw
    #[arg(long)]
    pub show: bool,
    #[command(flatten)]
    pub compute: ComputeFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mnist-trainer bench
  mnist-trainer bench --backend flex --threads 1 --batch-size 256 --format json")]
pub struct BenchArgs {
    /// Images per step [default: 64]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroU32>,
    /// Steps to time after the warm-up; fewer on a backend that would take minutes
    #[arg(long, value_name = "N", default_value = "200")]
    pub steps: NonZeroU32,
    /// Use Burn's own operations and optimizer in place of this program's, to compare
    #[arg(long)]
    pub primitives: bool,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    /// Time this backend only [default: each that was compiled in and finds a device]
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<Backend>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroU32>,
}

/// Settings of a training besides scaling and seed.
#[derive(Debug, Default, Args)]
pub struct TrainingFlags {
    /// Passes over the train images [default: 5]
    #[arg(long, value_name = "N")]
    pub epochs: Option<NonZeroU32>,
    /// Images per training step [default: 64]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroU32>,
    /// Adam's learning rate [default: 0.001]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub learning_rate: Option<Positive>,
    /// Part of the train split, from its end, to validate on and never train on [default: 0]
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true)]
    pub validation_split: Option<Fraction>,
    /// Use the first N train images only, for a quick look
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroU32>,
    #[command(flatten)]
    pub dataset: DatasetFlags,
    #[command(flatten)]
    pub compute: ComputeFlags,
}

// Not a doc comment: rustdoc would take `<class>` for HTML.
const DATASET_HELP: &str =
    "mnist, idx (any four IDX files) or folder (pictures in train/<class>/, test/<class>/) [default: mnist]";

#[derive(Debug, Default, Args)]
pub struct DatasetFlags {
    #[arg(long, value_name = "KIND", help = DATASET_HELP)]
    pub dataset: Option<DatasetKind>,
    /// Folder of the data [default for mnist: $MNIST_DATA_DIR, else the cache]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Bring pictures to this size [default: all must have the same]
    #[arg(long, value_name = "HxW")]
    pub resize: Option<Size>,
    /// Read pictures as grayscale or rgb [default: all must be of the same kind]
    #[arg(long, value_name = "MODE")]
    pub color_mode: Option<ColorMode>,
}

#[derive(Debug, Default, Args)]
pub struct ComputeFlags {
    /// What computes: flex, ndarray or wgpu, as compiled in [default: flex]
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<Backend>,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroU32>,
}

#[derive(Debug, Default, Args)]
pub struct ConfigFlag {
    /// TOML file of settings; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct OutFlags {
    /// Folder to write [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Add what is missing in the folder; the configuration must be the same
    #[arg(long, requires = "out", conflicts_with = "force")]
    pub resume: bool,
    /// Start over in a folder that holds an earlier result
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Where to write what is written at once, so that there is nothing to resume.
#[derive(Debug, Default, Args)]
pub struct WholeOutFlags {
    /// Folder to write [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Start over in a folder that holds an earlier result
    #[arg(long, requires = "out")]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct OutputFlags {
    /// How to print the result
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print nothing but the result, warnings and errors
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// Form of the result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object, alone.
    Json,
}

impl OutputFlags {
    /// Whether the result is printed as JSON.
    pub fn wants_json(&self) -> bool {
        self.format == Format::Json
    }
}

fn export_format() -> impl TypedValueParser<Value = ExportFormat> {
    let formats = ExportFormat::ALL.map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(formats).try_map(|name| name.parse::<ExportFormat>())
}

fn scaling_help(what: &str) -> String {
    format!("{what}; known: {}", mnist_data::scaling::preset_names().join(", "))
}

/// Parses the arguments. Help and version go to standard output. clap's own errors have up to seven lines; the
/// contract of this program allows two, so its usage is left out.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        if !error.use_stderr() {
            // Nothing is left to do when the reader of the help has gone.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let text = error.to_string();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let is_about_the_error = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more");
        let lines: Vec<&str> = lines.filter(is_about_the_error).collect();
        eprintln!("{}", lines.join(" "));
        eprintln!("For more information, try '--help'.");
        ExitCode::from(USAGE)
    })
}
