//! What the terminal shows during a training: a line per running training, the time left, and the ranking so far.
//!
//! [`LiveView::lines`] lays the lines out for a width and a height, and knows no terminal.

use std::time::{Duration, Instant};

use console::{Style, measure_text_width, pad_str, truncate_str};
use indicatif::HumanDuration;
use mnist_report::numbers::{percent, plural};

use crate::layout::fit_name;

/// Widest line. A terminal that gets narrower breaks longer lines, and then they could not be removed.
const WIDEST: usize = 79;

/// Widest name of a training or an arm.
const WIDEST_NAME: usize = 26;

/// Columns of a bar. With a wider one, the accuracy of a training with a long name would be cut off.
const BAR: usize = 10;

/// The state of a training, or of all trainings of a comparison.
#[derive(Debug, Default)]
pub struct LiveView {
    trainings: Vec<Training>,
    all: Option<AllTrainings>,
    standing: Vec<ArmStanding>,
    speed: Speed,
    last_id: usize,
}

/// A running training.
#[derive(Debug)]
struct Training {
    id: usize,
    name: String,
    images: u64,
    done: u64,
    is_begun: bool,
    message: String,
}

/// All trainings of a comparison.
#[derive(Debug, Clone, Copy)]
struct AllTrainings {
    images: u64,
    done: u64,
}

/// The result of an arm so far.
#[derive(Debug, Clone)]
pub struct ArmStanding {
    /// The arm's name.
    pub name: String,
    /// Mean test accuracy of the finished runs; `None` if there is none, or all diverged.
    pub mean: Option<f64>,
    /// Number of finished seeds.
    pub seeds: usize,
}

/// The speed of this session. Images of earlier sessions do not count.
#[derive(Debug, Default)]
struct Speed {
    /// The first report.
    begun: Option<Instant>,
    /// Images trained since then.
    trained: u64,
}

impl LiveView {
    /// Begins a training, and returns its number.
    pub fn begin(&mut self, name: &str, images: u64) -> usize {
        self.last_id += 1;
        let (id, name) = (self.last_id, name.to_owned());
        self.trainings.push(Training { id, name, images, done: 0, is_begun: false, message: String::new() });
        id
    }

    /// Begins the trainings of a comparison.
    pub fn begin_all(&mut self, images: u64) {
        self.all = Some(AllTrainings { images, done: 0 });
        self.speed = Speed::default();
    }

    /// Records the progress of a training. Its first report contains the images of earlier sessions.
    pub fn report(&mut self, id: usize, done: u64, message: &str, now: Instant) {
        let Some(training) = self.trainings.iter_mut().find(|training| training.id == id) else { return };
        self.speed.begun.get_or_insert(now);
        if training.is_begun {
            self.speed.trained += done.saturating_sub(training.done);
        }
        training.is_begun = true;
        training.done = done;
        message.clone_into(&mut training.message);
    }

    /// Records the progress of all trainings.
    pub fn report_all(&mut self, done: u64) {
        if let Some(all) = &mut self.all {
            all.done = done;
        }
    }

    /// Ends a training.
    pub fn end(&mut self, id: usize) {
        self.trainings.retain(|training| training.id != id);
    }

    /// Ends the trainings of a comparison.
    pub fn end_all(&mut self) {
        self.all = None;
    }

    /// Replaces the ranking so far.
    pub fn set_standing(&mut self, standing: Vec<ArmStanding>) {
        self.standing = standing;
    }

    /// Returns whether no training runs or waits.
    pub fn is_empty(&self) -> bool {
        self.trainings.is_empty() && self.all.is_none()
    }

    /// Returns whether several trainings belong together.
    pub fn is_comparison(&self) -> bool {
        self.all.is_some()
    }

