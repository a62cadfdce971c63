//! The data sets that are known by name: how their files are checked and read. The rows are in `table.rs`.

mod classes;
mod table;

pub(super) use table::{CIFAR10, CIFAR100, EMNIST_BALANCED, FASHION_MNIST, KMNIST, MNIST};

/// A data set with public files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownDataset {
    /// Its name in a sentence, such as `Fashion-MNIST`.
    pub title: &'static str,
    /// Folders on web servers that contain its published files, in the order to try them.
    pub mirrors: &'static [&'static str],
    /// Size of the download in megabytes, to tell the user.
    pub megabytes: u32,
    /// Number of classes; every label is smaller.
    pub classes: usize,
    /// Names of the classes in the order of the labels; empty if they have no names besides their numbers.
    pub class_names: &'static [&'static str],
    /// Its files.
    pub form: Form,
}

/// The files of a data set, and their format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Four IDX files: train images, train labels, test images, test labels. Each is published gzipped.
    Idx([KnownFile; 4]),
    /// Four gzipped IDX files in a zip archive, in the same order. The pixels of each image are stored column by
    /// column.
    ZippedIdx {
        /// The zip archive.
        archive: KnownFile,
        /// Folder of the files within the archive.
        folder: &'static str,
        /// The files.
        files: [KnownFile; 4],
    },
    /// The binary form of CIFAR in a gzipped tar archive.
    Cifar(CifarForm),
}

/// The files of CIFAR: for each image, its label bytes, then 3×32×32 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CifarForm {
    /// The tar archive.
    pub archive: KnownFile,
    /// Folder of the files within the archive.
    pub folder: &'static str,
    /// Files of training images, in order.
    pub train: &'static [KnownFile],
    /// File of test images.
    pub test: KnownFile,
    /// Number of label bytes per image. The last one is the class.
    pub label_bytes: usize,
}

/// A file with a known checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFile {
    /// Its name; without `.gz` if the checksum is that of the decompressed bytes.
    pub name: &'static str,
    /// SHA-256 in hexadecimal.
    pub sha256: &'static str,
    /// Limit for the number of bytes that the checksum covers.
    pub most_bytes: u64,
    /// The bytes that the checksum covers.
    pub sum_of: SumOf,
}

/// The bytes that a checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumOf {
    /// The decompressed bytes: the file may be plain or gzipped.
    Content,
    /// The file as it is published.
    Published,
}

impl KnownDataset {
    /// Returns the files on a mirror.
    pub(super) fn published(&self) -> Vec<&KnownFile> {
        match &self.form {
            Form::Idx(files) => files.iter().collect(),
            Form::ZippedIdx { archive, .. } | Form::Cifar(CifarForm { archive, .. }) => vec![archive],
        }
    }
}

impl KnownFile {
    /// Returns the name on a mirror.
    pub(super) fn published_name(&self) -> String {
        match self.sum_of {
            SumOf::Content => format!("{}.gz", self.name),
            SumOf::Published => self.name.to_owned(),
        }
    }
}
