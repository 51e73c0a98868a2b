//! Tests of tokens. The fixed ones were computed without this code, by Python's hmac:
//!
//! ```python
//! import base64, hashlib, hmac
//! b = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
//! def token(header, claims, secret=b"a secret of the forerunner, 40 bytes long", digest=hashlib.sha256):
//!     signed = b(header.encode()) + "." + b(claims.encode())
//!     return signed + "." + b(hmac.new(secret, signed.encode(), digest).digest())
//! ```

use super::*;
use proptest::prelude::*;

const SECRET: &str = "a secret of the forerunner, 40 bytes long";
const NOW: f64 = 1_800_000_000.0;
const JWT: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// `token('{"alg":"HS256","typ":"JWT"}', '{}')`
const PLAIN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.1_mO6W9FaCKzUOKIayyHPGoWb7rMcoZIMQr_sRhM9N4";
/// Claims `{"Author":"the old client"}`.
const FORERUNNER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJBdXRob3IiOiJ0aGUgb2xkIGNsaWVudCJ9.cHKhaDZZx8mNx1QTEELuI9J72MpSw3ZgnrGlxBdaujU";
/// Claims `{"sub":"lada","exp":1900000000,"nbf":1700000000.5,"topics":["trips.*","t1"]}`.
const FULL: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJsYWRhIiwiZXhwIjoxOTAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAuNSwidG9waWNzIjpbInRyaXBzLioiLCJ0MSJdfQ.sSg19qbac-1CDGouPvMo7w6uTpvxzu8RQBUY3a-d1tM";
/// Header `{"typ":"JWT","alg":"HS256","kid":"7"}`, claims `{"author":"niva","sub":"lada"}`.
const OTHER_HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6IjcifQ.eyJhdXRob3IiOiJuaXZhIiwic3ViIjoibGFkYSJ9.ymVa2DV4gbQf_QSF4zrtzRKq5ZCSt-iiibUgxEPtCW0";
/// Header `{"alg":"HS256"}`, claims `{"author":"niva"}`.
const UNTYPED: &str = "eyJhbGciOiJIUzI1NiJ9.eyJhdXRob3IiOiJuaXZhIn0.CqMER-8f0Cnw25fKFekH_Cgokqq2cej-ofEWIUS1oeU";
/// As [`PLAIN`], with the secret `another secret`.
const OTHER_SECRET: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.S0Fv8VE_PqpciQSNSBOFUzqVICoWdAXwliNWIc5x4Hk";
/// Header `{"alg":"HS512","typ":"JWT"}`, signed with SHA-512.
const HS512: &str = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.e30.E0Tl4TTTyM9cYnrT0KrEdXFPyViYKmt8CnoZMZ4xEvVrlIQMWScBs676m43nBiIQIoTmkhyL3NoymSnlEfBaxg";
/// Header `{"alg":"none","typ":"JWT"}`, without a signature.
const NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.";

fn verifier(require_exp: bool) -> Verifier {
    Verifier::new(&SECRET.into(), require_exp)
}

fn verify(token: &str) -> Result<Claims, Refused> {
    verifier(false).verify(&format!("Bearer {token}"), NOW)
}

/// Signs what a test needs.
fn signed(header: &str, claims: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
    )
}

fn claims(json: &str) -> Result<Claims, Refused> {
    verify(&signed(JWT, json.as_bytes()))
}

#[test]
fn tokens_of_others_are_understood() {
    let author = |token| verify(token).unwrap().author;
    assert_eq!(author(PLAIN), None);
    assert_eq!(author(FORERUNNER).as_deref(), Some("the old client"));
    assert_eq!(author(FULL).as_deref(), Some("lada"));
    assert_eq!(author(OTHER_HEADER).as_deref(), Some("niva"));
    assert_eq!(author(UNTYPED).as_deref(), Some("niva"));
    assert_eq!(signed(JWT, b"{}"), PLAIN);
}

#[test]
fn the_scheme_has_any_case() {
    for scheme in ["Bearer", "bearer", "BEARER", "bEARER "] {
        assert!(
            verifier(false).verify(&format!("{scheme} {PLAIN}"), NOW).is_ok(),
            "{scheme}"
        );
    }
    let basic = format!("Basic {PLAIN}");
    let joined = format!("Bearer{PLAIN}");
    for missing in [&*basic, &joined, PLAIN, "", "Bearer"] {
        assert_eq!(verifier(false).verify(missing, NOW), Err(Refused::Missing), "{missing}");
    }
}

