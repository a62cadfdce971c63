//! IDX files: how they are found and read, and how invalid ones are refused.

use std::{
    io::{self, Read, Write},
    ops::ControlFlow,
    path::Path,
};

use burn::data::dataset::Dataset;
use flate2::{Compression, write::GzEncoder};
use mnist_data::{
    DataError, DatasetKind, Source,
    idx::{Idx, IdxKind, Values},
};
use tempfile::tempdir;

use crate::{all_pixels, go_on, idx_bytes, write_idx_folder};

fn parse(bytes: &[u8], kind: IdxKind) -> Result<Idx, DataError> {
    Idx::parse(Path::new("file"), bytes, kind)
}

fn fetch(folder: &Path) -> Result<mnist_data::Splits, DataError> {
    let source = Source::new(DatasetKind::Idx, Some(folder.to_owned()));
    source.fetch(&mut *go_on())?.into_splits()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn plain_and_gzipped_files_are_read_alike() {
    let plain = idx_bytes(0x803, &[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    let gzipped = gzip(&plain);
    let [plain, gzipped] = [plain, gzipped].map(|bytes| parse(&bytes, IdxKind::Images).unwrap());
    assert_eq!(plain.dimensions, [2, 1, 3]);
    assert_eq!(plain.values, Values::Memory(vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(gzipped.values, plain.values);
    assert_eq!(gzipped.sha256, plain.sha256);
    assert_eq!(plain.file_bytes(), 16 + 6);
}

#[test]
fn wrong_magic_number_is_refused() {
    let labels = idx_bytes(0x801, &[1], &[0]);
    let error = parse(&labels, IdxKind::Images).unwrap_err();
    assert!(matches!(error, DataError::Magic { found: 0x801, expected: 0x803, .. }), "{error}");
    let error = parse(b"<!DOCTYPE html>", IdxKind::Images).unwrap_err();
    assert_eq!(
        error.to_string(),
        "file: not the expected IDX file: magic number 0x3c21444f, expected 0x00000803 (images, one byte \
         per pixel)"
    );
}

#[test]
fn truncated_file_is_refused_with_both_lengths() {
    let complete = idx_bytes(0x803, &[2, 2, 2], &[9; 8]);
    for length in [0, 3, 10, complete.len() - 1] {
        let error = parse(&complete[..length], IdxKind::Images).unwrap_err();
        let DataError::Length { promised, found, .. } = error else { panic!("{error}") };
        assert!(u128::from(found) < promised && found <= length as u64, "{found} of {promised} at {length}");
    }
}

#[test]
fn bytes_after_the_last_value_are_refused() {
    let mut bytes = idx_bytes(0x801, &[2], &[1, 2]);
    bytes.push(3);
    let error = parse(&bytes, IdxKind::Labels).unwrap_err();
    assert!(matches!(error, DataError::Length { promised: 10, found: 11, .. }), "{error}");
}

#[test]
fn header_with_huge_dimensions_costs_no_memory() {
    let bytes = idx_bytes(0x803, &[u32::MAX, 15_000, 20_000], &[0; 100]);
    let error = parse(&bytes, IdxKind::Images).unwrap_err();
    let promised = u128::from(u32::MAX) * 300_000_000 + 16;
    assert!(matches!(error, DataError::Length { promised: p, found: 116, .. } if p == promised), "{error}");
}

#[test]
fn images_of_more_than_300_million_values_are_refused() {
    for (values, shape) in [
        (300_000_001, [1, 1, 1, 300_000_001]),
        (u128::from(u32::MAX).pow(3), [7, u32::MAX, u32::MAX, u32::MAX]),
    ] {
        let error = parse(&idx_bytes(0x804, &shape, &[0; 100]), IdxKind::Images).unwrap_err();
        let words = format!("file: its images have {values} values each, but the limit is 300000000");
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn dimension_of_zero_is_refused() {
    let error = parse(&idx_bytes(0x803, &[0, 28, 28], &[]), IdxKind::Images).unwrap_err();
    assert_eq!(error.to_string(), "file: the file is empty: its dimensions are [0, 28, 28]");
}

#[test]
fn damaged_gzip_is_refused() {
    let bytes = gzip(&idx_bytes(0x801, &[500], &[7; 500]));
    let error = parse(&bytes[..bytes.len() / 2], IdxKind::Labels).unwrap_err();
    assert!(matches!(error, DataError::Read { .. } | DataError::Length { .. }), "{error}");
}

#[test]
fn gzipped_file_of_several_parts_is_read() {
    let plain = idx_bytes(0x803, &[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
    let parts: Vec<u8> = plain.chunks(3).flat_map(|part| [gzip(part), gzip(b"")].concat()).collect();
    assert_eq!(parse(&parts, IdxKind::Images).unwrap().values, Values::Memory(vec![1, 2, 3, 4, 5, 6]));
    assert!(parse(&[&parts[..], b"garbage"].concat(), IdxKind::Images).is_err());
}

#[test]
fn gzipped_file_with_more_values_than_1_gib_is_refused_by_its_header() {
    // Only the header is there. With this many values, the end of the file would be the first error.
    for (count, refused) in [(1 << 20, false), ((1 << 20) + 1, true), (u32::MAX, true)] {
        let header = gzip(&idx_bytes(0x803, &[count, 32, 32], &[]));
        let error = parse(&header, IdxKind::Images).unwrap_err();
        let promised = u128::from(count) * 1024;
        if refused {
            let words = "of a gzipped file fit in memory; decompress the file so that it can stay on disk";
            assert!(error.to_string().ends_with(words), "{error}");
            assert!(
                matches!(error, DataError::TooLarge { promised: p, most, .. } if p == promised && most <= 1 << 30)
            );
        } else if !matches!(error, DataError::TooLarge { most, .. } if most < 1 << 30) {
            assert!(matches!(error, DataError::Length { found: 16, .. }), "{error}");
        }
    }
}

/// Empty gzip parts without end.
struct EmptyParts(io::Cursor<Vec<u8>>);

impl Read for EmptyParts {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.0.position() == self.0.get_ref().len() as u64 {
            self.0.set_position(0);
        }
        self.0.read(bytes)
    }
}

#[test]
fn empty_gzip_parts_without_end_can_be_interrupted() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    let mut file = std::fs::File::create(&path).unwrap();
    io::copy(&mut EmptyParts(io::Cursor::new(gzip(b""))).take(20 << 20), &mut file).unwrap();
    let mut calls = 0;
    let error = Idx::read(&path, IdxKind::Images, usize::MAX, &mut |_, _, _| {
        calls += 1;
        if calls == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(error, Err(DataError::Interrupted)), "{error:?}");
    assert_eq!(calls, 5);
}

#[cfg(unix)]
#[test]
fn named_pipe_is_refused_without_waiting_for_its_writer() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    let pipe = folder.path().join("train-labels-idx1-ubyte");
    std::fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = fetch(folder.path()).err().unwrap().to_string();
    assert_eq!(error, format!("cannot read {}: it is not a regular file", pipe.display()));
}

#[test]
fn images_and_labels_are_paired_and_classes_counted() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    let splits = fetch(folder.path()).unwrap();
    assert_eq!(splits.classes, 3);
    assert_eq!(splits.train.labels(), [0, 2, 1]);
    assert_eq!(splits.train.label_counts(3), [1, 1, 1]);
    assert_eq!(splits.test.shape().to_string(), "1×4×5");
}

#[test]
fn fewer_labels_than_images_are_refused() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    std::fs::write(folder.path().join("train-labels-idx1-ubyte"), idx_bytes(0x801, &[2], &[0, 1])).unwrap();
    let error = fetch(folder.path()).err().unwrap();
    assert!(matches!(error, DataError::LabelCount { labels: 2, images: 3, .. }), "{error}");
}

#[test]
fn test_label_of_a_class_without_training_images_is_refused() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), idx_bytes(0x801, &[2], &[0, 10])).unwrap();
    let error = fetch(folder.path()).err().unwrap();
    assert!(matches!(error, DataError::LabelRange { label: 10, position: 1, classes: 3, .. }), "{error}");
}

#[test]
fn test_images_of_another_size_are_refused() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), idx_bytes(0x803, &[2, 5, 4], &[0; 40]))
        .unwrap();
    let error = fetch(folder.path()).err().unwrap();
    assert!(matches!(error, DataError::ShapeMismatch { .. }), "{error}");
    let words = "t10k-images-idx3-ubyte: the images are 1×5×4, but the training images are 1×4×5";
    assert!(error.to_string().ends_with(words), "{error}");
}

