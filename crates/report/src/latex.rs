//! Tables in LaTeX, for papers. They need the package `booktabs`.

use crate::tables::Table;

/// Returns a table as a `tabular` environment.
pub fn table(table: &Table) -> String {
    let columns = (0..table.header.len()).map(|column| if table.is_numeric(column) { 'r' } else { 'l' });
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    format!(
        "% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{}}}\n\\toprule\n{}\\midrule\n{}\\bottomrule\n\\end{{tabular}}\n",
        columns.collect::<String>(),
        line(&table.header),
        table.rows.iter().map(|row| line(row)).collect::<String>()
    )
}

/// Replaces the characters that LaTeX would interpret, and those that its default fonts lack.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', character]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '±' => escaped.push_str("$\\pm$"),
            '−' => escaped.push_str("$-$"),
            '∞' => escaped.push_str("$\\infty$"),
            '–' => escaped.push_str("--"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_aligns_numbers_right_and_escapes_its_cells() {
        let cells = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>();
        let latex = table(&Table {
            header: cells(&["scaling", "test accuracy ± std"]),
            rows: vec![cells(&["a_b & {c}\\", "98.77% ± 0.10%"]), cells(&["d", "–"])],
        });
        let expected = "% \\usepackage{booktabs}\n\\begin{tabular}{lr}\n\\toprule\n\
                        scaling & test accuracy $\\pm$ std \\\\\n\\midrule\n\
                        a\\_b \\& \\{c\\}\\textbackslash{} & 98.77\\% $\\pm$ 0.10\\% \\\\\n\
                        d & -- \\\\\n\\bottomrule\n\\end{tabular}\n";
        assert_eq!(latex, expected);
    }
}
