//! The page to draw on: the section of a report and, in headless Chromium, that its networks answer as `evaluate` and
//! `predict` do.

use std::{env, fs, path::Path, process::Command};

use data_encoding::BASE64;
use image::{Rgba, RgbaImage};
use serde_json::Value;
use tempfile::tempdir;

use crate::{
    browser::{load, load_with},
    mnist::trainer_on_mnist,
    support::{
        assert_contains, assert_lacks, comparisons::run_of, json, number, read_json, read_text,
        refusals::refused, stderr, text,
    },
};

/// Largest difference between a probability on the page and that of the program.
const TOLERANCE: f64 = 1e-4;

/// Bytes of an image.
const IMAGE: usize = 28 * 28;

/// Number of images whose probabilities of all classes are compared.
const FEW: usize = 100;

/// Classifies all images in the page of the frame. The result of an image is, for each model, the class, its
/// probability and the probability of the true class; for the first few images, all probabilities.
const CLASSIFY: &str = "
  const page = document.querySelector('iframe').contentWindow;
  const bytes = (text) => page.Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const [images, labels] = [bytes(IMAGES), bytes(LABELS)];
  const start = performance.now();
  const results = Array.from(labels, (label, index) => {
    const answers = page.mnistTrainer.classify(images.slice(index * 784, (index + 1) * 784));
    return answers.map(({ model, probabilities }) => {
      const largest = Math.max(...probabilities);
      const few = index < FEW ? probabilities : [];
      return [model, probabilities.indexOf(largest), largest, probabilities[label], few];
    });
  });
  const milliseconds = (performance.now() - start) / labels.length;
  document.body.textContent = `RESULT${JSON.stringify({ milliseconds, results })}RESULT`;
";

#[test]
fn report_on_mnist_has_a_section_to_draw_on_if_the_weights_are_there() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let compare = "compare --scalings center,none --epochs 1 --limit 64 --out all";
    let output = trainer_on_mnist(folder, compare).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = || read_text(&folder.join("all/report.html"));
    assert_contains(
        &page(),
        [
            "<section id=\"drawing\"",
            ">Draw a digit<",
            "window.mnistTrainer",
            "\"name\":\"center\",\"color\":\"#D55E00\",\"arm\":0",
        ],
    );
    assert_lacks(&page(), ["http:", "https:", "left out, because"]);
    assert!(page().len() < 4_000_000, "the report has {} bytes", page().len());

    let all = folder.join("all");
    // As after a resume with a changed classes.txt.
    let result = run_of(&all, "none-seed1").join("result.json");
    let original = read_text(&result);
    let mut renamed = read_json(&result);
    // Old versions recorded no checksum of a result.
    renamed.as_object_mut().unwrap().remove("sha256");
    renamed["versions"]["mnist_trainer"] = "0.2.0".into();
    renamed["class_names"] = "ABCDEFGHIJ".chars().map(String::from).collect();
    fs::write(&result, renamed.to_string()).unwrap();
    json(&mut trainer_on_mnist(folder, "report all"));
    assert_contains(
        &page(),
        ["left out, because the weights are", "or to other classes", "window.mnistTrainer"],
    );
    fs::write(&result, original).unwrap();

    for (arm, left) in [("none", true), ("center", false)] {
        fs::remove_file(run_of(&all, &format!("{arm}-seed1")).join("model.safetensors")).unwrap();
        json(&mut trainer_on_mnist(folder, "report all"));
        assert_contains(&page(), [arm, "left out, because the weights are missing"]);
        assert_eq!(page().contains("window.mnistTrainer"), left, "after {arm} was removed");
    }
}

#[test]
fn images_of_other_data_sets_are_not_called_digits() {
    let folder = tempdir().unwrap();
    let data = json(&mut trainer_on_mnist(folder.path(), "data fetch"));
    let mut compare =
        trainer_on_mnist(folder.path(), "compare --scalings none --epochs 1 --limit 64 --out all");
    json(compare.args(["--dataset", "idx", "--data-dir", data["folder"].as_str().unwrap()]));
    let page = read_text(&folder.path().join("all/report.html"));
    assert_contains(&page, [">Draw<", "Draw something, or drop a picture.", "\"prepares\":false"]);
    assert_lacks(&page, ["Draw a digit", "like MNIST's digits"]);
}

