//! The report of a comparison: the HTML page, the Markdown, the figures and the table of results.
//!
//! An arm is one configuration under comparison: a scaling, plus a learning rate and batch size if `[grid]` varies
//! them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    assert_contains, assert_lacks, assert_same_text,
    comparisons::{SECTIONS, folder_with_comparison, run_of},
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    json,
    pictures::{folder_with_fruit, trainer_on_pictures},
    read_json, read_text,
    refusals::{assert_refused, refused},
    stderr, stdout, trainer_in,
};
use serde_json::json;

fn page(folder: &Path) -> String {
    read_text(&folder.join("all/report.html"))
}

/// Returns the text of each file of a report, keyed by its path.
fn files(comparison: &Path) -> BTreeMap<PathBuf, String> {
    let figures = fs::read_dir(comparison.join("figures")).unwrap().map(|entry| entry.unwrap().path());
    let tables = fs::read_dir(comparison.join("tables")).unwrap().map(|entry| entry.unwrap().path());
    let others = ["report.html", "report.md", "results.csv"].map(|name| comparison.join(name));
    figures.chain(tables).chain(others).map(|path| (path.clone(), read_text(&path))).collect()
}

/// Checks that a report still has the same files with the same text.
fn assert_same_files(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>) {
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>(),
        "the report has other files"
    );
    for (path, text) in before {
        assert_same_text(&path.display().to_string(), text, &after[path]);
    }
}

#[test]
#[should_panic(expected = "report.md differs from line 2 on\nbefore: …first\nsecond…\nafter:  …first\nlast…")]
fn first_difference_of_a_changed_file_is_shown() {
    let files = |text: &str| BTreeMap::from([(PathBuf::from("report.md"), text.to_owned())]);
    assert_same_files(&files("first\nsecond"), &files("first\nlast"));
}

/// Returns the text between each `before` and the next quotation mark.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Returns the rows of `results.csv`, keyed by column.
fn rows(folder: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(folder.join("all/results.csv"))
        .unwrap()
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn page_contains_all_sections_and_everything_it_refers_to() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    let page = page(folder.path());
    let ids = quoted(&page, " id=\"");
    for section in SECTIONS {
        assert!(ids.contains(&section), "no section {section}: {ids:?}");
    }
    for reference in quoted(&page, "href=\"#").into_iter().chain(quoted(&page, "aria-labelledby=\"")) {
        assert!(ids.contains(&reference), "no element {reference}: {ids:?}");
    }
    let sources = quoted(&page, "src=\"");
    for source in &sources {
        assert!(source.starts_with("data:image/png;base64,"), "an image is outside the page: {source}");
    }
    assert!(sources.len() >= 6, "expected three digits under two scalings, found {} images", sources.len());
    assert_lacks(&page, ["http:", "https:", "<script ", "<link"]);
    assert_eq!(page.matches("<script>").count(), 1, "only the page's own script");
    assert_contains(&page, ["mnist-trainer compare --config config.toml --out again", "batch_size = 8"]);
}

#[test]
fn figures_are_svg_files_that_the_markdown_shows() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    let all = folder.path().join("all");
    let markdown = read_text(&all.join("report.md"));
    let shown = markdown.split("](figures/").skip(1).map(|rest| rest.split(')').next().unwrap());
    let shown: Vec<&str> = shown.collect();
    for name in ["accuracy.svg", "early-loss.svg", "epoch-accuracy.svg", "confusion-center.svg"] {
        assert!(shown.contains(&name), "{name} is not shown: {shown:?}");
    }
    let figures = fs::read_dir(all.join("figures")).unwrap().map(|entry| entry.unwrap().path());
    let figures: Vec<PathBuf> = figures.collect();
    for name in shown {
        assert!(figures.contains(&all.join("figures").join(name)), "{name} does not exist: {figures:?}");
    }
    for path in figures {
        let text = read_text(&path);
        let figure = roxmltree::Document::parse(&text).unwrap();
        let root = figure.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        assert!(
            root.children().any(|child| child.attribute("fill") == Some("#FFFFFF")),
            "{path:?} has no white background"
        );
        let is_title = |node: roxmltree::Node| node.has_tag_name(("http://www.w3.org/2000/svg", "title"));
        assert!(root.descendants().any(is_title), "{path:?} has no title");
    }
}

