//! Small folders of pictures: `train/<class>/*.png`, `test/<class>/*.png`.

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

/// Classes in the order of their labels, with how many pictures there are to train on and to test on.
pub const FRUIT: [(&str, usize, usize); 3] = [("Pear", 3, 1), ("apple", 6, 2), ("fig", 2, 1)];

/// The order of the train pictures, each as label and number. The program spreads each class evenly: picture i
/// of n takes its place (2i + 1) / 2n of the way through the split, so the apples are 1, 3, 5, 7, 9 and 11
/// twelfths of the way, the pears 2, 6 and 10, the figs 3 and 9.
pub const TRAIN_ORDER: [(usize, usize); 11] =
    [(1, 0), (0, 0), (1, 1), (2, 0), (1, 2), (0, 1), (1, 3), (1, 4), (2, 1), (0, 2), (1, 5)];

/// The order of the test pictures: the apples are a quarter and three quarters of the way, the others half.
pub const TEST_ORDER: [(usize, usize); 4] = [(1, 0), (0, 0), (2, 0), (1, 1)];

/// A picture of a class: noise, three bright rows whose place tells the class, and more green than red, more
/// blue than green.
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

/// The red channel of [`fruit`].
pub fn grey_fruit(split: &str, label: usize, number: usize) -> GrayImage {
    let colors = fruit(split, label, number);
    GrayImage::from_fn(WIDTH, HEIGHT, |x, y| Luma([colors.get_pixel(x, y)[0]]))
}

/// Every picture of [`FRUIT`] as split, label, number and path.
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

/// Calls `save` for every picture, to write the file.
pub fn write_each(folder: &Path, save: impl Fn(&str, usize, usize, &Path)) {
    for (split, label, number, path) in all_fruit() {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        save(split, label, number, &path);
    }
}

/// Writes coloured PNG files of 12×10 pixels in three classes: 11 to train on, 4 to test on.
pub fn write_fruit(folder: &Path) {
    write_each(folder, |split, label, number, path| fruit(split, label, number).save(path).unwrap());
}

/// A folder with the pictures of [`write_fruit`] under `data`.
pub fn folder_with_fruit() -> TempDir {
    let folder = tempdir().unwrap();
    write_fruit(&folder.path().join("data"));
    folder
}

/// The program in `folder`, on the pictures in `folder/data`.
pub fn trainer_on_pictures(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer_in(folder, arguments);
    command.args(["--dataset", "folder", "--data-dir", "data"]);
    command
}

/// A PNG file made by hand: header, chunks, compressed rows of pixels, each of which begins with its filter byte.
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
