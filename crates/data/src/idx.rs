//! The IDX file format: a magic number, the dimensions, then one byte per value.
//!
//! The section "THE IDX FILE FORMAT" at the end of <http://yann.lecun.com/exdb/mnist/> defines it. Bytes 0 and 1 are
//! zero, byte 2 is the type of the values (0x08: unsigned byte), and byte 3 is the number of dimensions. Each dimension
//! follows as a big-endian `u32`.

use std::{
    cell::{Cell, RefCell},
    collections::TryReserveError,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::{
    DataError, Progress,
    input::{self, shown},
    memory,
};

/// Kind of an IDX file in an image data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdxKind {
    /// Images: dimensions N, height, width, or N, channels, height, width.
    Images,
    /// Labels: dimension N.
    Labels,
}

impl IdxKind {
    /// Returns the magic numbers of this kind: one for each number of dimensions, all for unsigned bytes.
    fn magic(self) -> &'static [u32] {
        match self {
            Self::Images => &[0x0000_0803, 0x0000_0804],
            Self::Labels => &[0x0000_0801],
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Images => "images, one byte per pixel",
            Self::Labels => "labels, one byte each",
        }
    }
}

/// A checked IDX file: it has at least one value, and as many as its dimensions specify.
#[derive(Debug)]
pub struct Idx {
    /// The path it was read from.
    pub path: PathBuf,
    /// Its dimensions, outermost first.
    pub dimensions: Vec<usize>,
    /// Its values, row-major.
    pub values: Values,
    /// SHA-256 of the complete decompressed file (header and values), in hexadecimal.
    pub sha256: String,
}

/// Storage of the values of an IDX file.
#[derive(Debug, PartialEq, Eq)]
pub enum Values {
    /// In memory.
    Memory(Vec<u8>),
    /// In the file.
    File(IdxFile),
}

/// The values of a plain IDX file, read from disk when they are needed.
#[derive(Debug, PartialEq, Eq)]
pub struct IdxFile {
    path: PathBuf,
    /// Length of the header in bytes.
    header: u64,
}

impl IdxFile {
    /// Reads `values.len()` values, starting at position `start`.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than when it was opened.
    pub fn read_at(&self, start: u64, values: &mut [u8]) -> Result<(), DataError> {
        let mut read = || {
            let (mut file, _) = input::open(&self.path)?;
            file.seek(SeekFrom::Start(self.header + start))?;
            file.read_exact(values)
        };
        read().map_err(|cause| DataError::Read { path: self.path.clone(), cause })
    }
}

/// Number of values that are read at a time.
const CHUNK: usize = 1 << 20;

/// Largest number of values of a gzipped file. They cannot be read from disk later, so they must fit in memory.
const MOST_GZIPPED: u64 = 1 << 30;

/// Largest number of values of one image: 100 million pixels, as in a picture, in three colors.
const MOST_IN_IMAGE: u64 = 300_000_000;

impl Idx {
    /// Returns the length of the decompressed file in bytes.
    pub fn file_bytes(&self) -> u64 {
        header_bytes(self.dimensions.len()) + self.dimensions.iter().map(|&d| d as u64).product::<u64>()
    }

    /// Swaps the rows and columns of each image. Does nothing to labels, and to values that stay on disk.
    pub(crate) fn transpose(&mut self) {
        let Values::Memory(values) = &mut self.values else { return };
        let [_, .., height, width] = self.dimensions[..] else { return };
        let mut turned = vec![0; height * width];
        for plane in values.chunks_exact_mut(height * width) {
            for (position, value) in turned.iter_mut().enumerate() {
                let (row, column) = (position / height, position % height);
                *value = plane[column * width + row];
            }
            plane.copy_from_slice(&turned);
        }
        let rank = self.dimensions.len();
        self.dimensions.swap(rank - 2, rank - 1);
    }

