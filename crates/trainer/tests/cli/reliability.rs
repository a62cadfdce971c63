//! Faults from outside: damaged folders, pipes, devices, full disks and hostile names. docs/RELIABILITY.md lists the
//! promises.
#![cfg(unix)]

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::{TempDir, tempdir};

use crate::support::{
    assert_contains,
    comparisons::{folder_with_comparison, run_of, weights_of_runs},
    digits::{folder_with_config, folder_with_digits, trainer_on_digits, write_split},
    json,
    processes::{Background, signal, wait_until},
    read_json, read_text,
    refusals::{assert_refused, refused},
    stderr, trainer_in, weights_of,
};

const TRAIN: &str = "train --scaling center --epochs 2 --batch-size 16 --out run";

/// Creates a folder with the small data set in `data` and a finished run in `run`.
fn folder_with_run() -> TempDir {
    let folder = folder_with_digits();
    json(&mut trainer_on_digits(folder.path(), TRAIN));
    folder
}

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let position = bytes.len() * 3 / 4;
    bytes[position] ^= 0x40;
    fs::write(file, bytes).unwrap();
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn flipped_bit_in_the_weights_is_noticed_and_resume_restores_them() {
    let folder = folder_with_run();
    let result = read_json(&folder.path().join("run/result.json"));
    let weights = folder.path().join("run/model.safetensors");
    let before = fs::read(&weights).unwrap();
    flip_a_bit(&weights);
    for command in
        ["evaluate run", "export run --to onnx --out onnx", "predict run data/t10k-labels-idx1-ubyte"]
    {
        refused(
            &mut trainer_in(folder.path(), command),
            1,
            "run/model.safetensors was changed after the training",
        );
    }
    refused(&mut trainer_on_digits(folder.path(), TRAIN), 1, "run already contains a result (damaged)");

    let output = trainer_on_digits(folder.path(), &format!("{TRAIN} --resume")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_contains(
        &stderr(&output),
        ["warning: run/model.safetensors was changed after the training; finishing"],
    );
    assert_eq!(fs::read(&weights).unwrap(), before);
    let again = read_json(&folder.path().join("run/result.json"));
    assert_eq!(weights_of(&again), weights_of(&result));
}

#[test]
fn damaged_run_of_a_comparison_is_finished_again() {
    let folder = folder_with_comparison("--scalings none,center");
    let all = folder.path().join("all");
    let before = weights_of_runs(&all);
    let report = read_text(&all.join("results.csv"));
    flip_a_bit(&run_of(&all, "center-seed1").join("model.safetensors"));
    flip_a_bit(&run_of(&all, "none-seed1").join("result.json"));
    refused(&mut trainer_in(folder.path(), "report all"), 1, "result.json is damaged: its SHA-256");

    let compare =
        "compare --epochs 2 --batch-size 8 --limit 96 --out all --scalings none,center --resume --quiet";
    let output = trainer_on_digits(folder.path(), compare).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("finishing the run again").count(), 2, "{}", stderr(&output));
    assert_eq!(weights_of_runs(&all), before);
    assert_eq!(read_text(&all.join("results.csv")).lines().count(), report.lines().count());
}

#[test]
fn folder_that_a_killed_process_has_only_locked_is_new() {
    for flag in ["", "--resume", "--force"] {
        let folder = folder_with_digits();
        fs::create_dir(folder.path().join("run")).unwrap();
        fs::write(folder.path().join("run/lock"), "").unwrap();
        json(&mut trainer_on_digits(folder.path(), &format!("{TRAIN} {flag}")));
    }
}

#[test]
fn folder_with_unreadable_settings_can_be_replaced_but_not_resumed() {
    let folder = folder_with_run();
    fs::write(folder.path().join("run/config.toml"), [0xff, 0xfe]).unwrap();
    refused(&mut trainer_on_digits(folder.path(), TRAIN), 1, "run already contains a result (damaged)");
    refused(
        &mut trainer_on_digits(folder.path(), &format!("{TRAIN} --resume")),
        1,
        "run/config.toml is damaged",
    );
    json(&mut trainer_on_digits(folder.path(), &format!("{TRAIN} --force")));
}

