//! Settings: defaults, precedence, errors, and the saved file.

use std::{fs, num::NonZeroU32, path::Path, time::Duration};

use mnist_data::{Augmentation, ColorMode, DataError, DatasetKind, Scaling};
use mnist_training::{
    Backend, DatasetSettings, RunSettings, TrainingError, TrainingSettings,
    settings::{Fraction, Grid, Overrides, Positive, check_unchanged, first_difference},
};
use tempfile::tempdir;
use toml::{Table, Value};

fn overrides(text: &str) -> Overrides {
    toml::from_str(text).unwrap()
}

/// Every key with two values.
const KEYS: [(&str, [&str; 2]); 24] = [
    ("dataset", ["'folder'", "'idx'"]),
    ("data_dir", ["'here'", "'there'"]),
    ("mirror", ["'https://here'", "'https://there'"]),
    ("scaling", ["'center'", "'none'"]),
    ("scalings", ["['center']", "['none', 'zca']"]),
    ("seed", ["11", "21"]),
    ("seeds", ["12", "22"]),
    ("until_decided", ["true", "false"]),
    ("max_seeds", ["13", "23"]),
    ("margin", ["14.0", "24.0"]),
    ("epochs", ["13", "23"]),
    ("batch_size", ["14", "24"]),
    ("learning_rate", ["0.15", "0.25"]),
    ("validation_split", ["0.16", "0.26"]),
    ("limit", ["17", "27"]),
    ("backend", ["'ndarray'", "'wgpu'"]),
    ("device", ["1", "2"]),
    ("threads", ["18", "28"]),
    ("checkpoint_every", ["18.5", "28.5"]),
    ("resize", ["'19x18'", "'29x28'"]),
    ("color_mode", ["'grayscale'", "'rgb'"]),
    ("network", ["'mlp'", "'vit'"]),
    ("augmentation", ["{horizontal_flip = true}", "{vertical_flip = true}"]),
    ("grid", ["{batch_size = [1, 2]}", "{batch_size = [3, 4]}"]),
];

/// Returns all keys with their first or second value.
fn table(column: usize) -> Table {
    KEYS.iter().map(|(key, values)| ((*key).to_owned(), value(key, values[column]))).collect()
}

fn value(key: &str, text: &str) -> Value {
    toml::from_str::<Table>(&format!("{key} = {text}")).unwrap()[key].clone()
}

/// Returns the `Overrides` of a table as text, to compare them.
fn debug(table: &Table) -> String {
    format!("{:?}", table.clone().try_into::<Overrides>().unwrap())
}

#[test]
fn these_tests_cover_all_keys() {
    let error = toml::from_str::<Overrides>("nonsense = 1").unwrap_err();
    let quoted: Vec<&str> = error.message().split('`').skip(1).step_by(2).skip(1).collect();
    assert_eq!(quoted, KEYS.map(|(key, _)| key), "{error}");
}

#[test]
fn each_key_replaces_the_same_key_below_and_no_other() {
    let below = table(1);
    for (key, [above, _]) in KEYS {
        // The grid and the keys that it replaces have their own test, and so has the number of seeds.
        let is_left_out = |other: &str| {
            other == "grid"
                || (key == "grid" && other == "batch_size")
                || (key == "seeds" && ["until_decided", "max_seeds"].contains(&other))
                || (key == "until_decided" && other == "seeds")
        };
        let below: Table = below.clone().into_iter().filter(|(other, _)| !is_left_out(other)).collect();
        let above = Table::from_iter([(key.to_owned(), value(key, above))]);
        let mut expected = below.clone();
        expected.extend(above.clone());
        let [above, below] = [above, below].map(|table| table.try_into::<Overrides>().unwrap());
        assert_eq!(format!("{:?}", above.over(below)), debug(&expected), "{key}");
    }
}

