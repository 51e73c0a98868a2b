//! Signatures of other makers' libraries, and the secrets of known keys.

use super::*;

/// Secret, id, timestamp, body and signature, by the `standardwebhooks` libraries for Python (1.1.0) and
/// JavaScript (1.1.1), which agree. The first secret and id are those of their own tests.
const SIGNED: [(&str, &str, u64, &str, &str); 12] = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        "{\"test\": 2432232314}",
        "v1,q6KMVIJHk4Gs770FfR5f591Ftx7uVJSGl5wHV1ri978=",
    ),
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1_649_367_553,
        "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
        "v1,IdrjLFzdDNp9vd3vY5C8xCk8gksUo8CVZch7aU4Ongc=",
    ),
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw",
        "mine-7",
        0,
        "",
        "v1,wt7WTMYlb4lwdK86mkO7YFZs7XcUjNIYW+yWKxU2Bq8=",
    ),
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw",
        "0190163d-8694-7c6c-9b5a-2c1f9d3b8e11",
        1_900_000_000,
        "naïve ☃ 🚗\n",
        "v1,qugPyho5YaSejkhTpddEO2znIIqWrea0OlaNRIhdwf8=",
    ),
    (
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        "{\"test\": 2432232314}",
        "v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI=",
    ),
    (
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1_649_367_553,
        "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
        "v1,H+RYDKli6ntvOIETWqflVRK+UIsRWejzXbFSJBJuEmc=",
    ),
    (
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "mine-7",
        0,
        "",
        "v1,cnKEK63ajKg2LaC9N8LNDpoaI/kKXq3OZK5g4OaztfU=",
    ),
    (
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "0190163d-8694-7c6c-9b5a-2c1f9d3b8e11",
        1_900_000_000,
        "naïve ☃ 🚗\n",
        "v1,D+AoNyFzUxWWstslLwrh0gxjKRfOXeks0bkwXXDSTeo=",
    ),
    (
        "whsec_/////////////////////////////////////////////////////////////////////////////////////w==",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        "{\"test\": 2432232314}",
        "v1,fZzVah3ZS2EUoPgmc3YYVtCEN0N+r1230ukKyDe3eWE=",
    ),
    (
        "whsec_/////////////////////////////////////////////////////////////////////////////////////w==",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1_649_367_553,
        "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
        "v1,8KE7yLY1JchydlKhbc9e13ECkKzYCZLHU4dupUg7/vs=",
    ),
    (
        "whsec_/////////////////////////////////////////////////////////////////////////////////////w==",
        "mine-7",
        0,
        "",
        "v1,Vx1SWx+rPd9pXQk0/2W/1geS7aj7MgyVhymK9IbVrSY=",
    ),
    (
        "whsec_/////////////////////////////////////////////////////////////////////////////////////w==",
        "0190163d-8694-7c6c-9b5a-2c1f9d3b8e11",
        1_900_000_000,
        "naïve ☃ 🚗\n",
        "v1,T3WtpPa85WQxDGyN2LVGi5ACZLyOFufT2J3qG8/8FnA=",
    ),
];

fn secret(text: &str) -> Secret {
    let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap()).unwrap();
    Secret(bytes.into())
}

fn keys(current: &str, previous: Option<&str>) -> Keys {
    Keys::new(current.to_owned().into(), previous.map(|key| key.to_owned().into())).unwrap()
}

