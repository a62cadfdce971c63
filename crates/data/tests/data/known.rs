//! Known data sets. Small files of the same forms stand in for the real ones, in rows with their own checksums.

use std::{
    collections::HashMap,
    fs,
    io::{Cursor, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use flate2::{Compression, write::GzEncoder};
use mnist_data::{
    DataError, DatasetKind, ImageShape, Source, Splits,
    source::{CifarForm, Form, KnownDataset, KnownFile, SumOf},
};
use sha2::{Digest, Sha256};
use tempfile::{TempDir, tempdir};

use crate::{
    all_pixels, go_on, idx_bytes,
    server::{Server, gzip},
    source::NO_NPM,
};

/// Makes a row of the table with the checksums of these files.
fn row(kind: DatasetKind, class_names: &'static [&'static str], form: Form) -> &'static KnownDataset {
    let known = *kind.known().unwrap();
    Box::leak(Box::new(KnownDataset { classes: class_names.len(), class_names, form, ..known }))
}

fn published(name: &'static str, bytes: &[u8]) -> KnownFile {
    let sha256 = HEXLOWER.encode(&Sha256::digest(bytes)).leak();
    KnownFile { name, sha256, most_bytes: bytes.len() as u64, sum_of: SumOf::Published }
}

/// A data set, the files on its mirror, and an empty cache.
struct Remote {
    kind: DatasetKind,
    known: &'static KnownDataset,
    files: HashMap<String, Vec<u8>>,
    folder: TempDir,
}

impl Remote {
    fn new<const N: usize>(
        kind: DatasetKind,
        known: &'static KnownDataset,
        files: [(&str, &[u8]); N],
    ) -> Self {
        let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_owned())).into();
        Self { kind, known, files, folder: tempdir().unwrap() }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// A source that knows only this mirror.
    fn source(&self, mirror: &str) -> Source {
        let source = Source::new(self.kind, None).with_known(self.known);
        source.with_remotes(self.cache(), Vec::new(), NO_NPM.into()).with_mirror(mirror.to_owned())
    }

    /// Starts a server with the files.
    fn serve(&self) -> Server {
        let files = self.files.clone();
        Server::start(move |request| match files.get(request.path.trim_start_matches('/')) {
            Some(bytes) => request.send(bytes),
            None => request.send_status("404 Not Found"),
        })
    }

    /// Downloads the data set, then reads it from the cache alone.
    fn fetch(&self) -> Splits {
        let server = self.serve();
        let fetched = self.source(&server.url).fetch(&mut *go_on()).unwrap();
        assert_eq!(fetched.source, server.url);
        assert!(fetched.are_known().unwrap().into_iter().all(|is_known| is_known));
        let requests = server.requests();
        let cached = self.source(&server.url).fetch(&mut *go_on()).unwrap();
        assert_eq!((cached.source.as_str(), server.requests()), ("cache", requests));
        assert_eq!(cached.folder, self.cache());
        cached.into_splits().unwrap()
    }

    /// Expects that fetching from this mirror fails for a reason, and leaves nothing behind.
    fn assert_fails(&self, mirror: &str, reason: &str) {
        let error = self.source(mirror).fetch(&mut *go_on()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 0, "nothing is left behind");
    }
}

/// Opens a folder of the user.
fn open(kind: DatasetKind, known: &'static KnownDataset, folder: &Path) -> Result<Splits, DataError> {
    let source = Source::new(kind, Some(folder.to_owned())).with_known(known);
    source.fetch(&mut *go_on())?.into_splits()
}

/// Returns small IDX files: 3 training and 2 test images of 2×3 pixels.
fn idx_files() -> [Vec<u8>; 4] {
    [
        idx_bytes(0x803, &[3, 2, 3], &(0..18).collect::<Vec<u8>>()),
        idx_bytes(0x801, &[3], &[0, 1, 1]),
        idx_bytes(0x803, &[2, 2, 3], &(100..112).collect::<Vec<u8>>()),
        idx_bytes(0x801, &[2], &[1, 0]),
    ]
}

const IDX_NAMES: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

