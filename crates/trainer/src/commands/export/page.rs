//! `export --to html`: one file with a page to draw on.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Result;
use mnist_data::input::shown;
use mnist_report::draw::{self, GENERATOR, Models};
use mnist_training::{
    TrainingError,
    files::{self, Destination},
};
use serde::Serialize;

use crate::{
    cli::ExportArgs,
    command_error::{HintedError, UsageError},
    layout::fit_stdout,
    terminal::Terminal,
};

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
    if args.dataset.is_any() {
        let message =
            "--to html reads no data set; leave out --dataset, --data-dir, --resize and --color-mode";
        return Err(UsageError(message.into()).into());
    }
    let place = args.out.out.map(Place::of);
    if let Some(place) = &place {
        place.check(args.out.force)?;
    }
    let models = Models::open(args.runs.iter().map(PathBuf::as_path))?;
    let page = draw::page(&models)?;

    let path = match place {
        Some(Place::File(path)) => path,
        Some(Place::Folder(path)) => {
            fs::create_dir_all(&path).map_err(TrainingError::file("create", &path))?;
            path.join(NAME)
        }
        None => Destination::new("export-html").create()?.path().join(NAME),
    };
    files::write(&path, page.as_bytes())?;
    let result = PageResult { runs: args.runs, files: vec![path] };
    terminal.result(&result, || {
        let names: Vec<&str> = models.names().collect();
        fit_stdout(&format!("{}: a page to draw on, with {}", shown(&result.files[0]), names.join(", ")))
    })
}

/// What `--out` names.
enum Place {
    File(PathBuf),
    Folder(PathBuf),
}

impl Place {
    /// A name that ends with `.html` is a file, and every other one a folder, as for the other commands.
    fn of(path: PathBuf) -> Self {
        let is_html = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
        if is_html { Self::File(path) } else { Self::Folder(path) }
    }

    /// Refuses a place that cannot be written, before the models are read. Only an earlier page is replaced.
    fn check(&self, force: bool) -> Result<()> {
        let folder = match self {
            Self::File(path) => return check_file(path, force),
            Self::Folder(folder) if !folder.exists() => return Ok(()),
            Self::Folder(file) if !file.is_dir() => {
                let message = format!("cannot write {}: it is a file of another kind", shown(file));
                return Err(HintedError::new(message, "name a folder, or a file that ends with .html").into());
            }
            Self::Folder(folder) => folder,
        };
        let entries = folder.read_dir().map_err(TrainingError::file("read", folder))?;
        let mut others = entries.flatten().map(|entry| entry.file_name()).filter(|name| name != NAME);
        if let Some(other) = others.next() {
            let message =
                format!("cannot write to {}: it contains {}", shown(folder), shown(Path::new(&other)));
            return Err(HintedError::new(message, "choose another --out").into());
        }
        check_file(&folder.join(NAME), force)
    }
}

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
    File::open(path)?.take(START).read_to_end(&mut start)?;
    Ok(String::from_utf8_lossy(&start).contains(GENERATOR))
}
