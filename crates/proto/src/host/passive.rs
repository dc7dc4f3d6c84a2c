//! LISTEN and SYN-RECEIVED after a passive open (RFC 9293 §3.10.7.2, §3.10.7.4).

use super::demux::Found;
use super::key::Key;
use super::segment::{charge, link_mss};
use super::time_wait::Covered;
use super::{Event, Host, HostConfig};
use crate::table::slab::{Slab, Tenant};
use crate::tcp::arrives;
use crate::tcp::config::WhenFull;
use crate::tcp::connection::{self, Connection, Phase};
use crate::tcp::info::State;
use crate::tcp::opening::half_open::{Armed, HalfOpen, Step};
use crate::tcp::opening::isn::TupleNumbers;
use crate::tcp::opening::listener::Listener;
use crate::tcp::opening::negotiate::Agreed;
use crate::tcp::opening::sources::Source;
use crate::tcp::segment::Segment;
use crate::tcp::seq::SeqNum;
use crate::tcp::settings::Settings;
use crate::tcp::tcb::{Tcb, millis32};
use crate::wire::tcp::{Flags, Header, Timestamp};
use crate::{ConnectionId, DropReason, Instant, InterfaceId, ListenerId};
use alloc::sync::Arc;
use core::ops::ControlFlow;
use core::time::Duration;

/// Between two answers of a half-open connection to suspicious segments.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);

impl Host {
    /// LISTEN. `hash`: that of the tuple. `covered`: the TIME-WAIT of the same tuple that this SYN may reopen.
    /// Ledger: RFC 9293 MUST-11 [4987-1, 4987-4].
    /// Ledger: [9293-SA-LISTEN-1, 9293-SA-LISTEN-2, 9293-SA-LISTEN-4, 9293-SA-LISTEN-10, 9293-SA-LISTEN-5,
    /// 9293-SA-LISTEN-6, 9293-SA-LISTEN-7, 9293-SA-LISTEN-8, 9293-SA-LISTEN-9].
    pub(super) fn listen_segment(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        (key, hash): (&Key, u64),
        listener: u32,
        covered: Option<Covered>,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        if seg.has(Flags::RST) {
            return Err(DropReason::NotASyn);
        }
        if seg.has(Flags::ACK) {
            return self.listen_ack(now, interface, (key, hash), listener, seg);
        }
        if !seg.has(Flags::SYN) {
            return Err(DropReason::NotASyn);
        }
        let Some(listening) = self.listeners.get(listener) else { return Err(DropReason::NoConnection) };
        if listening.accept_queue_full() {
            self.resets_when_full(*key, interface, listener, seg, State::Listen);
            return Err(DropReason::AcceptQueueFull);
        }
        let source = self.sources.of(key.addresses().1);
        if let Some(reason) = self.bound_reached(listening, source, covered.is_some()) {
            return self.syn_beyond_bound(now, interface, key, listener, covered.is_some(), reason, seg);
        }
        let link_mss = link_mss(&self.interfaces, key, interface);
        let path_mss = self.path_mss(key, link_mss, now);
        let config = &listening.config;
        let numbers = self.numbers.of(key);
        let after = covered.map(|covered| covered.snd_nxt);
        let iss = initial_sequence(&self.config, key, numbers, now, after);
        let agreed = Agreed::from_syn(config, seg, iss, path_mss, key.is_ipv6(), numbers.timestamp_offset);
        let scaled = config.window_scaling && seg.options.window_scale.is_some();
        let held = listening.hold.is_some();
        let (mark, syn_ack) = (config.mark, syn_ack(&agreed, scaled, config, link_mss, now));
        let resend_at = listening.hold.map_or(HalfOpen::first_resend_at(now), |hold| now + hold);
        let index =
            self.insert_half_open((key, hash, covered), listener, source, resend_at, |armed| HalfOpen {
                key: *key,
                agreed,
                listener,
                interface,
                scaled,
                retries: 0,
                resend_at,
                armed,
                since: now,
                challenge_at: now,
                covers_time_wait: covered.is_some(),
                held,
                source,
            });
        let before = if covered.is_some() { State::TimeWait } else { State::Listen };
        self.trace_state(now, key, before, State::SynReceived);
        if held {
            self.announce_held(index);
        } else {
            self.reply_marked(*key, interface, mark, syn_ack, before);
        }
        Ok(())
    }

