//! Prints results on standard output, and progress, notes and warnings on standard error.

use std::{
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    mem,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use console::Term;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mnist_training::{
    Observer,
    files::{escape_json, sealed_json},
    observer::{Task, TaskProgress},
};
use serde::Serialize;

use crate::{
    interrupt,
    layout::{self, escape, escape_lines},
};

/// All progress bars. Lines are printed above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// The program's output: results as text or JSON; progress unless `--quiet` is given.
pub struct Terminal {
    json: bool,
    quiet: bool,
    /// A note to print when the training begins.
    announcement: Mutex<Option<String>>,
    /// Whether a task already estimates the remaining time. The runs of a comparison start after the task for all
    /// of them, which is the one to estimate.
    has_estimate: AtomicBool,
}

/// Removes all progress bars, for example after an error.
pub fn clear_bars() {
    // If standard error is closed, there is nothing to clear.
    let _ = BARS.clear();
}

/// Prints a warning, even if `--quiet` is given.
pub fn warn(text: impl AsRef<str>) {
    write_line(format!("warning: {}", text.as_ref()));
}

/// Prints a line on standard error. The work continues if standard error is closed.
pub fn write_line(text: impl AsRef<str>) {
    let text = layout::fit(&escape(text.as_ref()), &Term::stderr());
    let _ = BARS.suspend(|| writeln!(io::stderr(), "{text}"));
}

/// Formats the remaining time in its largest unit, such as "about 55 seconds left".
pub fn describe_time_left(left: Duration) -> String {
    // Fractions of a second would suggest a precision that the estimate does not have.
    let seconds = left.as_secs().max(1);
    format!("about {} left", HumanDuration(Duration::from_secs(seconds)))
}

impl Terminal {
    /// Creates the output. It prints results as JSON if `json` is set, and no progress and notes if `quiet` is set.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, announcement: Mutex::default(), has_estimate: AtomicBool::new(false) }
    }

    /// Prints the result of a command on standard output: as JSON, or as `text` for people.
    pub fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        // JSON is not collected first, because it can be long.
        print(|output| {
            if self.json {
                serde_json::to_writer_pretty(EscapedJson(output), value).map_err(io::Error::from)
            } else {
                output.write_all(escape_lines(&text()).as_bytes())
            }
        })
    }

    /// Prints a result as it is saved in `result.json`, with its checksum, or as `text`.
    pub fn saved_result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        if !self.json {
            return self.result(value, text);
        }
        let json = sealed_json(value)?;
        print(|output| output.write_all(json.trim_end().as_bytes()))
    }

    /// Prints a note when the next training begins. If it fails before that, only the error is printed.
    pub fn announce(&self, text: String) {
        *self.announcement.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// Prints the announced note, and returns the estimate to print where no progress bar is visible.
    fn begin_training(&self, images: u64) -> Option<Estimate> {
        if images == 0 {
            return None;
        }
        if let Some(text) = self.announcement.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.note(&text);
        }
        let is_first = !self.has_estimate.swap(true, Ordering::Relaxed);
        let is_useful = is_first && !self.quiet && !io::stderr().is_terminal();
        is_useful.then(|| Estimate::new(images))
    }
}

/// Writes to standard output, and ends the line.
fn print(write: impl FnOnce(&mut BufWriter<StdoutLock>) -> io::Result<()>) -> Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    match write(&mut output).and_then(|()| output.write_all(b"\n")).and_then(|()| output.flush()) {
        // A pipe was closed early, as by `mnist-trainer … | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Escapes the characters of JSON that could control the terminal.
struct EscapedJson<W>(W);

impl<W: Write> Write for EscapedJson<W> {
    /// Writes all bytes. `serde_json` splits text only between characters.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let json = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_all(escape_json(json).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
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
            Task::Trainings { images } => (*images, "all runs {wide_bar} {percent:>3}%, {eta} left"),
            Task::Images { images } => (*images, "{wide_bar} {pos}/{len} images, {eta} left"),
            _ => (0, "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {eta}"),
        };
        let estimate = match task {
            Task::Training { images, .. } | Task::Trainings { images } => self.begin_training(*images),
            _ => None,
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden()).with_style(style);
        // The newest bar comes first. indicatif draws bars only if standard error is a terminal.
        let bar = if self.quiet { bar } else { BARS.insert(0, bar) };
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Task::Training { name, .. } = task {
            bar.set_prefix(name.clone());
            bar.reset_eta();
        }
        Box::new(Bar { bar, estimate })
    }

    fn wants_stop(&self) -> bool {
        interrupt::requested()
    }
}

