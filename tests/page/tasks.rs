//! The tasks of each view by keyboard alone, and a dump that is fetched by it.

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, HOME, LEFT, RIGHT};
use crate::odograph::{LONG, Odograph, drive};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use testutil::poll;

/// A line that is no reading.
const WRONG: &str = r#"{"device":"lada","sensor":"speed","value":"fast","timestamp":"2026-06-06T08:00:00Z"}"#;

#[tokio::test]
async fn each_view_is_used_by_keyboard() {
    let mut odograph = Odograph::start(&[]).await;
    let old = ["2026-06-05T09:00:00Z", "2026-06-06T08:00:00Z", "2026-06-06T12:00:00Z"];
    for start in old {
        odograph.upload(drive("lada", start, 10, 60.0)).await;
    }
    let readings = drive("lada", "2026-06-05T20:00:00Z", 0, 60.0);
    let (status, answer) = odograph.send(format!("{readings}{WRONG}\n")).await;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(answer["rejected"], 1, "{answer}");
    // A start dumps the days that are over.
    odograph.kill().await;
    odograph.start_again().await;
    let lately = (Timestamp::now() - SignedDuration::from_mins(12)).to_string();
    odograph.upload(drive("lada", &lately, 10, 60.0)).await;
    odograph.upload(drive("niva", &lately, 10, 30.0)).await;
    let browser = Browser::start().await;
    browser.zone("UTC").await;
    live(&browser, &odograph).await;
    drives(&browser, &odograph).await;
    charts(&browser, &odograph).await;
    data(&browser, &odograph).await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}

/// Chooses a vehicle, zooms, and follows it or not.
async fn live(browser: &Browser, odograph: &Odograph) {
    browser.open(&format!("{}/", odograph.url)).await;
    browser
        .until("return document.querySelectorAll('.live-fleet li').length === 2")
        .await;
    browser.tab_to("Vehicle").await;
    browser.press(&[DOWN]).await;
    browser
        .until(
            "return location.search === '?device=lada'
                && document.querySelector('main h1').textContent === 'lada'
                && document.querySelector('.map-car:not([hidden])') !== null
                && document.querySelector('.map-legend') !== null",
        )
        .await;

    // The map tells in words where it is, and how near.
    browser.tab_to("Map").await;
    let zoom = async || {
        let words = "const face = document.activeElement;
            const words = document.getElementById(face.getAttribute('aria-describedby'))?.textContent ?? '';
            return words.match(/^Near .+, zoom (\\d+)\\./)?.[1]";
        let zoom = browser.until(words).await;
        zoom.as_str().unwrap().parse::<i32>().unwrap()
    };
    let near = zoom().await;
    browser.press(&["-"]).await;
    poll(LONG, async || (zoom().await == near - 1).then_some(())).await;
    browser.tab_to("Zoom in").await;
    browser.press(&[ENTER]).await;
    browser.tab_back().await;
    poll(LONG, async || (zoom().await == near).then_some(())).await;

    let follows = "return document.activeElement.getAttribute('aria-pressed')";
    browser.tab_to("Follow the vehicle").await;
    assert_eq!(browser.run(follows).await, "true");
    browser.press(&[ENTER]).await;
    assert_eq!(browser.run(follows).await, "false");
    browser.press(&[ENTER]).await;
    assert_eq!(browser.run(follows).await, "true");
}

/// Chooses a day by typing it, another one in the calendar, a drive; reads its chart and zooms in it.
async fn drives(browser: &Browser, odograph: &Odograph) {
    browser.open(&format!("{}/drives?device=lada", odograph.url)).await;
    browser
        .until("return document.querySelectorAll('.drives-list a').length > 0")
        .await;
    let day = async |day: &str, clocks: &str| {
        browser
            .until(&format!(
                "const clocks = [...document.querySelectorAll('.drives-clock')].map((clock) => clock.textContent);
                return new URL(location).searchParams.get('day') === '{day}' && clocks.join() === '{clocks}'
                    && document.querySelector('main [aria-busy=true]') === null"
            ))
            .await;
    };
    // Whether days or months come first, this is the same day.
    browser.tab_to("Day").await;
    browser.press(&["0", "6", "0", "6", "2", "0", "2", "6"]).await;
    day("2026-06-06", "08:00,12:00").await;
    browser.tab_to("6 June 2026: 2 drives").await;
    browser.press(&[LEFT]).await;
    browser
        .until("return document.activeElement.textContent.includes('5 June 2026: 1 drive')")
        .await;
    browser.press(&[ENTER]).await;
    day("2026-06-05", "09:00").await;
    browser.press(&[RIGHT, ENTER]).await;
    day("2026-06-06", "08:00,12:00").await;
    browser.tab_to("12:00").await;
    browser.press(&[ENTER]).await;
    browser
        .until(
            "return location.search.includes('trip=2026-06-06T12')
                && document.querySelector('.drives-title p').textContent.endsWith(', 12:00–12:10')
                && document.querySelector('main [aria-busy=true]') === null
                && document.querySelectorAll('odo-chart [aria-valuetext]').length === 4",
        )
        .await;
    browser.tab_to("Speed").await;
    zooms(browser, "12:00:00: 60 km/h").await;
}