    /// Reads a plain or gzipped file; the first bytes decide which, not the name. The values of a plain file stay on
    /// disk if there are more than `in_memory`.
    ///
    /// # Errors
    /// - The file cannot be read, or is not a regular file.
    /// - It has a magic number of another `kind`, is empty, or does not have the length that its header specifies.
    /// - Its images have more than 300 million values each.
    /// - It is gzipped, and has more than 1 GiB of values or more than fit in memory.
    /// - `progress` returns `Break`.
    pub fn read(
        path: &Path,
        kind: IdxKind,
        in_memory: usize,
        progress: &mut Progress,
    ) -> Result<Self, DataError> {
        let (file, _) =
            input::open(path).map_err(|cause| DataError::Read { path: path.to_owned(), cause })?;
        Self::read_values(path, file, kind, in_memory, progress)
    }

    /// Reads plain or gzipped IDX from `input`. Errors show `path` as its name.
    ///
    /// Memory grows with the actual number of values, and never beyond the number in the header.
    ///
    /// # Errors
    /// The same as for [`read`](Self::read).
    pub fn parse(path: &Path, input: impl Read, kind: IdxKind) -> Result<Self, DataError> {
        Self::read_values(path, input, kind, usize::MAX, &mut |_, _, _| ControlFlow::Continue(()))
    }

    fn read_values(
        path: &Path,
        input: impl Read,
        kind: IdxKind,
        in_memory: usize,
        progress: &mut Progress,
    ) -> Result<Self, DataError> {
        let watch = Watch::new(path, progress);
        let input = BufReader::with_capacity(CHUNK, Interruptible { input, watch: &watch });
        let (mut reader, is_plain) = plain_or_gzip(input).map_err(|cause| watch.error(cause))?;
        let mut sum = Sha256::new();
        let dimensions = read_header(&mut reader, &mut sum, kind, &watch)?;

        let promised: u128 = dimensions.iter().map(|&d| d as u128).product();
        if promised == 0 {
            return Err(DataError::Empty { path: path.to_owned(), dimensions });
        }
        let values = promised / dimensions[0] as u128;
        if values > u128::from(MOST_IN_IMAGE) {
            return Err(DataError::HugeImages { path: path.to_owned(), values, most: MOST_IN_IMAGE });
        }
        if !is_plain && promised > CHUNK as u128 {
            let most = MOST_GZIPPED.min(memory::available());
            if promised > u128::from(most) {
                return Err(DataError::TooLarge { path: path.to_owned(), promised, most });
            }
        }
        let stays = is_plain && promised > in_memory as u128;
        let header = header_bytes(dimensions.len());
        let values = read_promised(&mut reader, &mut sum, promised, stays, &watch)?;
        let found = watch.found.get();
        if u128::from(found) != promised {
            return Err(DataError::Length {
                path: path.to_owned(),
                promised: promised + u128::from(header),
                found: found + header,
            });
        }
        let values = if stays {
            Values::File(IdxFile { path: path.to_owned(), header })
        } else {
            Values::Memory(values)
        };
        Ok(Self { path: path.to_owned(), dimensions, values, sha256: HEXLOWER.encode(&sum.finalize()) })
    }
}

/// Reads the magic number and the dimensions, and returns the dimensions.
fn read_header(
    reader: &mut dyn Read,
    sum: &mut Sha256,
    kind: IdxKind,
    watch: &Watch,
) -> Result<Vec<usize>, DataError> {
    let mut read_u32 = |found: u64| -> Result<u32, DataError> {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => {
                DataError::Length { path: watch.path.to_owned(), promised: u128::from(found) + 4, found }
            }
            _ => watch.error(cause),
        })?;
        sum.update(bytes);
        Ok(u32::from_be_bytes(bytes))
    };
    let magic = read_u32(0)?;
    if !kind.magic().contains(&magic) {
        let (expected, what) = (kind.magic()[0], kind.describe());
        return Err(DataError::Magic { path: watch.path.to_owned(), found: magic, expected, what });
    }
    let rank = u64::from(magic & 0xff);
    (1..=rank).map(|i| read_u32(4 * i).map(|dimension| dimension as usize)).collect()
}

