//! Which pictures are found, in which order, and which folders are refused.

use std::fs;

use image::GrayImage;
use mnist_data::{DataError, pictures};
use tempfile::tempdir;

use super::{AS_THEY_ARE, assert_error, folder, open, save, write};

#[test]
fn classes_are_the_sorted_folders_of_train() {
    let folder = folder();
    for class in ["train/Z", "train/10", "train/9", "test/9"] {
        save(folder.path(), &format!("{class}/x.PNG"), GrayImage::new(3, 2));
    }
    let found = open(&folder).unwrap();
    assert_eq!(found.class_names, ["10", "9", "Z", "a", "b"]);
    assert_eq!(found.train.1, [0, 1, 2, 3, 4]);
    assert_eq!(found.test.1, [1, 3, 4], "some classes have no test pictures");
    assert_eq!(found.test.0.path(0), folder.path().join("test/9/x.PNG"));
}

#[test]
fn pictures_of_a_class_are_sorted_by_path() {
    let folder = folder();
    for name in ["9", "1", "sub/5", "10", "sub/deep/7", "Z"] {
        save(folder.path(), &format!("train/a/{name}.png"), GrayImage::new(3, 2));
    }
    fs::remove_dir_all(folder.path().join("train/b")).unwrap();
    fs::remove_dir_all(folder.path().join("test/b")).unwrap();
    let train = open(&folder).unwrap().train;
    let names: Vec<_> = (0..train.1.len()).map(|i| train.0.path(i)).collect();
    let expected = ["0", "1", "10", "9", "Z", "sub/5", "sub/deep/7"];
    assert_eq!(names, expected.map(|name| folder.path().join(format!("train/a/{name}.png"))));
}

#[test]
fn classes_are_interleaved_in_proportion_to_their_sizes() {
    let folder = folder();
    for i in 1..6 {
        save(folder.path(), &format!("train/b/{i}.png"), GrayImage::new(3, 2));
    }
    for i in 1..3 {
        save(folder.path(), &format!("train/c/{i}.png"), GrayImage::new(3, 2));
    }
    // Class a (1 picture) is at 1/2; b (6) at 1/12, 3/12, …; c (2) at 1/4 and 3/4. In a tie, the first class is first.
    let found = open(&folder).unwrap();
    assert_eq!(found.train.1, [1, 1, 2, 1, 0, 1, 1, 2, 1]);
    let names: Vec<_> = (0..9).map(|i| found.train.0.path(i)).collect();
    let b: Vec<_> = names.iter().filter(|name| name.starts_with(folder.path().join("train/b"))).collect();
    assert!(b.is_sorted(), "{b:?}");
}

#[test]
fn hidden_files_and_files_created_by_windows_are_skipped() {
    let folder = folder();
    for name in
        ["train/.hidden/x.txt", "train/a/.x.txt", "train/thumbs.DB", "test/b/Desktop.ini", "train/.y.png"]
    {
        write(folder.path(), name, b"?");
    }
    assert_eq!(open(&folder).unwrap().train.1, [0, 1]);
}

#[test]
fn missing_split_is_refused_with_the_layout() {
    for split in ["train", "test"] {
        let folder = folder();
        fs::remove_dir_all(folder.path().join(split)).unwrap();
        let error = open(&folder).unwrap_err();
        assert_error(&error, folder.path(), "train/<class>/*.png and test/<class>/*.png");
        assert!(error.to_string().contains(&format!("`{split}`")), "{error}");
    }
    let missing = tempdir().unwrap().path().join("missing");
    let error = pictures::open(&missing, AS_THEY_ARE).unwrap_err();
    assert!(matches!(&error, DataError::NoFolder(path) if *path == missing), "{error}");
    assert_error(&error, &missing, "does not exist or is not a folder");
}

#[test]
fn split_without_classes_is_refused() {
    let folder = folder();
    let test = folder.path().join("test");
    fs::remove_dir_all(&test).unwrap();
    fs::create_dir(&test).unwrap();
    assert_error(&open(&folder).unwrap_err(), &test, "has no class folders");
}

