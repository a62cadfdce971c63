//! The figures of a report: each an SVG, inside the page and as a file of its own.

mod canvas;
mod confusion;
mod curves;
mod dots;
mod histogram;

use std::iter;

use anyhow::Result;

use super::Findings;

pub use confusion::SHOWN_CLASSES;

/// Arms that have a colour of their own in the learning curves, and a confusion matrix.
pub const SHOWN_ARMS: usize = 6;

/// A figure, drawn.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Of its file, without extension.
    pub name: String,
    /// What it shows, for those who do not see it, too.
    pub title: String,
    /// The same where the figure is seen.
    pub caption: String,
    /// Cannot be read if it is shrunk to the width of a phone.
    pub is_wide: bool,
    /// Without background; ink is [`canvas::INK`].
    svg: String,
}

impl Figure {
    /// An SVG file: dark on white.
    pub fn standalone(&self) -> String {
        let title = maud::html! { title { (self.title) } }.into_string();
        let background = r##"<rect width="100%" height="100%" fill="#FFFFFF"/>"##;
        self.svg.replacen(">\n", &format!(">\n{title}\n{background}\n"), 1)
    }

    /// An element of a page, in the page's own ink.
    pub fn inline(&self) -> String {
        let label = maud::html! { svg role="img" aria-label=(self.title) {} }.into_string();
        let opening = label.trim_end_matches("></svg>");
        self.svg
            .replacen("<svg", opening, 1)
            .replacen(r#" xmlns="http://www.w3.org/2000/svg""#, "", 1)
            .replace(&canvas::hex(canvas::INK), "currentColor")
    }
}

/// All figures of a report.
pub struct Figures {
    /// Each seed's accuracy; none where no training came to a usable end.
    pub accuracy: Option<Figure>,
    /// Loss and accuracy during training.
    pub learning: Vec<Figure>,
    /// What was taken for what, one per arm, the best first.
    pub confusion: Vec<Figure>,
    /// How often which value occurs after a scaling, by the scaling's name.
    pub values: Vec<(String, Figure)>,
}

impl Figures {
    /// Draws them.
    pub fn draw(findings: &Findings) -> Result<Self> {
        let shown = |name: &str| findings.comparison.scalings.iter().any(|arm| arm.scaling == name);
        let previews = findings.pictures.map_or(&[][..], |pictures| &pictures.previews);
        let values = previews.iter().filter(|row| shown(&row.name));
        Ok(Self {
            accuracy: dots::accuracy(findings.comparison)?,
            learning: curves::all(findings)?,
            confusion: confusion::all(findings)?,
            values: values
                .map(|row| Ok((row.name.clone(), histogram::values(row)?)))
                .collect::<Result<_>>()?,
        })
    }

    /// All of them, in the order of the report.
    pub fn iter(&self) -> impl Iterator<Item = &Figure> {
        let values = self.values.iter().map(|(_, figure)| figure);
        iter::empty().chain(&self.accuracy).chain(&self.learning).chain(&self.confusion).chain(values)
    }
}

/// An arm's name as a part of a file's name.
fn slug(name: &str) -> String {
    let dashed: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    dashed.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
