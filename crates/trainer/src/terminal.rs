//! What a person sees while waiting: progress bars and lines on standard error, nothing under `--quiet`.

use std::{
    io::{self, Write},
    sync::LazyLock,
    time::Duration,
};

use anyhow::Result;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mnist_training::{
    Observer,
    files::json,
    observer::{Task, TaskProgress},
};
use serde::Serialize;

use crate::interrupt;

/// Every bar on the screen; lines are written above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Where progress and results go.
pub struct Terminal {
    json: bool,
    quiet: bool,
}

/// Takes away every bar, where the work that they show has been given up.
pub fn clear_bars() {
    // What cannot be written to is no reason to fail.
    let _ = BARS.clear();
}

/// A line on standard error that is shown even under `--quiet`.
pub fn warn(text: impl AsRef<str>) {
    write_line(format!("warning: {}", text.as_ref()));
}

/// A line on standard error; a reader who has gone is no reason to stop.
pub fn write_line(text: impl AsRef<str>) {
    let _ = BARS.suspend(|| writeln!(io::stderr(), "{}", text.as_ref()));
}

/// A table with a header.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    table.to_string()
}

impl Terminal {
    /// A terminal that prints results as JSON, or for people, and perhaps nothing else.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Prints a command's result on standard output: as JSON, or as `text` for people.
    pub fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        let printed = if self.json { json(value)? } else { text() + "\n" };
        match io::stdout().write_all(printed.as_bytes()) {
            // The reader has seen enough, as in `mnist-trainer … | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }
}

impl Observer for Terminal {
    fn note(&self, text: &str) {
        if !self.quiet {
            write_line(text);
        }
    }

    fn warning(&self, text: &str) {
        warn(text);
    }

    fn begin(&self, task: &Task) -> Box<dyn TaskProgress + '_> {
        let (length, template) = match task {
            Task::Training { images, .. } => {
                (*images, "{prefix} {wide_bar} {percent:>3}%, {eta} left\n  {msg}")
            }
            Task::Trainings { images } => (*images, "all trainings {wide_bar} {percent:>3}%, {eta} left"),
            Task::Images { images } => (*images, "{wide_bar} {pos}/{len} images, {eta} left"),
            _ => (0, "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {eta}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden()).with_style(style);
        // The newest above the others. indicatif draws only where standard error is a terminal.
        let bar = if self.quiet { bar } else { BARS.insert(0, bar) };
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Task::Training { name, .. } = task {
            bar.set_prefix(name.clone());
            bar.reset_eta();
        }
        Box::new(Bar(bar))
    }

    fn wants_stop(&self) -> bool {
        interrupt::requested()
    }
}

/// A bar on the screen, until it is dropped.
struct Bar(ProgressBar);

impl TaskProgress for Bar {
    fn at(&mut self, done: u64, total: Option<u64>, message: &str) {
        if self.0.message() != message {
            self.0.set_message(message.to_owned());
        }
        if let Some(total) = total {
            self.0.set_length(total);
        }
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
        // Draws the others anew.
        BARS.suspend(|| ());
    }
}
