//! The report in headless Chromium: what it shows, and what it requests from the network.

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

/// Width of a phone's screen, in CSS pixels.
const PHONE: u32 = 390;

/// Width of a desktop window, in CSS pixels.
const DESKTOP: u32 = 1280;

/// A page after the browser has loaded it.
pub struct LoadedPage {
    /// The document as HTML, with the changes that scripts made.
    pub document: String,
    /// The messages on the browser's console.
    pub messages: Vec<String>,
    /// The addresses that the page requested.
    requests: Vec<String>,
}

/// Loads a file in Chromium, which is `$CHROMIUM` or else `chromium` on the path.
pub fn load(page: &Path) -> LoadedPage {
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
        .unwrap_or_else(|error| {
            panic!("cannot run {}: {error}; set CHROMIUM to the path of a Chromium", chromium.display())
        });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stderr);
    let log = read_json(&log);
    let of_request = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"].as_i64().unwrap();
    let events = log["events"].as_array().unwrap().iter();
    // A page loaded from a file has the origin `null`. The browser's own requests, such as updates, have others.
    let is_of_a_page =
        |event: &&Value| matches!(event["params"]["initiator"].as_str(), Some("null" | "file://"));
    let requests = events.filter(|event| event["type"].as_i64() == Some(of_request)).filter(is_of_a_page);
    LoadedPage {
        document: stdout(&output),
        messages: messages.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
        requests: requests.filter_map(|event| event["params"]["url"].as_str().map(str::to_owned)).collect(),
    }
}

/// Returns how wide the page becomes in a frame of `available` pixels. The page around the frame measures it.
fn width_within(page: &Path, available: u32) -> u32 {
    let frame = page.with_file_name("frame.html");
    let name = page.file_name().unwrap().to_str().unwrap();
    let script = "document.body.dataset.width = \
                  document.querySelector('iframe').contentDocument.documentElement.scrollWidth";
    let wrapped = format!(
        "<body onload=\"{script}\"><iframe src='{name}' style='width: {available}px; height: 800px; border: 0'></iframe>"
    );
    fs::write(&frame, wrapped).unwrap();
    let document = load(&frame).document;
    let width = document.split("data-width=\"").nth(1).and_then(|rest| rest.split('"').next());
    width.unwrap_or_else(|| panic!("no width in {document}")).parse().unwrap()
}

/// Lists what is wrong with a page: console messages, requests, missing sections, a width beyond the window.
fn problems(page: &Path) -> Vec<String> {
    let loaded = load(page);
    let mut problems = loaded.messages;
    let own = format!("file://{}", page.display());
    problems.extend(
        loaded.requests.into_iter().filter(|address| *address != own).map(|it| format!("requested {it}")),
    );
    for section in SECTIONS {
        if !loaded.document.contains(&format!("<section id=\"{section}\"")) {
            problems.push(format!("section {section} is missing"));
        }
    }
    for (available, device) in [(PHONE, "a phone"), (DESKTOP, "a desktop")] {
        let width = width_within(page, available);
        if width > available {
            problems.push(format!("{width} pixels wide on {device}"));
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
fn reports_of_one_seed_and_of_an_unfinished_comparison_have_no_problems() {
    let one_seed = folder_with_comparison("--scalings center,none");
    assert_eq!(problems(&one_seed.path().join("all/report.html")), Vec::<String>::new());

    let unfinished = folder_with_comparison("--scalings center,none --seeds 2");
    let all = unfinished.path().join("all");
    fs::remove_file(run_of(&all, "none-seed2").join("result.json")).unwrap();
    json(&mut trainer_in(unfinished.path(), "report all"));
    assert_eq!(problems(&all.join("report.html")), Vec::<String>::new());
}

/// Checks [`problems`] itself: if the browser reported nothing, the tests above would pass.
#[test]
#[ignore = "needs Chromium"]
fn browser_reports_what_is_wrong_with_a_page() {
    let folder = folder_with_comparison("--scalings center,none");
    let page = folder.path().join("all/report.html");
    let original = read_text(&page);
    let without_policy = original.replace("Content-Security-Policy", "nothing");
    for (flaw, found) in [
        ("<img src=\"https://example.com/x.png\">", "requested https://example.com/x.png"),
        ("<script>console.error('broken')</script>", "broken"),
        ("<div style=\"width: 600px\">wide</div>", "pixels wide on a phone"),
    ] {
        fs::write(&page, without_policy.replace("</main>", &format!("{flaw}</main>"))).unwrap();
        let problems = problems(&page);
        assert!(problems.iter().any(|problem| problem.contains(found)), "{flaw}: {problems:?}");
    }
    fs::write(&page, original.replace("</main>", "<img src=\"https://example.com/x.png\"></main>")).unwrap();
    let requests = load(&page).requests;
    assert!(!requests.iter().any(|address| address.contains("example.com")), "{requests:?}");
}
