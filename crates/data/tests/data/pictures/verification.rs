//! The check of all pictures before training starts.

use std::{fmt::Write as _, fs, ops::ControlFlow};

use data_encoding::HEXLOWER;
use image::{GrayImage, Luma};
use mnist_data::DataError;
use sha2::{Digest, Sha256};

use super::{assert_error, folder, open, save, write};
use crate::go_on;

#[test]
fn sum_is_the_sha256_of_the_output_of_sha256sum() {
    let folder = folder();
    for i in 1..40_u8 {
        save(folder.path(), &format!("train/a/sub {i}/é.png"), GrayImage::from_pixel(3, 2, Luma([i])));
    }
    let train = open(&folder).unwrap().train;
    let mut paths: Vec<_> = (0..train.1.len()).map(|i| train.0.path(i)).collect();
    paths.sort();
    let (mut lines, mut bytes) = (String::new(), 0);
    for path in paths {
        let content = fs::read(&path).unwrap();
        bytes += content.len() as u64;
        let name = path.strip_prefix(folder.path().join("train")).unwrap();
        writeln!(lines, "{}  {}", HEXLOWER.encode(&Sha256::digest(content)), name.display()).unwrap();
    }
    let expected = (HEXLOWER.encode(&Sha256::digest(lines)), bytes);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| train.0.verify(&mut *go_on()).unwrap()), expected, "{threads} threads");
    }
}

#[test]
fn first_broken_picture_is_reported() {
    let folder = folder();
    for i in 1..50 {
        save(folder.path(), &format!("train/b/{i:02}.png"), GrayImage::new(3, 2));
    }
    let first = write(folder.path(), "train/b/30.png", b"text");
    write(folder.path(), "train/b/40.png", b"text");
    for _ in 0..20 {
        let error = open(&folder).unwrap().train.0.verify(&mut *go_on()).unwrap_err();
        assert_error(&error, &first, "cannot decode");
    }
}

#[test]
fn checking_pictures_can_be_stopped() {
    let train = open(&folder()).unwrap().train.0;
    let stopped = train.verify(&mut |_, done, all| {
        assert_eq!((done, all), (0, Some(2 * 6)));
        ControlFlow::Break(())
    });
    let error = stopped.unwrap_err();
    assert!(matches!(error, DataError::Interrupted), "{error}");
}