/// Reads all values, but at most one more than `promised`, and returns them unless they stay on disk. `watch` counts
/// them.
fn read_promised(
    reader: &mut dyn Read,
    sum: &mut Sha256,
    promised: u128,
    stays: bool,
    watch: &Watch,
) -> Result<Vec<u8>, DataError> {
    watch.all.set(u64::try_from(promised).ok());
    let (mut values, mut chunk) = (Vec::new(), Vec::new());
    loop {
        if !watch.go_on() {
            return Err(DataError::Interrupted);
        }
        chunk.clear();
        let found = watch.found.get();
        // One value too many is enough to detect a file that is too long.
        let rest = (promised + 1 - u128::from(found)).min(CHUNK as u128) as u64;
        reader.take(rest).read_to_end(&mut chunk).map_err(|cause| watch.error(cause))?;
        let found = found + chunk.len() as u64;
        watch.found.set(found);
        if chunk.is_empty() || u128::from(found) > promised {
            return Ok(values);
        }
        sum.update(&chunk);
        if !stays {
            if reserve(&mut values, chunk.len(), promised).is_err() {
                let most = values.len() as u64;
                return Err(DataError::TooLarge { path: watch.path.to_owned(), promised, most });
            }
            values.extend_from_slice(&chunk);
        }
    }
}

/// Returns the length of the magic number and `rank` dimensions, in bytes.
fn header_bytes(rank: usize) -> u64 {
    4 + 4 * rank as u64
}

/// Makes room for more values. The capacity doubles, so that values are seldom copied, but never exceeds `promised`.
fn reserve(values: &mut Vec<u8>, more: usize, promised: u128) -> Result<(), TryReserveError> {
    let needed = values.len() + more;
    if needed <= values.capacity() {
        return Ok(());
    }
    let capacity = (2 * values.capacity() as u128).min(promised).max(needed as u128);
    values.try_reserve_exact(capacity as usize - values.len())
}

/// Decompresses `input` while it is read if it starts with gzip's two magic bytes. The flag is true for plain input.
fn plain_or_gzip<'a>(mut input: impl BufRead + 'a) -> io::Result<(Box<dyn Read + 'a>, bool)> {
    let is_gzip = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { (Box::new(MultiGzDecoder::new(input)), false) } else { (Box::new(input), true) })
}

/// The progress of reading one file. It is reported for each part of the input as well as of the values, because a
/// gzipped file may consist of any number of empty parts.
struct Watch<'a> {
    path: &'a Path,
    name: String,
    /// Number of values so far.
    found: Cell<u64>,
    /// Number of values in all.
    all: Cell<Option<u64>>,
    progress: RefCell<&'a mut Progress<'a>>,
    is_interrupted: Cell<bool>,
}

impl<'a> Watch<'a> {
    fn new(path: &'a Path, progress: &'a mut Progress<'a>) -> Self {
        Self {
            path,
            name: shown(path).to_string(),
            found: Cell::new(0),
            all: Cell::new(None),
            progress: RefCell::new(progress),
            is_interrupted: Cell::new(false),
        }
    }

    /// Reports the progress, and returns whether to continue.
    fn go_on(&self) -> bool {
        let stopped = self.progress.borrow_mut()(&self.name, self.found.get(), self.all.get()).is_break();
        self.is_interrupted.set(stopped);
        !stopped
    }

    /// Returns the error for a failed read.
    fn error(&self, cause: io::Error) -> DataError {
        if self.is_interrupted.get() {
            return DataError::Interrupted;
        }
        DataError::Read { path: self.path.to_owned(), cause }
    }
}

/// Input that fails when it is interrupted.
struct Interruptible<'a, R> {
    input: R,
    watch: &'a Watch<'a>,
}

impl<R: Read> Read for Interruptible<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.watch.go_on() { self.input.read(bytes) } else { Err(io::Error::other("interrupted")) }
    }
}
