//! What one needs to know to do it again.

use maud::{Markup, html};

use crate::report::{
    Findings,
    facts::{COMMAND, WHERE, facts},
};

/// Settings, machine, versions, and the command.
pub fn section(findings: &Findings) -> Markup {
    html! {
        p { (WHERE) }
        pre tabindex="0" { code { (COMMAND) } }
        dl { @for (name, value) in &facts(findings) { div { dt { (name) } dd { (value) } } } }
        h3 { "config.toml" }
        pre tabindex="0" { code { (findings.config) } }
        @if let Some(run) = findings.runs.first() {
            h3 { "Data" }
            ul.files { @for file in run.result.data.iter().take(FILES) { li { (file.name) " " code { (file.sha256) } } } }
            @if run.result.data.len() > FILES { p { "and " (run.result.data.len() - FILES) " more files" } }
        }
    }
}

/// Data files that are listed.
const FILES: usize = 8;
