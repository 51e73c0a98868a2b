//! Any bytes as a published message, and as a token: what is taken can be stored and read again, and only HS256
//! by the secret is taken.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use ring::hmac;
use serde_json::Value;
use std::sync::LazyLock;
use subscription::publish::{Message, Verifier};

const SECRET: &str = "a secret of 32 bytes and no less";
const NOW: f64 = 1_800_000_000.0;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(&SECRET.into(), false));

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(VERIFIER.verify(text, NOW).is_err());
        assert!(VERIFIER.verify(&format!("Bearer {text}"), NOW).is_err());
    }
    token(data);
    message(data);
});

/// The first line is the header, the rest the claims.
fn token(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, claims) = data.split_at(line);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    let Ok(taken) = VERIFIER.verify(&format!("bearer {signed}.{signature}"), NOW) else {
        return;
    };
    let cut = &signature[..signature.len() - 1];
    assert!(VERIFIER.verify(&format!("bearer {signed}.{cut}"), NOW).is_err());
    assert!(taken.author.is_none_or(|author| !author.contains('\0')));
    // Members that mean nothing are not read: a number in them may be out of range.
    let (Ok(header), Ok(claims)) = (serde_json::from_slice::<Value>(header), serde_json::from_slice::<Value>(claims)) else {
        return;
    };
    assert!(header["alg"] == "HS256" && header.get("crit").is_none(), "{header}");
    assert!(claims["exp"].as_f64().is_none_or(|end| end + 60.0 > NOW), "{claims}");
    assert!(claims.get("topics").is_none() || claims["topics"].is_array(), "{claims}");
}

fn message(data: &[u8]) {
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(invalid) => return assert!(invalid.to_string().ends_with('.'), "{invalid}"),
    };
    assert!(!message.topic.is_empty() && message.topic.len() <= 128);
    let stored: Value = serde_json::from_str(&message.data).expect("what is stored can be read");
    assert!(stored.is_object() && !has_nul(&stored), "{stored}");
    // In the other form, it is the same message.
    let payload = STANDARD.encode(&message.data);
    let short = format!(r#"{{"topic":"{}","payload":"{payload}"}}"#, message.topic);
    let again = Message::parse(short.as_bytes()).expect("what is stored is a message");
    assert_eq!(again.data, message.data);
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}
