//! A missing data folder: the hint names what to change, which depends on what named the folder.

use std::{fs, process::Command};

use crate::support::{
    assert_contains, assert_lacks,
    digits::{folder_with_digits, trainer_on_digits},
    pictures::folder_with_fruit,
    refusals::{failing, refused},
    text, trainer_in,
};

/// Runs a command that must fail, and returns its hint.
#[track_caller]
fn hint(command: &mut Command, message: &str) -> String {
    let seen = refused(command, 1, message);
    let hint = seen.lines().find(|line| line.starts_with("hint: "));
    hint.unwrap_or_else(|| panic!("no hint: {seen}")).to_owned()
}

#[test]
fn verify_with_an_empty_cache_suggests_to_fetch() {
    let mut verify = failing("data verify");
    let cache = verify.folder.path().join("cache");
    verify.command.env("XDG_CACHE_HOME", &cache).env("HOME", &cache);
    let seen = verify.fails(1, "the cache folder ");
    assert_contains(&seen, ["hint: download MNIST with `mnist-trainer data fetch`"]);
    assert_lacks(&seen, ["--data-dir"]);
}

#[test]
fn folder_of_the_environment_is_named_by_its_variable() {
    let folder = folder_with_digits();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (variable, message) in
        [("nowhere", "nowhere does not exist"), ("empty", "neither train-images-idx3-ubyte nor")]
    {
        for command in ["data verify", "data fetch", "train --scaling none", "scale --scaling none", "bench"]
        {
            let mut command = trainer_in(folder.path(), command);
            let hint = hint(command.env("MNIST_DATA_DIR", variable), message);
            assert_contains(&hint, ["MNIST_DATA_DIR"]);
            assert_lacks(&hint, ["--data-dir"]);
        }
    }
    // The flag wins over the variable.
    let mut verify = trainer_in(folder.path(), "data verify --data-dir nowhere");
    let hint = hint(verify.env("MNIST_DATA_DIR", "data"), "nowhere does not exist");
    assert_eq!(hint, "hint: check --data-dir");
}

#[test]
fn empty_variable_counts_as_unset() {
    let mut verify = failing("data verify");
    let cache = verify.folder.path().join("cache");
    verify.command.env("MNIST_DATA_DIR", "").env("XDG_CACHE_HOME", &cache).env("HOME", &cache);
    verify.fails(1, "the cache folder ");
}

#[test]
fn folder_of_a_configuration_file_is_named_by_the_file() {
    let failing = |arguments: &str| failing(arguments).with_file("c.toml", "data_dir = 'nowhere'\n");
    for command in ["train --scaling none", "compare", "scale --scaling none", "data summary"] {
        let seen = failing(&format!("{command} --config c.toml")).fails(1, "nowhere does not exist");
        assert_contains(&seen, ["hint: check `data_dir` in c.toml"]);
    }
    let seen =
        failing("train --scaling none --config c.toml --data-dir flag").fails(1, "flag does not exist");
    assert_contains(&seen, ["hint: check --data-dir"]);
}

#[test]
fn missing_file_gets_the_advice_for_its_data_set() {
    let advice = |arguments: &str| {
        let failing = failing(arguments).with_file("c.toml", "data_dir = '.'\n");
        let seen = failing.fails(1, "neither train-images-idx3-ubyte nor");
        seen.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default().to_owned()
    };
    let mnist = "hint: check --data-dir, or leave it out to download MNIST";
    for command in ["data summary", "data verify", "train --scaling none", "bench --dataset mnist"] {
        assert_eq!(advice(&format!("{command} --data-dir .")), mnist, "{command}");
    }
    let idx = "hint: check --data-dir: it must contain the four IDX files";
    assert_eq!(advice("train --scaling none --dataset idx --data-dir ."), idx);
    let fashion = "hint: check --data-dir, or leave it out to download Fashion-MNIST";
    assert_eq!(advice("data verify --dataset fashion-mnist --data-dir ."), fashion);
    let config = "hint: check `data_dir` in c.toml: it must contain the four IDX files";
    assert_eq!(advice("compare --config c.toml"), config);
}

