//! The headline: the answer of a comparison in at most 25 words, with a next step.

use crate::{
    arms::ArmStatistics,
    basis::Basis,
    decision::Decision,
    design::Design,
    numbers::{count, plural},
    pairs::{Pair, leader},
    phrases::{difference, half_width, list, margin, quoted, whole},
    verdict::Extent,
};

/// A headline has at most this many words.
const WORDS: usize = 25;

/// If more arms than this are worse, the headline counts them.
const WORSE_NAMED: usize = 2;

/// Returns the headline. `arms` are sorted, best first.
pub fn headline(arms: &[ArmStatistics], pairs: &[Pair], design: &Design, extent: &Extent) -> String {
    let usable: Vec<&ArmStatistics> = arms.iter().filter(|arm| arm.is_usable()).collect();
    match usable[..] {
        [] if arms.is_empty() => "No run is finished yet.".into(),
        [] | [_] if extent.is_unfinished() => {
            format!("Not decided yet after {}. Let it finish.", plural(extent.finished, "run"))
        }
        [] => "All runs diverged. Try a smaller learning rate.".into(),
        [alone] => format!("Only {} has a result. Compare it with another.", quoted(&alone.name)),
        _ => {
            let leader = leader(pairs, usable.len());
            let is_usable = |pair: &&Pair| pair.places.iter().all(|&place| place < usable.len());
            let rivals = pairs.iter().filter(is_usable).filter_map(|pair| Rival::of(pair, leader, design));
            Answer { best: quoted(&usable[leader].name), rivals: rivals.collect(), design, extent }.headline()
        }
    }
}

/// An arm beside the best one.
struct Rival<'a> {
    name: String,
    pair: &'a Pair,
    /// The decision, where `A` means that the best arm is better.
    decision: Decision,
    /// How much better the best arm is, in images. Negative if the rival has the better mean.
    images: f64,
    half_width: Option<f64>,
}

impl<'a> Rival<'a> {
    /// Returns the other arm of a pair with the best one; `None` for other pairs.
    fn of(pair: &'a Pair, best: usize, design: &Design) -> Option<Self> {
        let [a, b] = pair.places;
        let (other, name, sign) = match best {
            best if best == a => (b, &pair.b, 1.0),
            best if best == b => (a, &pair.a, -1.0),
            _ => return None,
        };
        Some(Self {
            name: quoted(name),
            pair,
            decision: pair.seen_from(best, other)?,
            images: sign * pair.difference.unwrap_or(0.0) * design.test_images as f64,
            half_width: pair.ci95.and_then(|interval| half_width(interval, design.test_images)),
        })
    }

    fn is(&self, decision: Decision) -> bool {
        self.decision == decision
    }

    /// Returns who leads, such as "normalize leads center by 59 ± 70 images in 10,000".
    fn lead(&self, best: &str, half_width: Option<f64>, unit: &str) -> String {
        let Self { name, images, .. } = self;
        if self.pair.seeds == 0 {
            format!("{best} and {name} have no seed in common")
        } else if images.abs() < 0.5 && half_width.is_none() {
            format!("{best} and {name} are tied")
        } else {
            let (ahead, behind) = if *images < 0.0 { (name.as_str(), best) } else { (best, name.as_str()) };
            format!("{ahead} leads {behind} by {}{unit}", difference(images.abs(), half_width))
        }
    }
}

struct Answer<'a> {
    best: String,
    rivals: Vec<Rival<'a>>,
    design: &'a Design,
    extent: &'a Extent,
}