#[test]
fn results_csv_has_a_row_per_run() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2 --validation-split 0.25");
    let rows = rows(folder.path());
    assert_eq!(rows.len(), 4);
    for row in rows {
        let result = read_json(&folder.path().join("all").join(&row["run"]).join("result.json"));
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
fn report_writes_the_same_files_as_compare() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    let all = folder.path().join("all");
    let written = files(&all);
    for path in written.keys() {
        fs::remove_file(path).unwrap();
    }
    fs::write(all.join("figures/confusion-removed.svg"), "stale").unwrap();
    let result = json(&mut trainer_in(folder.path(), "report all"));
    assert_eq!(result["comparison"], "all");
    let listed = result["files"].as_array().unwrap().iter();
    let listed: BTreeMap<PathBuf, String> = listed
        .map(|path| folder.path().join(path.as_str().unwrap()))
        .map(|path| (path.clone(), read_text(&path)))
        .collect();
    assert_same_files(&written, &listed);
    assert_same_files(&written, &files(&all));
}

#[test]
fn report_without_the_data_warns_that_it_has_no_images() {
    let folder = folder_with_comparison("--scalings center,none");
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let output = trainer_in(folder.path(), "report all").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_contains(&stderr(&output), ["warning: the report has no images"]);
    assert_contains(&page(folder.path()), ["No images are shown"]);
    assert_lacks(&page(folder.path()), ["<img"]);
}

#[test]
fn moved_data_are_found_with_data_dir() {
    let folder = folder_with_comparison("--scalings center,none");
    let written = page(folder.path());
    fs::rename(folder.path().join("data"), folder.path().join("moved")).unwrap();
    let report =
        |data: &str| trainer_in(folder.path(), &format!("report all --data-dir {data}")).output().unwrap();
    assert_refused(&report("nowhere"), 1, "nowhere does not exist");
    assert_same_text("report.html", &written, &page(folder.path()));
    fs::remove_file(folder.path().join("all/report.html")).unwrap();
    let moved = report("moved");
    assert!(moved.status.success(), "{}", stderr(&moved));
    assert_lacks(&stderr(&moved), ["warning"]);
    assert_same_text("report.html", &written, &page(folder.path()));
}

#[test]
fn report_of_one_seed_makes_no_statement_about_seeds() {
    let folder = folder_with_comparison("--scalings center,none");
    let markdown = read_text(&folder.path().join("all/report.md"));
    for text in [page(folder.path()), markdown] {
        let of_seeds = [
            "share a rank",
            "standard deviation",
            "means over seeds",
            "mean over seeds",
            "95% interval",
            "ost seeds of",
        ];
        assert_lacks(&text, of_seeds);
        let of_models =
            ["Differences between trained models", "McNemar's exact test compares two trained models"];
        assert_contains(&text, of_models);
    }
}

#[test]
fn page_and_markdown_show_how_to_repeat_the_comparison() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2 --threads 1");
    let markdown = read_text(&folder.path().join("all/report.md"));
    let of_both =
        ["mnist-trainer compare --config config.toml --out again", "CPU, Burn's flex backend, 1 thread"];
    for text in [markdown, page(folder.path())] {
        assert_contains(&text, of_both);
        assert_contains(&text, ["Machine", "Versions", "The 95% intervals are simultaneous"]);
    }
}

#[test]
fn images_of_other_data_are_not_shown() {
    let folder = folder_with_comparison("--scalings center");
    let images = folder.path().join("data/t10k-images-idx3-ubyte");
    let mut bytes = fs::read(&images).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&images, bytes).unwrap();
    let output = trainer_in(folder.path(), "report all").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_contains(
        &stderr(&output),
        ["the data files differ from those that the comparison was trained on"],
    );
    assert_lacks(&page(folder.path()), ["<img"]);
}

#[test]
fn report_of_an_unfinished_comparison_counts_the_finished_runs() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2");
    assert_lacks(&page(folder.path()), ["So far"]);
    let all = folder.path().join("all");
    fs::remove_file(all.join("result.json")).unwrap();
    fs::remove_file(run_of(&all, "none-seed2").join("result.json")).unwrap();
    json(&mut trainer_in(folder.path(), "report all"));
    let of_page = ["So far, 3 of 4 runs finished", "Means are over each scaling's own seeds"];
    assert_contains(&page(folder.path()), of_page);
    assert_contains(&read_text(&all.join("report.md")), ["So far, 3 of 4 runs finished"]);
    assert_eq!(rows(folder.path()).len(), 3);
}

#[test]
fn diverged_runs_are_counted_and_have_no_accuracy() {
    let folder = folder_with_comparison("--scalings none,center --learning-rate 1e30");
    let page = page(folder.path());
    assert_contains(&page, ["2 runs (2 diverged)", "1 (1 diverged)"]);
    assert_lacks(&page, ["id=\"accuracy\"", "id=\"pairs\"", "NaN", "inf%"]);
    let rows = rows(folder.path());
    let outcomes = rows.iter().map(|row| (row["status"].as_str(), row["test_accuracy"].as_str()));
    assert_eq!(outcomes.collect::<Vec<_>>(), [("diverged", ""); 2]);
}

