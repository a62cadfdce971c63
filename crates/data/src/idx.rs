//! The IDX file format: a magic number, the dimensions, then one byte per value.
//!
//! Format: "THE IDX FILE FORMAT" at the end of <http://yann.lecun.com/exdb/mnist/>: bytes 0 and 1 are
//! zero, byte 2 is the type of the values (0x08: unsigned byte), byte 3 the number of dimensions;
//! each dimension follows as a big-endian `u32`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::DataError;

/// The kinds of IDX file that a data set of images is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdxKind {
    /// Images: dimensions N, height, width.
    Images,
    /// Labels: dimension N.
    Labels,
}

impl IdxKind {
    fn magic(self) -> u32 {
        match self {
            Self::Images => 0x0000_0803,
            Self::Labels => 0x0000_0801,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Images => "images, one byte per pixel",
            Self::Labels => "labels, one byte each",
        }
    }
}

/// An IDX file in memory, checked: `values.len()` is the product of `dimensions`, and not zero.
#[derive(Debug)]
pub struct Idx {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its dimensions, outermost first.
    pub dimensions: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<u8>,
    /// SHA-256 of the whole decompressed file (header and values), in hexadecimal.
    pub sha256: String,
}

impl Idx {
    /// Length of the decompressed file in bytes.
    pub fn file_bytes(&self) -> usize {
        4 + 4 * self.dimensions.len() + self.values.len()
    }

    /// Reads a file, plain or gzipped (told by its first bytes, not by its name).
    ///
    /// # Errors
    /// When the file cannot be read, has another magic number than `kind`'s, is empty, or is shorter
    /// or longer than its header says.
    pub fn read(path: &Path, kind: IdxKind) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|cause| DataError::Read { path: path.to_owned(), cause })?;
        Self::parse(path, file, kind)
    }

    /// Reads IDX from `input`, plain or gzipped; `path` is the name it has in errors.
    ///
    /// Memory grows with what there really is, never with what a header promises.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: &Path, input: impl Read, kind: IdxKind) -> Result<Self, DataError> {
        let unreadable = |cause| DataError::Read { path: path.to_owned(), cause };
        let mut reader = plain_or_gzip(BufReader::new(input)).map_err(unreadable)?;
        let mut sum = Sha256::new();

        let mut read_u32 = |found: u64| -> Result<u32, DataError> {
            let mut bytes = [0; 4];
            reader.read_exact(&mut bytes).map_err(|cause| match cause.kind() {
                io::ErrorKind::UnexpectedEof => {
                    DataError::Length { path: path.to_owned(), promised: u128::from(found) + 4, found }
                }
                _ => unreadable(cause),
            })?;
            sum.update(bytes);
            Ok(u32::from_be_bytes(bytes))
        };

        let found = read_u32(0)?;
        if found != kind.magic() {
            let (expected, what) = (kind.magic(), kind.describe());
            return Err(DataError::Magic { path: path.to_owned(), found, expected, what });
        }
        let rank = u64::from(found & 0xff);
        let dimensions = (1..=rank)
            .map(|i| read_u32(4 * i).map(|dimension| dimension as usize))
            .collect::<Result<Vec<_>, _>>()?;

        let promised: u128 = dimensions.iter().map(|&d| d as u128).product();
        if promised == 0 {
            return Err(DataError::Empty { path: path.to_owned(), dimensions });
        }
        let mut values = Vec::new();
        let one_too_many = u64::try_from(promised).unwrap_or(u64::MAX).saturating_add(1);
        reader.take(one_too_many).read_to_end(&mut values).map_err(unreadable)?;
        if values.len() as u128 != promised {
            let header = 4 + 4 * rank;
            return Err(DataError::Length {
                path: path.to_owned(),
                promised: promised + u128::from(header),
                found: values.len() as u64 + header,
            });
        }
        sum.update(&values);
        Ok(Self { path: path.to_owned(), dimensions, values, sha256: HEXLOWER.encode(&sum.finalize()) })
    }
}

/// Decompresses on the way what starts with gzip's two magic bytes.
fn plain_or_gzip<'a>(mut input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let is_gzip = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) })
}
