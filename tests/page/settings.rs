//! Language, units and zone: chosen once, kept, and nowhere too long.

use crate::browser::{Browser, SIZES};
use crate::odograph::Odograph;

/// Opens the settings and chooses a value.
async fn choose(browser: &Browser, name: &str, value: &str) {
    browser.run("document.querySelector('header .icon').click()").await;
    browser
        .until("return document.querySelector('dialog[open]') !== null")
        .await;
    let script = format!(
        "const field = document.querySelector('dialog [name={name}][value=\"{value}\"], dialog select[name={name}]');
        if (field.tagName === 'SELECT') {{ field.value = '{value}'; field.dispatchEvent(new Event('change')) }}
        else field.click();
        document.querySelector('dialog').close()"
    );
    browser.run(&script).await;
    browser.until("return document.querySelector('dialog') === null").await;
}

/// The text of the view.
async fn text(browser: &Browser) -> String {
    let text = browser.run("return document.querySelector('main').innerText").await;
    text.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn settings_change_the_page_and_are_kept() {
    let odograph = Odograph::start(&[]).await;
    odograph
        .measure(&[("speed", 100.0), ("engine_temperature", 90.0)])
        .await;
    let browser = Browser::start().await;
    let url = format!("{}/", odograph.url);
    browser.open(&url).await;
    browser
        .until("return document.querySelector('main').innerText.includes('km/h')")
        .await;

    choose(&browser, "units", "imperial").await;
    browser
        .until("return document.querySelector('main').innerText.includes('mph')")
        .await;
    let shown = text(&browser).await;
    assert!(
        shown.contains("62") && shown.contains("194") && !shown.contains("km/h"),
        "{shown}"
    );

    choose(&browser, "language", "de").await;
    browser.until("return document.documentElement.lang === 'de'").await;
    browser
        .until("return document.querySelector('nav').innerText.includes('Fahrten')")
        .await;

    // Both are there after a reload.
    browser.open(&url).await;
    browser
        .until("return document.querySelector('main').innerText.includes('mph')")
        .await;
    browser
        .until("return document.querySelector('nav').innerText.includes('Fahrten')")
        .await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test]
async fn times_are_of_the_chosen_zone() {
    let odograph = Odograph::start(&[]).await;
    odograph.measure(&[("speed", 100.0)]).await;
    let browser = Browser::start().await;
    browser.zone("Asia/Kathmandu").await;
    browser.open(&format!("{}/", odograph.url)).await;
    let clock = |zone: &str| {
        format!(
            "const options = {{ hour: '2-digit', minute: '2-digit', timeZone: '{zone}' }};
            const format = new Intl.DateTimeFormat(navigator.language, options);
            return fetch('/api/devices').then((answer) => answer.json()).then(({{ devices }}) =>
                document.querySelector('header .state').textContent.includes(format.format(Date.parse(devices[0].lastSeen))))"
        )
    };
    browser.until(&clock("Asia/Kathmandu")).await;
    choose(&browser, "zone", "America/St_Johns").await;
    browser.until(&clock("America/St_Johns")).await;
    choose(&browser, "zone", "UTC").await;
    browser.until(&clock("UTC")).await;
}

#[tokio::test]
async fn longer_words_fit() {
    let odograph = Odograph::start(&[]).await;
    odograph.measure(&[("speed", 100.0)]).await;
    let browser = Browser::start().await;
    for size in SIZES {
        browser.screen(size, "light").await;
        for view in ["/", "/drives", "/charts", "/data"] {
            browser.open(&format!("{}{view}?lang=qps", odograph.url)).await;
            let wide = browser
                .run("const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth")
                .await;
            assert_eq!(wide, 0, "{view} at {size:?} is wider than the screen");
        }
    }
}