/// Returns a data set in the form of KMNIST.
fn kmnist() -> Remote {
    let files: [Vec<u8>; 4] = idx_files().map(|file| gzip(&file));
    let known = std::array::from_fn(|i| published(IDX_NAMES[i], &files[i]));
    let row = row(DatasetKind::Kmnist, &["o", "ki"], Form::Idx(known));
    Remote::new::<4>(DatasetKind::Kmnist, row, std::array::from_fn(|i| (IDX_NAMES[i], &*files[i])))
}

/// The images of each file in the form of CIFAR-10: a class, and the value of all pixels.
const CIFAR_FILES: [(&str, &[(u8, u8)]); 3] = [
    ("data_batch_1.bin", &[(1, 10), (0, 20)]),
    ("data_batch_2.bin", &[(1, 30)]),
    ("test_batch.bin", &[(0, 40)]),
];

fn cifar_file(images: &[(u8, u8)], label_bytes: usize) -> Vec<u8> {
    let record = |&(class, value): &(u8, u8)| {
        let mut record = vec![value; label_bytes + 3072];
        record[..label_bytes].fill(99);
        record[label_bytes - 1] = class;
        // The first green pixel.
        record[label_bytes + 1024] = 200;
        record
    };
    images.iter().flat_map(record).collect()
}

fn tarball(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tarball = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tarball.append_data(&mut header, Path::new("cifar-10-batches-bin").join(name), &**bytes).unwrap();
    }
    tarball.into_inner().unwrap().finish().unwrap()
}

const ARCHIVE: &str = "cifar-10-binary.tar.gz";

/// Returns a data set in the form of CIFAR-10 with these files, and this archive of them.
fn cifar_of(files: &[(&'static str, Vec<u8>)], archive: &[u8]) -> Remote {
    let mut known: Vec<KnownFile> = files.iter().map(|(name, bytes)| published(name, bytes)).collect();
    let test = known.pop().unwrap();
    let form = CifarForm {
        archive: published(ARCHIVE, archive),
        folder: "cifar-10-batches-bin",
        train: known.leak(),
        test,
        label_bytes: 1,
    };
    let row = row(DatasetKind::Cifar10, &["cat", "dog"], Form::Cifar(form));
    Remote::new(DatasetKind::Cifar10, row, [(ARCHIVE, archive)])
}

fn cifar_files() -> Vec<(&'static str, Vec<u8>)> {
    CIFAR_FILES.map(|(name, images)| (name, cifar_file(images, 1))).to_vec()
}

fn cifar() -> Remote {
    let files = cifar_files();
    cifar_of(&files, &tarball(&files))
}

fn assert_is_cifar(splits: &Splits) {
    assert_eq!(splits.train.shape(), ImageShape { channels: 3, height: 32, width: 32 });
    assert_eq!((splits.train.labels(), splits.test.labels()), (&[1, 0, 1][..], &[0][..]));
    assert_eq!(splits.class_names.as_deref().unwrap(), ["cat", "dog"]);
    let pixels = all_pixels(&splits.train);
    let starts: Vec<u8> = pixels.chunks(3072).map(|image| image[0]).collect();
    assert_eq!((starts, pixels[1024], pixels[1025]), (vec![10, 20, 30], 200, 10), "N×C×H×W");
}

#[test]
fn rows_of_the_table_are_consistent() {
    for kind in DatasetKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        let Some(known) = kind.known() else { continue };
        let names = known.class_names;
        assert!(names.is_empty() || names.len() == known.classes, "{kind}");
        assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)), "{kind}");
        assert!(known.mirrors.iter().all(|mirror| mirror.starts_with("https://")), "{kind}");
        let files: Vec<KnownFile> = match known.form {
            Form::Idx(files) => files.to_vec(),
            Form::ZippedIdx { archive, files, .. } => [&files[..], &[archive]].concat(),
            Form::Cifar(form) => [form.train, &[form.test, form.archive]].concat(),
        };
        for file in files {
            let sum = HEXLOWER.decode(file.sha256.as_bytes());
            assert_eq!(sum.map(|sum| sum.len()), Ok(32), "{kind}: {}", file.name);
        }
    }
    let error = "kmnist2".parse::<DatasetKind>().unwrap_err();
    assert!(
        error.starts_with("unknown data set `kmnist2`, expected one of: mnist, fashion-mnist, "),
        "{error}"
    );
}

