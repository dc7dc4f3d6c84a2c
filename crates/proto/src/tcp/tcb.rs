//! The transmission control block: everything a synchronized connection needs (RFC 9293 §3.3.1).

use crate::Instant;
use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::buffer::send::SendBuffer;
use crate::tcp::closing::halves::Halves;
use crate::tcp::closing::holder::Holder;
use crate::tcp::congestion::Controller as _;
use crate::tcp::congestion::reno::Reno;
use crate::tcp::info::{TcpInfo, Trouble};
use crate::tcp::opening::negotiate::Agreed;
use crate::tcp::recovery::newreno::Recovery;
use crate::tcp::recovery::rtt::{RtoBounds, Rtt};
use crate::tcp::seq::{SeqNum, octets};
use crate::tcp::settings::Settings;
use crate::tcp::timers::{AckDue, Timers};
use crate::time::Span;
use alloc::boxed::Box;
use alloc::sync::Arc;

/// What the peer's full segments are taken for until larger ones have been seen (Linux: `TCP_MSS_DEFAULT`).
const RCV_MSS_FIRST: u16 = 536;

/// The send sequence space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendSpace {
    /// Oldest unacknowledged sequence number.
    pub(crate) una: SeqNum,
    /// The sequence number after the last segment that was sent small: while it is not acknowledged, Nagle holds the next.
    pub(crate) small_end: SeqNum,
    /// Next new sequence number to send.
    pub(crate) nxt: SeqNum,
    /// The peer's window.
    pub(crate) wnd: u32,
    /// The largest window the peer has ever offered, in units of its scale, rounded up.
    pub(crate) max_wnd: u16,
    /// Octets of text in a full segment, options of the steady state taken off.
    pub(crate) mss: u16,
    /// SEG.SEQ of the segment that last set `wnd`.
    pub(crate) wl1: SeqNum,
    /// SEG.ACK of the segment that last set `wnd`.
    pub(crate) wl2: SeqNum,
}

/// The receive sequence space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveSpace {
    /// Next sequence number expected.
    pub(crate) nxt: SeqNum,
    /// The right edge of the window as we have offered it. Never moves left.
    pub(crate) edge: SeqNum,
    /// Last.ACK.sent (RFC 7323 §4.3): RCV.NXT as the last segment of ours acknowledged it.
    pub(crate) last_ack_sent: SeqNum,
}

impl ReceiveSpace {
    /// RCV.WND: how much of what we offered is left.
    pub(crate) fn wnd(&self) -> u32 {
        self.edge.since(self.nxt)
    }
}

/// Timestamps (RFC 7323); of meaning only when both sides use them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimestampState {
    /// TS.Recent: the peer's clock, to be echoed.
    pub(crate) recent: u32,
    /// When `recent` was set, milliseconds: past 24 days it is void (RFC 7323 §5.5).
    pub(crate) recent_at_ms: u32,
    /// What is added to our clock, so that it says nothing about other connections (RFC 7323 §5.4).
    pub(crate) offset: u32,
}

/// What most connections never need, and so do not carry: the traces of loss, urgent text and suspicious segments.
#[derive(Clone, Debug)]
pub(crate) struct Rare {
    pub(crate) recovery: Recovery,
    /// When text was last found to be lost.
    pub(crate) loss_at: Option<Instant>,
    /// The sequence number after the last octet of urgent text (RCV.UP); at or before the next octet to be read when there
    /// is none ahead.
    pub(crate) rcv_up: SeqNum,
    /// The sequence number after the last octet of urgent text of ours that is not acknowledged (SND.UP).
    pub(crate) snd_up: Option<SeqNum>,
    /// SEG.SEQ of the peer's FIN where it has overtaken text that is still missing.
    pub(crate) early_fin: Option<SeqNum>,
    /// When the next answer to an unacceptable segment may leave (RFC 5961 §7), milliseconds; `None` at once.
    pub(crate) challenge_at_ms: Option<u32>,
    /// How many have left.
    pub(crate) challenges: u32,
    pub(crate) retransmits: u32,
    /// What is wrong, until text is acknowledged again.
    pub(crate) trouble: Option<Trouble>,
}

