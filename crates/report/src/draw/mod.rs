//! A page to draw on: it shows live what each scaling makes of a drawing, and how the trained models classify it.
//!
//! The networks run in the page. `network.js` scales and classifies an image, `picture.js` converts a drawing or a
//! photo to one, and `page.js` connects both with the controls.

mod models;
mod of_comparison;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use mnist_data::ImageShape;

pub use models::Models;
pub(crate) use of_comparison::DrawSection;

use crate::{ReportError, numbers::plural, policy::policy};

/// Styles of every page.
const STYLE: &str = include_str!("../html/page.css");

/// Styles of the controls, beside those of the report.
pub const DRAW_STYLE: &str = include_str!("draw.css");

const SCRIPTS: [&str; 3] = [include_str!("network.js"), include_str!("picture.js"), include_str!("page.js")];

/// The name of the program, by which `export` recognizes a page that it may replace.
pub const GENERATOR: &str = "<meta name=\"generator\" content=\"mnist-trainer draw\">";

const TITLE: &str = "Draw, and see what each scaling makes of it";

/// Returns a complete page, which works offline. It defines `mnistTrainer.classify(image)`: `image` is a `Uint8Array`
/// of channels × height × width, and the result a list of `{model, probabilities}` in the order of the models.
///
/// # Errors
/// When the models cannot be written as JSON.
pub fn page(models: &Models) -> Result<String, ReportError> {
    let body = section(models)?;
    let names: Vec<&str> = models.names().collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                (PreEscaped(GENERATOR))
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy(&[&script()]));
                title { (TITLE) }
                style { (PreEscaped(STYLE)) (PreEscaped(DRAW_STYLE)) }
            }
            body {
                header { h1 { (TITLE) } }
                main {
                    h2 { (plural(names.len(), "model")) ": " (names.join(", ")) }
                    (body)
                }
                footer { p { "Written by mnist-trainer. This page works offline and sends nothing." } }
            }
        }
    };
    Ok(page.into_string())
}

/// Returns the script of the page.
pub(crate) fn script() -> String {
    format!("(() => {{\n\"use strict\";\n{}}})();", SCRIPTS.concat())
}

/// Returns the controls, the models and the scripts, for one place of a page.
///
/// # Errors
/// When the models cannot be written as JSON.
pub fn section(models: &Models) -> Result<Markup, ReportError> {
    // `<` could end the element, in the name of a class for example.
    let json = serde_json::to_string(models).map_err(ReportError::draw("the page to draw on"))?;
    let json = json.replace('<', "\\u003c");
    let ImageShape { channels, height, width } = models.shape();
    let what = if models.prepares() { "a digit" } else { "something" };
    Ok(html! {
        div #draw.draw {
            noscript { p.missing { "Drawing needs JavaScript, which is switched off in this browser." } }
            p #draw-failure.missing role="alert" hidden {}
            div #draw-app hidden {
                p.note {
                    "Draw " (what) ", or drop a picture. Every model sees the same pixels, scaled as in its training. "
                    "Then move the sliders: a model whose answer changes first depends most on the brightness and the contrast of its training images."
                }
                div.draw-top {
                    div.draw-pad {
                        h3 #draw-pad-heading { "Draw here" }
                        div #draw-drop.draw-drop {
                            canvas #draw-canvas tabindex="0" role="application" aria-labelledby="draw-pad-heading" aria-describedby="draw-keys" {
                                "Drawing needs a browser with canvas."
                            }
                            span #draw-pen.draw-pen hidden {}
                        }
                        div.draw-buttons {
                            button #draw-clear type="button" { "Clear" }
                            label.draw-file { "Choose a picture" input #draw-file type="file" accept="image/*"; }
                            @if channels == 3 { label { "Ink " input #draw-ink type="color" value="#ffffff"; } }
                        }
                        p #draw-keys.note { "With the keyboard: arrow keys move the pen, the space bar lowers or lifts it, Delete clears." }
                        p #draw-message.draw-message role="alert" {}
                    }
                    div.draw-seen {
                        h3 { "What the network sees" }
                        canvas #draw-image width=(width) height=(height) role="img" aria-label={ "The image of " (height) "×" (width) " pixels that every network gets" } {}
                        p.note { (height) "×" (width) " pixels" @if channels == 3 { " in three colors" } ", 0 to 255" @if models.prepares() { ", cut out and centered like MNIST's digits" } "." }
                        label for="draw-brightness" { "Brightness " output #draw-brightness-value for="draw-brightness" { "0" } }
                        input #draw-brightness type="range" min="-255" max="255" step="5" value="0";
                        label for="draw-contrast" { "Contrast " output #draw-contrast-value for="draw-contrast" { "× 1" } }
                        input #draw-contrast type="range" min="-1" max="1" step="0.05" value="0";
                        button #draw-reset type="button" { "Reset the sliders" }
                        p.note { "pixel = contrast × pixel + brightness, limited to 0 … 255" }
                    }
                    div.draw-result {
                        h3 { "Answers" }
                        p #draw-summary.draw-summary role="status" {}
                        div #draw-limits {}
                    }
                }
                div #draw-models-list.draw-models {}
                p.note { "Each histogram counts the scaled pixels (log scale). Red marks zero. Black and white in the picture are the ends of its axis." }
            }
            template #draw-histogram { svg role="img" preserveAspectRatio="none" { path {} path.draw-zero {} } }
            script type="application/json" id="draw-models" { (PreEscaped(json)) }
            script { (PreEscaped(script())) }
        }
    })
}
