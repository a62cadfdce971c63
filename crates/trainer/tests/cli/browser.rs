//! The report in headless Chromium: what it shows, and what it requests from the network.

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    mnist::trainer_on_mnist,
    support::{
        assert_contains,
        comparisons::{SECTIONS, folder_with_comparison, run_of},
        json, read_json, read_text, stdout, trainer_in,
    },
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

/// The path of Chromium: `$CHROMIUM`, or else `chromium` on the path.
fn chromium() -> OsString {
    env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into())
}

/// Loads a file in Chromium.
pub fn load(page: &Path) -> LoadedPage {
    load_with(page, &[])
}

/// Loads a file in Chromium with more options.
pub fn load_with(page: &Path, options: &[&str]) -> LoadedPage {
    let chromium = chromium();
    let profile = tempdir().unwrap();
    let log = profile.path().join("requests.json");
    let output = Command::new(&chromium)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-extensions", "--allow-file-access-from-files", "--enable-logging=stderr"])
        .args(options)
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
    if !loaded.document.contains("<input type=\"checkbox\"") {
        problems.push("its script did not run".into());
    }
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

/// Runs a script in a copy of a page, after the page's own script. Returns the object that it passes to `found`.
fn run_in(page: &Path, script: &str, options: &[&str]) -> Value {
    let copy = page.with_file_name("scripted.html");
    let found =
        "const found = (value) => document.body.append(\"FOUND\" + JSON.stringify(value) + \"DNUOF\")";
    let scripts = format!("<script>{found}</script><script>{script}</script></html>");
    let text = read_text(page).replace("Content-Security-Policy", "nothing");
    fs::write(&copy, text.replace("</html>", &scripts)).unwrap();
    let loaded =
        load_with(&copy, &[&["--virtual-time-budget=20000", "--window-size=1280,900"], options].concat());
    assert_eq!(loaded.messages, Vec::<String>::new());
    // The page contains the script, too.
    let found = loaded.document.rsplit("FOUND").next().unwrap().split("DNUOF").next().unwrap();
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}"))
}

#[test]
#[ignore = "needs Chromium"]
fn page_shows_numbers_sorts_tables_hides_scalings_and_enlarges_pictures() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2 --learning-rate 1e-4");
    let script = r##"
        const one = (selector) => document.querySelector(selector);
        const text = () => one(".tip").hidden ? null : one(".tip").textContent;
        const result = {};
        one("#accuracy .marks circle").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
        result.point = text();
        one("#confusion .marks rect").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
        result.cell = text();
        document.body.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
        result.nothing = text();
        const press = (key) => one("#learning svg").dispatchEvent(new KeyboardEvent("keydown", { key }));
        press("ArrowRight");
        const first = text();
        press("ArrowRight");
        result.keys = [first.includes("epoch 1: loss"), text().includes("epoch 2: loss"), one("#learning svg").tabIndex];
        press("Escape");
        result.escaped = text();
        const header = one("#ranking th:nth-child(2)");
        const order = () => all("#ranking tbody tr").map((row) => row.cells[1].textContent);
        header.querySelector("button").click();
        result.ascending = [header.ariaSort, order()];
        header.querySelector("button").click();
        result.descending = [header.ariaSort, order()];
        const box = one(".arms input");
        const parts = all(`[data-arm="${box.closest("li").dataset.key}"]`);
        const places = new Set(parts.map((part) => part.closest("section").id));
        box.click();
        result.hidden = [parts.every((part) => getComputedStyle(part).display === "none"), [...places].sort()];
        box.click();
        result.visible = parts.every((part) => getComputedStyle(part).display !== "none");
        const picture = one(".gallery img");
        const small = picture.clientWidth;
        picture.click();
        const rows = picture.parentElement.querySelectorAll("tbody tr").length;
        result.picture = [small, picture.clientWidth, rows];
        save = (name, address) => found({ ...result, png: [name, address.slice(0, 22)], size: address.length });
        saveAsPng(one("#accuracy svg"), "accuracy");
    "##;
    let found = run_in(&folder.path().join("all/report.html"), script, &[]);
    assert_contains(found["point"].as_str().unwrap(), [", seed 1: "]);
    assert_contains(found["cell"].as_str().unwrap(), [" predicted as "]);
    assert_eq!(found["nothing"], Value::Null);
    assert_eq!(found["keys"], json!([true, true, 0]));
    assert_eq!(found["escaped"], Value::Null);
    assert_eq!(found["ascending"], json!(["ascending", ["center", "none"]]));
    assert_eq!(found["descending"], json!(["descending", ["none", "center"]]));
    let places = ["accuracy", "confusion", "learning", "misread", "scalings"];
    assert_eq!(found["hidden"], json!([true, places]));
    assert_eq!(found["visible"], true);
    assert_eq!(found["picture"], json!([72, 224, 2]));
    assert_eq!(found["png"], json!(["accuracy.png", "data:image/png;base64,"]));
    assert!(found["size"].as_u64().unwrap() > 5000, "{found}");
}

/// Downloads axe-core, which checks pages for accessibility, from the npm registry. Returns `None` without npm or a network.
fn axe(folder: &Path) -> Option<String> {
    let packed =
        Command::new("npm").args(["pack", "axe-core@4", "--silent"]).current_dir(folder).output().ok()?;
    let archive = stdout(&packed);
    let unpacked = Command::new("tar").args(["xzf", archive.trim()]).current_dir(folder).status().ok()?;
    unpacked.success().then(|| read_text(&folder.join("package/axe.min.js")))
}

#[test]
#[ignore = "needs Chromium and npm"]
fn report_has_no_serious_accessibility_problem() {
    if Command::new(chromium()).arg("--version").output().is_err() {
        eprintln!("skipped: Chromium is missing");
        return;
    }
    let downloads = tempdir().unwrap();
    let Some(axe) = axe(downloads.path()) else {
        eprintln!("skipped: axe-core cannot be downloaded with npm");
        return;
    };
    // Something is drawn, so that the networks have answers to show.
    let draw = r##"
        const pad = document.querySelector("#draw-canvas");
        for (const key of [" ", ...Array(10).fill("ArrowDown")]) {
            pad.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
        }
        const drawn = new Promise((resolve) => setTimeout(resolve, 5000));
    "##;
    let script = format!(
        "{axe};\n{draw};\ndrawn.then(() => axe.run()).then(({{ passes, violations }}) => found({{ passes: passes.length, limits: document.querySelectorAll(\"#draw-limits td\").length, violations: violations.map((it) => [it.impact, it.id, it.nodes.map((node) => node.target.join(\" \")).slice(0, 3)]) }}))"
    );
    let folder = tempdir().unwrap();
    let compare =
        "compare --scalings center,none --seeds 2 --epochs 2 --limit 96 --learning-rate 1e-4 --out all";
    json(&mut trainer_on_mnist(folder.path(), compare));
    let page = folder.path().join("all/report.html");
    for theme in ["--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"] {
        let found = run_in(&page, &script, &[theme]);
        assert!(found["passes"].as_u64().unwrap() > 20, "{found}");
        assert_eq!(found["limits"], 8, "the page shows no answers: {found}");
        let is_serious = |it: &&Value| ["serious", "critical"].contains(&it[0].as_str().unwrap_or("serious"));
        let serious: Vec<&Value> =
            found["violations"].as_array().unwrap().iter().filter(is_serious).collect();
        assert!(serious.is_empty(), "{theme}: {serious:#?}");
        eprintln!("{theme}: {} rules passed, violations: {}", found["passes"], found["violations"]);
    }
}
