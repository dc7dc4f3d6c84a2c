//! The interfaces of a host: whose address is it, where does it lead, from which address do we speak.

mod set;

use crate::{InterfaceConfig, InterfaceId};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::net::IpAddr;
use set::Set;

/// Smallest MTU of a link that carries IPv6 (RFC 8200 §5), and of one that carries only IPv4 (RFC 791).
const MTU_MIN_V6: u16 = 1280;
const MTU_MIN_V4: u16 = 68;

/// The interfaces of a host, in the order they were added.
#[derive(Clone, Debug)]
pub(crate) struct Interfaces {
    list: Vec<InterfaceConfig>,
    /// The addresses of all interfaces, by family: what every packet is compared with.
    own_v4: Set<u32>,
    own_v6: Set<u128>,
    /// The broadcast addresses of all networks.
    broadcast: Set<u32>,
    /// What an id of another host gets: it leads nowhere.
    nowhere: InterfaceConfig,
}

impl Default for Interfaces {
    fn default() -> Self {
        let nowhere = InterfaceConfig { default_route: false, ..InterfaceConfig::default() };
        Self {
            list: Vec::new(),
            own_v4: Set::default(),
            own_v6: Set::default(),
            broadcast: Set::default(),
            nowhere,
        }
    }
}

impl Interfaces {
    /// Adds an interface. An MTU below what the families on it require is raised to that. A host has at most 65,536
    /// interfaces; one more is not added and gets the last id.
    pub(crate) fn add(&mut self, mut config: InterfaceConfig) -> InterfaceId {
        let has_v6 = config.addresses.iter().any(|(address, _)| address.is_ipv6());
        config.mtu = config.mtu.max(if has_v6 { MTU_MIN_V6 } else { MTU_MIN_V4 });
        let Ok(index) = u16::try_from(self.list.len()) else { return InterfaceId(u16::MAX) };
        for (address, length) in &config.addresses {
            match address {
                IpAddr::V4(v4) => {
                    let own = v4.to_bits();
                    self.own_v4.insert(own);
                    let host_bits = u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
                    // A prefix of 31 bits is a link of two hosts, without broadcast (RFC 3021).
                    if host_bits > 1 {
                        self.broadcast.insert(own | host_bits);
                    }
                }
                IpAddr::V6(v6) => self.own_v6.insert(v6.to_bits()),
            }
        }
        self.list.push(config);
        InterfaceId(index)
    }

    /// The settings of an interface; those of one that leads nowhere for an id of another host.
    pub(crate) fn config(&self, id: InterfaceId) -> &InterfaceConfig {
        self.list.get(id.index()).unwrap_or(&self.nowhere)
    }

    /// Whether there is an interface of this id.
    pub(crate) fn has(&self, id: InterfaceId) -> bool {
        id.index() < self.list.len()
    }

