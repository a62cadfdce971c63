//! `export`: a run's model for other programs.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::{
    cli::ExportArgs,
    device::in_pool,
    export::{self, ExportedFile},
    folder::Destination,
    interrupt,
    run::FinishedRun,
    terminal::Terminal,
};

#[derive(Serialize)]
struct ExportResult {
    run: PathBuf,
    files: Vec<PathBuf>,
}

pub fn run(args: ExportArgs, terminal: &Terminal) -> Result<()> {
    in_pool(args.compute.threads, || export_run(args, terminal))
}

fn export_run(args: ExportArgs, terminal: &Terminal) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let name = format!("export-{}", args.to.name());
    let is_ours = (export::MARK, export::is_export as fn(&_) -> _);
    let destination = Destination::choose_whole(&args.out, name, &export::CONTENTS, is_ours)?;
    let device = args.compute.backend.unwrap_or(run.config.settings.backend).open()?;
    let test = run.test_images(args.dataset, terminal).map_err(|error| {
        let why = "an export holds the logits of the first test images; name their folder with --data-dir";
        if interrupt::requested() { error } else { error.context(why) }
    })?;
    let model = run.model(&device)?;
    let files = export::files(args.to, &run, &model, &test, &device)?;
    interrupt::check()?;

    let folder = destination.create(args.out.force, &export::CONTENTS)?;
    for file in &files {
        folder.write(file.name, &file.bytes)?;
    }
    let paths = files.iter().map(|file| folder.path().join(file.name)).collect();
    let result = ExportResult { run: args.run, files: paths };
    terminal.result(&result, || describe(&result, &files))
}

fn describe(result: &ExportResult, files: &[ExportedFile]) -> String {
    let line = |(path, file): (&PathBuf, &ExportedFile)| format!("{}: {}", path.display(), file.about);
    result.files.iter().zip(files).map(line).collect::<Vec<_>>().join("\n")
}