/// In the chart that has the focus: moves the cursor, selects, zooms, and returns.
async fn zooms(browser: &Browser, first: &str) {
    let ends = "const plot = document.activeElement;
        return ['aria-valuemin', 'aria-valuemax'].map((name) => Number(plot.getAttribute(name)))";
    let length = async || {
        let ends = browser.run(ends).await;
        ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap()
    };
    let whole = length().await;
    browser.press(&[HOME]).await;
    browser
        .until(&format!(
            "return document.activeElement.getAttribute('aria-valuetext')?.endsWith('{first}')"
        ))
        .await;
    browser.press_with_shift(&[RIGHT, RIGHT, RIGHT, RIGHT, RIGHT]).await;
    browser
        .until("return document.activeElement.querySelector('.chart-selected:not([hidden])') !== null")
        .await;
    browser.press(&[ENTER]).await;
    poll(LONG, async || (length().await < whole / 4.0).then_some(())).await;
    browser.press(&[ESCAPE]).await;
    poll(LONG, async || (length().await >= whole).then_some(())).await;
}

/// Chooses a span and sensors, and zooms.
async fn charts(browser: &Browser, odograph: &Odograph) {
    browser.open(&format!("{}/charts?device=lada", odograph.url)).await;
    browser
        .until("return document.querySelectorAll('odo-chart [aria-valuetext]').length === 3")
        .await;
    browser.tab_to("1 h Last hour").await;
    browser.press(&[ENTER]).await;
    browser
        .until("return location.search.includes('from=-1h') && document.activeElement.ariaPressed === 'true'")
        .await;
    browser.tab_to("Fuel").await;
    browser.press(&[ENTER]).await;
    browser
        .until(
            "const charts = [...document.querySelectorAll('odo-chart [aria-valuetext]')];
            return charts.map((chart) => chart.ariaLabel).join() === 'Speed,Engine temperature'
                && document.activeElement.ariaPressed === 'false'
                && document.querySelector('main [aria-busy=true]') === null",
        )
        .await;
    browser.tab_to("Speed").await;
    zooms(browser, ": 60 km/h").await;
}

/// Opens a receipt, reads its rejected line, and fetches a dump, which has the bytes of its file.
async fn data(browser: &Browser, odograph: &Odograph) {
    let name = poll(LONG, async || {
        let answer = odograph.ask("/api/dumps").await;
        let dumps = answer["dumps"].as_array()?;
        let dump = dumps.iter().find(|dump| dump["date"] == "2026-06-06")?;
        Some(dump["file"].as_str()?.to_owned())
    })
    .await;
    browser.open(&format!("{}/data", odograph.url)).await;
    browser
        .until("return [...document.querySelectorAll('.data-download')].some((link) => link.ariaLabel.includes('Jun'))")
        .await;
    browser.tab_to("Stored 6 readings 1 rejected line").await;
    browser.press(&[ENTER]).await;
    let line = browser
        .until("return document.querySelector('.data-rejected pre')?.textContent")
        .await;
    assert_eq!(line, WRONG);
    assert_eq!(browser.run("return document.activeElement.ariaExpanded").await, "true");

    let folder = tempfile::tempdir().unwrap();
    browser.save_in(folder.path()).await;
    browser.tab_to("Download: 6 Jun").await;
    browser.press(&[ENTER]).await;
    let kept = fs::read(odograph.folder().join("dumps").join(&name)).unwrap();
    assert!(kept.len() > 1000, "{} bytes", kept.len());
    poll(LONG, async || {
        let saved = fs::read(folder.path().join(&name)).ok()?;
        (saved == kept).then_some(())
    })
    .await;
}
