//! Readers of files from outside, with damaged files: no panic, no hang, bounded memory, and errors of one line.
//!
//! Each test reads a few hundred mutated files. With the environment variable `MUTATION_SECONDS=600`, each reads for 600
//! seconds, and checks the peak memory of each file on Linux. Only one test may run at a time then:
//! `MUTATION_SECONDS=600 cargo test --release -p mnist-data mutations -- --test-threads=1 --nocapture`.
//!
//! The mutations of case n are always the same, so a failure can be repeated.

use std::{
    env, fs,
    io::{Cursor, Read, Write},
    panic::{self, AssertUnwindSafe},
    path::Path,
    time::{Duration, Instant},
};

use flate2::{Compression, Crc, read::GzDecoder, write::GzEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, RgbImage, RgbaImage};
use mnist_data::{
    Fit, FittedScaling, Granularity, ImageShape, Images, PictureReader, Scaling,
    idx::{Idx, IdxKind, Values},
    input::is_unprintable,
    preparation::PREPARED,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    go_on, idx_bytes,
    memory::{in_kib, reset_peak},
};

/// Number of cases by default.
const CASES: u64 = 300;

/// Memory that a reader may use beyond what the file honestly needs, in KiB.
const MEMORY: u64 = 256 << 10;

/// Limit for one case. The slowest, a JPEG file that claims 100 million pixels, takes a few seconds.
const TIME: Duration = Duration::from_mins(1);

/// A file from our own code, and text that its format gives a meaning, to be inserted.
struct Honest {
    bytes: Vec<u8>,
    words: &'static [&'static [u8]],
}

/// Mutates and reads `honest` files, many times. `read` returns the error of the reader. `repair` corrects checksums
/// after half of the mutations, so that the others also reach the code behind them; it may mutate the file itself.
/// `needs` returns the memory that a file honestly needs, in bytes.
fn check(
    name: &str,
    honest: &[Honest],
    repair: impl Fn(&mut Mutator, &Honest) -> Option<Vec<u8>>,
    needs: impl Fn(&[u8]) -> u64,
    read: impl Fn(&Honest, &[u8], bool) -> Result<(), String>,
) {
    let seconds = env::var("MUTATION_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    for file in honest {
        assert_eq!(read(file, &file.bytes, true), Ok(()), "{name}: an honest file");
    }
    let (mut cases, mut accepted, mut largest, mut slowest) = (0_u64, 0_u64, 0, Duration::ZERO);
    while end.map_or(cases < CASES, |end| Instant::now() < end) {
        let file = &honest[cases as usize % honest.len()];
        let mut mutator = Mutator(ChaCha8Rng::seed_from_u64(cases));
        let repaired = if mutator.0.random() { repair(&mut mutator, file) } else { None };
        let is_damaged = repaired.is_none();
        let bytes = repaired.unwrap_or_else(|| mutator.mutate(file));

        let before = end.and_then(|_| reset_peak());
        let started = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| read(file, &bytes, is_damaged)));
        let time = started.elapsed();
        let Ok(result) = result else { panic!("{name}: case {cases} panics") };
        if let Err(error) = &result {
            let is_line = !error.is_empty() && error.len() < 5000 && !error.chars().any(is_unprintable);
            assert!(is_line, "{name}: case {cases}: {error:?}");
        }
        accepted += u64::from(result.is_ok());
        slowest = slowest.max(time);
        assert!(time < TIME, "{name}: case {cases} takes {time:?}");
        if let (Some(before), Some(peak)) = (before, in_kib("VmHWM")) {
            let grown = peak.saturating_sub(before);
            largest = largest.max(grown);
            let limit = MEMORY + needs(&bytes) / 1024;
            assert!(grown < limit, "{name}: case {cases} takes {grown} KiB, more than {limit}");
        }
        cases += 1;
    }
    println!(
        "{name}: {cases} files, {accepted} accepted; slowest {slowest:.1?}, most memory {} MiB",
        largest >> 10
    );
}

struct Mutator(ChaCha8Rng);

impl Mutator {
    /// Returns the file after one to four mutations.
    fn mutate(&mut self, honest: &Honest) -> Vec<u8> {
        let mut bytes = honest.bytes.clone();
        for _ in 0..self.0.random_range(1..=4) {
            self.mutate_once(&mut bytes, honest.words);
        }
        bytes
    }

    fn mutate_once(&mut self, bytes: &mut Vec<u8>, words: &[&[u8]]) {
        let (start, end) = self.range(bytes.len());
        match self.0.random_range(0..11) {
            0 if start < bytes.len() => bytes[start] ^= 1 << self.0.random_range(0..8),
            1 => bytes[start..end].fill(0),
            2 => bytes[start..end].fill(255),
            3 => self.0.fill_bytes(&mut bytes[start..end]),
            4 => bytes.truncate(start),
            5 => drop(bytes.drain(start..end)),
            6 => {
                let copy = bytes[start..end].to_vec();
                let (place, _) = self.range(bytes.len());
                drop(bytes.splice(place..place, copy));
            }
            7 => {
                let mut garbage = vec![0; self.0.random_range(1..200)];
                self.0.fill_bytes(&mut garbage);
                let place = if self.0.random() { start } else { bytes.len() };
                drop(bytes.splice(place..place, garbage));
            }
            8 => {
                let (other, other_end) = self.range(bytes.len());
                let length = (end - start).min(other_end - other);
                for offset in 0..length {
                    bytes.swap(start + offset, other + offset);
                }
            }
            9 => self.set_number(bytes, start),
            _ if words.is_empty() => self.set_number(bytes, start),
            _ => {
                let word = words[self.0.random_range(0..words.len())];
                drop(bytes.splice(start..if self.0.random() { start } else { end }, word.iter().copied()));
            }
        }
    }

