//! Words errors for users of this program: names the flag or command that helps.
//!
//! The advice is a hint on its own line. Some errors can follow a note about the data or the training; their advice is
//! part of the message, so that standard error still has only two lines.

use std::{io::ErrorKind, path::Path};

use mnist_comparison::{
    ComparisonError,
    plan::{PLAN, RUNS},
};
use mnist_data::{
    DataError, DatasetKind, ScalingError,
    preparation::{Blank, PREPARED},
    scaling::preset_names,
    source::Form,
};
use mnist_report::{ReportError, notes::quote, numbers::plural};
use mnist_trackers::{TrackerError, mlflow::MlflowError};
use mnist_training::{TrainingError, run::WEIGHTS};

use crate::{
    cli::{DataDirOrigin, Invocation},
    command_error::HintedError,
};

/// The message, or `None` to print the library's, and the hint, if there is one.
type Wording = (Option<String>, Option<String>);

/// Returns the message and the hint of an error, a line each.
pub fn wording(error: &anyhow::Error, invocation: &Invocation) -> (String, Option<String>) {
    let (message, hint) = if let Some(error) = error.downcast_ref::<ComparisonError>() {
        of_comparison(error, invocation)
    } else if let Some(error) = error.downcast_ref::<ReportError>() {
        of_report(error, invocation)
    } else if let Some(error) = error.downcast_ref::<TrackerError>() {
        of_tracker(error, invocation)
    } else if let Some(error) = error.downcast_ref::<MlflowError>() {
        of_mlflow(error)
    } else if let Some(error) = error.downcast_ref::<TrainingError>() {
        of_training(error, invocation)
    } else if let Some(error) = error.downcast_ref::<DataError>() {
        of_data(error, invocation)
    } else {
        (None, error.downcast_ref().map(|error: &HintedError| error.hint.clone()))
    };
    // Messages of some libraries have several lines.
    let one_line = || format!("{error:#}").trim_end().replace('\n', "; ");
    (message.unwrap_or_else(one_line), hint)
}

fn hint(hint: impl Into<String>) -> Wording {
    (None, Some(hint.into()))
}

fn message(message: impl Into<String>) -> Wording {
    (Some(message.into()), None)
}

fn both(message: impl Into<String>, hint: impl Into<String>) -> Wording {
    (Some(message.into()), Some(hint.into()))
}

fn of_report(error: &ReportError, invocation: &Invocation) -> Wording {
    match error {
        ReportError::Data(error) => of_data(error, invocation),
        ReportError::Training(error) => of_training(error, invocation),
        ReportError::OtherImages { .. } => {
            hint("export runs on the same data set together, others to another page")
        }
        ReportError::PageTooLarge(_) => hint("name fewer runs"),
        _ => (None, None),
    }
}

fn of_tracker(error: &TrackerError, invocation: &Invocation) -> Wording {
    match error {
        TrackerError::Mlflow(error) => of_mlflow(error),
        TrackerError::Incomplete { cause, .. } => match &**cause {
            TrackerError::Mlflow(MlflowError::Failed { .. }) => {
                hint("look into the server's log, then repeat the command to send the rest")
            }
            cause if cause.is_temporary() => hint("repeat the command to send the rest"),
            cause => (None, of_tracker(cause, invocation).1),
        },
        TrackerError::Report(error) => of_report(error, invocation),
        TrackerError::Training(error) => of_training(error, invocation),
        _ => (None, None),
    }
}

