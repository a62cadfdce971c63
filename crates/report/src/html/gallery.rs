//! Galleries of misclassified test images.

use maud::{Markup, html};

use crate::{
    Findings, ReportError, SampleImages,
    answers::{Answers, Votes},
    numbers::{count, plural},
    tiles,
};

/// Maximum number of images in a gallery.
const SHOWN: usize = 24;

/// Number of arms named beside a prediction if there are more than [`FEW`].
const NAMED: usize = 2;

/// Up to this number, all arms are named beside a prediction.
const FEW: usize = 4;

/// Shown instead of images if the data set is missing.
pub const NO_PICTURES: &str =
    "No images are shown, because the data set was missing when this report was written.";

const NO_DISAGREEMENT: &str = "No test image is classified correctly by most seeds of one scaling and misclassified by most seeds of another.";

/// The same for one seed.
const NO_DISAGREEMENT_OF_MODELS: &str =
    "No test image is classified correctly under one scaling and misclassified under another.";

/// Returns a gallery of misclassified images, the most confident errors first.
pub fn confident_errors(findings: &Findings, answers: &Answers) -> Result<Markup, ReportError> {
    let misclassified = answers.misclassified();
    if misclassified.is_empty() {
        return Ok(html! { p { "All runs classified every test image correctly." } });
    }
    let cards = misclassified.iter().take(SHOWN).map(|wrong| {
        let [label, predicted] = [wrong.label, wrong.predicted].map(|class| findings.class(class));
        let alt = format!("test image {} of class {label}", wrong.image);
        let text = html! {
            p.answer { strong { (label) } " → " strong.wrong { (predicted) } }
            p { "probability " (as_percent(wrong.probability)) }
            p { (arms(&wrong.by)) }
        };
        card(findings.samples, wrong.image, &alt, &text)
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
    let disagreements = answers.disagreements();
    let several = findings.comparison.has_several_seeds();
    if disagreements.is_empty() {
        return Ok(html! { p { (if several { NO_DISAGREEMENT } else { NO_DISAGREEMENT_OF_MODELS }) } });
    }
    let cards = disagreements.iter().take(SHOWN).map(|image| {
        let label = findings.class(image.label);
        let alt = format!("test image {} of class {label}", image.image);
        let text = html! {
            p { "true class " strong { (label) } ", predictions:" }
            @for (answer, by) in &image.answers {
                p {
                    @if *answer == image.label { strong.right { (findings.class(*answer)) } }
                    @else { strong.wrong { (findings.class(*answer)) } }
                    ": " (arms(by))
                }
            }
        };
        card(findings.samples, image.image, &alt, &text)
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

fn gallery(findings: &Findings, cards: &[Markup]) -> Markup {
    html! {
        @if findings.samples.is_none() { p.missing { (NO_PICTURES) } }
        ul.gallery { @for card in cards { li { (card) } } }
    }
}

fn card(
    samples: Option<&SampleImages>,
    image: usize,
    alt: &str,
    text: &Markup,
) -> Result<Markup, ReportError> {
    let tile = samples.map(|samples| tiles::data_uri(&tiles::original(&samples.test, image)?)).transpose()?;
    Ok(html! {
        @if let Some(tile) = tile { img src=(tile) alt=(alt); }
        div.text { (text) p.number { "test image " (image) } }
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

/// Formats a probability in percent. One that would round to 100% becomes "> 99.9%".
fn as_percent(probability: f64) -> String {
    if probability > 0.9995 { "> 99.9%".into() } else { format!("{:.1}%", 100.0 * probability) }
}
