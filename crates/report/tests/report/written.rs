//! Complete reports, as files in a folder.

use mnist_data::{ImageShape, Images};
use mnist_report::{Findings, SampleImages, write};
use mnist_training::{curve::CurvePoint, run::Scores, training_loop::EpochMetrics};

use crate::support::{Synthetic, arm, arm_with, diverged, preview, run};

const SHAPE: ImageShape = ImageShape { channels: 1, height: 1, width: 2 };

/// Returns two arms with two seeds each, on three images.
fn two_arms() -> Synthetic {
    Synthetic::new(vec![arm("center", &[&[1, 1, 1], &[1, 7, 1]]), arm("none", &[&[1, 7, 4], &[1, 1, 4]])])
}

fn test_images(count: usize) -> Images {
    Images::new(SHAPE, vec![0; count * SHAPE.pixels()], vec![1; count])
}

#[test]
fn report_writes_the_files_that_it_returns() {
    let synthetic = two_arms();
    let test = test_images(3);
    let previews = vec![preview("center", &[&[-1.0, 2.0]]), preview("not-compared", &[&[0.0, 1.0]])];
    let samples = SampleImages { test: test.clone(), previews };
    let files = write(&synthetic.findings(Some(&samples))).unwrap();
    assert!(files.iter().all(|file| file.is_file()));
    assert!(files.last().unwrap().ends_with("report.html"), "the page is written last");
    assert_eq!(synthetic.names_in(""), ["figures", "report.html", "report.md", "results.csv"]);
    let figures = ["accuracy.svg", "confusion-center.svg", "confusion-none.svg", "values-center.svg"];
    assert_eq!(synthetic.names_in("figures"), figures);
}

#[test]
fn second_report_removes_only_stale_figures() {
    let synthetic = two_arms();
    write(&synthetic.findings(None)).unwrap();
    assert!(synthetic.names_in("figures").contains(&"confusion-none.svg".to_owned()));
    let kept = synthetic.findings(None).folder.path().join("figures/notes.txt");
    std::fs::write(&kept, "mine").unwrap();

    let synthetic = synthetic.with_arms(vec![arm("center", &[&[1, 1, 1]]), arm("zca", &[&[1, 7, 1]])]);
    write(&synthetic.findings(None)).unwrap();
    let figures = ["accuracy.svg", "confusion-center.svg", "confusion-zca.svg", "notes.txt"];
    assert_eq!(synthetic.names_in("figures"), figures);
}

#[test]
fn report_that_cannot_be_drawn_does_not_change_an_earlier_one() {
    let synthetic = two_arms();
    let test = test_images(3);
    let samples = SampleImages { test: test.clone(), previews: vec![preview("center", &[&[0.0, 1.0, 2.0]])] };
    let error = write(&synthetic.findings(Some(&samples))).unwrap_err();
    assert_eq!(error.to_string(), "cannot draw an image: it has 3 values, but 1×1×2 pixels need 2");
    assert_eq!(synthetic.names_in(""), Vec::<String>::new());

    write(&synthetic.findings(None)).unwrap();
    let page = synthetic.file("report.html");
    write(&synthetic.findings(Some(&samples))).unwrap_err();
    assert_eq!(synthetic.file("report.html"), page);
}

#[test]
fn predictions_of_missing_images_are_an_error() {
    let synthetic = two_arms();
    let test = test_images(1);
    let samples = SampleImages { test: test.clone(), previews: Vec::new() };
    let error = write(&synthetic.findings(Some(&samples))).unwrap_err();
    assert_eq!(error.to_string(), "cannot draw a test image: the split has 1 image");
    assert_eq!(synthetic.names_in(""), Vec::<String>::new());
}

#[test]
fn notes_of_one_seed_do_not_mention_spread() {
    let markdown = |synthetic: Synthetic| {
        write(&synthetic.findings(None)).unwrap();
        synthetic.file("report.md")
    };
    let one = markdown(Synthetic::new(vec![arm("center", &[&[1, 1, 1]]), arm("none", &[&[1, 7, 4]])]));
    let two = markdown(two_arms());
    for words in ["share a rank", "standard deviation", "median"] {
        assert!(!one.contains(words) && two.contains(words), "{words}\n{one}\n{two}");
    }
}

