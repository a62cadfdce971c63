//! Comparing the predictions of synthetic runs image by image.

use mnist_report::answers::{Answers, Votes};

use crate::support::{Synthetic, arm, arm_with, diverged};

fn votes(name: &str, runs: usize, of: usize) -> (String, Votes) {
    (name.to_owned(), Votes { runs, of })
}

#[test]
fn most_probable_wrong_class_is_reported() {
    let synthetic = Synthetic::new(vec![
        arm("center", &[&[1, 7, 1], &[1, 7, 4]]),
        arm("none", &[&[1, 7, 4], &[1, 2, 4]]),
    ]);
    let misclassified = Answers::of(&synthetic.findings(None)).misclassified();
    let images: Vec<_> = misclassified.iter().map(|image| (image.image, image.predicted)).collect();
    assert_eq!(images.len(), 2, "all runs classify image 0 correctly");
    assert!(images.contains(&(1, 7)) && images.contains(&(2, 4)), "{images:?}");
    let seven = misclassified.iter().find(|image| image.predicted == 7).unwrap();
    assert_eq!(seven.by, [votes("center", 2, 2), votes("none", 1, 2)]);
    assert!((seven.probability - 0.9).abs() < 1e-6, "the mean is over the runs that predicted the class");
}

#[test]
fn misclassified_images_are_sorted_by_total_probability() {
    let synthetic = Synthetic::new(vec![arm("center", &[&[1, 5, 7], &[1, 1, 7]])]);
    let misclassified = Answers::of(&synthetic.findings(None)).misclassified();
    let images: Vec<_> = misclassified.iter().map(|image| (image.image, image.predicted)).collect();
    assert_eq!(images, [(2, 7), (1, 5)]);
}

#[test]
fn arms_disagree_if_most_seeds_of_one_are_correct_and_of_another_wrong() {
    // Image 0: all correct. Image 1: one seed of each arm wrong. Image 2: one and two seeds wrong. Image 3: all seeds
    // of one arm wrong.
    let synthetic = Synthetic::new(vec![
        arm("center", &[&[1, 5, 1, 1], &[1, 1, 1, 1], &[1, 1, 5, 1]]),
        arm("none", &[&[1, 5, 5, 8], &[1, 1, 5, 8], &[1, 1, 1, 8]]),
    ]);
    let disagreements = Answers::of(&synthetic.findings(None)).disagreements();
    let images: Vec<_> = disagreements.iter().map(|image| image.image).collect();
    assert_eq!(images, [3, 2], "the largest difference comes first");
    assert_eq!(disagreements[0].answers, [(1, vec![votes("center", 3, 3)]), (8, vec![votes("none", 3, 3)])]);
    assert_eq!(disagreements[1].answers, [(1, vec![votes("center", 2, 3)]), (5, vec![votes("none", 2, 3)])]);
}

#[test]
fn diverged_runs_are_ignored() {
    let synthetic = Synthetic::new(vec![arm("center", &[&[7]]), arm_with("none", vec![diverged(1)])]);
    let findings = synthetic.findings(None);
    let answers = Answers::of(&findings);
    assert_eq!((answers.misclassified().len(), answers.disagreements().len()), (1, 0));
}

#[test]
fn arm_with_several_wrong_classes_is_listed_under_one_of_them() {
    let synthetic =
        Synthetic::new(vec![arm("center", &[&[1], &[1], &[1]]), arm("none", &[&[1], &[8], &[5]])]);
    let disagreements = Answers::of(&synthetic.findings(None)).disagreements();
    let answers = [(1, vec![votes("center", 3, 3)]), (5, vec![votes("none", 1, 3)])];
    assert_eq!(disagreements[0].answers, answers);
}
