//! Answers of made-up runs.

use super::*;
use crate::{
    comparison::tests::{compare, run},
    evaluation::Prediction,
};

/// An arm's name, and of each of its runs the answers to images of class 1.
type Arm<'a> = (&'a str, &'a [&'a [usize]]);

/// Each answer is given with a probability of 0.9.
fn runs_of(arms: &[Arm]) -> Vec<ComparedRun> {
    let prediction = |(image, &predicted): (usize, &usize)| Prediction {
        image,
        label: 1,
        predicted,
        probability: 0.9,
        label_probability: if predicted == 1 { 0.9 } else { 0.1 },
    };
    let runs = arms
        .iter()
        .flat_map(|(name, runs)| runs.iter().zip(1..).map(move |(answers, seed)| (name, answers, seed)));
    let compared = |(name, answers, seed): (&&str, &&[usize], u64)| ComparedRun {
        arm: (*name).to_owned(),
        result: run(name, seed, Some(0.9)),
        predictions: answers.iter().enumerate().map(prediction).collect(),
        curve: Vec::new(),
    };
    runs.map(compared).collect()
}

fn votes(name: &str, runs: usize, of: usize) -> (String, Votes) {
    (name.to_owned(), Votes { runs, of })
}

#[test]
fn wrong_answer_of_most_runs_comes_first() {
    let comparison = compare(&[("center", &[Some(0.9), Some(0.9)]), ("none", &[Some(0.8), Some(0.8)])]);
    let runs = runs_of(&[("center", &[&[1, 7, 1], &[1, 7, 4]]), ("none", &[&[1, 7, 4], &[1, 2, 1]])]);
    let misread = Answers::of(&comparison, &runs).misread();
    assert_eq!(
        misread.iter().map(|misread| (misread.image, misread.predicted)).collect::<Vec<_>>(),
        [(1, 7), (2, 4)]
    );
    assert_eq!(misread[0].by, [votes("center", 2, 2), votes("none", 1, 2)]);
    assert!((misread[0].probability - 0.9).abs() < 1e-6, "of those that gave this answer");
}

#[test]
fn answer_changes_where_most_seeds_of_one_arm_are_right_and_of_another_wrong() {
    let comparison = compare(&[
        ("center", &[Some(0.9), Some(0.9), Some(0.9)]),
        ("none", &[Some(0.8), Some(0.8), Some(0.8)]),
    ]);
    // All right; one seed wrong each; half wrong; all wrong.
    let runs = runs_of(&[
        ("center", &[&[1, 5, 1, 1], &[1, 1, 1, 1], &[1, 1, 5, 1]]),
        ("none", &[&[1, 5, 5, 8], &[1, 1, 5, 8], &[1, 1, 1, 8]]),
    ]);
    let changing = Answers::of(&comparison, &runs).changing();
    assert_eq!(
        changing.iter().map(|changing| changing.image).collect::<Vec<_>>(),
        [3, 2],
        "the clearest first"
    );
    assert_eq!(changing[0].answers, [(1, vec![votes("center", 3, 3)]), (8, vec![votes("none", 3, 3)])]);
    assert_eq!(changing[1].answers, [(1, vec![votes("center", 2, 3)]), (5, vec![votes("none", 2, 3)])]);
}

#[test]
fn diverged_runs_answer_nothing() {
    let comparison = compare(&[("center", &[Some(0.9)]), ("none", &[None])]);
    let mut runs = runs_of(&[("center", &[&[7]])]);
    let diverged = ComparedRun {
        arm: "none".into(),
        result: run("none", 1, None),
        predictions: Vec::new(),
        curve: Vec::new(),
    };
    runs.push(diverged);
    let answers = Answers::of(&comparison, &runs);
    assert_eq!((answers.misread().len(), answers.changing().len()), (1, 0));
}

#[test]
fn arm_that_is_wrong_in_several_ways_stands_at_a_wrong_answer() {
    let three = [Some(0.9), Some(0.9), Some(0.9)];
    let comparison = compare(&[("center", &three), ("none", &three)]);
    let runs = runs_of(&[("center", &[&[1], &[1], &[1]]), ("none", &[&[1], &[8], &[5]])]);
    let changing = Answers::of(&comparison, &runs).changing();
    let answers = [(1, vec![votes("center", 3, 3)]), (5, vec![votes("none", 1, 3)])];
    assert_eq!(changing[0].answers, answers);
}
