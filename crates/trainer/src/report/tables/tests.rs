//! Cells of made-up comparisons.

use super::*;
use crate::{
    comparison::{Accuracy, McNemar, RunSummary},
    run::Versions,
};

fn arm(name: &str, statuses: &[Status]) -> ScalingResult {
    let run = |(status, seed): (&Status, u64)| RunSummary {
        seed,
        run: "run".into(),
        status: *status,
        accuracy: None,
        loss: None,
        seconds: 2.0,
    };
    ScalingResult {
        name: name.into(),
        scaling: name.into(),
        learning_rate: 0.001,
        batch_size: 64,
        ranks: vec![1],
        accuracy: Accuracy { mean: Some(0.98765), std: Some(0.001), ci95: Some([0.98, 0.99]) },
        milestones: vec![
            Milestone { accuracy: 0.98, runs: 1, steps: Some(1234.0), seconds: Some(5.62) },
            Milestone { accuracy: 0.99, runs: 0, steps: None, seconds: None },
        ],
        runs: statuses.iter().zip(1..).map(run).collect(),
    }
}

fn pair(mcnemar: Option<McNemar>) -> Pair {
    Pair {
        a: "a".into(),
        b: "b".into(),
        seeds: 3,
        difference: Some(-0.00147),
        ci95: Some([-0.003, 0.0001]),
        p: Some(0.00001),
        p_holm: Some(0.0525),
        detectable: Some(0.002),
        mcnemar,
    }
}

fn comparison(scalings: Vec<ScalingResult>, pairs: Vec<Pair>) -> Comparison {
    Comparison {
        folder: "all".into(),
        scalings,
        pairs,
        verdict: String::new(),
        planned: 1,
        finished: 1,
        diverged: 0,
        test_images: 10_000,
        seconds: 1.0,
        versions: Versions::current(),
    }
}

#[test]
fn ranking_says_how_soon_accuracies_were_reached_and_by_how_many() {
    let arms = vec![arm("center", &[Status::Ok, Status::Ok, Status::Diverged])];
    let table = ranking(&comparison(arms, Vec::new()));
    assert_eq!(table.header[5..7], ["to 98% train accuracy", "to 99% train accuracy"]);
    assert_eq!(
        table.rows[0],
        [
            "1",
            "center",
            "98.77% ± 0.10%",
            "98.00% to 99.00%",
            "–",
            "1234 steps, 5.6 s (1 of 2 runs)",
            "not reached",
            "2.0 s",
            "3, 1 of them diverged"
        ]
    );
}

#[test]
fn pairs_are_in_images_with_their_sign() {
    let table = pairs(&comparison(Vec::new(), vec![pair(None)]));
    assert_eq!(table.rows[0], ["a", "b", "3", "−14.7", "−30.0 to +1.0", "< 0.0001", "0.0525", "20.0"]);
    assert_eq!(table.header.len(), table.rows[0].len());
}

#[test]
fn pairs_of_one_seed_show_mcnemars_test() {
    let test = McNemar { only_a: 12, only_b: 27, p: 0.02, p_holm: 0.04 };
    let table = pairs(&comparison(Vec::new(), vec![pair(Some(test))]));
    assert_eq!(table.rows[0], ["a", "b", "−14.7", "12", "27", "0.0200", "0.0400"]);
    assert_eq!(table.header.len(), table.rows[0].len());
}

#[test]
fn no_difference_has_no_sign() {
    assert_eq!([signed(0.0), signed(-0.04), signed(0.06)], ["0", "0", "+0.1"]);
}

#[test]
fn diverged_training_is_in_no_mean_time() {
    let mut arm = arm("center", &[Status::Ok, Status::Diverged]);
    arm.runs[1].seconds = 1000.0;
    assert_eq!(seconds(&arm), "2.0 s");
    arm.runs.remove(0);
    assert_eq!(seconds(&arm), "–");
    assert_eq!(milestone(&arm.milestones[1], &arm), "–");
}

#[test]
fn what_cannot_be_is_not_printed() {
    let mut arm = arm("center", &[Status::Ok, Status::Ok]);
    arm.accuracy.ci95 = Some([-0.2, 1.3]);
    assert_eq!(interval(&arm), "0.00% to 100.00%");
    let mut impossible = pair(None);
    impossible.detectable = Some(1.7);
    let table = pairs(&comparison(Vec::new(), vec![impossible]));
    assert_eq!(table.rows[0].last().unwrap(), "none");
}

#[test]
fn notes_on_one_seed_speak_of_models_and_those_on_several_of_seeds() {
    let test = McNemar { only_a: 12, only_b: 27, p: 0.02, p_holm: 0.04 };
    let mut single = arm("center", &[Status::Ok]);
    single.accuracy.std = None;
    let one = comparison(vec![single], vec![pair(Some(test))]);
    assert!(pairs_heading(&one).contains("these trained models") && pairs_note(&one).contains("McNemar"));
    assert!(!pairs_heading(&one).contains("seeds") && !ranking_note(&one).contains("share a rank"));
    let several = comparison(vec![arm("center", &[Status::Ok, Status::Ok])], vec![pair(None)]);
    assert!(pairs_heading(&several).contains("over training seeds, on this test set"));
    assert!(ranking_note(&several).contains("share a rank exactly if"));
}

#[test]
fn arms_with_fewer_seeds_than_others_are_pointed_out() {
    let note = |statuses: &[Status]| {
        let arms = vec![arm("center", &[Status::Ok, Status::Ok]), arm("none", statuses)];
        ranking_note(&comparison(arms, Vec::new())).contains("each scaling's own seeds")
    };
    assert!(note(&[Status::Ok, Status::Diverged]) && note(&[Status::Ok]));
    assert!(!note(&[Status::Ok, Status::Ok]));
}