#[test]
fn planned_seeds_and_seeds_until_decided_replace_each_other() {
    let overrides = |text: &str| toml::from_str::<Overrides>(text).unwrap();
    let planned = overrides("seeds = 5").over(overrides("until_decided = true\nmax_seeds = 9"));
    assert_eq!(
        (planned.seeds.map(u32::from), planned.until_decided, planned.max_seeds),
        (Some(5), None, None)
    );
    let until = overrides("until_decided = true").over(overrides("seeds = 5"));
    assert_eq!((until.seeds, until.until_decided), (None, Some(true)));
}

#[test]
fn missing_keys_are_taken_from_below() {
    let below: Overrides = table(1).try_into().unwrap();
    assert_eq!(format!("{:?}", Overrides::default().over(below)), debug(&table(1)));
}

#[test]
fn single_value_and_list_of_the_grid_replace_each_other() {
    let lists = "[grid]\nlearning_rate = [0.1, 0.2]\nbatch_size = [8, 16]";
    let grid = |above: &str| overrides(above).over(overrides(lists)).grid.unwrap();
    let Grid { learning_rate, batch_size } = grid("learning_rate = 0.5");
    assert_eq!((learning_rate.len(), batch_size.len()), (0, 2));
    let Grid { learning_rate, batch_size } = grid("batch_size = 4");
    assert_eq!((learning_rate.len(), batch_size.len()), (2, 0));
    assert!(grid("batch_size = 4\nlearning_rate = 0.5").is_empty());
    assert_eq!(grid("epochs = 4"), overrides(lists).grid.unwrap());

    let single = overrides("learning_rate = 0.5\nbatch_size = 4");
    let merged = overrides("[grid]\nlearning_rate = [0.1, 0.2]").over(single);
    assert_eq!((merged.learning_rate, merged.batch_size.map(NonZeroU32::get)), (None, Some(4)));
    assert_eq!(grid("[grid]\nbatch_size = [1]"), overrides("[grid]\nbatch_size = [1]").grid.unwrap());
}

#[test]
fn defaults_are_the_tutorials() {
    let TrainingSettings {
        dataset,
        epochs,
        batch_size,
        learning_rate,
        validation_split,
        backend,
        device,
        threads,
        checkpoint_every,
        network,
        augmentation,
    } = TrainingSettings::resolve(&Overrides::default()).unwrap();
    assert_eq!((dataset.dataset, dataset.data_dir, dataset.limit), (DatasetKind::Mnist, None, None));
    assert_eq!((epochs.get(), batch_size.get(), threads), (5, 64, None));
    assert_eq!((learning_rate.get(), validation_split), (0.001, Fraction::NONE));
    assert!(checkpoint_every.is_none());
    assert_eq!(TrainingSettings::default().checkpoint_every(), Duration::from_mins(1));
    assert_eq!((backend, device, network.as_str()), (Backend::Flex, 0, "cnn"));
    assert_eq!(augmentation, Augmentation::default());
}

#[test]
fn given_keys_replace_defaults() {
    let below = overrides("scaling = 'center'\nepochs = 7\nbatch_size = 8");
    let settings = RunSettings::resolve(&overrides("epochs = 2").over(below)).unwrap();
    let TrainingSettings { epochs, batch_size, learning_rate, .. } = settings.training;
    assert_eq!((epochs.get(), batch_size.get(), learning_rate.get()), (2, 8, 0.001));
    assert_eq!(settings.seed, 1);
}

#[test]
fn run_without_a_scaling_is_refused() {
    let error = RunSettings::resolve(&Overrides::default()).unwrap_err();
    assert!(error.is_bad_setting());
    assert!(
        error.to_string().starts_with("`scaling` is missing, expected one of: none, normalize, center"),
        "{error}"
    );
}