fn has_chromium() -> bool {
    let chromium = env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
    let found = Command::new(&chromium).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: cannot run {}; set CHROMIUM to the path of a Chromium", chromium.display());
    }
    found
}

/// Classifies the first test images with the models on a page. Returns the milliseconds per image for all models, and
/// the results.
fn classify(folder: &Path, page: &str, images: &[u8], labels: &[u8]) -> (f64, Vec<Value>) {
    let data = format!(
        "const FEW = {FEW}, IMAGES = '{}', LABELS = '{}';",
        BASE64.encode(images),
        BASE64.encode(labels)
    );
    fs::write(folder.join("data.js"), data).unwrap();
    let around = folder.join("around.html");
    let wrapped = format!(
        "<body onload=\"classify()\"><iframe src='{page}'></iframe><script src='data.js'></script>\
         <script>function classify() {{ {CLASSIFY} }}</script>"
    );
    fs::write(&around, wrapped).unwrap();
    let loaded = load(&around);
    let Some(result) = loaded.document.split("RESULT").nth(1) else { panic!("{:?}", loaded.messages) };
    let result: Value = serde_json::from_str(result).unwrap();
    (number(&result["milliseconds"]), result["results"].as_array().unwrap().clone())
}

/// Compares one model's results with the run's `predictions.csv`.
fn compare(run: &Path, model: usize, results: &[Value]) {
    let mut rows = csv::Reader::from_path(run.join("predictions.csv")).unwrap();
    let rows: Vec<[f64; 5]> = rows.deserialize().map(Result::unwrap).collect();
    let mut largest: f64 = 0.0;
    for (result, [image, _, predicted, probability, of_label]) in results.iter().zip(rows) {
        let result = &result[model];
        assert!((number(&result[1]) - predicted).abs() < 0.5, "{}, image {image}", run.display());
        for (found, expected) in [(&result[2], probability), (&result[3], of_label)] {
            largest = largest.max((number(found) - expected).abs());
        }
    }
    println!("{}: {} images, largest difference {largest:.1e}", run.display(), results.len());
    assert!(largest <= TOLERANCE, "{}: probabilities differ by {largest}", run.display());
}

#[test]
#[ignore = "needs Chromium, 2 minutes"]
fn page_to_draw_on_classifies_the_test_images_as_the_program_does() {
    if !has_chromium() {
        return;
    }
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let three = ["standardize", "normalize", "sample-standardize"];
    for scaling in three.iter().chain(&["zca"]) {
        let arguments = format!("train --scaling {scaling} --epochs 1 --limit 6000 --out {scaling}");
        // Whitening MNIST gives a warning.
        text(&mut trainer_on_mnist(folder, &arguments));
    }
    json(&mut trainer_on_mnist(folder, &format!("export {} --to html --out three.html", three.join(" "))));
    json(&mut trainer_on_mnist(folder, "export zca --to html --out zca.html"));
    let size = fs::metadata(folder.join("three.html")).unwrap().len();
    assert!(size < 3_000_000, "the page of three models has {size} bytes");

    let fetched = json(&mut trainer_on_mnist(folder, "data fetch"));
    let read = |name: &str, header: usize| {
        let bytes = fs::read(Path::new(fetched["folder"].as_str().unwrap()).join(name)).unwrap();
        bytes[header..].to_vec()
    };
    let (images, labels) = (read("t10k-images-idx3-ubyte", 16), read("t10k-labels-idx1-ubyte", 8));

    let (milliseconds, results) = classify(folder, "three.html", &images, &labels);
    println!("{milliseconds:.1} ms for three models, a page of {size} bytes");
    assert_eq!(results.len(), 10_000);
    for (model, scaling) in three.iter().enumerate() {
        assert_eq!(results[0][model][0], **scaling);
        compare(&folder.join(scaling), model, &results);
    }
    let (milliseconds, of_zca) = classify(folder, "zca.html", &images[..FEW * IMAGE], &labels[..FEW]);
    println!("{milliseconds:.1} ms for zca");
    compare(&folder.join("zca"), 0, &of_zca);

    // All probabilities, with those of `predict`.
    let names: Vec<String> = (0..FEW).map(|index| format!("{index}.raw")).collect();
    for (name, image) in names.iter().zip(images.chunks_exact(IMAGE)) {
        fs::write(folder.join(name), image).unwrap();
    }
    for (scaling, model, results) in [("standardize", 0, &results), ("zca", 0, &of_zca)] {
        let predicted =
            json(&mut trainer_on_mnist(folder, &format!("predict {scaling} {}", names.join(" "))));
        for (index, prediction) in predicted["predictions"].as_array().unwrap().iter().enumerate() {
            let found = results[index][model][4].as_array().unwrap();
            assert_eq!(found.len(), 10);
            for (found, expected) in found.iter().zip(prediction["probabilities"].as_array().unwrap()) {
                let difference = (number(found) - number(expected)).abs();
                assert!(difference <= TOLERANCE, "{scaling}, image {index}: {found} and {expected}");
            }
        }
    }
}