#[test]
fn data_set_of_a_configuration_file_gets_its_own_advice() {
    let config = "dataset = 'cifar10'\ndata_dir = '.'\n";
    let archive = "it must contain cifar-10-binary.tar.gz, or all of its .bin files";
    for (command, expected) in [
        ("compare --config c.toml", "check `data_dir` in c.toml: "),
        ("compare --config c.toml --data-dir .", "check --data-dir: "),
    ] {
        let seen = failing(command).with_file("c.toml", config).fails(1, "neither cifar-10-binary.tar.gz");
        assert_contains(&seen, [&*format!("hint: {expected}{archive}")]);
    }

    let mut verify =
        failing("data verify --config c.toml").with_file("c.toml", "dataset = 'emnist-balanced'\n");
    let cache = verify.folder.path().join("cache");
    verify.command.env("XDG_CACHE_HOME", &cache).env("HOME", &cache);
    let seen = verify.fails(1, "emnist-balanced does not exist or is not a folder");
    let fetch = "hint: download EMNIST Balanced with `mnist-trainer data fetch --dataset emnist-balanced`";
    assert_contains(&seen, [fetch]);
}

#[test]
fn packed_or_decompressed_files_get_usable_advice() {
    let verify = failing("data verify --dataset emnist-balanced --data-dir .").with_file("gzip.zip", "");
    let seen = verify.fails(1, "gzip.zip is not unpacked");
    assert_contains(&seen, ["hint: run `unzip -d "]);
    let verify =
        failing("data verify --dataset kmnist --data-dir .").with_file("train-images-idx3-ubyte", "");
    let seen = verify.fails(1, "train-images-idx3-ubyte is decompressed, but only ");
    assert_contains(&seen, ["hint: use --dataset idx, or get the .gz files"]);
}

#[test]
fn mirror_with_a_folder_is_refused() {
    for command in ["data verify --dataset idx", "train --scaling none", "compare --dataset cifar10"] {
        let command = format!("{command} --data-dir . --mirror http://localhost");
        let seen = failing(&command).fails(2, "");
        assert_contains(&seen, ["--mirror", "--data-dir"]);
    }
}

#[test]
fn known_data_sets_have_caches_of_their_own() {
    for (name, title) in [("fashion-mnist", "Fashion-MNIST"), ("cifar10", "CIFAR-10")] {
        let mut verify = failing(&format!("data verify --dataset {name}"));
        let cache = verify.folder.path().join("cache");
        // The variables are for MNIST only.
        verify.command.env("MNIST_DATA_DIR", "nowhere").env("XDG_CACHE_HOME", &cache).env("HOME", &cache);
        let seen = verify.fails(1, &format!("{name} does not exist or is not a folder"));
        let hint = format!("hint: download {title} with `mnist-trainer data fetch --dataset {name}`");
        assert_contains(&seen, [&*hint]);
    }
}

#[test]
fn folder_of_pictures_gets_the_flag_for_its_kind() {
    let folder = folder_with_fruit();
    assert_eq!(
        hint(
            &mut trainer_in(folder.path(), "compare --data-dir data"),
            "neither train-images-idx3-ubyte nor"
        ),
        "hint: for pictures in train/<class>/ and test/<class>/, use --dataset folder"
    );
}

#[test]
fn moved_data_of_a_run_are_named_with_data_dir() {
    let folder = folder_with_digits();
    let in_folder = |arguments: &str| trainer_in(folder.path(), arguments);
    text(&mut trainer_on_digits(folder.path(), "train --scaling none --epochs 1 --limit 16 --out run"));
    fs::rename(folder.path().join("data"), folder.path().join("moved")).unwrap();
    let advice = "hint: name the folder of the data set with --data-dir";
    for command in ["evaluate run", "export run --to onnx"] {
        assert_eq!(hint(&mut in_folder(command), "data does not exist"), advice);
    }
    let elsewhere = "export run --to onnx --data-dir elsewhere";
    assert_eq!(hint(&mut in_folder(elsewhere), "elsewhere does not exist"), "hint: check --data-dir");
    text(&mut in_folder("evaluate run --data-dir moved"));
}
