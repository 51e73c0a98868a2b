//! Drives: what comes late, and one cursor over map and charts.

use crate::browser::Browser;
use crate::odograph::{LONG, Odograph, drive};
use serde_json::{Value, json};
use testutil::poll;

/// Speeds of a drive of ten minutes, by [`drive`].
const SPEEDS: usize = 121;

/// The clocks of the list, the calendar's words for the day, and what the chart of the speed says of itself.
const SHOWN: &str = "return [
    [...document.querySelectorAll('.drives-list .drives-clock')].map((clock) => clock.textContent),
    document.querySelector('[data-day=\"2026-06-01\"] .hidden')?.textContent,
    document.querySelector('odo-chart [role=slider]')?.getAttribute('aria-valuemin'),
    document.querySelector('odo-chart [id$=-summary]')?.textContent]";

/// Waits until the list, the calendar and the chart show drives that began at these hours.
async fn shows(browser: &Browser, hours: &[i8]) {
    let clocks: Vec<String> = hours.iter().map(|hour| format!("{hour:02}:00")).collect();
    let begin = jiff::civil::date(2026, 6, 1)
        .at(hours[0], 0, 0, 0)
        .in_tz("UTC")
        .unwrap();
    let begin = begin.timestamp().as_millisecond().to_string();
    let count = hours.len();
    let words = format!(": {count} drive{}, ", if count == 1 { "" } else { "s" });
    let readings = format!("Readings: {}.", SPEEDS * count);
    poll(LONG, async || {
        let shown = browser.run(SHOWN).await;
        let says = |at: usize, text: &str| shown[at].as_str().is_some_and(|found| found.contains(text));
        let is_all = shown[0] == json!(clocks) && says(1, &words) && shown[2] == begin && says(3, &readings);
        is_all.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_late_upload_changes_drives_calendar_and_charts() {
    let odograph = Odograph::start(&[]).await;
    let upload = async |hour: &str| {
        let start = format!("2026-06-01T{hour}:00:00Z");
        odograph.upload(drive("lada", &start, 10, 60.0)).await;
    };
    upload("12").await;
    let browser = Browser::start().await;
    browser.zone("UTC").await;
    browser
        .open(&format!("{}/drives?device=lada&day=2026-06-01", odograph.url))
        .await;
    shows(&browser, &[12]).await;
    browser.run("window.isTheSame = true").await;
    upload("08").await;
    shows(&browser, &[8, 12]).await;

    // A hidden page hears of nothing, and catches up once it is shown.
    browser.becomes("hidden").await;
    upload("16").await;
    assert_eq!(browser.run(SHOWN).await[0], json!(["08:00", "12:00"]));
    browser.becomes("visible").await;
    shows(&browser, &[8, 12, 16]).await;
    assert_eq!(browser.run("return window.isTheSame").await, true);

    // Charts, and its figures.
    let span = "from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00Z";
    browser
        .open(&format!("{}/charts?device=lada&sensors=speed&{span}", odograph.url))
        .await;
    let counts = |count: usize| {
        format!(
            "const shown = [...document.querySelectorAll('.charts-figures dd')].map((figure) => figure.textContent);
            const summary = document.querySelector('odo-chart [id$=-summary]')?.textContent ?? '';
            return shown.at(-1) === '{count}' && summary.includes('Readings: {count}.')"
        )
    };
    browser.until(&counts(SPEEDS * 3)).await;
    browser.run("window.isTheSame = true").await;
    upload("20").await;
    browser.until(&counts(SPEEDS * 4)).await;
    assert_eq!(browser.run("return window.isTheSame").await, true);
    assert_eq!(browser.console().await, Vec::<String>::new());
}

/// A point of the first element of this kind, at a share of its width: `[x, y]` in the window.
fn inside(selector: &str, share: f64) -> String {
    format!(
        "const element = document.querySelector('{selector}');
        element.scrollIntoView({{ block: 'nearest' }});
        const {{ left, top, width, height }} = element.getBoundingClientRect();
        return [Math.round(left + width * {share}), Math.round(top + height / 2)]"
    )
}

/// Where the mark of the map is, from the map's upper left, and the moment of each chart's cursor; null without.
const CURSORS: &str = "const map = document.querySelector('odo-map').getBoundingClientRect();
    const mark = document.querySelector('.map-cursor:not([hidden])')?.getBoundingClientRect();
    const place = mark ? [mark.left + mark.width / 2 - map.left, mark.top + mark.height / 2 - map.top] : null;
    const charts = [...document.querySelectorAll('odo-chart')].map((chart) => {
      const plot = chart.querySelector('[role=slider]');
      const isShown = chart.querySelector('.chart-readout').textContent !== '';
      return isShown ? Number(plot.getAttribute('aria-valuenow')) : null;
    });
    return [place, charts]";

/// Waits until the cursor is on the map and in all charts. Returns its place and its moment.
async fn cursor(browser: &Browser) -> (Value, f64) {
    poll(LONG, async || {
        let found = browser.run(CURSORS).await;
        let charts = found[1].as_array().unwrap();
        let first = charts.first()?.as_f64()?;
        let is_one = charts.len() == 4 && charts.iter().all(|one| *one == charts[0]);
        (is_one && !found[0].is_null()).then(|| (found[0].clone(), first))
    })
    .await
}

/// Waits until the cursor is nowhere.
async fn no_cursor(browser: &Browser) {
    poll(LONG, async || {
        let found = browser.run(CURSORS).await;
        let is_free = found[1].as_array().unwrap().iter().all(Value::is_null);
        (is_free && found[0].is_null()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn map_and_charts_have_one_cursor() {
    let odograph = Odograph::start(&[]).await;
    odograph.upload(drive("lada", "2026-06-01T08:00:00Z", 20, 60.0)).await;
    let browser = Browser::start().await;
    browser.zone("UTC").await;
    browser
        .open(&format!("{}/drives?device=lada&day=2026-06-01", odograph.url))
        .await;
    // The charts are drawn, and the track, whose colours the map explains.
    browser
        .until(
            "return document.querySelectorAll('odo-chart [aria-valuetext]').length === 4
                && document.querySelector('.map-legend') !== null
                && document.querySelector('main [aria-busy=true]') === null
                && document.getAnimations().length === 0",
        )
        .await;
    no_cursor(&browser).await;

    // From a chart to the map and the other charts. The drive leads to the north: later is higher.
    let over = async |share: f64| {
        let at = browser.run(&inside("odo-chart .chart-plot", share)).await;
        browser.point(&at).await;
    };
    over(0.3).await;
    let (early, begin) = cursor(&browser).await;
    over(0.7).await;
    let (late, moment) = poll(LONG, async || {
        let (place, moment) = cursor(&browser).await;
        (moment > begin && place != early).then_some((place, moment))
    })
    .await;
    assert!(early[1].as_f64().unwrap() > late[1].as_f64().unwrap(), "{early} {late}");
    let said = browser
        .run("return document.querySelector('odo-chart [role=slider]').getAttribute('aria-valuetext')")
        .await;
    assert!(said.as_str().unwrap().ends_with(": 60 km/h"), "{said}");
    let away = json!([2, 2]);
    browser.point(&away).await;
    no_cursor(&browser).await;

    // And back: the same place of the map is the same moment of the charts, to some pixels.
    let map = browser
        .run(
            "const map = document.querySelector('odo-map');
            map.scrollIntoView({ block: 'nearest' });
            const { left, top } = map.getBoundingClientRect();
            return [left, top]",
        )
        .await;
    let sum = |axis: usize| map[axis].as_f64().unwrap() + late[axis].as_f64().unwrap();
    // WebDriver takes whole pixels.
    let at = browser
        .run(&format!("return [Math.round({}), Math.round({})]", sum(0), sum(1)))
        .await;
    browser.point(&at).await;
    let (_, found) = cursor(&browser).await;
    assert!((found - moment).abs() < 20_000.0, "{found} is not {moment}");
    browser.point(&away).await;
    no_cursor(&browser).await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}