#[test]
fn images_left_on_disk_are_the_same_as_in_memory() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    let source = Source::new(DatasetKind::Idx, Some(folder.path().to_owned()));
    let on_disk = source.with_memory(0).fetch(&mut *go_on()).unwrap().into_splits().unwrap();
    let in_memory = fetch(folder.path()).unwrap();
    for (on_disk, in_memory) in [(&on_disk.train, &in_memory.train), (&on_disk.test, &in_memory.test)] {
        assert_eq!(all_pixels(on_disk), all_pixels(in_memory));
        assert_eq!(on_disk.labels(), in_memory.labels());
        let (rest, same_rest) = (on_disk.split_at(1).1, in_memory.split_at(1).1);
        let last = rest.len() - 1;
        let images = rest.get_many(vec![last, 0]).unwrap();
        for (image, position) in images.iter().zip([last, 0]) {
            assert_eq!(image.pixels(), same_rest.get(position).unwrap().pixels());
            assert_eq!((image.label(), image.position()), (same_rest.labels()[position], position));
        }
    }
    // After the file is removed, images in memory are still there, but images on disk cannot be read.
    std::fs::remove_file(folder.path().join("train-images-idx3-ubyte")).unwrap();
    let first: Vec<u8> = (0..20).map(|i| i * 7).collect();
    assert_eq!(*in_memory.train.pixels(0..1).unwrap(), first);
    let error = on_disk.train.pixels(0..1).unwrap_err().to_string();
    assert!(error.contains("train-images-idx3-ubyte"), "{error}");
}

