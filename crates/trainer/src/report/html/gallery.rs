//! Test images that say more than a number.

use anyhow::Result;
use maud::{Markup, html};

use crate::report::{
    Findings, Pictures,
    answers::{Answers, Votes},
    notes::has_several_seeds,
    numbers::{count, plural},
    tiles,
};

/// Pictures in a gallery.
const SHOWN: usize = 24;

/// Arms that are named under a picture, for each answer, if they are more than [`FEW`].
const NAMED: usize = 2;

/// So many arms are all named.
const FEW: usize = 4;

/// What stands where pictures would, if the data set is not at hand.
pub const NO_PICTURES: &str =
    "There are no pictures here: the data set was not at hand when this report was written.";

const NONE_CHANGES: &str =
    "There is no test image that most seeds of one scaling read right and most of another read wrong.";

/// The same with one seed.
const NO_MODEL_DIFFERS: &str = "There is no test image that the model trained under one scaling reads right and that under another reads wrong.";

/// Images that were taken for something else with most confidence.
pub fn misread(findings: &Findings, answers: &Answers) -> Result<Markup> {
    let misread = answers.misread();
    if misread.is_empty() {
        return Ok(html! { p { "No test image was misread." } });
    }
    let cards = misread.iter().take(SHOWN).map(|misread| {
        let [label, predicted] = [misread.label, misread.predicted].map(|class| findings.class(class));
        let alt = format!("test image {} of class {label}", misread.image);
        let says = html! {
            p.answer { strong { (label) } " → " strong.wrong { (predicted) } }
            p { (sureness(misread.probability)) " sure" }
            p { (arms(&misread.by)) }
        };
        card(findings.pictures, misread.image, &alt, &says)
    });
    let cards = cards.collect::<Result<Vec<_>>>()?;
    Ok(html! {
        p.note {
            "True class → what it was read as, the mean probability that the runs gave this wrong answer, and which runs they were. First come those that most probability went to over all runs. "
            (plural(misread.len(), "test image")) " had a wrong answer from some run; "
            @if misread.len() > SHOWN { "here are " (SHOWN) "." } @else { "here they are." }
        }
        (gallery(findings, &cards))
    })
}

/// Images that most seeds under one scaling read right and most under another read wrong.
pub fn changing(findings: &Findings, answers: &Answers) -> Result<Markup> {
    let changing = answers.changing();
    let several = has_several_seeds(findings.comparison);
    if changing.is_empty() {
        return Ok(html! { p { (if several { NONE_CHANGES } else { NO_MODEL_DIFFERS }) } });
    }
    let cards = changing.iter().take(SHOWN).map(|changing| {
        let label = findings.class(changing.label);
        let alt = format!("test image {} of class {label}", changing.image);
        let says = html! {
            p { "true class " strong { (label) } ", read as" }
            @for (answer, by) in &changing.answers {
                p {
                    @if *answer == changing.label { strong.right { (findings.class(*answer)) } }
                    @else { strong.wrong { (findings.class(*answer)) } }
                    ": " (arms(by))
                }
            }
        };
        card(findings.pictures, changing.image, &alt, &says)
    });
    let cards = cards.collect::<Result<Vec<_>>>()?;
    Ok(html! {
        p.note {
            @if several { "Most seeds of one scaling read these right and most of another read them wrong: " }
            @else { "The model trained under one scaling reads these right and that under another reads them wrong: " }
            (count(changing.len())) " of " (count(findings.comparison.test_images)) " test images. "
            @if several { "Each scaling stands at the answer of most of its seeds, or at its most frequent wrong one, with how many gave it. " }
            @if changing.len() > SHOWN { "The " (SHOWN) " that they differ most about:" }
        }
        (gallery(findings, &cards))
    })
}

fn gallery(findings: &Findings, cards: &[Markup]) -> Markup {
    html! {
        @if findings.pictures.is_none() { p.missing { (NO_PICTURES) } }
        ul.gallery { @for card in cards { li { (card) } } }
    }
}

fn card(pictures: Option<&Pictures>, image: usize, alt: &str, says: &Markup) -> Result<Markup> {
    let tile =
        pictures.map(|pictures| tiles::data_uri(&tiles::original(pictures.test, image)?)).transpose()?;
    Ok(html! {
        @if let Some(tile) = tile { img src=(tile) alt=(alt); }
        div.says { (says) p.number { "test image " (image) } }
    })
}

/// Arms with their votes, not too many.
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

/// A probability in percent; one that is rounded up to certainty is not certain.
fn sureness(probability: f64) -> String {
    if probability > 0.9995 { "> 99.9%".into() } else { format!("{:.1}%", 100.0 * probability) }
}