/// What the parent tells the application after a step.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Wake {
    /// Text or the end of it arrived.
    pub(crate) readable: bool,
    /// A blocked writer has room again.
    pub(crate) writable: bool,
}

/// The block of one synchronized connection. States ESTABLISHED to LAST-ACK; TIME-WAIT is another type.
#[derive(Clone, Debug)]
pub(crate) struct Tcb {
    pub(crate) snd: SendSpace,
    pub(crate) rcv: ReceiveSpace,
    pub(crate) halves: Halves,
    pub(crate) timers: Timers,
    pub(crate) rtt: Rtt,
    pub(crate) congestion: Reno,
    timestamps: TimestampState,
    /// The segment being timed, if `timing`: the sequence number after it, and when it left, microseconds.
    timed_end: SeqNum,
    timed_at_us: u32,
    /// When text or FIN last left, milliseconds.
    pub(crate) sent_at_ms: u32,
    pub(crate) config: Arc<Settings>,
    /// `None` until it is needed.
    rare: Option<Box<Rare>>,
    /// `None` while empty.
    pub(crate) send: Option<Box<SendBuffer>>,
    /// `None` while empty.
    pub(crate) recv: Option<Box<RecvBuffer>>,
    /// Octets of text in a full segment of the peer, as far as was seen.
    pub(crate) rcv_mss: u16,
    pub(crate) wake: Wake,
    /// The application's last write found no room.
    pub(crate) write_blocked: bool,
    pub(crate) nodelay: bool,
    pub(crate) sack: bool,
    uses_timestamps: bool,
    timing: bool,
    /// The window kept text back at the last decision: the congestion window is in use.
    pub(crate) cwnd_limited: bool,
    /// What the peer asked for at most, in octets of text.
    pub(crate) peer_mss: u16,
    pub(crate) snd_shift: u8,
    pub(crate) rcv_shift: u8,
}

/// Milliseconds as wrapping 32 bits: what timestamps and the short-lived limits count in.
#[expect(clippy::cast_possible_truncation, reason = "wraps every 49 days by design")]
pub(crate) fn millis32(now: Instant) -> u32 {
    now.as_millis() as u32
}

/// Microseconds as wrapping 32 bits, 71 minutes: a round trip never takes that long.
#[expect(clippy::cast_possible_truncation, reason = "wraps by design")]
pub(crate) fn micros32(now: Instant) -> u32 {
    now.as_micros() as u32
}

/// A window in units of its scale, rounded up.
pub(crate) fn wire_units(wnd: u32, shift: u8) -> u16 {
    u16::try_from(wnd.div_ceil(1 << shift)).unwrap_or(u16::MAX)
}

/// The handshake's round trip, measured from `syn_at`, when our SYN or SYN-ACK left, unless it left twice (RFC 6298 §2.2,
/// §3). A clock that stood still has measured nothing.
#[inline]
fn handshake_rtt(repeated: bool, bounds: &RtoBounds, now: Instant, syn_at: Option<Instant>) -> Rtt {
    if repeated {
        return Rtt::after_repeated_syn(bounds);
    }
    match syn_at {
        Some(syn_at) if now > syn_at => Rtt::of_handshake(now.micros_since(syn_at), bounds),
        _ => Rtt::new(bounds),
    }
}

