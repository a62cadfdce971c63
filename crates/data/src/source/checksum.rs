//! Checksums of files.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
};

use data_encoding::HEXLOWER;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{
    DatasetKind, Progress,
    files::FileSum,
    folder::WrongSums,
    known::{KnownFile, SumOf},
};
use crate::{DataError, input};

/// The first two bytes of a gzipped file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Number of bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// Computes the checksum of a file of a known data set. Writes its bytes to `keep`, but not more than the known file has.
/// A longer file is an error, unless wrong checksums are accepted. Errors show `path` as the file's name.
pub(super) fn of_content(
    kind: DatasetKind,
    file: &KnownFile,
    path: &Path,
    content: impl Read,
    wrong_sums: WrongSums,
    keep: &mut dyn Write,
    progress: &mut Progress,
) -> Result<FileSum, DataError> {
    let read_error = |cause| DataError::Read { path: path.to_owned(), cause };
    let mut content = BufReader::with_capacity(CHUNK, content);
    let is_gzip = content.fill_buf().map_err(read_error)?.starts_with(&GZIP_MAGIC);
    let decompresses = file.sum_of == SumOf::Content && is_gzip;
    let content: &mut dyn Read = if decompresses { &mut MultiGzDecoder::new(content) } else { &mut content };
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
                if bytes <= file.most_bytes {
                    let write_error = |cause| DataError::Write { path: path.to_owned(), cause };
                    keep.write_all(&chunk[..read]).map_err(write_error)?;
                } else if wrong_sums == WrongSums::Refuse {
                    let expected = file.most_bytes;
                    return Err(DataError::TooLong { path: path.to_owned(), expected, dataset: kind });
                }
            }
        }
    }
    Ok(FileSum { name: file.name.to_owned(), sha256: HEXLOWER.encode(&sum.finalize()), bytes })
}

/// Computes the checksum of a file on disk.
pub(super) fn of_file(
    kind: DatasetKind,
    file: &KnownFile,
    path: &Path,
    wrong_sums: WrongSums,
    keep: &mut dyn Write,
    progress: &mut Progress,
) -> Result<FileSum, DataError> {
    let (content, _): (File, u64) =
        input::open(path).map_err(|cause| DataError::Read { path: path.to_owned(), cause })?;
    of_content(kind, file, path, content, wrong_sums, keep, progress)
}

/// Returns an error if this is not the checksum of the known file.
pub(super) fn check(kind: DatasetKind, file: &KnownFile, path: &Path, sha256: &str) -> Result<(), DataError> {
    if sha256 == file.sha256 {
        return Ok(());
    }
    let (found, expected) = (sha256.to_owned(), file.sha256);
    Err(DataError::Checksum { path: path.to_owned(), found, expected, dataset: kind })
}

#[cfg(test)]
mod tests {
    use std::{io, ops::ControlFlow};

    use super::*;

    struct FullDisk;

    impl Write for FullDisk {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The cause is the disk, not the file that is read.
    #[test]
    fn full_disk_is_an_error_of_writing() {
        let file = KnownFile { name: "file.gz", sha256: "", most_bytes: 9, sum_of: SumOf::Published };
        let (path, content) = (Path::new("archive/file.gz"), &b"content"[..]);
        let mut go_on = |_: &str, _: u64, _: Option<u64>| ControlFlow::Continue(());
        let (kind, refuse) = (DatasetKind::EmnistBalanced, WrongSums::Refuse);
        let result = of_content(kind, &file, path, content, refuse, &mut FullDisk, &mut go_on);
        assert!(matches!(result, Err(DataError::Write { .. })), "{result:?}");
    }
}