#[test]
fn hostile_tokens_are_refused() {
    let parts: Vec<&str> = PLAIN.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    let of = |header: &str| signed(header, b"{}");
    // Both texts decode to the same bytes in a decoder that ignores trailing bits.
    let trailing = format!("{header}.{body}.{}5", &signature[..signature.len() - 1]);
    let cases = [
        (NONE.to_owned(), Refused::Algorithm),
        (HS512.to_owned(), Refused::Algorithm),
        (OTHER_SECRET.to_owned(), Refused::Signature),
        (of(r#"{"alg":"none","typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"alg":"RS256","typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"alg":"hs256","typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"alg":"HS256 ","typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"alg":"HS256\u0000","typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"alg":["HS256"],"typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"alg":null,"typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"Alg":"HS256","typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"typ":"JWT"}"#), Refused::Algorithm),
        (of(r#"{"alg":"HS256","alg":"none","typ":"JWT"}"#), Refused::Header),
        (of(r#"{"alg":"none","ALG":"HS256","typ":"JWT"}"#), Refused::Header),
        (of(r#"{"alg":"HS256","typ":null}"#), Refused::Header),
        (of(r#"{"alg":"HS256","Typ":"JWT"}"#), Refused::Header),
        (of(r#"{"alg":"HS256","typ":""}"#), Refused::Header),
        (of(r#"{"alg":"HS256","typ":"JWE"}"#), Refused::Header),
        (of(r#"{"alg":"HS256","typ":1}"#), Refused::Header),
        (of(r#"["HS256","JWT"]"#), Refused::Header),
        (of(""), Refused::Header),
        (of(r#"{"alg":"HS256","typ":"JWT","crit":["exp"]}"#), Refused::Critical),
        (of(r#"{"alg":"HS256","typ":"JWT","crit":[]}"#), Refused::Critical),
        (of(r#"{"alg":"HS256","typ":"JWT","Crit":null}"#), Refused::Critical),
        (format!("{header}.{body}"), Refused::Form),
        (format!("{header}.{body}.{signature}."), Refused::Form),
        (format!("{header}.{body}.{signature}.{signature}"), Refused::Form),
        (format!(".{header}.{body}.{signature}"), Refused::Form),
        (format!("{header}.{body}."), Refused::Signature),
        (format!("{header}..{signature}"), Refused::Signature),
        (format!(".{body}.{signature}"), Refused::Header),
        ("..".to_owned(), Refused::Header),
        (".".to_owned(), Refused::Form),
        (String::new(), Refused::Form),
        (format!("{PLAIN}="), Refused::Form),
        (format!("{header}=.{body}.{signature}"), Refused::Form),
        (format!("{header}.{body}=.{signature}"), Refused::Form),
        (trailing, Refused::Form),
        (
            format!("{header}.{body}.{}", signature.replace('_', "/")),
            Refused::Form,
        ),
        (format!("{header}.{body}.{signature}\n"), Refused::Form),
        (format!("{header}.{body} .{signature}"), Refused::Form),
        (format!("{header}.{body}.é"), Refused::Form),
        (format!("{PLAIN} {PLAIN}"), Refused::Form),
        (format!("{header}.{}.{signature}", "e30A".repeat(4096)), Refused::Form),
        (format!("{header}.e30g.{signature}"), Refused::Signature),
        (format!("{header}.{body}.{}", &signature[..40]), Refused::Signature),
        (signed(JWT, b""), Refused::Claims),
        (signed(JWT, b"[]"), Refused::Claims),
        (signed(JWT, b"{}{}"), Refused::Claims),
        (signed(JWT, b"{\"author\":\"\xff\"}"), Refused::Claims),
        (signed(JWT, "[".repeat(5000).as_bytes()), Refused::Claims),
    ];
    for (token, reason) in cases {
        assert_eq!(verify(&token), Err(reason), "{token}");
    }
}

#[test]
fn dates_are_judged_with_a_leeway() {
    for (json, expected) in [
        (r#"{"exp":1800000000}"#, None),
        (r#"{"exp":1799999940.5}"#, None),
        (r#"{"exp":1799999940}"#, Some(Refused::Expired)),
        (r#"{"EXP":1799999940}"#, Some(Refused::Expired)),
        (r#"{"exp":0}"#, Some(Refused::Expired)),
        (r#"{"exp":-1e300}"#, Some(Refused::Expired)),
        (r#"{"exp":1e300,"nbf":-1}"#, None),
        (r#"{"exp":null}"#, None),
        (r#"{"nbf":1800000060}"#, None),
        (r#"{"nbf":1800000060.5}"#, Some(Refused::Early)),
        (r#"{"Nbf":18446744073709551615}"#, Some(Refused::Early)),
        (r#"{"iat":9e99}"#, None),
        (r#"{"exp":"1900000000"}"#, Some(Refused::Claims)),
        (r#"{"exp":1e400}"#, Some(Refused::Claims)),
        (r#"{"exp":true}"#, Some(Refused::Claims)),
        (r#"{"exp":[1900000000]}"#, Some(Refused::Claims)),
        (r#"{"exp":1,"Exp":1900000000}"#, Some(Refused::Claims)),
    ] {
        assert_eq!(claims(json).err(), expected, "{json}");
    }
    let strict = |token: &str| verifier(true).verify(&format!("Bearer {token}"), NOW).err();
    assert_eq!(strict(FORERUNNER), Some(Refused::Endless));
    assert_eq!(strict(&signed(JWT, br#"{"exp":null}"#)), Some(Refused::Endless));
    assert_eq!(strict(FULL), None);
}

#[test]
fn authors() {
    for (json, expected) in [
        (r#"{"author":"a","sub":"b"}"#, Ok(Some("a"))),
        (r#"{"AUTHOR":"a"}"#, Ok(Some("a"))),
        (r#"{"author":"","sub":"b"}"#, Ok(Some("b"))),
        (r#"{"author":null,"Sub":"b"}"#, Ok(Some("b"))),
        (r#"{"author":1}"#, Err(Refused::Claims)),
        (r#"{"sub":{}}"#, Err(Refused::Claims)),
        (r#"{"author":"a\u0000b"}"#, Err(Refused::Claims)),
        (r#"{"author":"\ud800"}"#, Err(Refused::Claims)),
        (r#"{"author":"a","Author":"b"}"#, Err(Refused::Claims)),
    ] {
        let author = claims(json).map(|claims| claims.author);
        assert_eq!(author, expected.map(|name| name.map(str::to_owned)), "{json}");
    }
    let long = |length: usize| claims(&format!(r#"{{"sub":"{}"}}"#, "x".repeat(length)));
    assert!(long(256).is_ok() && long(257).is_err());
}

#[test]
fn topics_restrict() {
    let full = verify(FULL).unwrap();
    for (topic, expected) in [
        ("t1", true),
        ("trips.", true),
        ("trips.lada", true),
        ("trips", false),
        ("T1", false),
    ] {
        assert_eq!(full.allow(topic), expected, "{topic}");
    }
    assert!(verify(PLAIN).unwrap().allow("any"));
    assert!(!claims(r#"{"topics":[]}"#).unwrap().allow("any"));
    assert!(claims(r#"{"Topics":["*"]}"#).unwrap().allow("any"));
    for malformed in [
        r#"{"topics":null}"#,
        r#"{"topics":"*"}"#,
        r#"{"topics":[1]}"#,
        r#"{"topics":{}}"#,
    ] {
        assert_eq!(claims(malformed), Err(Refused::Claims), "{malformed}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_taken_and_nothing_else_like_it(
        author in "[a-z]{1,12}",
        at in any::<prop::sample::Index>(),
        with in prop::sample::select(b"AZaz09-_.=+/ ".to_vec()),
    ) {
        let token = signed(JWT, format!(r#"{{"author":"{author}"}}"#).as_bytes());
        prop_assert_eq!(verify(&token).unwrap().author, Some(author));
        let mut other = token.clone().into_bytes();
        let at = at.index(other.len());
        other[at] = with;
        let other = String::from_utf8(other).unwrap();
        // Blanks around a token are not part of it.
        prop_assert_eq!(verify(&other).is_ok(), other.trim_matches(' ') == token);
        prop_assert!(verify(&token[..at]).is_err());
    }

    #[test]
    fn no_text_panics(text in ".{0,200}", header in ".{0,40}", json in ".{0,40}") {
        prop_assert!(verify(&text).is_err());
        let _ = verifier(true).verify(&text, f64::NAN);
        let _ = verify(&signed(&header, json.as_bytes()));
        let _ = claims(&json);
    }
}
