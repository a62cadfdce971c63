//! The report of a comparison, as a reader and as a program finds it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    json, pictures::folder_with_fruit, pictures::trainer_on_pictures, run_of, stderr, trainer, trainer_in,
    write_digits,
};

/// The parts of a page, by their ids.
pub const SECTIONS: [&str; 9] =
    ["ranking", "pairs", "accuracy", "learning", "confusion", "misread", "changing", "scalings", "settings"];

/// A folder with the small data set under `data` and a comparison of it under `all`.
pub fn folder_with_comparison(arguments: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    let command = format!("compare --epochs 2 --batch-size 8 --limit 96 --out all {arguments}");
    let output = trainer_in(folder.path(), &command).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    folder
}

fn page(folder: &Path) -> String {
    fs::read_to_string(folder.join("all/report.html")).unwrap()
}

/// The files of a report by their place.
fn files(comparison: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let figures = fs::read_dir(comparison.join("figures")).unwrap().map(|entry| entry.unwrap().path());
    let others = ["report.html", "report.md", "results.csv"].map(|name| comparison.join(name));
    figures.chain(others).map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// What stands in quotes behind each `before`.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

fn rows(folder: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(folder.join("all/results.csv"))
        .unwrap()
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn page_holds_all_that_it_refers_to() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    let page = page(folder.path());
    let ids = quoted(&page, " id=\"");
    for section in SECTIONS {
        assert!(ids.contains(&section), "{section} in {ids:?}");
    }
    for reference in quoted(&page, "href=\"#").into_iter().chain(quoted(&page, "aria-labelledby=\"")) {
        assert!(ids.contains(&reference), "{reference} in {ids:?}");
    }
    assert!(quoted(&page, "src=\"").iter().all(|source| source.starts_with("data:image/png;base64,")));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"));
    assert!(quoted(&page, "src=\"").len() >= 6, "three digits under two scalings");
    assert!(
        page.contains("mnist-trainer compare --config config.toml --out again")
            && page.contains("batch_size = 8")
    );
}

#[test]
fn figures_are_svg_files_that_markdown_shows() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    let all = folder.path().join("all");
    let markdown = fs::read_to_string(all.join("report.md")).unwrap();
    let shown = markdown.split("](figures/").skip(1).map(|rest| rest.split(')').next().unwrap());
    let shown: Vec<&str> = shown.collect();
    for name in ["accuracy.svg", "early-loss.svg", "epoch-accuracy.svg", "confusion-center.svg"] {
        assert!(shown.contains(&name), "{name} in {shown:?}");
    }
    let figures = fs::read_dir(all.join("figures")).unwrap().map(|entry| entry.unwrap().path());
    let figures: Vec<PathBuf> = figures.collect();
    assert!(shown.iter().all(|name| figures.contains(&all.join("figures").join(name))));
    for path in figures {
        let text = fs::read_to_string(&path).unwrap();
        let figure = roxmltree::Document::parse(&text).unwrap();
        let root = figure.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        assert!(root.children().any(|child| child.attribute("fill") == Some("#FFFFFF")), "{path:?} is white");
        assert!(root.descendants().any(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title"))));
    }
}

#[test]
fn results_have_a_row_per_run() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2 --validation-split 0.25");
    let rows = rows(folder.path());
    assert_eq!(rows.len(), 4);
    for row in rows {
        let result = crate::read_json(&folder.path().join("all").join(&row["run"]).join("result.json"));
        assert_eq!(row["test_accuracy"], result["test"]["accuracy"].to_string());
        assert_eq!((&row["arm"], &json!(row["scaling"])), (&row["scaling"], &result["scaling"]));
        assert_eq!(row["seed"], result["seed"].to_string());
        assert_eq!(
            (row["status"].as_str(), row["batch_size"].as_str(), row["epochs"].as_str()),
            ("ok", "8", "2")
        );
        assert!(result["machine"]["cores"].as_u64().unwrap() > 0);
    }
}

#[test]
fn report_writes_again_what_compare_wrote() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    let all = folder.path().join("all");
    let written = files(&all);
    for path in written.keys() {
        fs::remove_file(path).unwrap();
    }
    fs::write(all.join("figures/confusion-of-yore.svg"), "stale").unwrap();
    let result = json(trainer().current_dir(folder.path()).args(["report", "all"]));
    assert_eq!(result["comparison"], "all");
    let listed = result["files"].as_array().unwrap().iter();
    let listed: BTreeMap<PathBuf, Vec<u8>> = listed
        .map(|path| folder.path().join(path.as_str().unwrap()))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    assert!(listed == written && files(&all) == written);
}

