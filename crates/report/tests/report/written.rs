//! Complete reports, as files in a folder.

use mnist_data::{ImageShape, Images};
use mnist_report::{Findings, SampleImages, write};
use mnist_training::{curve::CurvePoint, progress::EpochMetrics, run::Scores};

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
    assert_eq!(synthetic.names_in(""), ["figures", "report.html", "report.md", "results.csv", "tables"]);
    let figures = ["accuracy.svg", "confusion-center.svg", "confusion-none.svg", "values-center.svg"];
    assert_eq!(synthetic.names_in("figures"), figures);
    let tables = ["pairs.csv", "pairs.md", "pairs.tex", "ranking.csv", "ranking.md", "ranking.tex"];
    assert_eq!(synthetic.names_in("tables"), tables);
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
    let alone = synthetic.with_arms(vec![arm("center", &[&[1, 1, 1]])]);
    write(&alone.findings(None)).unwrap();
    assert_eq!(alone.names_in("tables"), ["ranking.csv", "ranking.md", "ranking.tex"]);
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
fn report_says_that_the_runs_of_a_seed_were_trained_on_different_hardware() {
    let mut runs = vec![run(1, &[1, 7, 4]), run(2, &[1, 1, 4])];
    runs[1].result.instruction_set = Some("portable".into());
    let mixed = Synthetic::new(vec![arm("center", &[&[1, 1, 1], &[1, 7, 1]]), arm_with("none", runs)]);
    write(&mixed.findings(None)).unwrap();
    let note = "The runs of 1 seed were trained on hardware that rounds differently (avx2, portable).";
    assert!(mixed.file("report.md").contains(note) && mixed.file("report.html").contains(note));
    let alike = two_arms();
    write(&alike.findings(None)).unwrap();
    assert!(!alike.file("report.md").contains("rounds differently"));
}