impl Tcb {
    /// A block right after the handshake: everything of ours up to `agreed.snd_nxt` is acknowledged. `syn_at`: when our
    /// SYN or SYN-ACK left, if this is its answer.
    #[inline]
    pub(crate) fn new(
        agreed: &Agreed,
        config: &Arc<Settings>,
        now: Instant,
        syn_at: Option<Instant>,
    ) -> Self {
        let una = agreed.iss + 1;
        let rcv_nxt = agreed.irs + 1;
        let now_ms = millis32(now);
        let uses_timestamps = agreed.ts_recent.is_some();
        let mss = agreed.mss.saturating_sub(if uses_timestamps { 12 } else { 0 }).max(1);
        let rtt = handshake_rtt(agreed.syn_repeated, &config.rto, now, syn_at);
        Self {
            snd: SendSpace {
                una,
                small_end: una,
                nxt: una,
                wnd: agreed.snd_wnd,
                max_wnd: wire_units(agreed.snd_wnd, agreed.snd_shift),
                mss,
                wl1: agreed.irs,
                wl2: agreed.iss,
            },
            rcv: ReceiveSpace { nxt: rcv_nxt, edge: rcv_nxt + agreed.rcv_wnd, last_ack_sent: rcv_nxt },
            halves: Halves::OPEN,
            timers: Timers::new(now, config.keepalive.as_ref()),
            rtt,
            congestion: if agreed.syn_repeated { Reno::after_lost_syn(mss) } else { Reno::new(mss) },
            timestamps: TimestampState {
                recent: agreed.ts_recent.unwrap_or(0),
                recent_at_ms: now_ms,
                offset: agreed.ts_offset,
            },
            timed_end: una,
            timed_at_us: 0,
            sent_at_ms: now_ms,
            rare: None,
            config: Arc::clone(config),
            send: None,
            recv: None,
            rcv_mss: agreed.mss.min(RCV_MSS_FIRST),
            wake: Wake::default(),
            write_blocked: false,
            nodelay: config.nodelay,
            sack: agreed.sack,
            uses_timestamps,
            timing: false,
            cwnd_limited: false,
            peer_mss: agreed.mss,
            snd_shift: agreed.snd_shift,
            rcv_shift: agreed.rcv_shift,
        }
    }

    /// Octets of text that are not acknowledged yet, sent or not.
    pub(crate) fn send_queue(&self) -> u32 {
        self.send.as_ref().map_or(0, |buffer| octets(buffer.len()))
    }

    /// Octets of text in order that the application has not read.
    pub(crate) fn recv_queue(&self) -> u32 {
        self.recv.as_ref().map_or(0, |buffer| octets(buffer.readable()))
    }

    /// The sequence number after the last octet of text written so far: where our FIN goes.
    pub(crate) fn text_end(&self) -> SeqNum {
        self.snd.una + self.send_queue()
    }

    /// Whether our FIN has left at least once.
    pub(crate) fn fin_sent(&self) -> bool {
        self.halves.fin_outstanding() && self.snd.nxt.after(self.text_end())
    }

    /// Octets of sequence space sent and not acknowledged.
    pub(crate) fn outstanding(&self) -> u32 {
        self.snd.nxt.since(self.snd.una)
    }

    /// The sequence number for segments that take no room: SND.NXT, unless that lies beyond the window, where the peer
    /// would not accept it. A probe of a closed window leaves it there, and so does a window that shrank.
    pub(crate) fn bare_seq(&self) -> SeqNum {
        let beyond = self.outstanding().saturating_sub(self.snd.wnd);
        // Rounding by the window's scale may hide so much of what the peer takes (RFC 7323 §2.4).
        let hidden = if self.snd.wnd == 0 { 1 } else { 1 << self.snd_shift };
        if beyond < hidden { self.snd.nxt } else { self.snd.una + self.snd.wnd.saturating_sub(1) }
    }

    /// A number that only the two ends may know, if it was ever sent: it is added to our timestamps.
    pub(crate) fn private_number(&self) -> u32 {
        self.timestamps.offset
    }

    /// Our clock as the peer sees it.
    /// Ledger: [7323-25].
    pub(crate) fn ts_val(&self, now: Instant) -> u32 {
        self.ts_val_at(millis32(now))
    }

    /// The same, where the milliseconds are at hand.
    pub(crate) fn ts_val_at(&self, now_ms: u32) -> u32 {
        now_ms.wrapping_add(if self.uses_timestamps { self.timestamps.offset } else { 0 })
    }

