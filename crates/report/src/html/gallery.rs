//! Galleries of misclassified test images.

use maud::{Markup, html};

use crate::{
    Findings, ReportError,
    answers::{Answers, Votes},
    numbers::{count, plural},
    text::shortened,
    tiles,
};

/// Maximum number of images in a gallery.
const SHOWN: usize = 24;

/// Number of images shown before the gallery is unfolded.
const UNFOLDED: usize = 8;

/// Maximum length of a class name in the description of an image.
const LONGEST_NAME: usize = 40;

/// Number of arms named beside a prediction if there are more than [`FEW`].
const NAMED: usize = 2;

/// Up to this number, all arms are named beside a prediction.
const FEW: usize = 4;

/// Shown instead of a gallery if there are no predictions.
const NO_PREDICTIONS: &str = "Not shown, because the predictions.csv of every run is missing.";

/// Shown instead of images if the data set is missing.
pub const NO_PICTURES: &str =
    "No images are shown, because the data set was missing when this report was written.";

const NO_DISAGREEMENT: &str = "No test image is classified correctly by most seeds of one scaling and misclassified by most seeds of another.";

/// The same for one seed.
const NO_DISAGREEMENT_OF_MODELS: &str =
    "No test image is classified correctly under one scaling and misclassified under another.";

/// Returns a gallery of misclassified images, the most confident errors first.
pub fn confident_errors(findings: &Findings, answers: &Answers) -> Result<Markup, ReportError> {
    if answers.is_empty() {
        return Ok(html! { p.missing { (NO_PREDICTIONS) } });
    }
    let misclassified = answers.misclassified();
    if misclassified.is_empty() {
        return Ok(html! { p { "All runs classified every test image correctly." } });
    }
    let cards = misclassified.iter().take(SHOWN).map(|wrong| {
        let [label, predicted] = [wrong.label, wrong.predicted].map(|class| findings.class(class));
        let text = html! {
            p.answer { strong { (label) } " → " strong.wrong { (predicted) } }
            p { "probability " (as_percent(wrong.probability)) }
            p { (arms(&wrong.by)) }
        };
        card(findings, answers, (wrong.image, wrong.label), &text)
    });
    let cards = cards.collect::<Result<Vec<_>, ReportError>>()?;
    Ok(html! {
        p.note {
            (plural(misclassified.len(), "test image")) " " (if misclassified.len() == 1 { "was" } else { "were" }) " misclassified by at least one run. "
            "Each card shows the true class → the predicted class, the mean probability of this prediction, and the scalings whose runs made it. The images are sorted by the total probability of the wrong class over all runs"
            @if misclassified.len() > SHOWN { "; the first " (SHOWN) " are shown" } "."
        }
        (gallery(findings, &cards))
    })
}

/// Returns a gallery of images that most seeds of one scaling classify correctly and most seeds of another
/// misclassify.
pub fn disagreements(findings: &Findings, answers: &Answers) -> Result<Markup, ReportError> {
    if answers.is_empty() {
        return Ok(html! { p.missing { (NO_PREDICTIONS) } });
    }
    let disagreements = answers.disagreements();
    let several = findings.comparison.has_several_seeds();
    if disagreements.is_empty() {
        return Ok(html! { p { (if several { NO_DISAGREEMENT } else { NO_DISAGREEMENT_OF_MODELS }) } });
    }
    let cards = disagreements.iter().take(SHOWN).map(|image| {
        let label = findings.class(image.label);
        let text = html! {
            p { "true class " strong { (label) } ", predictions:" }
            @for (answer, by) in &image.answers {
                p {
                    @if *answer == image.label { strong.correct { (findings.class(*answer)) } }
                    @else { strong.wrong { (findings.class(*answer)) } }
                    ": " (arms(by))
                }
            }
        };
        card(findings, answers, (image.image, image.label), &text)
    });
    let cards = cards.collect::<Result<Vec<_>, ReportError>>()?;
    Ok(html! {
        p.note {
            (count(disagreements.len())) " of " (count(findings.comparison.test_images)) " test images " (if disagreements.len() == 1 { "is" } else { "are" }) " classified correctly "
            @if several { "by most seeds of one scaling and misclassified by most seeds of another. Each scaling is listed under the class that most of its seeds predicted; if most seeds are wrong, it is listed under their most frequent wrong class. " }
            @else { "under one scaling and misclassified under another. " }
            @if disagreements.len() > SHOWN { "The " (SHOWN) " with the largest differences are shown." }
        }
        (gallery(findings, &cards))
    })
}