#[test]
fn notes_of_one_seed_do_not_mention_spread() {
    let markdown = |synthetic: Synthetic| {
        write(&synthetic.findings(None)).unwrap();
        synthetic.file("report.md")
    };
    let one = markdown(Synthetic::new(vec![arm("center", &[&[1, 1, 1]]), arm("none", &[&[1, 7, 4]])]));
    let two = markdown(two_arms());
    for words in ["share a rank", "standard deviation"] {
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
    let page = page.split("id=\"confusion\"").next().unwrap();
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

#[test]
fn scaling_keeps_its_color_when_arms_are_added() {
    let color = |names: &[&str]| {
        let arms = names.iter().map(|name| arm(name, &[&[1, 1, 7], &[1, 7, 4]])).collect();
        let synthetic = Synthetic::new(arms);
        write(&synthetic.findings(None)).unwrap();
        let figure = synthetic.file("figures/accuracy.svg");
        let of_center = names.iter().position(|name| *name == "center").unwrap();
        let layer = figure.split(&format!("<g data-arm=\"{of_center}\">")).nth(1).unwrap().to_owned();
        layer.split("<circle").nth(1).unwrap().split("fill=\"").nth(1).unwrap()[..7].to_owned()
    };
    let alone = color(&["center"]);
    assert_eq!(alone, "#D55E00");
    assert_eq!([color(&["center", "none"]), color(&["zca", "normalize", "center"])], [alone.clone(), alone]);
}

#[test]
fn galleries_show_eight_images_and_unfold_the_others() {
    let synthetic = Synthetic::new(vec![arm("center", &[&[7; 30]]), arm("none", &[&[1; 30]])]);
    write(&synthetic.findings(None)).unwrap();
    let page = synthetic.file("report.html");
    // Of errors and of disagreements, 24 images each.
    assert_eq!(page.matches("<summary>16 more images</summary>").count(), 2);
    let gallery =
        page.split("id=\"misread\"").nth(1).unwrap().split("<details class=\"more\">").next().unwrap();
    assert_eq!(gallery.matches("<li>").count(), 8);
}

#[test]
fn picture_has_the_probabilities_of_each_arm() {
    let synthetic = Synthetic::new(vec![arm("center", &[&[1], &[1]]), arm("none", &[&[7], &[1]])]);
    write(&synthetic.findings(None)).unwrap();
    let page = synthetic.file("report.html");
    let row = |arm: usize, name: &str, class: &str| {
        format!(
            "<tr data-arm=\"{arm}\"><th scope=\"row\">{name}</th><td class=\"correct\">{class}</td><td class=\"right\">90.0%</td><td class=\"right\">"
        )
    };
    // The true class is 1. One seed of two gives it 90%, the other 10%.
    assert!(page.contains(&(row(0, "center\u{a0}2/2", "1") + "90.0%</td>")), "{page}");
    assert!(page.contains(&(row(1, "none\u{a0}1/2", "1") + "50.0%</td>")), "{page}");
}

#[test]
fn page_of_many_arms_and_classes_with_evil_names_is_harmless_and_small() {
    let classes = 100;
    let predicted: Vec<usize> =
        (0..500).map(|image| if image % 5 == 0 { image % classes } else { 1 }).collect();
    let arms = (0..40).map(|number| {
        let runs = (1..=3).map(|seed| {
            let few_classes: Vec<usize> = predicted.iter().map(|class| class % 10).collect();
            let mut run = run(seed, &few_classes);
            for (prediction, &class) in run.predictions.iter_mut().zip(&predicted) {
                prediction.predicted = class;
            }
            run.result.test_images = predicted.len();
            run.result.classes = classes;
            run.result.confusion = Some(vec![vec![number + 1; classes]; classes]);
            let name = |class| match class {
                1 => "<script>alert(1)</script>".to_owned(),
                2 => "x".repeat(300),
                class => format!("class {class} & \"quoted\""),
            };
            run.result.class_names = Some((0..classes).map(name).collect());
            run
        });
        arm_with(&format!("custom-{number}"), runs.collect())
    });
    let synthetic = Synthetic::new(arms.collect());
    let samples = SampleImages { test: test_images(500), previews: Vec::new() };
    write(&synthetic.findings(Some(&samples))).unwrap();
    let page = synthetic.file("report.html");
    assert!(!page.contains("<script>alert"), "markup in a name is not escaped");
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn runs_without_predictions_are_left_out_of_the_galleries() {
    let mut without = run(2, &[7, 7, 7]);
    without.predictions.clear();
    let some = Synthetic::new(vec![arm_with("center", vec![run(1, &[1, 7, 1]), without.clone()])]);
    write(&some.findings(None)).unwrap();
    let page = some.file("report.html");
    assert!(page.contains("1 run is left out, because predictions.csv is missing."), "{page}");
    assert!(page.contains("1 test image was misclassified"), "{page}");
    let none = Synthetic::new(vec![arm_with("center", vec![without])]);
    write(&none.findings(None)).unwrap();
    let page = none.file("report.html");
    assert!(page.contains("the predictions.csv of every run is missing"), "{page}");
}

#[test]
fn curves_of_a_single_epoch_are_those_of_its_steps() {
    let epoch = |epoch| EpochMetrics {
        epoch,
        train_loss: 0.5,
        train_accuracy: 0.5,
        validation_loss: None,
        validation_accuracy: None,
        seconds: 1.0,
    };
    let point =
        |step| CurvePoint { epoch: 1, step, images: 64, loss: 0.5, accuracy: 0.5, seconds: step as f64 };
    let figures = |epochs: usize| {
        let mut run = run(1, &[1, 7]);
        run.result.epochs = (1..=epochs).map(epoch).collect();
        run.curve = [10, 20].map(point).to_vec();
        let synthetic = Synthetic::new(vec![arm_with("center", vec![run])]);
        write(&synthetic.findings(None)).unwrap();
        synthetic.names_in("figures")
    };
    assert!(figures(1).iter().all(|name| !name.starts_with("epoch-")), "{:?}", figures(1));
    assert!(figures(1).contains(&"early-loss.svg".to_owned()));
    assert!(figures(2).contains(&"epoch-loss.svg".to_owned()));
}

#[test]
fn numbers_are_aligned_right_in_every_format() {
    let synthetic = two_arms();
    write(&synthetic.findings(None)).unwrap();
    assert!(
        synthetic.file("report.html").contains("<th class=\"number-column\" scope=\"col\">test loss</th>")
    );
    assert!(synthetic.file("tables/ranking.md").contains("| --- | --- | ---: | ---: |"));
    assert!(synthetic.file("tables/ranking.tex").contains("\\begin{tabular}{llrr"));
    assert!(synthetic.file("tables/ranking.csv").starts_with("rank,scaling,test accuracy ± std,"));
}

#[test]
fn arms_of_one_scaling_differ_in_the_shape_of_their_marks() {
    let of_scaling = |name: &str, scaling: &str| {
        let mut arm = arm(name, &[&[1, 1, 7], &[1, 7, 4]]);
        arm.arm.scaling_name = scaling.into();
        arm
    };
    let synthetic = Synthetic::new(vec![
        of_scaling("center, batch size 8", "center"),
        of_scaling("center, batch size 16", "center"),
    ]);
    write(&synthetic.findings(None)).unwrap();
    let figure = synthetic.file("figures/accuracy.svg");
    let shapes = |layer: usize| {
        let layer =
            figure.split(&format!("<g data-arm=\"{layer}\">")).nth(1).unwrap().split("</g>").next().unwrap();
        ["<circle", "<polygon"].map(|shape| layer.matches(shape).count())
    };
    assert_eq!([shapes(0), shapes(1)], [[2, 0], [0, 2]]);
}
