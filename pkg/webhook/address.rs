//! Which addresses are public, by the special-purpose registries of IANA (RFC 6890) and what clouds use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not public.
const SPECIAL_4: [Net; 16] = [
    Net::v4([0, 0, 0, 0], 8),        // this network; 0.0.0.0 is this machine
    Net::v4([10, 0, 0, 0], 8),       // private
    Net::v4([100, 64, 0, 0], 10),    // shared, of carriers
    Net::v4([127, 0, 0, 0], 8),      // loopback
    Net::v4([168, 63, 129, 16], 32), // Azure's services for virtual machines
    Net::v4([169, 254, 0, 0], 16),   // link-local, metadata of clouds
    Net::v4([172, 16, 0, 0], 12),    // private
    Net::v4([192, 0, 0, 0], 24),     // protocol assignments
    Net::v4([192, 0, 2, 0], 24),     // documentation
    Net::v4([192, 88, 99, 0], 24),   // relays of 6to4
    Net::v4([192, 168, 0, 0], 16),   // private
    Net::v4([198, 18, 0, 0], 15),    // benchmarks
    Net::v4([198, 51, 100, 0], 24),  // documentation
    Net::v4([203, 0, 113, 0], 24),   // documentation
    Net::v4([224, 0, 0, 0], 4),      // multicast
    Net::v4([240, 0, 0, 0], 4),      // reserved, broadcast
];

/// The one IPv6 network whose addresses are assigned to the public. Outside are unspecified, loopback,
/// IPv4-mapped and -compatible, NAT64, discard, unique local, link-local, site-local and multicast.
const GLOBAL_6: Net = Net::v6([0x2000, 0, 0, 0], 3);

/// IPv6 networks within it that are not public.
const SPECIAL_6: [Net; 4] = [
    Net::v6([0x2001, 0, 0, 0], 23),     // protocol assignments: Teredo, benchmarks, ORCHID
    Net::v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    Net::v6([0x2002, 0, 0, 0], 16),     // 6to4
    Net::v6([0x3fff, 0, 0, 0], 20),     // documentation
];

/// What no operator can open: link-local, the metadata of clouds (also beyond link-local), and what is no
/// single host.
const NEVER: [Net; 12] = [
    Net::v4([0, 0, 0, 0], 32),
    Net::v4([100, 100, 100, 200], 32), // Alibaba
    Net::v4([168, 63, 129, 16], 32),   // Azure
    Net::v4([169, 254, 0, 0], 16),
    Net::v4([192, 0, 0, 192], 32), // Oracle
    Net::v4([224, 0, 0, 0], 4),
    Net::v4([255, 255, 255, 255], 32),
    Net::v6([0, 0, 0, 0], 128),
    Net::new(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128), // AWS
    Net::new(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),  // Google
    Net::v6([0xfe80, 0, 0, 0], 10),
    Net::v6([0xff00, 0, 0, 0], 8),
];

/// Whether everyone's packets for an address go to the same host of the internet.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => !SPECIAL_4.iter().any(|net| net.contains(ip)),
        IpAddr::V6(_) => GLOBAL_6.contains(ip) && !SPECIAL_6.iter().any(|net| net.contains(ip)),
    }
}

/// Whether an address stays closed with every `Allowed`; an IPv4 address within an IPv6 one counts.
pub(crate) fn is_never(ip: IpAddr) -> bool {
    NEVER.iter().any(|net| net.contains(ip)) || embedded(ip).is_some_and(|inner| is_never(inner.into()))
}

/// The IPv4 address that an IPv6 address leads to, through the machine itself or a gateway.
pub(crate) fn embedded(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let [a, b, c, d, e, f, high, low] = ip.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d] {
        // Unspecified and loopback are addresses of their own.
        [0, 0, 0, 0] if (e, f, high) == (0, 0, 0) && low <= 1 => None,
        // IPv4-compatible, -mapped (::ffff:0:0/96) and -translated (::ffff:0:0:0/96).
        [0, 0, 0, 0] => Some(of(high, low)),
        // NAT64, well-known and local.
        [0x64, 0xff9b, ..] => Some(of(high, low)),
        // Teredo, whose last bits are inverted.
        [0x2001, 0, ..] => Some(of(!high, !low)),
        // 6to4.
        [0x2002, high, low, _] => Some(of(high, low)),
        _ => None,
    }
}

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Net {
    v4: bool,
    /// An IPv4 address is in the first bits.
    bits: u128,
    length: u32,
}

impl Net {
    const fn v4([a, b, c, d]: [u8; 4], length: u32) -> Self {
        let bits = (Ipv4Addr::new(a, b, c, d).to_bits() as u128) << 96;
        Self { v4: true, bits, length }
    }

    const fn v6([a, b, c, d]: [u16; 4], length: u32) -> Self {
        Self::new(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length)
    }

    const fn new(ip: Ipv6Addr, length: u32) -> Self {
        Self {
            v4: false,
            bits: ip.to_bits(),
            length,
        }
    }