fn texts(secrets: &[Secret]) -> Vec<String> {
    let texts = secrets.iter().map(|secret| secret.text().expose_secret().to_owned());
    texts.collect()
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "another key of thirty-two bytes!!";

#[test]
fn other_libraries_sign_the_same() {
    for (text, id, timestamp, body, expected) in SIGNED {
        let secret = secret(text);
        assert_eq!(secret.text().expose_secret(), text);
        let signature = Signature::new([&secret], id, timestamp, body.as_bytes()).unwrap();
        assert_eq!(signature.value(), expected, "{text} {id}");
        assert_eq!(signature.id, id);
        assert_eq!(signature.timestamp, timestamp.to_string().as_str());
    }
}

#[test]
fn what_other_libraries_signed_is_verified() {
    for (text, id, timestamp, body, signature) in SIGNED {
        let (secret, timestamp) = (Secret::parse(text).unwrap(), timestamp.to_string());
        let verifies = |signature: &str, body: &str| secret.verifies(signature, id, &timestamp, body.as_bytes());
        assert!(verifies(signature, body), "{text} {id}");
        assert!(verifies(&format!("v1a,AAAA v1,AAAA {signature}"), body));
        for wrong in [
            "",
            "v1,",
            &signature[3..],
            &signature.replace("v1,", "v2,"),
            &format!("x{signature}"),
        ] {
            assert!(!verifies(wrong, body), "{wrong}");
        }
        assert!(!verifies(signature, &format!("{body} ")));
        assert!(!secret.verifies(signature, id, "1", body.as_bytes()));
        assert!(!secret.verifies(signature, "other", &timestamp, body.as_bytes()));
    }
    for text in ["", "whsec_", "AAAA", "whsec_!"] {
        assert!(Secret::parse(text).is_none(), "{text}");
    }
}

#[test]
fn a_rotation_signs_with_both() {
    let (_, id, timestamp, body, first) = SIGNED[0];
    let (.., second) = SIGNED[4];
    let secrets = [secret(SIGNED[0].0), secret(SIGNED[4].0)];
    let signature = Signature::new(&secrets, id, timestamp, body.as_bytes()).unwrap();
    assert_eq!(signature.value(), format!("{first} {second}").as_str());
}

#[test]
fn a_secret_belongs_to_key_subscription_and_generation() {
    let made = |key, subscription, generation| texts(&keys(key, None).secrets(subscription, generation)).remove(0);
    let one = made(KEY, [1; 16], 1);
    assert_eq!(one, made(KEY, [1; 16], 1));
    // Made by another HKDF. Receivers know their secrets, so this must never change.
    assert_eq!(one, "whsec_jBQylkZpeUJvJFjkzrPv3K1bg8rox8phT/tqljobTAg=");
    let others = [
        made(OTHER, [1; 16], 1),
        made(KEY, [2; 16], 1),
        made(KEY, [1; 16], 2),
        made(KEY, [1; 16], 256),
    ];
    for (index, other) in others.iter().enumerate() {
        assert_ne!(*other, one);
        assert!(!others[..index].contains(other));
        let bytes = STANDARD.decode(other.strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(bytes.len(), 32);
    }
}

#[test]
fn two_keys_make_two_secrets_the_current_first() {
    let both = texts(&keys(OTHER, Some(KEY)).secrets([1; 16], 1));
    let one = texts(&keys(OTHER, None).secrets([1; 16], 1));
    let previous = texts(&keys(KEY, None).secrets([1; 16], 1));
    assert_eq!(both, [one, previous].concat());
}

#[test]
fn bad_keys_and_ids_are_refused() {
    let short = Keys::new("0123456789abcdef0123456789abcde".to_owned().into(), None);
    assert!(matches!(short, Err(Error::Key(_))));
    let short = Keys::new(KEY.to_owned().into(), Some("short".to_owned().into()));
    assert!(matches!(short, Err(Error::Key(_))));
    let secrets = keys(KEY, None).secrets([1; 16], 1);
    for id in ["", "a.b", "a b", "a\n", "é", &"a".repeat(65)] {
        assert!(
            matches!(Signature::new(&secrets, id, 1, b""), Err(Error::Request(_))),
            "{id:?}"
        );
    }
    assert!(matches!(Signature::new(&[], "a", 1, b""), Err(Error::Request(_))));
    assert!(Signature::new(&secrets, &"a".repeat(64), u64::MAX, b"").is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let keys = keys(KEY, Some(OTHER));
    let secrets = keys.secrets([1; 16], 1);
    let shown = format!("{keys:?} {secrets:?} {:?}", secrets[0].text());
    for hidden in [KEY, OTHER, "whsec_", &texts(&secrets)[0][6..]] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    let first = secrets[0].0.expose_secret()[..4].iter().map(u8::to_string);
    assert!(!shown.contains(&first.collect::<Vec<_>>().join(", ")), "{shown}");
}