/// The lines come from `tensorflow_datasets/url_checksums` of TensorFlow Datasets: URL, size and SHA-256.
#[test]
fn downloads_are_those_that_tensorflow_lists() {
    let list = include_str!("../golden/url_checksums.txt");
    let mut downloads = Vec::new();
    for kind in
        [DatasetKind::Kmnist, DatasetKind::EmnistBalanced, DatasetKind::Cifar10, DatasetKind::Cifar100]
    {
        let known = kind.known().unwrap();
        let files = match known.form {
            Form::Idx(files) => files.to_vec(),
            Form::ZippedIdx { archive, .. } => vec![archive],
            Form::Cifar(form) => vec![form.archive],
        };
        for file in files {
            let urls = known.mirrors.iter().map(|mirror| format!("{mirror}/{}", file.name));
            downloads.push((urls.collect::<Vec<_>>(), file));
        }
    }
    assert_eq!(downloads.len(), list.lines().count());
    for line in list.lines() {
        let [url, bytes, sha256] = *line.split_whitespace().collect::<Vec<_>>() else { panic!("{line}") };
        // The list is older than KMNIST's TLS.
        let url = url.replacen("http://", "https://", 1);
        let (_, file) = downloads.iter().find(|(urls, _)| urls.contains(&url)).expect(&url);
        assert_eq!((file.most_bytes.to_string().as_str(), file.sha256), (bytes, sha256), "{url}");
    }
}

#[test]
fn gzipped_files_are_fetched_and_their_classes_named() {
    let remote = kmnist();
    let splits = remote.fetch();
    assert_eq!((splits.train.labels(), splits.classes), (&[0, 1, 1][..], 2));
    assert_eq!(splits.class_names.as_deref().unwrap(), ["o", "ki"]);
    assert_eq!(*all_pixels(&splits.test), (100..112).collect::<Vec<u8>>());
    let sums = remote.source("http://unused").fetch(&mut *go_on()).unwrap().sums(&mut *go_on()).unwrap();
    assert_eq!(sums[1].name, IDX_NAMES[1]);
    assert_eq!(sums[1].sha256, HEXLOWER.encode(&Sha256::digest(&remote.files[IDX_NAMES[1]])));
}