#[test]
fn report_names_every_arm_of_a_grid() {
    let config = "scalings = ['center', 'none']\nepochs = 1\nlimit = 32\n[grid]\nlearning_rate = [0.001, 0.01]\nbatch_size = [8, 16]\n";
    let folder = folder_with_config(config);
    json(&mut trainer_on_digits(folder.path(), "compare --config c.toml --out all"));
    let arms: Vec<String> = rows(folder.path()).iter().map(|row| row["arm"].clone()).collect();
    assert_eq!(arms.len(), 8);
    let page = page(folder.path());
    assert_contains(&page, arms.iter().map(String::as_str));
    assert_contains(&page, ["of the 6 best of 8", "The other 21 pairs", ">8 arms: "]);
    let figures =
        fs::read_dir(folder.path().join("all/figures")).unwrap().map(|entry| entry.unwrap().file_name());
    let confusion = figures.filter(|name| name.to_string_lossy().starts_with("confusion-"));
    assert_eq!(confusion.count(), 6);
    // With one epoch, the curves are those of its steps.
    let svg = |name: &str| folder.path().join("all/figures").join(name);
    assert!(svg("early-loss.svg").exists() && !svg("epoch-loss.svg").exists());
    let heat_map = read_text(&svg("grid.svg"));
    let heat_map = roxmltree::Document::parse(&heat_map).unwrap();
    let texts: Vec<&str> = heat_map.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    for text in ["learning rate, batch size", "0.001, 8", "0.01, 16", "center", "none"] {
        assert!(texts.contains(&text), "{text}: {texts:?}");
    }
}

#[test]
fn report_without_weights_and_predictions_says_what_is_missing() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2 --learning-rate 1e-9");
    let all = folder.path().join("all");
    fs::remove_file(run_of(&all, "center-seed1").join("model.safetensors")).unwrap();
    fs::remove_file(run_of(&all, "none-seed1").join("predictions.csv")).unwrap();
    json(&mut trainer_in(folder.path(), "report all"));
    assert_contains(&page(folder.path()), ["1 run is left out, because predictions.csv is missing.", "<img"]);
    for run in ["center-seed1", "center-seed2", "none-seed2"] {
        fs::remove_file(run_of(&all, run).join("predictions.csv")).unwrap();
    }
    json(&mut trainer_in(folder.path(), "report all"));
    let page = page(folder.path());
    assert_contains(
        &page,
        ["the predictions.csv of every run is missing", "id=\"confusion\"", "id=\"ranking\""],
    );
}

#[test]
fn report_without_predictions_says_that_mcnemars_test_is_missing() {
    let folder = folder_with_comparison("--scalings center,none --learning-rate 1e-9");
    assert_lacks(&page(folder.path()), ["Some runs have no predictions.csv"]);
    for run in ["center-seed1", "none-seed1"] {
        fs::remove_file(run_of(&folder.path().join("all"), run).join("predictions.csv")).unwrap();
    }
    json(&mut trainer_in(folder.path(), "report all"));
    let note =
        "Some runs have no predictions.csv. Their pairs lack McNemar's exact test of the trained models.";
    let markdown = read_text(&folder.path().join("all/report.md"));
    for report in [&page(folder.path()), &markdown] {
        assert_contains(report, [note]);
    }
}

#[test]
fn pictures_keep_the_names_of_their_files() {
    let folder = folder_with_fruit();
    let command = "compare --scalings center,none --resize 12x12 --epochs 1 --learning-rate 1e-9 --out all";
    let output = trainer_on_pictures(folder.path(), command).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let predictions = read_text(&run_of(&folder.path().join("all"), "center-seed1").join("predictions.csv"));
    let mut lines = predictions.lines();
    assert_eq!(lines.next(), Some("image,label,predicted,probability,label_probability,file"));
    let files: Vec<&str> = lines.map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(files, ["test/apple/0.png", "test/Pear/0.png", "test/fig/0.png", "test/apple/1.png"]);
    assert_contains(&page(folder.path()), ["<p class=\"number\">test/", ".png of class "]);

    let runs = ["center-seed1", "none-seed1"]
        .map(|run| run_of(&folder.path().join("all"), run).display().to_string());
    let difference = json(&mut trainer_in(folder.path(), &format!("runs diff {}", runs.join(" "))));
    assert_eq!(difference["answers"]["class_names"], json!(["Pear", "apple", "fig"]));
}

