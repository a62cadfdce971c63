//! The notes and the progress that an observer receives.

use std::sync::Mutex;

use mnist_training::{
    Observer,
    observer::{Task, TaskProgress},
};
use tempfile::tempdir;

use crate::support::{MlpNetwork, settings, train};

/// Records tasks, their progress and notes.
#[derive(Default)]
struct Tasks {
    begun: Mutex<Vec<Task>>,
    done: Mutex<Vec<u64>>,
    notes: Mutex<Vec<String>>,
}

impl Observer for Tasks {
    fn note(&self, text: &str) {
        self.notes.lock().unwrap().push(text.to_owned());
    }

    fn begin(&self, task: &Task) -> Box<dyn TaskProgress + '_> {
        self.begun.lock().unwrap().push(task.clone());
        Box::new(Done(&self.done))
    }
}

struct Done<'a>(&'a Mutex<Vec<u64>>);

impl TaskProgress for Done<'_> {
    fn at(&mut self, done: u64, _: Option<u64>, _: &str) {
        self.0.lock().unwrap().push(done);
    }
}

#[test]
fn run_reports_its_images_after_each_step_and_a_note_after_each_epoch() {
    let tasks = Tasks::default();
    train(&MlpNetwork("mlp"), &settings(4, 2), tempdir().unwrap().path(), &tasks).unwrap();
    let task = Task::Training { name: "standardize seed 4".into(), images: 200 };
    assert_eq!(tasks.begun.into_inner().unwrap(), [task]);
    let one_epoch = [16, 32, 48, 64, 80, 96, 100];
    let expected: Vec<u64> = one_epoch.into_iter().chain(one_epoch.map(|images| images + 100)).collect();
    assert_eq!(tasks.done.into_inner().unwrap(), expected);
    let notes = tasks.notes.into_inner().unwrap();
    assert_eq!(notes.len(), 2);
    assert!(notes[1].starts_with("standardize seed 4: epoch 2/2: loss "), "{notes:?}");
}