/// Debian's package of Fashion-MNIST has other gzip headers than the original files.
#[test]
fn checksum_of_the_content_accepts_any_gzip_header() {
    let folder = tempdir().unwrap();
    let files = idx_files();
    let known = std::array::from_fn(|i| {
        let file = published(IDX_NAMES[i].trim_end_matches(".gz"), &files[i]);
        KnownFile { sum_of: SumOf::Content, ..file }
    });
    let known = row(DatasetKind::FashionMnist, &["shirt", "bag"], Form::Idx(known));
    for (name, bytes) in IDX_NAMES.iter().zip(&files) {
        let mut encoder = flate2::GzBuilder::new().mtime(1).write(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        fs::write(folder.path().join(name), encoder.finish().unwrap()).unwrap();
    }
    let splits = open(DatasetKind::FashionMnist, known, folder.path()).unwrap();
    assert_eq!(splits.class_names.unwrap(), ["shirt", "bag"]);
}

#[test]
fn wrong_checksum_names_the_file_and_both_sums() {
    let remote = kmnist();
    let folder = tempdir().unwrap();
    for (name, bytes) in &remote.files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let wrong = gzip(&idx_bytes(0x801, &[3], &[0, 0, 1]));
    fs::write(folder.path().join(IDX_NAMES[1]), &wrong).unwrap();
    let error = open(remote.kind, remote.known, folder.path()).unwrap_err().to_string();
    let expected = HEXLOWER.encode(&Sha256::digest(&remote.files[IDX_NAMES[1]]));
    let found = HEXLOWER.encode(&Sha256::digest(&wrong));
    let end = format!("train-labels-idx1-ubyte.gz: SHA-256 {found}, but KMNIST's is {expected}");
    assert!(error.ends_with(&end), "{error}");

    let source = Source::new(remote.kind, Some(folder.path().to_owned())).with_known(remote.known);
    let verified = source.verify(&mut *go_on()).unwrap();
    assert_eq!(verified.are_known().unwrap(), [true, false, true, true]);
}

/// Verification lists the other files too.
#[test]
fn file_that_is_too_long_is_verified_as_wrong() {
    let remote = kmnist();
    let folder = tempdir().unwrap();
    for (name, bytes) in &remote.files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let noise: Vec<u8> = (0..3000_u32).map(|i| (i * i / 7 % 251) as u8).collect();
    let long = gzip(&idx_bytes(0x803, &[500, 2, 3], &noise));
    fs::write(folder.path().join(IDX_NAMES[0]), &long).unwrap();
    let source = Source::new(remote.kind, Some(folder.path().to_owned())).with_known(remote.known);
    let verified = source.verify(&mut *go_on()).unwrap();
    assert_eq!(verified.are_known().unwrap(), [false, true, true, true]);
    let sums = verified.sums(&mut *go_on()).unwrap();
    assert_eq!(sums[0].sha256, HEXLOWER.encode(&Sha256::digest(&long)));
    let error = source.fetch(&mut *go_on()).unwrap_err();
    assert!(matches!(error, DataError::TooLong { .. }), "{error}");

    let remote = cifar();
    fs::write(folder.path().join(ARCHIVE), [&remote.files[ARCHIVE][..], b"more"].concat()).unwrap();
    let source = Source::new(remote.kind, Some(folder.path().to_owned())).with_known(remote.known);
    let verified = source.verify(&mut *go_on()).unwrap();
    assert_eq!(verified.are_known().unwrap(), [false]);
    assert_eq!(verified.sums(&mut *go_on()).unwrap()[0].name, ARCHIVE);
    let error = verified.into_splits().unwrap_err();
    assert!(matches!(error, DataError::Checksum { .. }), "{error}");
}

/// Many tools decompress what they download.
#[test]
fn decompressed_files_without_a_known_checksum_are_named() {
    let remote = kmnist();
    let folder = tempdir().unwrap();
    for (name, bytes) in IDX_NAMES.iter().zip(idx_files()) {
        fs::write(folder.path().join(name.trim_end_matches(".gz")), bytes).unwrap();
    }
    let error = open(remote.kind, remote.known, folder.path()).unwrap_err().to_string();
    let end =
        "train-images-idx3-ubyte is decompressed, but only train-images-idx3-ubyte.gz has a known checksum";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn archive_of_cifar_is_fetched_and_read() {
    assert_is_cifar(&cifar().fetch());
}

#[test]
fn folder_of_cifar_may_contain_the_archive_or_its_files() {
    let remote = cifar();
    let open = |folder: &Path| open(remote.kind, remote.known, folder);
    let sums = |folder: &Path| {
        let files = Source::new(remote.kind, Some(folder.to_owned())).with_known(remote.known);
        let files = files.fetch(&mut *go_on()).unwrap();
        assert_eq!(files.are_known().unwrap(), [true; 3]);
        files.sums(&mut *go_on()).unwrap()
    };
    let folder = tempdir().unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("contains neither cifar-10-binary.tar.gz nor test_batch.bin"), "{error}");

    fs::write(folder.path().join(ARCHIVE), &remote.files[ARCHIVE]).unwrap();
    assert_is_cifar(&open(folder.path()).unwrap());
    let sums_of_archive = sums(folder.path());

    let unpacked = folder.path().join("cifar-10-batches-bin");
    fs::create_dir(&unpacked).unwrap();
    for (name, bytes) in cifar_files() {
        fs::write(unpacked.join(name), bytes).unwrap();
    }
    fs::remove_file(folder.path().join(ARCHIVE)).unwrap();
    assert_is_cifar(&open(folder.path()).unwrap());
    assert_is_cifar(&open(&unpacked).unwrap());
    assert_eq!(sums(&unpacked), sums_of_archive, "the same data");

    fs::write(unpacked.join("data_batch_2.bin"), cifar_file(&[(0, 0)], 1)).unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("data_batch_2.bin: SHA-256 ") && error.contains("but CIFAR-10's is "), "{error}");

    fs::remove_file(unpacked.join("data_batch_2.bin")).unwrap();
    for folder in [folder.path(), &unpacked] {
        let error = open(folder).unwrap_err().to_string();
        assert!(error.ends_with("cifar-10-batches-bin contains no data_batch_2.bin"), "{error}");
    }
}