#[test]
fn run_that_is_removed_while_it_trains_fails_and_does_not_come_back() {
    let folder = folder_with_digits();
    let run = folder.path().join("run");
    let mut command =
        trainer_on_digits(folder.path(), "train --scaling center --epochs 100000 --batch-size 8 --out run");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the first epoch is saved", || run.join("metrics.csv").exists());
    // A checkpoint can be written while the folder is removed.
    wait_until("the folder is removed", || fs::remove_dir_all(&run).is_ok() || !run.exists());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_contains(
        stderr(&output).lines().last().unwrap(),
        ["error: cannot ", "run/", "No such file or directory"],
    );
    assert!(!run.join("config.toml").exists());
}

#[test]
fn checkpoint_within_an_epoch_resumes_a_killed_run_to_the_same_bits() {
    let folder = folder_with_digits();
    let arguments = "train --scaling center --epochs 400 --batch-size 8 --checkpoint-every 0.005 --out";
    let mut killed = Background::start(&mut trainer_on_digits(folder.path(), &format!("{arguments} run")));
    let is_within_an_epoch = || {
        let entries = fs::read_dir(folder.path().join("run/checkpoints")).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .any(|name| name.starts_with("epoch-") && !name.ends_with("images-0000000000"))
    };
    wait_until("a checkpoint within an epoch", is_within_an_epoch);
    killed.kill();
    assert!(!folder.path().join("run/result.json").exists(), "the run was faster than the test");
    let resumed = json(&mut trainer_on_digits(folder.path(), &format!("{arguments} run --resume")));
    let uninterrupted = json(&mut trainer_on_digits(folder.path(), &format!("{arguments} other")));
    assert_eq!(weights_of(&resumed), weights_of(&uninterrupted));
    let rows = |run: &str| read_text(&folder.path().join(run).join("metrics.csv")).lines().count();
    assert_eq!((rows("run"), rows("other")), (401, 401));
}

#[test]
fn pipe_in_place_of_a_file_is_refused() {
    let folder = folder_with_run();
    let replace = |file: &str| {
        fs::remove_file(folder.path().join(file)).unwrap();
        make_pipe(&folder.path().join(file));
    };
    replace("data/train-images-idx3-ubyte");
    let train = "train --scaling center --epochs 1 --out other";
    refused(&mut trainer_on_digits(folder.path(), train), 1, "it is not a regular file");
    for file in ["scaling.json", "model.safetensors", "result.json"] {
        replace(&format!("run/{file}"));
        refused(&mut trainer_in(folder.path(), "evaluate run"), 1, "it is not a regular file");
    }
}

