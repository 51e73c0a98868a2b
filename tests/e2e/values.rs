//! A 400 tells a device to delete its file. So the ingestor tells apart damaged parts of a file, forbidden
//! and deferred readings, and lines that can never be readings.

use crate::system::{self, KEY, LONG, System};
use serde_json::{Value, json};
use testutil::{Program, Signal};

fn at(sensor: &str, second: usize) -> String {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(r#"{{"sensor":"{sensor}","value":1,"timestamp":"2024-05-01T{hour:02}:{minute:02}:{second:02}Z"}}"#)
}

fn reading(second: usize) -> String {
    at("speed", second)
}

/// The status and the counts of an answer.
fn told((status, answer): &(u16, Value)) -> (u16, Value, Value) {
    assert!(answer["id"].is_string(), "{answer}");
    (*status, answer["accepted"].clone(), answer["rejected"].clone())
}

#[tokio::test]
async fn a_line_holds_values_with_blanks_around_them() {
    let system = System::start(1).await;
    let zeros = "\0".repeat(100_000);
    for (body, accepted) in [
        (
            format!("{}{}\n{} {}", reading(0), reading(1), reading(2), reading(3)),
            4,
        ),
        (
            format!("{}\n{zeros}{}\n{}{zeros}", reading(4), reading(5), reading(6)),
            3,
        ),
        (format!("{}\n\u{feff}{}\u{feff}\n", reading(7), reading(8)), 2),
        // Far more readings than a line may hold.
        ((9..2009).map(reading).collect::<String>(), 2000),
    ] {
        assert_eq!(told(&system.post(body).await), (200, json!(accepted), json!(0)));
    }
    // Only the value damaged by a power cut is rejected, with its line and value.
    let torn = r#"{"sensor":"speed","val"#;
    let body = format!(
        "{}\n{torn}{zeros}{} {torn}{torn}{}\n{torn}\n",
        reading(2009),
        reading(2010),
        reading(2011)
    );
    let answer = system.post(body).await;
    assert_eq!(told(&answer), (400, json!(3), json!(4)));
    let places: Vec<_> = answer.1["invalid"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (&line["line"], &line["value"]))
        .collect();
    assert_eq!(
        places,
        [
            (&json!(2), &json!(1)),
            (&json!(2), &json!(3)),
            (&json!(2), &json!(4)),
            (&json!(3), &Value::Null)
        ]
    );
    for line in answer.1["invalid"].as_array().unwrap() {
        assert!(line["reason"].as_str().unwrap().contains("breaks off"), "{line}");
        assert_eq!(line["reading"], torn);
    }
    system.wait_for_rows(2012).await;
}

/// Damage costs no reading that is whole, on its own line or behind it.
#[tokio::test]
async fn readings_behind_damage_are_kept() {
    let system = System::start(1).await;
    let several = |from: usize, to: usize, by: &str| (from..to).map(reading).collect::<Vec<_>>().join(by);
    let pretty = |second| {
        reading(second)
            .replace('{', "{\n  ")
            .replace(',', ",\n  ")
            .replace('}', "\n}")
    };
    let blanks = " ".repeat(140_000);
    let long = format!(r#"{{"sensor":"x","note":"{}\"}}","value":1}}"#, "A".repeat(70_000));
    let nested = format!(r#"{{"sensor":"x","value":NaN,"last":{}}}"#, at("rpm", 0));
    let torn = r#"{"sensor":"x","val"#.repeat(200);
    let erased = vec![0xff; 70_000];
    for (body, expected) in [
        // An array that does not begin the body, and elements without its brackets.
        (
            format!("{}\n[{}]\n", reading(0), several(1, 40, ",")).into_bytes(),
            (200, 40, 0),
        ),
        (several(40, 80, ",\n").into_bytes(), (200, 40, 0)),
        // Behind blanks, and behind values and other bytes that are longer than a line.
        (
            format!("{}{blanks}{}{blanks}\n", reading(80), reading(81)).into_bytes(),
            (200, 2, 0),
        ),
        (
            format!("{long}{}{}\n{}", reading(82), reading(83), reading(84)).into_bytes(),
            (400, 3, 1),
        ),
        ([&erased[..], reading(85).as_bytes(), b"\n"].concat(), (400, 1, 1)),
        // Behind many torn ones.
        (
            format!("{torn}{}", several(86, 1086, "")).into_bytes(),
            (400, 1000, 200),
        ),
        // A reading within a bad one is none.
        (format!("{nested}{}", reading(1086)).into_bytes(), (400, 1, 1)),
        // Objects over several lines, behind the end of one and behind a torn one.
        (
            format!("\"value\":1\n}}\n{}\n{}\n", pretty(1087), pretty(1088)).into_bytes(),
            (400, 2, 2),
        ),
        (
            format!("{}\n{{\"sensor\":\"sp\n{}\n", reading(1089), pretty(1090)).into_bytes(),
            (400, 2, 1),
        ),
    ] {
        let (status, accepted, rejected) = expected;
        let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = system.post(body).await;
        assert_eq!(
            told(&answer),
            (status, json!(accepted), json!(rejected)),
            "{start} {answer:?}"
        );
    }
    // A line with thousands of bad values becomes dead letters that the bus takes.
    let answer = system.post("{}".repeat(30_000)).await;
    assert_eq!(told(&answer), (400, json!(0), json!(30_000)));
    system.wait_for_rows(1091).await;
}

#[tokio::test]
async fn documents_are_read_as_such() {
    let system = System::start(1).await;
    let pretty = |second| {
        reading(second)
            .replace('{', "{\n  ")
            .replace(',', ",\n  ")
            .replace('}', "\n}")
    };
    let array =
        |from: usize, to: usize, by: &str| format!("[{}]", (from..to).map(reading).collect::<Vec<_>>().join(by));
    for (body, accepted) in [
        (array(0, 5000, ","), 5000),
        (format!("\u{feff} {}\n", array(5000, 5010, "\n,\n")), 10),
        ((5010..5020).map(pretty).collect::<Vec<_>>().join("\n"), 10),
        (
            format!("[\n{}\n]", (5020..5030).map(pretty).collect::<Vec<_>>().join(",\n")),
            10,
        ),
        ("[]".into(), 0),
        // A file to which arrays are appended.
        (format!("{}\n[]\n{}\n", array(0, 5, ","), array(5, 10, ",\n")), 10),
    ] {
        assert_eq!(told(&system.post(body).await), (200, json!(accepted), json!(0)));
    }
    let bad = r#"{"sensor":"speed","value":"fast","timestamp":"2024-05-01T00:00:00Z"}"#;
    let answer = system
        .post(format!("[\n{},\n{bad},\n{}]", reading(5030), reading(5031)))
        .await;
    assert_eq!(told(&answer), (400, json!(2), json!(1)));
    assert_eq!(answer.1["invalid"][0]["line"], 3);
    // 422 tells the device to keep a broken body; the readings before the break are accepted.
    for body in [
        format!("[{},{},", reading(5032), reading(5033)),
        format!("[{},{}] x", reading(5032), reading(5033)),
        format!("{}\n{}\noops", pretty(5032), pretty(5033)),
    ] {
        assert_eq!(told(&system.post(body).await), (422, json!(2), json!(0)));
    }
    system.wait_for_rows(5034).await;
}

#[tokio::test]
async fn what_is_no_json_is_told_from_bad_lines() {
    let system = System::start(1).await;
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let utf16 = |order: fn(u16) -> [u8; 2]| reading(9).encode_utf16().flat_map(order).collect::<Vec<_>>();
    let utf32 = |order: fn(u32) -> [u8; 4]| {
        let text = reading(9);
        text.chars().flat_map(|sign| order(u32::from(sign))).collect::<Vec<_>>()
    };
    for foreign in [
        &gzip[..],
        &[0x28, 0xb5, 0x2f, 0xfd, 4, 0],
        // A skippable frame.
        &[0x5a, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7],
        &utf16(u16::to_le_bytes),
        &utf16(u16::to_be_bytes),
        &utf32(u32::to_le_bytes),
        &utf32(u32::to_be_bytes),
        b"PK\x03\x04\x14\0",
        b"7b2273656e736f72223a",
        br#""{\"sensor\":1}""#,
    ] {
        let body = [reading(0).as_bytes(), b"\n", reading(1).as_bytes(), b"\n\0\0", foreign].concat();
        assert_eq!(told(&system.post(body).await), (415, json!(2), json!(0)));
    }
    for foreign in [&b"\xfd7zXZ\0\0\x04"[..], b"BZh91AY&SY", b"PK\x03\x04\x14\0\0\0"] {
        assert_eq!(told(&system.post(foreign.to_vec()).await), (415, json!(0), json!(0)));
    }
    // A body with so many invalid values is taken for another format.
    let body = format!(
        "{}\n{}\n{}",
        reading(2),
        "x".repeat(1000).repeat(20) + "\n",
        "no reading, though a line of some length\n".repeat(450_000)
    );
    let answer = system.post(format!("{body}{}", reading(3))).await;
    assert_eq!(told(&answer), (415, json!(2), json!(450_001)));
    system.wait_for_rows(4).await;
}

#[tokio::test]
async fn names_without_room_are_deferred_by_key() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let mut lines = String::new();
    let mut made = Vec::new();
    for _ in 0..11 {
        let mut program = Program::new("odograph").args(["key", "new"]).spawn();
        assert_eq!(program.wait(LONG).await, 0);
        let printed = program.stdout();
        let word = |start: &str| {
            printed
                .iter()
                .map(|line| line.trim())
                .find(|line| line.starts_with(start))
                .map(str::to_owned)
        };
        made.push(word("odo_").unwrap());
        lines += &format!(
            "{}\n",
            printed
                .iter()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap()
                .trim()
        );
    }
    std::fs::write(keys.path(), lines).unwrap();
    let path = keys.path().to_str().unwrap();
    let mut system = System::start_with(1, &["--max-series", "3", "--api-keys-file", path]).await;
    let post = async |key: &str, body: String| {
        let response = system
            .http
            .post(&system.ingest_url)
            .bearer_auth(key)
            .body(body)
            .send()
            .await
            .unwrap();
        let wait = response
            .headers()
            .get("retry-after")
            .map(|wait| wait.to_str().unwrap().to_owned());
        (system::answer(response).await, wait)
    };
    let names = |count: usize| {
        (0..count)
            .map(|name| at(&format!("s{name}"), 0))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let (answer, wait) = post(&made[0], format!("{}\n{{}}\n{}", names(5), at("s0", 1))).await;
    assert_eq!(told(&answer), (429, json!(4), json!(1)));
    assert_eq!((&answer.1["deferred"], wait.as_deref()), (&json!(2), Some("300")));
    // Known series are accepted, and another key has its own room.
    assert_eq!(told(&post(&made[0], at("s1", 2)).await.0), (200, json!(1), json!(0)));
    for key in &made[1..10] {
        assert_eq!(told(&post(key, names(3)).await.0), (200, json!(3), json!(0)));
    }
    let (answer, wait) = post(&made[10], names(1)).await;
    assert_eq!(told(&answer), (503, json!(0), json!(0)));
    assert_eq!((&answer.1["deferred"], wait.as_deref()), (&json!(1), Some("300")));
    let metrics = format!("http://{}/metrics", system.ingestor.address("admin").await);
    let told = system.http.get(metrics).send().await.unwrap().text().await.unwrap();
    let (help, count) = ("(--max-series)", "\ningestor_readings_deferred_total 3\n");
    assert!(told.contains(help) && told.contains(count), "{told}");
    system.wait_for_rows(5).await;
    system.ingestor.signal(Signal::SIGTERM);
    assert_eq!(system.ingestor.wait(LONG).await, 0);
    let warnings = system.ingestor.output();
    let warnings: Vec<_> = warnings.iter().filter(|line| line.contains("--max-series")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn rejected_lines_of_a_key_are_bounded_by_the_hour() {
    let system = System::start_with(1, &["--max-rejected-per-key", "100KiB"]).await;
    let bad = "no reading, though a line of more than sixty-four characters, as most lines are\n";
    let body = |lines: usize, second: usize| bad.repeat(lines) + &reading(second);
    // A small body counts once, too: then there is room for the next.
    for _ in 0..2 {
        assert_eq!(told(&system.post("x".repeat(8000)).await), (400, json!(0), json!(1)));
    }
    assert_eq!(told(&system.post(body(1000, 0)).await), (400, json!(1), json!(1000)));
    let response = system.upload(body(1000, 1)).send().await.unwrap();
    let wait = system::retry_after(&response);
    assert!((1..=3600).contains(&wait), "{wait}");
    assert_eq!(told(&system::answer(response).await), (429, json!(1), json!(1000)));
    // A clean upload is unaffected.
    assert_eq!(told(&system.post(reading(2)).await), (200, json!(1), json!(0)));
    system.wait_for_rows(3).await;
}

#[tokio::test]
async fn the_address_may_name_the_device() {
    let system = System::start(1).await;
    let post = async |query: &str, user: &str, password: &str, body: String| {
        let request = system
            .http
            .post(format!("{}{query}", system.ingest_url))
            .basic_auth(user, Some(password));
        system::answer(request.body(body).send().await.unwrap()).await
    };
    for (device, second) in [("356000000000017", 0), ("5ABCD12E3FG000017", 1), ("lada%3A1", 2)] {
        let answer = post(&format!("?device={device}"), KEY, "", reading(second)).await;
        assert_eq!(told(&answer), (200, json!(1), json!(0)), "{device}");
    }
    assert_eq!(post("?device=niva", "niva", KEY, reading(3)).await.0, 200);
    assert_eq!(post("?device=niva", "lada", KEY, reading(4)).await.0, 401);
    assert_eq!(post("?device=la%20da", KEY, "", reading(4)).await.0, 401);
    for query in ["?devise=lada", "?device=lada&x=1", "?device=lada&device=lada", "?x"] {
        let (status, answer) = post(query, KEY, "", reading(4)).await;
        assert_eq!(status, 404, "{query}");
        assert!(answer["detail"].as_str().unwrap().contains("device=NAME"), "{answer}");
    }
    let number = reading(5).replace('}', r#","device":356000000000017}"#);
    let (status, answer) = post("", KEY, "", number).await;
    assert_eq!(status, 400);
    assert!(
        answer["invalid"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("write it in quotes"),
        "{answer}"
    );
    system.wait_for_rows(4).await;
    assert_eq!(
        system.devices().await,
        ["356000000000017", "5ABCD12E3FG000017", "lada:1", "niva"]
    );
}

/// A clock that was never set begins in 2000.
#[tokio::test]
async fn what_comes_of_a_clock_never_set_is_told() {
    let system = System::start(1).await;
    let (status, answer) = system
        .post(r#"{"sensor":"speed","value":1,"timestamp":"2000-01-01T00:00:05Z"}"#)
        .await;
    assert_eq!(status, 400);
    assert!(
        answer["invalid"][0]["reason"].as_str().unwrap().contains("clock set"),
        "{answer}"
    );
}
