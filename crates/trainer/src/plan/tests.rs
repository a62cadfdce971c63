//! What a run is known by.

use super::*;
use crate::{cli::TrainingFlags, config::ConfigFile};

fn config(text: &str) -> ComparisonConfig {
    let file: ConfigFile = toml::from_str(text).unwrap();
    ComparisonConfig::resolve(None, None, TrainingFlags::default(), &file).unwrap()
}

fn sums(sha256: &str) -> Vec<FileSum> {
    vec![FileSum { name: "train".into(), sha256: sha256.into(), bytes: 1 }]
}

fn names(text: &str) -> Vec<String> {
    Plan::new(&config(text), &sums("a")).unwrap().runs.into_iter().map(|run| run.name).collect()
}

#[test]
fn every_scaling_value_of_the_grid_and_seed_is_a_run_of_its_own() {
    let names = names(
        "scalings = ['none', 'center', {rescale = 0.5}, {rescale = 0.25}]\nseeds = 3\n[grid]\nlearning_rate = [0.1, 0.2]\nbatch_size = [8, 16, 32]",
    );
    let mut distinct = names.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((names.len(), distinct.len()), (4 * 3 * 2 * 3, 4 * 3 * 2 * 3));
}

#[test]
fn run_keeps_its_name_where_the_comparison_grows_around_it() {
    let small = names("scalings = ['center']\nseeds = 2\nlearning_rate = 0.01\nbatch_size = 8");
    let large = names(
        "scalings = ['none', 'center']\nseeds = 3\n[grid]\nlearning_rate = [0.1, 0.01]\nbatch_size = [8, 9]",
    );
    assert!(small.iter().all(|name| large.contains(name)), "{small:?} {large:?}");
}

#[test]
fn run_is_known_by_what_its_result_depends_on_and_nothing_else() {
    let name = |text: &str| names(&format!("scalings = ['center']\n{text}")).remove(0);
    let tutorial = name("");
    for same in ["threads = 1", "data_dir = 'elsewhere'", "seeds = 7", "epochs = 5"] {
        assert_eq!(name(same), tutorial, "{same}");
    }
    for other in ["epochs = 4", "limit = 9", "validation_split = 0.5", "backend = 'ndarray'"] {
        assert_ne!(name(other), tutorial, "{other}");
    }
    assert_ne!(name("[augmentation]\nhorizontal_flip = true"), tutorial);
    let on_other_data = Plan::new(&config("scalings = ['center']"), &sums("b")).unwrap();
    assert_ne!(on_other_data.runs[0].name, tutorial);
}