    /// Why the listener may not have one more half-open connection from this source, if it may not. One that `reopens` a
    /// TIME-WAIT answers to the bound of the host alone, as on Linux: its peer has been here before, which a flood from
    /// forged sources has not, and a cookie cannot carry the number it needs.
    #[inline]
    pub(super) fn bound_reached(
        &self,
        listening: &Listener,
        source: Source,
        reopens: bool,
    ) -> Option<DropReason> {
        let half_open_max = usize::try_from(self.config.half_open_max).unwrap_or(usize::MAX);
        let exempt = reopens && listening.hold.is_none();
        if (listening.syn_queue_full() && !exempt) || self.half_open.len() >= half_open_max {
            return Some(DropReason::SynQueueFull);
        }
        if exempt {
            return None;
        }
        let most = listening.per_source_max(self.config.half_open_per_source_max);
        (self.sources.count(source) >= most).then_some(DropReason::SynSourceFull)
    }

    /// A SYN for which there is no room: a cookie, unless it is to be held, reopens a TIME-WAIT (whose number the new one
    /// must be above), or a laboratory chooses the numbers. Then it is as good as lost.
    #[expect(clippy::too_many_arguments, reason = "the rest of one function")]
    #[cold]
    fn syn_beyond_bound(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        key: &Key,
        listener: u32,
        reopens: bool,
        reason: DropReason,
        seg: &Segment,
    ) -> Result<(), DropReason> {
        self.counters.half_open_source_full += u64::from(reason == DropReason::SynSourceFull);
        let holds = self.listeners.get(listener).is_some_and(|listening| listening.hold.is_some());
        if holds || reopens || self.config.initial_sequence.is_some() {
            return Err(reason);
        }
        self.send_cookie(now, interface, key, listener, seg)
    }

    /// The accept queue is full. True: the listener says so by RST.
    #[cold]
    #[inline(never)]
    pub(super) fn resets_when_full(
        &mut self,
        key: Key,
        interface: InterfaceId,
        listener: u32,
        seg: &Segment,
        before: State,
    ) -> bool {
        let resets = self.listeners.get(listener).is_some_and(|l| l.when_full == WhenFull::Reset);
        if resets {
            self.reply_reset(key, interface, seg, before);
        }
        resets
    }

    /// One more half-open connection, over what the tuple has so far.
    #[inline(always)]
    pub(super) fn insert_half_open(
        &mut self,
        (key, hash, covered): (&Key, u64, Option<Covered>),
        listener: u32,
        source: Source,
        resend_at: Instant,
        make: impl FnOnce(Armed) -> HalfOpen,
    ) -> u32 {
        let mut arm = false;
        let (index, _) = self.half_open.insert_after(|mut armed: Armed| {
            arm = armed.add(resend_at);
            make(armed)
        });
        if let Some(listening) = self.listeners.get_mut(listener) {
            listening.half_open += 1;
        }
        self.sources.enter(source);
        match covered {
            Some(covered) => self.cover(key, hash, covered.found, index),
            None => self.own(hash, Found::HalfOpen(index)),
        }
        if arm {
            self.wheel.arm(Found::HalfOpen(index).pack(), resend_at);
        }
        index
    }

    fn send_syn_ack(&mut self, now: Instant, index: u32, before: State) {
        let Some(half_open) = self.half_open.get(index) else { return };
        let Some(listener) = self.listeners.get(half_open.listener) else { return };
        let (key, interface) = (half_open.key, half_open.interface);
        let link_mss = link_mss(&self.interfaces, &key, interface);
        let config = &listener.config;
        let header = syn_ack(&half_open.agreed, half_open.scaled, config, link_mss, now);
        self.reply_marked(key, interface, config.mark, header, before);
    }

    pub(super) fn half_open_segment(
        &mut self,
        now: Instant,
        index: u32,
        hash: u64,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Some(half_open) = self.half_open.get(index) else { return Err(DropReason::NoConnection) };
        if half_open.covers_time_wait {
            let key = half_open.key;
            if let Some(outcome) = self.covered_segment(now, &key, seg) {
                return outcome;
            }
        }
        let Some(half_open) = self.half_open.get(index) else { return Err(DropReason::NoConnection) };
        match half_open.judge(now, seg) {
            Step::Establish => self.establish_passive(now, index, hash, seg),
            step => self.half_open_step(now, index, step, seg),
        }
    }

