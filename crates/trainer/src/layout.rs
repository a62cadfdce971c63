//! Fits tables and sentences to the width of the terminal, and escapes what could control it. In a file or a pipe they
//! keep their full width.

use std::borrow::Cow;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets::UTF8_FULL_CONDENSED};
use console::{Term, measure_text_width};
use mnist_data::input::is_unprintable;
use mnist_report::text::shortened;

/// Draws a table with a header for standard output.
pub fn table<'a, R: AsRef<[String]>>(
    header: impl AsRef<[&'a str]>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let columns = Term::stdout().size_checked().map(|(_, columns)| columns.into());
    table_of_width(header.as_ref(), &rows.into_iter().collect::<Vec<_>>(), columns)
}

/// Draws a table of at most `width` columns. Cells break between words; if even that is too wide, each row becomes a
/// list.
fn table_of_width<R: AsRef<[String]>>(header: &[&str], rows: &[R], width: Option<usize>) -> String {
    let Some(width) = width else { return draw(header, rows).to_string() };
    let longest_word = |column: usize| {
        let cells = rows.iter().map(|row| row.as_ref()[column].as_str()).chain([header[column]]);
        cells.flat_map(str::split_whitespace).map(measure_text_width).max().unwrap_or(0)
    };
    let least: Vec<usize> = (0..header.len()).map(longest_word).collect();
    // Each column has a space on both sides, and a line on the right.
    if 1 + least.iter().map(|word| word + 3).sum::<usize>() > width {
        return list(header, rows, width);
    }
    let mut table = draw(header, rows);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width as u16);
    let constraint = |word| ColumnConstraint::LowerBoundary(Width::Fixed(word as u16 + 2));
    table.set_constraints(least.into_iter().map(constraint));
    table.to_string()
}

fn draw<R: AsRef<[String]>>(header: &[&str], rows: &[R]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header.to_vec());
    table.add_rows(rows.iter().map(|row| row.as_ref().to_vec()));
    table
}

/// Writes each row as lines of a title and a value, with an empty line between rows.
fn list<R: AsRef<[String]>>(header: &[&str], rows: &[R], width: usize) -> String {
    let lines = |row: &R| {
        let lines = header.iter().zip(row.as_ref()).map(|(title, cell)| format!("{title}: {cell}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    wrap(&rows.iter().map(lines).collect::<Vec<_>>().join("\n\n"), width)
}

/// Escapes the characters with which a name from outside could control the terminal or reorder its text.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_if(text, is_unprintable)
}

/// Escapes like [`escape`], except line breaks and tabs.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_if(text, |character| !matches!(character, '\n' | '\t') && is_unprintable(character))
}

fn escape_if(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

/// Shortens a name to at most `columns` columns of the terminal, where some letters take two. Leaves out the middle.
pub fn fit_name(name: &str, columns: usize) -> Cow<'_, str> {
    if measure_text_width(name) <= columns {
        return name.into();
    }
    let mut shorter = (0..=columns).rev().map(|letters| shortened(name, letters));
    shorter.find(|name| measure_text_width(name) <= columns).unwrap_or_default().into()
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

/// Breaks lines of more than `width` columns between words, and keeps their indentation. A command in backticks stays in
/// one piece, so that users can copy it; the `textwrap` crate would break it.
fn wrap(text: &str, width: usize) -> String {
    text.split('\n').map(|line| wrap_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, width: usize) -> String {
    let text = line.trim_start_matches(' ');
    let indent = &line[..line.len() - text.len()];
    let mut in_backticks = false;
    let words = text.split(|character| {
        in_backticks ^= character == '`';
        character == ' ' && !in_backticks
    });
    let (mut wrapped, mut column) = (indent.to_owned(), indent.len());
    for word in words {
        let length = measure_text_width(word);
        if column > indent.len() && column + 1 + length > width {
            wrapped.push('\n');
            wrapped.push_str(indent);
            column = indent.len();
        } else if column > indent.len() {
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
    fn broken_lines_keep_their_indentation() {
        assert_eq!(
            wrap("settings:\n  backend = flex and more", 16),
            "settings:\n  backend = flex\n  and more"
        );
    }

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

    fn table_with(width: Option<usize>) -> String {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows =
            [row(["1", "sample-standardize", "98.94%"]), row(["2", "center (1 of 3 diverged)", "98.45%"])];
        table_of_width(&["rank", "scaling", "test accuracy"], &rows, width)
    }

    #[test]
    fn a_table_that_is_too_wide_breaks_between_words() {
        let widest = |table: &str| table.lines().map(measure_text_width).max().unwrap();
        assert_eq!(table_with(Some(200)), table_with(None));
        for width in 42..60 {
            let table = table_with(Some(width));
            assert!(widest(&table) <= width, "{width}:\n{table}");
            for word in ["sample-standardize", "diverged)", "accuracy", "98.45%"] {
                assert!(table.contains(word), "{width}:\n{table}");
            }
            assert!(table.starts_with('┌'), "{width}:\n{table}");
        }
    }

    #[test]
    fn a_table_whose_words_do_not_fit_becomes_a_list() {
        assert_eq!(
            table_with(Some(30)),
            "rank: 1\nscaling: sample-standardize\ntest accuracy: 98.94%\n\n\
             rank: 2\nscaling: center (1 of 3\ndiverged)\ntest accuracy: 98.45%"
        );
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(fit_name("center seed 1", 13), "center seed 1");
        for (rate, expected) in
            [("0.001", "normalize, l… 0.001 seed 1"), ("0.0001", "normalize, l…0.0001 seed 1")]
        {
            assert_eq!(fit_name(&format!("normalize, learning rate {rate} seed 1"), 26), expected);
        }
    }

    #[test]
    fn wide_letters_count_as_two_columns() {
        assert_eq!(fit_name("猫猫", 4), "猫猫");
        assert_eq!(fit_name("猫犬鳥魚", 6), "猫…魚");
        assert_eq!(fit_name("猫", 1), "…");
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        assert_eq!(escape("runs/a b/ä–7"), "runs/a b/ä–7");
        assert_eq!(escape("\u{1b}[2J\n\u{202e}gnp.7\u{9b}"), r"\u{1b}[2J\n\u{202e}gnp.7\u{9b}");
        assert_eq!(escape_lines("one\ntwo\u{7}"), "one\ntwo\\u{7}");
    }

    #[test]
    fn line_breaks_in_the_text_stay() {
        assert_eq!(wrap("one two\nthree", 40), "one two\nthree");
    }
}
