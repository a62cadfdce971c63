//! Checksums of files.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use data_encoding::HEXLOWER;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{
    DatasetKind, Progress,
    files::FileSum,
    known::{KnownFile, SumOf},
};
use crate::{DataError, input};

/// The first two bytes of a gzipped file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Number of bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// Computes the checksum of a file of a known data set. Reads at most one byte more than the known file has.
/// Errors show `path` as its name.
pub(super) fn of_content(
    kind: DatasetKind,
    file: &KnownFile,
    path: &Path,
    content: impl Read,
    progress: &mut Progress,
) -> Result<FileSum, DataError> {
    let read_error = |cause| DataError::Read { path: path.to_owned(), cause };
    let mut content = BufReader::with_capacity(CHUNK, content);
    let is_gzip = content.fill_buf().map_err(read_error)?.starts_with(&GZIP_MAGIC);
    let decompresses = file.sum_of == SumOf::Content && is_gzip;
    let content: &mut dyn Read = if decompresses { &mut MultiGzDecoder::new(content) } else { &mut content };
    let mut content = content.take(file.most_bytes + 1);
    let mut sum = Sha256::new();
    let (mut bytes, mut chunk) = (0, vec![0; CHUNK]);
    loop {
        if progress(file.name, bytes, None).is_break() {
            return Err(DataError::Interrupted);
        }
        match content.read(&mut chunk).map_err(read_error)? {
            0 => break,
            read => {
                sum.update(&chunk[..read]);
                bytes += read as u64;
            }
        }
    }
    if bytes > file.most_bytes {
        return Err(DataError::TooLong { path: path.to_owned(), expected: file.most_bytes, dataset: kind });
    }
    Ok(FileSum { name: file.name.to_owned(), sha256: HEXLOWER.encode(&sum.finalize()), bytes })
}

/// Computes the checksum of a file on disk.
pub(super) fn of_file(
    kind: DatasetKind,
    file: &KnownFile,
    path: &Path,
    progress: &mut Progress,
) -> Result<FileSum, DataError> {
    let (content, _): (File, u64) =
        input::open(path).map_err(|cause| DataError::Read { path: path.to_owned(), cause })?;
    of_content(kind, file, path, content, progress)
}

/// Returns an error if this is not the checksum of the known file.
pub(super) fn check(kind: DatasetKind, file: &KnownFile, path: &Path, sha256: &str) -> Result<(), DataError> {
    if sha256 == file.sha256 {
        return Ok(());
    }
    let (found, expected) = (sha256.to_owned(), file.sha256);
    Err(DataError::Checksum { path: path.to_owned(), found, expected, dataset: kind })
}