    /// The network of so many first bits of an address. None where the address has fewer, or has bits
    /// beyond them.
    pub(crate) fn of(ip: IpAddr, length: u32) -> Option<Self> {
        let (v4, bits, longest) = match ip {
            IpAddr::V4(ip) => (true, u128::from(ip.to_bits()) << 96, 32),
            IpAddr::V6(ip) => (false, ip.to_bits(), 128),
        };
        let net = Self { v4, bits, length };
        (length <= longest && bits & !net.mask() == 0).then_some(net)
    }

    /// The network of an address alone.
    pub(crate) fn alone(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets(), 32),
            IpAddr::V6(ip) => Self::new(ip, 128),
        }
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let (v4, bits) = match ip {
            IpAddr::V4(ip) => (true, u128::from(ip.to_bits()) << 96),
            IpAddr::V6(ip) => (false, ip.to_bits()),
        };
        self.v4 == v4 && (self.bits ^ bits) & self.mask() == 0
    }

    /// Whether nothing in it can ever be opened.
    pub(crate) fn is_never(&self) -> bool {
        let within = |never: &Net| {
            never.v4 == self.v4 && never.length <= self.length && (never.bits ^ self.bits) & never.mask() == 0
        };
        NEVER.iter().any(within)
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - self.length).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_public_or_not_at_their_edges() {
        for (ip, public) in [
            ("0.0.0.0", false),
            ("0.255.255.255", false),
            ("1.1.1.1", true),
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("168.63.129.15", true),
            ("168.63.129.16", false),
            ("169.253.255.255", true),
            ("169.254.169.254", false),
            ("172.15.255.255", true),
            ("172.16.0.0", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.0.0.192", false),
            ("192.0.1.0", true),
            ("192.0.2.1", false),
            ("192.88.99.1", false),
            ("192.168.0.1", false),
            ("192.169.0.0", true),
            ("198.17.255.255", true),
            ("198.18.0.0", false),
            ("198.19.255.255", false),
            ("198.20.0.0", true),
            ("198.51.100.7", false),
            ("203.0.113.7", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("239.255.255.255", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::8.8.8.8", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", false),
            ("::ffff:0:8.8.8.8", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::808:808", false),
            ("64:ff9b:1::1", false),
            ("100::1", false),
            ("1fff:ffff::", false),
            ("2000::", true),
            ("2001::1", false),
            ("2001:2::1", false),
            ("2001:20::1", false),
            ("2001:1ff:ffff::", false),
            ("2001:200::", true),
            ("2001:4860:4860::8888", true),
            ("2001:db7:ffff::", true),
            ("2001:db8::1", false),
            ("2001:db9::", true),
            ("2002:7f00:1::", false),
            ("2002:808:808::", false),
            ("2003::1", true),
            ("2606:4700::1111", true),
            ("2a00::1", true),
            ("3ffe:ffff::", true),
            ("3fff::1", false),
            ("3fff:fff::1", false),
            ("3fff:1000::", true),
            ("4000::", false),
            ("5f00::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }

    #[test]
    fn some_addresses_are_never_opened() {
        for (ip, never) in [
            ("169.254.0.0", true),
            ("169.254.169.254", true),
            ("169.254.255.255", true),
            ("::ffff:169.254.169.254", true),
            ("::169.254.169.254", true),
            ("64:ff9b::a9fe:a9fe", true),
            ("64:ff9b:1::a9fe:a9fe", true),
            ("2002:a9fe:a9fe::1", true),
            ("2001:0:1:2:3:4:5601:5601", true),
            ("fe80::1", true),
            ("febf:ffff::", true),
            ("fd00:ec2::254", true),
            ("fd20:ce::254", true),
            ("100.100.100.200", true),
            ("192.0.0.192", true),
            ("168.63.129.16", true),
            ("0.0.0.0", true),
            ("::", true),
            ("224.0.0.1", true),
            ("255.255.255.255", true),
            ("ff02::1", true),
            ("127.0.0.1", false),
            ("::1", false),
            ("10.0.0.1", false),
            ("fd00::1", false),
            ("240.0.0.1", false),
            ("8.8.8.8", false),
        ] {
            assert_eq!(is_never(ip.parse().unwrap()), never, "{ip}");
        }
    }

    #[test]
    fn a_network_is_its_first_bits() {
        let net = |ip: &str, length| Net::of(ip.parse().unwrap(), length);
        assert!(net("10.1.0.0", 16).unwrap().contains("10.1.255.255".parse().unwrap()));
        assert!(!net("10.1.0.0", 16).unwrap().contains("10.2.0.0".parse().unwrap()));
        assert!(net("0.0.0.0", 0).unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!(!net("0.0.0.0", 0).unwrap().contains("::".parse().unwrap()));
        assert!(net("::", 0).unwrap().contains("ff00::".parse().unwrap()));
        assert_eq!(net("10.1.0.0", 33), None);
        assert_eq!(net("::", 129), None);
        assert_eq!(net("10.1.2.3", 16), None);
        assert_eq!(net("10.1.2.3", 32), Some(Net::alone("10.1.2.3".parse().unwrap())));
        assert!(net("169.254.0.0", 17).unwrap().is_never());
        assert!(!net("169.0.0.0", 8).unwrap().is_never());
    }
}