#[test]
fn empty_class_is_refused() {
    for class in ["train/c", "test/a"] {
        let folder = folder();
        let class = folder.path().join(class);
        let _ = fs::remove_dir_all(&class);
        fs::create_dir_all(class.join("sub.png")).unwrap();
        assert_error(&open(&folder).unwrap_err(), &class, "contains no pictures");
    }
}

#[test]
fn test_class_without_training_pictures_is_refused() {
    let folder = folder();
    save(folder.path(), "test/c/0.png", GrayImage::new(3, 2));
    let error = open(&folder).unwrap_err();
    assert_error(&error, &folder.path().join("test/c"), "no such class");
}

#[test]
fn file_without_the_name_of_a_picture_is_refused() {
    for name in ["train/a/notes.txt", "test/b/sub/x.gif", "train/b/png"] {
        let folder = folder();
        let path = write(folder.path(), name, b"?");
        assert_error(&open(&folder).unwrap_err(), &path, "is not a supported picture");
    }
}

#[test]
fn file_outside_the_class_folders_is_refused() {
    let folder = folder();
    let path = save(folder.path(), "train/x.png", GrayImage::new(3, 2));
    assert_error(&open(&folder).unwrap_err(), &path, "is outside the class folders");
}

#[cfg(target_os = "linux")]
#[test]
fn class_name_that_is_not_utf_8_is_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let folder = folder();
    fs::create_dir(folder.path().join("train").join(OsStr::from_bytes(b"caf\xe9"))).unwrap();
    assert_error(&open(&folder).unwrap_err(), &folder.path().join("train/caf\u{fffd}"), "UTF-8");
}

#[cfg(unix)]
#[test]
fn class_name_with_characters_that_cannot_be_shown_is_refused() {
    for (name, shown) in [
        ("two\nlines", r"train/two\nlines"),
        ("\u{1b}[2Jclear", r"train/\u{1b}[2Jclear"),
        ("abc\u{202e}fed", r"train/abc\u{202e}fed"),
        ("\u{9b}", r"train/\u{9b}"),
    ] {
        let folder = folder();
        fs::create_dir(folder.path().join("train").join(name)).unwrap();
        let words = "class names must be UTF-8 without control characters; rename the folder";
        assert_error(&open(&folder).unwrap_err(), &folder.path().join(shown), words);
    }
    let folder = folder();
    for name in ["l'été", "日本", "👩\u{200d}🚀", "می\u{200c}خواهم"] {
        save(folder.path(), &format!("train/{name}/x.png"), GrayImage::new(3, 2));
    }
    assert_eq!(open(&folder).unwrap().class_names.len(), 6);
}

#[cfg(unix)]
#[test]
fn file_names_are_escaped_in_errors() {
    let folder = folder();
    write(folder.path(), "train/a/\u{1b}]0;x\u{7}\n.txt", b"?");
    let shown = folder.path().join(r"train/a/\u{1b}]0;x\u{7}\n.txt");
    assert_error(&open(&folder).unwrap_err(), &shown, "is not a supported picture");
}

#[cfg(unix)]
#[test]
fn named_pipe_is_refused_without_waiting_for_its_writer() {
    let folder = folder();
    let pipe = folder.path().join("train/a/0.png");
    fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_error(&open(&folder).unwrap_err(), &pipe, "is not a supported picture");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_dangling_links_and_loops_are_refused() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    let train = folder.path().join("train");
    symlink("a", train.join("c")).unwrap();
    symlink("0.png", train.join("a/1.png")).unwrap();
    symlink("nowhere", train.join("a/.#lock")).unwrap();
    assert_eq!(open(&folder).unwrap().train.1, [0, 2, 1, 0, 2]);

    let dangling = train.join("a/2.png");
    symlink("nowhere", &dangling).unwrap();
    assert_error(&open(&folder).unwrap_err(), &dangling, "cannot read");
    fs::remove_file(dangling).unwrap();

    let back = train.join("b/back");
    symlink("../b", &back).unwrap();
    assert_error(&open(&folder).unwrap_err(), &back, "links back to");
}