#[test]
fn report_without_the_data_has_no_pictures_and_says_so() {
    let folder = folder_with_comparison("--scalings center,none");
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let output = trainer().current_dir(folder.path()).args(["report", "all"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("warning: the report is written without pictures"),
        "{}",
        stderr(&output)
    );
    assert!(
        page(folder.path()).contains("There are no pictures here") && !page(folder.path()).contains("<img")
    );
}

#[test]
fn data_that_have_moved_are_found_where_they_are() {
    let folder = folder_with_comparison("--scalings center,none");
    let written = page(folder.path());
    fs::rename(folder.path().join("data"), folder.path().join("moved")).unwrap();
    let report = |place: &str| {
        let arguments = ["report", "all", "--data-dir", place];
        trainer().current_dir(folder.path()).args(arguments).output().unwrap()
    };
    let nowhere = report("nowhere");
    assert_eq!(nowhere.status.code(), Some(1), "a place that was named must be right");
    assert!(page(folder.path()) == written);
    fs::remove_file(folder.path().join("all/report.html")).unwrap();
    let moved = report("moved");
    assert!(moved.status.success() && !stderr(&moved).contains("warning"), "{}", stderr(&moved));
    assert!(page(folder.path()) == written);
}

#[test]
fn report_of_one_seed_does_not_speak_of_seeds() {
    let folder = folder_with_comparison("--scalings center,none");
    let markdown = fs::read_to_string(folder.path().join("all/report.md")).unwrap();
    for text in [page(folder.path()), markdown] {
        for words in
            ["share a rank", "standard deviation", "Means over seeds", "95% interval", "ost seeds of"]
        {
            assert!(!text.contains(words), "{words}");
        }
        assert!(text.contains("Pairs: these trained models, on this test set"));
        assert!(text.contains("McNemar's exact test says"));
    }
}

#[test]
fn markdown_says_how_to_do_it_again() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2 --threads 1");
    let markdown = fs::read_to_string(folder.path().join("all/report.md")).unwrap();
    let of_both =
        ["mnist-trainer compare --config config.toml --out again", "CPU, by Burn's flex backend, 1 thread"];
    for text in of_both.into_iter().chain(["Machine", "Versions", "The interval is of this pair alone"]) {
        assert!(markdown.contains(text) && page(folder.path()).contains(text), "{text}");
    }
}

#[test]
fn other_data_than_those_trained_on_are_not_shown() {
    let folder = folder_with_comparison("--scalings center");
    let images = folder.path().join("data/t10k-images-idx3-ubyte");
    let mut bytes = fs::read(&images).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&images, bytes).unwrap();
    let output = trainer().current_dir(folder.path()).args(["report", "all"]).output().unwrap();
    assert!(stderr(&output).contains("no longer those that were trained on"), "{}", stderr(&output));
}

#[test]
fn unfinished_comparison_says_how_far_it_is() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    assert!(!page(folder.path()).contains("So far"));
    let all = folder.path().join("all");
    fs::remove_file(all.join("result.json")).unwrap();
    fs::remove_file(run_of(&all, "none-seed2").join("result.json")).unwrap();
    json(trainer().current_dir(folder.path()).args(["report", "all"]));
    assert!(page(folder.path()).contains("So far 3 of 4 trainings"));
    assert!(page(folder.path()).contains("Means are over each scaling's own seeds"));
    assert!(fs::read_to_string(all.join("report.md")).unwrap().contains("So far 3 of 4 trainings"));
    assert_eq!(rows(folder.path()).len(), 3);
}