    /// Whether some interface has this address.
    #[inline]
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.own_v4.has(v4.to_bits()),
            IpAddr::V6(v6) => self.own_v6.has(v6.to_bits()),
        }
    }

    /// Whether this interface takes segments for an address that is not ours: it is set to, and one host may have it.
    pub(crate) fn takes_for_all(&self, id: InterfaceId, address: IpAddr) -> bool {
        let one_host = !address.is_unspecified()
            && !address.is_multicast()
            && !address.is_loopback()
            && !self.is_broadcast(address)
            && address.to_canonical() == address;
        self.config(id).any_address && one_host
    }

    /// Whether a packet from another host may come from here: not from an address of ours, nor from the broadcast
    /// address of one of our networks (RFC 1122 §3.2.1.3). What no source may be is refused by `wire::ip::parse`.
    #[inline]
    pub(crate) fn may_be_source(&self, source: IpAddr) -> bool {
        !self.is_local(source) && !self.is_broadcast(source)
    }

    /// Whether an IPv4 packet is for this host, and from where one may come: both questions above at once.
    #[inline]
    pub(crate) fn takes_v4(&self, source: [u8; 4], destination: [u8; 4]) -> bool {
        let (source, destination) = (u32::from_be_bytes(source), u32::from_be_bytes(destination));
        let refused = source == u32::MAX || self.broadcast.has(source) || self.own_v4.has(source);
        self.own_v4.has(destination) && !refused
    }

    /// The same for IPv6.
    #[inline]
    pub(crate) fn takes_v6(&self, source: [u8; 16], destination: [u8; 16]) -> bool {
        self.own_v6.has(u128::from_be_bytes(destination)) && !self.own_v6.has(u128::from_be_bytes(source))
    }

    /// Whether this is the limited broadcast address or that of one of our networks. IPv6 has none.
    #[inline]
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        let IpAddr::V4(v4) = address else { return false };
        v4.is_broadcast() || self.broadcast.has(v4.to_bits())
    }

    /// The interface that leads to `destination`: the longest of the prefixes that contain it, else the first with a
    /// default route and an address of that family.
    pub(crate) fn route(&self, destination: IpAddr) -> Option<InterfaceId> {
        if destination.is_unspecified() || destination.is_loopback() {
            return None;
        }
        let mut best: Option<(u8, InterfaceId)> = None;
        for (id, config) in self.iter() {
            for (address, length) in &config.addresses {
                let on_link =
                    common_bits(*address, destination) >= *length && same_family(*address, destination);
                if on_link && best.is_none_or(|(longest, _)| *length > longest) {
                    best = Some((*length, id));
                }
            }
        }
        let best = best.map(|(_, id)| id);
        // A link-local destination is on a link or nowhere.
        if best.is_some() || scope(destination) == Scope::Link {
            return best;
        }
        self.iter().find(|(_, config)| config.default_route && speaks(config, destination)).map(|(id, _)| id)
    }

    /// How to speak to `destination`: through which interface, and from which of its addresses (RFC 6724 §5, rules 2
    /// and 8: matching scope, then longest common prefix; the first of equals).
    #[inline]
    pub(crate) fn source_for(&self, destination: IpAddr) -> Option<(InterfaceId, IpAddr)> {
        self.only_source_for(destination).or_else(|| self.best_source_for(destination))
    }

    /// The same of a host with one address, where there is nothing to choose; `None` where one must look closer.
    #[inline]
    fn only_source_for(&self, destination: IpAddr) -> Option<(InterfaceId, IpAddr)> {
        let IpAddr::V4(to) = destination else { return None };
        let [InterfaceConfig { addresses, .. }] = &*self.list else { return None };
        let [(IpAddr::V4(own), length)] = **addresses else { return None };
        let on_link = (own.to_bits() ^ to.to_bits()).leading_zeros() >= u32::from(length);
        (on_link && !to.is_loopback() && !to.is_unspecified()).then_some((InterfaceId(0), own.into()))
    }

    #[inline(never)]
    fn best_source_for(&self, destination: IpAddr) -> Option<(InterfaceId, IpAddr)> {
        let id = self.route(destination)?;
        let candidates =
            self.config(id).addresses.iter().filter(|(address, _)| same_family(*address, destination));
        let best = candidates.reduce(|best, next| {
            let better = compare_sources(*next, *best, destination) == Ordering::Greater;
            if better { next } else { best }
        })?;
        Some((id, best.0))
    }

    fn iter(&self) -> impl Iterator<Item = (InterfaceId, &InterfaceConfig)> {
        (0..=u16::MAX).map(InterfaceId).zip(&self.list)
    }
}

fn speaks(config: &InterfaceConfig, destination: IpAddr) -> bool {
    config.addresses.iter().any(|(own, _)| same_family(*own, destination))
}

const fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

/// How many leading bits two addresses share; zero across families.
fn common_bits(a: IpAddr, b: IpAddr) -> u8 {
    let bits = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    };
    u8::try_from(bits).unwrap_or(u8::MAX)
}

/// How far an address reaches (RFC 6724 §3.1), smallest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Scope {
    Link,
    Site,
    Global,
}

