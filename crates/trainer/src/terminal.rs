//! Prints results on standard output, and progress, notes and warnings on standard error.

use std::{
    env,
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    mem,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use console::{Style, Term, measure_text_width};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mnist_training::{
    Observer,
    files::{escape_json, sealed_json},
    observer::{Task, TaskProgress},
};
use serde::Serialize;

use crate::{
    interrupt,
    layout::{self, escape, escape_lines},
    live_view::{ArmStanding, LiveView, describe_time_left},
};

/// The lines of the live view that are on the screen. Other lines are printed above them.
static SCREEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// All progress bars. Lines are printed above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// The program's output: results as text or JSON; progress unless `--quiet` is given.
pub struct Terminal {
    json: bool,
    quiet: bool,
    /// Notes to print when the training begins.
    announcement: Mutex<Vec<String>>,
    trainings: Mutex<Trainings>,
}

/// The trainings, and how they are shown.
#[derive(Default)]
struct Trainings {
    view: LiveView,
    drawn: Option<Instant>,
    /// Whether the time left was printed. Where no view is visible, this happens once.
    is_estimated: bool,
}

/// Removes all progress bars, for example after an error.
pub fn clear_bars() {
    show(Vec::new());
    // If standard error is closed, there is nothing to clear.
    let _ = BARS.clear();
}

/// Prints a warning, even if `--quiet` is given.
pub fn warn(text: impl AsRef<str>) {
    write_line(format!("warning: {}", text.as_ref()));
}

/// Prints a line on standard error. The work continues if standard error is closed.
pub fn write_line(text: impl AsRef<str>) {
    let text = layout::fit(&colored(&escape(text.as_ref())), &Term::stderr());
    let screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut output = remove_lines(&screen, Term::stderr().size());
    output.push_str(&text);
    output.push('\n');
    add_lines(&mut output, &screen);
    let _ = BARS.suspend(|| io::stderr().write_all(output.as_bytes()));
}

/// Replaces the live view on the screen. indicatif would fill its lines with spaces: a narrower terminal breaks them,
/// and so does the `^C` that a terminal shows after ctrl-C.
fn show(lines: Vec<String>) {
    let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.is_empty() && screen.is_empty() {
        return;
    }
    let mut output = remove_lines(&screen, Term::stderr().size());
    add_lines(&mut output, &lines);
    // In one piece, so that nobody sees a part of it. If standard error is closed, the training continues.
    let _ = io::stderr().write_all(output.as_bytes());
    *screen = lines;
}

/// Returns the characters that remove the last lines. The cursor is on the empty line below them. A terminal that has
/// become narrower has broken them into several rows, and one that has become lower no longer shows all of them.
fn remove_lines(lines: &[String], (height, width): (u16, u16)) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let rows_of = |line: &String| measure_text_width(line).div_ceil(usize::from(width.max(1))).max(1);
    let rows = lines.iter().map(rows_of).sum::<usize>().min(usize::from(height.saturating_sub(1).max(1)));
    format!("\r\x1b[{rows}A\x1b[J")
}

fn add_lines(output: &mut String, lines: &[String]) {
    for line in lines {
        output.push_str(line);
        output.push('\n');
    }
}

/// Colors the first word of an error, a warning and a hint, where standard error has colors.
fn colored(line: &str) -> String {
    let style = Style::new().for_stderr().bold();
    for (word, style) in
        [("error:", style.clone().red()), ("warning:", style.clone().yellow()), ("hint:", style.cyan())]
    {
        if let Some(rest) = line.strip_prefix(word) {
            return format!("{}{rest}", style.apply_to(word));
        }
    }
    line.to_owned()
}

/// Uses colors always or never. By default, a terminal has colors, unless `NO_COLOR` is set, and a file has none.
pub fn set_colors(enabled: bool) {
    console::set_colors_enabled(enabled);
    console::set_colors_enabled_stderr(enabled);
}

impl Terminal {
    /// Creates the output. It prints results as JSON if `json` is set, and no progress and notes if `quiet` is set.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, announcement: Mutex::default(), trainings: Mutex::default() }
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

