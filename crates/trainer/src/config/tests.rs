//! The experiments that come with the program, and what is saved of a configuration.

use super::*;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

#[test]
fn every_file_in_configs_parses() {
    let files: Vec<PathBuf> = fs::read_dir(configs()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let config = ConfigFile::read(Some(&file)).unwrap();
        if config.scaling.is_some() {
            TrainingConfig::resolve(None, None, TrainingFlags::default(), &config).unwrap();
        } else {
            ComparisonConfig::resolve(None, None, TrainingFlags::default(), &config).unwrap();
        }
    }
}

#[test]
fn tutorials_comparison_is_what_happens_without_arguments() {
    let resolve = |file: &ConfigFile| {
        let config = ComparisonConfig::resolve(None, None, TrainingFlags::default(), file).unwrap();
        toml::to_string(&config).unwrap()
    };
    let file = ConfigFile::read(Some(&configs().join("compare.toml"))).unwrap();
    assert_eq!(resolve(&file), resolve(&ConfigFile::default()));
}

#[test]
fn saved_configuration_reads_back_as_it_was() {
    let scaling = Scaling { rescale: 0.1 + 0.2, featurewise_center: true, ..Scaling::default() };
    let flags = TrainingFlags { validation_split: Some(Fraction(0.1)), ..TrainingFlags::default() };
    let config = TrainingConfig::resolve(Some(scaling), Some(9), flags, &ConfigFile::default()).unwrap();
    let saved = toml::to_string(&config).unwrap();
    let file = toml::from_str(&saved).unwrap();
    let again = TrainingConfig::resolve(None, None, TrainingFlags::default(), &file).unwrap();
    assert_eq!(toml::to_string(&again).unwrap(), saved);
    assert_eq!(again.scaling, config.scaling);
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let file = toml::from_str("scaling = 'center'\nepochs = 7\nbatch_size = 8\n").unwrap();
    let flags = TrainingFlags { epochs: NonZeroU32::new(2), ..TrainingFlags::default() };
    let config = TrainingConfig::resolve(None, None, flags, &file).unwrap();
    let Settings { epochs, batch_size, learning_rate, .. } = config.settings;
    assert_eq!((epochs.get(), batch_size.get(), learning_rate.get()), (2, 8, 0.001));
    assert_eq!(config.seed, 1);
}

#[test]
fn difference_that_changes_no_result_is_none() {
    let difference = |a: &str, b: &str| first_difference(a, b, &["seeds"]).unwrap();
    assert_eq!(difference("epochs = 5", "epochs = 5\nthreads = 3").as_deref(), None);
    assert_eq!(difference("seeds = 5", "seeds = 6").as_deref(), None);
    assert_eq!(difference("epochs = 5", "epochs = 6").as_deref(), Some("epochs"));
    assert_eq!(difference("epochs = 5", "epochs = 5\nlimit = 3").as_deref(), Some("limit"));
}
