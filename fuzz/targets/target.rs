//! Any text as the URL of a webhook, as what is allowed, and as a header. What is taken is https to a
//! public address, or allowed; a path never leads to another host.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use webhook::{Allowed, Headers, Target};

const SECRET: &str = "hunter2";

fuzz_target!(|text: &str| {
    let none = Allowed::default();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    for url in [
        text.to_owned(),
        format!("https://{text}"),
        format!("https://{first}/{rest}"),
    ] {
        match Target::parse(&url, &none) {
            Ok(target) => {
                assert!(target.is_https());
                assert!(target.host().parse().map_or(true, is_public), "{}", target.host());
                assert_eq!(Target::parse(target.as_str(), &none).as_ref(), Ok(&target));
                if let Ok(other) = target.at(rest) {
                    assert_eq!(other.host(), target.host());
                    assert_eq!(Target::parse(other.as_str(), &none).as_ref(), Ok(&other));
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    if let Err(error) = Target::parse(&format!("https://me:{SECRET}@{text}"), &none) {
        assert!(text.contains(SECRET) || !error.to_string().contains(SECRET), "{error}");
    }
    // The first line is allowed, the rest is the URL.
    if let Ok(allowed) = Allowed::parse([first])
        && let Ok(target) = Target::parse(rest, &allowed)
        && let Ok(ip) = target.host().parse::<IpAddr>()
    {
        assert!(!is_link_local(ip), "{first} opens {ip}");
    }
    if Headers::new([(first, rest)]).is_ok() {
        let name = first.to_ascii_lowercase();
        assert!(!name.starts_with("webhook-") && name != "host" && !rest.contains(['\r', '\n']));
    }
});

/// Judged by the standard library: less than the crate judges, but by other code.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let special = ip.is_private() || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
            !special && !is_link_local(ip.into()) && !ip.is_broadcast() && !ip.is_documentation()
        }
        IpAddr::V6(ip) => ip.segments()[0] >> 13 == 1 && ip.segments()[0] != 0x2002,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4().is_some_and(|ip| ip.is_link_local()),
    }
}
