//! Tests of the data crate through its public interface.

mod augmentation;
mod batcher;
mod idx;
mod known;
mod memory;
mod mutations;
mod network;
#[cfg(unix)]
mod npm;
mod pictures;
mod preparation;
mod scaling;
mod server;
mod source;
mod statistics;

use std::{borrow::Cow, ops::ControlFlow, path::Path, sync::OnceLock};

use burn::data::dataset::Dataset;
use mnist_data::{DatasetKind, ImageShape, Images, Progress, Source, Splits};

/// Returns the real MNIST: from `MNIST_DATA_DIR`, or else from the user's cache or a download.
fn mnist() -> &'static Splits {
    static MNIST: OnceLock<Splits> = OnceLock::new();
    MNIST.get_or_init(|| {
        let folder = std::env::var_os("MNIST_DATA_DIR").map(Into::into);
        let source = Source::new(DatasetKind::Mnist, folder);
        source.fetch(&mut *go_on()).unwrap().into_splits().unwrap()
    })
}

/// Returns a progress callback that never stops the operation.
fn go_on() -> Box<Progress<'static>> {
    Box::new(|_, _, _| ControlFlow::Continue(()))
}

/// Returns the bytes of an IDX file: magic number, dimensions, values.
fn idx_bytes(magic: u32, dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let header = [magic].into_iter().chain(dimensions.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(values.iter().copied()).collect()
}

/// Writes a small data set of 4×5 pixels: 3 training images of the classes 0, 2 and 1, and 2 test images.
fn write_idx_folder(folder: &Path) {
    let pixels = |count: u32| (0..count * 20).map(|i| (i * 7 % 256) as u8).collect::<Vec<u8>>();
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", idx_bytes(0x803, &[3, 4, 5], &pixels(3)));
    write("train-labels-idx1-ubyte", idx_bytes(0x801, &[3], &[0, 2, 1]));
    write("t10k-images-idx3-ubyte", idx_bytes(0x803, &[2, 4, 5], &pixels(2)));
    write("t10k-labels-idx1-ubyte", idx_bytes(0x801, &[2], &[1, 2]));
}

/// Returns the pixels of all images, N×C×H×W.
fn all_pixels(images: &Images) -> Cow<'_, [u8]> {
    images.pixels(0..images.len()).unwrap()
}

/// Creates images with one channel, all of class 0.
fn images(height: usize, width: usize, pixels: Vec<u8>) -> Images {
    let shape = ImageShape { channels: 1, height, width };
    let labels = vec![0; pixels.len() / shape.pixels()];
    Images::new(shape, pixels, labels)
}
