//! The ranking and the pairs as tables.

use std::ops::Range;

use maud::{Markup, html};

use crate::{
    Findings, notes,
    numbers::count,
    tables::{self, Table},
};

/// With more pairs than this, only those of the best arm are unfolded.
const PAIRS: usize = 12;

/// The arms, best first, with what the columns mean.
pub fn ranking(findings: &Findings) -> Markup {
    html! {
        (table(&tables::ranking(findings.comparison), 1..2, "Ranking of the scalings"))
        p.note { (notes::ranking(findings.comparison)) }
    }
}

/// Every pair of arms; `None` if no two share a seed.
pub fn pairs(findings: &Findings) -> Option<Markup> {
    let Table { header, rows } = tables::pairs(findings.comparison);
    if rows.is_empty() {
        return None;
    }
    let best = findings.comparison.scalings.first().map(|arm| arm.name.clone()).unwrap_or_default();
    let (shown, folded): (Vec<_>, Vec<_>) = if rows.len() > PAIRS {
        rows.into_iter().partition(|row| row[0] == best)
    } else {
        (rows, Vec::new())
    };
    Some(html! {
        (table(&Table { header: header.clone(), rows: shown }, 0..2, "Differences between scalings"))
        @if !folded.is_empty() {
            details {
                summary { "The other " (count(folded.len())) " pairs" }
                (table(&Table { header, rows: folded }, 0..2, "Differences between the other scalings"))
            }
        }
        p.note { (notes::pairs(findings.comparison)) }
    })
}

/// A table in a box that scrolls by itself. The cells in columns `names` are row headers.
fn table(table: &Table, names: Range<usize>, label: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(label) {
            table {
                thead { tr { @for cell in &table.header { th scope="col" { (cell) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if names.contains(&column) { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
