//! Recording finished runs in a comparison's folder.

use mnist_comparison::{ComparisonFolder, plan::Plan};
use mnist_training::files::Existing;
use tempfile::tempdir;

use crate::support::{run, settings};

#[test]
fn run_recorded_twice_counts_once_and_seeds_are_sorted() {
    let folder = tempdir().unwrap();
    let settings = settings("scalings = ['none', 'center']\nseeds = 3");
    let plan = Plan::new(&settings, &[]).unwrap();
    let path = folder.path().join("all");
    let destination = ComparisonFolder::destination(path, Existing::Refuse).unwrap();
    let mut folder = ComparisonFolder::begin(destination, &settings, plan.clone(), &()).unwrap();

    let of_none = |seed: u64| plan.runs.iter().find(|run| (run.arm_index, run.seed) == (0, seed)).unwrap();
    for (seed, accuracy) in [(3, 0.3), (1, 0.1), (2, 0.2), (1, 0.9)] {
        folder.record(of_none(seed), run(seed, Some(accuracy)));
    }
    let recorded = folder.arms()[0].runs.iter();
    let recorded: Vec<(u64, f64)> =
        recorded.map(|run| (run.result.seed, run.result.test.unwrap().accuracy)).collect();
    assert_eq!(recorded, [(1, 0.9), (2, 0.2), (3, 0.3)]);
    assert_eq!((folder.finished(), folder.is_finished()), (3, false));
}

#[test]
fn earlier_result_is_removed_if_the_settings_changed_or_a_run_is_missing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("all");
    let result = path.join("result.json");
    let begin = |seeds: u32| {
        let settings = settings(&format!("scalings = ['none']\nseeds = {seeds}"));
        let destination = ComparisonFolder::destination(path.clone(), Existing::Resume).unwrap();
        ComparisonFolder::begin(destination, &settings, Plan::new(&settings, &[]).unwrap(), &()).unwrap()
    };
    for (seeds, what) in [(1, "a run is missing"), (2, "there are more seeds")] {
        begin(1);
        std::fs::write(&result, "{}").unwrap();
        begin(seeds);
        assert!(!result.exists(), "{what}");
    }
}