#[test]
fn saved_settings_read_back_as_they_were() {
    let scaling = Scaling { rescale: 0.1 + 0.2, featurewise_center: true, ..Scaling::default() };
    let training = TrainingSettings {
        validation_split: Fraction::try_from(0.1).unwrap(),
        threads: NonZeroU32::new(3),
        network: "mlp".into(),
        augmentation: Augmentation { horizontal_flip: true, ..Augmentation::default() },
        ..TrainingSettings::default()
    };
    let settings = RunSettings { seed: 9, training, scaling };
    let saved = settings.to_toml().unwrap();

    let folder = tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, &saved).unwrap();
    let again = RunSettings::read(&path).unwrap();
    assert_eq!(again.to_toml().unwrap(), saved);
    assert_eq!(again.scaling, settings.scaling);
}

/// Returns the error about a configuration file with this text, under the name `c.toml`.
fn file_error(text: &str) -> String {
    let folder = tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, text).unwrap();
    let error = Overrides::read(&path).unwrap_err();
    assert!(error.is_bad_setting(), "{error}");
    error.to_string().replace(path.to_str().unwrap(), "c.toml")
}

#[test]
fn error_about_a_bad_file_names_its_line() {
    let unknown = file_error("epochs = 5\ngpu = 'fast'");
    let expected = "c.toml:2: `gpu = 'fast'`: unknown key `gpu`, expected one of: dataset, data_dir, ";
    assert!(unknown.starts_with(expected), "{unknown}");
    let bad_value = file_error("validation_split = 1.0");
    assert_eq!(bad_value, "c.toml:1: `validation_split = 1.0`: must be at least 0 and less than 1");
    let missing = Overrides::read("missing.toml".as_ref()).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read the configuration"), "{missing}");
}

#[test]
fn error_about_a_file_quotes_at_most_60_characters() {
    let line = |length: usize| format!("gpu = '{}'", "é".repeat(length - 8));
    let error = file_error(&line(60));
    assert!(error.starts_with(&format!("c.toml:1: `{}`: unknown key `gpu`", line(60))), "{error}");
    let error = file_error(&line(500));
    assert!(
        error.starts_with(&format!("c.toml:1: `gpu = '{}…`: unknown key `gpu`", "é".repeat(53))),
        "{error}"
    );
    let error = file_error(&format!("{} = 1", "x".repeat(500)));
    let cut = "x".repeat(60);
    assert!(
        error.starts_with(&format!("c.toml:1: `{cut}…`: unknown key `{cut}…`, expected one of: dataset, ")),
        "{error}"
    );
    let cut = "z".repeat(60);
    for (key, message) in [
        ("scaling", format!("unknown scaling `{cut}…`, expected one of: none, normalize, ")),
        ("resize", format!("`{cut}…` is not a size, expected HEIGHTxWIDTH")),
    ] {
        let error = file_error(&format!("{key} = '{}'", "z".repeat(300)));
        assert!(error.contains(&format!("`: {message}")), "{error}");
    }
    // Backticks in the text do not change this.
    let error = file_error(&format!("resize = 'a`b{}'", "z".repeat(300)));
    assert!(error.contains(&format!("`: `a`b{}…` is not a size", "z".repeat(57))), "{error}");
}