    /// Timestamps, when both sides use them.
    pub(crate) fn ts(&self) -> Option<&TimestampState> {
        self.uses_timestamps.then_some(&self.timestamps)
    }

    /// The same, to change them.
    pub(crate) fn ts_mut(&mut self) -> Option<&mut TimestampState> {
        self.uses_timestamps.then_some(&mut self.timestamps)
    }

    /// Whether no text or FIN has left for longer than the retransmission timeout (RFC 5681 §4.1).
    #[inline(always)]
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let idle_ms = millis32(now).wrapping_sub(self.sent_at_ms);
        // Times below the least timeout need no closer look.
        idle_ms > 0 && Span::from_millis(idle_ms.into()) > self.rto()
    }

    /// Octets of sequence space received in order since the last acknowledgment left.
    pub(crate) fn unacked_octets(&self) -> u32 {
        self.rcv.nxt.since(self.rcv.last_ack_sent)
    }

    /// A segment that ends before `end` leaves: its round trip is measured, unless one is under way.
    pub(crate) fn start_timing(&mut self, end: SeqNum, now: Instant) {
        if !self.timing {
            (self.timing, self.timed_end, self.timed_at_us) = (true, end, micros32(now));
        }
    }

    /// Something was sent again: the ACK could belong to either (Karn's algorithm, RFC 6298 §3).
    pub(crate) fn stop_timing(&mut self) {
        self.timing = false;
    }

    /// The sequence number after the segment being timed.
    pub(crate) fn timed_end(&self) -> SeqNum {
        self.timed_end
    }

    /// When it left, microseconds.
    pub(crate) fn timed_at_us(&self) -> u32 {
        self.timed_at_us
    }

    /// Whether a segment is being timed.
    pub(crate) fn is_timing(&self) -> bool {
        self.timing
    }

    /// The round trip of the segment being timed, in microseconds, if `ack` covers it; ends the measurement then.
    pub(crate) fn take_timed(&mut self, ack: SeqNum, now: Instant) -> Option<u32> {
        if !ack.at_or_after(self.timed_end) {
            return None;
        }
        self.timing = false;
        Some(micros32(now).wrapping_sub(self.timed_at_us))
    }

    /// A round trip was measured, in microseconds.
    pub(crate) fn sample_rtt(&mut self, rtt_us: u32) {
        self.rtt.sample(rtt_us, &self.config.rto);
        self.timers.backoff = 0;
    }

    /// The retransmission timeout now in force.
    pub(crate) fn rto(&self) -> Span {
        self.rtt.rto(self.timers.backoff, &self.config.rto)
    }

    /// The largest window the peer has ever offered.
    pub(crate) fn max_wnd(&self) -> u32 {
        u32::from(self.snd.max_wnd) << self.snd_shift
    }

    /// Reads a little of each part. The result means nothing.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        let waits = u32::from(self.timers.retransmit_at == self.timers.idle_at);
        self.snd.una.0 ^ self.rcv.nxt.0 ^ self.timestamps.recent ^ waits ^ u32::from(self.rcv_shift)
    }

    /// Traces of rare events, if there are any.
    pub(crate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// The same, to change what is there.
    pub(crate) fn rare_if_any(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// The same; makes room for them.
    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        let (una, rcv_nxt) = (self.snd.una, self.rcv.nxt);
        self.rare.get_or_insert_with(|| {
            Box::new(Rare {
                // As if it had followed SND.UNA from the beginning.
                recovery: Recovery::new(una - 1),
                loss_at: None,
                rcv_up: rcv_nxt,
                snd_up: None,
                early_fin: None,
                challenge_at_ms: None,
                challenges: 0,
                retransmits: 0,
                trouble: None,
            })
        })
    }

    /// The end of urgent text of ours that the peer may not know of, if there is any (SND.UP).
    pub(crate) fn snd_up(&self) -> Option<SeqNum> {
        self.rare()?.snd_up
    }

    /// The part of the sequence space to send again now, if any.
    pub(crate) fn lost(&self) -> Option<(SeqNum, u32)> {
        self.rare()?.recovery.lost()
    }

    /// Octets in flight up to `nxt`, as far as is known.
    pub(crate) fn in_flight(&self, nxt: SeqNum) -> u32 {
        match self.rare() {
            Some(rare) => rare.recovery.in_flight(self.snd.una, nxt),
            None => nxt.since(self.snd.una),
        }
    }

    /// Whether fast recovery is under way.
    pub(crate) fn in_fast_recovery(&self) -> bool {
        self.rare().is_some_and(|rare| rare.recovery.in_fast_recovery())
    }

    /// Takes note of what is wrong. True when that is news.
    pub(crate) fn note_trouble(&mut self, trouble: Trouble) -> bool {
        self.rare_mut().trouble.replace(trouble) != Some(trouble)
    }

    /// Octets from the next one to be read to the end of urgent text; zero when none is ahead.
    fn urgent(&self) -> u32 {
        let Some(rare) = self.rare() else { return 0 };
        let next = self.rcv.nxt - self.recv_queue();
        if rare.rcv_up.after(next) { rare.rcv_up.since(next) } else { 0 }
    }

    /// Segments sent again.
    pub(crate) fn retransmits(&self) -> u32 {
        self.rare().map_or(0, |rare| rare.retransmits)
    }

    /// Who holds the stream.
    pub(crate) fn holder(&self) -> Holder {
        if self.is_held() { Holder::Application } else { Holder::Nobody { until: self.timers.idle_at } }
    }

    /// Whether the application holds the stream.
    pub(crate) fn is_held(&self) -> bool {
        !self.timers.orphan
    }

    /// Changes who holds the stream. An orphan has an end of its own and is not probed any more.
    pub(crate) fn set_holder(&mut self, holder: Holder) {
        if let Holder::Nobody { until } = holder {
            (self.timers.orphan, self.timers.idle_at) = (true, until);
        }
    }

    /// The peer took some of what is left: an orphan that delivers may go on.
    pub(crate) fn prolong(&mut self, now: Instant) {
        if self.timers.orphan {
            self.timers.idle_at = self.timers.idle_at.max(now + self.config.orphan_timeout);
        }
    }

    /// An acknowledgment leaves when the batch is done.
    pub(crate) fn ack_now(&mut self) {
        self.timers.ack_due = AckDue::Now;
    }

    /// Everything in flight has to be sent again, though not because of congestion.
    pub(crate) fn send_again(&mut self) {
        if self.in_fast_recovery() {
            self.congestion.on_recovered(self.outstanding(), self.snd.mss);
        }
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        self.rare_mut().recovery.resend(una, nxt);
    }

    /// The path carries packets of `mtu` octets at most. True when segments in flight are now too large.
    pub(crate) fn lower_mss(&mut self, path_mss: u16) -> bool {
        let options = if self.uses_timestamps { 12 } else { 0 };
        let mss = self.peer_mss.min(path_mss).saturating_sub(options).max(1);
        if mss >= self.snd.mss {
            return false;
        }
        self.snd.mss = mss;
        true
    }

    /// The figures for people.
    pub(crate) fn info(&self) -> TcpInfo {
        TcpInfo {
            state: self.halves.state(),
            srtt: self.rtt.srtt(),
            rttvar: self.rtt.rttvar(),
            rto: self.rto().duration(),
            cwnd: self.congestion.cwnd(),
            ssthresh: self.congestion.ssthresh(),
            snd_wnd: self.snd.wnd,
            rcv_wnd: self.rcv.wnd(),
            mss: self.snd.mss,
            in_flight: self.outstanding(),
            send_queue: self.send_queue(),
            recv_queue: self.recv_queue(),
            retransmits: self.retransmits(),
            timestamps: self.uses_timestamps,
            sack: self.sack,
            urgent: self.urgent(),
            trouble: self.rare().and_then(|rare| rare.trouble),
        }
    }
}
