//! The tables of the page: ranking and pairs.

use std::ops::Range;

use maud::{Markup, html};

use crate::{
    Findings, notes,
    numbers::count,
    tables::{self, Table},
};

/// With more pairs than this, only those of the best arm are unfolded.
const PAIRS: usize = 12;

/// Other cells with more characters than this wrap.
const LONG_CELL: usize = 18;

/// Names with more characters than this wrap within a column of fixed width. Without that width, the browser would
/// break them after every word to make room for the numbers.
const LONG_NAME: usize = 24;

/// Returns the ranking, with a note about its columns.
pub fn ranking(findings: &Findings) -> Markup {
    html! {
        (table(&tables::ranking(findings.comparison), 1..2, "Ranking of the scalings"))
        p.verdict { (findings.comparison.verdict) }
        p.note { (notes::ranking(findings.comparison)) }
    }
}

/// Returns the pairs, with a note about their columns; `None` if no two arms have a seed in common.
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
            details.more {
                summary { "The other " (count(folded.len())) " pairs" }
                (table(&Table { header, rows: folded }, 0..2, "Differences between the other scalings"))
            }
        }
        p.note { (notes::pairs(findings)) }
    })
}

/// Returns a table in a box that scrolls horizontally. The cells in the columns `names` are row headers.
fn table(table: &Table, names: Range<usize>, label: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(label) {
            table {
                thead { tr { @for (column, cell) in table.header.iter().enumerate() { th.number-column[table.is_numeric(column)] scope="col" { (cell) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if names.contains(&column) {
                                    th class=[(cell.chars().count() > LONG_NAME).then_some("long")] scope="row" { (cell) }
                                } @else { td.number-column[table.is_numeric(column)].long[cell.chars().count() > LONG_CELL] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