fn of_mlflow(error: &MlflowError) -> Wording {
    match error {
        MlflowError::NotAUrl(_) | MlflowError::NotMlflow { .. } => {
            hint("check --tracking-uri; `mlflow server` starts a server")
        }
        MlflowError::Unreachable { .. } => hint("check --tracking-uri, and whether the server is running"),
        MlflowError::Failed { .. } => hint("look into the server's log, then repeat the command"),
        MlflowError::PasswordInUrl => hint("use MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        MlflowError::Denied { .. } => {
            hint("check MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
        }
        MlflowError::ExperimentDeleted { id, .. } => hint(format!(
            "restore it with `mlflow experiments restore --experiment-id {id}`, or choose another --experiment"
        )),
        _ => (None, None),
    }
}

fn of_comparison(error: &ComparisonError, invocation: &Invocation) -> Wording {
    match error {
        ComparisonError::Shrinks { key, saved, current } => both(
            format!(
                "--resume can only add: `{key}` leaves out some that are already there: {current} instead of {saved}"
            ),
            "choose another --out for a smaller comparison",
        ),
        ComparisonError::TooManyJobs { jobs, threads } => both(
            format!("--jobs {jobs} is more than the {}", plural(*threads, "thread")),
            format!("use --jobs {threads} or fewer: each run needs a thread"),
        ),
        ComparisonError::OtherVersion { .. } => {
            hint("choose another --out, or use the version that started the comparison")
        }
        ComparisonError::Margin { .. } => hint("choose another --margin"),
        ComparisonError::NeitherRunNorComparison(_) => {
            hint("`mnist-trainer runs` lists the runs and comparisons below a folder")
        }
        ComparisonError::OtherKind { .. } => hint("name two runs or two comparisons"),
        ComparisonError::NoComparison(_) | ComparisonError::NotAComparison(_) => {
            hint("name the folder of a comparison")
        }
        ComparisonError::Training(error) => of_training(error, invocation),
        _ => (None, None),
    }
}

fn of_training(error: &TrainingError, invocation: &Invocation) -> Wording {
    match error {
        TrainingError::NoScaling => both(
            "the command needs a scaling",
            format!("name a scaling with --scaling: {}", preset_names().join(", ")),
        ),
        TrainingError::PicturesOnly { .. } => hint("for pictures, use --dataset folder"),
        TrainingError::ClassNotTrained(_) => {
            hint("shuffle the images, or use a smaller fraction: the split takes the last images")
        }
        TrainingError::BackendNotBuilt(name) => {
            hint(format!("build the program with `cargo run --release --features {name}`"))
        }
        TrainingError::NoDevice { number: 0, .. } => {
            hint("install a Vulkan driver (Debian: mesa-vulkan-drivers), or use --backend flex")
        }
        TrainingError::NoDevice { .. } => hint("`mnist-trainer devices` lists them"),
        TrainingError::Device(cause)
            if cause.to_lowercase().contains("memory") || cause.contains("allocate") =>
        {
            hint(
                "a run keeps its last checkpoint for --resume; if the memory was too small, start over with --force and \
                 a smaller --batch-size",
            )
        }
        TrainingError::Device(_) => {
            hint("continue from the last checkpoint: repeat the command with --out and --resume")
        }
        TrainingError::TooManyThreads { most, .. } => hint(format!("use --threads {most} or fewer")),
        TrainingError::Threads(_) => hint("use a smaller --threads"),
        TrainingError::Damaged { .. } | TrainingError::Changed(_) => {
            hint("restore the file, or repeat the command that wrote it with --resume or --force")
        }
        TrainingError::File { action: "write", cause, .. } if cause.kind() == ErrorKind::NotFound => {
            message(format!("{error}; was the folder removed or moved meanwhile?"))
        }
        TrainingError::File { path, cause, .. }
            if cause.kind() == ErrorKind::NotFound && path.ends_with(WEIGHTS) =>
        {
            let run = path.parent().unwrap_or(path);
            hint(format!("train the model again with `{}`", finishing(run)))
        }
        TrainingError::Occupied { is_resumable: true, .. } => {
            hint("choose another --out, or use --resume or --force")
        }
        TrainingError::Occupied { .. } => hint("choose another --out, or use --force"),
        TrainingError::NotAFolder(_)
        | TrainingError::ForeignFile { .. }
        | TrainingError::NotAResult { .. } => hint("choose another --out"),
        TrainingError::OtherSettings { .. } => {
            hint("--resume keeps the settings of the folder; choose another --out for new ones")
        }
        TrainingError::OtherData(_) => {
            message(format!("{error}; use the original data set, or choose another --out"))
        }
        TrainingError::OtherCheckpoint(_) => {
            message(format!("{error}; use the version that saved it, or start over with --force"))
        }
        TrainingError::OtherFit(_) => {
            message(format!("{error}; resume on the machine that fitted it, or start over with --force"))
        }
        TrainingError::InUse(_) => message(format!("{error}; wait until it has finished, or stop it")),
        TrainingError::TakenOver { path, .. } => {
            let run = quote(&path.to_string_lossy());
            message(format!("{error}; `mnist-trainer runs show {run}` shows its progress"))
        }
        TrainingError::Unfinished(path) => hint(format!("finish it with `{}`", finishing(path))),
        TrainingError::NoRun(_) | TrainingError::NotARun(_) => {
            hint("name a run folder; `train` and `compare` write them")
        }
        TrainingError::Diverged(_) => hint("train again with a smaller --learning-rate"),
        TrainingError::OtherNetwork { .. } => hint("use the program that trained it"),
        TrainingError::Fit { cause: ScalingError::TooLarge { .. }, .. } => {
            message(format!("{error} (for pictures: a smaller --resize)"))
        }
        TrainingError::Resumable(folder) => {
            message(format!("interrupted; progress saved. Resume with: `{}`", invocation.resumed(folder)))
        }
        TrainingError::OnnxTooLarge(_) => message(format!("{error}; use --to safetensors")),
        TrainingError::Data(error) | TrainingError::Scaling(ScalingError::Data(error)) => {
            of_data(error, invocation)
        }
        _ => (None, None),
    }
}

/// Returns the command that finishes a run. A run of a comparison is finished together with the others.
fn finishing(run: &Path) -> String {
    let comparison = run.parent().filter(|runs| runs.ends_with(RUNS)).and_then(Path::parent);
    match comparison.filter(|comparison| comparison.join(PLAN).exists()) {
        Some(comparison) => resume("compare", comparison),
        None => resume("train", run),
    }
}

/// Returns the command that resumes a run or a comparison, quoted for a shell.
pub fn resume(command: &str, folder: &Path) -> String {
    format!("mnist-trainer {command} --resume {}", quote(&folder.to_string_lossy()))
}

fn of_data(error: &DataError, invocation: &Invocation) -> Wording {
    match error {
        DataError::NoFolder(folder) => hint(check_data_dir(folder, invocation)),
        DataError::NoFile { folder, .. } if folder.join("train").is_dir() => {
            hint("for pictures in train/<class>/ and test/<class>/, use --dataset folder")
        }
        DataError::NoFile { folder, dataset, .. } => {
            let otherwise = match invocation.origin_of(folder) {
                DataDirOrigin::Variable => ", or unset it to download MNIST".into(),
                DataDirOrigin::Flag if dataset.known().is_some() && !invocation.has_settings_elsewhere => {
                    format!(", or leave it out to download {}", dataset.title())
                }
                DataDirOrigin::Flag | DataDirOrigin::Config(_) => {
                    format!(": it must contain {}", dataset.content())
                }
                DataDirOrigin::Run => String::new(),
            };
            hint(check_data_dir(folder, invocation) + &otherwise)
        }
        DataError::NoCache { dataset, .. } | DataError::NotCached { dataset, .. } => {
            hint(format!("download {} with `{}`", dataset.title(), fetching(*dataset)))
        }
        DataError::StillZipped { path, .. } => {
            let [folder, path] = [path.parent().unwrap_or(path), path].map(Path::to_string_lossy);
            hint(format!("run `unzip -d {} {}`", quote(&folder), quote(&path)))
        }
        DataError::Decompressed { dataset: DatasetKind::EmnistBalanced, .. } => hint(
            "get the .gz files; --dataset idx reads decompressed ones, but does not turn the images upright",
        ),
        DataError::Decompressed { .. } => hint("use --dataset idx, or get the .gz files"),
        DataError::Length { .. } | DataError::Magic { .. } | DataError::LabelCount { .. } => {
            hint("the file is damaged or of another kind; get it again")
        }
        DataError::ClassNames { .. } => hint("write one name per line, in the order of the labels"),
        // These messages end in advice, and no note comes before them.
        DataError::Ambiguous { .. }
        | DataError::TooLarge { .. }
        | DataError::EmptyClass(_)
        | DataError::UnknownClass { .. }
        | DataError::ClassName(_)
        | DataError::BesideClasses(_)
        | DataError::NoPicture(_) => advice_apart(error),
        DataError::Checksum { dataset, .. } | DataError::TooLong { dataset, .. } => {
            hint(other_files(*dataset))
        }
        DataError::PictureSize { path, found, expected } => both(
            format!("{} is {found} pixels, but the first training picture is {expected}", path.display()),
            format!("resize all pictures, for example with --resize {expected}"),
        ),
        DataError::PictureColors { path, found, expected } => both(
            format!("{} is {found}, but the first training picture is {expected}", path.display()),
            "use --color-mode grayscale or --color-mode rgb",
        ),
        DataError::ImageSize { expected, .. } => {
            let (message, advice) = advice_apart(error);
            let photo = ", or use --prepare for a photo or a scan of a digit";
            let can_be_prepared = *expected == PREPARED;
            (message, advice.map(|advice| if can_be_prepared { advice + photo } else { advice }))
        }
        DataError::Blank { cause: Blank, .. } => {
            hint("--prepare needs a digit that is darker or brighter than the plain paper around it")
        }
        DataError::NotPrepared(shape) => both(
            format!("--prepare makes grayscale images of {PREPARED}, but the model takes {shape}"),
            "leave out --prepare",
        ),
        DataError::NeedsFolder(kind) => {
            message(format!("--dataset {kind} needs --data-dir: the folder that contains {}", kind.content()))
        }
        DataError::MirrorUrl(_) => {
            hint("check --mirror, the environment variable MNIST_MIRROR, or `mirror` in the configuration")
        }
        DataError::NoSource { dataset, .. } => message(format!("{error}; {}", without_download(*dataset))),
        DataError::NoHome(dataset) => hint(without_download(*dataset)),
        _ => (None, None),
    }
}

/// Advice where a data set cannot be downloaded.
fn without_download(dataset: DatasetKind) -> String {
    format!("connect to the internet, or pass the folder of {}'s files with --data-dir", dataset.title())
}

/// Advice where files of a known data set have other checksums.
pub fn other_files(dataset: DatasetKind) -> String {
    match dataset.known().map(|known| known.form) {
        Some(Form::Cifar(_)) => "get the file again, or leave out --data-dir to download it".into(),
        _ => format!("for IDX files other than {}'s, use --dataset idx", dataset.title()),
    }
}

/// Returns the command that downloads a data set.
pub fn fetching(dataset: DatasetKind) -> String {
    match dataset {
        DatasetKind::Mnist => "mnist-trainer data fetch".into(),
        other => format!("mnist-trainer data fetch --dataset {other}"),
    }
}

/// Splits the message of a library into the message and the advice at its end.
fn advice_apart(error: &DataError) -> Wording {
    match error.to_string().rsplit_once("; ") {
        Some((text, advice)) => both(text, advice),
        None => (None, None),
    }
}

/// Returns the advice to check what named this data folder.
fn check_data_dir(folder: &Path, invocation: &Invocation) -> String {
    match invocation.origin_of(folder) {
        DataDirOrigin::Flag => "check --data-dir".into(),
        DataDirOrigin::Variable => {
            "check the environment variable MNIST_DATA_DIR, which names this folder".into()
        }
        DataDirOrigin::Config(file) => format!("check `data_dir` in {}", file.display()),
        DataDirOrigin::Run => "name the folder of the data set with --data-dir".into(),
    }
}
