//! Pages of `render --page` in a real browser: `cargo test --release -p xtask --test browser -- --ignored`.
//!
//! The browser is named by `BROWSER_PROGRAM`, or is Chromium or Chrome on PATH. It has no network.

mod common;

use common::{Folder, RATE, done, noise, render, voice};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Put behind the page: what a reader would see and hear, as JSON in the document's title.
const PROBE: &str = r#"<script>
addEventListener("load", async () => {
  const sounds = [...document.querySelectorAll("audio")];
  await Promise.all(sounds.map(a => a.readyState > 0 ? 0 : new Promise(r => { a.onloadedmetadata = r; a.onerror = r; })));
  const seen = e => { const b = e.getBoundingClientRect(); return b.width > 40 && b.height > 10; };
  const inside = e => { const b = e.getBoundingClientRect(); return b.left >= -1 && b.right <= innerWidth + 1; };
  const drawings = [...document.querySelectorAll("svg")];
  document.title = "PROBE" + JSON.stringify({
    sounds: sounds.map(a => Number.isFinite(a.duration) ? a.duration : 0),
    images: [...document.querySelectorAll("svg image")].map(seen),
    drawings: drawings.map(seen),
    overflowing: [...document.querySelectorAll("h1,h2,p,svg,img,audio")].filter(e => !inside(e)).length,
    words: document.body.innerText.length,
  }) + "END";
});
</script>"#;

fn browser() -> String {
    let named = std::env::var("BROWSER_PROGRAM").ok();
    let found = || {
        ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()))
            .map(str::to_owned)
    };
    named.or_else(found).expect("a browser: apt-get install chromium, or name one by BROWSER_PROGRAM")
}

/// What the probe found in a page, at a window's width.
fn opened(folder: &Folder, page: &Path, width: u32) -> Value {
    let probed = folder.at("probed.html");
    fs::write(&probed, fs::read_to_string(page).unwrap() + PROBE).unwrap();
    let output = Command::new(browser())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"])
        .args([&format!("--window-size={width},900"), "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.at("profile").display()))
        .arg(format!("file://{}", probed.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom.split_once("PROBE").and_then(|(_, rest)| rest.split_once("END")).map(|(found, _)| found.replace("&quot;", "\""));
    let title = title.unwrap_or_else(|| panic!("the page did not open: {}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(&title).unwrap()
}

fn all_true(list: &Value) -> bool {
    list.as_array().unwrap().iter().all(|one| one.as_bool().unwrap())
}

#[test]
#[ignore = "needs a browser"]
fn an_episodes_page_opens_and_plays() {
    let folder = Folder::new("browser-podcast");
    let mut room = noise(5);
    let talk: Vec<f32> = voice().into_iter().chain((0..3 * RATE).map(|_| 0.002 * room())).chain(voice()).collect();
    let seconds = talk.len() as f64 / RATE as f64;
    let (input, page) = (folder.wav("in.wav", &[talk], RATE), folder.at("page.html"));
    done(&render("podcast", &[&input, &"-o", &folder.at("a.mp3"), &"--page", &page, &"--cut-silences", &"1", &"--quiet"]));
    for width in [1_280, 700] {
        let found = opened(&folder, &page, width);
        let sounds: Vec<f64> = found["sounds"].as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
        assert!(sounds.len() == 2 && (sounds[0] - seconds).abs() < 0.2, "{found}");
        assert!(sounds[1] > 1.0 && sounds[1] < sounds[0], "what was cut is not in it: {found}");
        assert!(
            found["images"].as_array().unwrap().len() == 2 && found["images"].as_array().unwrap().iter().all(|one| one != 0),
            "{found}"
        );
        assert!(!found["drawings"].as_array().unwrap().is_empty() && all_true(&found["drawings"]), "{found}");
        assert_eq!(found["overflowing"], 0, "{width} wide: {found}");
        assert!(found["words"].as_u64().unwrap() > 400, "{found}");
    }
}

#[test]
#[ignore = "needs a browser"]
fn a_masters_page_opens() {
    let folder = Folder::new("browser-master");
    let mut white = noise(7);
    let song: Vec<Vec<f32>> = (0..2)
        .map(|side| {
            let tone = |t: f32| 0.2 * (t * 700.0).sin() + 0.1 * (t * (2_000.0 + 300.0 * side as f32)).sin();
            (0..6 * RATE).map(|n| tone(n as f32 / RATE as f32) + 0.02 * white()).collect()
        })
        .collect();
    let (input, page) = (folder.wav("in.wav", &song, RATE), folder.at("page.html"));
    done(&render("master", &[&input, &"-o", &folder.at("a.wav"), &"--page", &page, &"--quiet"]));
    let found = opened(&folder, &page, 1_280);
    assert!(found["drawings"].as_array().unwrap().len() == 2 && all_true(&found["drawings"]), "{found}");
    assert_eq!(found["overflowing"], 0, "{found}");
    assert!(found["words"].as_u64().unwrap() > 400, "{found}");
}
