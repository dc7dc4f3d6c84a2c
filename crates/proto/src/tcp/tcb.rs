//! The transmission control block: everything a synchronized connection needs (RFC 9293 §3.3.1).

use crate::Instant;
use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::buffer::send::SendBuffer;
use crate::tcp::closing::halves::Halves;
use crate::tcp::closing::holder::Holder;
use crate::tcp::config::TcpConfig;
use crate::tcp::congestion::Controller as _;
use crate::tcp::congestion::reno::Reno;
use crate::tcp::info::TcpInfo;
use crate::tcp::opening::negotiate::Agreed;
use crate::tcp::recovery::newreno::Recovery;
use crate::tcp::recovery::rtt::Rtt;
use crate::tcp::seq::{SeqNum, octets};
use crate::tcp::timers::Timers;
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
    /// The largest window the peer has ever offered.
    pub(crate) max_wnd: u32,
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
    /// The sequence number after the last octet of urgent text; at or before `nxt` when there is none (RCV.UP).
    pub(crate) up: SeqNum,
    /// SEG.SEQ of the peer's FIN where it has overtaken text that is still missing.
    pub(crate) early_fin: Option<SeqNum>,
}

impl ReceiveSpace {
    /// RCV.WND: how much of what we offered is left.
    pub(crate) fn wnd(&self) -> u32 {
        self.edge.since(self.nxt)
    }
}

/// Timestamps in use (RFC 7323).
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimestampState {
    /// TS.Recent: the peer's clock, to be echoed.
    pub(crate) recent: u32,
    /// When `recent` was set, milliseconds: past 24 days it is void (RFC 7323 §5.5).
    pub(crate) recent_at_ms: u32,
    /// What is added to our clock, so that it says nothing about other connections (RFC 7323 §5.4).
    pub(crate) offset: u32,
    /// Last.ACK.sent.
    pub(crate) last_ack_sent: SeqNum,
}

/// Whether an acknowledgment is owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AckDue {
    /// Nothing is owed.
    No,
    /// One may wait for the timer, or for text that carries it.
    Delayed,
    /// One leaves as soon as the batch of segments is done.
    Now,
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
    pub(crate) holder: Holder,
    pub(crate) timers: Timers,
    pub(crate) rtt: Rtt,
    pub(crate) recovery: Recovery,
    pub(crate) congestion: Reno,
    pub(crate) ts: Option<TimestampState>,
    /// The segment being timed: the sequence number after it, and when it left.
    pub(crate) timed: Option<(SeqNum, Instant)>,
    /// When text was last found to be lost.
    pub(crate) loss_at: Instant,
    /// When text or FIN last left.
    pub(crate) sent_at: Instant,
    pub(crate) config: Arc<TcpConfig>,
    /// `None` while empty.
    pub(crate) send: Option<Box<SendBuffer>>,
    /// `None` while empty.
    pub(crate) recv: Option<Box<RecvBuffer>>,
    pub(crate) ack_due: AckDue,
    /// Octets of text received in order since the last acknowledgment left.
    pub(crate) unacked_octets: u32,
    /// Octets of text in a full segment of the peer, as far as was seen.
    pub(crate) rcv_mss: u16,
    /// Duplicate ACKs that are to leave, one for each segment out of order: the peer counts them (RFC 5681 §3.2).
    pub(crate) duplicate_acks: u8,
    pub(crate) wake: Wake,
    /// The application's last write found no room.
    pub(crate) write_blocked: bool,
    pub(crate) nodelay: bool,
    pub(crate) sack: bool,
    /// The window kept text back at the last decision: the congestion window is in use.
    pub(crate) cwnd_limited: bool,
    /// Octets of text in a full segment, options of the steady state taken off.
    pub(crate) mss: u16,
    /// What the peer asked for at most, in octets of text.
    pub(crate) peer_mss: u16,
    pub(crate) snd_shift: u8,
    pub(crate) rcv_shift: u8,
    /// When the next answer to an unacceptable segment may leave (RFC 5961 §7), milliseconds.
    pub(crate) challenge_at_ms: u32,
    pub(crate) retransmits: u32,
}

/// Milliseconds as wrapping 32 bits: what timestamps and the short-lived limits count in.
#[expect(clippy::cast_possible_truncation, reason = "wraps every 49 days by design")]
pub(crate) fn millis32(now: Instant) -> u32 {
    now.as_millis() as u32
}

