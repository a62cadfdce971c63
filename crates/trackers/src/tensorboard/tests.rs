use std::{fs, path::Path, sync::Mutex};

use mnist_training::{
    FinishedRun, Observer, RunSettings, TrainingSettings,
    curve::CurvePoint,
    observer::RunProgress,
    progress::{EpochMetrics, TrainingProgress},
    run::{Machine, RunResult, Scores, Status, Versions},
};
use prost::Message;
use tempfile::tempdir;

use super::{
    Live,
    event_file::Events,
    finished_path, hyperparameters,
    messages::{Content, Event, Image, SummaryValue, What},
    write,
};
use crate::{TrackedRun, tracked_run::Metric};

/// Events by TensorBoard's own writer, made by `scripts/golden_tensorboard.py`.
const GOLDEN: &[u8] = include_bytes!("../../tests/golden/tensorboard.events");

/// Reads the records of an event file. A record that is cut off ends the file.
fn read(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        let Some(data) = rest.get(4..4 + length) else { break };
        events.push(Event::decode(data).unwrap());
        bytes = &rest[4 + length + 4..];
    }
    events
}

fn values(events: Vec<Event>) -> Vec<(f64, i64, SummaryValue)> {
    let value = |event: Event| match event.what {
        Some(What::Summary(mut summary)) => Some((event.wall_time, event.step, summary.value.remove(0))),
        _ => None,
    };
    events.into_iter().filter_map(value).collect()
}

fn settings() -> RunSettings {
    RunSettings { seed: 3, scaling: "standardize".parse().unwrap(), training: TrainingSettings::default() }
}

fn finished_run() -> FinishedRun {
    let result = RunResult {
        run: "run".into(),
        status: Status::Ok,
        scaling: "standardize".into(),
        seed: 3,
        learning_rate: 0.001,
        batch_size: 64,
        backend: "flex".into(),
        device: "Cpu".into(),
        threads: 1,
        machine: Machine { cpu: "a CPU".into(), cores: 2, os: "an OS".into() },
        instruction_set: None,
        weights_sha256: None,
        scaling_sha256: String::new(),
        epochs: vec![EpochMetrics {
            epoch: 1,
            train_loss: 0.5,
            train_accuracy: 0.75,
            validation_loss: Some(0.25),
            validation_accuracy: None,
            seconds: 1.5,
        }],
        validation: None,
        test: Some(Scores { loss: 0.125, accuracy: 0.96875 }),
        confusion: Some(vec![vec![30, 1], vec![0, 1]]),
        train_images: 640,
        test_images: 32,
        classes: 2,
        class_names: None,
        border_mean: None,
        parameters: 1000,
        seconds: 2.0,
        finished: Some("2023-11-14T22:13:22Z".into()),
        versions: Versions::current(),
        data: Vec::new(),
        files: Vec::new(),
        diverged: None,
    };
    let point = CurvePoint { epoch: 1, step: 10, images: 640, loss: 0.5, accuracy: 0.75, seconds: 1.0 };
    FinishedRun { result, curve: vec![point], predictions: Vec::new() }
}

#[test]
fn events_have_the_same_bytes_as_those_of_tensorboards_own_writer() {
    let began = 1_700_000_000.0;
    let mut events = Events::begin(began);
    hyperparameters::begin(&mut events, &settings(), began).unwrap();
    events.metrics(&[
        Metric { tag: "loss/train", step: 10, value: 0.1, seconds: 1.5 },
        Metric { tag: "epoch_accuracy/train", step: 1, value: 0.975, seconds: 2.5 },
    ]);
    let png = Image { height: 2, width: 3, colorspace: 3, encoded_image_string: b"png".to_vec() };
    events.summary(10, 2.5, "confusion_matrix", None, Some(Content::Image(png)));
    hyperparameters::end(&mut events, began, 2.5, true);
    // Says which event differs.
    for (ours, theirs) in read(events.bytes()).iter().zip(read(GOLDEN)) {
        assert_eq!(*ours, theirs);
    }
    assert_eq!(events.bytes(), GOLDEN);
}

