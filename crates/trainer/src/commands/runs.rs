//! `runs`: lists, shows and compares the runs and comparisons below a folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use mnist_comparison::catalog::{
    Answers, Catalog, Details, Entry, EntryKind, EntryState, ResultDifference, compare_results,
};
use mnist_data::{DatasetKind, input::shown};
use mnist_report::numbers::{count, loss, percent, plural};
use mnist_training::{Observer, settings::Difference};
use serde::Serialize;

use crate::{
    cli::{RunsArgs, RunsCommand},
    command_error::HintedError,
    layout::{fit_stdout, table},
    terminal::Terminal,
};

/// Stands for a value that does not exist.
const MISSING: &str = "–";

#[derive(Serialize)]
struct List<'a> {
    folder: &'a Path,
    runs: Vec<Entry>,
    unreadable: Vec<PathBuf>,
}

pub fn run(args: RunsArgs, terminal: &Terminal) -> Result<()> {
    match args.command {
        None => list(&args.folder, terminal),
        Some(RunsCommand::Show { run }) => show(&run, terminal),
        Some(RunsCommand::Diff { a, b }) => diff(&a, &b, terminal),
    }
}

fn list(folder: &Path, terminal: &Terminal) -> Result<()> {
    if !folder.is_dir() {
        let message = format!("{} does not exist or is not a folder", folder.display());
        return Err(HintedError::new(message, "name a folder that `train` or `compare` wrote into").into());
    }
    let Catalog { entries, unreadable } = Catalog::read(folder, terminal)?;
    if let Some(first) = unreadable.first() {
        let folders = plural(unreadable.len(), "folder");
        terminal.warning(&format!("cannot read {folders}, such as {}", first.display()));
    }
    let list = List { folder, runs: entries, unreadable };
    terminal.result(&list, || match list.runs.as_slice() {
        [] => format!("no runs or comparisons in {}", shown(folder)),
        runs => {
            let header = ["date (UTC)", "folder", "data", "scaling", "seeds", "test accuracy", "state"];
            table(header, runs.iter().map(row))
        }
    })
}

fn row(entry: &Entry) -> [String; 7] {
    [
        date(entry),
        shown(&entry.path).to_string(),
        dataset(entry),
        entry.scalings.join(", "),
        seeds(entry),
        accuracy(entry),
        state(entry),
    ]
}

/// Returns the date without seconds, such as "2026-11-26 12:00".
fn date(entry: &Entry) -> String {
    let date = entry.date.as_deref().and_then(|date| date.get(..16));
    date.map_or_else(|| MISSING.to_owned(), |date| date.replace('T', " "))
}

fn dataset(entry: &Entry) -> String {
    let kind = entry.dataset.as_deref().unwrap_or(MISSING);
    // The name of a known data set says more than that of its folder.
    let is_known = kind.parse().is_ok_and(|kind: DatasetKind| kind.known().is_some());
    match entry.data_dir.as_deref().and_then(Path::file_name).filter(|_| !is_known) {
        Some(folder) => format!("{kind} {}", shown(folder)),
        None => kind.to_owned(),
    }
}

fn seeds(entry: &Entry) -> String {
    match (entry.seed, entry.seeds) {
        (Some(seed), _) => format!("seed {seed}"),
        (None, Some(seeds)) if entry.planned_runs.is_none() => format!("up to {seeds}"),
        (None, Some(seeds)) => seeds.to_string(),
        (None, None) => MISSING.to_owned(),
    }
}

fn accuracy(entry: &Entry) -> String {
    match (entry.accuracy, &entry.best) {
        (Some(accuracy), Some(best)) => format!("{} ({best})", percent(accuracy)),
        (Some(accuracy), None) => percent(accuracy),
        (None, _) => MISSING.to_owned(),
    }
}

fn state(entry: &Entry) -> String {
    match (entry.state, &entry.problem, entry.finished_runs) {
        (EntryState::Damaged, Some(problem), _) => format!("damaged: {}", shown(problem)),
        (EntryState::Unfinished, _, Some(finished)) => match entry.planned_runs {
            Some(planned) => format!("unfinished: {} of {}", count(finished), plural(planned, "run")),
            None => format!("unfinished: {}", plural(finished, "run")),
        },
        (EntryState::Damaged, ..) => "damaged".to_owned(),
        (EntryState::Unfinished, ..) => "unfinished".to_owned(),
        (EntryState::Diverged, ..) => "diverged".to_owned(),
        (EntryState::Finished, ..) => "finished".to_owned(),
    }
}

