//! `export`: the files it writes, and which exports it refuses.
//!
//! `scripts/check_export.py` checks that other programs compute the same logits with these files.

use std::{collections::HashMap, fs, path::Path};

use onnx_rs::ast::{DataType, Dimension, OpType, TypeValue, ValueInfo};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{
    assert_contains, assert_lacks, assert_same_text,
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    json, number, read_json, read_text,
    refusals::refused,
    stderr, text, trainer_in,
};

/// Creates a folder with the small data set and a run on it. The test split is cut to 16 images, because an export
/// contains 16.
fn folder_with_run(arguments: &str) -> TempDir {
    let folder = folder_with_digits();
    let data = folder.path().join("data");
    for (file, header, size) in [("t10k-images-idx3-ubyte", 16, 144), ("t10k-labels-idx1-ubyte", 8, 1)] {
        let mut bytes = fs::read(data.join(file)).unwrap();
        bytes.truncate(header + 16 * size);
        bytes[4..8].copy_from_slice(&16_u32.to_be_bytes());
        fs::write(data.join(file), bytes).unwrap();
    }
    json(&mut trainer_on_digits(
        folder.path(),
        &format!("train --epochs 2 --batch-size 16 --out run {arguments}"),
    ));
    folder
}

/// Exports the run into a folder named after the format, and returns the bytes of the exported model.
fn export(folder: &Path, format: &str) -> Vec<u8> {
    let arguments = format!("export run --to {format} --out {format} --force");
    let exported = json(&mut trainer_in(folder, &arguments));
    fs::read(folder.join(exported["files"][0].as_str().unwrap())).unwrap()
}

fn metadata(file: &[u8]) -> HashMap<String, String> {
    SafeTensors::read_metadata(file).unwrap().1.metadata().clone().unwrap()
}

/// Returns the shape and the values of an f32 tensor.
fn floats(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = file.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
    let values = tensor.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
    (tensor.shape().to_vec(), values.collect())
}