    /// Returns the time for the remaining images at the speed of this session. `None` before a twentieth of them is
    /// trained, and when none remains.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        self.time_left_after(now, 20).filter(|left| !left.is_zero())
    }

    /// Returns the time left once a `part`th of the images is trained.
    fn time_left_after(&self, now: Instant, part: u64) -> Option<Duration> {
        let Speed { begun, trained } = self.speed;
        let remaining = match (self.all, self.trainings.as_slice()) {
            (Some(all), _) => all.images.saturating_sub(all.done),
            (None, [training, ..]) => training.images.saturating_sub(training.done),
            (None, []) => return None,
        };
        let is_enough = trained > 0 && trained.saturating_mul(part) >= trained + remaining;
        let elapsed = now.saturating_duration_since(begun?);
        is_enough.then(|| elapsed.mul_f64(remaining as f64 / trained as f64))
    }

    /// Returns the lines for a terminal of this size. None is wider than the terminal, and there are fewer than it has
    /// rows.
    pub fn lines(&self, now: Instant, width: usize, height: usize) -> Vec<String> {
        let width = width.saturating_sub(1).clamp(1, WIDEST);
        let names =
            self.trainings.iter().map(|training| training.name.as_str()).chain(self.all.map(|_| "all"));
        let column = name_column(names);
        // A comparison shows it in the line of all trainings, and a single training in a line of its own.
        let left = self.time_left_after(now, 100).map(describe_time_left);
        let mut lines: Vec<String> = Vec::new();
        for training in &self.trainings {
            lines.push(progress_line(
                &training.name,
                column,
                training.done,
                training.images,
                &training.message,
            ));
        }
        match self.all {
            Some(all) => {
                let left = left.as_deref().unwrap_or("estimating the time left");
                lines.push(progress_line("all", column, all.done, all.images, left));
            }
            None => lines.extend(left.filter(|_| !self.trainings.is_empty()).map(|left| format!("  {left}"))),
        }
        lines.extend(self.standing_lines());
        let most = height.saturating_sub(2).max(1);
        if lines.len() > most {
            let hidden = lines.len() - (most - 1);
            lines.truncate(most - 1);
            lines.push(format!("  … {}", plural(hidden, "more line")));
        }
        lines.iter().map(|line| truncate_str(line, width, "…").into_owned()).collect()
    }

    /// Returns a line per arm with a result, best first.
    fn standing_lines(&self) -> Vec<String> {
        let mut arms: Vec<&ArmStanding> = self.standing.iter().filter(|arm| arm.seeds > 0).collect();
        arms.sort_by(|a, b| b.mean.unwrap_or(-1.0).total_cmp(&a.mean.unwrap_or(-1.0)));
        if arms.is_empty() || self.all.is_none() {
            return Vec::new();
        }
        let column = name_column(arms.iter().map(|arm| arm.name.as_str()));
        let best = arms[0].mean;
        let is_contest = arms.len() > 1;
        let line = |arm: &&ArmStanding| {
            let mean = arm.mean.map_or_else(|| "diverged".to_owned(), percent);
            let line = format!("  {}  {mean:>8}  {}", pad_name(&arm.name, column), plural(arm.seeds, "seed"));
            // Several arms lead if their means are equal.
            if arm.mean.is_some() && arm.mean == best && is_contest {
                Style::new().for_stderr().green().apply_to(format!("{line}, leads")).to_string()
            } else {
                line
            }
        };
        ["mean test accuracy so far:".to_owned()].into_iter().chain(arms.iter().map(line)).collect()
    }
}

/// Formats the remaining time in its largest unit, such as "about 55 seconds left".
pub fn describe_time_left(left: Duration) -> String {
    // Fractions of a second would suggest a precision that the estimate does not have.
    let seconds = left.as_secs().max(1);
    format!("about {} left", HumanDuration(Duration::from_secs(seconds)))
}

fn name_column<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(measure_text_width).max().unwrap_or(0).min(WIDEST_NAME)
}

fn pad_name(name: &str, column: usize) -> String {
    pad_str(&fit_name(name, column), column, console::Alignment::Left, None).into_owned()
}

