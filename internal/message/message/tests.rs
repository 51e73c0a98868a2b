use super::*;
use crate::proto::pb::CloudEventAttributeValue;
use crate::proto::pb::cloud_event::Data;

const RULES: Rules = Rules {
    most_bytes: 1 << 20,
    strict: false,
};

const STRICT: Rules = Rules { strict: true, ..RULES };

fn event() -> CloudEvent {
    CloudEvent {
        id: "1".to_owned(),
        source: "car".to_owned(),
        spec_version: "1.0".to_owned(),
        r#type: "t".to_owned(),
        attributes: [attribute("subject", Attr::CeString("lada".to_owned()))].into(),
        data: Some(Data::TextData("half full".to_owned())),
    }
}

fn attribute(name: &str, attr: Attr) -> (String, CloudEventAttributeValue) {
    (name.to_owned(), CloudEventAttributeValue { attr: Some(attr) })
}

fn judged(event: &CloudEvent, rules: Rules) -> Result<(), (String, String)> {
    let judged = Message::of(event.encode_to_vec().into(), rules);
    judged.map(drop).map_err(|fault| (fault.field, fault.reason))
}

#[test]
fn names_have_their_lengths() {
    for (length, is_right) in [(0, false), (1, true), (256, true), (257, false)] {
        let with_id = CloudEvent {
            id: "i".repeat(length),
            ..event()
        };
        assert_eq!(judged(&with_id, RULES).is_ok(), is_right, "id of {length}");
    }
    for (length, is_right) in [(0, true), (1024, true), (1025, false)] {
        let with_source = CloudEvent {
            source: "s".repeat(length),
            ..event()
        };
        assert_eq!(judged(&with_source, RULES).is_ok(), is_right, "source of {length}");
    }
    for field in ["id", "source"] {
        let mut with_nul = event();
        *(if field == "id" {
            &mut with_nul.id
        } else {
            &mut with_nul.source
        }) = "a\0b".to_owned();
        assert_eq!(judged(&with_nul, RULES).unwrap_err().0, field);
    }
}

#[test]
fn a_message_has_its_length() {
    let length = event().encoded_len();
    let at = Rules {
        most_bytes: length,
        ..RULES
    };
    let below = Rules {
        most_bytes: length - 1,
        ..RULES
    };
    assert_eq!(judged(&event(), at), Ok(()));
    assert_eq!(judged(&event(), below).unwrap_err().0, "");
}

#[test]
fn attributes_are_few_and_times_are_times() {
    for (count, is_right) in [(64, true), (65, false)] {
        let attributes = (0..count).map(|number| attribute(&format!("a{number}"), Attr::CeInteger(number)));
        let many = CloudEvent {
            attributes: attributes.collect(),
            ..event()
        };
        assert_eq!(judged(&many, RULES).is_ok(), is_right, "{count}");
    }
    for (seconds, nanos, is_right) in [
        (0, 0, true),
        (*SECONDS.start(), 0, true),
        (SECONDS.start() - 1, 0, false),
        (*SECONDS.end(), 999_999_999, true),
        (SECONDS.end() + 1, 0, false),
        (0, -1, false),
        (0, 1_000_000_000, false),
    ] {
        let time = Attr::CeTimestamp(Timestamp { seconds, nanos });
        let timed = CloudEvent {
            attributes: [attribute("time", time)].into(),
            ..event()
        };
        assert_eq!(judged(&timed, RULES).is_ok(), is_right, "{seconds} {nanos}");
    }
}

#[test]
fn bytes_that_are_no_event_are_no_message() {
    assert!(Message::of(Bytes::from_static(&[0xff, 0xff]), RULES).is_err());
    // Text that is not UTF-8.
    assert!(Message::of(Bytes::from_static(&[0x0a, 1, 0xff]), RULES).is_err());
    assert_eq!(Message::of(Bytes::new(), RULES).unwrap_err().field, "id");
}

/// Makes an event one that is not all that it should be.
type Spoil = fn(&mut CloudEvent);

#[test]
fn strictly_an_event_is_all_that_it_should_be() {
    assert_eq!(judged(&event(), STRICT), Ok(()));
    let wrong: [(&str, Spoil); 9] = [
        ("source", |event| event.source.clear()),
        ("type", |event| event.r#type.clear()),
        ("spec_version", |event| event.spec_version = "0.3".to_owned()),
        ("attributes[\"Upper\"]", |event| {
            event.attributes.extend([attribute("Upper", Attr::CeInteger(1))]);
        }),
        ("attributes[\"type\"]", |event| {
            event
                .attributes
                .extend([attribute("type", Attr::CeString("t".to_owned()))]);
        }),
        ("attributes[\"time\"]", |event| {
            event
                .attributes
                .extend([attribute("time", Attr::CeString("now".to_owned()))]);
        }),
        ("attributes[\"subject\"]", |event| {
            event
                .attributes
                .extend([attribute("subject", Attr::CeString(String::new()))]);
        }),
        ("attributes[\"dataschema\"]", |event| {
            event
                .attributes
                .extend([attribute("dataschema", Attr::CeString("x".to_owned()))]);
        }),
        ("attributes[\"none\"]", |event| {
            event
                .attributes
                .insert("none".to_owned(), CloudEventAttributeValue::default());
        }),
    ];
    for (field, spoil) in wrong {
        let mut event = event();
        spoil(&mut event);
        assert_eq!(judged(&event, RULES), Ok(()), "{field}");
        assert_eq!(judged(&event, STRICT).unwrap_err().0, field);
    }
}

#[test]
fn the_same_is_the_same_in_any_encoding() {
    let message = Message::of(event().encode_to_vec().into(), RULES).unwrap();
    // The fields the other way round: protobuf allows any order.
    let parts = [
        CloudEvent {
            id: String::new(),
            ..event()
        },
        CloudEvent {
            id: "1".to_owned(),
            ..CloudEvent::default()
        },
    ];
    let turned: Vec<u8> = parts.iter().flat_map(CloudEvent::encode_to_vec).collect();
    assert_ne!(message.event, turned);
    assert!(message.is_like(&turned));
    let other = CloudEvent {
        data: Some(Data::TextData("empty".to_owned())),
        ..event()
    };
    assert!(!message.is_like(&other.encode_to_vec()));
    assert!(!message.is_like(&[0xff]));
}
