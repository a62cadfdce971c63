//! A small data set of pictures: `train/<class>/*.png`, `test/<class>/*.png`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression, Crc, write::ZlibEncoder};
use image::{GrayImage, Luma, Rgb, RgbImage};
use tempfile::{TempDir, tempdir};

use super::trainer_in;

pub const HEIGHT: u32 = 12;
pub const WIDTH: u32 = 10;

/// Classes in label order, each with its number of training and test pictures.
pub const FRUIT: [(&str, usize, usize); 3] = [("Pear", 3, 1), ("apple", 6, 2), ("fig", 2, 1)];

/// The order of the training pictures, each as label and number. The program spreads each class evenly over the
/// split: picture i of n gets position (2i + 1) / 2n. In twelfths, the apples are at 1, 3, 5, 7, 9 and 11, the pears
/// at 2, 6 and 10, and the figs at 3 and 9. Where two positions are equal, the smaller label comes first.
pub const TRAIN_ORDER: [(usize, usize); 11] =
    [(1, 0), (0, 0), (1, 1), (2, 0), (1, 2), (0, 1), (1, 3), (1, 4), (2, 1), (0, 2), (1, 5)];

/// The order of the test pictures. The apples are at positions 1/4 and 3/4, the pear and the fig at 1/2.
pub const TEST_ORDER: [(usize, usize); 4] = [(1, 0), (0, 0), (2, 0), (1, 1)];

/// Draws a picture of a class: noise, and three bright rows whose position depends on the class. Green is 30 brighter
/// than red and blue 30 brighter than green, apart from the noise.
pub fn fruit(split: &str, label: usize, number: usize) -> RgbImage {
    let seed = (label * 7 + number * 31 + split.len() * 3) as u32;
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let bright = if y / 3 == label as u32 { 130 } else { 0 };
        Rgb([0, 1, 2].map(|channel| {
            let noise = (seed * 29 + x * 17 + y * (11 + channel)) % 60;
            (noise + bright + 30 * channel) as u8
        }))
    })
}

/// Returns the red channel of [`fruit`] as a grayscale picture.
pub fn grayscale_fruit(split: &str, label: usize, number: usize) -> GrayImage {
    let colors = fruit(split, label, number);
    GrayImage::from_fn(WIDTH, HEIGHT, |x, y| Luma([colors.get_pixel(x, y)[0]]))
}

/// Lists all pictures of [`FRUIT`] as split, label, number and path.
pub fn all_fruit() -> Vec<(&'static str, usize, usize, PathBuf)> {
    let mut all = Vec::new();
    for (label, (class, train, test)) in FRUIT.into_iter().enumerate() {
        for (split, count) in [("train", train), ("test", test)] {
            let path = |number| Path::new(split).join(class).join(format!("{number}.png"));
            all.extend((0..count).map(|number| (split, label, number, path(number))));
        }
    }
    all
}

/// Creates the class folders below `folder`, and calls `save` to write each picture: split, label, number, path.
pub fn write_each(folder: &Path, save: impl Fn(&str, usize, usize, &Path)) {
    for (split, label, number, path) in all_fruit() {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        save(split, label, number, &path);
    }
}

/// Writes RGB PNG files, 12 pixels high and 10 wide, in three classes: 11 training and 4 test pictures.
pub fn write_fruit(folder: &Path) {
    write_each(folder, |split, label, number, path| fruit(split, label, number).save(path).unwrap());
}

/// Creates a folder with the pictures of [`write_fruit`] in `data`.
pub fn folder_with_fruit() -> TempDir {
    let folder = tempdir().unwrap();
    write_fruit(&folder.path().join("data"));
    folder
}

/// Builds a command that runs the program in `folder` on the pictures in `folder/data`.
pub fn trainer_on_pictures(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer_in(folder, arguments);
    command.args(["--dataset", "folder", "--data-dir", "data"]);
    command
}

/// Encodes a PNG file by hand, so that it can have a palette or a false size: header, `chunks`, compressed `rows`.
///
/// `size` is height × width. Each row starts with its filter byte.
pub fn png(size: [u32; 2], depth: u8, color: u8, chunks: &[(&[u8], &[u8])], rows: &[u8]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], data: &[u8]| {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(data);
        file.extend((data.len() as u32).to_be_bytes());
        file.extend([name, data].concat());
        file.extend(crc.sum().to_be_bytes());
    };
    let [height, width] = size.map(u32::to_be_bytes);
    chunk(b"IHDR", &[&width[..], &height, &[depth, color, 0, 0, 0]].concat());
    for (name, data) in chunks {
        chunk(name, data);
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(rows).unwrap();
    chunk(b"IDAT", &zlib.finish().unwrap());
    chunk(b"IEND", b"");
    file
}
