//! Options that convert pictures to images of one shape.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::input::shown;

/// Longest side of a picture, in pixels: the limit of JPEG and BMP.
const MAX_SIDE: usize = 65_535;

/// Largest number of pixels in a picture (height × width).
const MAX_PIXELS: usize = 100_000_000;

/// Options that convert pictures to images of one shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PictureOptions {
    /// Size that every picture is resized to. If it is `None`, all must have the size of the first.
    pub resize: Option<Size>,
    /// Color mode that every picture is converted to. If it is `None`, all must have the color mode of the first.
    pub color_mode: Option<ColorMode>,
}

/// Height and width in pixels, written `28x28`. Neither is 0, no side is longer than 65,535, and there are at most
/// 100 million pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    height: usize,
    width: usize,
}

impl Size {
    /// Creates a size that pictures can have.
    ///
    /// # Errors
    /// When a side is 0 or the size is too large. The error is the reason in words.
    pub fn new(height: usize, width: usize) -> Result<Self, String> {
        if height == 0 || width == 0 {
            return Err(format!("{height}x{width} contains no pixels"));
        }
        if height > MAX_SIDE || width > MAX_SIDE || height * width > MAX_PIXELS {
            return Err(format!(
                "{height}x{width} is too large: the limits are 65535 pixels per side and 100 million in all"
            ));
        }
        Ok(Self { height, width })
    }

    /// Returns the number of rows.
    pub fn height(self) -> usize {
        self.height
    }

    /// Returns the number of columns.
    pub fn width(self) -> usize {
        self.width
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once(['x', '×']).map(|(height, width)| (height.parse(), width.parse()));
        match sides {
            Some((Ok(height), Ok(width))) => Self::new(height, width),
            _ => Err(format!(
                "`{}` is not a size, expected HEIGHTxWIDTH in pixels, such as 28x28",
                shown(text)
            )),
        }
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

/// Color mode of images, with Keras' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorMode {
    /// One channel.
    Grayscale,
    /// Three channels: red, green, blue.
    Rgb,
}

impl ColorMode {
    /// Returns the number of values per pixel: 1 or 3.
    pub fn channels(self) -> usize {
        match self {
            Self::Grayscale => 1,
            Self::Rgb => 3,
        }
    }
}

impl fmt::Display for ColorMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grayscale => "grayscale",
            Self::Rgb => "rgb",
        })
    }
}

impl FromStr for ColorMode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "grayscale" => Ok(Self::Grayscale),
            "rgb" => Ok(Self::Rgb),
            _ => Err(format!("unknown color mode `{}`, expected one of: grayscale, rgb", shown(name))),
        }
    }
}