/// Returns the cards: the first few, and the others folded.
fn gallery(findings: &Findings, cards: &[Markup]) -> Markup {
    let (first, more) = cards.split_at(cards.len().min(UNFOLDED));
    let missing = findings.without_predictions();
    html! {
        @if findings.samples.is_none() { p.missing { (NO_PICTURES) } }
        @if missing > 0 {
            p.missing { (plural(missing, "run")) " " (if missing == 1 { "is" } else { "are" }) " left out, because predictions.csv is missing." }
        }
        ul.gallery { @for card in first { li { (card) } } }
        @if !more.is_empty() {
            details.more {
                summary { (plural(more.len(), "more image")) }
                ul.gallery { @for card in more { li { (card) } } }
            }
        }
    }
}

/// Returns the card of an image with its label: the image, `text`, and the probabilities of each arm.
fn card(
    findings: &Findings,
    answers: &Answers,
    (image, label): (usize, usize),
    text: &Markup,
) -> Result<Markup, ReportError> {
    let tile = findings.samples.map(|samples| tiles::data_uri(&tiles::original(&samples.test, image)?));
    let tile = tile.transpose()?;
    let (name, class) = (findings.test_image(image), findings.class(label));
    let alt = format!("{name} of class {}", shortened(&class, LONGEST_NAME));
    let label_column = format!("probability of {}", shortened(&class, LONGEST_NAME));
    Ok(html! {
        @if let Some(tile) = tile { img src=(tile) alt=(alt); }
        div.text { (text) p.number { (name) } }
        details.probabilities {
            summary aria-label={ "Probabilities for " (name) } { "Probabilities" }
            table {
                thead { tr { th scope="col" { "scaling" } th scope="col" { "prediction" } th.right scope="col" { "probability" } th.right scope="col" { (label_column) } } }
                tbody {
                    @for answer in answers.of_image(image) {
                        tr data-arm=(answer.arm) {
                            th scope="row" { (arms(&[(answer.name, answer.votes)])) }
                            td class=(if answer.predicted == label { "correct" } else { "wrong" }) { (findings.class(answer.predicted)) }
                            td.right { (as_percent(answer.probability)) }
                            td.right { (as_percent(answer.label_probability)) }
                        }
                    }
                }
            }
        }
    })
}

/// Lists arms with their votes. Names only the first few.
fn arms(arms: &[(String, Votes)]) -> String {
    let vote = |(name, Votes { runs, of }): &(String, Votes)| match of {
        1 => name.clone(),
        _ => format!("{name}\u{a0}{runs}/{of}"),
    };
    let shown = if arms.len() > FEW { NAMED } else { arms.len() };
    let mut named: Vec<String> = arms.iter().take(shown).map(vote).collect();
    if arms.len() > shown {
        named.push(format!("{} more", arms.len() - shown));
    }
    named.join("; ")
}

/// Formats a probability in percent. One that would round to 100% becomes "> 99.9%", and one that would round to 0%
/// becomes "< 0.1%".
fn as_percent(probability: f64) -> String {
    match probability {
        high if high > 0.9995 => "> 99.9%".into(),
        low if low < 0.0005 => "< 0.1%".into(),
        other => format!("{:.1}%", 100.0 * other),
    }
}
