//! A figure as SVG: layers that can be hidden, and marks with tooltips.

use maud::html;
use plotters::prelude::{IntoDrawingArea, SVGBackend};

use crate::{
    ReportError,
    style::{Area, Drawn},
};

/// An SVG in layers. Each arm has its own, so that the page can hide it.
#[derive(Debug)]
pub struct Drawing {
    size: (u32, u32),
    layers: Vec<String>,
    marks: Vec<String>,
}

/// An invisible shape above a point or a cell. Browsers show its text when the mouse is over it; the page's script also
/// when the keyboard reaches it.
#[derive(Debug, Clone)]
pub struct Mark {
    /// The pixels that it covers.
    pub place: Place,
    /// The numbers at this place.
    pub text: String,
}

/// The pixels that a mark covers.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// A point.
    Point((i32, i32)),
    /// A rectangle: its upper left and its lower right corner.
    Cell([(i32, i32); 2]),
}

/// Radius of the mark of a point.
const REACH: i32 = 7;

impl Drawing {
    /// Creates an empty drawing of this width and height.
    pub fn new(size: (u32, u32)) -> Self {
        Self { size, layers: Vec::new(), marks: Vec::new() }
    }

    /// Draws a layer above the others. It belongs to the arm with this index, or to all.
    pub fn layer(
        &mut self,
        arm: Option<usize>,
        draw: impl FnOnce(&Area) -> Drawn,
    ) -> Result<(), ReportError> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, self.size).into_drawing_area();
        let drawn = draw(&area).and_then(|()| Ok(area.present()?));
        drop(area);
        drawn.map_err(ReportError::draw("a figure"))?;
        let inner = svg.split_once(">\n").map_or("", |(_, rest)| rest).trim_end().trim_end_matches("</svg>");
        self.layers.push(match arm {
            Some(arm) => format!("<g data-arm=\"{arm}\">\n{inner}</g>\n"),
            None => inner.to_owned(),
        });
        Ok(())
    }

    /// Adds marks above all layers. They belong to the arm with this index, or to all.
    pub fn marks(&mut self, arm: Option<usize>, marks: &[Mark]) {
        let group = html! {
            g.marks data-arm=[arm] fill="none" pointer-events="all" {
                @for Mark { place, text } in marks {
                    @match *place {
                        Place::Point((x, y)) => { circle cx=(x) cy=(y) r=(REACH) { title { (text) } } }
                        Place::Cell([(left, top), (right, bottom)]) => {
                            rect x=(left) y=(top) width=(right - left) height=(bottom - top) { title { (text) } }
                        }
                    }
                }
            }
        };
        if !marks.is_empty() {
            self.marks.push(group.into_string() + "\n");
        }
    }

    /// Returns the SVG.
    pub fn finish(self) -> String {
        let (width, height) = self.size;
        format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n{}{}</svg>\n",
            self.layers.concat(),
            self.marks.concat()
        )
    }
}
