//! The short report, in Markdown.

use mnist_comparison::folder::FIGURES;

use crate::{
    Findings, facts,
    figures::{Figure, Figures},
    notes,
    tables::{self, Table},
};

/// Returns the content of `report.md`: the ranking, the pairs, the figures, and how to reproduce them.
pub fn report(findings: &Findings, figures: &Figures) -> String {
    let comparison = findings.comparison;
    let mut parts = vec![format!("# {}", notes::TITLE)];
    parts.extend(findings.unfinished().map(str::to_owned));
    parts.push(format!("**{}**", escaped(&comparison.headline)));
    parts.push(bullets(&facts::overview(findings)));
    parts.extend(findings.run_on().map(|command| format!("Continue with: `{command}`")));
    parts.push(escaped(&comparison.verdict));
    parts.push(table(&tables::ranking(comparison)));
    parts.push(escaped(&notes::ranking(comparison)));
    let pairs = tables::pairs(comparison);
    if !pairs.rows.is_empty() {
        parts.push(format!("## {}", notes::pairs_heading(comparison)));
        parts.push(table(&pairs));
        parts.push(escaped(&notes::pairs(findings)));
    }
    // Histograms of pixel values are of little use without the images, which only the page shows.
    let shown =
        figures.accuracy.iter().chain(&figures.grid).chain(&figures.learning).chain(&figures.confusion);
    let shown: Vec<String> = shown.map(picture).collect();
    if !shown.is_empty() {
        parts.push("## Figures".into());
        parts.extend(shown);
    }
    parts.push(format!("## {}", notes::REPRODUCTION));
    parts.push(bullets(&facts::facts(findings)));
    let (how, command) = facts::how_to_repeat(findings);
    parts.push(escaped(&how));
    parts.extend(command.map(|command| format!("```sh\n{command}\n```")));
    parts.push(format!("```toml\n{}```", findings.config));
    parts.join("\n\n") + "\n"
}

fn bullets(facts: &[(&str, String)]) -> String {
    let lines: Vec<String> =
        facts.iter().map(|(name, value)| format!("- {name}: {}", escaped(value))).collect();
    lines.join("\n")
}

/// Returns a table in Markdown.
pub fn table(table: &Table) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rules = (0..table.header.len()).map(|column| if table.is_numeric(column) { "---:" } else { "---" });
    let rule = format!("| {} |", rules.collect::<Vec<_>>().join(" | "));
    let lines = [line(&table.header), rule].into_iter().chain(table.rows.iter().map(|row| line(row)));
    lines.collect::<Vec<_>>().join("\n")
}

fn picture(figure: &Figure) -> String {
    format!("![{}]({FIGURES}/{}.svg)", escaped(&figure.title), figure.name)
}

/// Puts a backslash before every character that Markdown or HTML would interpret.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\`*_[]<>|&".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