/// The last of two label bytes is the class, as in CIFAR-100.
#[test]
fn fine_labels_are_the_classes() {
    let folder = tempdir().unwrap();
    let (train, test) = (cifar_file(&[(1, 5), (0, 6)], 2), cifar_file(&[(1, 7)], 2));
    let form = CifarForm {
        archive: published("cifar-100-binary.tar.gz", b""),
        folder: "cifar-100-binary",
        train: vec![published("train.bin", &train)].leak(),
        test: published("test.bin", &test),
        label_bytes: 2,
    };
    fs::write(folder.path().join("train.bin"), train).unwrap();
    fs::write(folder.path().join("test.bin"), test).unwrap();
    let known = row(DatasetKind::Cifar100, &["cat", "dog"], Form::Cifar(form));
    let splits = open(DatasetKind::Cifar100, known, folder.path()).unwrap();
    assert_eq!((splits.train.labels(), splits.test.labels()), (&[1, 0][..], &[1][..]));
    assert_eq!(all_pixels(&splits.train)[..2], [5, 5]);
}

/// The checksums are right here: the library's users can add rows of their own.
#[test]
fn damaged_archives_of_cifar_are_refused() {
    let files = cifar_files();
    let whole = tarball(&files);
    let mut wrong_label = files.clone();
    wrong_label[1].1 = cifar_file(&[(7, 0)], 1);
    let mut half_an_image = files.clone();
    half_an_image[0].1.truncate(3000);
    for (archive, reason) in [
        (whole[..whole.len() / 2].to_vec(), ARCHIVE),
        (gzip(b"no archive"), ARCHIVE),
        (tarball(&files[1..]), "the archive does not contain data_batch_1.bin"),
        (tarball(&wrong_label), "data_batch_2.bin: label 7 at position 0, but the classes are 0 to 1"),
        (tarball(&half_an_image), "3000 bytes are not a number of images of 3073 bytes each"),
    ] {
        let remote = cifar_of(&files, &archive);
        let folder = tempdir().unwrap();
        fs::write(folder.path().join(ARCHIVE), &archive).unwrap();
        let error = open(remote.kind, remote.known, folder.path()).unwrap_err().to_string();
        assert!(error.contains(ARCHIVE) && error.contains(reason), "{error}");
    }
}

const EMNIST_NAMES: [&str; 4] = [
    "emnist-balanced-train-images-idx3-ubyte.gz",
    "emnist-balanced-train-labels-idx1-ubyte.gz",
    "emnist-balanced-test-images-idx3-ubyte.gz",
    "emnist-balanced-test-labels-idx1-ubyte.gz",
];

/// Returns a data set in the form of EMNIST, with these files in its archive.
fn emnist(archived: &[usize]) -> Remote {
    let files = idx_files().map(|file| gzip(&file));
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("gzip/emnist-letters-train-images-idx3-ubyte.gz", options).unwrap();
    for &position in archived {
        zip.start_file(format!("gzip/{}", EMNIST_NAMES[position]), options).unwrap();
        zip.write_all(&files[position]).unwrap();
    }
    let archive = zip.finish().unwrap().into_inner();
    let form = Form::ZippedIdx {
        archive: published("gzip.zip", &archive),
        folder: "gzip",
        files: std::array::from_fn(|i| published(EMNIST_NAMES[i], &files[i])),
    };
    let known = row(DatasetKind::EmnistBalanced, &["A", "b"], form);
    Remote::new(DatasetKind::EmnistBalanced, known, [("gzip.zip", &archive)])
}