#[test]
fn export_prints_the_names_of_the_files_it_writes() {
    let folder = folder_with_run("--scaling center");
    for (format, model) in [("safetensors", "model.safetensors"), ("onnx", "model.onnx")] {
        let exported = json(&mut trainer_in(folder.path(), &format!("export run --to {format}")));
        assert_eq!(exported["run"], "run");
        let files: Vec<&str> =
            exported["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
        let [first, second] = files[..] else { panic!("{exported}") };
        let start = format!("runs/export-{format}-20");
        assert!(first.starts_with(&start) && first.ends_with(&format!("Z/{model}")), "{first}");
        assert!(second.starts_with(&start) && second.ends_with("Z/golden.safetensors"), "{second}");
        for file in [first, second] {
            assert!(folder.path().join(file).exists(), "{file}");
        }
        let all = fs::read_dir(folder.path().join(first).parent().unwrap()).unwrap();
        assert_eq!(all.count(), 2, "unexpected files in the folder");
    }
    let printed = text(&mut trainer_in(folder.path(), "export run --to onnx"));
    assert_contains(&printed, ["model.onnx: scaling and network in one graph"]);
}

#[test]
fn safetensors_contain_the_weights_of_the_run_in_the_layout_of_pytorch() {
    let folder = folder_with_run("--scaling standardize");
    let exported = export(folder.path(), "safetensors");
    let exported = SafeTensors::deserialize(&exported).unwrap();
    let run = fs::read(folder.path().join("run/model.safetensors")).unwrap();
    let run = SafeTensors::deserialize(&run).unwrap();
    for (name, shape) in [
        ("conv1.weight", vec![32, 1, 3, 3]),
        ("conv1.bias", vec![32]),
        ("conv2.weight", vec![64, 32, 3, 3]),
        ("conv2.bias", vec![64]),
        ("dense1.weight", vec![64, 64]), // convolutions and pools reduce 12×12 pixels to 1×1
        ("dense1.bias", vec![64]),
        ("dense2.weight", vec![3, 64]),
        ("dense2.bias", vec![3]),
    ] {
        let (found, values) = floats(&exported, name);
        assert_eq!(found, shape, "{name}");
        let (_, mut expected) = floats(&run, name);
        if name.starts_with("dense") && name.ends_with("weight") {
            let [outputs, inputs] = shape[..] else { panic!("{shape:?}") };
            let element = |output: usize, input: usize| expected[input * outputs + output];
            expected = (0..outputs * inputs).map(|i| element(i / inputs, i % inputs)).collect();
        }
        assert_eq!(values, expected, "{name}");
    }
    assert_eq!(exported.len(), 8);
}

#[test]
fn safetensors_metadata_describes_the_scaling_and_the_model() {
    for scaling in ["none", "sample-standardize", "zca"] {
        let folder = folder_with_run(&format!("--scaling {scaling}"));
        let metadata = metadata(&export(folder.path(), "safetensors"));
        let written = read_text(&folder.path().join("run/scaling.json"));
        assert_eq!(metadata["scaling_json"], written, "{scaling}");
        assert_eq!((&*metadata["format"], &*metadata["scaling"]), ("pt", scaling));
        assert_eq!(metadata["image_shape"], r#"{"channels":1,"height":12,"width":12}"#);
        assert_eq!((&*metadata["classes"], &*metadata["class_names"]), ("3", "null"));
        assert_eq!(metadata["producer"], "mnist-trainer");
        assert_eq!(metadata["producer_version"], env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn golden_logits_agree_with_evaluate() {
    let folder = folder_with_run("--scaling zca");
    export(folder.path(), "onnx");
    let file = fs::read(folder.path().join("onnx/golden.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&file).unwrap();

    let pixels = golden.tensor("pixels").unwrap();
    assert_eq!((pixels.dtype(), pixels.shape()), (Dtype::U8, &[16, 1, 12, 12][..]));
    assert_eq!(pixels.data(), &fs::read(folder.path().join("data/t10k-images-idx3-ubyte")).unwrap()[16..]);
    let labels = golden.tensor("labels").unwrap();
    let labels: Vec<i64> =
        labels.data().as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect();
    assert_eq!(labels, (0..16).map(|i| i % 3).collect::<Vec<_>>());

    let (shape, logits) = floats(&golden, "logits");
    assert_eq!(shape, [16, 3]);
    let (mut loss, mut confusion) = (0.0, [[0; 3]; 3]);
    for (logits, &label) in logits.chunks_exact(3).zip(&labels) {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponentials = logits.iter().map(|&logit| f64::from(logit - most).exp());
        loss += exponentials.sum::<f64>().ln() - f64::from(logits[label as usize] - most);
        let predicted = logits.iter().position(|logit| logit.to_bits() == most.to_bits()).unwrap();
        confusion[label as usize][predicted] += 1;
    }
    let evaluated = json(&mut trainer_in(folder.path(), "evaluate run"));
    assert_eq!(evaluated["confusion"], json!(confusion));
    let expected = number(&evaluated["loss"]);
    assert!((loss / 16.0 - expected).abs() <= 1e-5 * expected.max(1.0), "{} and {expected}", loss / 16.0);
}

/// Returns the name, element type and shape of an input or output; -1 stands for any size. Panics if it has no doc
/// string.
fn described(value: &ValueInfo) -> (String, DataType, Vec<i64>) {
    let Some(TypeValue::Tensor(tensor)) = value.r#type.as_ref().and_then(|r#type| r#type.value.as_ref())
    else {
        panic!("{value:?}")
    };
    let side = |dimension: &Dimension| match dimension {
        Dimension::Value(side) => *side,
        Dimension::Param(_) => -1,
    };
    let shape = tensor.shape.as_ref().unwrap().dim.iter().map(|dimension| side(&dimension.value));
    assert!(!value.doc_string.is_empty(), "{} has no doc string", value.name);
    (value.name.into(), tensor.elem_type, shape.collect())
}

#[test]
fn onnx_model_takes_bytes_and_returns_logits_and_probabilities() {
    let folder = folder_with_run("--scaling normalize");
    let bytes = export(folder.path(), "onnx");
    let model = onnx_rs::parse(&bytes).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version, model.opset_import.len()), (8, 17, 1));
    assert_eq!((model.producer_name, model.producer_version), ("mnist-trainer", env!("CARGO_PKG_VERSION")));
    let properties: HashMap<&str, &str> =
        model.metadata_props.iter().map(|entry| (entry.key, entry.value)).collect();
    assert_eq!((properties["scaling"], properties["class_names"]), ("normalize", "null"));

    let graph = model.graph.unwrap();
    let inputs: Vec<_> = graph.input.iter().map(described).collect();
    assert_eq!(inputs, [("pixels".into(), DataType::Uint8, vec![-1, 1, 12, 12])]);
    let outputs: Vec<_> = graph.output.iter().map(described).collect();
    let output = |name: &str| (name.to_owned(), DataType::Float, vec![-1, 3]);
    assert_eq!(outputs, [output("logits"), output("probabilities")]);

    let weights = export(folder.path(), "safetensors");
    let weights = SafeTensors::deserialize(&weights).unwrap();
    let of_model = graph.initializer.iter().filter(|tensor| tensor.data_type() == DataType::Float);
    let mut count = 0;
    for tensor in of_model {
        let (shape, values) = floats(&weights, tensor.name());
        assert_eq!(tensor.dims(), shape.iter().map(|&side| side as i64).collect::<Vec<_>>());
        assert_eq!(*tensor.as_f32().unwrap(), values, "{}", tensor.name());
        count += 1;
    }
    assert_eq!(count, 8);
}

#[test]
fn onnx_graph_starts_with_the_steps_of_the_scaling() {
    use OpType::{Add, Cast, Div, Flatten, MatMul, Mul, ReduceMean, Reshape, Sqrt, Sub};
    let custom = |granularity: &str| {
        format!(
            "[scaling]\nrescale = 0.5\nsamplewise_center = true\nsamplewise_std_normalization = true\n\
             featurewise_center = true\nfeaturewise_std_normalization = true\ngranularity = '{granularity}'\n"
        )
    };
    let sample = [Mul, ReduceMean, Sub, Mul, ReduceMean, Sqrt, Add, Div];
    let all = || [&sample[..], &[Sub, Div]].concat();
    for (config, expected, constant, shape) in [
        ("scaling = 'none'".to_owned(), vec![], "conv1.bias", vec![32]),
        ("scaling = 'normalize'".to_owned(), vec![Mul], "rescale", vec![]),
        ("scaling = 'zca'".to_owned(), vec![Sub, Flatten, MatMul, Reshape], "zca_matrix", vec![144, 144]),
        (custom("global"), all(), "feature_mean", vec![1, 1, 1, 1]),
        (custom("channel"), all(), "feature_mean", vec![1, 1, 1, 1]),
        (custom("pixel"), all(), "feature_divisor", vec![1, 1, 12, 12]),
    ] {
        let folder = folder_with_config(&format!("epochs = 1\n{config}"));
        json(&mut trainer_on_digits(folder.path(), "train --config c.toml --out run"));
        let bytes = export(folder.path(), "onnx");
        let graph = onnx_rs::parse(&bytes).unwrap().graph.unwrap();
        let operators: Vec<_> = graph.node.iter().map(|node| node.op_type.clone()).collect();
        let end = operators.iter().position(|operator| *operator == OpType::Conv).unwrap();
        assert_eq!(operators[..end], [&[Cast], &expected[..], &[Cast]].concat(), "{config}");
        let constant = graph.initializer.iter().find(|tensor| tensor.name() == constant).unwrap();
        assert_eq!(constant.dims(), shape, "{config}");
    }
}

#[test]
fn onnx_model_contains_the_statistics_of_the_run() {
    let folder = folder_with_run("--scaling standardize");
    let bytes = export(folder.path(), "onnx");
    let graph = onnx_rs::parse(&bytes).unwrap().graph.unwrap();
    let scaling = read_json(&folder.path().join("run/scaling.json"));
    let constant = |name: &str| {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name() == name).unwrap();
        assert_eq!(tensor.data_type(), DataType::Double);
        tensor.as_f64().unwrap().to_vec()
    };
    let statistic = |name: &str| scaling[name][0].as_f64().unwrap();
    assert_eq!(constant("feature_mean"), [statistic("mean")]);
    assert_eq!(constant("feature_divisor"), [statistic("std") + 1e-6]);
}

#[test]
fn exporting_again_gives_the_same_bytes() {
    let folder = folder_with_run("--scaling center");
    for format in ["safetensors", "onnx"] {
        let first = export(folder.path(), format);
        let golden = folder.path().join(format).join("golden.safetensors");
        let first_golden = fs::read(&golden).unwrap();
        for _ in 0..3 {
            assert_eq!(export(folder.path(), format), first, "{format}");
            assert_eq!(fs::read(&golden).unwrap(), first_golden, "{format}");
        }
    }
}

#[test]
fn refused_exports_write_nothing() {
    let folder = folder_with_run("--scaling center");
    fs::write(folder.path().join("c.toml"), "seed = 1").unwrap();
    let diverging = "train --scaling none --learning-rate 1e30 --epochs 1 --out diverged";
    assert_eq!(trainer_on_digits(folder.path(), diverging).output().unwrap().status.code(), Some(1));
    fs::write(folder.path().join("notes.html"), "notes").unwrap();
    let refusals = [
        ("nothing --to onnx", 1, "does not exist"),
        ("data --to onnx", 1, "is not a finished run"),
        ("diverged --to onnx", 1, "diverged"),
        ("run --to tflite", 2, "invalid value 'tflite'"),
        ("run", 2, "--to"),
        ("run --to onnx --resume", 2, "--resume"),
        ("run --to onnx --force", 2, "--out"),
        ("run run --to onnx", 2, "--to onnx takes one run"),
        ("run nothing --to html", 1, "does not exist"),
        ("run diverged --to html", 1, "diverged"),
        ("run --to html --out data", 1, "data contains"),
        ("run --to html --out nowhere/draw.html", 1, "its folder does not exist"),
        ("run --to html --out c.toml --force", 1, "c.toml is a file, not a folder"),
        ("run --to html --out notes.html --force", 1, "not a page that this program wrote"),
        ("run --to onnx --data-dir elsewhere", 1, "an export contains the logits of test images: "),
    ];
    let errors = refusals.map(|(arguments, status, message)| {
        refused(&mut trainer_in(folder.path(), &format!("export {arguments}")), status, message)
    });
    assert!(!folder.path().join("runs").exists(), "a refused export must write nothing");
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn force_replaces_nothing_but_an_earlier_export() {
    let folder = folder_with_run("--scaling center");
    export(folder.path(), "onnx");
    refused(
        &mut trainer_in(folder.path(), "export run --to safetensors --out onnx"),
        1,
        "already contains a result",
    );
    let forced =
        trainer_in(folder.path(), "export run --to safetensors --out onnx --force").output().unwrap();
    assert!(forced.status.success(), "{}", stderr(&forced));
    assert!(!folder.path().join("onnx/model.onnx").exists(), "a file of the earlier export is left");

    refused(
        &mut trainer_in(folder.path(), "export run --to onnx --out run --force"),
        1,
        "which is not part of a result",
    );
    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("model.onnx"), "months of training").unwrap();
    refused(
        &mut trainer_in(folder.path(), "export run --to onnx --out mine --force"),
        1,
        "golden.safetensors is missing or invalid",
    );
    assert_eq!(read_text(&mine.join("model.onnx")), "months of training");
}

#[test]
fn class_names_of_pictures_are_in_every_exported_file() {
    let folder = tempdir().unwrap();
    write_pictures(folder.path(), ["cat", "dog"]);
    let train = "train --dataset folder --data-dir pictures --scaling standardize --epochs 1 --out run";
    json(&mut trainer_in(folder.path(), train));
    let names: Value = json!(["cat", "dog"]);
    let weights = metadata(&export(folder.path(), "safetensors"));
    let golden = metadata(&fs::read(folder.path().join("safetensors/golden.safetensors")).unwrap());
    let bytes = export(folder.path(), "onnx");
    let model = onnx_rs::parse(&bytes).unwrap();
    let of_onnx = model.metadata_props.iter().find(|entry| entry.key == "class_names").unwrap().value;
    for names_json in [weights["class_names"].as_str(), golden["class_names"].as_str(), of_onnx] {
        assert_eq!(serde_json::from_str::<Value>(names_json).unwrap(), names);
    }
    assert_eq!(described(&model.graph.unwrap().input[0]).2, [-1, 3, 12, 12]);
}

/// Returns the JSON of the models on a page to draw on.
fn models_on(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"draw-models\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn page_to_draw_on_is_one_file_that_contains_the_models_in_order() {
    let folder = folder_with_run("--scaling zca");
    json(&mut trainer_on_digits(folder.path(), "train --scaling center --epochs 1 --out second"));
    let exported = json(&mut trainer_in(folder.path(), "export run second run --to html --out draw.html"));
    assert_eq!(exported, json!({ "runs": ["run", "second", "run"], "files": ["draw.html"] }));
    let page = read_text(&folder.path().join("draw.html"));
    let in_folder = json(&mut trainer_in(folder.path(), "export run second run --to html --out pages"));
    assert_eq!(in_folder["files"], json!(["pages/draw.html"]));
    assert_same_text("pages/draw.html", &page, &read_text(&folder.path().join("pages/draw.html")));
    assert_contains(
        &page,
        ["<!DOCTYPE html>", "window.mnistTrainer = {", "default-src 'none'", "<noscript>"],
    );
    assert_lacks(&page, ["http:", "https:", " src=", "@import", "url("]);
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());

    let data = models_on(&page);
    assert_eq!(data["shape"], json!({ "channels": 1, "height": 12, "width": 12 }));
    assert_eq!(data["classes"], json!(["0", "1", "2"]));
    let models = data["models"].as_array().unwrap();
    let names: Vec<&str> = models.iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["zca (run)", "center", "zca (run)"]);
    let lengths = |list: &Value| -> Vec<usize> {
        list.as_array().unwrap().iter().map(|text| bytes_of(text).len()).collect()
    };
    let tensors = [32 * 9, 32, 64 * 32 * 9, 64, 64 * 64, 64, 64 * 3, 3].map(|values| 4 * values);
    assert_eq!(lengths(&models[1]["weights"]), tensors);
    let mean = read_json(&folder.path().join("second/scaling.json"))["mean"][0].as_f64().unwrap();
    assert_eq!(bytes_of(&models[1]["scaling"]["mean"]), mean.to_le_bytes());
    assert_eq!(bytes_of(&models[0]["scaling"]["whitening"]).len(), 8 * 144 * 145 / 2);
}

fn bytes_of(base64: &Value) -> Vec<u8> {
    data_encoding::BASE64.decode(base64.as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn page_to_draw_on_replaces_an_earlier_page_with_force_only() {
    let folder = folder_with_run("--scaling center");
    let default = json(&mut trainer_in(folder.path(), "export run --to html"));
    let path = default["files"][0].as_str().unwrap();
    assert!(path.starts_with("runs/export-html-20") && path.ends_with("Z/draw.html"), "{path}");
    let first = read_text(&folder.path().join(path));
    refused(&mut trainer_in(folder.path(), &format!("export run --to html --out {path}")), 1, "it exists");
    json(&mut trainer_in(folder.path(), &format!("export run --to html --out {path} --force")));
    assert_same_text(path, &first, &read_text(&folder.path().join(path)));
}

#[test]
fn runs_on_other_images_or_classes_do_not_share_a_page() {
    let folder = folder_with_run("--scaling center");
    write_pictures(folder.path(), ["cat", "dog"]);
    let train = "train --dataset folder --data-dir pictures --scaling center --epochs 1 --out";
    json(&mut trainer_in(folder.path(), &format!("{train} color")));
    json(&mut trainer_in(folder.path(), &format!("{train} gray --color-mode grayscale")));
    refused(
        &mut trainer_in(folder.path(), "export run color --to html --out a.html"),
        1,
        "color takes images of 3×12×12, but the first run takes 1×12×12",
    );
    refused(
        &mut trainer_in(folder.path(), "export run gray --to html --out a.html"),
        1,
        "gray has 2 classes, but the first run has 3",
    );
    assert!(!folder.path().join("a.html").exists());
    fs::remove_file(folder.path().join("run/model.safetensors")).unwrap();
    refused(&mut trainer_in(folder.path(), "export run --to html"), 1, "train --resume run");
}

#[test]
fn markup_in_class_names_stays_text_on_the_page_to_draw_on() {
    let folder = tempdir().unwrap();
    let names = ["<script>alert(1)<!--".to_owned(), "x".repeat(250)];
    write_pictures(folder.path(), names.each_ref().map(String::as_str));
    let train = "train --dataset folder --data-dir pictures --scaling standardize --epochs 1 --out run";
    json(&mut trainer_in(folder.path(), train));
    json(&mut trainer_in(folder.path(), "export run --to html --out draw.html"));
    let page = read_text(&folder.path().join("draw.html"));
    assert_lacks(&page, ["<script>alert", "<!--"]);
    assert_eq!(models_on(&page)["classes"], json!(names));
}

/// Writes color pictures of 12×12 pixels in two classes to `folder/pictures`.
fn write_pictures(folder: &Path, classes: [&str; 2]) {
    for (split, count) in [("train", 6), ("test", 2)] {
        for class in classes {
            let class = folder.join("pictures").join(split).join(class);
            fs::create_dir_all(&class).unwrap();
            for number in 0..count {
                let picture = image::RgbImage::from_fn(12, 12, |x, y| {
                    image::Rgb([(x * 20) as u8, (y * 20) as u8, 10 * number])
                });
                picture.save(class.join(format!("{number}.png"))).unwrap();
            }
        }
    }
}
