//! The planned runs of a comparison, and the names of their folders.

use std::{fs, path::Path};

use mnist_comparison::{Basis, ComparisonError, plan::Plan};
use mnist_data::source::FileSum;
use mnist_training::{TrainingError, files};
use tempfile::tempdir;

use crate::support::{run, settings};

fn sums(sha256: &str) -> Vec<FileSum> {
    vec![FileSum { name: "train".into(), sha256: sha256.into(), bytes: 1 }]
}

fn names(text: &str) -> Vec<String> {
    Plan::new(&settings(text), &sums("a")).unwrap().runs.into_iter().map(|run| run.name).collect()
}

#[test]
fn every_scaling_grid_value_and_seed_is_a_separate_run() {
    let names = names(
        "scalings = ['none', 'center', {rescale = 0.5}, {rescale = 0.25}]\nseeds = 3\n[grid]\nlearning_rate = [0.1, 0.2]\nbatch_size = [8, 16, 32]",
    );
    let mut distinct = names.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((names.len(), distinct.len()), (4 * 3 * 2 * 3, 4 * 3 * 2 * 3));
}

#[test]
fn run_keeps_its_name_in_a_larger_comparison() {
    let small = names("scalings = ['center']\nseeds = 2\nlearning_rate = 0.01\nbatch_size = 8");
    let large = names(
        "scalings = ['none', 'center']\nseeds = 3\n[grid]\nlearning_rate = [0.1, 0.01]\nbatch_size = [8, 9]",
    );
    assert!(small.iter().all(|name| large.contains(name)), "{small:?} {large:?}");
}

#[test]
fn name_of_a_run_depends_on_everything_that_changes_its_result_and_on_nothing_else() {
    let name = |text: &str| names(&format!("scalings = ['center']\n{text}")).remove(0);
    let tutorial = name("");
    for same in ["threads = 1", "data_dir = 'elsewhere'", "seeds = 7", "epochs = 5"] {
        assert_eq!(name(same), tutorial, "{same}");
    }
    for other in
        ["epochs = 4", "limit = 9", "validation_split = 0.5", "backend = 'ndarray'", "network = 'mlp'"]
    {
        assert_ne!(name(other), tutorial, "{other}");
    }
    assert_ne!(name("[augmentation]\nhorizontal_flip = true"), tutorial);
    let on_other_data = Plan::new(&settings("scalings = ['center']"), &sums("b")).unwrap();
    assert_ne!(on_other_data.runs[0].name, tutorial);
}

#[test]
fn runs_are_planned_seed_by_seed() {
    let plan = Plan::new(&settings("scalings = ['none', 'center']\nseeds = 2"), &[]).unwrap();
    let runs: Vec<(&str, usize, u64)> =
        plan.runs.iter().map(|run| (run.arm.as_str(), run.arm_index, run.seed)).collect();
    assert_eq!(runs, [("none", 0, 1), ("center", 1, 1), ("none", 0, 2), ("center", 1, 2)]);
    assert!(plan.runs[3].name.starts_with("center-seed2-"), "{}", plan.runs[3].name);
}

#[test]
fn saved_plan_can_be_read_and_refuses_other_arms_and_other_data() {
    let settings_of = |scalings: &str| settings(&format!("scalings = {scalings}\nseeds = 2"));
    let saved = settings_of("['none', 'center']");
    let plan = Plan::new(&saved, &sums("a")).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("plan.json");
    assert_eq!(plan.clone().continued(&path).unwrap(), plan);
    files::write(&path, files::sealed_json(&plan).unwrap().as_bytes()).unwrap();

    assert_eq!(Plan::read(&path, &saved.arms()).unwrap(), plan);
    let reordered = Plan::read(&path, &settings_of("['center', 'none']").arms()).unwrap();
    assert_eq!(
        (reordered.runs[0].arm.as_str(), reordered.runs[0].arm_index),
        ("none", 1),
        "arms are identified by name"
    );
    let error = Plan::read(&path, &settings_of("['none']").arms()).unwrap_err();
    assert!(error.to_string().ends_with("`center` is not an arm of config.toml"), "{error}");

    assert!(!plan.clone().continued(&path).unwrap().extended);
    let error = Plan::new(&saved, &sums("b")).unwrap().continued(&path).unwrap_err();
    let ComparisonError::Training(TrainingError::OtherData(named)) = &error else { panic!("{error}") };
    assert_eq!(named, folder.path());
}