/// A progress bar, shown until it is dropped.
struct Bar {
    bar: ProgressBar,
    estimate: Option<Estimate>,
}

impl TaskProgress for Bar {
    fn at(&mut self, done: u64, total: Option<u64>, message: &str) {
        let message = escape(message);
        if self.bar.message() != message {
            self.bar.set_message(message.into_owned());
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
        if let Some(line) = self.estimate.as_mut().and_then(|estimate| estimate.at(done, Instant::now())) {
            write_line(line);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        BARS.remove(&self.bar);
        // Redraws the other bars.
        BARS.suspend(|| ());
    }
}

/// Estimates once how long a training takes, from the speed of its first images.
struct Estimate {
    /// Images to train on, including those before the start.
    images: u64,
    /// The first report, and how many images were done by then. A resumed run has some from earlier.
    start: Option<(Instant, u64)>,
    is_made: bool,
}

impl Estimate {
    /// Shorter times are not worth a line.
    const SHORTEST: Duration = Duration::from_secs(10);

    fn new(images: u64) -> Self {
        Self { images, start: None, is_made: false }
    }

    /// Returns the line to print: once, as soon as the remaining time can be estimated, and only if it is long enough.
    fn at(&mut self, done: u64, now: Instant) -> Option<String> {
        let (start, done_before) = *self.start.get_or_insert((now, done));
        let (trained, remaining) = (done.saturating_sub(done_before), self.images.saturating_sub(done));
        let left = time_left(now - start, trained, remaining)?;
        let is_first = !mem::replace(&mut self.is_made, true);
        (is_first && left >= Self::SHORTEST).then(|| describe_time_left(left))
    }
}

/// Returns the time for the remaining images at the speed of the trained ones, or `None` before 5% are trained.
fn time_left(elapsed: Duration, trained: u64, remaining: u64) -> Option<Duration> {
    let is_enough = trained > 0 && trained * 20 >= trained + remaining;
    is_enough.then(|| elapsed.mul_f64(remaining as f64 / trained as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_estimated_from_the_first_5_percent() {
        let elapsed = Duration::from_secs(3);
        assert_eq!(time_left(elapsed, 0, 1000), None);
        assert_eq!(time_left(elapsed, 49, 951), None);
        assert_eq!(time_left(elapsed, 50, 950), Some(Duration::from_secs(57)));
        assert_eq!(time_left(elapsed, 1000, 0), Some(Duration::ZERO));
    }

    #[test]
    fn images_of_an_earlier_attempt_do_not_count_as_speed() {
        let (mut estimate, start) = (Estimate::new(1000), Instant::now());
        let mut at = |done, seconds| estimate.at(done, start + Duration::from_secs(seconds));
        assert_eq!(at(900, 100), None, "no image has been trained yet");
        assert_eq!(at(904, 103), None, "4 of 100 images are trained");
        assert_eq!(at(905, 104).unwrap(), "about 76 seconds left", "5 of 100 images took 4 seconds");
    }

    #[test]
    fn long_training_is_estimated_once() {
        let (mut estimate, start) = (Estimate::new(1000), Instant::now());
        let mut at = |done, seconds| estimate.at(done, start + Duration::from_secs(seconds));
        assert_eq!(at(0, 0), None);
        assert_eq!(at(50, 2).unwrap(), "about 38 seconds left");
        assert_eq!(at(100, 10), None);
    }

    #[test]
    fn short_training_is_never_estimated() {
        let (mut estimate, start) = (Estimate::new(1000), Instant::now());
        let mut at = |done, milliseconds| estimate.at(done, start + Duration::from_millis(milliseconds));
        assert_eq!(at(0, 0), None);
        assert_eq!(at(50, 500), None, "9.5 seconds are left");
        assert_eq!(at(100, 60_000), None, "slower now, but the estimate has been made");
    }

    #[test]
    fn time_left_is_rounded() {
        assert_eq!(describe_time_left(Duration::from_millis(300)), "about 1 second left");
        assert_eq!(describe_time_left(Duration::from_millis(55_900)), "about 55 seconds left");
        assert_eq!(describe_time_left(Duration::from_secs(605)), "about 10 minutes left");
    }

    #[test]
    fn training_is_announced_when_its_first_task_begins() {
        let terminal = Terminal::new(false, true);
        let is_announced = || terminal.announcement.lock().unwrap().is_none();
        terminal.announce("training center on MNIST".into());
        terminal.begin_training(0);
        assert!(!is_announced(), "nothing is left to train");
        terminal.begin_training(10);
        assert!(is_announced());
        assert!(terminal.has_estimate.into_inner(), "the next task must not estimate again");
    }
}