    /// What is not the handshake's ACK.
    #[cold]
    #[inline(never)]
    fn half_open_step(
        &mut self,
        now: Instant,
        index: u32,
        step: Step,
        seg: &Segment,
    ) -> Result<(), DropReason> {
        let Some(half_open) = self.half_open.get_mut(index) else { return Err(DropReason::NoConnection) };
        let (key, interface) = (half_open.key, half_open.interface);
        match step {
            Step::Drop(reason) => Err(reason),
            Step::RepeatSynAck(reason) => {
                half_open.refresh(seg);
                half_open.agreed.syn_repeated = true;
                self.send_syn_ack(now, index, State::SynReceived);
                Err(reason)
            }
            Step::Challenge(reason) => {
                if half_open.challenge_at > now {
                    return Err(DropReason::ChallengeLimited);
                }
                half_open.challenge_at = now + CHALLENGE_INTERVAL;
                let header = ack_of_handshake(&half_open.agreed, now);
                self.reply(key, interface, header, State::SynReceived);
                Err(reason)
            }
            Step::Refresh(reason) => {
                half_open.refresh(seg);
                Err(reason)
            }
            Step::Forget => {
                self.counters.resets_received += 1;
                self.drop_half_open(now, index);
                Ok(())
            }
            Step::Relisten(reason) => {
                self.drop_half_open(now, index);
                Err(reason)
            }
            Step::Refuse(reason) => {
                self.reply_reset(key, interface, seg, State::SynReceived);
                Err(reason)
            }
            Step::Establish => Ok(()), // by the caller
        }
    }

    /// The handshake's ACK: a connection that waits for `accept`.
    fn establish_passive(
        &mut self,
        now: Instant,
        index: u32,
        hash: u64,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Some(half_open) = self.half_open.get(index) else { return Err(DropReason::NoConnection) };
        let most = usize::try_from(self.config.connections_max).unwrap_or(usize::MAX);
        let listener = half_open.listener;
        let Some((listener_generation, listening)) = self.listeners.entry_mut(listener) else {
            return Err(DropReason::NoConnection);
        };
        // The ACK is held back as if it were lost: the SYN-ACK is repeated, and so is the ACK.
        if listening.accept_queue_full() {
            let (key, interface) = (half_open.key, half_open.interface);
            if self.resets_when_full(key, interface, listener, seg, State::SynReceived) {
                self.drop_half_open(now, index);
            }
            return Err(DropReason::AcceptQueueFull);
        }
        if self.connections.len() >= most {
            return Err(DropReason::ConnectionLimit);
        }
        listening.half_open = listening.half_open.saturating_sub(1);
        let (connection, generation) =
            insert_established(&mut self.connections, half_open, &listening.config, now);
        listening.accept_queue.push_back(ConnectionId { index: connection, generation });
        let covered = half_open.covers_time_wait.then_some(half_open.key);
        self.sources.leave(half_open.source);
        self.half_open.discard(index, |half_open| half_open.armed);
        if let Some(key) = covered {
            self.remove_covered(&key);
        }
        self.hand_over(hash, Found::HalfOpen(index), Found::Connection(connection));
        self.counters.accepted += 1;
        self.events
            .push_back(Event::Incoming(ListenerId { index: listener, generation: listener_generation }));
        if self.tracing {
            self.note_state(now, connection);
        }
        self.first_segment(now, connection, seg)
    }

    /// The ACK of the handshake is a segment like any other to the new connection: it may carry text and FIN.
    pub(super) fn first_segment(
        &mut self,
        now: Instant,
        index: u32,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Some(Connection { phase: Phase::Synchronized(tcb), .. }) = self.connections.get_mut(index) else {
            return Err(DropReason::NoConnection);
        };
        let flow = arrives::segment_arrives(tcb, &mut self.pools, now, seg);
        let charged = charge(tcb);
        self.recharge(0, charged);
        self.settle(now, index);
        match flow {
            ControlFlow::Break(arrives::Stop::AckAndDrop(reason) | arrives::Stop::Drop(reason)) => {
                Err(reason)
            }
            _ => Ok(()),
        }
    }

