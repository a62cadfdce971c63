//! The brightness of the border of images. It tells bright ink on dark paper from dark ink on bright paper.

use crate::ImageShape;

/// Returns the mean of the outermost pixels of images, N×C×H×W bytes: the first and last rows and columns.
///
/// # Example
/// ```
/// use mnist_data::{ImageShape, border::border_mean};
///
/// let shape = ImageShape { channels: 1, height: 3, width: 3 };
/// assert_eq!(border_mean(&[8, 8, 8, 0, 255, 0, 8, 8, 8], shape), 6.0);
/// ```
pub fn border_mean(images: &[u8], shape: ImageShape) -> f64 {
    let (mut sum, mut count) = (0_u64, 0_u64);
    for channel in images.chunks_exact(shape.height * shape.width) {
        for (y, row) in channel.chunks_exact(shape.width).enumerate() {
            for (x, &byte) in row.iter().enumerate() {
                if y == 0 || x == 0 || y + 1 == shape.height || x + 1 == shape.width {
                    sum += u64::from(byte);
                    count += 1;
                }
            }
        }
    }
    sum as f64 / count as f64
}