#[test]
fn error_about_a_file_is_one_line() {
    let error = file_error(r#""a`, expected \nb" = 1"#);
    let expected =
        r#"c.toml:1: `"a`, expected \nb" = 1`: unknown key `a`, expected  b`, expected one of: dataset, "#;
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn error_about_a_field_names_its_table_once() {
    assert_eq!(
        file_error("[augmentation]\nrotation_range = -1"),
        "c.toml:1: `[augmentation]`: rotation_range must be a number from 0 to 1000000"
    );
    let rescale = "rescale must be a number from 1e-9 to 1e9";
    assert_eq!(
        file_error("scaling = {rescale = 0}"),
        format!("c.toml:1: `scaling = {{rescale = 0}}`: {rescale}")
    );
    assert_eq!(
        file_error("scalings = [\n{rescale = 0}\n]"),
        format!("c.toml:2: `{{rescale = 0}}`: scaling: {rescale}")
    );
}

#[test]
fn errors_about_values_name_no_rust_types() {
    let a_count = "must be a whole number from 1 to 4294967295";
    let no_string = format!("{a_count}, not a string");
    let too_large = format!("epochs = {}", "9".repeat(40));
    for (line, message) in [
        ("batch_size = 0", a_count),
        ("batch_size = 4294967296", a_count),
        ("limit = 1.5", a_count),
        ("epochs = 99999999999999999999", a_count),
        ("grid = {batch_size = [8, 0]}", a_count),
        ("threads = '4'", no_string.as_str()),
        (too_large.as_str(), "the number is too large"),
        ("learning_rate = 1e999", "the number is too large"),
        ("learning_rate = -1.0", "must be a finite number above 0"),
        ("learning_rate = '0.1'", "must be a number, not a string"),
        ("learning_rate = true", "must be a number"),
        ("seed = -1", "must be a whole number from 0 to 9223372036854775807"),
        ("resize = 28", "must be a string, not a number"),
        ("data_dir = 1.5", "must be a string, not a number"),
        ("network = true", "must be a string"),
        ("backend = 3", "must be a string, not a number"),
        ("scalings = 'center'", "must be a list, not a string"),
        ("grid = 'all'", "must be a table, not a string"),
        ("augmentation = 3", "must be a table"),
        ("augmentation = {rotation_range = '15'}", "must be a number, not a string"),
        ("augmentation = {brightness_range = 0.5}", "brightness_range must be [low, high]"),
        ("augmentation = {horizontal_flip = 1}", "must be true or false"),
        ("backend = 'cuda'", "unknown backend `cuda`, expected one of: flex, ndarray, wgpu, auto"),
        ("epochs =", "the value is missing or not valid TOML; strings need quotes"),
        ("network = mlp", "the value is missing or not valid TOML; strings need quotes"),
    ] {
        assert_eq!(file_error(line), format!("c.toml:1: `{line}`: {message}"));
    }
}

#[test]
fn unknown_name_gets_a_suggestion_if_one_is_similar() {
    for (key, known) in [
        ("epoch", "epochs"),
        ("lr", "learning_rate"),
        ("learning-rate", "learning_rate"),
        ("batch", "batch_size"),
    ] {
        let expected = format!("c.toml:1: `{key} = 1`: unknown key `{key}`; did you mean `{known}`?");
        assert_eq!(file_error(&format!("{key} = 1")), expected);
    }
    assert_eq!(
        file_error("[augmentation]\nrotation = 15"),
        "c.toml:2: `rotation = 15`: unknown key `rotation`; did you mean `rotation_range`?"
    );
    assert_eq!(
        file_error("color_mode = 'greyscale'"),
        "c.toml:1: `color_mode = 'greyscale'`: unknown value `greyscale`; did you mean `grayscale`?"
    );
    for line in ["scaling = 'standardise'", "scalings = ['standardise']"] {
        let message = "unknown scaling `standardise`; did you mean `standardize`?";
        assert_eq!(file_error(line), format!("c.toml:1: `{line}`: {message}"));
    }
}

#[test]
fn numbers_are_checked_when_parsed() {
    for bad in ["0", "-1", "inf", "NaN"] {
        assert_eq!(bad.parse::<Positive>().unwrap_err(), "must be a finite number above 0", "{bad}");
    }
    assert_eq!("many".parse::<Positive>().unwrap_err(), "must be a number");
    for bad in ["-0.1", "1", "NaN"] {
        assert_eq!(bad.parse::<Fraction>().unwrap_err(), "must be at least 0 and less than 1", "{bad}");
    }
    assert_eq!("1e-3".parse::<Positive>(), Positive::try_from(0.001));
    assert_eq!("0".parse::<Fraction>().unwrap(), Fraction::NONE);
}

#[test]
fn options_of_another_kind_of_data_set_are_refused() {
    let resolve = |text: &str| DatasetSettings::resolve(&overrides(text));
    assert!(matches!(
        resolve("dataset = 'idx'").unwrap_err(),
        TrainingError::Data(DataError::NeedsFolder(DatasetKind::Idx))
    ));
    for (name, setting) in [("resize", "resize = '8x8'"), ("color_mode", "color_mode = 'rgb'")] {
        match resolve(setting).unwrap_err() {
            TrainingError::PicturesOnly { key, kind: DatasetKind::Mnist } => assert_eq!(key, name),
            other => panic!("{other}"),
        }
        resolve(&format!("dataset = 'folder'\ndata_dir = 'pictures'\n{setting}")).unwrap();
    }
}

#[test]
fn data_folder_is_saved_as_an_absolute_path() {
    let settings = DatasetSettings::resolve(&overrides("dataset = 'idx'\ndata_dir = 'digits'")).unwrap();
    assert_eq!(settings.data_dir.unwrap(), std::env::current_dir().unwrap().join("digits"));
}

#[test]
fn saved_data_set_has_picture_options_only_for_pictures() {
    let text =
        "dataset = 'folder'\ndata_dir = '/pictures'\nresize = '8x9'\ncolor_mode = 'grayscale'\nlimit = 5";
    let saved = DatasetSettings::resolve(&overrides(text)).unwrap();
    for kind in [None, Some(DatasetKind::Folder)] {
        let Overrides { dataset, data_dir, resize, color_mode, limit, .. } = saved.as_overrides(kind);
        assert_eq!(dataset, Some(DatasetKind::Folder));
        assert_eq!(data_dir.as_deref(), Some(Path::new("/pictures")));
        assert_eq!(resize.map(|size| (size.height(), size.width())), Some((8, 9)));
        assert_eq!((color_mode, limit), (Some(ColorMode::Grayscale), None));
    }
    let for_mnist = saved.as_overrides(Some(DatasetKind::Mnist));
    assert_eq!((for_mnist.resize, for_mnist.color_mode), (None, None));
}

#[test]
fn settings_for_another_network_are_refused() {
    let tutorials = TrainingSettings::default();
    assert_eq!(tutorials.for_network("cnn").unwrap().network, "cnn");
    let mlp = tutorials.for_network("mlp").unwrap();
    assert_eq!(mlp.for_network("mlp").unwrap().network, "mlp");
    for other in ["cnn", "vit"] {
        let error = mlp.for_network(other).unwrap_err();
        assert!(error.is_bad_setting());
        assert_eq!(error.to_string(), format!("the settings are for the network `mlp`, not for `{other}`"));
    }
}

#[test]
fn differences_that_change_no_result_are_ignored() {
    let difference =
        |a: &str, b: &str| first_difference(a, b, &["seeds"]).unwrap().map(|difference| difference.key);
    assert_eq!(difference("epochs = 5", "epochs = 5\nthreads = 3").as_deref(), None);
    assert_eq!(difference("epochs = 5\ndata_dir = 'here'", "epochs = 5").as_deref(), None);
    assert_eq!(difference("seeds = 5", "seeds = 6").as_deref(), None);
    assert_eq!(difference("epochs = 5", "epochs = 6").as_deref(), Some("epochs"));
    assert_eq!(difference("epochs = 5", "epochs = 5\nlimit = 3").as_deref(), Some("limit"));
}

#[test]
fn error_about_a_folder_with_other_settings_names_the_key() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("config.toml");
    check_unchanged(&path, "epochs = 6", &[]).unwrap();
    fs::write(&path, "epochs = 5\n").unwrap();
    check_unchanged(&path, "epochs = 5\nthreads = 3", &[]).unwrap();
    check_unchanged(&path, "epochs = 6", &["epochs"]).unwrap();
    let error = check_unchanged(&path, "epochs = 6", &[]).unwrap_err();
    assert!(matches!(&error, TrainingError::OtherSettings { key, .. } if key == "epochs"), "{error}");
    fs::write(&path, "epochs =").unwrap();
    let error = check_unchanged(&path, "epochs = 6", &[]).unwrap_err();
    assert!(matches!(error, TrainingError::Damaged { .. }), "{error}");
}