#[test]
fn ctrl_c_is_heard_while_a_pipe_has_no_writer() {
    let folder = folder_with_run();
    make_pipe(&folder.path().join("pipe"));
    for arguments in
        ["predict run pipe", "verdict pipe", "train --scaling center --config pipe", "predict run -"]
    {
        let mut command = trainer_in(folder.path(), arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _open = child.stdin.take();
        // By then, the program has installed its handler.
        thread::sleep(Duration::from_secs(1));
        signal(&child, "INT");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{arguments}: {}", stderr(&output));
    }
}

/// Builds a command that downloads MNIST from `mirror` into an empty cache in `folder`.
fn fetch_from(mirror: &str, folder: &Path) -> Command {
    let mut command = trainer_in(folder, "data fetch");
    command.env("MNIST_MIRROR", mirror).env("XDG_CACHE_HOME", folder).env("HOME", folder);
    command
}

#[test]
fn ctrl_c_is_heard_while_a_mirror_stays_silent() {
    let folder = tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = fetch_from(&format!("http://{}", server.local_addr().unwrap()), folder.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (_connection, _) = server.accept().unwrap();
    signal(&child, "INT");
    let sent = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    // The time-outs of the download are 30 seconds.
    assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "the cache must stay empty");
}

#[test]
fn mirror_that_is_not_a_url_is_refused() {
    let folder = tempdir().unwrap();
    let output = fetch_from("/data/mnist", folder.path()).output().unwrap();
    assert_refused(&output, 1, "the mirror `/data/mnist` is not a URL that starts with http:// or https://");
    assert_contains(&stderr(&output), ["hint: check --mirror, the environment variable MNIST_MIRROR"]);
}

#[test]
fn pipe_with_a_writer_is_read_like_a_file() {
    let folder = folder_with_run();
    let pixels = [7; 144];
    fs::write(folder.path().join("image.raw"), pixels).unwrap();
    make_pipe(&folder.path().join("pipe"));
    let pipe = folder.path().join("pipe");
    let writer = thread::spawn(move || fs::write(pipe, pixels).unwrap());
    let from_pipe = json(&mut trainer_in(folder.path(), "predict run pipe"));
    writer.join().unwrap();
    let from_file = json(&mut trainer_in(folder.path(), "predict run image.raw"));
    assert_eq!(from_pipe["predictions"][0]["logits"], from_file["predictions"][0]["logits"]);
}

#[test]
fn devices_without_an_end_are_refused() {
    let folder = folder_with_run();
    for (arguments, status, message) in [
        (
            "train --scaling center --config /dev/zero",
            2,
            "cannot read the configuration /dev/zero: it is larger than 1 MiB",
        ),
        ("predict run /dev/zero", 1, "cannot read /dev/zero: it is larger than 128 MiB"),
        ("verdict /dev/zero", 1, "cannot read /dev/zero: it is larger than 64 MiB"),
    ] {
        refused(&mut trainer_in(folder.path(), arguments), status, message);
    }
    symlink("/dev/zero", folder.path().join("data/zero")).unwrap();
    fs::rename(folder.path().join("data/zero"), folder.path().join("data/train-labels-idx1-ubyte")).unwrap();
    let train = "train --scaling center --epochs 1 --out other";
    refused(&mut trainer_on_digits(folder.path(), train), 1, "it is not a regular file");
}

#[test]
fn full_disk_under_standard_output_is_named() {
    let folder = folder_with_run();
    let mut command = trainer_in(folder.path(), "evaluate run");
    let output = command.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    assert_refused(&output, 1, "error: cannot write to standard output: No space left on device");
}

#[test]
fn extreme_data_can_be_trained_on() {
    let black = [0; 20 * 144];
    let one_class = [0; 20];
    let classes: Vec<u8> = (0..20).map(|image| image % 3).collect();
    for (images, pixels, labels) in [
        (20, &black[..], &classes[..]),
        (20, &black[..], &one_class[..]),
        (1, &black[..144], &one_class[..1]),
    ] {
        for scaling in ["none", "standardize", "sample-standardize", "zca"] {
            let folder = tempdir().unwrap();
            for split in ["train", "t10k"] {
                write_split(&folder.path().join("data"), split, [images, 12, 12], pixels, labels);
            }
            let train = format!("train --scaling {scaling} --epochs 1 --batch-size 1000 --out run");
            let output = trainer_on_digits(folder.path(), &train).output().unwrap();
            assert!(output.status.success(), "{images} images, {scaling}: {}", stderr(&output));
            let result = read_json(&folder.path().join("run/result.json"));
            assert!(result["test"]["loss"].as_f64().unwrap().is_finite(), "{images} images, {scaling}");
        }
    }
}

#[test]
fn more_runs_than_a_plan_can_list_are_refused() {
    let folder = folder_with_digits();
    let message = "3 arms with 4294967295 seeds each are more than 100000 runs; use fewer seeds or arms";
    let compare = "compare --seeds 4294967295 --out all";
    refused(&mut trainer_on_digits(folder.path(), compare), 2, message);
    assert!(!folder.path().join("all").exists());
}

#[test]
fn error_about_a_long_line_of_a_configuration_is_short() {
    let folder = folder_with_config(&format!("scaling = '{}'", "a".repeat(1_000_000)));
    let train = "train --config c.toml --out run";
    let error = refused(&mut trainer_on_digits(folder.path(), train), 2, "c.toml:1: ");
    assert!(error.len() < 1000, "{} bytes", error.len());

    json(&mut trainer_on_digits(folder.path(), TRAIN));
    fs::write(folder.path().join("run/config.toml"), format!("seed = {}", "a".repeat(500_000))).unwrap();
    let error = refused(&mut trainer_in(folder.path(), "evaluate run"), 1, "config.toml");
    assert!(error.len() < 1000, "{} bytes", error.len());
}

#[test]
fn names_cannot_control_the_terminal() {
    let folder = folder_with_run();
    let hostile = "a\u{1b}[2J\u{202e}b\nc.png";
    fs::write(folder.path().join(hostile), "no picture").unwrap();
    let predict = |folder: &Path| {
        let mut command = trainer_in(folder, "predict run");
        command.arg(hostile).output().unwrap()
    };
    let output = predict(folder.path());
    assert_refused(&output, 1, r"a\u{1b}[2J\u{202e}b\nc.png");

    fs::write(folder.path().join(hostile), [7; 144]).unwrap();
    let output = predict(folder.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with(r"a\u{1b}[2J\u{202e}b\nc.png: "), "{printed:?}");
    assert!(!printed.contains(['\u{1b}', '\u{202e}']), "{printed:?}");

    let result = json(trainer_in(folder.path(), "predict run").arg(hostile));
    assert_eq!(result["predictions"][0]["image"], hostile);
    let output = trainer_in(folder.path(), "predict run --format json").arg(hostile).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(r"a\u001b[2J\u202eb\nc.png"), "{printed:?}");
    assert!(!printed.contains('\u{202e}'), "{printed:?}");
}

