//! The figures of a report: SVG, inside the page and as files.

mod confusion;
mod curves;
mod dots;
pub(crate) mod values;

use std::iter;

use crate::{Findings, ReportError, style};

pub use confusion::SHOWN_CLASSES;

/// Number of arms with learning curves and a confusion matrix: as many as there are colours.
pub const SHOWN_ARMS: usize = 6;

/// A drawn figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The name of its file, without extension.
    pub name: String,
    /// What it shows, with the main numbers: for screen readers.
    pub title: String,
    /// What it shows, for readers who see it.
    pub caption: String,
    /// Whether it is illegible when shrunk to the width of a phone.
    pub is_wide: bool,
    /// The SVG, without a background; text and axes have the colour [`style::INK`].
    svg: String,
}

impl Figure {
    /// The content of an SVG file, dark on white.
    pub fn standalone(&self) -> String {
        let title = maud::html! { title { (self.title) } }.into_string();
        let background = r##"<rect width="100%" height="100%" fill="#FFFFFF"/>"##;
        self.svg.replacen(">\n", &format!(">\n{title}\n{background}\n"), 1)
    }

    /// An element of a page, with text in the page's own colour.
    pub fn inline(&self) -> String {
        let label = maud::html! { svg role="img" aria-label=(self.title) {} }.into_string();
        let opening = label.trim_end_matches("></svg>");
        self.svg
            .replacen("<svg", opening, 1)
            .replacen(r#" xmlns="http://www.w3.org/2000/svg""#, "", 1)
            .replace(&style::hex(style::INK), "currentColor")
    }
}

/// All figures of a report.
pub struct Figures {
    /// Accuracy of each seed; `None` without a usable run.
    pub accuracy: Option<Figure>,
    /// Loss and accuracy during training.
    pub learning: Vec<Figure>,
    /// Confusion matrices of the best arms, the best first.
    pub confusion: Vec<Figure>,
    /// Histograms of pixel values, by the name of the scaling.
    pub values: Vec<(String, Figure)>,
}

impl Figures {
    /// Draws all figures.
    pub fn draw(findings: &Findings) -> Result<Self, ReportError> {
        let shown = |name: &str| findings.comparison.scalings.iter().any(|arm| arm.scaling == name);
        let previews = findings.samples.map_or(&[][..], |samples| &samples.previews);
        let values = previews.iter().filter(|row| shown(&row.name));
        Ok(Self {
            accuracy: dots::accuracy(findings.comparison)?,
            learning: curves::all(findings)?,
            confusion: confusion::all(findings)?,
            values: values
                .map(|row| Ok((row.name.clone(), values::values(row)?)))
                .collect::<Result<_, ReportError>>()?,
        })
    }

    /// All figures, in the order of the report.
    pub fn iter(&self) -> impl Iterator<Item = &Figure> {
        let values = self.values.iter().map(|(_, figure)| figure);
        iter::empty().chain(&self.accuracy).chain(&self.learning).chain(&self.confusion).chain(values)
    }
}

/// An arm's name in a form that suits a file name.
fn slug(name: &str) -> String {
    let dashed: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    dashed.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