#[test]
fn written_run_has_its_metrics_and_images() {
    let (folder, run) = (tempdir().unwrap(), finished_run());
    let tracked = TrackedRun::single(&settings(), &run).unwrap();
    let path = write(folder.path(), &tracked, None).unwrap();
    let values = values(read(&fs::read(path).unwrap()));
    let scalars = values.iter().filter_map(|(time, step, value)| match value.content {
        Some(Content::SimpleValue(scalar)) => Some((value.tag.as_str(), *step, scalar, *time)),
        _ => None,
    });
    let began = 1_700_000_000.0;
    assert_eq!(
        scalars.collect::<Vec<_>>(),
        [
            ("loss/train", 10, 0.5, began + 1.0),
            ("accuracy/train", 10, 0.75, began + 1.0),
            ("epoch_loss/train", 1, 0.5, began + 1.5),
            ("epoch_accuracy/train", 1, 0.75, began + 1.5),
            ("epoch_loss/validation", 1, 0.25, began + 1.5),
            ("loss/test", 10, 0.125, began + 2.0),
            ("accuracy/test", 10, 0.96875, began + 2.0),
        ]
    );
    let images = values.iter().filter_map(|(_, _, value)| match &value.content {
        Some(Content::Image(image)) => Some((value.tag.as_str(), image)),
        _ => None,
    });
    let images: Vec<(&str, &Image)> = images.collect();
    assert_eq!(images.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), ["confusion_matrix"]);
    for (_, image) in images {
        let png = image::load_from_memory(&image.encoded_image_string).unwrap();
        assert_eq!((png.width() as i32, png.height() as i32), (image.width, image.height));
    }
}

#[test]
fn writing_a_run_again_replaces_its_events() {
    let (folder, run) = (tempdir().unwrap(), finished_run());
    let tracked = TrackedRun::single(&settings(), &run).unwrap();
    let first = write(folder.path(), &tracked, None).unwrap();
    let before = fs::read(&first).unwrap();
    let of_run = first.parent().unwrap();
    for foreign in ["events.out.tfevents.0000000001.host.1.0", "notes.txt"] {
        fs::write(of_run.join(foreign), "another program's").unwrap();
    }
    fs::write(of_run.join("events.out.tfevents.0000000002.mnist-trainer"), "an interrupted run's").unwrap();
    fs::write(of_run.join(".events.out.tfevents.0000000002.mnist-trainer.a1B2c3"), "a killed one's").unwrap();
    assert_eq!(write(folder.path(), &tracked, None).unwrap(), first);
    assert_eq!(fs::read(&first).unwrap(), before);
    assert_eq!(fs::read_dir(of_run).unwrap().count(), 3, "the new file and those of others");
}

#[test]
fn events_stay_if_the_new_ones_cannot_be_written() {
    let (folder, run) = (tempdir().unwrap(), finished_run());
    let tracked = TrackedRun::single(&settings(), &run).unwrap();
    let path = finished_path(folder.path(), &tracked);
    // A folder with the name of the new file.
    fs::create_dir_all(path.join("inside")).unwrap();
    let earlier = path.with_file_name("events.out.tfevents.0000000002.mnist-trainer");
    fs::write(&earlier, "an interrupted run's").unwrap();
    assert!(write(folder.path(), &tracked, None).is_err());
    assert_eq!(fs::read(earlier).unwrap(), b"an interrupted run's");
}

#[test]
fn complete_events_and_those_that_another_process_is_writing_stay() {
    let (folder, run) = (tempdir().unwrap(), finished_run());
    let tracked = TrackedRun::single(&settings(), &run).unwrap();
    let path = finished_path(folder.path(), &tracked);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let temporary = path.with_file_name(".events.out.tfevents.0000000002.mnist-trainer.a1B2c3");
    fs::write(&temporary, "another process's").unwrap();
    let live = Live::new(folder.path().to_owned(), &()).unwrap();
    live.finish(&tracked, None);
    assert!(temporary.exists());
    fs::write(&path, "complete").unwrap();
    live.finish(&tracked, None);
    assert_eq!(fs::read(path).unwrap(), b"complete");
}