#[test]
fn zip_archive_is_unpacked_and_images_are_turned_upright() {
    let remote = emnist(&[0, 1, 2, 3]);
    let splits = remote.fetch();
    assert_eq!(splits.train.shape(), ImageShape { channels: 1, height: 3, width: 2 });
    // The first image is stored as the rows 0 1 2 and 3 4 5.
    assert_eq!(all_pixels(&splits.train)[..6], [0, 3, 1, 4, 2, 5]);
    assert_eq!(splits.class_names.unwrap(), ["A", "b"]);
    let mut names: Vec<_> =
        fs::read_dir(remote.cache()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut expected = EMNIST_NAMES;
    expected.sort_unstable();
    assert_eq!(names, expected, "the archive is not kept");
    assert_eq!(fs::read_dir(remote.folder.path()).unwrap().count(), 1);
}

#[test]
fn unpacking_can_be_interrupted() {
    let (remote, server) = (emnist(&[0, 1, 2, 3]), emnist(&[0, 1, 2, 3]).serve());
    let mut names = Vec::new();
    let result = remote.source(&server.url).fetch(&mut |name, _, _| {
        names.push(name.to_owned());
        if name == EMNIST_NAMES[2] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(result, Err(DataError::Interrupted)), "{names:?}");
    assert_eq!(fs::read_dir(remote.folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn zip_archive_without_a_file_is_refused() {
    let remote = emnist(&[0, 1, 3]);
    let error = remote.source(&remote.serve().url).fetch(&mut *go_on()).unwrap_err().to_string();
    assert!(error.contains("cannot read gzip.zip: "), "{error}");
    assert_eq!(fs::read_dir(remote.folder.path()).unwrap().count(), 0);
}

#[test]
fn zip_archive_in_a_folder_must_be_unpacked() {
    let remote = emnist(&[0, 1, 2, 3]);
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("gzip.zip"), &remote.files["gzip.zip"]).unwrap();
    let error = open(remote.kind, remote.known, folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("gzip.zip is not unpacked; expected gzip/emnist-balanced-train-images"),
        "{error}"
    );

    fs::create_dir(folder.path().join("gzip")).unwrap();
    for (name, file) in EMNIST_NAMES.iter().zip(idx_files()) {
        fs::write(folder.path().join("gzip").join(name), gzip(&file)).unwrap();
    }
    assert_eq!(open(remote.kind, remote.known, folder.path()).unwrap().train.labels(), [0, 1, 1]);
}

#[test]
fn mirror_that_has_moved_is_an_error_without_traces() {
    let remote = cifar();
    let missing = Server::start(|request| request.send_status("404 Not Found"));
    remote.assert_fails(&missing.url, "cifar-10-binary.tar.gz: HTTP status 404");
    let page = Server::start(|request| request.send(b"\n<!DOCTYPE html><title>We have moved</title>"));
    remote.assert_fails(&page.url, "cifar-10-binary.tar.gz: the server sent a web page instead of the file");
    let target = page.url.clone();
    let redirect = Server::start(move |mut request| {
        request.send_head("301 Moved Permanently", &format!("Location: {target}/\r\nContent-Length: 0"))
    });
    remote.assert_fails(
        &redirect.url,
        "the server sent a web page instead of the file; the mirror may have moved",
    );
}

#[test]
fn other_archive_on_a_mirror_is_refused_without_traces() {
    let remote = cifar();
    let mut other = remote.files[ARCHIVE].clone();
    other[4] ^= 1;
    let server = Server::start(move |request| request.send(&other));
    remote.assert_fails(&server.url, "cifar-10-binary.tar.gz: SHA-256 ");
    let short = remote.files[ARCHIVE][..100].to_vec();
    let server = Server::start(move |request| request.send(&short));
    remote.assert_fails(&server.url, "but CIFAR-10's is ");
}
