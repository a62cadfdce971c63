//! Descriptions in TOML, and fitted scalings in `scaling.json`.

use data_encoding::BASE64;
use mnist_data::{FittedScaling, Scaling};
use serde::Deserialize;

use super::{fit_on, preset};
use crate::{images, mnist};

#[test]
fn scaling_is_read_from_a_name_or_a_table() {
    #[derive(Deserialize)]
    struct Config {
        scaling: Scaling,
    }
    let parse = |text: &str| toml::from_str::<Config>(text).map(|config| config.scaling);
    assert_eq!(parse("scaling = 'standardize'").unwrap(), preset("standardize"));
    let spelled_out = "[scaling]\nfeaturewise_center = true\nrescale = 0.00392156862745098\n";
    assert_eq!(parse(spelled_out).unwrap().name(), "normalize-center");
    for (wrong, reason) in [
        ("scaling = 'standardise'", "unknown scaling `standardise`, expected one of: none, normalize"),
        ("scaling = 3", "the name of a scaling or a table"),
        ("[scaling]\ncentre = true", "unknown field `centre`"),
        ("[scaling]\nrescale = 0", "rescale must be"),
        ("[scaling]\nrescale = inf", "rescale must be"),
        ("[scaling]\ngranularity = 'row'", "unknown variant `row`"),
        ("[scaling]\nfeaturewise_std_normalization = true", "needs featurewise_center"),
        ("[scaling]\nsamplewise_std_normalization = true", "needs samplewise_center"),
        ("[scaling]\nzca_whitening = true", "zca_whitening needs featurewise_center"),
        (
            "[scaling]\nfeaturewise_center = true\nfeaturewise_std_normalization = true\nzca_whitening = true",
            "zca_whitening replaces featurewise_std_normalization",
        ),
        ("[scaling]\nzca_epsilon = 0", "zca_epsilon must be"),
        ("[scaling]\nrescale = 1e38", "rescale must be"),
        ("[scaling]\nzca_epsilon = 0.1", "zca_epsilon needs zca_whitening"),
        ("[scaling]\ngranularity = 'pixel'", "granularity needs featurewise_center"),
    ] {
        let error = parse(wrong).unwrap_err().to_string();
        assert!(error.contains(reason), "{wrong}: {error}");
    }
}

#[test]
fn file_keeps_every_bit_of_a_fitted_scaling() {
    for name in mnist_data::scaling::preset_names() {
        let fitted = fit_on(&preset(name), &mnist().train);
        let file = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<FittedScaling>(&file).unwrap(), fitted, "{file}");
    }
}

#[test]
fn damaged_scaling_file_is_refused() {
    let fitted = fit_on(&preset("standardize"), &images(1, 2, vec![1, 2]));
    let file = serde_json::to_value(&fitted).unwrap();
    let damage = |pointer: &str, value: serde_json::Value| {
        let mut file = file.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<FittedScaling>(file).unwrap_err().to_string()
    };
    for (pointer, value, words) in [
        ("/version", 1.into(), "version 1"),
        ("/shape/height", 0.into(), "is not the shape of an image"),
        ("/shape/height", u64::MAX.into(), "is not the shape of an image"),
        ("/mean", serde_json::Value::Null, "mean is missing"),
        ("/std", serde_json::json!([1.0, 1.0]), "std has 2 values"),
        ("/std/0", (-1.0).into(), "std contains a negative number"),
        ("/description/featurewise_std_normalization", false.into(), "the description does not use"),
        ("/shape/width", "2".into(), "invalid type"),
    ] {
        let error = damage(pointer, value);
        assert!(error.contains(words), "{pointer}: {error}");
    }
    for (field, value, words) in [
        (
            "fitted_on_images",
            "[0,".repeat(5000) + "0" + &"]".repeat(5000),
            "fitted_on_images is longer than 4096 bytes",
        ),
        ("scaling", format!("\"{}\"", "x".repeat(5000)), "scaling is longer than 4096 bytes"),
        ("mean", format!("[0{}]", ",0".repeat(1 << 20)), "mean has 1048577 values, expected 1"),
        ("\u{1b}[2J", "0".into(), r"unknown field `\u{1b}[2J`"),
        ("mean", "[1], \"mean\": [2]".into(), "duplicate field `mean`"),
    ] {
        let mut file = file.clone();
        file.as_object_mut().unwrap().remove(field);
        let text = file.to_string();
        let field = serde_json::to_string(field).unwrap();
        let text = format!("{{{field}: {value}, {}", &text[1..]);
        let error = serde_json::from_str::<FittedScaling>(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{field}: {error}");
    }
    let future_version = serde_json::json!({"version": 3, "palette": []});
    let error = serde_json::from_value::<FittedScaling>(future_version).unwrap_err().to_string();
    assert!(error.contains("version 3, but this program reads version 2"), "{error}");
    let not_a_number = file.to_string().replace("1.5", "NaN");
    let error = serde_json::from_str::<FittedScaling>(&not_a_number).unwrap_err().to_string();
    assert!(error.contains("expected value at line 1"), "{error}");
}

#[test]
fn damaged_whitening_is_refused() {
    let fitted = fit_on(&preset("zca"), &images(1, 2, vec![1, 2, 3, 5]));
    let file = serde_json::to_value(&fitted).unwrap();
    let damage = |pointer: &str, value: serde_json::Value| {
        let mut file = file.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<FittedScaling>(file).unwrap_err().to_string()
    };
    let matrix = |numbers: &[f64]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        BASE64.encode(&bytes).into()
    };
    for (pointer, value, words) in [
        ("/zca", serde_json::Value::Null, "zca is missing"),
        ("/zca/eigenvalues", serde_json::json!([1.0]), "the list of eigenvalues has 1 values, expected 2"),
        ("/zca/matrix", "what?".repeat(9)[1..].into(), "is not base64"),
        ("/zca/matrix", matrix(&[1.0; 3]), "as many rows and columns"),
        ("/zca/matrix", matrix(&[1.0, 0.0, 0.0, f64::NAN]), "not finite"),
        ("/description/zca_whitening", false.into(), "the description does not use"),
    ] {
        let error = damage(pointer, value);
        assert!(error.contains(words), "{pointer}: {error}");
    }
}