    /// Back to LISTEN; a TIME-WAIT that was covered comes back.
    pub(super) fn drop_half_open(&mut self, now: Instant, index: u32) {
        let Some(half_open) = self.half_open.get(index) else { return };
        let (key, listener, covers) = (half_open.key, half_open.listener, half_open.covers_time_wait);
        self.sources.leave(half_open.source);
        self.half_open.discard(index, |half_open| half_open.armed);
        if let Some(listening) = self.listeners.get_mut(listener) {
            listening.half_open = listening.half_open.saturating_sub(1);
        }
        let after = if covers && self.uncover(&key, Found::HalfOpen(index)) {
            State::TimeWait
        } else {
            let hash = self.demux.hash(&key);
            self.disown(hash, Found::HalfOpen(index));
            State::Listen
        };
        self.trace_state(now, &key, State::SynReceived, after);
    }

    /// The SYN-ACK was not answered in time.
    pub(super) fn half_open_timeout(&mut self, now: Instant, index: u32, at: Instant) {
        let half_open = match self.half_open.tenant_mut(index) {
            Some(Tenant::Here(half_open)) => half_open,
            Some(Tenant::Gone(armed)) => {
                armed.take(at);
                return;
            }
            None => return,
        };
        if !half_open.armed.take(at) {
            return;
        }
        if half_open.resend_at > now {
            self.arm_half_open(index);
        } else if half_open.held {
            self.counters.held_expired += 1;
            self.drop_half_open(now, index);
        } else if half_open.back_off(now) {
            self.arm_half_open(index);
            self.counters.retransmits += 1;
            self.send_syn_ack(now, index, State::SynReceived);
        } else {
            self.counters.half_open_expired += 1;
            self.drop_half_open(now, index);
        }
    }

    fn arm_half_open(&mut self, index: u32) {
        if let Some(half_open) = self.half_open.get_mut(index)
            && half_open.armed.add(half_open.resend_at)
        {
            self.wheel.arm(Found::HalfOpen(index).pack(), half_open.resend_at);
        }
    }
}

/// The initial sequence number of a new connection; above `after`, the SND.NXT of the TIME-WAIT it reopens (RFC 9293
/// MAY-2 condition 1).
pub(super) fn initial_sequence(
    config: &HostConfig,
    key: &Key,
    numbers: TupleNumbers,
    now: Instant,
    after: Option<SeqNum>,
) -> SeqNum {
    let iss = match config.initial_sequence {
        Some(laboratory) => laboratory(&key.tuple()),
        None => numbers.initial_sequence(now),
    };
    match after {
        // Far enough that no segment of the old connection can lie in the new window.
        Some(snd_nxt) if !iss.after(snd_nxt + 0xffff) => snd_nxt + 0x1_0000,
        _ => iss,
    }
}

/// A connection where a half-open one was. Apart from the rest, so that each value goes from its old place to its new one: among
/// others all of them would wait together.
#[inline(never)]
fn insert_established(
    connections: &mut Slab<Connection, connection::Armed>,
    half_open: &HalfOpen,
    config: &Arc<Settings>,
    now: Instant,
) -> (u32, u32) {
    connections.insert_after(|armed| {
        let phase = Phase::Synchronized(Tcb::new(&half_open.agreed, config, now, Some(half_open.since)));
        Connection::new(half_open.key, half_open.interface, phase, now, State::SynReceived, armed)
    })
}

/// The answer to a SYN.
pub(super) fn syn_ack(
    agreed: &Agreed,
    scaled: bool,
    config: &Settings,
    link_mss: u16,
    now: Instant,
) -> Header {
    let ts_val = millis32(now).wrapping_add(agreed.ts_offset);
    Header {
        seq: agreed.iss,
        ack: agreed.irs + 1,
        flags: Flags::SYN.with(Flags::ACK),
        wnd: config.syn_window,
        options: agreed.syn_ack_options(config, link_mss.min(config.mss_bound), ts_val, scaled),
        ..Header::default()
    }
}

/// What a half-open connection acknowledges: the SYN.
fn ack_of_handshake(agreed: &Agreed, now: Instant) -> Header {
    let mut header =
        Header { seq: agreed.iss + 1, ack: agreed.irs + 1, flags: Flags::ACK, ..Header::default() };
    header.wnd = u16::try_from(agreed.rcv_wnd >> agreed.rcv_shift).unwrap_or(u16::MAX);
    let val = millis32(now).wrapping_add(agreed.ts_offset);
    header.options.timestamp = agreed.ts_recent.map(|ecr| Timestamp { val, ecr });
    header
}
