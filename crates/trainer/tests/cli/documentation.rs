//! The examples in README.md and docs: every command runs, in the order in which it is written.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use image::{GrayImage, Luma};
use tempfile::tempdir;

use crate::support::{digits::write_digits, pictures::write_fruit, stderr, stdout, text, trainer_in};

/// Stands in for the program: the same, but it trains on few images and for one epoch.
const SHORT_RUNS: &str = r#"#!/bin/sh
[ $# = 0 ] && set -- compare
case "$1" in train | compare)
    case " $* " in *" --limit "* | *" --resume "*) ;; *) set -- "$@" --limit 256 ;; esac
    case " $* " in *" --epochs "* | *" --resume "*) ;; *) set -- "$@" --epochs 1 ;; esac
esac
exec "$PROGRAM" "$@"
"#;

/// Stands in for cargo: `cargo run --release` starts the program. CI runs the other commands by themselves.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
"run --release") exec mnist-trainer ;;
"run --release -- "*) shift 3 && exec mnist-trainer "$@" ;;
"run --release --features wgpu -- "* | "run --release --features ndarray -- "*) ;;
"run --release --example "*) ls "$ROOT"/crates/*/examples/"$4".rs ;;
"build --release"* | "test --release"* | "doc --release"* | "bench"*) ;;
*) echo "unknown: cargo $*" && exit 1 ;;
esac
"#;

/// Stands in for Python: the scripts need packages and minutes, so this checks only that they exist.
const PYTHON: &str = "#!/bin/sh\nls \"$ROOT/$1\"\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the documents in the repository's root and every document in docs.
fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    documents.sort();
    documents.splice(0..0, ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    documents
}

/// Returns the code blocks of a document in a language.
fn blocks(document: &Path, language: &str) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let start = format!("\n```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// Writes 28×28 images of a white bar on black, and a photo of a dark bar on paper.
fn write_bars(folder: &Path) {
    let bar = |size: u32, ink: u8, paper: u8| {
        GrayImage::from_fn(size, size, |x, y| {
            let is_ink = (size * 3 / 7..size * 4 / 7).contains(&x) && (size / 7..size * 6 / 7).contains(&y);
            Luma([if is_ink { ink } else { paper }])
        })
    };
    fs::create_dir_all(folder.join("digits")).unwrap();
    for name in ["seven.png", "four.jpg", "digits/1.png", "digits/2.png"] {
        bar(28, 255, 0).save(folder.join(name)).unwrap();
    }
    bar(280, 30, 220).save(folder.join("photo.jpg")).unwrap();
}

/// Writes everything that the documents' commands expect: programs in `bin`, configurations, pictures and data sets.
fn write_expected_files(folder: &Path) {
    fs::create_dir_all(folder.join("bin")).unwrap();
    for (name, script) in [("mnist-trainer", SHORT_RUNS), ("cargo", CARGO), ("python3", PYTHON)] {
        let path = folder.join("bin").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(root().join("configs"), folder.join("configs")).unwrap();
    write_bars(folder);
    write_fruit(&folder.join("path/to/folder"));
    write_digits(&folder.join("path/to/idx"));
}

#[test]
fn every_command_runs_in_the_order_in_which_it_is_written() {
    for document in documents() {
        let blocks = blocks(&document, "sh");
        let fences = fs::read_to_string(&document).unwrap().matches("```sh").count();
        assert_eq!(blocks.len(), fences, "{}: a block is not closed or is indented", document.display());
        if blocks.is_empty() {
            continue;
        }
        let folder = tempdir().unwrap();
        write_expected_files(folder.path());
        let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-e", "-x", "-o", "pipefail", "-c", &blocks.join("\n")]);
        bash.current_dir(folder.path()).stdin(Stdio::null()).env_remove("COLUMNS");
        bash.env("PATH", path).env("PROGRAM", env!("CARGO_BIN_EXE_mnist-trainer")).env("ROOT", root());
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{}:\n{}{}", document.display(), stdout(&output), stderr(&output));
    }
}

#[test]
fn documents_with_commands_are_found() {
    let with_commands = |document: &PathBuf| !blocks(document, "sh").is_empty();
    let found: Vec<PathBuf> = documents().into_iter().filter(with_commands).collect();
    for name in ["README.md", "docs/COMPARING.md", "docs/MODELS.md", "docs/SCALING.md"] {
        assert!(found.iter().any(|document| document.ends_with(name)), "no commands found in {name}");
    }
}

#[test]
fn linked_files_exist() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.starts_with("http") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap();
            let path = document.parent().unwrap().join(file);
            assert!(path.exists(), "{} links to {target}", document.display());
        }
    }
}

/// Returns the text of all Rust files below a folder.
fn rust_sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let source = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => rust_sources(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(&path).unwrap(),
        _ => String::new(),
    };
    entries.map(source).collect()
}

#[test]
fn tests_of_the_promises_exist() {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let sources: String = crates.map(|path| rust_sources(&path.unwrap().path())).collect();
    let text = fs::read_to_string(root().join("docs/RELIABILITY.md")).unwrap();
    let words = text.split('`').skip(1).step_by(2);
    // The names of tests have several words; flags, files and commands have none like these.
    let is_test = |word: &&str| {
        word.matches('_').count() >= 2
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let tests: Vec<&str> = words.filter(is_test).collect();
    assert!(tests.len() > 40, "only {} tests found", tests.len());
    for test in tests {
        // Property tests have parameters.
        assert!(sources.contains(&format!("fn {test}(")), "docs/RELIABILITY.md names the test `{test}`");
    }
}

#[test]
fn every_configuration_is_accepted() {
    let mut configurations = 0;
    for document in documents() {
        let settings =
            blocks(&document, "toml").into_iter().filter(|block| !block.contains("[dependencies]"));
        for block in settings {
            configurations += 1;
            let folder = tempdir().unwrap();
            write_digits(&folder.path().join("data"));
            fs::write(folder.path().join("c.toml"), &block).unwrap();
            let is_comparison = block.contains("scalings =") || block.contains("[grid]");
            let command = if is_comparison { "compare --seeds 1" } else { "train" };
            let scaling = if block.contains("scaling") { "" } else { "--scaling normalize" };
            let arguments = format!(
                "{command} {scaling} --config c.toml --epochs 1 --limit 100 --out out --dataset idx --data-dir data"
            );
            text(&mut trainer_in(folder.path(), &arguments));
        }
    }
    assert!(configurations >= 4, "only {configurations} configurations were found");
}

/// Parses a file of this repository.
fn manifest(path: &Path) -> toml::Table {
    toml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_dependency_has_a_row_with_its_version() {
    let manifest = manifest(&root().join("Cargo.toml"));
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let from_registry = dependencies.iter().filter(|(name, _)| !name.starts_with("mnist-"));
    let expected: Vec<String> = from_registry
        .map(|(name, value)| {
            let version = value.get("version").unwrap_or(value).as_str().unwrap();
            format!("| `{name}` | {version} |")
        })
        .collect();

    let text = fs::read_to_string(root().join("docs/DEPENDENCIES.md")).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for start in &expected {
        let count = rows.iter().filter(|row| row.starts_with(start)).count();
        assert_eq!(count, 1, "docs/DEPENDENCIES.md: rows that start with {start}");
    }
    for row in rows {
        assert!(
            expected.iter().any(|start| row.starts_with(start)),
            "no such dependency in Cargo.toml: {row}"
        );
    }
}

#[test]
fn crates_name_only_dependencies_of_the_workspace() {
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        let path = folder.unwrap().path().join("Cargo.toml");
        let manifest = manifest(&path);
        for table in ["dependencies", "dev-dependencies"] {
            let dependencies = manifest.get(table).and_then(|value| value.as_table());
            for (name, value) in dependencies.into_iter().flatten() {
                let is_inherited = value.get("workspace").is_some();
                assert!(is_inherited, "{}: {name} is not in [workspace.dependencies]", path.display());
            }
        }
    }
}