#[test]
fn notes_mention_different_seeds_of_two_scalings() {
    let is_mentioned = |seeds: &[u64], diverged_seed: Option<u64>| {
        let both = arm("center", &[&[1, 1, 1], &[1, 7, 1]]);
        let mut runs: Vec<_> = seeds.iter().map(|&seed| run(seed, &[1, 7, 4])).collect();
        runs.extend(diverged_seed.map(diverged));
        let synthetic = Synthetic::new(vec![both, arm_with("none", runs)]);
        write(&synthetic.findings(None)).unwrap();
        synthetic.file("report.md").contains("each scaling's own seeds")
    };
    assert!(is_mentioned(&[1], None) && is_mentioned(&[1], Some(2)));
    assert!(!is_mentioned(&[1, 2], None) && !is_mentioned(&[], Some(1)));
}

#[test]
fn unfinished_report_counts_the_finished_runs_and_warns() {
    let synthetic =
        Synthetic::new(vec![arm("center", &[&[1, 1, 1], &[1, 7, 1]]), arm("none", &[&[1, 7, 4]])]);
    write(&synthetic.findings(None)).unwrap();
    for file in ["report.md", "report.html"] {
        let report = synthetic.file(file);
        assert!(report.contains("This comparison is unfinished."), "{file}: {report}");
        assert!(report.contains("So far, 3 of 4 runs finished."), "{file}: {report}");
    }
}

#[test]
fn large_losses_are_short_for_people_and_exact_in_the_csv_table() {
    let mut run = run(1, &[1, 1, 7]);
    run.result.test = Some(Scores { loss: 1.23456e30, accuracy: 0.5 });
    let epoch = |(train_loss, epoch)| EpochMetrics {
        epoch,
        train_loss,
        train_accuracy: 0.5,
        validation_loss: None,
        validation_accuracy: None,
        seconds: 1.0,
    };
    run.result.epochs = [1.5, 3.4567e30].into_iter().zip(1..).map(epoch).collect();
    let synthetic = Synthetic::new(vec![arm_with("none", vec![run])]);
    write(&synthetic.findings(None)).unwrap();
    for (file, loss) in
        [("report.md", "1.2e30"), ("report.html", "1.2e30"), ("figures/epoch-loss.svg", "1.0e28")]
    {
        let report = synthetic.file(file);
        assert!(report.contains(loss) && !report.contains("000000000000"), "{file}: {report}");
    }
    let table = synthetic.file("results.csv");
    assert!(table.contains("1.23456e30") && table.contains("3.4567e30"), "{table}");
}

#[test]
fn losses_of_0_are_drawn() {
    for validation_loss in [None, Some(0.0), Some(1e-300)] {
        let mut run = run(1, &[1, 1, 1]);
        run.result.test = Some(Scores { loss: 0.0, accuracy: 1.0 });
        let epoch = |epoch| EpochMetrics {
            epoch,
            train_loss: 0.0,
            train_accuracy: 1.0,
            validation_loss,
            validation_accuracy: validation_loss.map(|_| 1.0),
            seconds: 1.0,
        };
        run.result.epochs = (1..=2).map(epoch).collect();
        let point =
            |step| CurvePoint { epoch: 1, step, images: 64, loss: 0.0, accuracy: 1.0, seconds: step as f64 };
        run.curve = [10, 20].map(point).to_vec();
        let synthetic = Synthetic::new(vec![arm_with("none", vec![run])]);
        write(&synthetic.findings(None)).unwrap();
        for figure in ["epoch-loss.svg", "early-loss.svg"] {
            let figure = synthetic.file(&format!("figures/{figure}"));
            assert!(figure.contains("0.000001") && !figure.contains("NaN"), "{figure}");
        }
    }
}

#[test]
fn long_names_of_arms_get_a_wide_column() {
    let name = "normalize, learning rate 0.001, batch size 64";
    let synthetic = Synthetic::new(vec![arm(name, &[&[1, 1, 1]]), arm("none", &[&[1, 7, 4]])]);
    write(&synthetic.findings(None)).unwrap();
    let page = synthetic.file("report.html");
    assert!(page.contains("th.long { min-width:"));
    // In the ranking and in the pairs.
    assert_eq!(page.matches(&format!("<th class=\"long\" scope=\"row\">{name}</th>")).count(), 2, "{page}");
    assert_eq!(page.matches("<th scope=\"row\">none</th>").count(), 2, "{page}");
}

#[test]
fn report_of_another_network_contains_no_command() {
    let synthetic = two_arms();
    write(&Findings { network: "mlp-64".into(), ..synthetic.findings(None) }).unwrap();
    for file in ["report.md", "report.html"] {
        let report = synthetic.file(file);
        assert!(!report.contains("mnist-trainer compare"), "{file}: {report}");
        assert!(report.contains("the program that trained the network “mlp-64”"), "{file}: {report}");
    }
}
