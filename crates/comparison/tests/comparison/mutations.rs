//! Readers of a comparison's folder, with damaged files: no panic, and errors of one line.

use std::fs;

use mnist_comparison::{
    ComparisonFolder,
    plan::{PLAN, Plan},
};
use mnist_data::input::is_unprintable;
use mnist_training::files::{CONFIG, Existing, sha256};
use proptest::{collection::vec, prelude::*, sample::Index};
use tempfile::tempdir;

use crate::support::settings;

/// Text that JSON or TOML gives a meaning, numbers at the limits of their types, and paths out of the folder.
const WORDS: [&str; 18] = [
    "",
    "0",
    "-1",
    "1e999",
    "4294967296",
    "18446744073709551616",
    "null",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "[[[[[[[[",
    "\\u001b[2J",
    "\u{202e}",
    "../",
    "/etc/",
];

/// What stands between the content of a plan and its checksum.
const SEAL: &str = ",\n  \"sha256\": \"";

/// A replacement of a few bytes by a word.
type Change = (Index, usize, &'static str);

fn change() -> impl Strategy<Value = Change> {
    (any::<Index>(), 0..20_usize, prop::sample::select(WORDS.to_vec()))
}

fn apply(text: &mut Vec<u8>, (place, length, word): &Change) {
    let start = place.index(text.len() + 1);
    let end = text.len().min(start + length);
    drop(text.splice(start..end, word.bytes()));
}

/// Corrects the checksum of a plan, as an attacker could.
fn seal(plan: &mut Vec<u8>) {
    let end = plan.windows(SEAL.len()).rposition(|window| window == SEAL.as_bytes());
    plan.truncate(end.unwrap_or(plan.len()));
    let sum = sha256(plan);
    plan.extend(format!("{SEAL}{sum}\"\n}}\n").bytes());
}

proptest! {
    #[test]
    fn damaged_comparisons_are_opened(
        in_plan in any::<bool>(),
        is_sealed in any::<bool>(),
        changes in vec(change(), 1..4),
    ) {
        let parent = tempdir().unwrap();
        let folder = parent.path().join("all");
        let settings = settings("scalings = ['none', 'center']\nseeds = 2");
        let plan = Plan::new(&settings, &[]).unwrap();
        let destination = ComparisonFolder::destination(folder.clone(), Existing::Refuse).unwrap();
        let honest = ComparisonFolder::begin(destination, &settings, plan, &()).unwrap();

        let file = folder.join(if in_plan { PLAN } else { CONFIG });
        let before = fs::read(&file).unwrap();
        let mut bytes = before.clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        if in_plan && is_sealed {
            seal(&mut bytes);
        }
        fs::write(&file, &bytes).unwrap();

        match ComparisonFolder::open(&folder) {
            Ok(_) if in_plan && !is_sealed && bytes != before => {
                prop_assert!(false, "a plan without a valid checksum is accepted");
            }
            Ok(opened) if bytes == before => prop_assert_eq!(opened.plan(), honest.plan()),
            Ok(opened) => {
                let is_inside = |name: &str| !name.contains('/') && name != ".." && !name.is_empty();
                prop_assert!(opened.plan().runs.iter().all(|run| is_inside(&run.name)));
            }
            Err(error) => {
                let error = error.to_string();
                prop_assert!(!error.is_empty() && error.len() < 5000 && !error.chars().any(is_unprintable), "{error:?}");
            }
        }
    }
}
