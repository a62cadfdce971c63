//! Detects JPEG files that the `image` crate decodes wrongly: truncated files and CMYK files.

use super::Size;

/// Checks that a JPEG file of a picture of `size` is not truncated (the decoder fills missing pixels with gray) and does
/// not have four color channels (the decoder converts CMYK only roughly). The error is the reason in words.
///
/// Format: ITU-T T.81, annex B. A marker is 0xFF and a code. Most markers are followed by the length of their segment,
/// a big-endian `u16` that includes its own two bytes.
pub(super) fn check(jpeg: &[u8], size: Size) -> Result<(), &'static str> {
    const CUT_OFF: &str = "the file ends before its end-of-image marker";
    // Each block of 8×8 pixels takes at least one bit: the shortest code of its mean.
    let blocks = size.height().div_ceil(8) * size.width().div_ceil(8);
    if jpeg.len() < blocks / 8 {
        return Err("the file is too short for the size in its header");
    }
    let mut rest = jpeg.get(2..).ok_or(CUT_OFF)?;
    loop {
        // The search also skips compressed pixels: in them, 0xFF is followed by 0 or the code of a restart marker.
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 1 | 0xff | 0xd0..=0xd7);
        let marker = rest.windows(2).position(is_marker).ok_or(CUT_OFF)?;
        let code = rest[marker + 1];
        if code == 0xd9 {
            return Ok(());
        }
        rest = &rest[marker + 2..];
        let length = rest.first_chunk().ok_or(CUT_OFF)?;
        // A frame header: length (2 bytes), precision (1), height (2), width (2), number of channels (1).
        if matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc) && rest.get(7) == Some(&4) {
            return Err("the file has four color channels (CMYK); save it as RGB");
        }
        rest = rest.get(usize::from(u16::from_be_bytes(*length))..).ok_or(CUT_OFF)?;
    }
}
