//! The commands, a file each.

mod bench;
mod compare;
mod completions;
mod data;
mod devices;
mod evaluate;
mod export;
mod man;
mod parity;
mod predict;
mod report;
mod runs;
mod scale;
mod trackers;
mod train;
mod verdict;

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use mnist_data::DatasetKind;
use mnist_report::numbers::plural;
use mnist_training::{Backend, DatasetSettings, TrainingSettings};

use crate::{
    cli::{Command, CompareArgs},
    terminal::Terminal,
};

/// Runs a command; without one, the tutorial's comparison.
pub fn run(command: Option<Command>, terminal: &Terminal) -> Result<()> {
    match command.unwrap_or_else(|| Command::Compare(CompareArgs::default())) {
        Command::Data(command) => data::run(command, terminal),
        Command::Scale(args) => scale::run(args, terminal),
        Command::Train(args) => train::run(args, terminal),
        Command::Compare(args) => compare::run(args, terminal),
        Command::Evaluate(args) => evaluate::run(args, terminal),
        Command::Report(args) => report::run(args, terminal),
        Command::Runs(args) => runs::run(args, terminal),
        Command::Verdict(args) => verdict::run(&args, terminal),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { folder } => man::run(&folder, terminal),
        Command::Export(args) => export::run(args, terminal),
        Command::Predict(args) => predict::run(args, terminal),
        Command::Bench(args) => bench::run(args, terminal),
        Command::Parity(args) => parity::run(args, terminal),
        Command::Devices => devices::run(terminal),
    }
}

/// Opens the device of this number on a backend. Without a backend, opens one device of each backend that has any; the
/// number is then that of the GPU.
fn open_devices(backend: Option<Backend>, number: u32) -> Result<Vec<(Backend, Device)>> {
    if let Some(backend) = backend {
        return Ok(vec![(backend, backend.open_device(number as usize)?)]);
    }
    let with_devices = Backend::ALL.into_iter().filter(|backend| backend.open().is_ok());
    let open = |backend: Backend| {
        let number = if backend.is_gpu() { number as usize } else { 0 };
        Ok((backend, backend.open_device(number)?))
    };
    with_devices.map(open).collect()
}

/// Describes a training before it begins, such as "training center on MNIST: 2 runs of 5 epochs".
fn describe_training(scalings: &[String], settings: &TrainingSettings, runs: usize) -> String {
    let epochs = settings.epochs.get() as usize;
    format!(
        "training {} on {}: {} of {}",
        scalings.join(", "),
        describe_dataset(&settings.dataset),
        plural(runs, "run"),
        plural(epochs, "epoch")
    )
}

/// Describes what is trained on which machine, such as "3 scalings × 10 seeds on flex with 2 threads".
fn describe_machine(trained: &str, settings: &TrainingSettings) -> String {
    format!("{trained} on {} with {}", settings.backend, plural(rayon::current_num_threads(), "thread"))
}

fn describe_dataset(settings: &DatasetSettings) -> String {
    let folder = settings.data_dir.as_deref().unwrap_or(Path::new("")).display();
    match settings.dataset {
        DatasetKind::Idx => format!("the IDX files in {folder}"),
        DatasetKind::Folder => format!("the pictures in {folder}"),
        known => known.title().into(),
    }
}