/// Runs a command that cannot write more than a number of blocks into a file, as on a full disk.
fn with_small_files(folder: &Path, blocks: u32, arguments: &str) -> Output {
    let mut command = Command::new("sh");
    let script = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec {} {arguments} --quiet",
        env!("CARGO_BIN_EXE_mnist-trainer")
    );
    command.current_dir(folder).args(["-c", &script]).output().unwrap()
}

#[test]
fn full_disk_under_a_run_is_named_and_the_run_can_be_finished() {
    let folder = folder_with_run();
    let path = |name: &str| folder.path().join(name);
    // In blocks of 512 or 1,024 bytes: too little for a lease, and for a checkpoint.
    for (blocks, fails_on) in [(0, "full/lease"), (40, "checkpoint")] {
        let arguments = format!("{TRAIN} --dataset idx --data-dir data").replace("--out run", "--out full");
        let output = with_small_files(folder.path(), blocks, &arguments);
        let error = stderr(&output);
        assert_refused(&output, 1, fails_on);
        assert!(error.contains("File too large"), "{error}");
        assert!(!path("full/result.json").exists());
    }
    let resume = format!("{TRAIN} --resume").replace("--out run", "--out full");
    json(&mut trainer_on_digits(folder.path(), &resume));
    for file in ["model.safetensors", "predictions.csv", "scaling.json"] {
        assert_eq!(
            fs::read(path("full").join(file)).unwrap(),
            fs::read(path("run").join(file)).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn full_disk_under_a_report_is_named() {
    let folder = folder_with_comparison("--scalings none,center");
    let all = folder.path().join("all");
    let before = read_text(&all.join("report.html"));
    let output = with_small_files(folder.path(), 1, "report all");
    assert_refused(&output, 1, "all/");
    assert!(stderr(&output).contains("File too large"), "{}", stderr(&output));
    assert_eq!(read_text(&all.join("report.html")), before);
}