#[test]
fn files_are_found_by_the_endings_of_their_names_and_ambiguous_names_are_refused() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    let path = |name: &str| folder.path().join(name);
    for (mnist, emnist) in [
        ("train-images-idx3-ubyte", "emnist-letters-train-images-idx3-ubyte"),
        ("train-labels-idx1-ubyte", "emnist-letters-train-labels-idx1-ubyte"),
        ("t10k-images-idx3-ubyte", "emnist-letters-test-images.idx3-ubyte"),
        ("t10k-labels-idx1-ubyte", "emnist-letters-test-labels-idx1-ubyte"),
    ] {
        std::fs::rename(path(mnist), path(emnist)).unwrap();
    }
    assert_eq!(fetch(folder.path()).unwrap().train.labels(), [0, 2, 1]);
    std::fs::copy(path("emnist-letters-train-images-idx3-ubyte"), path("old-train-images-idx3-ubyte"))
        .unwrap();
    let error = fetch(folder.path()).err().unwrap().to_string();
    assert!(error.contains("emnist-letters-train-images-idx3-ubyte, old-train-images-idx3-ubyte"), "{error}");
}

#[test]
fn four_dimensions_are_color_images() {
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    let pixels: Vec<u8> = (0..60).collect();
    let write = |name: &str, count: u32| {
        let bytes = idx_bytes(0x804, &[count, 3, 2, 2], &pixels[..count as usize * 12]);
        std::fs::write(folder.path().join(name), bytes).unwrap();
    };
    write("train-images-idx3-ubyte", 3);
    write("t10k-images-idx3-ubyte", 2);
    let splits = fetch(folder.path()).unwrap();
    assert_eq!(splits.train.shape().to_string(), "3×2×2");
    assert_eq!(&*all_pixels(&splits.train), &pixels[..36]);
}
