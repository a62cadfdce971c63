//! A picture to draw and write on.

use std::convert::Infallible;

use embedded_graphics::{
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoFont, MonoTextStyle},
    pixelcolor::{Rgb888, RgbColor},
    prelude::{Drawable, Pixel},
    primitives::Rectangle,
    text::{Alignment, Baseline, Text, TextStyleBuilder},
};
use image::{Rgb, RgbImage, imageops};
use plotters::style::RGBColor;

/// An [`RgbImage`] that `embedded-graphics` draws on. Pixels outside it are ignored.
pub struct Bitmap(RgbImage);

impl Bitmap {
    /// A white picture of this size, in pixels.
    pub fn white(width: i32, height: i32) -> Self {
        Self(RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3])))
    }

    /// The finished picture.
    pub fn into_image(self) -> RgbImage {
        self.0
    }

    /// Puts another picture's upper left corner at `[x, y]`.
    pub fn put(&mut self, picture: &RgbImage, [x, y]: [i32; 2]) {
        imageops::replace(&mut self.0, picture, x.into(), y.into());
    }

    /// Fills the rectangle from its upper left corner to its lower right one, which is outside.
    pub fn fill(&mut self, [(left, top), (right, bottom)]: [(i32, i32); 2], color: RGBColor) {
        let size = Size::new((right - left) as u32, (bottom - top) as u32);
        let color = Rgb888::new(color.0, color.1, color.2);
        let Ok(()) = self.fill_solid(&Rectangle::new(Point::new(left, top), size), color);
    }

    /// Writes a black line of text below `[x, y]`, which is its left, middle or right.
    pub fn write(&mut self, text: &str, [x, y]: [i32; 2], font: &MonoFont<'_>, alignment: Alignment) {
        let layout = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
        let style = MonoTextStyle::new(font, Rgb888::BLACK);
        // The fonts have the characters of ISO 8859-1, which lacks the real minus.
        let text = text.replace('−', "-");
        let Ok(_) = Text::with_text_style(&text, Point::new(x, y), style, layout).draw(self);
    }
}

impl OriginDimensions for Bitmap {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Bitmap {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            // As u32, a coordinate below zero is beyond every picture.
            if let Some(pixel) = self.0.get_pixel_mut_checked(x as u32, y as u32) {
                *pixel = Rgb([color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
