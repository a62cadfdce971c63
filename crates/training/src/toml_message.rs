//! Words the errors of the TOML parser for users, without the names of Rust types and serde's terms.

/// Returns the number of the line in question, the line, and what is wrong with it.
pub(crate) fn describe(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().map_or("", |span| &text[..span.start]);
    let line = before.matches('\n').count();
    let quoted = shorten(text.lines().nth(line).unwrap_or_default().trim());
    let message = plain(error.message());
    // The line that is quoted often names the table already.
    let without_table = ["augmentation", "scaling"]
        .into_iter()
        .find_map(|table| message.strip_prefix(table)?.strip_prefix(": ").filter(|_| quoted.contains(table)));
    let message = format!("`{quoted}`: {}", without_table.unwrap_or(&message));
    format!("{}: {}", line + 1, message.replace(char::is_control, " "))
}

/// Returns a text from a file, cut after 60 characters.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Shortens what a message quotes in backticks. A quoted text can contain backticks too.
fn shorten_quoted(message: &str) -> String {
    match (message.find('`'), message.rfind('`')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}`{}{}", &message[..start], shorten(&message[start + 1..end]), &message[end..])
        }
        _ => message.to_owned(),
    }
}

/// Rewrites a message of the TOML parser without the names of Rust types and serde's terms.
fn plain(message: &str) -> String {
    for (start, kind) in
        [("unknown field `", "key"), ("unknown variant `", "value"), ("unknown scaling `", "scaling")]
    {
        // The name can contain backticks too.
        if let Some((name, expected)) =
            message.strip_prefix(start).and_then(|rest| rest.rsplit_once("`, expected "))
        {
            return unknown(kind, name, expected);
        }
    }
    match message {
        "wanted string or table" => return "must be a string".to_owned(),
        "integer number overflowed" | "floating-point number overflowed" => {
            return "the number is too large".to_owned();
        }
        "string values must be quoted, expected literal string" => {
            return "the value is missing or not valid TOML; strings need quotes".to_owned();
        }
        _ => {}
    }
    let starts = ["invalid type: ", "invalid value: ", "invalid length "];
    let is_mismatch = starts.iter().any(|start| message.starts_with(start));
    let Some((found, expected)) = message.rsplit_once(", expected ").filter(|_| is_mismatch) else {
        return shorten_quoted(message);
    };
    let expected = match expected {
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        // TOML has no larger integers.
        "u64" => "a whole number from 0 to 9223372036854775807",
        "f64" => "a number",
        "a boolean" => "true or false",
        "path string" => "a string",
        "a sequence" => "a list",
        "struct Augmentation" | "struct Grid" => "a table",
        other => other,
    };
    let is = |kind: &str| found.starts_with(&format!("invalid type: {kind}"));
    let but_not = if is("string") {
        ", not a string"
    } else if expected == "a string" && (is("integer") || is("floating point")) {
        ", not a number"
    } else {
        ""
    };
    format!("must be {expected}{but_not}")
}

/// Returns the message for an unknown name: with the most similar known name, or with all known names if none is
/// similar. `expected` is a list such as "one of `a`, `b`", "`a` or `b`" or "one of: a, b".
fn unknown(kind: &str, name: &str, expected: &str) -> String {
    /// From this similarity on, clap suggests a flag.
    const SIMILAR: f64 = 0.7;
    let similarity =
        |known| if (name, known) == ("lr", "learning_rate") { 1.0 } else { strsim::jaro(name, known) };
    let known: Vec<&str> = match expected.strip_prefix("one of: ") {
        Some(names) => names.split(", ").collect(),
        None => expected.split('`').skip(1).step_by(2).collect(),
    };
    let scored = known.iter().map(|&known| (similarity(known), known));
    let closest = scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(score, _)| *score > SIMILAR);
    let name = shorten(name);
    match closest {
        Some((_, known)) => format!("unknown {kind} `{name}`; did you mean `{known}`?"),
        None => format!("unknown {kind} `{name}`, expected one of: {}", known.join(", ")),
    }
}
