//! Whole reports, as files in a folder.

use mnist_data::{ImageShape, Images};
use mnist_report::{Findings, SampleImages, write};

use crate::support::{MadeUp, arm, arm_with, diverged, preview, run};

const SHAPE: ImageShape = ImageShape { channels: 1, height: 1, width: 2 };

/// Two arms of two seeds on three images.
fn two_arms() -> MadeUp {
    MadeUp::new(vec![arm("center", &[&[1, 1, 1], &[1, 7, 1]]), arm("none", &[&[1, 7, 4], &[1, 1, 4]])])
}

fn test_images(count: usize) -> Images {
    Images::new(SHAPE, vec![0; count * SHAPE.pixels()], vec![1; count])
}

#[test]
fn report_consists_of_the_files_that_it_returns() {
    let made_up = two_arms();
    let test = test_images(3);
    let previews = vec![preview("center", &[&[-1.0, 2.0]]), preview("not-compared", &[&[0.0, 1.0]])];
    let samples = SampleImages { test: test.clone(), previews };
    let files = write(&made_up.findings(Some(&samples))).unwrap();
    assert!(files.iter().all(|file| file.is_file()));
    assert!(files.last().unwrap().ends_with("report.html"), "the page is written last");
    assert_eq!(made_up.names_in(""), ["figures", "report.html", "report.md", "results.csv"]);
    let figures = ["accuracy.svg", "confusion-center.svg", "confusion-none.svg", "values-center.svg"];
    assert_eq!(made_up.names_in("figures"), figures);
}

#[test]
fn second_report_removes_figures_of_the_first_and_nothing_else() {
    let made_up = two_arms();
    write(&made_up.findings(None)).unwrap();
    assert!(made_up.names_in("figures").contains(&"confusion-none.svg".to_owned()));
    let kept = made_up.findings(None).folder.path().join("figures/notes.txt");
    std::fs::write(&kept, "mine").unwrap();

    let made_up = made_up.with_arms(vec![arm("center", &[&[1, 1, 1]]), arm("zca", &[&[1, 7, 1]])]);
    write(&made_up.findings(None)).unwrap();
    let figures = ["accuracy.svg", "confusion-center.svg", "confusion-zca.svg", "notes.txt"];
    assert_eq!(made_up.names_in("figures"), figures);
}

#[test]
fn report_that_cannot_be_drawn_leaves_an_earlier_one_as_it_was() {
    let made_up = two_arms();
    let test = test_images(3);
    let samples = SampleImages { test: test.clone(), previews: vec![preview("center", &[&[0.0, 1.0, 2.0]])] };
    let error = write(&made_up.findings(Some(&samples))).unwrap_err();
    assert_eq!(error.to_string(), "cannot draw an image: 1×1×2 pixels need 2 values, not 3");
    assert_eq!(made_up.names_in(""), Vec::<String>::new());

    write(&made_up.findings(None)).unwrap();
    let page = made_up.file("report.html");
    write(&made_up.findings(Some(&samples))).unwrap_err();
    assert_eq!(made_up.file("report.html"), page);
}

#[test]
fn predictions_of_images_that_are_missing_are_an_error() {
    let made_up = two_arms();
    let test = test_images(1);
    let samples = SampleImages { test: test.clone(), previews: Vec::new() };
    let error = write(&made_up.findings(Some(&samples))).unwrap_err();
    assert_eq!(error.to_string(), "cannot draw a test image: the split has 1 image");
    assert_eq!(made_up.names_in(""), Vec::<String>::new());
}

#[test]
fn notes_mention_spread_only_with_several_seeds() {
    let markdown = |made_up: MadeUp| {
        write(&made_up.findings(None)).unwrap();
        made_up.file("report.md")
    };
    let one = markdown(MadeUp::new(vec![arm("center", &[&[1, 1, 1]]), arm("none", &[&[1, 7, 4]])]));
    let two = markdown(two_arms());
    for words in ["share a rank", "standard deviation", "medians"] {
        assert!(!one.contains(words) && two.contains(words), "{words}\n{one}\n{two}");
    }
}

#[test]
fn notes_say_that_seeds_differ_if_they_do() {
    let is_said = |seeds: &[u64], diverged_seed: Option<u64>| {
        let both = arm("center", &[&[1, 1, 1], &[1, 7, 1]]);
        let mut runs: Vec<_> = seeds.iter().map(|&seed| run(seed, &[1, 7, 4])).collect();
        runs.extend(diverged_seed.map(diverged));
        let made_up = MadeUp::new(vec![both, arm_with("none", runs)]);
        write(&made_up.findings(None)).unwrap();
        made_up.file("report.md").contains("each scaling's own seeds")
    };
    assert!(is_said(&[1], None) && is_said(&[1], Some(2)));
    assert!(!is_said(&[1, 2], None) && !is_said(&[], Some(1)));
}

#[test]
fn report_of_another_network_names_no_command_of_the_program() {
    let made_up = two_arms();
    write(&Findings { network: "mlp-64".into(), ..made_up.findings(None) }).unwrap();
    for file in ["report.md", "report.html"] {
        let report = made_up.file(file);
        assert!(!report.contains("mnist-trainer compare"), "{file}: {report}");
        assert!(report.contains("the program that trained the network “mlp-64”"), "{file}: {report}");
    }
}
