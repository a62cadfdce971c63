//! What each scaling does to the same images, and to how often which value occurs.

use anyhow::Result;
use maud::{Markup, PreEscaped, html};

use super::gallery::NO_PICTURES;
use crate::report::{
    Findings,
    contact_sheet::{Row, short},
    figures::{Figure, Figures},
    numbers::with_minus,
    tiles,
};

/// A part per scaling that has a run.
pub fn section(findings: &Findings, figures: &Figures) -> Result<Markup> {
    let Some(pictures) = &findings.pictures else {
        return Ok(html! { p.missing { (NO_PICTURES) } });
    };
    let shape = pictures.test.shape();
    let part = |row: &Row, figure: &Figure| -> Result<Markup> {
        let interval = row.shown();
        let tiles = row.images.iter().map(|image| tiles::data_uri(&tiles::scaled(image, shape, interval)));
        let tiles = tiles.collect::<Result<Vec<_>>>()?;
        let description = numbers_of(row);
        Ok(html! {
            article.scaling {
                h3 { (row.name) }
                div.tiles role="img" aria-label={ "train images under " (row.name) } {
                    @for tile in &tiles { img src=(tile) alt=""; }
                }
                (PreEscaped(figure.inline()))
                p.numbers { (description) }
            }
        })
    };
    let mut parts = Vec::new();
    for (name, figure) in &figures.values {
        for row in pictures.previews.iter().filter(|row| row.name == *name) {
            parts.push(part(row, figure)?);
        }
    }
    Ok(html! {
        p.note {
            "The same train images under each scaling, black: the lowest value shown in the row, white: the highest: tiles are each stretched to their own range, so scalings that differ only in zero and unit look alike. Below, how often which value occurs in up to 10,000 train images: bars of log(1 + count), red: zero."
        }
        div.scalings { @for part in &parts { (part) } }
    })
}

/// What describes all its values.
fn numbers_of(row: &Row) -> String {
    let moments = &row.moments;
    let named =
        [("min", moments.min()), ("max", moments.max()), ("mean", moments.mean()), ("std", moments.std())];
    let named =
        named.map(|(name, value)| format!("{name} {}", with_minus(&short(value, row.histogram.interval()))));
    named.join(" · ")
}