fn progress_line(name: &str, column: usize, done: u64, images: u64, message: &str) -> String {
    let fraction = if images == 0 { 0.0 } else { (done as f64 / images as f64).min(1.0) };
    let full = (fraction * BAR as f64) as usize;
    let bar =
        Style::new().for_stderr().cyan().apply_to("█".repeat(full)).to_string() + &"░".repeat(BAR - full);
    // Rounded down: 100% means that nothing is left.
    format!("{} {bar} {:>3}%  {message}", pad_name(name, column), (100.0 * fraction) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view_of(trainings: usize) -> (LiveView, Instant) {
        let (mut view, start) = (LiveView::default(), Instant::now());
        view.begin_all(3000);
        for number in 1..=trainings {
            let id = view.begin(&format!("{} seed {number}", ["normalize", "center"][number % 2]), 1000);
            view.report(id, 0, "", start);
            view.report(id, 250, "epoch 2/5  loss 0.0712  97.84%", start);
        }
        view.report_all(250 * trainings as u64);
        (view, start)
    }

    fn plain(view: &LiveView, now: Instant, width: usize, height: usize) -> String {
        let lines = view.lines(now, width, height);
        lines.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect::<Vec<_>>().join("\n")
    }

    fn arm(name: &str, mean: Option<f64>, seeds: usize) -> ArmStanding {
        ArmStanding { name: name.to_owned(), mean, seeds }
    }

    #[test]
    fn bars_are_aligned_and_the_best_arm_leads() {
        let (mut view, start) = view_of(2);
        view.set_standing(vec![
            arm("center", Some(0.9853), 2),
            arm("normalize", Some(0.99014), 1),
            arm("zca", None, 1),
            arm("none", None, 0),
        ]);
        assert_eq!(
            plain(&view, start + Duration::from_secs(10), 80, 24),
            "center seed 1    ██░░░░░░░░  25%  epoch 2/5  loss 0.0712  97.84%
normalize seed 2 ██░░░░░░░░  25%  epoch 2/5  loss 0.0712  97.84%
all              █░░░░░░░░░  16%  about 50 seconds left
mean test accuracy so far:
  normalize    99.01%  1 seed, leads
  center       98.53%  2 seeds
  zca        diverged  1 seed"
        );
    }

    #[test]
    fn line_of_a_training_with_a_long_name_fits_in_80_columns() {
        let longest = mnist_data::scaling::preset_names().into_iter().max_by_key(|name| name.len()).unwrap();
        let (mut view, start) = (LiveView::default(), Instant::now());
        let id = view.begin(&format!("{longest} seed 10"), 10);
        view.report(id, 10, "epoch 100/100  loss 0.0712  100.00%", start);
        assert_eq!(
            plain(&view, start, 80, 24),
            "sample-standardize seed 10 ██████████ 100%  epoch 100/100  loss 0.0712  100.00%"
        );
    }

    #[test]
    fn no_line_is_wider_and_no_view_higher_than_the_terminal() {
        let (mut view, start) = view_of(9);
        let id = view.begin(&"wide名".repeat(60), 10);
        view.report(id, 5, &"message ".repeat(40), start);
        view.set_standing(
            (0..40).map(|number| arm(&"x".repeat(300), Some(f64::from(number) / 40.0), 3)).collect(),
        );
        for (width, height) in [(80, 24), (200, 50), (20, 5), (1, 1)] {
            let lines = view.lines(start, width, height);
            assert!(lines.len() < height.max(2), "{width}×{height}: {}", lines.len());
            for line in lines {
                assert!(measure_text_width(&line) < width.clamp(2, 80), "{width}: {line}");
            }
        }
    }

    #[test]
    fn images_of_an_earlier_session_do_not_count_as_speed() {
        let (mut view, start) = (LiveView::default(), Instant::now());
        let id = view.begin("center seed 1", 1000);
        let mut at = |done, seconds| {
            let now = start + Duration::from_secs(seconds);
            view.report(id, done, "", now);
            view.time_left(now)
        };
        assert_eq!(at(900, 100), None, "no image has been trained yet");
        assert_eq!(at(904, 103), None, "4 of 100 images are trained");
        assert_eq!(at(905, 104), Some(Duration::from_secs(76)), "5 of 100 images took 4 seconds");
        assert_eq!(at(1000, 200), None, "no image is left");
    }

    #[test]
    fn resumed_training_of_a_comparison_does_not_shorten_the_time_left() {
        let (mut view, start) = (LiveView::default(), Instant::now());
        view.begin_all(2000);
        let first = view.begin("center seed 1", 1000);
        view.report(first, 900, "", start);
        view.report(first, 1000, "", start + Duration::from_secs(10));
        view.end(first);
        view.report_all(1000);
        let second = view.begin("none seed 1", 1000);
        view.report(second, 800, "", start + Duration::from_secs(10));
        view.report_all(1800);
        let left = view.time_left(start + Duration::from_secs(10));
        assert_eq!(left, Some(Duration::from_secs(20)), "100 images took 10 seconds, and 200 are left");
    }

    #[test]
    fn time_left_is_rounded() {
        assert_eq!(describe_time_left(Duration::from_millis(300)), "about 1 second left");
        assert_eq!(describe_time_left(Duration::from_millis(55_900)), "about 55 seconds left");
        assert_eq!(describe_time_left(Duration::from_secs(605)), "about 10 minutes left");
    }

    #[test]
    fn finished_training_leaves_no_line() {
        let (mut view, start) = (LiveView::default(), Instant::now());
        let id = view.begin("center seed 1", 10);
        assert!(!view.is_empty());
        view.end(id);
        assert!(view.is_empty());
        assert_eq!(plain(&view, start, 80, 24), "");
    }
}
