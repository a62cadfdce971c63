//! Formats predictions as text: tables, bars and pixels.

use mnist_data::{ImageShape, input::shown};
use mnist_report::numbers::percent;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::PredictedImage;
use crate::layout::table;

impl PredictedImage {
    /// Returns the name on one line.
    fn name(&self) -> String {
        shown(&self.image).to_string()
    }

    fn class(&self) -> String {
        self.class_name.clone().unwrap_or_else(|| self.answer.class.to_string())
    }

    fn probability(&self) -> String {
        percent(self.answer.probabilities[self.answer.class])
    }
}

/// The pixels that the network received, before scaling, C×H×W. As JSON, rows of bytes, or of `[red, green, blue]`.
#[derive(Debug)]
pub struct Pixels {
    bytes: Vec<u8>,
    shape: ImageShape,
}

impl Pixels {
    pub fn new(image: &[u8], shape: ImageShape) -> Self {
        Self { bytes: image.to_vec(), shape }
    }

    /// Returns the channels of a pixel.
    fn channels(&self, y: usize, x: usize) -> impl ExactSizeIterator<Item = u8> {
        let ImageShape { channels, height, width } = self.shape;
        (0..channels).map(move |channel| self.bytes[(channel * height + y) * width + x])
    }

    /// Draws a line per row, with two characters per pixel, since characters are about twice as high as wide.
    fn draw(&self) -> String {
        const SHADES: [&str; 5] = ["  ", "░░", "▒▒", "▓▓", "██"];
        let shade = |y, x| {
            let brightness = self.channels(y, x).map(usize::from).sum::<usize>() / self.shape.channels;
            SHADES[(brightness * (SHADES.len() - 1)).div_ceil(255)]
        };
        let row = |y| format!("│{}│", (0..self.shape.width).map(|x| shade(y, x)).collect::<String>());
        (0..self.shape.height).map(row).collect::<Vec<_>>().join("\n")
    }
}

/// Makes one row at a time, since thousands of images may be printed.
impl Serialize for Pixels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = 0..self.shape.width;
        let mut rows = serializer.serialize_seq(Some(self.shape.height))?;
        for y in 0..self.shape.height {
            let colors = |x| self.channels(y, x).collect::<Vec<u8>>();
            match self.shape.channels {
                1 => rows.serialize_element(&columns.clone().flat_map(colors).collect::<Vec<u8>>())?,
                _ => rows.serialize_element(&columns.clone().map(colors).collect::<Vec<_>>())?,
            }
        }
        rows.end()
    }
}

/// Formats predictions. A single image, and images with pixels, have a bar per class; up to 20 images are in a table;
/// more have a line each.
pub fn describe(predictions: &[PredictedImage], class_names: Option<&[String]>) -> String {
    const FEW: usize = 20;
    let lines: Vec<String> = match predictions {
        [first, ..] if first.pixels.is_some() || predictions.len() == 1 => {
            return predictions
                .iter()
                .map(|image| describe_one(image, class_names))
                .collect::<Vec<_>>()
                .join("\n\n");
        }
        _ if predictions.len() <= FEW => {
            let rows = predictions.iter().map(|image| [image.name(), image.class(), image.probability()]);
            return table(["image", "class", "probability"], rows);
        }
        _ => predictions
            .iter()
            .map(|image| format!("{}\t{}\t{}", image.name(), image.class(), image.probability()))
            .collect(),
    };
    lines.join("\n")
}

fn describe_one(prediction: &PredictedImage, class_names: Option<&[String]>) -> String {
    const LONGEST_BAR: f64 = 40.0;
    let mut lines =
        vec![format!("{}: {} ({})", prediction.name(), prediction.class(), prediction.probability())];
    lines.extend(prediction.pixels.as_ref().map(Pixels::draw));
    let name = |class: usize| class_names.map_or_else(|| class.to_string(), |names| names[class].clone());
    let names: Vec<String> = (0..prediction.answer.probabilities.len()).map(name).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, &probability) in names.iter().zip(&prediction.answer.probabilities) {
        let bar = "█".repeat((probability * LONGEST_BAR).round() as usize);
        lines.push(format!("{name:>widest$} │{bar} {}", percent(probability)));
    }
    lines.join("\n")
}