    /// Prints notes when the next training begins. If it fails before that, only the error is printed.
    pub fn announce(&self, lines: impl Into<Vec<String>>) {
        *self.announcement.lock().unwrap_or_else(PoisonError::into_inner) = lines.into();
    }

    /// Prints the announced notes.
    fn begin_training(&self) {
        let lines = mem::take(&mut *self.announcement.lock().unwrap_or_else(PoisonError::into_inner));
        for line in lines {
            self.note(&line);
        }
    }

    /// Shows the ranking so far of a comparison.
    pub fn set_standing(&self, standing: Vec<ArmStanding>) {
        self.change(|view| view.set_standing(standing));
    }

    /// Returns the time left, once enough is trained to estimate it.
    pub fn time_left(&self) -> Option<Duration> {
        self.trainings().view.time_left(Instant::now())
    }

    /// Returns whether standard error shows the live view and bars. A dumb terminal, as in some editors, cannot remove
    /// lines.
    fn is_live(&self) -> bool {
        let is_dumb = || env::var_os("TERM").is_some_and(|term| term == "dumb");
        !self.quiet && io::stderr().is_terminal() && !is_dumb()
    }

    /// Changes the view, and draws it.
    fn change<T>(&self, change: impl FnOnce(&mut LiveView) -> T) -> T {
        let mut trainings = self.trainings();
        let changed = change(&mut trainings.view);
        if self.is_live() {
            trainings.draw();
        }
        changed
    }

    fn trainings(&self) -> MutexGuard<'_, Trainings> {
        self.trainings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records progress. Draws the view if the last drawing is some time ago.
    fn report(&self, report: impl FnOnce(&mut LiveView, Instant)) {
        let now = Instant::now();
        let mut trainings = self.trainings();
        report(&mut trainings.view, now);
        if self.is_live() {
            if trainings.drawn.is_none_or(|drawn| now.duration_since(drawn) >= Trainings::PAUSE) {
                trainings.draw();
            }
            return;
        }
        let line = if self.quiet { None } else { trainings.estimate(now) };
        drop(trainings);
        line.into_iter().for_each(write_line);
    }
}

impl Trainings {
    /// Time between two drawings.
    const PAUSE: Duration = Duration::from_millis(100);

    /// Shorter times left are not worth a line.
    const SHORTEST: Duration = Duration::from_secs(10);

    fn draw(&mut self) {
        self.drawn = Some(Instant::now());
        if self.view.is_empty() {
            show(Vec::new());
        } else {
            let (rows, columns) = Term::stderr().size();
            show(self.view.lines(Instant::now(), columns.into(), rows.into()));
        }
    }

    /// Returns the line about the time left: once, as soon as it can be estimated, and only if it is long enough.
    fn estimate(&mut self, now: Instant) -> Option<String> {
        if self.is_estimated {
            return None;
        }
        let left = self.view.time_left(now)?;
        self.is_estimated = true;
        (left >= Self::SHORTEST).then(|| describe_time_left(left))
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
        match task {
            Task::Training { name, images } => {
                self.begin_training();
                let (id, is_one_of_many) =
                    self.change(|view| (view.begin(&escape(name), *images), view.is_comparison()));
                if is_one_of_many && !self.is_live() {
                    self.note(&format!("{name}: started"));
                }
                Box::new(Training { terminal: self, id })
            }
            Task::Trainings { images } => {
                if *images > 0 {
                    self.begin_training();
                }
                self.change(|view| view.begin_all(*images));
                Box::new(AllTrainings(self))
            }
            Task::Images { images } => self.bar(*images, "{wide_bar} {pos}/{len} images, {eta} left"),
            _ => self.bar(0, "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {eta}"),
        }
    }

    fn wants_stop(&self) -> bool {
        interrupt::requested()
    }
}

impl Terminal {
    fn bar(&self, length: u64, template: &str) -> Box<dyn TaskProgress> {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bar.with_style(style);
        // The newest bar comes first, and none beside the live view.
        let is_hidden = !self.is_live() || !self.trainings().view.is_empty();
        let bar = if is_hidden { bar } else { BARS.insert(0, bar) };
        bar.enable_steady_tick(Duration::from_millis(200));
        Box::new(Bar(bar))
    }
}

