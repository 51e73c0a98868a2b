//! Any bytes as a put of messages, and as one event: what is taken is the same however often it is encoded, and every
//! fault has a text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::fuzzing::{is_same, parse};

fuzz_target!(|data: &[u8]| {
    for strict in [false, true] {
        check(data, strict);
        check(&put([data]), strict);
    }
});

fn check(request: &[u8], strict: bool) {
    let messages = match parse(request, strict) {
        Ok(messages) => messages,
        Err(text) => return assert!(text.ends_with('.') && text.len() < 1000, "{text}"),
    };
    for message in &messages {
        assert!((1..=256).contains(&message.id.len()) && message.source.len() <= 1024);
        assert!(!message.id.contains('\0') && !message.source.contains('\0'));
        assert!(is_same(&message.event, &message.again) && is_same(&message.again, &message.event));
    }
    // What is stored can be put again, in the bytes that it came in and in those of another client.
    let same = put(messages.iter().map(|message| message.event.as_slice()));
    assert_eq!(parse(&same, strict).as_ref(), Ok(&messages));
    let other = put(messages.iter().map(|message| message.again.as_slice()));
    let others = parse(&other, strict).expect("it is the same");
    assert_eq!(others.len(), messages.len());
    for (one, other) in messages.iter().zip(&others) {
        assert_eq!((&one.id, &one.source), (&other.id, &other.source));
        assert!(is_same(&one.event, &other.again));
    }
}

/// An encoded `PutBatchRequest`.
fn put<'a>(events: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut request = Vec::new();
    for event in events {
        // The first field, as bytes.
        request.push(0x0a);
        let mut length = event.len();
        while length > 127 {
            request.push(length as u8 | 128);
            length >>= 7;
        }
        request.push(length as u8);
        request.extend(event);
    }
    request
}
