//! An image to draw and write on.

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

/// An [`RgbImage`] as a target of `embedded-graphics`. Pixels outside the image are ignored.
pub struct Bitmap(RgbImage);

impl Bitmap {
    /// Creates a white image of this size in pixels.
    pub fn white(width: i32, height: i32) -> Self {
        Self(RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3])))
    }

    /// Returns the finished image.
    pub fn into_image(self) -> RgbImage {
        self.0
    }

    /// Copies an image to this position of its upper left corner.
    pub fn put(&mut self, image: &RgbImage, [x, y]: [i32; 2]) {
        imageops::replace(&mut self.0, image, x.into(), y.into());
    }

    /// Fills a rectangle from its upper left corner (inclusive) to its lower right corner (exclusive).
    pub fn fill(&mut self, [(left, top), (right, bottom)]: [(i32, i32); 2], color: RGBColor) {
        let size = Size::new((right - left) as u32, (bottom - top) as u32);
        let color = Rgb888::new(color.0, color.1, color.2);
        let Ok(()) = self.fill_solid(&Rectangle::new(Point::new(left, top), size), color);
    }

    /// Writes a black line of text. `[x, y]` is at the top of the line; `alignment` says whether x is its left end,
    /// middle or right end.
    pub fn write(&mut self, text: &str, [x, y]: [i32; 2], font: &MonoFont<'_>, alignment: Alignment) {
        let layout = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
        let style = MonoTextStyle::new(font, Rgb888::BLACK);
        // The fonts contain the characters of ISO 8859-1, which has no real minus sign and no ellipsis.
        let text = text.replace('−', "-").replace('…', "..");
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
            // As u32, a negative coordinate is larger than every image.
            if let Some(pixel) = self.0.get_pixel_mut_checked(x as u32, y as u32) {
                *pixel = Rgb([color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
