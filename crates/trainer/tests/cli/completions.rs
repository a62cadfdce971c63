//! Shell completions, in a real bash.
#![cfg(unix)]

use std::{path::Path, process::Command};

use tempfile::tempdir;

use crate::support::{assert_contains, text, trainer};

/// Calls the completion function as bash does when the user presses Tab after the line.
const PRESS_TAB: &str = r#"
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
COMP_TYPE=9
COMP_KEY=9
function=$(complete -p mnist-trainer)
function=${function##*-F }
function=${function%% *}
"$function" mnist-trainer "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Returns what bash offers for the last word of the line, which is empty after a space.
fn offers(script: &Path, line: &str) -> Vec<String> {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", PRESS_TAB, "bash"]).arg(script).args(line.split(' '));
    text(&mut bash).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_flags_after_a_subcommand_and_values_after_a_flag() {
    let folder = tempdir().unwrap();
    let script = folder.path().join("mnist-trainer.bash");
    std::fs::write(&script, text(trainer().args(["completions", "bash"]))).unwrap();

    assert_contains(&offers(&script, "mnist-trainer ").join(" "), ["train", "compare", "data"]);
    let flags = offers(&script, "mnist-trainer train --").join(" ");
    assert_contains(&flags, ["--scaling", "--learning-rate", "--resume"]);
    assert_contains(&offers(&script, "mnist-trainer data ").join(" "), ["summary", "fetch", "verify"]);
    assert_contains(&offers(&script, "mnist-trainer data verify --d").join(" "), ["--data-dir", "--dataset"]);
    for (line, expected) in [
        ("mnist-trainer tra", &["train"][..]),
        ("mnist-trainer train --scaling st", &["standardize"]),
        ("mnist-trainer scale --scaling z", &["zca"]),
        ("mnist-trainer compare --scalings cent", &["center"]),
        ("mnist-trainer train --scaling center --dataset c", &["cifar10", "cifar100"]),
        ("mnist-trainer evaluate run --color-mode ", &["grayscale", "rgb"]),
        ("mnist-trainer bench --backend n", &["ndarray"]),
        ("mnist-trainer --quiet predict run --backend f", &["flex"]),
        ("mnist-trainer export run --to o", &["onnx"]),
        ("mnist-trainer export run other --to h", &["html"]),
        ("mnist-trainer train --format j", &["json"]),
    ] {
        assert_eq!(offers(&script, line), expected, "{line}");
    }
}