/// Returns the progress of a run with this many points of its curve and this many epochs.
fn progress(points: usize, epochs: usize) -> TrainingProgress {
    let run = finished_run();
    let epochs = run.result.epochs.iter().take(epochs).cloned().collect();
    let mut progress = TrainingProgress { epochs, ..TrainingProgress::default() };
    let point = |number| CurvePoint { step: 10 * number, ..run.curve[0].clone() };
    progress.curve.points = (1..=points).map(point).collect();
    progress
}

/// Reports a run to `live`.
fn report(live: &Live, progress: &TrainingProgress) {
    let settings = settings();
    live.progress(&RunProgress { folder: Path::new("run"), settings: &settings, data: &[], progress });
}

/// Returns the tags and steps of the scalars in the only file of the only run.
fn scalars_below(root: &Path) -> Vec<(String, i64)> {
    let only = |folder: &Path| {
        let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let first = entries.next().unwrap();
        assert_eq!(entries.next(), None);
        first
    };
    let values = values(read(&fs::read(only(&only(root))).unwrap()));
    let is_scalar = |value: &SummaryValue| matches!(value.content, Some(Content::SimpleValue(_)));
    let scalars = values.into_iter().filter(|(_, _, value)| is_scalar(value));
    scalars.map(|(_, step, value)| (value.tag, step)).collect()
}

#[test]
fn run_that_trains_and_one_that_resumes_have_each_step_once() {
    let folder = tempdir().unwrap();
    let live = Live::new(folder.path().to_owned(), &()).unwrap();
    for (points, epochs) in [(0, 0), (1, 0), (2, 0), (2, 1)] {
        report(&live, &progress(points, epochs));
    }
    let scalars = ["loss/train", "accuracy/train"];
    let of_points =
        |points: i64| (1..=points).flat_map(|point| scalars.map(|tag| (tag.to_owned(), 10 * point)));
    let of_epoch = ["epoch_loss/train", "epoch_accuracy/train", "epoch_loss/validation"];
    let of_epoch = of_epoch.map(|tag| (tag.to_owned(), 1));
    let before: Vec<_> = of_points(2).chain(of_epoch.clone()).collect();
    assert_eq!(scalars_below(folder.path()), before);

    // The run was killed after more steps than its checkpoint has, and resumes from there.
    report(&live, &progress(5, 1));
    drop(live);
    let live = Live::new(folder.path().to_owned(), &()).unwrap();
    report(&live, &progress(2, 1));
    assert_eq!(scalars_below(folder.path()), before);
    report(&live, &progress(3, 1));
    let added = scalars.map(|tag| (tag.to_owned(), 30));
    assert_eq!(scalars_below(folder.path()), [&before[..], &added].concat());

    let run = finished_run();
    live.finish(&TrackedRun::single(&settings(), &run).unwrap(), None);
    assert_eq!(scalars_below(folder.path()).len(), 7, "the complete events replace those of the training");
}

/// Collects warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn warning(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn failure_during_the_training_gives_one_warning() {
    let (folder, warnings, run) = (tempdir().unwrap(), Warnings::default(), finished_run());
    let live = Live::new(folder.path().to_owned(), &warnings).unwrap();
    let tracked = TrackedRun::single(&settings(), &run).unwrap();
    fs::write(folder.path().join(&tracked.name), "a file where the run's folder belongs").unwrap();
    report(&live, &progress(1, 0));
    report(&live, &progress(2, 0));
    live.finish(&tracked, None);
    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("cannot write events for TensorBoard: "), "{warnings:?}");
}

#[test]
fn failure_of_a_run_does_not_end_the_events_of_others() {
    let (folder, warnings, run) = (tempdir().unwrap(), Warnings::default(), finished_run());
    let live = Live::new(folder.path().to_owned(), &warnings).unwrap();
    let failing = TrackedRun::single(&settings(), &run).unwrap();
    let blocked = folder.path().join(&failing.name);
    fs::write(&blocked, "a file where the run's folder belongs").unwrap();
    report(&live, &progress(1, 0));
    let (settings, progress) = (RunSettings { seed: 4, ..settings() }, progress(1, 0));
    live.progress(&RunProgress {
        folder: Path::new("other"),
        settings: &settings,
        data: &[],
        progress: &progress,
    });
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    fs::remove_file(blocked).unwrap();
    assert_eq!(scalars_below(folder.path()).len(), 2, "the other run has its events");
}
