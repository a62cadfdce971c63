//! Parsers for the values of flags. Their errors name the values that a flag accepts.

use std::{error::Error, num::NonZeroU32, str::FromStr};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use mnist_data::{ColorMode, DatasetKind, Scaling, scaling::preset_names};
use mnist_training::{Backend, backend::AUTO, export::ExportFormat};

/// Parses a count, such as a number of epochs.
pub fn count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("must be a whole number from 1 to {}", NonZeroU32::MAX))
}

/// Parses a seed. A run saves it in TOML, whose integers end at `i64::MAX`.
pub fn seed(text: &str) -> Result<u64, String> {
    const LARGEST: u64 = i64::MAX as u64;
    let seed = text.parse().ok().filter(|&seed| seed <= LARGEST);
    seed.ok_or_else(|| format!("must be a whole number from 0 to {LARGEST}"))
}

pub fn scaling() -> impl TypedValueParser<Value = Scaling> {
    one_of(preset_names().into_iter().map(PossibleValue::new))
}

pub fn dataset() -> impl TypedValueParser<Value = DatasetKind> {
    one_of([
        PossibleValue::new("mnist")
            .help("Handwritten digits, downloaded if they are missing, like the next five"),
        PossibleValue::new("fashion-mnist").help("Articles of clothing"),
        PossibleValue::new("kmnist").help("Handwritten Japanese characters"),
        PossibleValue::new("emnist-balanced").help("Handwritten digits and letters (a download of 562 MB)"),
        PossibleValue::new("cifar10").help("Color photos in 10 classes"),
        PossibleValue::new("cifar100").help("Color photos in 100 classes"),
        PossibleValue::new("idx").help("Four IDX files in MNIST's format"),
        PossibleValue::new("folder").help("Pictures in train/<class>/ and test/<class>/"),
    ])
}

pub fn color_mode() -> impl TypedValueParser<Value = ColorMode> {
    one_of(["grayscale", "rgb"].map(PossibleValue::new))
}

pub fn backend() -> impl TypedValueParser<Value = Backend> {
    let names = Backend::ALL.map(|backend| PossibleValue::new(backend.name()));
    one_of(names.into_iter().chain([PossibleValue::new(AUTO).help("A GPU if there is one, else the CPU")]))
}

/// What `export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportTo {
    /// A model for other programs.
    Model(ExportFormat),
    /// A page to draw on.
    Html,
}

impl ExportTo {
    const HTML: &str = "html";
}

impl FromStr for ExportTo {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == Self::HTML { Ok(Self::Html) } else { name.parse().map(Self::Model) }
    }
}

pub fn export_to() -> impl TypedValueParser<Value = ExportTo> {
    let formats = ExportFormat::ALL.map(|format| PossibleValue::new(format.name()).help(format.about()));
    let page =
        PossibleValue::new(ExportTo::HTML).help("A page to draw on, which shows what each run answers");
    one_of(formats.into_iter().chain([page]))
}

/// Parses one of these values. Help and shell completions list them.
fn one_of<T>(values: impl IntoIterator<Item = PossibleValue>) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: Into<Box<dyn Error + Send + Sync>>,
{
    PossibleValuesParser::new(values).try_map(|name| name.parse::<T>())
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn parses<T: Clone + Send + Sync + 'static>(parser: &impl TypedValueParser<Value = T>) -> usize {
        let command = Command::new("test");
        let values: Vec<PossibleValue> = parser.possible_values().unwrap().collect();
        for value in &values {
            parser.parse_ref(&command, None, value.get_name().as_ref()).unwrap();
        }
        values.len()
    }

    #[test]
    fn every_listed_value_is_accepted() {
        assert_eq!(parses(&scaling()), preset_names().len());
        assert_eq!(
            [parses(&dataset()), parses(&color_mode()), parses(&backend()), parses(&export_to())],
            [8, 2, 4, 3]
        );
    }

    #[test]
    fn numbers_out_of_range_are_refused_in_words() {
        for text in ["0", "-1", "4294967296", "1.5", "many", ""] {
            assert_eq!(count(text).unwrap_err(), "must be a whole number from 1 to 4294967295", "{text}");
        }
        assert_eq!(count("4294967295"), Ok(NonZeroU32::MAX));
        assert_eq!(seed("9223372036854775807"), Ok(i64::MAX as u64));
        let error = "must be a whole number from 0 to 9223372036854775807";
        assert_eq!(seed("9223372036854775808").unwrap_err(), error);
    }
}
