//! Fits tables and sentences to the width of the terminal. In a file or a pipe they keep their full width.

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use console::{Term, measure_text_width};

/// Draws a table with a header for standard output.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    if let Some((_, columns)) = Term::stdout().size_checked() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table.to_string()
}

/// Breaks lines between words where they are too long for standard output.
pub fn fit_stdout(text: &str) -> String {
    fit(text, &Term::stdout())
}

/// Breaks lines between words where they are too long for the terminal.
pub fn fit(text: &str, terminal: &Term) -> String {
    match terminal.size_checked() {
        Some((_, columns)) => wrap(text, columns.into()),
        None => text.to_owned(),
    }
}

/// Breaks lines of more than `width` columns between words. A command in backticks stays in one piece, so that
/// users can copy it; the `textwrap` crate would break it.
fn wrap(text: &str, width: usize) -> String {
    text.split('\n').map(|line| wrap_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, width: usize) -> String {
    let mut in_backticks = false;
    let words = line.split(|character| {
        in_backticks ^= character == '`';
        character == ' ' && !in_backticks
    });
    let (mut wrapped, mut column) = (String::new(), 0);
    for word in words {
        let length = measure_text_width(word);
        if column > 0 && column + 1 + length > width {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let verdict = "normalize beats center by 53 ± 14 images in 10,000; use normalize";
        let wrapped = wrap(verdict, 20);
        assert_eq!(wrapped, "normalize beats\ncenter by 53 ± 14\nimages in 10,000;\nuse normalize");
        assert_eq!(wrapped.replace('\n', " "), verdict);
        assert_eq!(wrap(verdict, 200), verdict);
    }

    #[test]
    fn a_word_that_fills_the_line_stays_on_it() {
        assert_eq!(wrap("twelve chars", 12), "twelve chars");
        assert_eq!(wrap("twelve chars", 11), "twelve\nchars");
    }

    #[test]
    fn a_word_longer_than_the_line_is_not_broken() {
        assert_eq!(
            wrap("see runs/compare-normalize-center/report.html", 10),
            "see\nruns/compare-normalize-center/report.html"
        );
    }

    #[test]
    fn a_command_in_backticks_is_not_broken() {
        let hint = "hint: see `mnist-trainer train --help`";
        assert_eq!(wrap(hint, 16), "hint: see\n`mnist-trainer train --help`");
    }

    #[test]
    fn line_breaks_in_the_text_stay() {
        assert_eq!(wrap("one two\nthree", 40), "one two\nthree");
    }
}
