//! The section on how to reproduce the comparison.

use maud::{Markup, html};

use crate::{
    Findings,
    facts::{facts, how_to_repeat},
    numbers::plural,
};

/// Returns the command, the device, the versions, the settings and the data files.
pub fn section(findings: &Findings) -> Markup {
    let (how, command) = how_to_repeat(findings);
    html! {
        p { (how) }
        @if let Some(command) = command { pre tabindex="0" { code { (command) } } }
        dl { @for (name, value) in &facts(findings) { div { dt { (name) } dd { (value) } } } }
        h3 { "config.toml" }
        pre tabindex="0" { code { (findings.config) } }
        @if let Some(run) = findings.runs().next() {
            h3 { "Data" }
            ul.files { @for file in run.result.data.iter().take(FILES) { li { (file.name) " " code { (file.sha256) } } } }
            @if run.result.data.len() > FILES { p { "and " (plural(run.result.data.len() - FILES, "more file")) } }
        }
    }
}

/// Maximum number of data files listed.
const FILES: usize = 8;
