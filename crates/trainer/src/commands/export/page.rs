//! `export --to html`: one file with a page to draw on.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Result;
use mnist_data::input::{self, shown};
use mnist_report::draw::{self, GENERATOR, Models};
use mnist_training::{
    TrainingError,
    files::{self, Destination, ResultKind, State},
};
use serde::Serialize;

use crate::{cli::ExportArgs, command_error::HintedError, layout::fit_stdout, terminal::Terminal};

/// The file in a new folder.
const NAME: &str = "draw.html";

/// The mark of a page is within this many bytes from its start.
const START: u64 = 1024;

#[derive(Serialize)]
struct PageResult {
    runs: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

pub fn write(args: ExportArgs, terminal: &Terminal) -> Result<()> {
    // The place is checked before the models are read.
    let file = args.out.out.clone().filter(|path| is_html(path));
    let folder = match &file {
        Some(file) => check_file(file, args.out.force).map(|()| None)?,
        None => Some(args.out.destination("export-html".into(), &PAGE)?),
    };
    let models = Models::open(args.runs.iter().map(PathBuf::as_path))?;
    let page = draw::page(&models)?;

    let path = match (file, folder) {
        (Some(file), _) => file,
        (None, folder) => {
            folder.unwrap_or_else(|| Destination::new("export-html")).create()?.path().join(NAME)
        }
    };
    files::write(&path, page.as_bytes())?;
    let result = PageResult { runs: args.runs, files: vec![path] };
    terminal.result(&result, || {
        let names: Vec<&str> = models.names().collect();
        fit_stdout(&format!("{}: a page to draw on, with {}", shown(&result.files[0]), names.join(", ")))
    })
}

/// How to recognize a folder with a page.
const PAGE: ResultKind = ResultKind {
    contents: &[NAME],
    mark: NAME,
    state: |folder| is_page(&folder.join(NAME)).is_ok_and(|is_page| is_page).then_some(State::Finished),
    is_resumable: false,
};

/// Whether `--out` names a file. Every other name is a folder, as for the other commands.
fn is_html(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"))
}

/// Refuses a file that cannot be written. Only an earlier page is replaced.
fn check_file(path: &Path, force: bool) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let (reason, hint) = if path.is_dir() {
        ("it is a folder", "name a file, such as --out draw.html")
    } else if folder.is_some_and(|folder| !folder.is_dir()) {
        ("its folder does not exist", "name a file in an existing folder, such as --out draw.html")
    } else if !path.exists() {
        return Ok(());
    } else if !is_page(path).map_err(TrainingError::file("read", path))? {
        ("it exists, and is not a page that this program wrote", "choose another --out")
    } else if force {
        return Ok(());
    } else {
        ("it exists", "choose another --out, or use --force")
    };
    Err(HintedError::new(format!("cannot write {}: {reason}", shown(path)), hint).into())
}

fn is_page(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    input::open(path)?.0.take(START).read_to_end(&mut start)?;
    Ok(String::from_utf8_lossy(&start).contains(GENERATOR))
}
