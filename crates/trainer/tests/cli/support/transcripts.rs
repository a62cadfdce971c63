//! Transcripts of commands for snapshots. Everything that depends on the machine, the time or the folder is replaced.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use super::{stderr, stdout};

/// Returns the command line, the command's output, and its exit status if it failed.
///
/// `[folder]` replaces the path of the command's folder.
pub fn transcript(command: &Command, output: &Output) -> String {
    let arguments: Vec<&str> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
    let status = output.status.code().unwrap();
    let status = if status == 0 { String::new() } else { format!("exit status {status}\n") };
    let printed = format!("{}{}", stdout(output), stderr(output));
    let folder = command.get_current_dir().unwrap();
    format!("$ mnist-trainer {}\n{}{status}\n", arguments.join(" "), without_folder(&printed, folder))
}

/// Replaces the folder's path in a text with `[folder]`.
pub fn without_folder(text: &str, folder: &Path) -> String {
    let real = fs::canonicalize(folder).unwrap();
    let without = text.replace(real.to_str().unwrap(), "[folder]");
    without.replace(folder.to_str().unwrap(), "[folder]")
}

/// Replaces the numbers in some columns of a table with `[…]`.
///
/// The header of each such column must be wider than its numbers: otherwise the column's width depends on them.
pub fn without_columns(table: &str, hidden: &[&str]) -> String {
    let mut is_hidden: Vec<bool> = Vec::new();
    let mut lines = Vec::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.trim_matches('│').split('┆').collect();
        if !line.starts_with('│') {
            lines.push(line.to_owned());
        } else if is_hidden.is_empty() {
            is_hidden = cells.iter().map(|title| hidden.contains(&title.trim())).collect();
            lines.push(line.to_owned());
        } else {
            let cells: Vec<String> = cells
                .iter()
                .zip(&is_hidden)
                .map(|(cell, &hide)| if hide { without_number(cell) } else { (*cell).to_owned() })
                .collect();
            lines.push(format!("│{}│", cells.join("┆")));
        }
    }
    lines.join("\n")
}

/// Replaces the number and unit in a cell with `[…]`, and keeps the cell's width.
fn without_number(cell: &str) -> String {
    let has_number = cell.trim().starts_with(|first: char| first.is_ascii_digit());
    let width = cell.chars().count();
    if has_number { format!("{:<width$}", " […]") } else { cell.to_owned() }
}

/// Replaces the text between each `before` and the next `after` with `[…]`.
pub fn without_between(text: &str, before: &str, after: &str) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let rest = part.split_once(after).map_or(part, |(_, rest)| rest);
        format!("{shown}{before}[…]{after}{rest}")
    })
}
