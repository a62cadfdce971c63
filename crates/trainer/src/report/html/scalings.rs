//! What each scaling does to the same images, and to how often which value occurs.

use anyhow::Result;
use maud::{Markup, PreEscaped, html};

use super::gallery::NO_PICTURES;
use crate::report::{
    Findings,
    contact_sheet::Row,
    figures::{Figure, Figures},
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
        let description = row.description().join(" ");
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
            "The same train images under each scaling, black: the lowest value shown in the row, white: the highest. Below, how often which value occurs in up to 10,000 train images: bars of log(1 + count), red: zero. Scalings that differ only in where zero lies and in their unit look alike here."
        }
        div.scalings { @for part in &parts { (part) } }
    })
}