impl Answer<'_> {
    fn headline(&self) -> String {
        let undecided: Vec<&Rival> = self.rivals.iter().filter(|rival| !rival.is_decided()).collect();
        let candidates = match undecided.first() {
            _ if self.extent.seeds == 1 => self.one_seed(),
            Some(first) => self.not_decided(first),
            None => self.decided(),
        };
        let fits = |text: &&String| text.split_whitespace().count() <= WORDS;
        candidates.iter().find(fits).or(candidates.last()).cloned().unwrap_or_default()
    }

    /// Returns headlines for a decided comparison, the longest first.
    fn decided(&self) -> Vec<String> {
        let equivalent: Vec<&Rival> =
            self.rivals.iter().filter(|rival| rival.is(Decision::Equivalent)).collect();
        let worse: Vec<&Rival> = self.worse_rivals().collect();
        let names = |last| {
            list(
                [self.best.clone()].into_iter().chain(equivalent.iter().map(|rival| rival.name.clone())),
                last,
            )
        };
        let agrees = |rival: &Rival| {
            // Holm's correction may decide where both intervals still include 0.
            let over_seeds = rival
                .pair
                .ci95
                .map(|interval| Decision::from_interval(interval, self.design.fraction(self.design.margin)));
            rival.pair.decision_new_images.is_none_or(|decision| Some(decision) == over_seeds)
        };
        let holds = self.rivals.iter().all(agrees);
        let use_of = |names: &str| {
            if holds { format!("Use {names}.") } else { format!("On these test images: use {names}.") }
        };
        let within = match equivalent.len() {
            0 => None,
            1 => Some(format!("{} are equivalent within {}", names("and"), margin(self.design.margin))),
            _ => Some(format!("the best are equivalent within {}", margin(self.design.margin))),
        };
        let clauses = |worse: Option<String>, within: Option<String>| {
            let unit = if worse.is_some() { "" } else { " images" };
            let within = within.map(|within| within + unit);
            let clauses: Vec<String> = worse.into_iter().chain(within).collect();
            format!("{} {}.", use_of(&names("or")), clauses.join("; "))
        };
        let worse_clause = (!worse.is_empty()).then(|| self.worse(&worse));
        let counted = (!worse.is_empty()).then(|| self.counted(&worse));
        let best = format!("one of {} equivalent arms", equivalent.len() + 1);
        vec![
            clauses(worse_clause.clone(), within.clone()),
            clauses(counted.clone(), within),
            format!(
                "{} {}.",
                use_of(&names("or")),
                counted.clone().unwrap_or_else(|| "They are equivalent".into())
            ),
            format!("{} {}.", use_of(&best), counted.unwrap_or_else(|| "All are equivalent".into())),
        ]
    }

    fn not_decided(&self, rival: &Rival) -> Vec<String> {
        let seeds = match self.extent.basis {
            Basis::Pending { seeds } => format!("{} of {}", rival.pair.seeds, plural(seeds, "seed")),
            _ => plural(rival.pair.seeds, "seed"),
        };
        let lead = rival.lead(&self.best, rival.half_width, &self.unit());
        let next = if self.extent.is_unfinished() { "Let it finish." } else { "Train more seeds." };
        if rival.pair.seeds == 0 {
            return vec![
                format!("Not decided yet: {lead}. {next}"),
                format!("Not decided yet: some arms have no seed in common. {next}"),
            ];
        }
        let mut candidates = vec![
            format!("Not decided yet: {lead} after {seeds}. {next}"),
            format!("Not decided yet after {seeds}. {next}"),
        ];
        let worse: Vec<&str> = self.worse_rivals().map(|rival| rival.name.as_str()).collect();
        if !worse.is_empty() {
            let worse = match worse[..] {
                [name] => format!("{name} is worse"),
                [a, b] => format!("{a} and {b} are worse"),
                _ => format!("{} others are worse", worse.len()),
            };
            candidates.insert(0, format!("Not decided yet: {lead} after {seeds}; {worse}. {next}"));
        }
        candidates
    }

    /// Returns the arms that are decidedly worse than the best one.
    fn worse_rivals(&self) -> impl Iterator<Item = &Rival<'_>> {
        self.rivals.iter().filter(|rival| rival.is(Decision::A))
    }

    fn one_seed(&self) -> Vec<String> {
        let Some(second) = self.rivals.first() else { return Vec::new() };
        let lead = second.lead(&self.best, None, &self.unit());
        vec![
            format!("Not decided: with one seed, {lead}, which could be chance. Train 10 seeds."),
            "Not decided: with one seed, the differences could be chance. Train 10 seeds.".into(),
        ]
    }

    /// Returns "center is 53 images in 10,000 worse".
    fn worse(&self, worse: &[&Rival]) -> String {
        if worse.len() > WORSE_NAMED {
            return self.counted(worse);
        }
        let names = list(worse.iter().map(|rival| rival.name.clone()), "and");
        let images = list(worse.iter().map(|rival| whole(rival.images.abs())), "and");
        let are = if worse.len() == 1 { "is" } else { "are" };
        format!("{names} {are} {images}{} worse", self.unit())
    }

    /// Returns "4 others are 53 to 800 images in 10,000 worse".
    fn counted(&self, worse: &[&Rival]) -> String {
        let least = worse.iter().map(|rival| rival.images.abs()).fold(f64::INFINITY, f64::min);
        let most = worse.iter().map(|rival| rival.images.abs()).fold(0.0, f64::max);
        let others =
            if worse.len() == 1 { "The other is".into() } else { format!("{} others are", worse.len()) };
        let range = if whole(least) == whole(most) {
            whole(most)
        } else {
            format!("{} to {}", whole(least), whole(most))
        };
        format!("{others} {range}{} worse", self.unit())
    }

    fn unit(&self) -> String {
        format!(" images in {}", count(self.design.test_images))
    }
}

impl Rival<'_> {
    fn is_decided(&self) -> bool {
        matches!(self.decision, Decision::A | Decision::Equivalent)
    }
}
