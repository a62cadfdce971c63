//! Errors of the libraries in the program's words: which flag or command helps.
//!
//! A hint is a line of its own. Where a line about the data may stand before the error, the advice joins the
//! message instead, so that standard error has two lines at most.

use mnist_comparison::ComparisonError;
use mnist_data::{
    DataError, ScalingError,
    preparation::{Blank, PREPARED},
    scaling::preset_names,
};
use mnist_report::ReportError;
use mnist_training::{TrainingError, files::CONFIG};

/// An error's message in one line, or `None` if the library's is right, and a hint what to do about it.
type Wording = (Option<String>, Option<String>);

/// An error's message, and a hint what to do about it; each one line.
pub fn wording(error: &anyhow::Error) -> (String, Option<String>) {
    let (message, hint) = if let Some(error) = error.downcast_ref::<ComparisonError>() {
        of_comparison(error)
    } else if let Some(error) = error.downcast_ref::<ReportError>() {
        of_report(error)
    } else if let Some(error) = error.downcast_ref::<TrainingError>() {
        of_training(error)
    } else {
        error.downcast_ref::<DataError>().map_or((None, None), of_data)
    };
    // Some libraries' messages have several lines.
    let one_line = || format!("{error:#}").trim_end().replace('\n', "; ");
    (message.unwrap_or_else(one_line), hint)
}

fn hint(hint: impl Into<String>) -> Wording {
    (None, Some(hint.into()))
}

fn message(message: impl Into<String>) -> Wording {
    (Some(message.into()), None)
}

fn of_report(error: &ReportError) -> Wording {
    match error {
        ReportError::Data(error) => of_data(error),
        ReportError::Training(error) => of_training(error),
        _ => (None, None),
    }
}

fn of_comparison(error: &ComparisonError) -> Wording {
    match error {
        ComparisonError::Shrinks(key) => {
            message(format!("`{key}` lacks some of the comparison that --resume adds to"))
        }
        ComparisonError::TooManyJobs { jobs, threads } => message(format!(
            "--jobs {jobs} is more than there are threads: {threads}; each training needs one"
        )),
        ComparisonError::Training(error) => of_training(error),
        _ => (None, None),
    }
}

fn of_training(error: &TrainingError) -> Wording {
    match error {
        TrainingError::NoScaling => {
            message(format!("name a scaling with --scaling: {}", preset_names().join(", ")))
        }
        TrainingError::PicturesOnly { key, .. } => {
            message(format!("`{key}` is for pictures: --dataset folder"))
        }
        TrainingError::BackendNotBuilt(name) => {
            hint(format!("build the program with `cargo run --release --features {name}`"))
        }
        TrainingError::NoDevice(_) => hint("install a Vulkan driver, or use --backend flex"),
        TrainingError::TooManyThreads { asked_for, most } => {
            message(format!("--threads {asked_for} is too many, the most are {most}"))
        }
        TrainingError::Threads(_) => hint("choose a smaller --threads"),
        TrainingError::DamagedCheckpoint { .. } => message(format!("{error}; remove it to start over")),
        TrainingError::Occupied { is_resumable: true, .. } => {
            hint("choose another --out, or say --resume or --force")
        }
        TrainingError::Occupied { .. } => hint("choose another --out, or say --force"),
        TrainingError::NotAFolder(_) => hint("--out takes a folder"),
        TrainingError::ForeignFile { .. } | TrainingError::NotAResult { .. } => hint("choose another --out"),
        TrainingError::OtherSettings { .. } => hint("--resume continues with the same settings only"),
        TrainingError::OtherFit(_) => {
            message(format!("{error}; resume where it was fitted, or start over with --force"))
        }
        TrainingError::InUse(_) => message(format!("{error}; wait until it has finished, or stop it")),
        TrainingError::Unfinished(path) if path.join(CONFIG).exists() => {
            hint(format!("finish it: repeat its command with --out {} --resume", path.display()))
        }
        TrainingError::ScalingChanged(_) => message(format!("{error}; put it back, or train again")),
        TrainingError::OtherNetwork { .. } => hint("use the program that trained it"),
        TrainingError::Fit { cause: ScalingError::TooLarge { .. }, .. } => {
            message(format!("{error} (of pictures: a smaller --resize)"))
        }
        TrainingError::Resumable(folder) => message(format!(
            "interrupted; progress saved. Resume with the same command and --out {} --resume",
            folder.display()
        )),
        TrainingError::OnnxTooLarge(_) => message(format!("{error}; use --to safetensors")),
        TrainingError::Data(error) | TrainingError::Scaling(ScalingError::Data(error)) => of_data(error),
        _ => (None, None),
    }
}

fn of_data(error: &DataError) -> Wording {
    match error {
        DataError::NoFolder(_) => hint("check --data-dir"),
        DataError::NoFile { .. } => hint("without --data-dir, `mnist-trainer data fetch` gets MNIST"),
        DataError::NoCache(_) | DataError::NotCached { .. } => {
            hint("get MNIST with `mnist-trainer data fetch`")
        }
        DataError::Checksum { .. } => hint("for IDX files that are not MNIST's, say --dataset idx"),
        DataError::PictureSize { path, found, expected } => message(format!(
            "{} is {found} pixels, but the first train picture is {expected}; bring all to one size, such as --resize {expected}",
            path.display()
        )),
        DataError::PictureColors { path, found, expected } => message(format!(
            "{} is {found}, but the first train picture is {expected}; say --color-mode grayscale or --color-mode rgb",
            path.display()
        )),
        DataError::ImageSize { expected, .. } if *expected == PREPARED => {
            hint("if it shows a digit, --prepare makes an image like MNIST's of it")
        }
        DataError::Blank { cause: Blank, .. } => {
            hint("--prepare takes a digit that is darker or brighter than the plain paper around it")
        }
        DataError::NotPrepared(shape) => {
            message(format!("--prepare makes grey images of {PREPARED}, but the model takes {shape}"))
        }
        DataError::NeedsFolder(kind) => {
            message(format!("--dataset {kind} needs --data-dir: the folder that contains {}", kind.content()))
        }
        DataError::NoSource(_) | DataError::NoHome => {
            hint("give MNIST's folder with --data-dir, or connect to the network")
        }
        _ => (None, None),
    }
}
