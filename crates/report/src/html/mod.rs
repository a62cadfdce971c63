//! The report as a single HTML page, which works offline. Its script only adds comfort: everything is on the page
//! without it.

mod gallery;
mod ranking;
mod scalings;
mod settings;

use std::iter;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use mnist_comparison::folder::TABLE;

use crate::{
    Findings, ReportError,
    answers::Answers,
    draw::{self, DrawSection},
    facts,
    figures::{Figure, Figures, SHOWN_ARMS},
    notes,
    policy::policy,
    style,
};

const STYLE: &str = include_str!("page.css");

const SCRIPT: &str = include_str!("page.js");

/// A section of the page.
struct Section {
    /// The fragment of the section's address.
    id: &'static str,
    heading: &'static str,
    body: Markup,
}

/// Returns the complete page.
pub fn page(findings: &Findings, figures: &Figures) -> Result<String, ReportError> {
    let draw = DrawSection::read(findings)?;
    let draws = draw.as_ref().is_some_and(DrawSection::has_scripts);
    let draw_script = if draws { Some(draw::script()) } else { None };
    let scripts: Vec<&str> = iter::once(SCRIPT).chain(draw_script.as_deref()).collect();
    let sections = sections(findings, figures, draw.as_ref())?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy(&scripts));
                title { (notes::TITLE) }
                style { (PreEscaped(STYLE)) @if draws { (PreEscaped(draw::DRAW_STYLE)) } }
            }
            body {
                header {
                    h1 { (notes::TITLE) ": " (findings.dataset) }
                    @if let Some(unfinished) = findings.unfinished() { p.unfinished role="status" { (unfinished) } }
                    p.headline { (findings.comparison.headline) }
                    @if let Some(command) = findings.run_on() { p.run-on { "Continue with: " code { (command) } } }
                    dl.overview { @for (name, value) in &facts::overview(findings) { div { dt { (name) } dd { (value) } } } }
                    nav aria-label="Contents" {
                        ul { @for section in &sections { li { a href={ "#" (section.id) } { (section.heading) } } } }
                    }
                }
                (legend(findings))
                main {
                    @for Section { id, heading, body } in &sections {
                        section id=(id) aria-labelledby={ (id) "-heading" } {
                            h2 id={ (id) "-heading" } { (heading) }
                            (body)
                        }
                    }
                }
                footer { p { "Written by mnist-trainer. The numbers are in " code { (TABLE) } " and in the folder of each run." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string())
}

fn sections(
    findings: &Findings,
    figures: &Figures,
    draw: Option<&DrawSection>,
) -> Result<Vec<Section>, ReportError> {
    let answers = Answers::of(findings);
    let mut sections = Vec::new();
    if let Some(figure) = &figures.accuracy {
        sections.push(Section {
            id: "accuracy",
            heading: if findings.comparison.has_several_seeds() {
                "Test accuracy of each seed"
            } else {
                "Test accuracy"
            },
            body: html! { div.figures { (self::figure(figure)) } },
        });
    }
    if let Some(figure) = &figures.grid {
        let heading = "Test accuracy by setting";
        let body = html! { div.figures { (self::figure(figure)) } };
        sections.push(Section { id: "grid", heading, body });
    }
    sections.push(Section { id: "ranking", heading: "Ranking", body: ranking::ranking(findings) });
    if let Some(body) = ranking::pairs(findings) {
        let heading = notes::pairs_heading(findings.comparison);
        sections.push(Section { id: "pairs", heading, body });
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
            heading: "Confusion matrices",
            body: confusion(findings, &figures.confusion),
        });
        sections.push(Section {
            id: "misread",
            heading: "Most confident errors",
            body: gallery::confident_errors(findings, &answers)?,
        });
    }
    if findings.comparison.scalings.len() > 1 && !figures.confusion.is_empty() {
        sections.push(Section {
            id: "changing",
            heading: "Images on which the scalings disagree",
            body: gallery::disagreements(findings, &answers)?,
        });
    }
    sections.push(Section {
        id: "scalings",
        heading: "Images and pixel values under each scaling",
        body: scalings::section(findings, figures)?,
    });
    if let Some(draw) = draw {
        sections.push(Section { id: "drawing", heading: draw.heading(), body: draw.body(findings)? });
    }
    sections.push(Section {
        id: "settings",
        heading: notes::REPRODUCTION,
        body: settings::section(findings),
    });
    Ok(sections)
}

/// Returns the names of the arms with their colors. The page's script turns it into switches.
fn legend(findings: &Findings) -> Markup {
    html! {
        aside.arms aria-label="Scalings" {
            ul {
                @for arm in &findings.comparison.scalings {
                    li data-key=(arm.arm_index) {
                        span.swatch style={ "background:" (style::hex(findings.look(arm).color)) } {}
                        span { (arm.name) }
                    }
                }
            }
        }
    }
}

fn learning(findings: &Findings, figures: &[Figure]) -> Markup {
    let has_validation = findings.runs().any(|run| run.result.validation.is_some());
    html! {
        p.note {
            @if findings.comparison.has_several_seeds() { "Each line is the mean over seeds. The band reaches from the lowest to the highest seed. " }
            "Training metrics are measured before each weight update, on the images of that step."
            @if has_validation { " Dashed lines are validation metrics." }
            (only_the_best(findings, "curves"))
        }
        div.figures { @for figure in figures { (self::figure(figure)) } }
    }
}

fn confusion(findings: &Findings, figures: &[Figure]) -> Markup {
    let classes = findings.runs().next().map_or(0, |run| run.result.classes);
    let shown = crate::figures::SHOWN_CLASSES;
    html! {
        p.note {
            "Counts of test images" @if findings.comparison.has_several_seeds() { ", summed over all seeds" } ". Rows are true classes, columns are predicted classes. Errors are red: the intensity grows with the square root of their share of all predictions, and is the same in all matrices."
            @if classes > shown { " Only the " (shown) " of " (classes) " classes with the most errors are shown." }
            (only_the_best(findings, "matrices"))
        }
        div.figures { @for figure in figures { (self::figure(figure)) } }
    }
}

/// Returns a sentence if only the best arms are shown.
fn only_the_best(findings: &Findings, what: &str) -> String {
    let arms = findings.comparison.scalings.len();
    if arms > SHOWN_ARMS {
        format!(" Only the {what} of the {SHOWN_ARMS} best of {arms} scalings are shown.")
    } else {
        String::new()
    }
}

/// Returns a figure with its caption.
fn figure(figure: &Figure) -> Markup {
    html! {
        figure.wide[figure.is_wide] data-arm=[figure.arm] data-name=(figure.name) {
            @if figure.is_wide {
                div.scroll tabindex="0" role="group" aria-label=(figure.title) { (PreEscaped(figure.inline())) }
            } @else { (PreEscaped(figure.inline())) }
            figcaption { (figure.caption) }
        }
    }
}
