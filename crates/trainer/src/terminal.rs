//! What a person sees while waiting: progress bars and lines on standard error, nothing under `--quiet`.

use std::{
    io::{self, Write},
    sync::LazyLock,
    time::Duration,
};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::{Format, OutputFlags};

/// Every bar on the screen; lines are written above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Where progress and results go.
pub struct Terminal {
    format: Format,
    quiet: bool,
}

/// Takes a bar off the screen.
pub fn take_away(bar: &ProgressBar) {
    BARS.remove(bar);
    // Draws the others anew.
    BARS.suspend(|| ());
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

impl Terminal {
    /// As the flags say.
    pub fn new(flags: &OutputFlags) -> Self {
        Self { format: flags.format, quiet: flags.quiet }
    }

    /// A line on standard error.
    pub fn line(&self, text: impl AsRef<str>) {
        if !self.quiet {
            write_line(text);
        }
    }

    /// A bar for the images of a training, with a line below it.
    pub fn training_bar(&self, images: u64) -> ProgressBar {
        let bar = self.bar(images, "{prefix} {wide_bar} {percent:>3}%, {eta} left\n  {msg}");
        bar.reset_eta();
        bar
    }

    /// A bar for the images of several trainings; to be made before theirs, which appear above it.
    pub fn overall_bar(&self, images: u64) -> ProgressBar {
        self.bar(images, "all trainings {wide_bar} {percent:>3}%, {eta} left")
    }

    /// A bar for images that are gone through.
    pub fn images_bar(&self, images: u64) -> ProgressBar {
        self.bar(images, "{wide_bar} {pos}/{len} images, {eta} left")
    }

    /// A bar for bytes that arrive.
    pub fn bytes_bar(&self) -> ProgressBar {
        self.bar(0, "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {eta}")
    }

    fn bar(&self, length: u64, template: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden()).with_style(style);
        // The newest above the others. Drawn only where standard error is a terminal; indicatif sees to that.
        let bar = if self.quiet { bar } else { BARS.insert(0, bar) };
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Prints a command's result on standard output: as JSON, or as `text` for people.
    pub fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        let printed = match self.format {
            Format::Json => crate::folder::json(value)?,
            Format::Text => text() + "\n",
        };
        match io::stdout().write_all(printed.as_bytes()) {
            // The reader has seen enough, as in `mnist-trainer … | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }
}
