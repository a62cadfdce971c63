//! Files that were downloaded and checked, on their way into the cache.

use std::{
    fs::{self, File},
    io::{self, Seek},
    path::Path,
};

use atomic_write_file::AtomicWriteFile;

use super::{
    DatasetKind, Progress, checksum,
    folder::WrongSums,
    known::{Form, KnownDataset, KnownFile, SumOf},
};
use crate::DataError;

/// What a download is for.
pub(super) struct Target<'a> {
    pub kind: DatasetKind,
    pub known: &'static KnownDataset,
    /// The folder to keep the files in.
    pub cache: &'a Path,
}

/// A downloaded file with the right checksum.
pub(super) struct Download {
    /// Its name in the cache.
    file_name: String,
    /// Name of the same file in the other form, plain or gzipped.
    other_name: Option<String>,
    content: File,
}

impl Target<'_> {
    /// Creates an unnamed file on the disk of the cache. It vanishes with this process.
    pub fn unnamed_file(&self) -> Result<File, DataError> {
        let folder = self.cache.ancestors().find(|folder| folder.is_dir()).unwrap_or(self.cache);
        tempfile::tempfile_in(folder).map_err(|cause| DataError::Write { path: folder.to_owned(), cause })
    }

    /// Checks that the bytes downloaded from `address` are those of `file`.
    pub fn check(
        &self,
        file: &KnownFile,
        address: &str,
        file_name: String,
        mut content: File,
        progress: &mut Progress,
    ) -> Result<Download, DataError> {
        let path = Path::new(address);
        let unreadable = |cause| DataError::Read { path: path.to_owned(), cause };
        content.rewind().map_err(unreadable)?;
        let refuse = WrongSums::Refuse;
        let sum = checksum::of_content(self.kind, file, path, &content, refuse, &mut io::sink(), progress)?;
        checksum::check(self.kind, file, path, &sum.sha256)?;
        content.rewind().map_err(unreadable)?;
        let gzipped = format!("{}.gz", file.name);
        let other_name = match file.sum_of {
            SumOf::Published => None,
            SumOf::Content if file_name == gzipped => Some(file.name.to_owned()),
            SumOf::Content => Some(gzipped),
        };
        Ok(Download { file_name, other_name, content })
    }

    /// Writes the downloads into the cache, each file completely or not at all. Unpacks a zip archive first.
    pub fn keep(&self, downloads: Vec<Download>, progress: &mut Progress) -> Result<(), DataError> {
        let downloads = match &self.known.form {
            Form::ZippedIdx { archive, folder, files } => {
                let unpack = |download: Download| self.unpack(&download, archive, folder, files, progress);
                downloads.into_iter().next().map(unpack).transpose()?.unwrap_or_default()
            }
            Form::Idx(_) | Form::Cifar(_) => downloads,
        };
        let failed = |path: &Path, cause| DataError::Write { path: path.to_owned(), cause };
        fs::create_dir_all(self.cache).map_err(|cause| failed(self.cache, cause))?;
        for mut download in downloads {
            let path = self.cache.join(&download.file_name);
            let written = AtomicWriteFile::open(&path).and_then(|mut file| {
                io::copy(&mut download.content, &mut file)?;
                file.commit()
            });
            written.map_err(|cause| failed(&path, cause))?;
            if let Some(other_name) = download.other_name {
                // A damaged file in the other form could be read instead of this one.
                let _ = fs::remove_file(self.cache.join(other_name));
            }
        }
        Ok(())
    }

    /// Takes the files out of a zip archive with the right checksum.
    fn unpack(
        &self,
        zip: &Download,
        archive: &KnownFile,
        folder: &str,
        files: &[KnownFile],
        progress: &mut Progress,
    ) -> Result<Vec<Download>, DataError> {
        let path = Path::new(archive.name);
        let damaged = |cause: io::Error| DataError::Read { path: path.to_owned(), cause };
        let mut entries = zip::ZipArchive::new(&zip.content).map_err(|error| damaged(error.into()))?;
        let mut take = |file: &KnownFile| {
            let name = format!("{folder}/{}", file.name);
            let entry = entries.by_name(&name).map_err(|error| damaged(error.into()))?;
            let mut content = self.unnamed_file()?;
            let path = path.join(&name);
            let refuse = WrongSums::Refuse;
            let sum = checksum::of_content(self.kind, file, &path, entry, refuse, &mut content, progress)?;
            checksum::check(self.kind, file, &path, &sum.sha256)?;
            content.rewind().map_err(damaged)?;
            Ok(Download { file_name: file.name.to_owned(), other_name: None, content })
        };
        files.iter().map(&mut take).collect()
    }
}
