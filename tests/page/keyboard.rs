//! The frame by keyboard alone.

use crate::browser::{Browser, ENTER, ESCAPE, RIGHT, TAB};
use crate::odograph::Odograph;

/// What has the focus: its text, or its name.
const FOCUSED: &str = "const { ariaLabel, id, name, textContent } = document.activeElement;
    return ariaLabel || name || id || textContent.trim()";

#[tokio::test]
async fn everything_around_a_view_is_reached_by_keyboard() {
    let odograph = Odograph::start(&[]).await;
    odograph.measure(&[("speed", 50.0)]).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/", odograph.url)).await;

    // The first stop leads past the header.
    browser.press(&[TAB]).await;
    assert_eq!(browser.run(FOCUSED).await, "Skip to content");
    browser.press(&[ENTER]).await;
    browser.until("return document.activeElement.id === 'main'").await;

    // Another view, and back by history.
    browser.run("document.querySelector('.brand').focus()").await;
    browser.press(&[TAB, TAB]).await;
    assert_eq!(browser.run(FOCUSED).await, "Drives");
    browser.press(&[ENTER]).await;
    browser.until("return location.pathname === '/drives'").await;
    browser.until("return document.activeElement.id === 'main'").await;
    browser.until("return document.title.startsWith('Drives')").await;
    browser.run("history.back()").await;
    browser.until("return document.title.startsWith('Live')").await;

    // Settings: open, choose, close; the focus returns.
    browser.run("document.querySelector('header select').focus()").await;
    browser.press(&[TAB]).await;
    assert_eq!(browser.run(FOCUSED).await, "Settings");
    browser.press(&[ENTER]).await;
    browser
        .until("return document.querySelector('dialog[open]') !== null")
        .await;
    browser.until("return document.activeElement.name === 'theme'").await;
    browser.press(&[RIGHT, RIGHT]).await;
    browser
        .until("return document.documentElement.dataset.theme === 'dark'")
        .await;
    browser
        .until("return getComputedStyle(document.documentElement).getPropertyValue('color-scheme') === 'dark'")
        .await;
    browser.press(&[ESCAPE]).await;
    browser.until("return document.querySelector('dialog') === null").await;
    assert_eq!(browser.run(FOCUSED).await, "Settings");
}