    /// Overwrites two, four or eight bytes with an extreme number, in either byte order.
    fn set_number(&mut self, bytes: &mut [u8], start: usize) {
        const EXTREMES: [u64; 14] = [
            0,
            1,
            2,
            0x7f,
            0xff,
            0x7fff,
            0x8000,
            0xffff,
            0x00ff_ffff,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            u64::MAX >> 1,
            u64::MAX,
        ];
        let number = EXTREMES[self.0.random_range(0..EXTREMES.len())];
        let width = [1, 2, 4, 8][self.0.random_range(0..4)];
        let number = if self.0.random() {
            number.to_le_bytes()[..width].to_vec()
        } else {
            number.to_be_bytes()[8 - width..].to_vec()
        };
        for (byte, number) in bytes.iter_mut().skip(start).zip(number) {
            *byte = number;
        }
    }

    /// Returns a range of positions, more often short and near the beginning, where headers are.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let most = if self.0.random() { length.min(64) } else { length };
        let start = self.0.random_range(0..=most);
        let most = if self.0.random() { 8 } else { length };
        (start, length.min(start + self.0.random_range(0..=most)))
    }
}

/// Reads an IDX file from disk, as a data set does. The limit for memory is so low that the larger files stay on disk.
fn read_idx(bytes: &[u8], kind: IdxKind) -> Result<Idx, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, bytes).unwrap();
    let idx = Idx::read(&path, kind, 1000, &mut *go_on()).map_err(|error| error.to_string())?;
    let count: usize = idx.dimensions.iter().product();
    match &idx.values {
        Values::Memory(values) => assert_eq!(values.len(), count),
        Values::File(file) => file.read_at(0, &mut vec![0; count]).unwrap(),
    }
    assert_eq!(Idx::parse(Path::new("file"), bytes, kind).unwrap().sha256, idx.sha256);
    Ok(idx)
}

fn honest_idx() -> Vec<Vec<u8>> {
    let values = |count: u32| (0..count).map(|value| (value * 7 % 251) as u8).collect::<Vec<u8>>();
    vec![
        idx_bytes(0x803, &[3, 4, 5], &values(60)),
        idx_bytes(0x803, &[10, 28, 28], &values(7840)),
        idx_bytes(0x804, &[2, 3, 4, 5], &values(120)),
        idx_bytes(0x801, &[300], &values(300)),
    ]
}