/// A line of the live view, until it is dropped.
struct Training<'a> {
    terminal: &'a Terminal,
    id: usize,
}

impl TaskProgress for Training<'_> {
    fn at(&mut self, done: u64, _total: Option<u64>, message: &str) {
        self.terminal.report(|view, now| view.report(self.id, done, &escape(message), now));
    }
}

impl Drop for Training<'_> {
    fn drop(&mut self) {
        self.terminal.change(|view| view.end(self.id));
    }
}

/// The line of all trainings of a comparison, until it is dropped.
struct AllTrainings<'a>(&'a Terminal);

impl TaskProgress for AllTrainings<'_> {
    fn at(&mut self, done: u64, _total: Option<u64>, _message: &str) {
        self.0.report(|view, _| view.report_all(done));
    }
}

impl Drop for AllTrainings<'_> {
    fn drop(&mut self) {
        self.0.change(LiveView::end_all);
    }
}

/// A progress bar, shown until it is dropped.
struct Bar(ProgressBar);

impl TaskProgress for Bar {
    fn at(&mut self, done: u64, total: Option<u64>, message: &str) {
        let message = escape(message);
        if self.0.message() != message {
            self.0.set_message(message.into_owned());
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
        // Redraws the other bars.
        BARS.suspend(|| ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the printed line after 5% of a training that takes this many seconds.
    fn estimate(trainings: &mut Trainings, seconds: u64) -> Option<String> {
        let start = Instant::now();
        let id = trainings.view.begin("center seed 1", 1000);
        trainings.view.report(id, 0, "", start);
        trainings.view.report(id, 50, "", start);
        trainings.estimate(start + Duration::from_secs(seconds) / 20)
    }

    #[test]
    fn long_training_is_estimated_once() {
        let mut trainings = Trainings::default();
        assert_eq!(estimate(&mut trainings, 40).unwrap(), "about 38 seconds left");
        assert_eq!(trainings.estimate(Instant::now()), None);
    }

    #[test]
    fn short_training_is_never_estimated() {
        let mut trainings = Trainings::default();
        assert_eq!(estimate(&mut trainings, 10), None, "9.5 seconds are left");
        assert_eq!(
            trainings.estimate(Instant::now() + Duration::from_mins(1)),
            None,
            "the estimate has been made"
        );
    }

    #[test]
    fn training_is_announced_when_its_first_task_begins() {
        let terminal = Terminal::new(false, true);
        let is_announced = || terminal.announcement.lock().unwrap().is_empty();
        terminal.announce(["training center on MNIST".to_owned()]);
        drop(terminal.begin(&Task::Trainings { images: 0 }));
        assert!(!is_announced(), "nothing is left to train");
        drop(terminal.begin(&Task::Trainings { images: 10 }));
        assert!(is_announced());
    }

    #[test]
    fn lines_of_the_view_are_removed_from_the_line_below_them() {
        assert_eq!(remove_lines(&[], (24, 80)), "");
        assert_eq!(
            remove_lines(&["center".into(), String::new(), "all".into()], (24, 80)),
            "\r\x1b[3A\x1b[J"
        );
    }

    #[test]
    fn lines_that_a_smaller_terminal_has_broken_are_removed_too() {
        let lines = ["x".repeat(60), "\x1b[36m█\x1b[0m".repeat(61), "x".repeat(79)];
        assert_eq!(remove_lines(&lines, (24, 60)), "\r\x1b[5A\x1b[J");
        assert_eq!(remove_lines(&lines, (4, 60)), "\r\x1b[3A\x1b[J", "the others have left the screen");
        assert_eq!(remove_lines(&lines, (0, 0)), "\r\x1b[1A\x1b[J");
    }

    #[test]
    fn lines_have_no_color_where_standard_error_has_none() {
        console::set_colors_enabled_stderr(false);
        assert_eq!(colored("error: it failed"), "error: it failed");
    }
}
