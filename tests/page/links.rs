//! An address opens the same view in another window.

use crate::browser::Browser;
use crate::odograph::{LONG, Odograph, drive};
use testutil::poll;

/// What a view shows: its title, the vehicle, what is chosen, the spans of its charts, and its figures without ages.
const STATE: &str = "const texts = (selector) => [...document.querySelectorAll(selector)]
        .map((element) => element.textContent.replace(/\\s+/g, ' ').trim());
    return JSON.stringify({
      title: document.title,
      vehicle: document.querySelector('header select')?.value,
      headings: texts('main h1, main h2, .drives-title p, .charts-when'),
      chosen: texts('[aria-current=page], [aria-current=true], [aria-pressed=true], [aria-selected=true]'),
      days: [...document.querySelectorAll('main input[type=date]')].map((input) => input.value),
      charts: [...document.querySelectorAll('odo-chart [role=slider]')].map((plot) =>
        ['aria-label', 'aria-valuemin', 'aria-valuemax'].map((name) => plot.getAttribute(name))),
      summaries: texts('odo-chart [id$=-summary]'),
      figures: texts('.drives-figures dd, .charts-figures dd, .live-value, .drives-facts'),
    })";

/// Opens the address of this window in another one, and waits until that shows the same. Goes on there.
async fn opens_elsewhere(browser: &Browser) {
    // Names of places have come.
    browser
        .until("return !document.querySelector('main').textContent.includes('…')")
        .await;
    let state = browser.run(STATE).await;
    let address = browser.run("return location.href").await;
    browser.new_window().await;
    browser.zone("UTC").await;
    browser.open(address.as_str().unwrap()).await;
    poll(LONG, async || (browser.run(STATE).await == state).then_some(())).await;
    assert_eq!(browser.run("return location.href").await, address);
}

/// Does something, and waits until the address has something of it and all is drawn.
async fn act(browser: &Browser, script: &str, address: &str) {
    browser.run(script).await;
    shows(browser, &format!("return location.search.includes('{address}')")).await;
}

/// Waits until a view asks no more, has drawn its charts, and is as it should be.
async fn shows(browser: &Browser, script: &str) {
    browser
        .until(&format!(
            "const charts = document.querySelectorAll('odo-chart').length;
            const drawn = document.querySelectorAll('odo-chart [aria-valuetext]').length;
            if (document.querySelector('main [aria-busy=true]') || charts !== drawn) return false;
            {script}"
        ))
        .await;
}

#[tokio::test]
async fn addresses_open_the_same_views_elsewhere() {
    let odograph = Odograph::start(&[]).await;
    for (device, start) in [
        ("lada", "2026-06-01T08:00:00Z"),
        ("lada", "2026-06-01T12:00:00Z"),
        ("lada", "2026-06-03T12:00:00Z"),
        ("niva", "2026-06-04T12:00:00Z"),
    ] {
        odograph.upload(drive(device, start, 10, 60.0)).await;
    }
    let browser = Browser::start().await;
    browser.zone("UTC").await;

    // Live: one vehicle of two.
    browser.open(&format!("{}/", odograph.url)).await;
    browser
        .until("return document.querySelector('.live-fleet a[href*=lada]') !== null")
        .await;
    act(
        &browser,
        "document.querySelector('.live-fleet a[href*=lada]').click()",
        "device=lada",
    )
    .await;
    browser
        .until("return document.querySelector('.live-value')?.textContent === '60'")
        .await;
    opens_elsewhere(&browser).await;

    // Drives: another day, a drive of it, a part of that, fewer charts.
    browser.open(&format!("{}/drives?device=lada", odograph.url)).await;
    browser
        .until("return document.querySelector('[data-day=\"2026-06-01\"][data-shade=\"4\"]') !== null")
        .await;
    for (script, address) in [
        (
            "document.querySelector('[data-day=\"2026-06-01\"]').click()",
            "day=2026-06-01",
        ),
        (
            "[...document.querySelectorAll('.drives-list a')].find((link) => link.textContent.includes('12:00')).click()",
            "trip=2026-06-01T12",
        ),
        (
            "document.querySelector('.drives-tools [aria-label=\"Zoom in\"]').click()",
            "from=",
        ),
        (
            "document.querySelector('[aria-label=\"Remove the chart: Fuel\"]').click()",
            "sensors=",
        ),
    ] {
        browser
            .until("return document.querySelectorAll('.drives-list a').length > 0")
            .await;
        act(&browser, script, address).await;
    }
    shows(&browser, "return document.querySelectorAll('odo-chart').length === 3").await;
    opens_elsewhere(&browser).await;

    // Charts: other sensors, and a part of a span.
    let span = "from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00Z";
    browser
        .open(&format!("{}/charts?device=lada&{span}", odograph.url))
        .await;
    browser
        .until("return document.querySelector('.charts-chip[aria-pressed=true]') !== null")
        .await;
    act(
        &browser,
        "document.querySelector('.charts-chip[aria-pressed=true]').click()",
        "sensors=",
    )
    .await;
    let before = browser.run("return location.search").await;
    act(
        &browser,
        "document.querySelector('.charts-moves [aria-label=\"Zoom in\"]').click()",
        "from=",
    )
    .await;
    poll(LONG, async || {
        (browser.run("return location.search").await != before).then_some(())
    })
    .await;
    shows(
        &browser,
        "const plot = document.querySelector('odo-chart [role=slider]');
        return document.querySelectorAll('odo-chart').length === 2
            && Number(plot.getAttribute('aria-valuemin')) === Date.parse(new URL(location).searchParams.get('from'))",
    )
    .await;
    opens_elsewhere(&browser).await;

    // Data keeps the vehicle for the views that one goes to from there.
    act(
        &browser,
        "document.querySelector('.views a[href^=\"/data\"]').click()",
        "device=lada",
    )
    .await;
    browser
        .until("return document.querySelector('.data-device') !== null")
        .await;
    opens_elsewhere(&browser).await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}
