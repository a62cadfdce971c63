//! The memory that files from outside take, beyond what an honest file needs.
//!
//! These tests measure the whole process, so they run one after the other, and without other tests. They need Linux:
//! `cargo test --release -p mnist-data memory -- --ignored --nocapture`.

use std::{
    fs, io,
    io::Read,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    tensor::Device,
};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use image::{GrayImage, Luma};
use mnist_data::{
    Augmentation, DatasetKind, Fit, PictureReader, Scaling, ScalingBatcher, Source,
    idx::{Idx, IdxKind},
    preparation::PREPARED,
};
use tempfile::tempdir;

use crate::{go_on, idx_bytes, pictures};

/// Memory that a reader may use beyond what the file honestly needs, in MiB.
const MOST: u64 = 256;

/// Waits until no other of these tests runs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resets the peak of this process' memory, and returns the memory in use, in KiB. `None` outside Linux.
pub fn reset_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    in_kib("VmRSS")
}

/// Returns a number in KiB from `/proc/self/status`.
pub fn in_kib(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Checks that `action` takes at most `needs` and 256 MiB. Returns its result.
fn measured<T>(name: &str, needs: u64, action: impl FnOnce() -> T) -> T {
    let before = reset_peak().unwrap();
    let result = action();
    let grown = in_kib("VmHWM").unwrap().saturating_sub(before) >> 10;
    println!("{name}: {grown} MiB, the honest file needs {needs} MiB");
    assert!(grown < needs + MOST, "{name}: {grown} MiB");
    result
}

/// Writes a gzipped IDX file with these dimensions and `mib` MiB of zeros.
fn write_gzip(path: &Path, dimensions: &[u32], mib: u64) {
    let mut gzip = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    io::copy(&mut &idx_bytes(0x803, dimensions, &[])[..], &mut gzip).unwrap();
    io::copy(&mut io::repeat(0).take(mib << 20), &mut gzip).unwrap();
    gzip.finish().unwrap();
}

#[test]
#[ignore = "measures the memory of the whole process"]
fn gzipped_idx_files_take_the_memory_of_their_values() {
    let _alone = alone();
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    let read = || Idx::read(&path, IdxKind::Images, 64 << 20, &mut *go_on());
    write_gzip(&path, &[300, 1024, 1024], 300);
    measured("honest gzip of 300 MiB", 300, read).unwrap();
    write_gzip(&path, &[16, 1024, 1024], 4096);
    measured("gzip of 4 GiB that specifies 16 MiB", 16, read).unwrap_err();
    write_gzip(&path, &[1000, 1024, 1024], 16);
    measured("gzip of 16 MiB that specifies 1000 MiB", 16, read).unwrap_err();
    write_gzip(&path, &[4096, 1024, 1024], 4096);
    measured("gzip of 4 GiB", 0, read).unwrap_err();
}

#[test]
#[ignore = "measures the memory of the whole process"]
fn plain_idx_files_stay_on_disk() {
    let _alone = alone();
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, idx_bytes(0x803, &[1024, 1024, 1024], &[])).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len((1 << 30) + 16).unwrap();
    measured("plain file of 1 GiB", 0, || Idx::read(&path, IdxKind::Images, 64 << 20, &mut *go_on()))
        .unwrap();
}

#[test]
#[ignore = "measures the memory of the whole process"]
fn damaged_pictures_take_little_memory() {
    let _alone = alone();
    let folder = tempdir().unwrap();
    let path = folder.path().join("0.png");
    let reader = PictureReader::new(PREPARED, Fit::Resize).unwrap();

    fs::File::create(&path).unwrap().set_len(900 << 20).unwrap();
    measured("sparse file of 900 MiB", 0, || reader.read(&path)).unwrap_err();

    let mut profile = ZlibEncoder::new(b"name\0\0".to_vec(), Compression::fast());
    io::copy(&mut io::repeat(0).take(1 << 30), &mut profile).unwrap();
    let profile = profile.finish().unwrap();
    let png = pictures::png(28, 28, 8, 0, &[(b"iCCP", &profile)], &[0; 28 * 29]);
    fs::write(&path, png).unwrap();
    let _ = measured("color profile of 1 GiB", 0, || reader.read(&path));

    fs::write(&path, pictures::png(10_000, 10_000, 16, 6, &[], &[0; 1000])).unwrap();
    measured("header of 100 million pixels", 0, || reader.read(&path)).unwrap_err();
}

#[test]
#[ignore = "measures the memory of the whole process"]
fn preparing_a_large_photo_takes_few_copies_of_it() {
    let _alone = alone();
    let reader = PictureReader::new(PREPARED, Fit::Prepare).unwrap();
    let specks = |x: u32, y: u32| x.is_multiple_of(2) && y.is_multiple_of(2);
    let half = |x: u32, _| x < 4000;
    for (name, ink) in
        [("a photo full of specks", specks as fn(u32, u32) -> bool), ("half a photo of ink", half)]
    {
        let is_ink = |x, y| (10..7990).contains(&x) && (10..7990).contains(&y) && ink(x, y);
        let photo = GrayImage::from_fn(8000, 8000, |x, y| Luma([if is_ink(x, y) { 0 } else { 255 }]));
        let mut bytes = io::Cursor::new(Vec::new());
        photo.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        drop(photo);
        // One in the file's format, one of the difference to the paper, and two of the ink; and the crop as `f32`.
        let needs = (4 + 4) * 64;
        let _ = measured(name, needs, || reader.decode(Path::new("photo"), bytes.get_ref()));
    }
}

#[test]
#[ignore = "measures the memory of the whole process"]
fn large_pictures_take_the_memory_of_one_per_thread_and_their_batch() {
    const COUNT: usize = 8;
    let _alone = alone();
    let folder = tempdir().unwrap();
    let picture = GrayImage::from_fn(5000, 5000, |x, y| Luma([(x * y) as u8]));
    let train = (0..COUNT).map(|i| format!("train/a/{i}.bmp"));
    for name in train.chain(["test/a/0.bmp".into()]) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }
    let options = mnist_data::PictureOptions {
        color_mode: Some(mnist_data::ColorMode::Grayscale),
        ..mnist_data::PictureOptions::default()
    };
    let source = Source::new(DatasetKind::Folder, Some(folder.path().to_owned())).with_pictures(options);
    let files = source.fetch(&mut *go_on()).unwrap();
    // Each thread needs the file, its pixels in color and in grayscale.
    let threads = rayon::current_num_threads() as u64;
    measured("checking pictures", threads * 5 * 25, || files.sums(&mut *go_on())).unwrap();
    let train = files.into_splits().unwrap().train;
    let center: Scaling = "center".parse().unwrap();
    let fitted = measured("fitting", threads * 5 * 25, || center.fit(&train, &mut *go_on())).unwrap();
    let batcher = ScalingBatcher::new(fitted.into());
    let images = measured("reading a batch", (COUNT as u64 + threads * 4) * 25, || {
        train.get_many((0..COUNT).collect()).unwrap()
    });
    let device = Device::flex();
    drop(measured("scaling a batch", COUNT as u64 * 100, || batcher.batch(images.clone(), &device)));
    let shifted = Augmentation { height_shift_range: 1.0, ..Augmentation::default() };
    let augmented = batcher.augmented(&shifted, 1, 1);
    let needs = (COUNT as u64 + threads * 2) * 100;
    drop(measured("augmenting a batch", needs, || augmented.batch(images, &device)));
}
