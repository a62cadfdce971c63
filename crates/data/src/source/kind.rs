//! The kinds of data sets, by the names that settings use.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::known::{self, KnownDataset};

/// Kind of a data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// MNIST: handwritten digits.
    #[default]
    Mnist,
    /// Fashion-MNIST: articles of clothing.
    FashionMnist,
    /// KMNIST: handwritten Japanese characters.
    Kmnist,
    /// EMNIST, balanced: handwritten digits and letters.
    EmnistBalanced,
    /// CIFAR-10: color photos of animals and vehicles.
    Cifar10,
    /// CIFAR-100: color photos in 100 classes.
    Cifar100,
    /// Four IDX files in MNIST's format, from a folder.
    Idx,
    /// Pictures in `train/<class>/` and `test/<class>/`.
    Folder,
}

impl DatasetKind {
    /// All kinds, the known data sets first.
    pub const ALL: [Self; 8] = [
        Self::Mnist,
        Self::FashionMnist,
        Self::Kmnist,
        Self::EmnistBalanced,
        Self::Cifar10,
        Self::Cifar100,
        Self::Idx,
        Self::Folder,
    ];

    /// Returns the name in settings, such as `fashion-mnist`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Kmnist => "kmnist",
            Self::EmnistBalanced => "emnist-balanced",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Idx => "idx",
            Self::Folder => "folder",
        }
    }

    /// Returns the files and checksums of a data set that can be downloaded; `None` for a user's own data.
    pub fn known(self) -> Option<&'static KnownDataset> {
        match self {
            Self::Mnist => Some(&known::MNIST),
            Self::FashionMnist => Some(&known::FASHION_MNIST),
            Self::Kmnist => Some(&known::KMNIST),
            Self::EmnistBalanced => Some(&known::EMNIST_BALANCED),
            Self::Cifar10 => Some(&known::CIFAR10),
            Self::Cifar100 => Some(&known::CIFAR100),
            Self::Idx | Self::Folder => None,
        }
    }

    /// Returns the title of a known data set, such as `Fashion-MNIST`; the name of another.
    pub fn title(self) -> &'static str {
        self.known().map_or(self.name(), |known| known.title)
    }

    /// Returns what its folder contains, in words.
    pub fn content(self) -> &'static str {
        match self {
            Self::Folder => "pictures in train/<class>/ and test/<class>/",
            Self::EmnistBalanced => "the four balanced IDX files of gzip.zip, unpacked",
            Self::Cifar10 => "cifar-10-binary.tar.gz, or all of its .bin files",
            Self::Cifar100 => "cifar-100-binary.tar.gz, or all of its .bin files",
            _ => "the four IDX files",
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DatasetKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown data set `{name}`, expected one of: {names}")
        })
    }
}
