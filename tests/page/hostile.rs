//! What strangers send stays text, in each place that shows it.

use crate::browser::{Browser, SIZES};
use crate::odograph::{LONG, Odograph, drive};
use serde_json::{Value, json};
use testutil::{Program, poll};

/// A vehicle's name for display. Its last part turns the direction of what follows it.
const NAME: &str = "<img src=x onerror=window.hacked=1>\"'\u{202e}live";

/// An entry of the journal.
const ENTRY: &str = "<script>window.hacked = 1</script> \"one\" 'two' \u{202e}eerht <b>#Cres</b>";

/// Lines that are no readings. The last one is longer than what a receipt shows of it.
const LINES: [&str; 4] = [
    "<script>window.hacked = 1</script>",
    r#"{"device":"lada","sensor":"<img src=x onerror=window.hacked=1>","value":1,"timestamp":"2026-06-01T08:00:00Z"}"#,
    "\u{202e}exe.txt <b>\u{2066}",
    "'\"><svg onload=window.hacked=1>`${window.hacked=1}`",
];

/// Names of sensors that objects of JavaScript have as well.
const SENSORS: [&str; 2] = ["constructor", "toString"];

/// What went wrong: scripts that ran, elements that strangers made, and texts that turn their neighbours around.
const WRONG: &str = r"const made = [...document.querySelectorAll('body :is(img, script, b, [onerror], [onload])')];
    const turned = [];
    const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (nodes.nextNode()) {
      const { data, parentElement } = nodes.currentNode;
      if (!data.includes('\u202e')) continue;
      let around = parentElement;
      const isOpen = ({ display, unicodeBidi }) => display.startsWith('inline') && unicodeBidi === 'normal';
      while (isOpen(getComputedStyle(around))) around = around.parentElement;
      if (around.textContent.trim() !== data.trim()) turned.push(around.outerHTML);
    }
    const { scrollWidth, clientWidth } = document.documentElement;
    const code = document.body.textContent.includes('native code');
    return [window.hacked ?? null, made.map((element) => element.outerHTML), turned, scrollWidth - clientWidth, code]";

/// Fails where something of it is more than text.
async fn is_text(browser: &Browser, what: &str) {
    assert_eq!(browser.run(WRONG).await, json!([null, [], [], 0, false]), "{what}");
}

/// A text as JavaScript writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Names the vehicle `lada`, by the tool.
async fn name(odograph: &Odograph) {
    let greeting = poll(LONG, async || {
        Some(odograph.process.stdout().join("\n")).filter(|text| text.contains("Ctrl-C"))
    })
    .await;
    let psql = greeting
        .lines()
        .find_map(|line| line.trim().strip_prefix("SQL"))
        .unwrap();
    let words: Vec<&str> = psql.split_whitespace().map(|word| word.trim_matches('\'')).collect();
    let after = |flag: &str| words[words.iter().position(|word| *word == flag).unwrap() + 1];
    let url = format!(
        "postgres://{}@/{}?host={}&port={}",
        after("-U"),
        words.last().unwrap(),
        after("-h").replace('/', "%2F"),
        after("-p")
    );
    let tool = Program::new("odograph").args(["device", "name", "lada", NAME]);
    let mut tool = tool.env("DATABASE_URL", url).spawn();
    assert_eq!(tool.wait(LONG).await, 0, "{:?}", tool.output());
}

/// Writes the entry, by the tool.
async fn post(odograph: &mut Odograph) {
    let url = format!("http://{}", odograph.process.address("journal").await);
    let entry = ["post", ENTRY, "--hashtag", "עברית", "--device", "lada", "--url", &url];
    let tool = Program::new("odograph").args(entry);
    let mut tool = tool.env("DATA_DIR", odograph.folder()).spawn();
    assert_eq!(tool.wait(LONG).await, 0, "{:?}", tool.output());
}

