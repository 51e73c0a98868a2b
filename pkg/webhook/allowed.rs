//! What an operator opens beyond the public internet.

use crate::Error;
use crate::address::{self, Net};
use rustls::pki_types::ServerName;
use std::collections::BTreeSet;
use std::net::IpAddr;
use url::Host;

/// Hosts and networks that an operator opens, by the values of `--allow-target`. A host that is open may
/// have any address, and may be spoken to in plain `http`; so may an address of an open network. Some
/// addresses are never opened: link-local, metadata of clouds, multicast and unspecified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    hosts: BTreeSet<String>,
    nets: Vec<Net>,
}

impl Allowed {
    /// Reads hosts (`hooks.example.com`), addresses (`10.1.2.3`, `::1`) and networks (`10.1.0.0/16`).
    ///
    /// # Errors
    /// [`Error::Allowed`] for the first value that is none of these, or that is never opened.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut allowed = Self::default();
        for value in values {
            allowed.add(value.trim()).map_err(|wrong| Error::Allowed {
                value: value.to_owned(),
                wrong,
            })?;
        }
        Ok(allowed)
    }

    fn add(&mut self, value: &str) -> Result<(), &'static str> {
        if let Some((ip, length)) = value.split_once('/') {
            let ip: IpAddr = bare(ip).parse().map_err(|_| "this is no network")?;
            let length = length.parse().map_err(|_| "this is no network")?;
            let net = Net::of(ip, length).ok_or("the network has more bits than its length says, or too many")?;
            return self.open(net);
        }
        if let Ok(ip) = bare(value).parse() {
            return self.open(Net::alone(ip));
        }
        match Host::parse(value) {
            Ok(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                ServerName::try_from(name).map_err(|_| "this is no name of a host, and a * stands for nothing")?;
                self.hosts.insert(name.to_owned());
                Ok(())
            }
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) => Err("this is an address in an unusual form"),
            Err(_) => Err("this is no host; leave out scheme, port and path"),
        }
    }

    fn open(&mut self, net: Net) -> Result<(), &'static str> {
        if net.is_never() {
            return Err("link-local, metadata, multicast and unspecified addresses are never opened");
        }
        self.nets.push(net);
        Ok(())
    }

    /// Whether a host of this name is open.
    pub(crate) fn opens_host(&self, name: &str) -> bool {
        self.hosts.contains(name)
    }

    /// Whether an address is in an open network, and what it leads to is open as well.
    pub(crate) fn opens(&self, ip: IpAddr) -> bool {
        let inner = address::embedded(ip).map(IpAddr::V4);
        self.nets.iter().any(|net| net.contains(ip))
            && !address::is_never(ip)
            && inner.is_none_or(|inner| address::is_public(inner) || self.opens(inner))
    }

    /// Whether a host's address may be connected to; the host is none where a URL names the address.
    pub(crate) fn permits(&self, host: Option<&str>, ip: IpAddr) -> bool {
        let host_is_open = host.is_some_and(|name| self.opens_host(name));
        (host_is_open && !address::is_never(ip)) || address::is_public(ip) || self.opens(ip)
    }
}

/// An IPv6 address without its brackets.
fn bare(value: &str) -> &str {
    let inner = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hosts_addresses_or_networks() {
        for value in [
            "localhost",
            "Hooks.Example.com.",
            "bücher.example",
            "10.0.0.0/8",
            "10.1.2.3",
            "::1",
            "[::1]",
            "fd00::/8",
            "[fd00::]/8",
            "0.0.0.0/0",
            "64:ff9b::/96",
        ] {
            assert!(Allowed::parse([value]).is_ok(), "{value}");
        }
        for value in [
            "",
            "https://localhost",
            "localhost:8080",
            "localhost/",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "2130706433",
            "0x7f.1",
            "a b",
            "*",
            "*.example",
            ".",
            "a..b",
            "169.254.169.254",
            "169.254.0.0/16",
            "169.254.128.0/17",
            "fe80::/10",
            "fe80::1",
            "ff02::1",
            "0.0.0.0",
            "fd00:ec2::254",
        ] {
            assert!(
                matches!(Allowed::parse(["ok.example", value]), Err(Error::Allowed { .. })),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_open_may_be_connected_to() {
        let allowed = Allowed::parse(["Local.example", "10.1.0.0/16", "64:ff9b::/96", "0.0.0.0/0"]).unwrap();
        let narrow = Allowed::parse(["local.example", "10.1.0.0/16", "64:ff9b::/96", "::/0"]).unwrap();
        for (allowed, host, ip, expected) in [
            (&narrow, None, "8.8.8.8", true),
            (&narrow, None, "127.0.0.1", false),
            (&narrow, Some("local.example"), "127.0.0.1", true),
            (&narrow, Some("local.example"), "::1", true),
            (&narrow, Some("local.example"), "169.254.169.254", false),
            (&narrow, Some("local.example"), "::ffff:169.254.169.254", false),
            (&narrow, Some("local.example"), "fe80::1", false),
            (&narrow, Some("local.example"), "0.0.0.0", false),
            (&narrow, Some("x.local.example"), "127.0.0.1", false),
            (&narrow, Some("any.example"), "10.1.2.3", true),
            (&narrow, Some("any.example"), "10.2.2.3", false),
            (&narrow, None, "64:ff9b::808:808", true),
            (&narrow, None, "64:ff9b::a01:203", true),
            (&narrow, None, "64:ff9b::7f00:1", false),
            (&narrow, None, "64:ff9b::a9fe:a9fe", false),
            (&narrow, None, "::ffff:127.0.0.1", false),
            (&narrow, None, "::ffff:169.254.169.254", false),
            (&narrow, None, "::1", true),
            (&narrow, None, "fe80::1", false),
            (&allowed, None, "127.0.0.1", true),
            (&allowed, None, "169.254.169.254", false),
            (&allowed, None, "224.0.0.1", false),
            (&allowed, None, "::1", false),
        ] {
            assert_eq!(allowed.permits(host, ip.parse().unwrap()), expected, "{host:?} {ip}");
        }
    }
}
