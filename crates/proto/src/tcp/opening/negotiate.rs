//! What the options of the two SYNs add up to.

use crate::Instant;
use crate::tcp::config::TcpConfig;
use crate::tcp::segment::Segment;
use crate::tcp::seq::SeqNum;
use crate::tcp::settings::Settings;
use crate::tcp::tcb::millis32;
use crate::wire::tcp::{Options, Timestamp};

/// The MSS of a peer that names none (RFC 9293 MUST-15).
const DEFAULT_MSS_V4: u16 = 536;
const DEFAULT_MSS_V6: u16 = 1220;
/// A smaller MSS is an attack, not a network (Linux: `tcp_min_snd_mss`).
const SMALLEST_MSS: u16 = 48;

/// Both SYNs seen: what the connection will use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Agreed {
    pub(crate) iss: SeqNum,
    pub(crate) irs: SeqNum,
    pub(crate) snd_wnd: u32,
    pub(crate) rcv_wnd: u32,
    /// Octets of text the peer and the path take, options not taken off.
    pub(crate) mss: u16,
    pub(crate) snd_shift: u8,
    pub(crate) rcv_shift: u8,
    /// TS.Recent, when both sides use timestamps.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) ts_offset: u32,
    pub(crate) sack: bool,
    pub(crate) syn_repeated: bool,
}

/// The bound that the configuration sets on segments of both directions.
pub(crate) fn mss_bound(config: &TcpConfig) -> u16 {
    config.mss.unwrap_or(u16::MAX).max(SMALLEST_MSS)
}

/// The window of a SYN is never scaled (RFC 7323 §2.2).
/// Ledger: [7323-2].
pub(crate) fn syn_window(config: &TcpConfig) -> u16 {
    u16::try_from(config.recv_buffer).unwrap_or(u16::MAX)
}

/// The smallest shift that can express the whole receive buffer.
pub(crate) fn window_shift(config: &TcpConfig) -> u8 {
    if !config.window_scaling {
        return 0;
    }
    let windows = config.recv_buffer.saturating_sub(1) / u32::from(u16::MAX);
    u8::try_from(u32::BITS - windows.leading_zeros()).map_or(14, |shift| shift.min(14))
}

/// The options of our SYN: everything we can do.
/// Ledger: RFC 9293 MUST-65 [2018-1, 7323-15].
pub(crate) fn syn_options(config: &Settings, our_mss: u16, ts_val: u32) -> Options {
    Options {
        mss: Some(our_mss),
        window_scale: config.window_scaling.then_some(config.window_shift),
        sack_permitted: config.sack,
        timestamp: config.timestamps.then_some(Timestamp { val: ts_val, ecr: 0 }),
        ..Options::default()
    }
}

impl Agreed {
    /// From the peer's SYN or SYN-ACK. `path_mss` is what the path takes.
    /// Ledger: RFC 9293 MUST-14 [7323-1, 7323-3, 7323-4, 2018-2].
    #[inline(always)]
    pub(crate) fn from_syn(
        config: &Settings,
        seg: &Segment,
        iss: SeqNum,
        path_mss: u16,
        ipv6: bool,
        ts_offset: u32,
    ) -> Self {
        let scaled = config.window_scaling.then_some(seg.options.window_scale).flatten();
        let default_mss = if ipv6 { DEFAULT_MSS_V6 } else { DEFAULT_MSS_V4 };
        let peer_mss = seg.options.mss.filter(|&mss| mss > 0).unwrap_or(default_mss).max(SMALLEST_MSS);
        let mss = peer_mss.min(path_mss).min(config.mss_bound);
        Self {
            iss,
            irs: seg.seq,
            snd_wnd: u32::from(seg.wnd),
            rcv_wnd: u32::from(config.syn_window),
            mss,
            snd_shift: scaled.unwrap_or(0),
            rcv_shift: if scaled.is_some() { config.window_shift } else { 0 },
            ts_recent: config.timestamps.then(|| seg.timestamp().map(|ts| ts.val)).flatten(),
            ts_offset,
            sack: config.sack && seg.options.sack_permitted,
            syn_repeated: false,
        }
    }

    /// Whether an ACK in SYN-RECEIVED answers something else than the SYNs we have sent since `first`: its TSecr is
    /// older than the first of them, or ahead of our clock. It proves nothing, whatever it acknowledges: an earlier
    /// handshake may have had the same numbers. Between the two everything is good, because repetitions and challenge
    /// ACKs carry later TSvals. Linux, since 6.15: TSEcrRejected. No echo at all is let pass, as there.
    ///
    /// Deviation, RFC 9293 §3.10.7.4 [9293-SA-SYN-RECEIVED-5]: the number of an acceptable ACK is not enough.
    #[inline]
    pub(crate) fn echoes_another(&self, first: Instant, now: Instant, seg: &Segment) -> bool {
        let Some(ts) = seg.timestamp().filter(|ts| self.ts_recent.is_some() && ts.ecr != 0) else {
            return false;
        };
        let val = |at| SeqNum(millis32(at).wrapping_add(self.ts_offset));
        // A cookie's timestamp is rounded down, to before a host that has just begun. Nor had that an earlier handshake.
        let older = first > Instant::ZERO && SeqNum(ts.ecr).before(val(first));
        older || SeqNum(ts.ecr).after(val(now))
    }

    /// The options of our SYN-ACK: only what the peer's SYN offered too (RFC 7323 §2.2, §3.2; RFC 2018 §2).
    /// Ledger: [7323-8].
    #[inline]
    pub(crate) fn syn_ack_options(
        &self,
        config: &Settings,
        our_mss: u16,
        ts_val: u32,
        scaled: bool,
    ) -> Options {
        Options {
            mss: Some(our_mss),
            window_scale: scaled.then_some(config.window_shift),
            sack_permitted: self.sack,
            timestamp: self.ts_recent.map(|ecr| Timestamp { val: ts_val, ecr }),
            ..Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::window_shift;
    use crate::tcp::config::TcpConfig;

    #[test]
    fn shift_is_the_smallest_that_expresses_the_whole_buffer() {
        for recv_buffer in [0, 1, 65_534, 65_535, 65_536, 131_070, 131_071, 4 << 20, 1 << 30, u32::MAX] {
            let shift = window_shift(&TcpConfig { recv_buffer, ..TcpConfig::default() });
            let holds = |shift: u8| u64::from(u16::MAX) << shift >= u64::from(recv_buffer);
            assert!(holds(shift) || shift == 14, "{recv_buffer}");
            assert!(shift == 0 || !holds(shift - 1), "{recv_buffer}");
        }
    }
}
