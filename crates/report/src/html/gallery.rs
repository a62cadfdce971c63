//! Galleries of test images that models got wrong.

use maud::{Markup, html};

use crate::{
    Findings, ReportError, SampleImages,
    answers::{Answers, Votes},
    numbers::{count, plural},
    tiles,
};

/// Images in a gallery.
const SHOWN: usize = 24;

/// Arms that are named beside each prediction where there are more than [`FEW`].
const NAMED: usize = 2;

/// Up to this many arms are all named.
const FEW: usize = 4;

/// Shown in place of pictures where the data set is missing.
pub const NO_PICTURES: &str =
    "There are no pictures here: the data set was missing when this report was written.";

const NONE_CHANGES: &str =
    "No test image is classified correctly by most seeds of one scaling and wrongly by most of another.";

/// The same for one seed.
const NO_MODEL_DIFFERS: &str =
    "No test image is classified correctly under one scaling and wrongly under another.";

/// Wrongly classified images, the most confident errors first.
pub fn confident_errors(findings: &Findings, answers: &Answers) -> Result<Markup, ReportError> {
    let misclassified = answers.misclassified();
    if misclassified.is_empty() {
        return Ok(html! { p { "Every test image was classified correctly." } });
    }
    let cards = misclassified.iter().take(SHOWN).map(|wrong| {
        let [label, predicted] = [wrong.label, wrong.predicted].map(|class| findings.class(class));
        let alt = format!("test image {} of class {label}", wrong.image);
        let says = html! {
            p.answer { strong { (label) } " → " strong.wrong { (predicted) } }
            p { "probability " (as_percent(wrong.probability)) }
            p { (arms(&wrong.by)) }
        };
        card(findings.samples, wrong.image, &alt, &says)
    });
    let cards = cards.collect::<Result<Vec<_>, ReportError>>()?;
    Ok(html! {
        p.note {
            "Each card shows the true class → the predicted class, the mean probability of that prediction, and the runs that made it. Sorted by the total probability of the wrong class over all runs. "
            (plural(misclassified.len(), "test image")) " " (if misclassified.len() == 1 { "was" } else { "were" }) " classified wrongly by at least one run"
            @if misclassified.len() > SHOWN { "; the first " (SHOWN) " are shown" } "."
        }
        (gallery(findings, &cards))
    })
}

/// Images that most seeds of one scaling classify correctly and most of another wrongly.
pub fn disagreements(findings: &Findings, answers: &Answers) -> Result<Markup, ReportError> {
    let disagreements = answers.disagreements();
    let several = findings.comparison.has_several_seeds();
    if disagreements.is_empty() {
        return Ok(html! { p { (if several { NONE_CHANGES } else { NO_MODEL_DIFFERS }) } });
    }
    let cards = disagreements.iter().take(SHOWN).map(|image| {
        let label = findings.class(image.label);
        let alt = format!("test image {} of class {label}", image.image);
        let says = html! {
            p { "true class " strong { (label) } ", predicted" }
            @for (answer, by) in &image.answers {
                p {
                    @if *answer == image.label { strong.right { (findings.class(*answer)) } }
                    @else { strong.wrong { (findings.class(*answer)) } }
                    ": " (arms(by))
                }
            }
        };
        card(findings.samples, image.image, &alt, &says)
    });
    let cards = cards.collect::<Result<Vec<_>, ReportError>>()?;
    Ok(html! {
        p.note {
            (count(disagreements.len())) " of " (count(findings.comparison.test_images)) " test images " (if disagreements.len() == 1 { "is" } else { "are" }) " classified correctly "
            @if several { "by most seeds of one scaling and wrongly by most of another. Each scaling is listed under its seeds' majority answer; where most are wrong, under the most frequent wrong one. " }
            @else { "under one scaling and wrongly under another. " }
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
    says: &Markup,
) -> Result<Markup, ReportError> {
    let tile = samples.map(|samples| tiles::data_uri(&tiles::original(&samples.test, image)?)).transpose()?;
    Ok(html! {
        @if let Some(tile) = tile { img src=(tile) alt=(alt); }
        div.says { (says) p.number { "test image " (image) } }
    })
}

/// Arms with their votes, the first few by name.
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

/// A probability in percent; one that would round up to 100% is shown as more than 99.9%.
fn as_percent(probability: f64) -> String {
    if probability > 0.9995 { "> 99.9%".into() } else { format!("{:.1}%", 100.0 * probability) }
}