impl Tcb {
    /// A block right after the handshake: everything of ours up to `agreed.snd_nxt` is acknowledged.
    pub(crate) fn new(agreed: &Agreed, config: &Arc<TcpConfig>, now: Instant) -> Self {
        let una = agreed.iss + 1;
        let rcv_nxt = agreed.irs + 1;
        let ts = agreed.ts_recent.map(|recent| TimestampState {
            recent,
            recent_at_ms: millis32(now),
            offset: agreed.ts_offset,
            last_ack_sent: rcv_nxt,
        });
        let mss = agreed.mss.saturating_sub(if ts.is_some() { 12 } else { 0 }).max(1);
        Self {
            snd: SendSpace {
                una,
                small_end: una,
                nxt: una,
                wnd: agreed.snd_wnd,
                max_wnd: agreed.snd_wnd,
                wl1: agreed.irs,
                wl2: agreed.iss,
            },
            rcv: ReceiveSpace { nxt: rcv_nxt, edge: rcv_nxt + agreed.rcv_wnd, up: rcv_nxt, early_fin: None },
            halves: Halves::OPEN,
            holder: Holder::Application,
            timers: Timers::new(now, config.keepalive.as_ref()),
            rtt: if agreed.syn_repeated { Rtt::after_repeated_syn() } else { Rtt::new() },
            recovery: Recovery::new(agreed.iss),
            congestion: if agreed.syn_repeated { Reno::after_lost_syn(mss) } else { Reno::new(mss) },
            ts,
            timed: None,
            loss_at: now,
            sent_at: now,
            config: Arc::clone(config),
            send: None,
            recv: None,
            ack_due: AckDue::No,
            unacked_octets: 0,
            rcv_mss: agreed.mss.min(RCV_MSS_FIRST),
            duplicate_acks: 0,
            wake: Wake::default(),
            write_blocked: false,
            nodelay: config.nodelay,
            sack: agreed.sack,
            cwnd_limited: false,
            mss,
            peer_mss: agreed.mss,
            snd_shift: agreed.snd_shift,
            rcv_shift: agreed.rcv_shift,
            challenge_at_ms: millis32(now),
            retransmits: 0,
        }
    }

    /// The handshake's round trip, measured from `syn_at`, when our SYN or SYN-ACK left, unless it left twice (RFC 6298
    /// §2.2, §3). A clock that stood still has measured nothing.
    pub(crate) fn measure_handshake(&mut self, agreed: &Agreed, syn_at: Instant, now: Instant) {
        if !agreed.syn_repeated && now > syn_at {
            self.rtt.sample(now.since(syn_at), &self.config);
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

    /// Our clock as the peer sees it.
    pub(crate) fn ts_val(&self, now: Instant) -> u32 {
        millis32(now).wrapping_add(self.ts.map_or(0, |ts| ts.offset))
    }

    /// An acknowledgment leaves when the batch is done.
    pub(crate) fn ack_now(&mut self) {
        self.ack_due = AckDue::Now;
    }

    /// Everything in flight has to be sent again, though not because of congestion.
    pub(crate) fn send_again(&mut self) {
        if self.recovery.in_fast_recovery() {
            self.congestion.on_recovered(self.outstanding(), self.mss);
        }
        self.recovery.resend(self.snd.una, self.snd.nxt);
    }

    /// The path carries packets of `mtu` octets at most. True when segments in flight are now too large.
    pub(crate) fn lower_mss(&mut self, path_mss: u16) -> bool {
        let options = if self.ts.is_some() { 12 } else { 0 };
        let mss = self.peer_mss.min(path_mss).saturating_sub(options).max(1);
        if mss >= self.mss {
            return false;
        }
        self.mss = mss;
        true
    }

    /// The figures for people.
    pub(crate) fn info(&self) -> TcpInfo {
        TcpInfo {
            state: self.halves.state(),
            srtt: self.rtt.srtt(),
            rttvar: self.rtt.rttvar(),
            rto: self.rtt.rto(&self.config),
            cwnd: self.congestion.cwnd(),
            ssthresh: self.congestion.ssthresh(),
            snd_wnd: self.snd.wnd,
            rcv_wnd: self.rcv.wnd(),
            mss: self.mss,
            in_flight: self.outstanding(),
            send_queue: self.send_queue(),
            recv_queue: self.recv_queue(),
            retransmits: self.retransmits,
            timestamps: self.ts.is_some(),
            sack: self.sack,
        }
    }
}
