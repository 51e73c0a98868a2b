//! URLs that mean harm, in the forms that have fooled others.

use crate::{Allowed, Error, Target};
use proptest::prelude::*;

/// Each is refused when it is given.
const REFUSED: &[&str] = &[
    // Loopback, in every form of IPv4.
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://2130706433./",
    "https://0x7f000001/",
    "https://0X7F000001/",
    "https://0x7f.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://00000177.1/",
    "https://127.0.0.1:443/",
    "https://127.255.255.254/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    // Digits and full stops that IDNA turns into ASCII.
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://127．0．0．1/",
    "https://127｡0｡0｡1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://𝟏𝟐𝟕.0.0.1/",
    "https://0ｘ7f.1/",
    "https://12\u{ad}7.0.0.1/",
    "https://12\u{200b}7.0.0.1/",
    // localhost.
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://ⓛocalhost/",
    "https://a.localhost/",
    "https://local%68ost/",
    // Other networks that are not public.
    "https://0.0.0.0/",
    "https://0/",
    "https://10.0.0.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://172.16.0.1/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://4294967295/",
    // IPv6, and IPv4 within it.
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::FFFF:7F00:1]/",
    "https://[0:0:0:0:0:ffff:7f00:1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[2001::1]/",
    "https://[2001:0:7f00:1::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fd20:ce::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[::1",
    "https://::1/",
    "https://[127.0.0.1]/",
    "https://[v1.x]/",
    // Users, and hosts that look like others.
    "https://public.example@127.0.0.1/",
    "https://public.example@public.example/",
    "https://user:hunter2@public.example/",
    "https://@public.example/",
    "https://:@public.example/",
    "https://public.example:80@127.0.0.1/",
    "https://public.example%40127.0.0.1/",
    "https://public.example＠127.0.0.1/",
    "https://127.0.0.1\\@public.example/",
    "https://public.example\\@127.0.0.1/",
    "https:\\\\public.example\\",
    "https:/\\public.example/",
    "https://public.example#@127.0.0.1/",
    "https://public.example/#fragment",
    "https://public.example/#",
    "https://public.example?@x#y",
    // What browsers forgive.
    "https:public.example",
    "https:/public.example/",
    "https:///public.example/",
    "https://///127.0.0.1/",
    "//public.example/",
    "/path",
    "public.example",
    "",
    " https://public.example/",
    "https://public.example/ ",
    "https://public.example/a b",
    "ht\ntps://public.example/",
    "https://127.0.\t0.1/",
    "https://public.example/\r\nHost: x",
    "https://public.example/\0",
    "https://pub\u{2028}lic.example/",
    "https://public.example/\u{a0}",
    // Ports.
    "https://public.example:0/",
    "https://public.example:00/",
    "https://public.example:65536/",
    "https://public.example:-1/",
    "https://public.example:https/",
    "https://public.example:443:80/",
    // Schemes.
    "http://public.example/",
    "HTTP://public.example/",
    "http://8.8.8.8/",
    "http://2130706433/",
    "http://127.0.0.1/",
    "ftp://public.example/",
    "file:///etc/passwd",
    "file://public.example/etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "data:text/plain,x",
    "javascript:alert(1)",
    "ws://public.example/",
    "unix:///run/docker.sock",
    "httpss://public.example/",
    "https+unix://public.example/",
    "blob:https://public.example/",
    "view-source:https://public.example/",
    // No host.
    "https://",
    "https:///",
    "https://:443/",
    "https://?x",
    "https://./",
    "https://../",
    "https://a..b/",
    "https://-/",
    "https://*.example/",
    "https://a_b c/",
    "https://exa$mple.com/",
    "https://1.2.3.4.5/",
    "https://256.0.0.1/",
    "https://public.256/",
    "https://xn--/",
];

/// Each is taken, and goes to this host.
const TAKEN: &[(&str, &str)] = &[
    ("https://public.example/", "public.example"),
    ("https://public.example", "public.example"),
    ("HTTPS://Public.EXAMPLE/", "public.example"),
    ("https://public.example./", "public.example"),
    ("https://public.example:8443/a?b=c", "public.example"),
    ("https://public.example/a@b", "public.example"),
    ("https://public.example?@127.0.0.1/", "public.example"),
    ("https://public.example/@127.0.0.1/", "public.example"),
    ("https://public.example/%0d%0aHost:%20x", "public.example"),
    ("https://127.0.0.1.public.example/", "127.0.0.1.public.example"),
    ("https://localhost.public.example/", "localhost.public.example"),
    ("https://bücher.example/ü", "xn--bcher-kva.example"),
    ("https://a_b.example/", "a_b.example"),
    ("https://8.8.8.8/", "8.8.8.8"),
    ("https://134744072/", "8.8.8.8"),
    ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111"),
    ("https://internal/", "internal"),
];

fn none() -> Allowed {
    Allowed::default()
}

