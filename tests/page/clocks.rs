//! Days on which clocks change, in three zones. What is expected is by jiff.

use crate::browser::{Browser, END, HOME};
use crate::odograph::{LONG, Odograph, drive};
use jiff::{SignedDuration, Timestamp, Zoned, civil::Date};
use serde_json::{Value, json};
use testutil::poll;

/// The viewer's zone, the setting, and the zone that then counts. Clocks change at one moment in Berlin and Lisbon.
const ZONES: [(&str, &str, &str); 3] = [
    ("Europe/Berlin", "viewer", "Europe/Berlin"),
    ("Europe/Berlin", "UTC", "UTC"),
    ("Asia/Kathmandu", "Europe/Lisbon", "Europe/Lisbon"),
];

/// Days of 23 and of 25 hours in Berlin, each with drives and their minutes: near midnight, across the change, and in
/// the last hour.
const DAYS: [(&str, [(&str, i32); 3]); 2] = [
    (
        "2026-03-29",
        [
            ("2026-03-28T23:30:00Z", 10),
            ("2026-03-29T00:40:00Z", 40),
            ("2026-03-29T21:30:00Z", 10),
        ],
    ),
    (
        "2026-10-25",
        [
            ("2026-10-24T22:15:00Z", 10),
            ("2026-10-25T00:40:00Z", 40),
            ("2026-10-25T22:30:00Z", 10),
        ],
    ),
];

#[tokio::test]
async fn days_on_which_clocks_change_are_whole_in_three_zones() {
    let odograph = Odograph::start(&[]).await;
    let drives = DAYS.iter().flat_map(|(_, drives)| drives);
    odograph
        .upload(
            drives
                .map(|(start, minutes)| drive("lada", start, *minutes, 60.0))
                .collect(),
        )
        .await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/data", odograph.url)).await;
    for (viewer, setting, zone) in ZONES {
        browser.zone(viewer).await;
        browser
            .run(&format!("localStorage.setItem('odograph.zone', '{setting}')"))
            .await;
        for (day, drives) in DAYS {
            // Those that begin on the day there.
            let here = |(start, minutes): &(&str, i32)| {
                let start: Timestamp = start.parse().unwrap();
                let start = start.in_tz(zone).unwrap();
                (start.date().to_string() == day).then_some((start, *minutes))
            };
            let drives: Vec<(Zoned, i32)> = drives.iter().filter_map(here).collect();
            let across = drives.iter().find(|(_, minutes)| *minutes == 40).unwrap();
            is_day(&browser, &odograph, day, &drives).await;
            is_drive(&browser, &odograph, &across.0, across.1).await;
            is_charted(&browser, &odograph, day, zone, &drives).await;
        }
    }
    assert_eq!(browser.console().await, Vec::<String>::new());
}

fn minute(of: &Zoned) -> String {
    of.strftime("%H:%M").to_string()
}

/// Waits until a script returns this.
async fn becomes(browser: &Browser, script: &str, expected: &Value) {
    poll(LONG, async || (browser.run(script).await == *expected).then_some(())).await;
}

/// The calendar and the list have the drives of the day.
async fn is_day(browser: &Browser, odograph: &Odograph, day: &str, drives: &[(Zoned, i32)]) {
    browser
        .open(&format!("{}/drives?device=lada&day={day}", odograph.url))
        .await;
    let clocks: Vec<String> = drives.iter().map(|(start, _)| minute(start)).collect();
    let script = format!(
        "return [
            [...document.querySelectorAll('.drives-list .drives-clock')].map((clock) => clock.textContent),
            document.querySelector('[data-day=\"{day}\"] .hidden')?.textContent.match(/: (\\d+) drive/)?.[1]]"
    );
    becomes(browser, &script, &json!([clocks, clocks.len().to_string()])).await;
}

/// The drive across the change: its title, its chart under the cursor, and the table behind the chart.
async fn is_drive(browser: &Browser, odograph: &Odograph, start: &Zoned, minutes: i32) {
    let at = |minutes: i32| {
        let moment = start.timestamp() + SignedDuration::from_mins(i64::from(minutes));
        minute(&moment.to_zoned(start.time_zone().clone()))
    };
    let url = format!(
        "{}/drives?device=lada&sensors=speed&trip={}",
        odograph.url,
        start.timestamp()
    );
    browser.open(&url).await;
    let hours = format!("{}–{}", at(0), at(minutes));
    browser
        .until(&format!(
            "return document.querySelector('.drives-title p').textContent.endsWith(', {hours}')
                && document.querySelector('odo-chart [aria-valuetext]') !== null"
        ))
        .await;
    browser
        .run("document.querySelector('odo-chart [role=slider]').focus()")
        .await;
    for (key, minutes) in [(HOME, 0), (END, minutes)] {
        browser.press(&[key]).await;
        browser
            .until(&format!(
                "return document.activeElement.getAttribute('aria-valuetext')?.startsWith('{}:')",
                at(minutes)
            ))
            .await;
    }
    browser
        .run("document.querySelector('odo-chart details').open = true")
        .await;
    // The minutes of the rows, each once: none is left out, and those that come twice are there twice.
    let rows = "const times = [...document.querySelectorAll('odo-chart tbody th')].map((time) => time.textContent);
        return times.map((time) => time.slice(-8, -3)).filter((time, at, all) => time !== all[at - 1])";
    let expected: Vec<String> = (0..=minutes).map(at).collect();
    becomes(browser, rows, &json!(expected)).await;
}

/// Charts of the day, which was typed from midnight to midnight.
async fn is_charted(browser: &Browser, odograph: &Odograph, day: &str, zone: &str, drives: &[(Zoned, i32)]) {
    let date: Date = day.parse().unwrap();
    let next = date.tomorrow().unwrap();
    browser
        .open(&format!("{}/charts?device=lada&sensors=speed", odograph.url))
        .await;
    browser
        .until("return document.querySelector('.charts-typed [name=from]') !== null")
        .await;
    browser
        .run(&format!(
            "const form = document.querySelector('.charts-typed');
            form.elements.from.value = '{day}T00:00';
            form.elements.to.value = '{next}T00:00';
            form.requestSubmit()"
        ))
        .await;
    let midnight = |date: Date| date.in_tz(zone).unwrap().timestamp();
    let span = json!([midnight(date).to_string(), midnight(next).to_string()]);
    let address = "const { searchParams } = new URL(location);
        return [searchParams.get('from'), searchParams.get('to')]";
    becomes(browser, address, &span).await;
    let readings: i32 = drives.iter().map(|(_, minutes)| minutes * 12 + 1).sum();
    browser
        .until(&format!(
            "return document.querySelector('odo-chart [id$=-summary]')?.textContent.includes('Readings: {readings}.')"
        ))
        .await;
    // The ends of the axis, and what the fields say of them.
    let ends = json!([
        midnight(date).as_millisecond().to_string(),
        midnight(next).as_millisecond().to_string(),
        format!("{day}T00:00"),
        format!("{next}T00:00"),
    ]);
    let shown = "const { attributes } = document.querySelector('odo-chart [role=slider]');
        const { from, to } = document.querySelector('.charts-typed').elements;
        return [attributes['aria-valuemin'].value, attributes['aria-valuemax'].value, from.value, to.value]";
    becomes(browser, shown, &ends).await;
}
