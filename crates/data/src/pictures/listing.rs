//! Lists the pictures in a folder: their classes and their order.

use std::{
    io,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use crate::{
    DataError,
    input::{is_unprintable, shown},
};

/// File extensions of pictures, in lower case.
const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];

/// Files that Windows creates in folders of pictures. Those of other systems are hidden.
const IGNORED: [&str; 2] = ["Thumbs.db", "desktop.ini"];

/// Returns the class names: the folders in `split`, sorted by their bytes; at least one.
pub(super) fn class_names(split: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in walk(split, 1) {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            return Err(DataError::BesideClasses(entry.into_path()));
        }
        match entry.file_name().to_str() {
            // Names become text in terminals, tables and SVG files.
            Some(name) if name.chars().any(is_unprintable) => {
                return Err(DataError::ClassName(entry.into_path()));
            }
            Some(name) => names.push(name.to_owned()),
            None => return Err(DataError::ClassName(entry.into_path())),
        }
    }
    if names.is_empty() {
        return Err(DataError::NoClasses(split.to_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Returns the pictures of one class as sorted paths relative to `split`; at least one. Like Keras, it includes
/// subfolders.
pub(super) fn class_pictures(split: &Path, class: &str) -> Result<Vec<Box<Path>>, DataError> {
    let folder = split.join(class);
    let mut pictures = Vec::new();
    for entry in walk(&folder, usize::MAX) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() || !has_picture_extension(entry.path()) {
            return Err(DataError::NoPicture(entry.into_path()));
        }
        pictures.push(entry.path().strip_prefix(split).unwrap_or(entry.path()).into());
    }
    if pictures.is_empty() {
        return Err(DataError::EmptyClass(folder));
    }
    pictures.sort_unstable();
    Ok(pictures)
}

/// Interleaves the pictures of all classes, each class with its label, so that every part of the result contains the
/// classes in proportion to their sizes. Picture i of the n in a class is placed at (2i + 1) / 2n of the way.
///
/// With one class after the other, the first images of a split would all be of the first class. A validation split, the
/// last part of the training images, would contain only the last class.
pub(super) fn interleave(classes: Vec<(u32, Vec<Box<Path>>)>) -> (Vec<Box<Path>>, Vec<u32>) {
    struct Place {
        odd: usize,
        size: usize,
        label: u32,
        picture: Box<Path>,
    }
    let mut places = Vec::with_capacity(classes.iter().map(|(_, pictures)| pictures.len()).sum());
    for (label, pictures) in classes {
        let size = pictures.len();
        let place = |(i, picture)| Place { odd: 2 * i + 1, size, label, picture };
        places.extend(pictures.into_iter().enumerate().map(place));
    }
    // Compares fractions as integers: a / b < c / d if a · d < c · b.
    let product = |a: usize, b: usize| a as u128 * b as u128;
    places.sort_unstable_by(|a, b| {
        product(a.odd, b.size).cmp(&product(b.odd, a.size)).then(a.label.cmp(&b.label))
    });
    places.into_iter().map(|place| (place.picture, place.label)).unzip()
}

/// Walks through everything below `folder`, down to `depth`, except hidden and ignored entries.
fn walk(folder: &Path, depth: usize) -> impl Iterator<Item = Result<DirEntry, DataError>> {
    let walk = WalkDir::new(folder).min_depth(1).max_depth(depth).follow_links(true).into_iter();
    walk.filter_entry(|entry| !is_ignored(entry.path()))
        // Some editors lock a file with a hidden link that points nowhere; its error is skipped too.
        .filter(|entry| !matches!(entry, Err(error) if error.path().is_some_and(is_ignored)))
        .map(|entry| entry.map_err(|error| unreadable(folder, error)))
}

fn is_ignored(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        name.as_encoded_bytes().starts_with(b".")
            || IGNORED.iter().any(|ignored| name.eq_ignore_ascii_case(ignored))
    })
}

fn has_picture_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|&e| extension.eq_ignore_ascii_case(e)))
}

fn unreadable(folder: &Path, error: walkdir::Error) -> DataError {
    let path: PathBuf = error.path().unwrap_or(folder).into();
    let cause = match error.loop_ancestor() {
        Some(ancestor) => io::Error::other(format!("it links back to {}", shown(ancestor))),
        None => error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()),
    };
    DataError::Read { path, cause }
}
