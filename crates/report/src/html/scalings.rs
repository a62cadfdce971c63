//! The same training images under each scaling, with a histogram of the pixel values.

use maud::{Markup, PreEscaped, html};

use super::gallery::NO_PICTURES;
use crate::{
    Findings, ReportError,
    figures::{Figure, Figures},
    numbers::short,
    previews::Preview,
    tiles,
};

/// Returns an article for each scaling with a run.
pub fn section(findings: &Findings, figures: &Figures) -> Result<Markup, ReportError> {
    let Some(samples) = &findings.samples else {
        return Ok(html! { p.missing { (NO_PICTURES) } });
    };
    let shape = samples.test.shape();
    let part = |row: &Preview, figure: &Figure| -> Result<Markup, ReportError> {
        let interval = row.shown();
        let tiles = row.images.iter().map(|image| tiles::data_uri(&tiles::tile(image, shape, interval)?));
        let tiles = tiles.collect::<Result<Vec<_>, ReportError>>()?;
        let description = numbers_of(row);
        Ok(html! {
            article.scaling data-arm=[only_arm(findings, &row.name)] {
                h3 { (row.name) }
                div.tiles role="img" aria-label={ "training images under " (row.name) } {
                    @for tile in &tiles { img src=(tile) alt=""; }
                }
                (PreEscaped(figure.inline()))
                p.numbers { (description) }
            }
        })
    };
    let mut parts = Vec::new();
    for (name, figure) in &figures.values {
        for row in samples.previews.iter().filter(|row| row.name == *name) {
            parts.push(part(row, figure)?);
        }
    }
    Ok(html! {
        p.note {
            "The same training images under each scaling. Black is the lowest value under a scaling, white the highest. So scalings that only shift or stretch the values look the same. Each histogram counts pixel values in up to 10,000 training images (log scale). Red marks zero."
        }
        div.scalings { @for part in &parts { (part) } }
    })
}

/// Returns the index of the arm with this scaling; `None` if there are several.
fn only_arm(findings: &Findings, scaling: &str) -> Option<usize> {
    let mut arms = findings.comparison.scalings.iter().filter(|arm| arm.scaling == scaling);
    arms.next().filter(|_| arms.next().is_none()).map(|arm| arm.arm_index)
}

/// Returns the statistics of the pixel values of all counted images.
fn numbers_of(row: &Preview) -> String {
    let moments = &row.moments;
    let named =
        [("min", moments.min()), ("max", moments.max()), ("mean", moments.mean()), ("std", moments.std())];
    let named = named.map(|(name, value)| format!("{name} {}", short(value, row.histogram.interval())));
    named.join(" · ")
}
