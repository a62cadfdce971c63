//! Sizes and color modes as text.

use mnist_data::{ColorMode, Size};

#[test]
fn sizes_are_parsed_and_printed() {
    for text in ["28x32", "28×32"] {
        let size: Size = text.parse().unwrap();
        assert_eq!((size.height(), size.width(), size.to_string().as_str()), (28, 32, "28x32"));
    }
    for (text, words) in [
        ("28", "`28` is not a size"),
        ("x28", "is not a size"),
        ("28x-1", "is not a size"),
        ("99999999999999999999x1", "is not a size"),
        ("0x28", "contains no pixels"),
        ("28x0", "contains no pixels"),
        ("10001x10000", "too large"),
        ("65536x1", "too large"),
    ] {
        let error = text.parse::<Size>().unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let size: Size = serde_json::from_str("\"3x4\"").unwrap();
    assert_eq!(serde_json::to_string(&size).unwrap(), "\"3x4\"");
    let error = serde_json::from_str::<Size>("\"0x4\"").unwrap_err().to_string();
    assert!(error.contains("0x4 contains no pixels"), "{error}");
}

#[test]
fn color_modes_have_keras_names() {
    for (mode, name) in [(ColorMode::Grayscale, "grayscale"), (ColorMode::Rgb, "rgb")] {
        assert_eq!((mode.to_string().as_str(), name.parse()), (name, Ok(mode)));
        assert_eq!(serde_json::to_string(&mode).unwrap(), format!("{name:?}"));
    }
    let expected = "unknown color mode `rgba`, expected one of: grayscale, rgb";
    assert_eq!("rgba".parse::<ColorMode>(), Err(expected.to_owned()));
}
