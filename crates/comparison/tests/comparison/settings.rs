//! Resolving the settings of a comparison, and checking them when it is resumed.

use std::fs;

use mnist_comparison::{ComparisonError, ComparisonSettings};
use mnist_training::TrainingError;
use tempfile::tempdir;

use crate::support::settings;

fn refusal(text: &str) -> String {
    let error = ComparisonSettings::resolve(&toml::from_str(text).unwrap()).unwrap_err();
    assert!(error.is_bad_setting(), "{error}");
    error.to_string()
}

#[test]
fn each_scaling_with_each_grid_value_is_an_arm() {
    let settings =
        settings("scalings = ['none', 'center']\n[grid]\nlearning_rate = [1e-5, 0.1]\nbatch_size = [8, 16]");
    let arms = settings.arms();
    assert_eq!(arms.len(), 8);
    assert_eq!(arms[0].name, "none, learning rate 1e-5, batch size 8");
    assert_eq!(arms[7].name, "center, learning rate 0.1, batch size 16");
    let last = &arms[7];
    assert_eq!((last.scaling_name.as_str(), last.scaling_index), ("center", 1));
    assert_eq!((last.training.learning_rate.get(), last.training.batch_size.get()), (0.1, 16));
    let run = last.with_seed(4);
    assert_eq!((run.seed, run.scaling), (4, last.scaling.clone()));
}

#[test]
fn name_of_an_arm_contains_only_what_varies() {
    let names =
        |text: &str| -> Vec<String> { settings(text).arms().into_iter().map(|arm| arm.name).collect() };
    assert_eq!(names("scalings = ['none']\nbatch_size = 8"), ["none"]);
    assert_eq!(names("scalings = ['none']\n[grid]\nbatch_size = [8]"), ["none"]);
    assert_eq!(names("scalings = [{rescale = 0.5}]"), ["custom"]);
    assert_eq!(
        names("scalings = [{rescale = 0.5}, 'none', {rescale = 0.25}]"),
        ["custom-1", "none", "custom-2"]
    );
}

#[test]
fn empty_scalings_and_repeated_values_are_refused() {
    assert!(refusal("scalings = []").starts_with("`scalings` is empty"));
    assert_eq!(
        refusal("scalings = ['center', {featurewise_center = true}]"),
        "`scalings` contains `center` twice"
    );
    assert_eq!(
        refusal("[grid]\nlearning_rate = [0.1, 0.10]"),
        "`learning_rate` in [grid] contains 0.1 twice"
    );
    assert_eq!(refusal("[grid]\nbatch_size = [8, 9, 8]"), "`batch_size` in [grid] contains 8 twice");
    let both = refusal("batch_size = 8\n[grid]\nbatch_size = [8, 9]");
    assert_eq!(both, "`batch_size` is set both by itself and in [grid]; keep one of them");
}

#[test]
fn saved_settings_are_read_unchanged() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for text in [
        "scalings = ['none', {rescale = 0.1}]\nseeds = 4\nlearning_rate = 0.01\nnetwork = 'mlp'",
        "epochs = 2\n[grid]\nlearning_rate = [0.1, 0.2]",
        "learning_rate = 0.5\n[grid]\nbatch_size = [1, 2]",
    ] {
        let saved = settings(text).to_toml().unwrap();
        fs::write(&path, &saved).unwrap();
        assert_eq!(ComparisonSettings::read(&path).unwrap().to_toml().unwrap(), saved, "{text}");
    }
}

#[test]
fn resuming_can_add_seeds_and_arms_but_not_remove_any() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let base = "scalings = ['none', 'center']\nseeds = 3\n[grid]\nbatch_size = [8, 16]";
    settings(base).check_resumes(&path).unwrap();
    fs::write(&path, settings(base).to_toml().unwrap()).unwrap();
    let check = |text: &str| settings(text).check_resumes(&path);

    check(base).unwrap();
    check("scalings = ['zca', 'center', 'none']\nseeds = 4\n[grid]\nbatch_size = [16, 4, 8]").unwrap();
    check(&format!("threads = 1\n{base}")).unwrap();
    for (key, text) in [
        ("seeds", "scalings = ['none', 'center']\nseeds = 2\n[grid]\nbatch_size = [8, 16]"),
        ("scalings", "scalings = ['center', 'zca']\nseeds = 3\n[grid]\nbatch_size = [8, 16]"),
        ("batch_size", "scalings = ['none', 'center']\nseeds = 3\nbatch_size = 8"),
        (
            "learning_rate",
            "scalings = ['none', 'center']\nseeds = 3\nlearning_rate = 0.5\n[grid]\nbatch_size = [8, 16]",
        ),
    ] {
        let error = check(text).unwrap_err();
        assert!(error.is_bad_setting());
        assert!(
            matches!(error, ComparisonError::Shrinks { key: found, .. } if found == key),
            "{key}: {error}"
        );
    }
    let error = check(&format!("epochs = 6\n{base}")).unwrap_err();
    let ComparisonError::Training(TrainingError::OtherSettings { key, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(key, "epochs");
}

#[test]
fn comparison_until_decided_needs_two_arms_and_three_seeds() {
    let until = settings("until_decided = true");
    assert!(until.seeds.is_until_decided());
    assert_eq!(until.seeds.most().get(), 50);
    assert_eq!(settings("until_decided = true\nmax_seeds = 3").seeds.most().get(), 3);
    assert!(!settings("until_decided = false\nseeds = 4").seeds.is_until_decided());
    for (text, message) in [
        ("until_decided = true\nscalings = ['none']", "`until_decided` needs two scalings to decide between"),
        ("until_decided = true\nmax_seeds = 1", "`max_seeds` must be at least 3: fewer decide nothing"),
        ("max_seeds = 5", "`max_seeds` needs `until_decided`"),
        (
            "until_decided = true\nseeds = 5",
            "`seeds` contradicts `until_decided`; set `max_seeds` to limit the seeds",
        ),
    ] {
        assert_eq!(refusal(text), message);
    }
}

#[test]
fn planned_comparison_can_go_on_until_it_is_decided_but_not_the_reverse() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let until = settings("until_decided = true\nmax_seeds = 20\nmargin = 10.0");
    fs::write(&path, settings("seeds = 10\nmargin = 10.0").to_toml().unwrap()).unwrap();
    until.check_resumes(&path).unwrap();
    fs::write(&path, until.to_toml().unwrap()).unwrap();
    assert_eq!(ComparisonSettings::read(&path).unwrap().seeds, until.seeds);
    settings("until_decided = true\nmax_seeds = 21\nmargin = 10.0").check_resumes(&path).unwrap();
    for (key, text) in [
        ("max_seeds", "until_decided = true\nmax_seeds = 19\nmargin = 10.0"),
        ("until_decided", "seeds = 30\nmargin = 10.0"),
    ] {
        let error = settings(text).check_resumes(&path).unwrap_err();
        assert!(
            matches!(error, ComparisonError::Shrinks { key: found, .. } if found == key),
            "{key}: {error}"
        );
    }
    // A margin that is chosen after looking proves nothing.
    let error =
        settings("until_decided = true\nmax_seeds = 20\nmargin = 30.0").check_resumes(&path).unwrap_err();
    assert!(error.to_string().starts_with("`margin` differs"), "{error}");
}
