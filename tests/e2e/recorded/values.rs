//! Latest values and places, the devices and sensors, the state, and the receipts of the uploads.

use super::fleet::{DEVICES, DRIVES, Fleet, LATITUDE, LONGITUDE, Upload};
use super::places::places;
use super::unit;
use super::zones::text;
use serde_json::{Value, json};

/// When the first and the last reading of one device or of all was, of one sensor or of all.
fn seen(fleet: &Fleet, device: Option<&str>, sensor: Option<&str>) -> [String; 2] {
    let asked = fleet.held.iter().filter(|((of, name), _)| {
        device.is_none_or(|device| device == of) && sensor.is_none_or(|sensor| sensor == name)
    });
    let times = || asked.clone().flat_map(|(_, series)| series.keys().copied());
    [times().min(), times().max()].map(|time| text(time.unwrap()))
}

/// The latest place of a device, with its time.
fn place(fleet: &Fleet, device: &str) -> (i64, Value) {
    let all = places(&fleet.series(device, LATITUDE), &fleet.series(device, LONGITUDE));
    let last = all[all.len() - 1];
    let place = json!({"latitude": last.latitude, "longitude": last.longitude, "timestamp": text(last.time)});
    (last.time, place)
}

#[tokio::test]
async fn latest_values_and_what_there_is() {
    let fleet = Fleet::start(&[&DRIVES[..], &["engine_temperature"]].concat()).await;
    for device in [None, Some("gap"), Some("late"), Some("ordered")] {
        latest(&fleet, device).await;
        latest_place(&fleet, device).await;
        sensors(&fleet, device).await;
    }
    let status = fleet.ok("status").await;
    let [_, last] = seen(&fleet, None, None);
    assert_eq!(status["lastIngestTimestamp"], last);
    assert_eq!(
        (&status["devices"], &status["series"]),
        (&json!(DEVICES.len()), &json!(fleet.held.len()))
    );
    devices(&fleet).await;
    receipts(&fleet).await;
}

async fn latest(fleet: &Fleet, device: Option<&str>) {
    let query = device.map(|device| format!("?device={device}")).unwrap_or_default();
    let found = fleet.ok(&format!("statistics/latest{query}")).await;
    let mut sensors = json!({});
    for sensor in fleet.sensors() {
        let points = fleet.of_sensor(device, sensor);
        let last = points[points.len() - 1].0;
        // Of two devices at one moment, the first one.
        let (_, of, value) = points.iter().find(|(time, ..)| *time == last).unwrap();
        sensors[sensor] = json!({
            "device": of, "value": value, "unit": unit(sensor), "timestamp": text(last)
        });
    }
    let value = |sensor: &str| sensors[sensor]["value"].clone();
    let expected = json!({
        "speed": value("speed"),
        "fuel": value("fuel"),
        "engineTemperature": value("engine_temperature"),
        "revolutions": null,
        "sensors": sensors,
    });
    assert_eq!(found, expected, "{query}");
    let status = fleet.ok(&format!("status{query}")).await;
    let [_, last] = seen(fleet, device, None);
    assert_eq!(status["lastIngestTimestamp"], last, "{query}");
}

async fn latest_place(fleet: &Fleet, device: Option<&str>) {
    let query = device.map(|device| format!("?device={device}")).unwrap_or_default();
    let found = fleet.ok(&format!("location/latest{query}")).await;
    let asked = DEVICES
        .into_iter()
        .filter(|of| device.is_none_or(|device| device == *of));
    let mut all: Vec<(i64, &str, Value)> = Vec::new();
    for device in asked {
        let (time, place) = place(fleet, device);
        all.push((time, device, place));
    }
    // Of two devices at one moment, the first one.
    all.sort_by_key(|(time, device, _)| (-time, *device));
    let (_, device, mut expected) = all.swap_remove(0);
    expected["device"] = device.into();
    assert_eq!(found, expected, "{query}");
}

async fn sensors(fleet: &Fleet, device: Option<&str>) {
    let query = device.map(|device| format!("?device={device}")).unwrap_or_default();
    let found = fleet.ok(&format!("sensors{query}")).await;
    let sensor = |sensor: &str| {
        let [first, last] = seen(fleet, device, Some(sensor));
        let devices = if device.is_some() { 1 } else { DEVICES.len() };
        json!({
            "sensor": sensor, "unit": unit(sensor), "firstSeen": first, "lastSeen": last, "devices": devices
        })
    };
    let expected: Vec<Value> = fleet.sensors().into_iter().map(sensor).collect();
    assert_eq!(found, json!({"sensors": expected}), "{query}");
}

async fn devices(fleet: &Fleet) {
    let mut cursor = String::new();
    for device in DEVICES {
        let found = fleet.ok(&format!("devices?limit=1{cursor}")).await;
        let [first, last] = seen(fleet, Some(device), None);
        let (_, place) = place(fleet, device);
        let expected = json!({
            "device": device, "name": null, "firstSeen": first, "lastSeen": last, "place": place
        });
        assert_eq!(found["devices"], json!([expected]));
        let next = found["nextCursor"].as_str();
        cursor = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!(cursor, "", "another page follows");
}

/// Fails unless each upload has its receipt, and they are listed with the latest one first.
async fn receipts(fleet: &Fleet) {
    for upload in &fleet.uploads {
        let found = fleet.ok(&format!("ingests/{}?wait=30s", upload.id)).await;
        assert_eq!(found, receipt(upload));
    }
    let mut cursor = String::new();
    let mut listed = Vec::new();
    for _ in fleet.uploads.chunks(4) {
        let page = fleet.ok(&format!("ingests?limit=4{cursor}")).await;
        listed.extend(page["ingests"].as_array().unwrap().clone());
        let next = page["nextCursor"].as_str();
        cursor = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!(cursor, "", "another page follows");
    let expected: Vec<Value> = fleet.uploads.iter().rev().map(receipt).collect();
    assert_eq!(listed, expected);
}

pub(super) fn receipt(upload: &Upload) -> Value {
    json!({
        "id": upload.id,
        "status": "persisted",
        "accepted": upload.accepted,
        "rejected": 0,
        "persisted": upload.persisted,
        "duplicates": upload.duplicates,
        "conflicts": upload.conflicts,
        "failed": 0,
    })
}
