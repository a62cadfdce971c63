//! Predictions of made-up runs, compared image by image.

use mnist_report::answers::{Answers, Votes};

use crate::support::{MadeUp, arm, arm_with, diverged};

fn votes(name: &str, runs: usize, of: usize) -> (String, Votes) {
    (name.to_owned(), Votes { runs, of })
}

#[test]
fn wrong_class_of_most_runs_comes_first() {
    let made_up =
        MadeUp::new(vec![arm("center", &[&[1, 7, 1], &[1, 7, 4]]), arm("none", &[&[1, 7, 4], &[1, 2, 4]])]);
    let misclassified = Answers::of(&made_up.findings(None)).misclassified();
    let images: Vec<_> = misclassified.iter().map(|image| (image.image, image.predicted)).collect();
    assert_eq!(images.len(), 2, "image 0 is correct everywhere");
    assert!(images.contains(&(1, 7)) && images.contains(&(2, 4)), "{images:?}");
    let seven = misclassified.iter().find(|image| image.predicted == 7).unwrap();
    assert_eq!(seven.by, [votes("center", 2, 2), votes("none", 1, 2)]);
    assert!((seven.probability - 0.9).abs() < 1e-6, "the mean over the runs that predicted it");
}

#[test]
fn misclassified_images_are_sorted_by_total_probability() {
    let made_up = MadeUp::new(vec![arm("center", &[&[1, 5, 7], &[1, 1, 7]])]);
    let misclassified = Answers::of(&made_up.findings(None)).misclassified();
    let images: Vec<_> = misclassified.iter().map(|image| (image.image, image.predicted)).collect();
    assert_eq!(images, [(2, 7), (1, 5)]);
}

#[test]
fn arms_disagree_where_most_seeds_of_one_are_right_and_of_another_wrong() {
    // Image by image: all right; one seed of each arm wrong; half wrong; one arm all wrong.
    let made_up = MadeUp::new(vec![
        arm("center", &[&[1, 5, 1, 1], &[1, 1, 1, 1], &[1, 1, 5, 1]]),
        arm("none", &[&[1, 5, 5, 8], &[1, 1, 5, 8], &[1, 1, 1, 8]]),
    ]);
    let disagreements = Answers::of(&made_up.findings(None)).disagreements();
    let images: Vec<_> = disagreements.iter().map(|image| image.image).collect();
    assert_eq!(images, [3, 2], "the largest difference first");
    assert_eq!(disagreements[0].answers, [(1, vec![votes("center", 3, 3)]), (8, vec![votes("none", 3, 3)])]);
    assert_eq!(disagreements[1].answers, [(1, vec![votes("center", 2, 3)]), (5, vec![votes("none", 2, 3)])]);
}

#[test]
fn diverged_runs_predict_nothing() {
    let made_up = MadeUp::new(vec![arm("center", &[&[7]]), arm_with("none", vec![diverged(1)])]);
    let findings = made_up.findings(None);
    let answers = Answers::of(&findings);
    assert_eq!((answers.misclassified().len(), answers.disagreements().len()), (1, 0));
}

#[test]
fn arm_that_is_wrong_in_several_ways_is_listed_under_a_wrong_class() {
    let made_up = MadeUp::new(vec![arm("center", &[&[1], &[1], &[1]]), arm("none", &[&[1], &[8], &[5]])]);
    let disagreements = Answers::of(&made_up.findings(None)).disagreements();
    let answers = [(1, vec![votes("center", 3, 3)]), (5, vec![votes("none", 1, 3)])];
    assert_eq!(disagreements[0].answers, answers);
}