#[tokio::test]
async fn what_strangers_send_stays_text() {
    let mut odograph = Odograph::start(&[]).await;
    let values = SENSORS.map(|sensor| {
        let time = "2026-06-01T08:00:00Z";
        let reading = json!({"device": "lada", "sensor": sensor, "value": 7, "timestamp": time});
        format!("{reading}\n")
    });
    let good = drive("lada", "2026-06-01T08:00:00Z", 10, 60.0) + &values.concat();
    odograph
        .upload(good + &drive("niva", "2026-06-01T08:00:00Z", 10, 60.0))
        .await;
    let first = drive("niva", "2026-06-01T20:00:00Z", 0, 60.0);
    let body = format!("{first}{}{}\n", LINES.join("\n"), "<b>".repeat(2000));
    let (status, answer) = odograph.send(body).await;
    assert_eq!(status, 400, "{answer}");
    name(&odograph).await;
    post(&mut odograph).await;

    let browser = Browser::start().await;
    browser.zone("UTC").await;
    let span = "from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00Z";
    // Each view, and where it shows names.
    for (view, shown) in [
        ("/", vec![(".live-fleet .live-name", NAME)]),
        (
            "/?device=lada",
            vec![
                ("main h1", NAME),
                (".live-others .live-name", "Constructor"),
                (".live-number", "7"),
            ],
        ),
        (
            "/drives?device=lada&day=2026-06-01&sensors=constructor,toString",
            vec![(".chart-label", "Constructor"), ("header option", NAME)],
        ),
        (
            &*format!("/charts?device=lada&sensors=constructor,toString&{span}"),
            vec![
                (".chart-label", "Constructor"),
                (".charts-figures dd", "7"),
                ("header option", NAME),
            ],
        ),
        (
            "/data?device=lada",
            vec![
                (".data-name a", NAME),
                (".data-text bdi", ENTRY),
                (".data-tag", "#עברית"),
            ],
        ),
    ] {
        browser.open(&format!("{}{view}", odograph.url)).await;
        for (selector, text) in shown {
            browser
                .until(&format!(
                    "return [...document.querySelectorAll('{selector}')].some((one) => one.textContent.trim() === {})",
                    quoted(text)
                ))
                .await;
        }
        if view.contains("lada") {
            let title = format!("return document.title.includes({})", quoted(NAME));
            browser.until(&title).await;
        }
        is_text(&browser, view).await;
    }

    rejected(&browser, &odograph, answer["id"].as_str().unwrap()).await;
    assert_eq!(browser.console().await, Vec::<String>::new());

    // Addresses are of strangers, too. The API refuses what they name, and the page says what it says.
    let name = "%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E";
    for view in ["/", "/drives", "/charts", "/data"] {
        let url = format!(
            "{}{view}?device={name}&sensors={name}&day={name}&from={name}",
            odograph.url
        );
        browser.open(&url).await;
        let option = "return [...document.querySelectorAll('header option')].some((one) => one.selected
            && one.textContent === '<img src=x onerror=window.hacked=1>')";
        browser.until(option).await;
        is_text(&browser, view).await;
    }
}

/// The lines of a receipt on the view Data, at each size.
async fn rejected(browser: &Browser, odograph: &Odograph, id: &str) {
    let receipt = odograph.ask(&format!("/api/ingests/{id}")).await;
    let lines = receipt["invalid"].as_array().unwrap();
    let readings: Vec<&str> = lines.iter().map(|line| line["reading"].as_str().unwrap()).collect();
    for part in ["<script>", "<img src=x", "\u{202e}exe.txt", "<svg onload", "<b><b>"] {
        assert!(
            readings.iter().any(|reading| reading.contains(part)),
            "{part}: {readings:?}"
        );
    }
    for size in SIZES {
        browser.screen(size, "light").await;
        browser.open(&format!("{}/data", odograph.url)).await;
        browser
            .until(
                "const row = [...document.querySelectorAll('.data-open')].find((row) =>
                    row.textContent.includes('rejected line'));
                if (row?.ariaExpanded === 'false') row.click();
                return document.querySelector('.data-rejected') !== null",
            )
            .await;
        let shown = browser
            .run("return [...document.querySelectorAll('.data-rejected pre')].map((line) => line.textContent)")
            .await;
        assert_eq!(shown, json!(readings));
        is_text(browser, &format!("rejected lines at {size:?}")).await;
    }
    browser.screen(SIZES[0], "light").await;
}
