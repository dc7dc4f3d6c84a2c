//! What a path carries where that is less than our own link does (RFC 1191, RFC 8201).

use crate::Instant;
use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

/// Most destinations remembered at once. A lost entry costs one packet and one ICMP error.
const DESTINATIONS_MAX: usize = 1024;

/// How long an entry holds before the larger size is tried again (RFC 1191 §6.3, RFC 8201 §4).
// Ledger: [1191-5, 8201-3].
const AGE_MAX: Duration = Duration::from_secs(600);

/// No path of IPv6 carries less (RFC 8200 §5).
const MTU_MIN_V6: u16 = 1280;

/// Deviation, RFC 791 §3.2: a path of IPv4 may carry as little as 68 octets, but a report of less than 552 is taken as
/// 552, as Linux does (`min_pmtu`), since forged reports would otherwise make us send crumbs.
const MTU_MIN_V4: u16 = 552;

/// The path MTUs that ICMP has told us of. It only ever lowers an estimate; time raises it again.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathMtu {
    entries: BTreeMap<IpAddr, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    mtu: u16,
    expires_at: Instant,
}

impl PathMtu {
    /// Whether nothing is known: spares looking.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the path to `destination` carries, where it is known to be less than the link.
    pub(crate) fn get(&self, destination: IpAddr, now: Instant) -> Option<u16> {
        self.entries.get(&destination).filter(|entry| entry.expires_at > now).map(|entry| entry.mtu)
    }

    /// Takes note that the path to `destination` carries only `mtu` octets. True when that is news: smaller than what
    /// was known. The caller has checked that the report quotes a packet in flight (RFC 5927 §7).
    /// Ledger: [1191-3, 1191-4, 8201-2, 8201-3, 5927-6, 5927-7].
    pub(crate) fn lower(&mut self, destination: IpAddr, mtu: u16, now: Instant) -> bool {
        // RFC 8201 §4 [8201-1]: no router of IPv6 says that truthfully.
        if destination.is_ipv6() && mtu < MTU_MIN_V6 {
            return false;
        }
        let mtu = mtu.max(MTU_MIN_V4);
        let known = self.get(destination, now);
        if known.is_some_and(|known| known < mtu) {
            return false;
        }
        if !self.entries.contains_key(&destination) {
            self.make_room(now);
        }
        self.entries.insert(destination, Entry { mtu, expires_at: now + AGE_MAX });
        known != Some(mtu)
    }

    /// Forgets what has aged out, and the oldest entry if that is not enough.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < DESTINATIONS_MAX {
            return;
        }
        self.entries.retain(|_, entry| entry.expires_at > now);
        if self.entries.len() >= DESTINATIONS_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.expires_at);
            if let Some(oldest) = oldest.map(|(destination, _)| *destination) {
                self.entries.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AGE_MAX, DESTINATIONS_MAX, PathMtu};
    use crate::Instant;
    use core::net::{IpAddr, Ipv4Addr};
    use core::time::Duration;

    fn v4(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n))
    }

    #[test]
    fn report_of_less_is_news_once_and_report_of_more_never() {
        let mut cache = PathMtu::default();
        let now = Instant::ZERO;
        assert_eq!(cache.get(v4(1), now), None);
        assert!(cache.lower(v4(1), 1400, now));
        assert!(!cache.lower(v4(1), 1400, now));
        assert!(!cache.lower(v4(1), 1500, now));
        assert_eq!(cache.get(v4(1), now), Some(1400));
        assert!(cache.lower(v4(1), 1300, now));
        assert_eq!((cache.get(v4(1), now), cache.get(v4(2), now)), (Some(1300), None));
    }

    // requirement: 1191-3
    // requirement: 8201-2
    #[test]
    fn report_below_the_floor_is_taken_as_the_floor_in_ipv4_and_thrown_away_in_ipv6() {
        let mut cache = PathMtu::default();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert!(cache.lower(v4(1), 68, Instant::ZERO));
        assert_eq!(cache.get(v4(1), Instant::ZERO), Some(552));
        assert!(!cache.lower(v4(1), 0, Instant::ZERO));
        assert!(!cache.lower(v6, 1279, Instant::ZERO));
        assert_eq!(cache.get(v6, Instant::ZERO), None);
        assert!(cache.lower(v6, 1280, Instant::ZERO));
    }

    // requirement: 1191-5
    // requirement: 8201-3
    #[test]
    fn entry_ages_out_after_ten_minutes_and_a_fresh_report_renews_it() {
        let mut cache = PathMtu::default();
        assert!(cache.lower(v4(1), 1400, Instant::ZERO));
        let later = Instant::ZERO + Duration::from_secs(300);
        assert!(!cache.lower(v4(1), 1400, later));
        let old = Instant::ZERO + AGE_MAX;
        assert_eq!(cache.get(v4(1), old), Some(1400));
        assert_eq!(cache.get(v4(1), old + Duration::from_secs(300)), None);
        assert!(cache.lower(v4(1), 1450, old + Duration::from_secs(300)));
    }

    #[test]
    fn oldest_destination_goes_when_the_cache_is_full() {
        let mut cache = PathMtu::default();
        let at = |n: u32| Instant::from_millis(u64::from(n));
        let max = u32::try_from(DESTINATIONS_MAX).unwrap();
        for n in 0..max + 3 {
            assert!(cache.lower(v4(n), 1400, at(n)));
            assert!(cache.entries.len() <= DESTINATIONS_MAX);
        }
        assert_eq!(cache.get(v4(2), at(max)), None);
        assert_eq!(cache.get(v4(3), at(max)), Some(1400));
    }
}
