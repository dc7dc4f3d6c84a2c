//! SYNs for which no half-open connection has room: answered by a cookie, and the ACK of one makes the connection.

use super::demux::Found;
use super::key::Key;
use super::segment::link_mss;
use super::{Event, Host};
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::info::State;
use crate::tcp::opening::cookie::{Carried, Syn};
use crate::tcp::opening::half_open::HalfOpen;
use crate::tcp::opening::negotiate::Agreed;
use crate::tcp::segment::Segment;
use crate::tcp::seq::SeqNum;
use crate::tcp::tcb::{Tcb, millis32};
use crate::wire::tcp::Flags;
use crate::{ConnectionId, DropReason, Instant, InterfaceId, ListenerId};

/// An ACK that proved to be the answer to a cookie.
struct Proven {
    key: Key,
    hash: u64,
    interface: InterfaceId,
    listener: u32,
    agreed: Agreed,
    /// Whether both sides scale their windows.
    scaled: bool,
}

impl Host {
    /// A SYN that finds no room is answered, and nothing is kept of it.
    ///
    /// Deviation, RFC 9293 MUST-8: the ISN does not follow the clock, because it must say what is not kept.
    pub(super) fn send_cookie(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        key: &Key,
        listener: u32,
        seg: &Segment,
    ) -> Result<(), DropReason> {
        let link_mss = link_mss(&self.interfaces, key, interface);
        let Some(listening) = self.listeners.get_mut(listener) else { return Err(DropReason::NoConnection) };
        listening.note_cookie(now);
        let config = &listening.config;
        let offset = self.numbers.of(key).timestamp_offset;
        // What the peer names; our own bounds are known when its ACK comes.
        let agreed = Agreed::from_syn(config, seg, SeqNum(0), u16::MAX, key.is_ipv6(), offset);
        let timestamps = agreed.ts_recent.is_some();
        let iss = self.cookies.make(key, Syn { irs: seg.seq, timestamps }, agreed.mss, now);
        let window_scale = config.window_scaling.then_some(seg.options.window_scale).flatten();
        // Without a timestamp there is no room for the rest, so it must not be agreed on.
        let scaled = timestamps && window_scale.is_some();
        let agreed = Agreed { iss, sack: agreed.sack && timestamps, ..agreed };
        let mark = config.mark;
        let mut header = super::passive::syn_ack(&agreed, scaled, config, link_mss, now);
        if let Some(ts) = &mut header.options.timestamp {
            ts.val = Carried { window_scale, sack: agreed.sack }.stamp(ts.val);
        }
        self.counters.syn_cookies_sent += 1;
        self.counters.syn_cookies_plain += u64::from(!timestamps);
        self.reply_marked(*key, interface, mark, header, State::Listen);
        Ok(())
    }

    /// LISTEN: an ACK. It may be the last part of a handshake of which nothing was kept; else it is answered with RST
    /// (RFC 9293 §3.10.7.2).
    #[inline(never)]
    pub(super) fn listen_ack(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        (key, hash): (&Key, u64),
        listener: u32,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let takes_cookies =
            self.listeners.get(listener).is_some_and(|listening| listening.takes_cookies(now));
        if takes_cookies && !seg.has(Flags::SYN) {
            if let Some((agreed, scaled)) = self.read_cookie(now, interface, key, listener, seg) {
                self.counters.syn_cookies_accepted += 1;
                let proven = Proven { key: *key, hash, interface, listener, agreed, scaled };
                return self.establish_proven(now, proven, seg);
            }
            self.counters.syn_cookies_failed += 1;
        }
        self.reply_reset(*key, interface, seg, State::Listen);
        Err(DropReason::NotASyn)
    }