fn kind(plain: &[u8]) -> IdxKind {
    if plain[3] == 1 { IdxKind::Labels } else { IdxKind::Images }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn without_words(files: Vec<Vec<u8>>) -> Vec<Honest> {
    files.into_iter().map(|bytes| Honest { bytes, words: &[] }).collect()
}

#[test]
fn damaged_idx_files() {
    check(
        "idx",
        &without_words(honest_idx()),
        |_, _| None,
        |bytes| bytes.len() as u64,
        |file, bytes, _| read_idx(bytes, kind(&file.bytes)).map(drop),
    );
}

#[test]
fn damaged_gzip_files() {
    let plain = |gzipped: &[u8]| {
        let mut plain = Vec::new();
        GzDecoder::new(gzipped).read_to_end(&mut plain).unwrap();
        plain
    };
    // Half of the files are mutated before they are compressed, so that their checksums match.
    let mutate_inside = |mutator: &mut Mutator, file: &Honest| {
        let mutated = mutator.mutate(&Honest { bytes: plain(&file.bytes), words: &[] });
        Some(gzip(&mutated))
    };
    check(
        "gzip",
        &without_words(honest_idx().iter().map(|bytes| gzip(bytes)).collect()),
        mutate_inside,
        |bytes| bytes.len() as u64,
        |file, bytes, is_damaged| {
            let honest = plain(&file.bytes);
            let idx = read_idx(bytes, kind(&honest))?;
            let header = 4 + 4 * idx.dimensions.len();
            // The checksum of gzip detects all damage to the values.
            assert!(!is_damaged || idx.values == Values::Memory(honest[header..].to_vec()));
            Ok(())
        },
    );
}

/// Returns pictures of 28×28 pixels in all color modes that the format has.
fn pictures(format: ImageFormat) -> Vec<Honest> {
    let value = |x: u32, y: u32| (x * 9 + y * 31 + x * y) as u8;
    let gray = GrayImage::from_fn(28, 28, |x, y| image::Luma([value(x, y)]));
    let rgb = RgbImage::from_fn(28, 28, |x, y| image::Rgb([value(x, y), value(y, x), (x * y) as u8]));
    let rgba =
        RgbaImage::from_fn(28, 28, |x, y| image::Rgba([value(x, y), value(y, x), (x * y) as u8, x as u8]));
    let uniform = GrayImage::from_pixel(28, 28, image::Luma([7]));
    let mut pictures: Vec<DynamicImage> = vec![gray.into(), rgb.clone().into(), uniform.into()];
    if format != ImageFormat::Jpeg {
        pictures.push(rgba.into());
    }
    if format == ImageFormat::Png {
        pictures.push(DynamicImage::from(rgb).into_rgb16().into());
    }
    let encode = |picture: DynamicImage| {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    without_words(pictures.into_iter().map(encode).collect())
}

/// Corrects the checksums of all chunks of a PNG file.
fn with_png_checksums(mut png: Vec<u8>) -> Vec<u8> {
    let mut start = 8;
    while let Some(length) = png.get(start..).and_then(<[u8]>::first_chunk) {
        let end = start + 8 + u32::from_be_bytes(*length) as usize;
        if png.len() < end + 4 {
            break;
        }
        let mut crc = Crc::new();
        crc.update(&png[start + 4..end]);
        png[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        start = end + 4;
    }
    png
}

fn check_pictures(name: &str, format: ImageFormat, repair: impl Fn(Vec<u8>) -> Option<Vec<u8>>) {
    let gray = PictureReader::new(PREPARED, Fit::Resize).unwrap();
    let rgb = PictureReader::new(ImageShape { channels: 3, ..PREPARED }, Fit::Resize).unwrap();
    let photo = PictureReader::new(PREPARED, Fit::Prepare).unwrap();
    let path = Path::new("picture");
    check(
        name,
        &pictures(format),
        |mutator, file| repair(mutator.mutate(file)),
        |bytes| {
            let size = ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_dimensions();
            let pixels = size.map_or(0, |(width, height)| u64::from(width) * u64::from(height));
            // The pixels as they are in the file, at most 8 bytes each, and converted; a larger picture is refused.
            bytes.len() as u64 + 16 * if pixels <= 100_000_000 { pixels } else { 0 }
        },
        |_, bytes, _| {
            for reader in [gray, rgb, photo] {
                match reader.decode(path, bytes) {
                    Err(error) if error.to_string().contains("no ink found") => {}
                    other => drop(other.map_err(|error| error.to_string())?),
                }
            }
            Ok(())
        },
    );
}

#[test]
fn damaged_png_files() {
    check_pictures("png", ImageFormat::Png, |bytes| Some(with_png_checksums(bytes)));
}

#[test]
fn damaged_jpeg_files() {
    // A file without its last marker is refused early, so the marker is added again.
    check_pictures("jpeg", ImageFormat::Jpeg, |bytes| Some([&bytes[..], b"\xff\xd9"].concat()));
}

#[test]
fn damaged_bmp_files() {
    // The length in its header must match.
    check_pictures("bmp", ImageFormat::Bmp, |mut bytes| {
        let length = (bytes.len() as u32).to_le_bytes();
        bytes.get_mut(2..6)?.copy_from_slice(&length);
        Some(bytes)
    });
}

#[test]
fn damaged_webp_files() {
    check_pictures("webp", ImageFormat::WebP, |_| None);
}

#[test]
fn damaged_scaling_files() {
    const WORDS: &[&[u8]] = &[
        b"null",
        b"true",
        b"0",
        b"-1",
        b"1e999",
        b"18446744073709551615",
        b"4294967296",
        b"0.5,",
        b",",
        b"[",
        b"]",
        b"{",
        b"}",
        b"\"",
        b"\"\"",
        b"[[[[[[[[",
        b"{\"\":",
        b"\\u0000",
        b"\\u001b[2J",
        b"\\ud800",
        b"AAAA",
        b"====",
        b"zca",
        b"mean",
        b"std",
        b"\"pixel\"",
        b"NaN",
        b"\"version\":2,",
        b"\"x\\n\":0,",
    ];
    let shape = ImageShape { channels: 3, height: 2, width: 2 };
    let mut pixels = vec![0; 20 * shape.pixels()];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut pixels);
    let train = Images::new(shape, pixels, vec![0; 20]);
    let by_pixel: Scaling = "standardize".parse().unwrap();
    let mut scalings = vec![Scaling { granularity: Granularity::Pixel, ..by_pixel }];
    scalings.extend(mnist_data::scaling::preset_names().iter().map(|name| name.parse().unwrap()));
    let honest = scalings.iter().map(|scaling| {
        let fitted = scaling.fit(&train, &mut *go_on()).unwrap();
        Honest { bytes: serde_json::to_vec(&fitted).unwrap(), words: WORDS }
    });
    check(
        "scaling",
        &honest.collect::<Vec<_>>(),
        |_, _| None,
        |bytes| bytes.len() as u64,
        |_, bytes, _| {
            let fitted: FittedScaling = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
            if fitted.check_shape(shape).is_ok() {
                assert_eq!(fitted.scale(&[&vec![200_u8; shape.pixels()][..]]).len(), shape.pixels());
            }
            Ok(())
        },
    );
}
