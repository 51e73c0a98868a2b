//! Any text as a flag's value: URLs, spans, sizes, dates. Errors repeat no secret.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;

const SECRET: &str = "hunter2";

fuzz_target!(|text: &str| {
    let _ = (service::duration(text), service::bytes(text));
    if let Ok(day) = text.parse::<archive::Day>() {
        assert_eq!(day.to_string().parse::<archive::Day>().ok(), Some(day));
    }
    quiet(event::parse(text).err().map(|error| error.to_string()), "");
    quiet(blob::parse(text).err().map(|error| error.to_string()), "");
    // The parser would read files named in it.
    if !text.contains("sslrootcert") && !text.contains("verify") && !text.contains("require") {
        quiet(
            postgres::open(text, 1, Duration::ZERO)
                .err()
                .map(|error| error.to_string()),
            "",
        );
    }
    // The text is a password.
    let secret = format!("{SECRET}{}", text.replace(['/', '?', '#'], ""));
    quiet(
        event::parse(&format!("nats://me:{secret}@h/{text}"))
            .err()
            .map(|error| error.to_string()),
        SECRET,
    );
    quiet(
        postgres::open(
            &format!("postgres://me:{secret}@h/d?{}", text.replace("ssl", "")),
            1,
            Duration::ZERO,
        )
        .err()
        .map(|error| error.to_string()),
        SECRET,
    );
});

fn quiet(error: Option<String>, secret: &str) {
    let Some(error) = error else { return };
    assert!(!error.is_empty());
    assert!(secret.is_empty() || !error.contains(secret), "{error}");
}
