//! Formats predictions as text: tables, bars and pixels.

use mnist_data::ImageShape;
use mnist_report::numbers::percent;
use serde::Serialize;

use super::PredictedImage;
use crate::layout::table;

impl PredictedImage {
    fn class(&self) -> String {
        self.class_name.clone().unwrap_or_else(|| self.answer.class.to_string())
    }

    fn probability(&self) -> String {
        percent(self.answer.probabilities[self.answer.class])
    }
}

/// The pixels that the network received, before scaling: rows of bytes, or of `[red, green, blue]`.
#[derive(Debug, Serialize)]
pub struct Pixels(Vec<Vec<Dot>>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Dot {
    Gray(u8),
    Colors(Vec<u8>),
}

impl Pixels {
    /// Converts an image, C×H×W.
    pub fn new(image: &[u8], shape: ImageShape) -> Self {
        let ImageShape { channels, height, width } = shape;
        let dot = |position: usize| match channels {
            1 => Dot::Gray(image[position]),
            _ => {
                Dot::Colors((0..channels).map(|channel| image[channel * height * width + position]).collect())
            }
        };
        Self((0..height).map(|y| (0..width).map(|x| dot(y * width + x)).collect()).collect())
    }

    /// Draws a line per row, with two characters per pixel, since characters are about twice as high as wide.
    fn draw(&self) -> String {
        const SHADES: [&str; 5] = ["  ", "░░", "▒▒", "▓▓", "██"];
        let shade = |dot: &Dot| {
            let brightness = match dot {
                Dot::Gray(byte) => usize::from(*byte),
                Dot::Colors(bytes) => bytes.iter().copied().map(usize::from).sum::<usize>() / bytes.len(),
            };
            SHADES[(brightness * (SHADES.len() - 1)).div_ceil(255)]
        };
        let lines: Vec<String> =
            self.0.iter().map(|row| format!("│{}│", row.iter().map(shade).collect::<String>())).collect();
        lines.join("\n")
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
            let rows =
                predictions.iter().map(|image| [image.image.clone(), image.class(), image.probability()]);
            return table(["image", "class", "probability"], rows);
        }
        _ => predictions
            .iter()
            .map(|image| format!("{}\t{}\t{}", image.image, image.class(), image.probability()))
            .collect(),
    };
    lines.join("\n")
}

fn describe_one(prediction: &PredictedImage, class_names: Option<&[String]>) -> String {
    const LONGEST_BAR: f64 = 40.0;
    let mut lines =
        vec![format!("{}: {} ({})", prediction.image, prediction.class(), prediction.probability())];
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