fn show(folder: &Path, terminal: &Terminal) -> Result<()> {
    let details = Details::read(folder)?;
    terminal.result(&details, || fit_stdout(&describe(&details)))
}

fn describe(details: &Details) -> String {
    let entry = &details.entry;
    let kind = match entry.kind {
        EntryKind::Run => "run",
        EntryKind::Comparison => "comparison",
    };
    let mut lines = vec![
        format!("{kind}: {}", shown(&entry.path)),
        format!("state: {}", state(entry)),
        format!("date: {} UTC", date(entry)),
        format!("test accuracy: {}", accuracy(entry)),
    ];
    if let Some(result) = details.run.as_ref().map(|run| &run.result) {
        lines.extend(result.test.map(|test| format!("test loss: {}", loss(test.loss))));
        lines.push(format!("training time: {:.1} s on {}", result.seconds, result.machine.cpu));
    }
    let headline = details.result.as_ref().and_then(|result| result.get("headline")?.as_str());
    lines.extend(headline.map(|headline| format!("result: {headline}")));
    if let Some(versions) = &details.versions {
        lines.push(format!("versions: mnist-trainer {}, Burn {}", versions.mnist_trainer, versions.burn));
    }
    lines.push("\nsettings:".to_owned());
    lines.extend(details.settings.to_string().lines().filter(|line| !line.is_empty()).map(indented));
    lines.push("\ndata, with SHA-256:".to_owned());
    lines.extend(
        details.data.iter().map(|sum| indented(&format!("{} {}", shown(&sum.name), shown(&sum.sha256)))),
    );
    lines.push("\nfiles:".to_owned());
    let bytes = |bytes: u64| plural(usize::try_from(bytes).unwrap_or(usize::MAX), "byte");
    lines.extend(
        details.files.iter().map(|file| indented(&format!("{}: {}", shown(&file.name), bytes(file.bytes)))),
    );
    lines.join("\n")
}

fn indented(line: &str) -> String {
    format!("  {line}")
}

fn diff(a: &Path, b: &Path, terminal: &Terminal) -> Result<()> {
    let difference = compare_results(a, b)?;
    terminal.result(&difference, || fit_stdout(&describe_difference(&difference)))
}

fn describe_difference(difference: &ResultDifference) -> String {
    let ResultDifference { a, b, .. } = difference;
    let mut lines: Vec<String> = [("a", a), ("b", b)]
        .map(|(name, entry)| {
            format!("{name}: {}, {}, test accuracy {}", shown(&entry.path), state(entry), accuracy(entry))
        })
        .into();
    for (title, differences) in
        [("settings", &difference.settings), ("data", &difference.data), ("versions", &difference.versions)]
    {
        lines.push(if differences.is_empty() { format!("{title}: the same") } else { format!("{title}:") });
        let line = |Difference { key, values: [a, b] }: &Difference| format!("  {key}: {a} (a), {b} (b)");
        lines.extend(differences.iter().map(line));
    }
    if let Some(difference) = difference.accuracy_difference {
        lines.push(format!("accuracy, a − b: {} percentage points", signed_hundredths(100.0 * difference)));
    }
    if let Some(answers) = &difference.answers {
        lines.extend(describe_answers(answers));
    }
    lines
        .extend(difference.without_answers.as_ref().map(|reason| format!("answers: not compared; {reason}")));
    lines.join("\n")
}

fn describe_answers(answers: &Answers) -> Vec<String> {
    let Answers { test_images, different, only_a_correct, only_b_correct, class_names, first } = answers;
    let class =
        |class: usize| class_names.as_ref().map_or_else(|| class.to_string(), |names| names[class].clone());
    let mut lines = vec![format!(
        "answers: {} of {} classified differently; only a is correct in {}, only b in {}",
        count(*different),
        plural(*test_images, "test image"),
        count(*only_a_correct),
        count(*only_b_correct)
    )];
    lines.extend(first.iter().map(|answer| {
        let image = answer
            .file
            .as_ref()
            .map_or_else(|| format!("image {}", answer.image), |file| shown(Path::new(file)).to_string());
        format!("  {image}, class {}: {} (a), {} (b)", class(answer.label), class(answer.a), class(answer.b))
    }));
    if *different > first.len() {
        lines.push(format!("  … and {} more", count(different - first.len())));
    }
    lines
}

/// Formats a number with its sign and two decimals.
fn signed_hundredths(number: f64) -> String {
    format!("{number:+.2}").replace('-', "−")
}
