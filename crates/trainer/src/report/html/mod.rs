//! The report as one page, which needs no network and no script.

mod gallery;
mod scalings;
mod settings;
mod tables;

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Findings,
    answers::Answers,
    figures::{Figure, Figures, SHOWN_ARMS},
    notes,
};

const STYLE: &str = include_str!("page.css");

/// Nothing but what the page itself holds is ever loaded.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// A part of the page with a heading.
struct Section {
    /// Its address in the page.
    id: &'static str,
    heading: &'static str,
    body: Markup,
}

/// The whole page.
pub fn page(findings: &Findings, figures: &Figures) -> Result<String> {
    let sections = sections(findings, figures)?;
    let title = "Which pixel scaling to train with";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    @if let Some(unfinished) = findings.unfinished() { p.unfinished role="status" { (unfinished) } }
                    p.verdict { (findings.comparison.verdict) }
                    p.extent { (notes::extent(findings)) }
                    nav aria-label="Contents" {
                        ul { @for section in &sections { li { a href={ "#" (section.id) } { (section.heading) } } } }
                    }
                }
                main {
                    @for Section { id, heading, body } in &sections {
                        section id=(id) aria-labelledby={ (id) "-heading" } {
                            h2 id={ (id) "-heading" } { (heading) }
                            (body)
                        }
                    }
                }
                footer { p { "Written by mnist-trainer. The numbers behind it: " code { (super::TABLE) } " beside it, and the folder of each run." } }
            }
        }
    };
    Ok(page.into_string())
}

fn sections(findings: &Findings, figures: &Figures) -> Result<Vec<Section>> {
    let answers = Answers::of(findings.comparison, findings.runs);
    let mut sections = vec![Section { id: "ranking", heading: "Ranking", body: tables::ranking(findings) }];
    if let Some(body) = tables::pairs(findings) {
        let heading = notes::pairs_heading(findings.comparison);
        sections.push(Section { id: "pairs", heading, body });
    }
    if let Some(figure) = &figures.accuracy {
        sections.push(Section {
            id: "accuracy",
            heading: if notes::has_several_seeds(findings.comparison) {
                "Accuracy of each seed"
            } else {
                "Accuracy"
            },
            body: html! { div.figures { (self::figure(figure)) } },
        });
    }
    if !figures.learning.is_empty() {
        sections.push(Section {
            id: "learning",
            heading: "Learning curves",
            body: learning(findings, &figures.learning),
        });
    }
    if !figures.confusion.is_empty() {
        sections.push(Section {
            id: "confusion",
            heading: "What is taken for what",
            body: confusion(findings, &figures.confusion),
        });
        sections.push(Section {
            id: "misread",
            heading: "Misread with most confidence",
            body: gallery::misread(findings, &answers)?,
        });
    }
    if findings.comparison.scalings.len() > 1 && !figures.confusion.is_empty() {
        sections.push(Section {
            id: "changing",
            heading: "Answers that change with the scaling",
            body: gallery::changing(findings, &answers)?,
        });
    }
    sections.push(Section {
        id: "scalings",
        heading: "What each scaling does",
        body: scalings::section(findings, figures)?,
    });
    sections.push(Section { id: "settings", heading: "How it was made", body: settings::section(findings) });
    Ok(sections)
}

fn learning(findings: &Findings, figures: &[Figure]) -> Markup {
    let has_validation = findings.runs.iter().any(|run| run.result.validation.is_some());
    html! {
        p.note {
            @if notes::has_several_seeds(findings.comparison) { "Means over seeds; the band reaches from the lowest to the highest seed. " }
            "Each image counts as it was answered before the step that learned from it."
            @if has_validation { " Dashed: on the validation images." }
            (only_the_best(findings, "Curves"))
        }
        div.figures { @for figure in figures { (self::figure(figure)) } }
    }
}

fn confusion(findings: &Findings, figures: &[Figure]) -> Markup {
    let classes = findings.runs.first().map_or(0, |run| run.result.classes);
    let shown = super::figures::SHOWN_CLASSES;
    html! {
        p.note {
            "Test images" @if notes::has_several_seeds(findings.comparison) { " over all seeds" } ": rows are the true classes, columns what they were read as. Errors are red, by the square root of their number."
            @if classes > shown { " Of " (classes) " classes, the " (shown) " with the most errors." }
            (only_the_best(findings, "Matrices"))
        }
        div.figures { @for figure in figures { (self::figure(figure)) } }
    }
}

/// That not all arms are shown, if so.
fn only_the_best(findings: &Findings, what: &str) -> String {
    let arms = findings.comparison.scalings.len();
    if arms > SHOWN_ARMS { format!(" {what} of the {SHOWN_ARMS} best of {arms}.") } else { String::new() }
}

/// A figure with what it shows in words.
fn figure(figure: &Figure) -> Markup {
    html! {
        figure.wide[figure.is_wide] {
            @if figure.is_wide {
                div.scroll tabindex="0" role="group" aria-label=(figure.title) { (PreEscaped(figure.inline())) }
            } @else { (PreEscaped(figure.inline())) }
            figcaption { (figure.caption) }
        }
    }
}
