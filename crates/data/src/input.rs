//! Reads files from outside, whose kind and size are unknown, into bounded memory, and shows their names on one line.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fmt::{self, Write},
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Opens a regular file, and returns it with its length in bytes. Refuses anything else: opening a named pipe would wait
/// for its writer, and a device such as `/dev/zero` has no end.
///
/// # Errors
/// When the file does not exist, cannot be opened, or is not a regular file.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok((File::open(path)?, metadata.len()))
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// When the file cannot be read, is not a regular file, or is larger.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > most {
        return Err(too_large(most));
    }
    let mut bytes = Vec::new();
    // With room for one more byte, the end of the file is found without a larger buffer.
    bytes.try_reserve_exact(length as usize + 1).map_err(|_| io::ErrorKind::OutOfMemory)?;
    read_into(&mut bytes, file, most)?;
    Ok(bytes)
}

/// Reads a stream of at most `most` bytes.
///
/// # Errors
/// When the stream cannot be read, or is longer.
pub fn read_stream(stream: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(&mut bytes, stream, most)?;
    Ok(bytes)
}

fn read_into(bytes: &mut Vec<u8>, stream: impl Read, most: u64) -> io::Result<()> {
    /// Memory to reserve at a time, in bytes. A buffer that doubles would take three times the length.
    const STEP: usize = 16 << 20;
    let mut stream = stream.take(most.saturating_add(1));
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.try_reserve_exact(STEP).map_err(|_| io::ErrorKind::OutOfMemory)?;
        }
        let free = (bytes.capacity() - bytes.len()) as u64;
        if stream.by_ref().take(free).read_to_end(bytes)? == 0 {
            return if bytes.len() as u64 > most { Err(too_large(most)) } else { Ok(()) };
        }
    }
}

fn too_large(most: u64) -> io::Error {
    let most = if most >= 1 << 30 { format!("{} GiB", most >> 30) } else { format!("{} MiB", most >> 20) };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most}"))
}

/// Largest number of characters that [`Shown`] shows. A path has at most 4096 bytes on Linux.
const LONGEST: usize = 4096;

/// Returns a path, a name or another text from outside in a form that is safe to show in a terminal or a report.
///
/// It is one line. Characters that [`is_unprintable`] are escaped, such as `\n` or `\u{1b}`, and anything after 4096
/// characters is left out. Other text is unchanged.
///
/// # Example
/// ```
/// use mnist_data::input::shown;
///
/// assert_eq!(shown("données/7.png").to_string(), "données/7.png");
/// assert_eq!(shown("\u{1b}[2J\n").to_string(), r"\u{1b}[2J\n");
/// ```
pub fn shown<T: AsRef<OsStr> + ?Sized>(text: &T) -> Shown<'_> {
    Shown(text.as_ref().to_string_lossy())
}

/// Text that is safe to show; see [`shown`].
#[derive(Debug, Clone)]
pub struct Shown<'a>(Cow<'a, str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(LONGEST) {
            if is_unprintable(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        if characters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Returns whether a character controls how text is shown, instead of being shown itself: a control character, a line
/// separator, or a character without width, such as those that reverse the direction of text.
///
/// The zero-width joiner and non-joiner are not among them, because words and emoji need them.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}