#[test]
fn finished_runs_are_not_missing() {
    let plan = Plan::new(&settings("scalings = ['none', 'center']\nseeds = 2"), &[]).unwrap();
    let folder = tempdir().unwrap();
    assert_eq!(plan.missing(None), plan.runs);
    assert_eq!(plan.missing(Some(folder.path())), plan.runs);
    let finished = files::sealed_json(&run(1, None).result).unwrap();
    let damaged = finished.replace("64", "65");
    for (run, file, content) in [
        (0, "config.toml", ""),
        (1, "result.json", &finished),
        (1, "curve.csv", ""),
        (2, "result.json", &damaged),
        (2, "curve.csv", ""),
    ] {
        let run = folder.path().join("runs").join(&plan.runs[run].name);
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join(file), content).unwrap();
    }
    let missing = plan.missing(Some(folder.path()));
    assert_eq!(missing, [&plan.runs[..1], &plan.runs[2..]].concat());
}

#[test]
fn runs_without_a_plan_are_not_planned_anew() {
    let plan = Plan::new(&settings("scalings = ['none', 'center']\nseeds = 2"), &[]).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("plan.json");
    fs::create_dir(folder.path().join("runs")).unwrap();
    assert_eq!(plan.clone().continued(&path).unwrap(), plan);
    fs::create_dir(folder.path().join("runs/none-seed1")).unwrap();
    let error = plan.continued(&path).unwrap_err().to_string();
    assert!(error.ends_with("plan.json is damaged: it is missing, but there are runs"), "{error}");
}

#[test]
fn edited_plan_and_plan_that_names_another_folder_are_refused() {
    let settings = settings("scalings = ['none', 'center']\nseeds = 2");
    let plan = Plan::new(&settings, &[]).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let error = |path: &Path| Plan::read(path, &settings.arms()).unwrap_err().to_string();
    let edited = files::sealed_json(&plan).unwrap().replace("\"extended\": false", "\"extended\": true");
    fs::write(&path, edited).unwrap();
    assert!(error(&path).contains("is damaged: its SHA-256"), "{}", error(&path));
    for name in ["/etc", "../other", "a/b", "..", "", "a\u{1b}[2J"] {
        let mut hostile = plan.clone();
        hostile.runs[0].name = name.into();
        save(&hostile, &path);
        assert!(error(&path).ends_with("is not the name of a run"), "{}", error(&path));
    }
}

fn save(plan: &Plan, path: &Path) {
    files::write(path, files::sealed_json(plan).unwrap().as_bytes()).unwrap();
}

#[test]
fn plan_remembers_how_many_seeds_were_planned_before_the_first_run() {
    let plan =
        |text: &str| Plan::new(&settings(&format!("scalings = ['none', 'center']\n{text}")), &[]).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let ten = plan("seeds = 10");
    assert_eq!(ten.basis(false, false), Basis::Pending { seeds: 10 });
    assert_eq!(ten.basis(false, true), Basis::Planned { seeds: 10 });
    save(&ten, &path);
    let same = plan("seeds = 10").continued(&path).unwrap();
    assert_eq!(same.basis(false, true), Basis::Planned { seeds: 10 });
    let reordered = Plan::new(&settings("scalings = ['center', 'none']\nseeds = 10"), &[]).unwrap();
    assert!(!reordered.continued(&path).unwrap().extended, "the order of the scalings does not matter");
    for more in ["seeds = 20", "until_decided = true"] {
        let extended = plan(more).continued(&path).unwrap();
        assert_eq!(extended.basis(false, true), Basis::Extended { seeds: 10 }, "{more}");
    }
    let looked_at = Plan { looked_at_early: true, ..ten };
    save(&looked_at, &path);
    let again = plan("seeds = 10").continued(&path).unwrap();
    assert_eq!(again.basis(false, true), Basis::LookedAtEarly { seeds: 10 });
    let until_decided = plan("until_decided = true");
    assert_eq!(until_decided.basis(true, false), Basis::UntilDecided);
    assert_eq!(until_decided.planned_seeds, None);
}

#[test]
fn edited_plan_and_plan_of_another_version_are_refused() {
    let saved = settings("scalings = ['none', 'center']\nseeds = 2");
    let plan = Plan::new(&saved, &[]).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("plan.json");
    save(&plan, &path);
    let edited = fs::read_to_string(&path).unwrap().replace("\"planned_seeds\": 2", "\"planned_seeds\": 1");
    fs::write(&path, edited).unwrap();
    let error = plan.clone().continued(&path).unwrap_err().to_string();
    assert!(error.ends_with("its SHA-256 is not the recorded one"), "{error}");
    assert_eq!(Plan::read(&path, &saved.arms()).unwrap_err().to_string(), error);

    let mut old = plan.clone();
    old.versions.as_mut().unwrap().mnist_trainer = "0.0.1".into();
    save(&old, &path);
    let error = plan.continued(&path).unwrap_err();
    assert!(error.is_bad_setting());
    assert_eq!(
        error.to_string(),
        "cannot resume a comparison of mnist-trainer 0.0.1: results of different versions do not mix"
    );
}
