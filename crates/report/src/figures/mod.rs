//! The figures of a report, as SVG: inside the page and as files.

mod confusion;
mod curves;
mod dots;
mod grid;
mod matrix;
pub(crate) mod values;

use std::iter;

use crate::{Findings, ReportError, style};

pub use confusion::{SHOWN_CLASSES, most_confused};

/// Maximum number of arms with learning curves and a confusion matrix. More lines are hard to tell apart.
pub const SHOWN_ARMS: usize = 6;

/// A drawn figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Name of the figure's file, without extension.
    pub name: String,
    /// Description for screen readers: what the figure shows, with the main numbers.
    pub title: String,
    /// Caption for readers who see the figure.
    pub caption: String,
    /// Whether the figure is illegible if it is shrunk to the width of a phone.
    pub is_wide: bool,
    /// The index of the arm that the figure shows; `None` if it shows several.
    pub arm: Option<usize>,
    /// The SVG without background. Text and axes have the color [`style::INK`].
    svg: String,
}

impl Figure {
    /// Returns the content of an SVG file with a white background.
    pub fn standalone(&self) -> String {
        let title = maud::html! { title { (self.title) } }.into_string();
        let background = r##"<rect width="100%" height="100%" fill="#FFFFFF"/>"##;
        self.svg.replacen(">\n", &format!(">\n{title}\n{background}\n"), 1)
    }

    /// Returns an SVG element for the page, with text in the page's color.
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
    /// Test accuracy of each seed; `None` without a usable run.
    pub accuracy: Option<Figure>,
    /// Mean test accuracies in a grid of settings; `None` if no setting varies.
    pub grid: Option<Figure>,
    /// Loss and accuracy during training.
    pub learning: Vec<Figure>,
    /// Confusion matrices, the best arm first.
    pub confusion: Vec<Figure>,
    /// Histograms of pixel values, each with the name of its scaling.
    pub values: Vec<(String, Figure)>,
}

impl Figures {
    /// Draws all figures.
    pub fn draw(findings: &Findings) -> Result<Self, ReportError> {
        let shown = |name: &str| findings.comparison.scalings.iter().any(|arm| arm.scaling == name);
        let previews = findings.samples.map_or(&[][..], |samples| &samples.previews);
        let values = previews.iter().filter(|row| shown(&row.name));
        Ok(Self {
            accuracy: dots::accuracy(findings)?,
            grid: grid::heat_map(findings)?,
            learning: curves::all(findings)?,
            confusion: confusion::all(findings)?,
            values: values
                .map(|row| Ok((row.name.clone(), values::values(row)?)))
                .collect::<Result<_, ReportError>>()?,
        })
    }

    /// Returns all figures in the order of the report.
    pub fn iter(&self) -> impl Iterator<Item = &Figure> {
        let values = self.values.iter().map(|(_, figure)| figure);
        iter::empty()
            .chain(&self.accuracy)
            .chain(&self.grid)
            .chain(&self.learning)
            .chain(&self.confusion)
            .chain(values)
    }
}

/// Returns a name in a form that suits a file name: lower case, with hyphens between words.
fn slug(name: &str) -> String {
    let dashed: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    dashed.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
