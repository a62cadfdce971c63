//! Bad input: each command exits with an error of one or two lines, and writes no file.
//!
//! The tests quote the part of a message that must not change; the snapshots contain all of it.

use std::{fs, path::Path};

use crate::support::{
    digits::{IMAGES, LABELS, idx_bytes},
    refusals::failing,
};

#[test]
fn bad_arguments() {
    let errors = [
        failing("train --scaling standardise").fails(2, "invalid value 'standardise'"),
        failing("train").fails(2, "the command needs a scaling\nhint: name a scaling with --scaling: none, "),
        failing("train --scaling center --backend cuda").fails(2, "invalid value 'cuda'"),
        failing("train --scaling center --batch-size 0").fails(2, "--batch-size"),
        failing("train --scaling center --epochs 0").fails(2, "--epochs"),
        failing("train --scaling center --epochs -1").fails(2, "must be a whole number from 1 to 4294967295"),
        failing("train --scaling center --learning-rate nan").fails(2, "--learning-rate"),
        failing("train --scaling center --learning-rate -0.1").fails(2, "must be a finite number above 0"),
        failing("train --scaling center --epochs 9999999999").fails(2, "--epochs"),
        failing("train --scaling center --validation-split 1").fails(2, "--validation-split"),
        failing("train --scaling center --threads 0").fails(2, "--threads"),
        failing("train --scaling center --threads 4000000").fails(2, "the maximum is 1024"),
        failing("bench --steps 0").fails(2, "--steps"),
        failing("bench --backend cuda").fails(2, "invalid value 'cuda'"),
        failing("train --scaling center --resume").fails(2, "--out"),
        failing("train --scaling center --seed 99999999999999999999").fails(2, "--seed"),
        failing("compare --scalings center,nothing").fails(2, "invalid value 'nothing'"),
        failing("compare --scalings center,center").fails(2, "`center` twice"),
        failing("compare --seeds 0").fails(2, "--seeds"),
        failing("data summary --dataset cifar").fails(2, "invalid value 'cifar'"),
        failing("data").fails(2, "subcommand"),
        failing("fit").fails(2, "unrecognized subcommand 'fit'"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn backend_that_is_not_compiled_in_is_refused() {
    failing("train --scaling center --backend wgpu").fails(2, "--features wgpu");
}

#[test]
fn bad_configuration() {
    let train = || failing("train --config c.toml");
    let train_with = |config: &str| train().with_file("c.toml", config);
    let compare_with = |config: &str| failing("compare --config c.toml").with_file("c.toml", config);
    let errors = [
        train().fails(2, "cannot read the configuration c.toml"),
        train_with("epochs = [").fails(2, "c.toml:1:"),
        train().with_file("c.toml", [0xff, 0xfe]).fails(2, "c.toml"),
        train_with("seed = 1\nepoch = 3\n").fails(2, "c.toml:2: `epoch = 3`: unknown key `epoch`"),
        train_with("\nbatch_size = 0\n").fails(2, "c.toml:2: `batch_size = 0`"),
        train_with("learning_rate = -1.0").fails(2, "must be a finite number above 0"),
        train_with("scaling = 'standardise'").fails(2, "unknown scaling `standardise`"),
        train_with("[scaling]\ncenter = true").fails(2, "unknown key `center`"),
        train_with("backend = 'cuda'").fails(2, "c.toml:1:"),
        compare_with("scaling = 'center'").fails(2, "compare takes `scalings`"),
        compare_with("seed = 3").fails(2, "compare takes `seeds`"),
        compare_with("scalings = []").fails(2, "at least one"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn bad_data() {
    let train = || failing("train --scaling center --dataset idx --data-dir data");
    let write = |bytes: Vec<u8>| move |path: &Path| fs::write(path, bytes).unwrap();
    let (images, labels) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
    let with_images = |magic: u32, dimensions: &[u32], count: usize| {
        train().with_changed_digits(images, write(idx_bytes(magic, dimensions, &vec![0; count])))
    };
    let too_small = |path: &Path| {
        fs::write(path, idx_bytes(IMAGES, &[200, 9, 16], &vec![0; 28_800])).unwrap();
        let test = path.with_file_name("t10k-images-idx3-ubyte");
        fs::write(test, idx_bytes(IMAGES, &[50, 9, 16], &[0; 7200])).unwrap();
    };
    let errors = [
        train().fails(1, "data does not exist or is not a folder"),
        train().with_file("data", "a file").fails(1, "does not exist or is not a folder"),
        train()
            .with_changed_digits(labels, |path| fs::remove_file(path).unwrap())
            .fails(1, "contains neither train-labels"),
        with_images(IMAGES, &[200, 12, 12], 500).fails(1, "specifies 28816 bytes"),
        with_images(0xd03, &[1, 12, 12], 144).fails(1, "magic number 0x00000d03"),
        with_images(IMAGES, &[u32::MAX; 3], 9).fails(1, "the limit is 300000000"),
        train()
            .with_changed_digits(labels, write(idx_bytes(LABELS, &[199], &[0; 199])))
            .fails(1, "199 labels for 200 images\nhint: the file is damaged"),
        with_images(IMAGES, &[200, 16, 12], 38_400).fails(1, "1×12×12"),
        failing("data summary --data-dir .")
            .fails(1, "contains neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"),
        failing("train --scaling center --data-dir data")
            .with_digits()
            .fails(1, "but MNIST's is ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        failing("data summary --dataset idx").fails(2, "needs --data-dir"),
        train().with_changed_digits(images, too_small).fails(1, "the minimum is 10×10"),
    ];
    insta::assert_snapshot!(errors.concat());
}

/// Keras refuses such a split too: "Training and validation subsets have different number of classes after the
/// split".
#[test]
fn validation_split_that_leaves_a_class_without_training_images_is_refused() {
    let labels: Vec<u8> = (0..200_u32).map(|i| u8::from(i >= 150) * 2).collect();
    let train = failing("train --scaling none --dataset idx --data-dir data --validation-split 0.25");
    let changed = train.with_changed_digits("train-labels-idx1-ubyte", |path| {
        fs::write(path, idx_bytes(LABELS, &[200], &labels)).unwrap();
    });
    insta::assert_snapshot!(
        changed.fails(2, "leaves no image of class 2 to train on\nhint: shuffle the images")
    );
}

#[test]
fn bad_output_folder() {
    let train = |out: &str| {
        failing(&format!("train --scaling none --dataset idx --data-dir data --out {out}")).with_digits()
    };
    let errors = [
        train("c.toml").with_file("c.toml", "").fails(1, "a folder\nhint: choose another --out"),
        train("c.toml/run").with_file("c.toml", "").fails(1, "cannot create c.toml/run"),
        train("data").fails(1, "choose another --out"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn bad_run() {
    let resume = failing("train --scaling none --dataset idx --data-dir . --out . --resume");
    let errors = [
        failing("evaluate nowhere").fails(1, "a folder\nhint: name a run folder"),
        failing("evaluate .").with_file("config.toml", "").fails(1, "is unfinished"),
        resume.with_file("config.toml", "epochs = [").fails(1, "config.toml is missing or invalid"),
    ];
    insta::assert_snapshot!(errors.concat());
    failing("report nowhere").fails(1, "a folder\nhint: name the folder of a comparison");
    failing("report .").fails(1, "does not contain plan.json\nhint: name the folder of a comparison");
}

#[test]
fn fetch_fails_without_network_and_npm() {
    let mut fetch = failing("data fetch");
    // An unreachable proxy simulates a network that is down.
    let nowhere = "http://127.0.0.1:9";
    fetch.command.env("HTTPS_PROXY", nowhere).env("https_proxy", nowhere).env("ALL_PROXY", nowhere);
    fetch.command.env("PATH", "").env("XDG_CACHE_HOME", fetch.folder.path().join("cache"));
    fetch.fails(1, "npm: not found on the PATH; connect to the internet, or pass the folder");
}
