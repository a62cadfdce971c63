//! A data set small enough to train on in a moment, in IDX files.

use std::{fs, path::Path, process::Command};

use tempfile::{TempDir, tempdir};

use super::trainer_in;

/// The magic number of IDX files that contain images.
pub const IMAGES: u32 = 0x803;

/// The magic number of IDX files that contain labels.
pub const LABELS: u32 = 0x801;

/// The program in `folder`, on the small data set of [`write_digits`] in `folder/data`.
pub fn trainer_on_digits(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer_in(folder, arguments);
    command.args(["--dataset", "idx", "--data-dir", "data"]);
    command
}

/// A folder with the small data set under `data`.
pub fn folder_with_digits() -> TempDir {
    let folder = tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    folder
}

/// A folder with the small data set under `data` and a configuration `c.toml`.
pub fn folder_with_config(config: &str) -> TempDir {
    let folder = folder_with_digits();
    fs::write(folder.path().join("c.toml"), config).unwrap();
    folder
}

/// Writes IDX files of 12×12 pixels: 200 images to train on, 50 to test on. There are three classes, and in
/// each another row is bright.
pub fn write_digits(folder: &Path) {
    for (split, count) in [("train", 200_u32), ("t10k", 50)] {
        let labels: Vec<u8> = (0..count).map(|image| (image % 3) as u8).collect();
        let pixels: Vec<u8> = (0..count * 144)
            .map(|i| {
                let (image, position) = (i / 144, i % 144);
                let noise = (image * 31 + position * 17) % 97;
                let bright = position / 12 == 3 * u32::from(labels[image as usize]) + 1;
                (noise + if bright { 150 } else { 0 }) as u8
            })
            .collect();
        write_split(folder, split, [count, 12, 12], &pixels, &labels);
    }
}

/// Writes the images and the labels of a split, `train` or `t10k`. The size is count × height × width.
pub fn write_split(folder: &Path, split: &str, size: [u32; 3], pixels: &[u8], labels: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    let write =
        |name: &str, bytes: Vec<u8>| fs::write(folder.join(format!("{split}-{name}")), bytes).unwrap();
    write("images-idx3-ubyte", idx_bytes(IMAGES, &size, pixels));
    write("labels-idx1-ubyte", idx_bytes(LABELS, &size[..1], labels));
}

/// An IDX file: magic number, sides, values.
pub fn idx_bytes(magic: u32, sides: &[u32], values: &[u8]) -> Vec<u8> {
    let header = [magic].into_iter().chain(sides.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(values.iter().copied()).collect()
}
