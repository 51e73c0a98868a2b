//! The map under a hand: a mouse or a finger drags it, a wheel zooms.

use crate::browser::Browser;
use crate::odograph::{LONG, Odograph};
use serde_json::Value;
use std::cell::RefCell;
use testutil::poll;

/// The middle of the map in its metres, metres a pixel, whether it follows the vehicle, and a point on the screen.
const STATE: &str = "
    const map = document.querySelector('odo-map');
    const { left, top, width, height } = map.querySelector('.map-face').getBoundingClientRect();
    return [...map.view.getCenter(), map.view.getResolution(), map.follow,
        Math.round(left + width / 2), Math.round(top + height / 2)]";

struct State {
    center: [f64; 2],
    resolution: f64,
    follows: bool,
    /// The middle of the map, in pixels of the window.
    point: [i32; 2],
}

/// The map's state, once it rests.
async fn state(browser: &Browser) -> State {
    let before = RefCell::new(Value::Null);
    let now = poll(LONG, async || {
        let now = browser.run(STATE).await;
        let rests = before.replace(now.clone()) == now;
        rests.then_some(now)
    })
    .await;
    let number = |at: usize| now[at].as_f64().unwrap();
    let pixel = |at: usize| i32::try_from(now[at].as_i64().unwrap()).unwrap();
    State {
        center: [number(0), number(1)],
        resolution: number(2),
        follows: now[3].as_bool().unwrap(),
        point: [pixel(4), pixel(5)],
    }
}

#[tokio::test]
async fn a_drag_moves_the_map_and_ends_following() {
    let odograph = Odograph::start(&[]).await;
    let place = [
        ("location_latitude", 45.2),
        ("location_longitude", 13.6),
        ("speed", 0.0),
    ];
    odograph.measure(&place).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/?device=lada", odograph.url)).await;
    browser
        .until("return document.querySelector('odo-map')?.follow && document.querySelector('.map-car:not([hidden])') !== null")
        .await;
    for (pointer, by) in [("mouse", [120, 60]), ("touch", [-90, 80])] {
        browser.run("document.querySelector('odo-map').follow = true").await;
        let before = state(&browser).await;
        assert!(before.follows);
        browser.drag(pointer, before.point, by).await;
        let after = state(&browser).await;
        assert!(!after.follows, "{pointer}");
        // What was below the pointer is still there, but for the first step: the middle went the other way.
        for axis in [0, 1] {
            let sign = [-1.0, 1.0][axis];
            let pixels = (after.center[axis] - before.center[axis]) / before.resolution * sign;
            let wanted = f64::from(by[axis]);
            assert!(
                (pixels - wanted).abs() < 12.0,
                "{pointer}, axis {axis}: {pixels} instead of {wanted}"
            );
        }
    }
    let before = state(&browser).await;
    browser.wheel(before.point, 240).await;
    let closer = poll(LONG, async || {
        let now = state(&browser).await;
        (now.resolution < before.resolution).then_some(now)
    });
    closer.await;
    assert_eq!(browser.console().await, Vec::<String>::new());
}
