//! The tables of synthetic comparisons.

use std::collections::BTreeSet;

use mnist_comparison::{
    Accuracy, ArmResult, Comparison, Decision, Looks, McNemar, Milestone, Pair, RunSummary,
};
use mnist_report::tables::{loss, pairs, ranking, seconds};
use mnist_training::run::{Status, Versions};

fn arm(name: &str, statuses: &[Status]) -> ArmResult {
    let run = |(status, seed): (&Status, u64)| RunSummary {
        seed,
        run: "run".into(),
        status: *status,
        accuracy: None,
        loss: None,
        seconds: 2.0,
    };
    ArmResult {
        name: name.into(),
        arm_index: 0,
        scaling: name.into(),
        learning_rate: 0.001,
        batch_size: 64,
        ranks: vec![1],
        accuracy: Accuracy {
            mean: Some(0.98765),
            std: Some(0.001),
            ci95: Some([0.98, 0.99]),
            ci95_new_images: None,
        },
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
        places: [0, 1],
        seeds: 3,
        difference: Some(-0.00147),
        ci95: Some([-0.003, 0.0001]),
        p: Some(0.00001),
        p_holm: Some(0.0525),
        decision: Decision::Undecided,
        ci95_new_images: None,
        decision_new_images: None,
        detectable: Some(0.002),
        mcnemar,
    }
}

fn comparison(scalings: Vec<ArmResult>, pairs: Vec<Pair>) -> Comparison {
    Comparison {
        folder: "all".into(),
        scalings,
        pairs,
        headline: String::new(),
        verdict: String::new(),
        margin: 20.0,
        looks: Looks::Once,
        most_seeds: None,
        planned: 1,
        finished: 1,
        diverged: 0,
        test_images: 10_000,
        seconds: 1.0,
        comparable_times: true,
        mixed_seeds: BTreeSet::new(),
        mixed_hardware: BTreeSet::new(),
        versions: Versions::current(),
    }
}

#[test]
fn ranking_shows_the_time_to_accuracy_and_how_many_runs_reached_it() {
    let arms = vec![arm("center", &[Status::Ok, Status::Ok, Status::Diverged])];
    let table = ranking(&comparison(arms, Vec::new()));
    assert_eq!(table.header[5..7], ["time to 98% training accuracy", "time to 99% training accuracy"]);
    assert_eq!(
        table.rows[0],
        [
            "1",
            "center",
            "98.77% ± 0.10%",
            "98.00% to 99.00%",
            "–",
            "1,234 steps, 5.6 s (1 of 2 runs)",
            "not reached",
            "2.0 s",
            "3 (1 diverged)"
        ]
    );
}

#[test]
fn ranking_of_one_seed_has_no_spread() {
    let table = ranking(&comparison(vec![arm("center", &[Status::Ok])], Vec::new()));
    assert!(table.header.iter().all(|name| !name.contains("std") && !name.contains("interval")));
    assert_eq!(table.header.len(), table.rows[0].len());
}

#[test]
fn differences_are_in_images_with_their_sign() {
    let table = pairs(&comparison(Vec::new(), vec![pair(None)]));
    assert_eq!(
        table.rows[0],
        ["a", "b", "3", "−14.7", "−30.0 to +1.0", "< 0.0001", "0.0525", "undecided", "20.0"]
    );
    assert_eq!(table.header.len(), table.rows[0].len());
}

#[test]
fn pairs_of_one_seed_have_the_columns_of_mcnemars_test() {
    let test = McNemar { only_a: 12, only_b: 27, p: 0.02, p_holm: 0.04 };
    let table = pairs(&comparison(Vec::new(), vec![pair(Some(test))]));
    assert_eq!(table.rows[0], ["a", "b", "−14.7", "12", "27", "0.0200", "0.0400"]);
    assert_eq!(table.header.len(), table.rows[0].len());
}

#[test]
fn pairs_without_a_seed_in_common_are_left_out() {
    let table = pairs(&comparison(Vec::new(), vec![Pair { seeds: 0, ..pair(None) }]));
    assert!(table.rows.is_empty());
}

#[test]
fn detectable_difference_beyond_the_test_set_is_greater_than_it() {
    let detectable = |fraction| {
        let pair = Pair { detectable: Some(fraction), ..pair(None) };
        pairs(&comparison(Vec::new(), vec![pair])).rows[0][8].clone()
    };
    assert_eq!([detectable(1.0), detectable(1.01)], ["10,000.0", "> 10,000"]);
}

#[test]
fn times_are_left_out_if_they_cannot_be_compared() {
    let arms = vec![arm("center", &[Status::Ok, Status::Ok])];
    let mut comparison = comparison(arms, Vec::new());
    assert!(ranking(&comparison).header.iter().any(|name| name == "training time"));
    comparison.comparable_times = false;
    let table = ranking(&comparison);
    assert!(table.header.iter().all(|name| name != "training time"));
    assert_eq!(table.rows[0][5], "1,234 steps (1 of 2 runs)");
    assert_eq!(table.header.len(), table.rows[0].len());
}

#[test]
fn pairs_show_the_decision_and_the_interval_for_new_images() {
    let decided = Pair {
        decision: Decision::B,
        ci95_new_images: Some([-0.004, 0.0011]),
        decision_new_images: Some(Decision::Undecided),
        ..pair(None)
    };
    let mut comparison = comparison(vec![arm("a", &[Status::Ok])], vec![decided]);
    comparison.scalings[0].accuracy.ci95_new_images = Some([0.97, 0.99]);
    let table = pairs(&comparison);
    assert_eq!(table.rows[0][7..10], ["b is better", "−40.0 to +11.0", "undecided"]);
    assert_eq!(table.header.len(), table.rows[0].len());
}

#[test]
fn diverged_runs_are_excluded_from_means() {
    let mut some = arm("some", &[Status::Ok, Status::Diverged]);
    some.runs[1].seconds = 100.0;
    assert_eq!(seconds(&some), "2.0 s");
    let all = ranking(&comparison(vec![arm("all", &[Status::Diverged])], Vec::new()));
    let time_to_99 = all.header.iter().position(|name| name == "time to 99% training accuracy").unwrap();
    assert_eq!(all.rows[0][time_to_99], "–");
}

#[test]
fn large_test_loss_is_short() {
    let mut arm = arm("center", &[Status::Ok, Status::Ok]);
    for (run, loss) in arm.runs.iter_mut().zip([0.0625, 0.0675]) {
        run.loss = Some(loss);
    }
    assert_eq!(loss(&arm), "0.0650");
    arm.runs[1].loss = Some(2e30);
    assert_eq!(loss(&arm), "1.0e30");
    let table = ranking(&comparison(vec![arm], Vec::new()));
    let column = table.header.iter().position(|name| name == "test loss").unwrap();
    assert_eq!(table.rows[0][column], "1.0e30");
}