fn scope(address: IpAddr) -> Scope {
    match address {
        IpAddr::V4(v4) if v4.is_link_local() || v4.is_loopback() => Scope::Link,
        IpAddr::V4(_) => Scope::Global,
        IpAddr::V6(v6) => match v6.octets() {
            [0xff, flags_and_scope, ..] => match flags_and_scope & 0x0f {
                0..=2 => Scope::Link,
                3..=5 => Scope::Site,
                _ => Scope::Global,
            },
            [0xfe, second, ..] if second & 0xc0 == 0x80 => Scope::Link,
            [0xfe, second, ..] if second & 0xc0 == 0xc0 => Scope::Site,
            _ if v6.is_loopback() => Scope::Link,
            _ => Scope::Global,
        },
    }
}

/// `Greater` when `a` suits `destination` better than `b`.
fn compare_sources(a: (IpAddr, u8), b: (IpAddr, u8), destination: IpAddr) -> Ordering {
    let (scope_a, scope_b, wanted) = (scope(a.0), scope(b.0), scope(destination));
    // Rule 2: the smallest scope that reaches; failing that, the largest.
    let by_scope = match scope_a.cmp(&scope_b) {
        Ordering::Less if scope_a < wanted => Ordering::Less,
        Ordering::Less => Ordering::Greater,
        Ordering::Greater if scope_b < wanted => Ordering::Greater,
        Ordering::Greater => Ordering::Less,
        Ordering::Equal => Ordering::Equal,
    };
    // Rule 8: the longest prefix in common, no longer than the prefix of the source (RFC 6724 §2.2).
    let common = |(address, length): (IpAddr, u8)| common_bits(address, destination).min(length);
    by_scope.then_with(|| common(a).cmp(&common(b)))
}

#[cfg(test)]
mod tests {
    use super::Interfaces;
    use crate::{InterfaceConfig, InterfaceId};
    use alloc::vec::Vec;
    use core::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn config(addresses: &[(&str, u8)], default_route: bool) -> InterfaceConfig {
        let addresses: Vec<_> = addresses.iter().map(|(address, length)| (ip(address), *length)).collect();
        InterfaceConfig { addresses, default_route, ..InterfaceConfig::default() }
    }

    fn two() -> Interfaces {
        let mut interfaces = Interfaces::default();
        interfaces.add(config(&[("10.7.0.2", 24), ("fd07::2", 64), ("fe80::2", 64)], true));
        interfaces.add(config(&[("10.0.0.9", 8), ("192.0.2.1", 31), ("2001:db8::9", 32)], false));
        interfaces
    }

    #[test]
    fn longest_prefix_wins_over_order_and_over_default_routes() {
        let interfaces = two();
        assert_eq!(interfaces.route(ip("10.7.0.99")), Some(InterfaceId(0)));
        assert_eq!(interfaces.route(ip("10.8.0.99")), Some(InterfaceId(1)));
        assert_eq!(interfaces.route(ip("2001:db8:ffff::1")), Some(InterfaceId(1)));
        assert_eq!(interfaces.route(ip("8.8.8.8")), Some(InterfaceId(0)));
        assert_eq!(interfaces.route(ip("2a00::1")), Some(InterfaceId(0)));
    }

    #[test]
    fn default_route_needs_an_address_of_the_family() {
        let mut interfaces = Interfaces::default();
        interfaces.add(config(&[("10.7.0.2", 24)], true));
        assert_eq!(interfaces.route(ip("2a00::1")), None);
        interfaces.add(config(&[("fd07::2", 64)], true));
        assert_eq!(interfaces.route(ip("2a00::1")), Some(InterfaceId(1)));
        assert_eq!(interfaces.route(ip("8.8.8.8")), Some(InterfaceId(0)));
    }

    #[test]
    fn prefix_of_zero_bits_matches_its_own_family_only() {
        let mut interfaces = Interfaces::default();
        interfaces.add(config(&[("10.7.0.2", 0)], false));
        assert_eq!(interfaces.route(ip("8.8.8.8")), Some(InterfaceId(0)));
        assert_eq!(interfaces.route(ip("2a00::1")), None);
    }

