//! The report in a real browser without a window: what it shows, and what it requests from the network.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::tempdir;

use crate::support::{
    assert_contains,
    comparisons::{SECTIONS, folder_with_comparison, run_of},
    json, read_json, read_text, stdout, trainer_in,
};

/// Width of a phone, in CSS pixels.
const PHONE: u32 = 390;

/// Width of a window on a desktop.
const DESKTOP: u32 = 1280;

/// A page as the browser loaded it.
struct Seen {
    /// Its document, after all of it has loaded.
    document: String,
    /// What the browser says about it, one message per line.
    messages: Vec<String>,
    /// All addresses that the page requested.
    requests: Vec<String>,
}

/// Loads a file in Chromium: `$CHROMIUM`, or `chromium` on the path.
fn load(page: &Path) -> Seen {
    let chromium = env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
    let profile = tempdir().unwrap();
    let log = profile.path().join("requests.json");
    let output = Command::new(&chromium)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-extensions", "--allow-file-access-from-files", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; set CHROMIUM", chromium.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stderr);
    let log = read_json(&log);
    let of_request = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"].as_i64().unwrap();
    let events = log["events"].as_array().unwrap().iter();
    // A page from a file has the origin `null`. The browser's own requests (updates, the time) have others.
    let is_of_a_page =
        |event: &&Value| matches!(event["params"]["initiator"].as_str(), Some("null" | "file://"));
    let requests = events.filter(|event| event["type"].as_i64() == Some(of_request)).filter(is_of_a_page);
    Seen {
        document: stdout(&output),
        messages: messages.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
        requests: requests.filter_map(|event| event["params"]["url"].as_str().map(str::to_owned)).collect(),
    }
}

/// How wide the page becomes in `room` pixels. A page around it measures that.
fn width_within(page: &Path, room: u32) -> u32 {
    let frame = page.with_file_name("frame.html");
    let name = page.file_name().unwrap().to_str().unwrap();
    let script = "document.body.dataset.width = \
                  document.querySelector('iframe').contentDocument.documentElement.scrollWidth";
    let wrapped = format!(
        "<body onload=\"{script}\"><iframe src='{name}' style='width: {room}px; height: 800px; border: 0'></iframe>"
    );
    fs::write(&frame, wrapped).unwrap();
    let document = load(&frame).document;
    let width = document.split("data-width=\"").nth(1).and_then(|rest| rest.split('"').next());
    width.unwrap_or_else(|| panic!("no width in {document}")).parse().unwrap()
}

/// Everything that is wrong with a page.
fn problems(page: &Path) -> Vec<String> {
    let seen = load(page);
    let mut problems = seen.messages;
    let own = format!("file://{}", page.display());
    problems.extend(
        seen.requests.into_iter().filter(|address| *address != own).map(|it| format!("requested {it}")),
    );
    for part in SECTIONS {
        if !seen.document.contains(&format!("<section id=\"{part}\"")) {
            problems.push(format!("{part} is missing"));
        }
    }
    for (room, place) in [(PHONE, "a phone"), (DESKTOP, "a desk")] {
        let width = width_within(page, room);
        if width > room {
            problems.push(format!("{width} pixels wide on {place}"));
        }
    }
    problems
}

#[test]
#[ignore = "needs Chromium"]
fn report_requests_nothing_from_the_network_and_fits_a_phone() {
    let folder = folder_with_comparison("--scalings center,standardize,none --seeds 2");
    let page = folder.path().join("all/report.html");
    assert_eq!(problems(&page), Vec::<String>::new());
    let result: Value = read_json(&folder.path().join("all/result.json"));
    let verdict = result["verdict"].as_str().unwrap();
    assert_contains(&load(&page).document, [verdict]);
}

#[test]
#[ignore = "needs Chromium"]
fn reports_of_one_seed_and_of_an_unfinished_comparison_have_no_problems_either() {
    let one_seed = folder_with_comparison("--scalings center,none");
    assert_eq!(problems(&one_seed.path().join("all/report.html")), Vec::<String>::new());

    let unfinished = folder_with_comparison("--scalings center,none --seeds 2");
    let all = unfinished.path().join("all");
    fs::remove_file(run_of(&all, "none-seed2").join("result.json")).unwrap();
    json(&mut trainer_in(unfinished.path(), "report all"));
    assert_eq!(problems(&all.join("report.html")), Vec::<String>::new());
}

/// Without this, a browser that reports nothing would pass the tests above.
#[test]
#[ignore = "needs Chromium"]
fn browser_finds_what_is_wrong_with_a_page() {
    let folder = folder_with_comparison("--scalings center,none");
    let page = folder.path().join("all/report.html");
    let whole = read_text(&page);
    let lenient = whole.replace("Content-Security-Policy", "nothing");
    for (flaw, found) in [
        ("<img src=\"https://example.com/x.png\">", "requested https://example.com/x.png"),
        ("<script>console.error('broken')</script>", "broken"),
        ("<div style=\"width: 600px\">wide</div>", "pixels wide on a phone"),
    ] {
        fs::write(&page, lenient.replace("</main>", &format!("{flaw}</main>"))).unwrap();
        let problems = problems(&page);
        assert!(problems.iter().any(|problem| problem.contains(found)), "{flaw}: {problems:?}");
    }
    fs::write(&page, whole.replace("</main>", "<img src=\"https://example.com/x.png\"></main>")).unwrap();
    let requests = load(&page).requests;
    assert!(!requests.iter().any(|address| address.contains("example.com")), "{requests:?}");
}
