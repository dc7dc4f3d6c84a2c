//! An address with the length of its prefix, as in `--address 10.7.0.2/24`, and who else lives in that prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address of a host together with the network it is on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Prefix {
    /// The address.
    pub(crate) address: IpAddr,
    /// Bits of the network part.
    pub(crate) length: u8,
}

impl Prefix {
    /// An IPv4 address of ours.
    pub(crate) const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length }
    }

    /// An IPv6 address of ours, given by its first and last groups.
    pub(crate) const fn v6(first: u16, fourth: u16, last: u16, length: u8) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, fourth, 0, 0, 0, last)), length }
    }

    /// The first address of the prefix that is not this one and may belong to a host: the kernel's end of the link.
    /// `None` where the prefix has room for one host only.
    pub(crate) fn other(&self) -> Option<IpAddr> {
        let width = self.width();
        let last = self.last();
        // Two-address prefixes have neither network nor broadcast address (RFC 3021, RFC 6164).
        let skip = u128::from(self.length + 1 < width);
        let reserved_top = width == 32 && self.length + 1 < width;
        let mut candidates = (self.network()..=last).skip(usize::from(skip == 1)).take(2);
        candidates
            .find(|&bits| bits != self.bits() && !(reserved_top && bits == last))
            .map(|bits| from_bits(self.address, bits))
    }

    /// Whether an address lies in this prefix.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && (self.network()..=self.last()).contains(&bits(address))
    }

    /// Whether any address lies in both prefixes.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    /// The network itself, for messages: `10.7.0.0/24`.
    pub(crate) fn network_name(&self) -> String {
        format!("{}/{}", self.first(), self.length)
    }

    fn first(&self) -> IpAddr {
        from_bits(self.address, self.network())
    }

    fn width(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    fn bits(&self) -> u128 {
        bits(self.address)
    }

    fn host_mask(&self) -> u128 {
        let host_bits = u32::from(self.width() - self.length);
        1u128.checked_shl(host_bits).map_or(u128::MAX, |next| next - 1)
    }

    fn network(&self) -> u128 {
        self.bits() & !self.host_mask()
    }

    fn last(&self) -> u128 {
        self.bits() | self.host_mask()
    }

    /// Says why no host can have this address, if so.
    fn objection(&self) -> Option<&'static str> {
        let address = self.address;
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Some("not an address that a host on a link can have");
        }
        if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            return Some("link-local, which a URL cannot name");
        }
        let wide = self.length + 1 < self.width();
        if wide && self.bits() == self.network() {
            return Some("the address of the network itself");
        }
        if wide && address.is_ipv4() && self.bits() == self.last() {
            return Some("the broadcast address of its network");
        }
        None
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// An address of the family of `like`. For IPv4 only the low 32 bits count.
fn from_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((address, length)) = text.split_once('/') else {
            return Err(format!("'{text}' has no prefix length; write it such as 10.7.0.2/24 or fd07::2/64"));
        };
        let address: IpAddr = address.parse().map_err(|_| format!("'{address}' is not an IP address"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length.parse::<u8>() {
            Ok(length) if (1..=width).contains(&length) => length,
            _ => return Err(format!("'/{length}' is not a prefix length; between 1 and {width}")),
        };
        let prefix = Self { address, length };
        match prefix.objection() {
            Some(why) => Err(format!("{address} is {why}")),
            None => Ok(prefix),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(text: &str) -> Option<String> {
        text.parse::<Prefix>().expect(text).other().map(|address| address.to_string())
    }

    #[test]
    fn the_kernel_gets_the_first_other_address() {
        assert_eq!(other("10.7.0.2/24").as_deref(), Some("10.7.0.1"));
        assert_eq!(other("10.7.0.1/24").as_deref(), Some("10.7.0.2"));
        assert_eq!(other("10.7.0.200/24").as_deref(), Some("10.7.0.1"));
        assert_eq!(other("10.7.0.2/30").as_deref(), Some("10.7.0.1"));
        assert_eq!(other("fd07::2/64").as_deref(), Some("fd07::1"));
        assert_eq!(other("fd07::1/64").as_deref(), Some("fd07::2"));
    }

    #[test]
    fn two_address_prefixes_use_both_and_single_ones_have_no_other() {
        assert_eq!(other("10.0.0.0/31").as_deref(), Some("10.0.0.1"));
        assert_eq!(other("10.0.0.1/31").as_deref(), Some("10.0.0.0"));
        assert_eq!(other("fd00::1/127").as_deref(), Some("fd00::"));
        assert_eq!(other("10.0.0.1/32"), None);
        assert_eq!(other("fd00::1/128"), None);
    }

    #[test]
    fn prefixes_overlap_when_one_holds_the_other() {
        let parse = |text: &str| text.parse::<Prefix>().expect(text);
        assert!(parse("10.7.0.2/24").overlaps(&parse("10.7.0.9/30")));
        assert!(parse("10.7.0.9/30").overlaps(&parse("10.7.0.2/24")));
        assert!(!parse("10.7.0.2/24").overlaps(&parse("10.7.1.2/24")));
        assert!(!parse("10.7.0.2/24").overlaps(&parse("fd07::2/64")));
    }

    #[test]
    fn impossible_addresses_are_refused_with_a_reason() {
        for (text, why) in [
            ("10.7.0.2", "no prefix length"),
            ("10.7.0.2/33", "between 1 and 32"),
            ("10.7.0.2/0", "between 1 and 32"),
            ("fd07::2/129", "between 1 and 128"),
            ("10.7.0/24", "not an IP address"),
            ("10.7.0.0/24", "network itself"),
            ("10.7.0.255/24", "broadcast"),
            ("127.0.0.1/8", "not an address"),
            ("224.0.0.1/4", "not an address"),
            ("fe80::2/64", "link-local"),
        ] {
            let message = text.parse::<Prefix>().unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