    #[test]
    fn nothing_leads_to_unspecified_loopback_or_foreign_link_local_addresses() {
        let mut interfaces = two();
        for nowhere in ["0.0.0.0", "::", "127.0.0.1", "::1", "169.254.1.1"] {
            assert_eq!(interfaces.route(ip(nowhere)), None, "{nowhere}");
        }
        assert_eq!(interfaces.route(ip("fe80::77")), Some(InterfaceId(0)));
        interfaces = Interfaces::default();
        assert_eq!(interfaces.route(ip("8.8.8.8")), None);
    }

    #[test]
    fn source_has_the_scope_of_the_destination_then_the_longest_common_prefix() {
        let interfaces = two();
        let source = |to: &str| interfaces.source_for(ip(to)).map(|(id, address)| (id.0, address));
        assert_eq!(source("fe80::77"), Some((0, ip("fe80::2"))));
        assert_eq!(source("fd07::77"), Some((0, ip("fd07::2"))));
        assert_eq!(source("2a00::1"), Some((0, ip("fd07::2"))));
        assert_eq!(source("ff02::1"), None, "multicast on a link needs to be told which");
        assert_eq!(source("10.7.0.1"), Some((0, ip("10.7.0.2"))));
        assert_eq!(source("192.0.2.0"), Some((1, ip("192.0.2.1"))));
        let mut many = Interfaces::default();
        many.add(config(
            &[("fe80::1", 64), ("2001:db8:1::1", 64), ("2001:db8:2::1", 64), ("10.0.0.1", 8)],
            true,
        ));
        let source = |to: &str| many.source_for(ip(to)).map(|(_, address)| address);
        assert_eq!(source("2001:db8:2::77"), Some(ip("2001:db8:2::1")));
        assert_eq!(source("2a00::1"), Some(ip("2001:db8:1::1")), "the first of equals");
    }

    #[test]
    fn one_address_is_the_source_where_the_search_finds_it() {
        for length in [0, 8, 24, 31, 32, 200] {
            for (own, default_route) in
                [("10.7.0.2", true), ("10.7.0.2", false), ("169.254.1.2", true), ("fd07::2", true)]
            {
                let mut one = Interfaces::default();
                one.add(config(&[(own, length)], default_route));
                for to in [
                    "10.7.0.2",
                    "10.7.0.1",
                    "8.8.8.8",
                    "0.0.0.0",
                    "127.0.0.1",
                    "169.254.1.1",
                    "fd07::1",
                    "::",
                ] {
                    assert_eq!(one.source_for(ip(to)), one.best_source_for(ip(to)), "{own}/{length} to {to}");
                }
            }
        }
    }

    #[test]
    fn an_address_belongs_to_the_host() {
        let interfaces = two();
        assert!(interfaces.is_local(ip("192.0.2.1")) && !interfaces.is_local(ip("192.0.2.0")));
    }

    #[test]
    fn own_and_broadcast_addresses_cannot_be_the_source_of_what_arrives() {
        let interfaces = two();
        for address in ["10.7.0.2", "fd07::2", "10.7.0.255", "10.255.255.255", "255.255.255.255"] {
            assert!(!interfaces.may_be_source(ip(address)), "{address}");
        }
        for address in ["10.7.0.1", "192.0.2.0", "10.7.1.255", "fd07::ffff:ffff:ffff:ffff"] {
            assert!(interfaces.may_be_source(ip(address)), "{address}");
        }
    }

    #[test]
    fn mtu_is_raised_to_what_the_families_require() {
        let mut interfaces = Interfaces::default();
        let v6 = interfaces.add(InterfaceConfig { mtu: 576, ..config(&[("fd07::2", 64)], true) });
        let v4 = interfaces.add(InterfaceConfig { mtu: 9, ..config(&[("10.7.0.2", 24)], true) });
        assert_eq!((interfaces.config(v6).mtu, interfaces.config(v4).mtu), (1280, 68));
        assert!(!interfaces.config(InterfaceId(9)).default_route);
    }
}