#[test]
fn diverged_runs_are_counted_in_the_report() {
    let folder = folder_with_comparison("--scalings none,center --learning-rate 1e30");
    let page = page(folder.path());
    assert!(page.contains("2 trainings, 2 of them diverged") && page.contains("1, 1 of them diverged"));
    assert!(
        !page.contains("id=\"accuracy\"")
            && !page.contains("id=\"pairs\"")
            && !page.contains("NaN")
            && !page.contains("inf%")
    );
    assert!(
        rows(folder.path()).iter().all(|row| row["status"] == "diverged" && row["test_accuracy"].is_empty())
    );
}

#[test]
fn grid_is_told_apart_by_name() {
    let folder = tempfile::tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    let config = "scalings = ['center', 'none']\nepochs = 1\nlimit = 32\n[grid]\nlearning_rate = [0.001, 0.01]\nbatch_size = [8, 16]\n";
    fs::write(folder.path().join("grid.toml"), config).unwrap();
    json(&mut trainer_in(folder.path(), "compare --config grid.toml --out all"));
    let arms: Vec<String> = rows(folder.path()).iter().map(|row| row["arm"].clone()).collect();
    assert_eq!(arms.len(), 8);
    let page = page(folder.path());
    assert!(arms.iter().all(|arm| page.contains(arm.as_str())));
    assert!(page.contains("of the 6 best of 8") && page.contains("The other 21 pairs"));
    let figures =
        fs::read_dir(folder.path().join("all/figures")).unwrap().map(|entry| entry.unwrap().file_name());
    let confusion = figures.filter(|name| name.to_string_lossy().starts_with("confusion-"));
    assert_eq!(confusion.count(), 6);
}

#[test]
fn names_of_classes_are_words_and_not_markup() {
    let folder = folder_with_fruit();
    for split in ["train", "test"] {
        let split = folder.path().join("data").join(split);
        let class = fs::read_dir(&split).unwrap().next().unwrap().unwrap().path();
        let name = class.file_name().unwrap().to_str().unwrap().to_owned();
        // The same class in both splits.
        let first = fs::read_dir(&split).unwrap().map(|entry| entry.unwrap().file_name()).min().unwrap();
        assert!(!name.is_empty());
        fs::rename(split.join(first), split.join("<b>&\"x")).unwrap();
    }
    let command = "compare --scalings center,none --resize 12x12 --epochs 1 --limit 16 --out all";
    let output = trainer_on_pictures(folder.path(), command).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = page(folder.path());
    assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"));
    let figure = fs::read_to_string(folder.path().join("all/figures/confusion-center.svg")).unwrap();
    let figure = roxmltree::Document::parse(&figure).unwrap();
    assert!(figure.descendants().any(|node| node.text().is_some_and(|text| text.trim() == "<b>&\"x")));
}

#[test]
fn what_is_no_comparison_is_refused() {
    let folder = folder_with_comparison("--scalings center");
    let report = |place: &str| {
        let output = trainer().current_dir(folder.path()).args(["report", place]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(report("data").contains("data is not a comparison"));
    let run = run_of(&folder.path().join("all"), "center-seed1");
    assert!(report(run.to_str().unwrap()).contains("is not a comparison"));
    assert!(report("nowhere").contains("the comparison nowhere does not exist"));

    let before = files(&folder.path().join("all"));
    let predictions = run.join("predictions.csv");
    let whole = fs::read_to_string(&predictions).unwrap();
    let half: Vec<&str> = whole.lines().take(20).collect();
    fs::write(&predictions, half.join("\n")).unwrap();
    assert!(report("all").contains("predictions.csv is damaged: it has 19 of 50 images"));
    fs::write(&predictions, "nonsense\n1\n").unwrap();
    assert!(report("all").contains("predictions.csv is damaged"));
    assert!(files(&folder.path().join("all")) == before, "rewritten whole or not at all");

    fs::remove_file(run.join("result.json")).unwrap();
    assert!(report("all").contains("no training of all has come to an end"));
}