#[test]
fn runs_of_old_versions_without_file_names_are_read() {
    let folder = folder_with_comparison("--scalings center --learning-rate 1e-9");
    let run = run_of(&folder.path().join("all"), "center-seed1");
    let predictions = run.join("predictions.csv");
    let new = read_text(&predictions);
    let lines: Vec<&str> = new.lines().map(|line| line.rsplit_once(',').unwrap().0).collect();
    let old = lines.join("\n") + "\n";
    assert_contains(&old, ["image,label,predicted,probability,label_probability\n"]);
    fs::write(&predictions, old).unwrap();
    // Old versions recorded no checksums.
    let mut result = read_json(&run.join("result.json"));
    let keys = result.as_object_mut().unwrap();
    for key in ["sha256", "files", "finished"] {
        keys.remove(key);
    }
    keys["versions"]["mnist_trainer"] = "0.2.0".into();
    fs::write(run.join("result.json"), result.to_string()).unwrap();
    json(&mut trainer_in(folder.path(), "report all"));
    assert_contains(&page(folder.path()), ["<p class=\"number\">test image ", "mnist-trainer 0.2.0"]);
}

#[test]
fn classes_of_idx_data_are_named_in_a_file() {
    let folder = folder_with_digits();
    let names = folder.path().join("data/classes.txt");
    fs::write(&names, "top\nmiddle & <script>alert(1)</script>\nbottom\n").unwrap();
    let command =
        "compare --scalings center,none --epochs 1 --batch-size 8 --limit 96 --learning-rate 1e-9 --out all";
    json(&mut trainer_on_digits(folder.path(), command));
    let page = page(folder.path());
    assert_contains(&page, [">bottom</strong>", "middle &amp; &lt;script&gt;"]);
    assert_lacks(&page, ["<script>alert"]);
    let run = run_of(&folder.path().join("all"), "center-seed1");
    let evaluate = trainer_in(folder.path(), &format!("evaluate {}", run.display())).output().unwrap();
    assert_contains(&stdout(&evaluate), ["mi…pt> bottom\n", " bottom │"]);

    for (text, reason) in [
        ("top\nbottom\n", "it has 2 names, but the data have 3 classes"),
        ("top\n\nbottom\n", "line 2 is empty or contains a control character"),
        ("top\ntop\nbottom\n", "line 2 repeats the name `top`"),
        (&"top\n".repeat(257), "it has 257 names, but IDX data have at most 256 classes"),
    ] {
        fs::write(&names, text).unwrap();
        let output = trainer_on_digits(folder.path(), "data summary").output().unwrap();
        assert_refused(&output, 1, reason);
    }
}

#[test]
fn markup_in_the_name_of_a_class_is_escaped() {
    let folder = folder_with_fruit();
    for split in ["train", "test"] {
        let split = folder.path().join("data").join(split);
        fs::rename(split.join("apple"), split.join("<b>&\"x")).unwrap();
    }
    let command = "compare --scalings center,none --resize 12x12 --epochs 1 --limit 16 --out all";
    let output = trainer_on_pictures(folder.path(), command).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = page(folder.path());
    assert_contains(&page, ["&lt;b&gt;&amp;"]);
    assert_lacks(&page, ["<b>"]);
    let figure = read_text(&folder.path().join("all/figures/confusion-center.svg"));
    let figure = roxmltree::Document::parse(&figure).unwrap();
    let texts: Vec<&str> = figure.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    assert!(texts.contains(&"<b>&\"x"), "{texts:?}");
}

#[test]
fn folder_that_is_not_a_comparison_or_is_damaged_is_refused() {
    let folder = folder_with_comparison("--scalings center");
    let report = |path: &str, message: &str| {
        refused(&mut trainer_in(folder.path(), &format!("report {path}")), 1, message)
    };
    let run = run_of(&folder.path().join("all"), "center-seed1");
    let mut errors = report("data", "data is not a comparison");
    report(run.to_str().unwrap(), "is not a comparison");
    errors += &report("nowhere", "the comparison nowhere does not exist");

    let before = files(&folder.path().join("all"));
    let predictions = run.join("predictions.csv");
    let complete = read_text(&predictions);
    let half: Vec<&str> = complete.lines().take(20).collect();
    fs::write(&predictions, half.join("\n")).unwrap();
    errors += &report("all", "predictions.csv was changed after the training");
    fs::write(&predictions, complete + "50,0,0,1,1\n").unwrap();
    errors += &report("all", "predictions.csv is damaged: it is longer than it can be");
    // A report that fails must leave all files of the earlier one as they were.
    assert_same_files(&before, &files(&folder.path().join("all")));

    fs::remove_file(run.join("result.json")).unwrap();
    errors += &report("all", "all is unfinished: it has no finished runs");
    let name = run.file_name().unwrap().to_str().unwrap();
    insta::assert_snapshot!(errors.replace(name, "center-seed1-[…]"));
}
