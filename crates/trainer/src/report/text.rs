//! Tables for the terminal.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};

use super::tables;
use crate::comparison::Comparison;

/// A table with a header.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    table.to_string()
}

/// The ranking and the verdict.
pub fn comparison(comparison: &Comparison) -> String {
    let rows = comparison.scalings.iter().map(|arm| {
        [
            tables::rank(arm),
            tables::name(arm),
            tables::accuracy(arm),
            tables::interval(arm),
            tables::loss(arm),
            tables::seconds(arm),
        ]
    });
    let header = ["rank", "scaling", "test accuracy", "95% interval", "test loss", "training"];
    format!("{}\n{}", table(header, rows), comparison.verdict)
}
