//! The small data set: IDX files so small that training takes only a moment.

use std::{fs, path::Path, process::Command};

use tempfile::{TempDir, tempdir};

use super::trainer_in;

/// The magic number of an IDX file of images.
pub const IMAGES: u32 = 0x803;

/// The magic number of an IDX file of labels.
pub const LABELS: u32 = 0x801;

/// Builds a command that runs the program in `folder` on the small data set in `folder/data`.
pub fn trainer_on_digits(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer_in(folder, arguments);
    command.args(["--dataset", "idx", "--data-dir", "data"]);
    command
}

/// Creates a folder with the small data set in `data`.
pub fn folder_with_digits() -> TempDir {
    let folder = tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    folder
}

/// Creates a folder with the small data set in `data` and a configuration file `c.toml`.
pub fn folder_with_config(config: &str) -> TempDir {
    let folder = folder_with_digits();
    fs::write(folder.path().join("c.toml"), config).unwrap();
    folder
}

/// Writes the small data set: 200 training and 50 test images of 12×12 pixels in three classes. The class decides
/// which row of an image is bright: 1, 4 or 7.
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

/// Writes the images and labels of a split, `train` or `t10k`. `size` is count × height × width.
pub fn write_split(folder: &Path, split: &str, size: [u32; 3], pixels: &[u8], labels: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    let write =
        |name: &str, bytes: Vec<u8>| fs::write(folder.join(format!("{split}-{name}")), bytes).unwrap();
    write("images-idx3-ubyte", idx_bytes(IMAGES, &size, pixels));
    write("labels-idx1-ubyte", idx_bytes(LABELS, &size[..1], labels));
}

/// Encodes an IDX file: magic number, dimensions, values.
pub fn idx_bytes(magic: u32, dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let header = [magic].into_iter().chain(dimensions.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(values.iter().copied()).collect()
}