#[test]
fn hostile_urls_are_refused() {
    const { assert!(REFUSED.len() >= 60) };
    for url in REFUSED {
        let error = Target::parse(url, &none()).expect_err(url);
        let Error::Target { wrong, hint } = &error else {
            panic!("{url}: {error}")
        };
        assert!(!wrong.is_empty() && !hint.is_empty(), "{url}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn others_are_taken_as_they_are_read() {
    for (url, host) in TAKEN {
        let target = Target::parse(url, &none()).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(target.host(), *host, "{url}");
        assert!(target.is_https());
        // Read again, the normal form is the same.
        assert_eq!(Target::parse(target.as_str(), &none()).as_ref(), Ok(&target), "{url}");
    }
}

#[test]
fn what_is_allowed_opens_hosts_and_http() {
    let allowed = Allowed::parse([
        "open.example",
        "localhost",
        "127.0.0.1",
        "::1",
        "10.0.0.0/8",
        "0.0.0.0/0",
    ]);
    let allowed = allowed.unwrap();
    for (url, taken) in [
        ("http://open.example/", true),
        ("http://OPEN.example.:8080/", true),
        ("http://localhost/", true),
        ("http://127.0.0.1:5000/", true),
        ("http://2130706433/", true),
        ("http://[::1]/", true),
        ("https://10.1.2.3/", true),
        ("http://8.8.8.8/", true),
        ("http://public.example/", false),
        ("http://a.open.example/", false),
        ("http://[::ffff:127.0.0.1]/", false),
        ("http://[64:ff9b::7f00:1]/", false),
        ("http://169.254.169.254/", false),
        ("https://169.254.169.254/", false),
        ("https://[fe80::1]/", false),
        ("https://[::ffff:a9fe:a9fe]/", false),
        ("https://0.0.0.0/", false),
        ("https://100.100.100.200/", false),
        ("ftp://open.example/", false),
        ("http://user@open.example/", false),
        ("http://open.example:0/", false),
    ] {
        assert_eq!(Target::parse(url, &allowed).is_ok(), taken, "{url}");
    }
}

#[test]
fn a_path_stays_at_its_host() {
    let target = Target::parse("https://public.example:8443/:id?x=y", &none()).unwrap();
    for (path, expected) in [
        ("/a/b?c=d", Some("https://public.example:8443/a/b?c=d")),
        ("/", Some("https://public.example:8443/")),
        ("//evil.example/", Some("https://public.example:8443//evil.example/")),
        ("/@evil.example", Some("https://public.example:8443/@evil.example")),
        ("/a%2Fb", Some("https://public.example:8443/a%2Fb")),
        ("/a?b=../c", Some("https://public.example:8443/a?b=../c")),
        ("/...", Some("https://public.example:8443/...")),
        ("", None),
        ("a", None),
        ("@evil.example/", None),
        (".evil.example/", None),
        ("?a", None),
        ("/../a", None),
        ("/a/..", None),
        ("/./a", None),
        ("/a/%2e%2E/b", None),
        ("/a/.%2e/b?c", None),
        ("/a#b", None),
        ("/a b", None),
        ("/a\\..\\b", None),
        ("/a\r\nHost: x", None),
    ] {
        let found = target.at(path).ok();
        assert_eq!(found.as_ref().map(Target::as_str), expected, "{path:?}");
        assert!(found.is_none_or(|found| found.host() == "public.example"));
    }
}

#[test]
fn a_target_shows_its_host_only() {
    let target = Target::parse("https://hooks.example/services/hunter2?token=hunter2", &none()).unwrap();
    assert_eq!(target.to_string(), "https://hooks.example");
    assert!(!format!("{target:?}").contains("hunter2"));
}

#[test]
fn long_urls_are_refused() {
    let url = |length: usize| format!("https://public.example/{}", "a".repeat(length - 23));
    assert!(Target::parse(&url(2048), &none()).is_ok());
    assert!(Target::parse(&url(2049), &none()).is_err());
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_taken_is_https(text in "(https?://)?[\\PC\\t\\n]{0,40}", path in "/?\\PC{0,20}") {
        if let Ok(target) = Target::parse(&text, &none()) {
            prop_assert!(target.is_https());
            if let Ok(other) = target.at(&path) {
                prop_assert_eq!(other.host(), target.host());
            }
        }
    }

    #[test]
    fn no_number_reaches_what_is_not_public(bits in any::<u32>()) {
        let ip = std::net::Ipv4Addr::from_bits(bits);
        let public = Target::parse(&format!("https://{ip}/"), &none()).is_ok();
        for url in [
            format!("https://{bits}/"),
            format!("https://{bits:#x}/"),
            format!("https://0{bits:o}/"),
            format!("https://{}.{}/", bits >> 24, bits & 0xff_ffff),
        ] {
            let found = Target::parse(&url, &none());
            prop_assert_eq!(found.is_ok(), public, "{}", url);
        }
        let mapped = format!("https://[::ffff:{ip}]/");
        prop_assert!(Target::parse(&mapped, &none()).is_err());
    }
}