/// Drops a picture on the page of the frame, and returns the image that the networks get. It waits by loading a file:
/// the browser's virtual time skips timers.
const DROP: &str = "
  const page = document.querySelector('iframe').contentWindow;
  const bytes = Uint8Array.from(atob(PICTURE), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], 'picture.png', { type: 'image/png' }));
  page.document.getElementById('draw').dispatchEvent(new DragEvent('drop', { dataTransfer }));
  const look = (times) => {
    const canvas = page.document.getElementById('draw-image');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const image = Array.from(data).filter((_, index) => index % 4 === 0);
    const message = page.document.getElementById('draw-message').textContent;
    if (message || image.some((byte) => byte > 0) || times === 0) {
      document.body.textContent = `RESULT${JSON.stringify({ image, message })}RESULT`;
    } else {
      const pause = new Image();
      pause.onload = () => look(times - 1);
      pause.src = `picture.png?${times}`;
    }
  };
  look(5000);
";

/// Draws a bar of ink, which is opaque, on transparent paper.
fn transparent_picture(paper: [u8; 3]) -> RgbaImage {
    let [red, green, blue] = paper;
    RgbaImage::from_fn(90, 120, |x, y| {
        let is_ink = (40..52).contains(&x) && (20..95).contains(&y);
        Rgba(if is_ink { [30, 20, 40, 255] } else { [red, green, blue, 0] })
    })
}

#[test]
#[ignore = "needs Chromium"]
fn page_to_draw_on_reads_the_colors_of_transparent_pixels_as_predict_does() {
    if !has_chromium() {
        return;
    }
    let folder = tempdir().unwrap();
    let folder = folder.path();
    json(&mut trainer_on_mnist(folder, "train --scaling none --epochs 1 --limit 64 --out run"));
    json(&mut trainer_on_mnist(folder, "export run --to html --out draw.html"));
    let picture = folder.join("picture.png");
    transparent_picture([255, 240, 250]).save(&picture).unwrap();
    let (image, message) = drop_on(&folder.join("draw.html"), &picture);
    let predicted = json(&mut trainer_on_mnist(folder, "predict run --prepare --show picture.png"));
    let rows = predicted["predictions"][0]["pixels"].as_array().unwrap();
    let expected: Vec<Value> = rows.iter().flat_map(|row| row.as_array().unwrap().clone()).collect();
    assert_eq!(message, "");
    assert!(image == expected, "the page sees {image:?}, and predict {expected:?}");

    // Ink and transparent paper of almost the same color: there is nothing to see for `predict` either.
    transparent_picture([30, 20, 45]).save(&picture).unwrap();
    let (_, message) = drop_on(&folder.join("draw.html"), &picture);
    assert_contains(&message, ["Cannot use picture.png: no ink found"]);
    refused(&mut trainer_on_mnist(folder, "predict run --prepare picture.png"), 1, "no ink found");
}

/// Returns the image that the networks of a page get when a picture is dropped on it, and the page's message.
fn drop_on(page: &Path, picture: &Path) -> (Vec<Value>, String) {
    let around = page.with_file_name("around.html");
    let name = page.file_name().unwrap().to_str().unwrap();
    let picture = BASE64.encode(&fs::read(picture).unwrap());
    let wrapped = format!(
        "<body onload=\"drop()\"><iframe src='{name}'></iframe>\
         <script>const PICTURE = '{picture}'; function drop() {{ {DROP} }}</script>"
    );
    fs::write(&around, wrapped).unwrap();
    let loaded = load_with(&around, &["--virtual-time-budget=60000"]);
    let Some(result) = loaded.document.split("RESULT").nth(1) else { panic!("{:?}", loaded.messages) };
    let result: Value = serde_json::from_str(result).unwrap();
    (result["image"].as_array().unwrap().clone(), result["message"].as_str().unwrap().to_owned())
}