    /// What the two SYNs agreed on, if this is the answer to a cookie; and whether both windows are scaled.
    fn read_cookie(
        &self,
        now: Instant,
        interface: InterfaceId,
        key: &Key,
        listener: u32,
        seg: &Segment,
    ) -> Option<(Agreed, bool)> {
        let config = &self.listeners.get(listener)?.config;
        let offset = self.numbers.of(key).timestamp_offset;
        let timestamp = seg.timestamp().filter(|_| config.timestamps);
        let carried = match timestamp {
            Some(ts) => Carried::read(ts.ecr, millis32(now).wrapping_add(offset))?,
            None => Carried::default(),
        };
        let (iss, irs) = (SeqNum(seg.ack.0.wrapping_sub(1)), SeqNum(seg.seq.0.wrapping_sub(1)));
        let mss = self.cookies.check(key, Syn { irs, timestamps: timestamp.is_some() }, iss, now)?;
        let path_mss = self.path_mss(key, link_mss(&self.interfaces, key, interface), now);
        let scale = carried.window_scale.filter(|_| config.window_scaling);
        let agreed = Agreed {
            iss,
            irs,
            snd_wnd: u32::from(seg.wnd) << scale.unwrap_or(0),
            rcv_wnd: u32::from(config.syn_window),
            mss: mss.min(path_mss).min(config.mss_bound),
            snd_shift: scale.unwrap_or(0),
            rcv_shift: if scale.is_some() { config.window_shift } else { 0 },
            ts_recent: timestamp.map(|ts| ts.val),
            ts_offset: offset,
            sack: carried.sack && config.sack,
            syn_repeated: false,
        };
        Some((agreed, scale.is_some()))
    }

    /// ESTABLISHED, if there is room now. If not, the ACK is held back as if it were lost, with a half-open connection to
    /// ask for it again if there is room for that.
    fn establish_proven(
        &mut self,
        now: Instant,
        proven: Proven,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Proven { key, hash, interface, listener, agreed, scaled } = proven;
        let Some((generation, listening)) = self.listeners.entry_mut(listener) else {
            return Err(DropReason::NoConnection);
        };
        if listening.accept_queue_full() {
            if !self.resets_when_full(key, interface, listener, seg, State::Listen) {
                self.keep_proven(now, Proven { key, hash, interface, listener, agreed, scaled }, seg);
            }
            return Err(DropReason::AcceptQueueFull);
        }
        if self.connections.len() >= usize::try_from(self.config.connections_max).unwrap_or(usize::MAX) {
            return Err(DropReason::ConnectionLimit);
        }
        let (connection, connection_generation) = self.connections.insert_after(|armed| {
            let phase = Phase::Synchronized(Tcb::new(&agreed, &listening.config, now, None));
            Connection::new(key, interface, phase, now, State::SynReceived, armed)
        });
        let id = ConnectionId { index: connection, generation: connection_generation };
        listening.accept_queue.push_back(id);
        self.own(hash, Found::Connection(connection));
        self.trace_state(now, &key, State::Listen, State::SynReceived);
        self.counters.accepted += 1;
        self.events.push_back(Event::Incoming(ListenerId { index: listener, generation }));
        if self.tracing {
            self.note_state(now, connection);
        }
        self.first_segment(now, connection, seg)
    }

    /// A peer that takes itself for connected is half-open here until the accept queue has room.
    fn keep_proven(&mut self, now: Instant, proven: Proven, seg: &Segment) {
        let Proven { key, hash, interface, listener, agreed, scaled } = proven;
        let source = self.sources.of(key.addresses().1);
        let listening = self.listeners.get(listener);
        if listening.is_none_or(|listening| self.bound_reached(listening, source, false).is_some()) {
            return;
        }
        // The handshake has taken an unknown time: it measures nothing.
        let agreed = Agreed { syn_repeated: true, ..agreed };
        self.trace_state(now, &key, State::Listen, State::SynReceived);
        let resend_at = HalfOpen::first_resend_at(now);
        // Its next segments may echo the cookie's timestamp still.
        let age_ms =
            seg.timestamp().map_or(0, |ts| millis32(now).wrapping_add(agreed.ts_offset).wrapping_sub(ts.ecr));
        let since = Instant::from_millis(now.as_millis().saturating_sub(age_ms.into()));
        self.insert_half_open((&key, hash, None), listener, source, resend_at, |armed| HalfOpen {
            key,
            agreed,
            listener,
            interface,
            scaled,
            retries: 0,
            resend_at,
            armed,
            since,
            challenge_at: now,
            covers_time_wait: false,
            held: false,
            source,
        });
    }
}
