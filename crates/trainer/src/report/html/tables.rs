//! The tables of the page.

use std::ops::Range;

use maud::{Markup, html};

use crate::report::{
    Findings,
    tables::{self, Table},
};

/// More pairs than this are folded away, those with the best arm apart.
const PAIRS: usize = 12;

/// The arms, best first, with what the columns mean.
pub fn ranking(findings: &Findings) -> Markup {
    let has_milestones = findings.comparison.scalings.iter().any(|arm| !arm.milestones.is_empty());
    html! {
        (table(&tables::ranking(findings.comparison), 1..2, "Ranking of the scalings"))
        p.note {
            "Two scalings share a rank exactly if they cannot be told apart. Accuracy and loss are means over training seeds, on the test images; ± is the standard deviation between seeds, the interval is that of the mean."
            @if has_milestones { " Steps and seconds until a train accuracy are medians over the seeds that reached it, in a window of 3,000 images." }
            " Training is seconds per seed; a diverged training counts as a run and in no mean."
        }
    }
}

/// Every two arms.
pub fn pairs(findings: &Findings) -> Markup {
    let Table { header, rows } = tables::pairs(findings.comparison);
    let images = findings.comparison.test_images;
    let is_mcnemar = findings.comparison.pairs.iter().any(|pair| pair.mcnemar.is_some());
    let best = findings.comparison.scalings.first().map(|arm| arm.name.clone()).unwrap_or_default();
    let (shown, folded): (Vec<_>, Vec<_>) = if rows.len() > PAIRS {
        rows.into_iter().partition(|row| row[0] == best)
    } else {
        (rows, Vec::new())
    };
    html! {
        (table(&Table { header: header.clone(), rows: shown }, 0..2, "Differences between scalings"))
        @if !folded.is_empty() {
            details {
                summary { "The other " (folded.len()) " pairs" }
                (table(&Table { header, rows: folded }, 0..2, "Differences between the other scalings"))
            }
        }
        p.note {
            "A difference is a less b, in images of " (images) ". "
            @if is_mcnemar {
                "With one training seed, McNemar's exact test says whether these two trained models differ on this test set, not whether the scalings do: for that, more seeds are needed."
            } @else {
                "The paired t-test is over training seeds, on this test set: it says what another seed would bring, not what other images would. Detectable is the difference that so many seeds would have shown with a probability of 80%."
            }
            " Holm's p takes the number of pairs into account."
        }
    }
}

/// A table whose columns `names` head its rows, in a box of its own to scroll.
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
