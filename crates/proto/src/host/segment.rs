//! A TCP segment meets the object that owns its tuple.

use super::Host;
use super::demux::Found;
use super::key::Key;
use crate::ip::icmp::IcmpError;
use crate::ip::interface::Interfaces;
use crate::tcp::arrives::{self, Stop};
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::error::CloseReason;
use crate::tcp::info::Trouble;
use crate::tcp::opening::active;
use crate::tcp::opening::negotiate::Agreed;
use crate::tcp::segment::Segment;
use crate::tcp::seq::SeqNum;
use crate::tcp::tcb::Tcb;
use crate::wire::tcp::{Flags, Header, Timestamp};
use crate::{ConnectionId, DropReason, FourTuple, Instant, InterfaceId, State};
use core::ops::ControlFlow;
use core::time::Duration;

/// Between two answers of an unsynchronized connection to suspicious segments.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);

/// Octets of IP and TCP header without options, per family: what an MTU loses to them.
pub(super) fn headers(ipv6: bool) -> u16 {
    if ipv6 { 60 } else { 40 }
}

impl Host {
    pub(super) fn handle_segment(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        key: &Key,
        hash: u64,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        match self.find_hashed(hash, key) {
            Some(Found::Connection(index)) => {
                self.expect_more(index, hash);
                self.connection_segment(now, index, seg)
            }
            Some(Found::HalfOpen(index)) => self.half_open_segment(now, index, hash, seg),
            Some(found) => self.time_wait_segment(now, interface, key, hash, found, seg),
            None if self.is_quiet(now, key, seg) => Err(DropReason::QuietTime),
            None => match self.listener_for(key.local(), key.local_port()) {
                Some(listener) => self.listen_segment(now, interface, (key, hash), listener, None, seg),
                None => self.unowned_segment(*key, interface, seg),
            },
        }
    }

    /// Whether a segment for a tuple that nobody owns may be of a connection that this host has forgotten
    /// (RFC 9293 §3.4.3).
    /// Ledger: [9293-QT-2].
    fn is_quiet(&self, now: Instant, key: &Key, seg: &Segment) -> bool {
        now.since(Instant::ZERO) < self.config.quiet_time
            && !(seg.has(Flags::SYN)
                && !seg.has(Flags::ACK)
                && self.listener_for(key.local(), key.local_port()).is_some())
    }

    /// CLOSED: everything but an RST is answered with one (RFC 9293 §3.10.7.1).
    /// Ledger: [9293-SA-CLOSED-1, 9293-SA-CLOSED-2, 9293-SA-CLOSED-4, 9293-SA-CLOSED-5, 9293-SA-CLOSED-6,
    /// 9293-SA-CLOSED-7, 9293-SA-CLOSED-8, 9293-SA-CLOSED-9].
    fn unowned_segment(&mut self, key: Key, interface: InterfaceId, seg: &Segment) -> Result<(), DropReason> {
        if !seg.has(Flags::RST) {
            self.reply_reset(key, interface, seg, State::Closed);
        }
        Err(DropReason::NoConnection)
    }

    pub(super) fn connection_segment(
        &mut self,
        now: Instant,
        index: u32,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Some(connection) = self.connections.get_mut(index) else { return Err(DropReason::NoConnection) };
        match &mut connection.phase {
            Phase::Over(_) => Err(DropReason::NoConnection),
            Phase::Opening(opening) => {
                if opening.covers_time_wait {
                    let key = connection.key;
                    if let Some(outcome) = self.covered_segment(now, &key, seg) {
                        return outcome;
                    }
                }
                let Some(Connection { phase: Phase::Opening(opening), .. }) = self.connections.get_mut(index)
                else {
                    return Err(DropReason::NoConnection);
                };
                let step = opening.judge(now, seg);
                self.opening_step(now, index, step, seg)
            }
            Phase::Synchronized(tcb) => {
                let before = charge(tcb);
                let flow = arrives::segment_arrives(tcb, &mut self.pools, now, seg);
                let after = charge(tcb);
                self.recharge(before, after);
                self.synchronized_step(now, index, flow, seg)
            }
        }
    }

    /// Applies what the steps of `arrives/` decided.
    /// Ledger: RFC 9293 MUST-58, MUST-59 [5681-21].
    fn synchronized_step(
        &mut self,
        now: Instant,
        index: u32,
        flow: ControlFlow<Stop>,
        seg: &Segment,
    ) -> Result<(), DropReason> {
        let outcome = match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(Stop::Drop(reason)) => Err(reason),
            ControlFlow::Break(Stop::AckAndDrop(reason)) => {
                if arrives::may_be_retransmission(seg) {
                    self.acknowledge_now(index);
                    Err(reason)
                } else {
                    Err(self.challenge(now, index, reason))
                }
            }
            ControlFlow::Break(Stop::ChallengeAck(reason)) => Err(self.challenge(now, index, reason)),
            ControlFlow::Break(Stop::Refuse(reason)) => {
                self.abort_connection(now, index, CloseReason::Aborted);
                return Err(reason);
            }
            ControlFlow::Break(Stop::Reset(reason)) => {
                self.counters.resets_received += 1;
                self.end_connection(now, index, reason);
                return Ok(());
            }
            ControlFlow::Break(Stop::TimedOut) => {
                self.end_connection(now, index, CloseReason::TimedOut);
                return Ok(());
            }
        };
        self.settle(now, index);
        outcome
    }

    fn acknowledge_now(&mut self, index: u32) {
        if let Some(Connection { phase: Phase::Synchronized(tcb), .. }) = self.connections.get_mut(index) {
            tcb.ack_now();
        }
    }

    // Ledger: [5961-3, 5961-6, 5961-10, 5961-11].
    fn challenge(&mut self, now: Instant, index: u32, reason: DropReason) -> DropReason {
        if let Some(Connection { phase: Phase::Synchronized(tcb), .. }) = self.connections.get_mut(index) {
            if !arrives::challenge_allowed(tcb, now) {
                return DropReason::ChallengeLimited;
            }
            tcb.ack_now();
        }
        reason
    }

    fn opening_step(
        &mut self,
        now: Instant,
        index: u32,
        step: active::Step,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        use active::Step;
        match step {
            Step::Drop(reason) => {
                self.mark_dirty(index);
                Err(reason)
            }
            Step::Refuse(reason) => {
                if let Some(connection) = self.connections.get(index) {
                    let (key, interface, state) = (connection.key, connection.interface, connection.state());
                    self.reply_reset(key, interface, seg, state);
                }
                Err(reason)
            }
            Step::Challenge(reason) => Err(self.challenge_opening(now, index, reason)),
            Step::Refused => {
                self.counters.resets_received += 1;
                self.end_connection(now, index, CloseReason::Refused);
                Ok(())
            }
            Step::SynReceived => {
                self.settle(now, index);
                Ok(())
            }
            Step::Establish(agreed) => {
                self.establish_active(now, index, &agreed, seg);
                Ok(())
            }
        }
    }

    fn challenge_opening(&mut self, now: Instant, index: u32, reason: DropReason) -> DropReason {
        let Some(connection) = self.connections.get_mut(index) else { return reason };
        let (key, interface) = (connection.key, connection.interface);
        let Phase::Opening(opening) = &mut connection.phase else { return reason };
        let Some(agreed) = opening.agreed else { return reason };
        if opening.challenge_at > now {
            return DropReason::ChallengeLimited;
        }
        opening.challenge_at = now + CHALLENGE_INTERVAL;
        let mut header =
            Header { seq: agreed.iss + 1, ack: agreed.irs + 1, flags: Flags::ACK, ..Header::default() };
        header.wnd = u16::try_from(agreed.rcv_wnd >> agreed.rcv_shift).unwrap_or(u16::MAX);
        header.options.timestamp = agreed.ts_recent.map(|ecr| Timestamp { val: opening.ts_val(now), ecr });
        self.reply(key, interface, header, State::SynReceived);
        reason
    }

    /// The active open is over: ESTABLISHED, or FIN-WAIT-1 when the application has closed meanwhile.
    fn establish_active(&mut self, now: Instant, index: u32, agreed: &Agreed, seg: &mut Segment) {
        let Some((generation, connection)) = self.connections.entry_mut(index) else { return };
        let Phase::Opening(opening) = &mut connection.phase else { return };
        let syn = seg.has(Flags::SYN);
        let passive = opening.passive;
        let covered = opening.covers_time_wait.then_some(connection.key);
        let mut tcb = Tcb::new(agreed, &opening.config, now, (syn || passive).then_some(opening.syn_at));
        tcb.send = opening.send.take();
        tcb.set_holder(opening.holder);
        tcb.nodelay = opening.nodelay;
        tcb.write_blocked = opening.write_blocked;
        if opening.close_queued {
            tcb.halves.on_close();
        }
        // SYN and ACK alone need an answer at once; the rest of the segment is what it is.
        if !passive {
            tcb.ack_now();
        }
        let held = tcb.is_held();
        connection.phase = Phase::Synchronized(tcb);
        let Phase::Synchronized(tcb) = &mut connection.phase else { return };
        // A SYN in the segment was dealt with; a window that came without one is scaled.
        if syn {
            seg.flags.0 &= !Flags::SYN.0;
            seg.seq += 1;
            seg.urgent = seg.urgent.saturating_sub(1);
        } else {
            tcb.snd.wnd = u32::from(seg.wnd) << tcb.snd_shift;
            tcb.snd.max_wnd = seg.wnd;
        }
        let flow = arrives::text_and_fin(tcb, &mut self.pools, now, seg);
        let charged = charge(tcb);
        self.recharge(0, charged);
        if let Some(key) = covered {
            self.remove_covered(&key);
        }
        if passive {
            self.counters.accepted += 1;
        } else {
            self.counters.opened += 1;
        }
        if held {
            self.events.push_back(super::Event::Connected(ConnectionId { index, generation }));
        }
        let _counted_as_handled = self.synchronized_step(now, index, flow, seg);
    }

    /// An ICMP error that quotes a segment of ours (RFC 5927: believed only for text in flight, and hard errors only
    /// while opening).
    /// Ledger: RFC 9293 MUST-54, MUST-56 [5927-1, 5927-4, 8201-7].
    pub(super) fn icmp_for_tcp(
        &mut self,
        now: Instant,
        tuple: &FourTuple,
        seq: SeqNum,
        error: IcmpError,
    ) -> Result<(), DropReason> {
        let key = Key::from_tuple(tuple);
        let index = match self.find(&key) {
            Some(Found::Connection(index)) => index,
            // A half-open connection has its own end, the timer; a TIME-WAIT sends nothing that could be lost.
            Some(_) => return Ok(()),
            None => return Err(DropReason::IcmpUnrelated),
        };
        let Some(connection) = self.connections.get_mut(index) else { return Err(DropReason::IcmpUnrelated) };
        match (&mut connection.phase, error) {
            (Phase::Opening(opening), error) => {
                if seq != opening.iss {
                    return Err(DropReason::IcmpOutOfFlight);
                }
                // RFC 1122 §4.2.3.9, RFC 5927 §5.2 [5927-3]: only while it opens can an error end a connection.
                if error == (IcmpError::Unreachable { hard: true }) {
                    self.end_connection(now, index, CloseReason::Unreachable);
                } else if let Some(trouble) = soft(error) {
                    self.trouble(index, trouble);
                }
                Ok(())
            }
            (Phase::Synchronized(tcb), error) => {
                if !seq.in_window(tcb.snd.una, tcb.outstanding()) {
                    return Err(DropReason::IcmpOutOfFlight);
                }
                if let IcmpError::PacketTooBig { mtu } = error {
                    // Known or not: this connection may have begun before it was.
                    self.path_mtu.lower(key.remote(), mtu, now);
                    self.lower_mss(now, index, &key);
                } else if let Some(trouble) = soft(error) {
                    // Deviation, RFC 9293 SHLD-26 [9293-SHLD-26]: a hard error too is only noted (RFC 5927 §5.2 [5927-2]).
                    self.trouble(index, trouble);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The path takes only smaller packets: what is in flight is cut anew and sent again.
    /// Ledger: [1191-1, 1191-6, 5927-8, 8201-4, 8201-5, 8201-6].
    fn lower_mss(&mut self, now: Instant, index: u32, key: &Key) {
        let Some(mtu) = self.path_mtu.get(key.remote(), now) else { return };
        if let Some(Connection { phase: Phase::Synchronized(tcb), .. }) = self.connections.get_mut(index)
            && tcb.lower_mss(mtu.saturating_sub(headers(key.is_ipv6())))
        {
            tcb.send_again();
        }
        self.settle(now, index);
    }

    /// Octets of text the path to `key`'s peer takes, options not taken off. `link_mss`: what our own link takes.
    #[inline]
    pub(super) fn path_mss(&self, key: &Key, link_mss: u16, now: Instant) -> u16 {
        if self.path_mtu.is_empty() {
            return link_mss;
        }
        let known = self.path_mtu.get(key.remote(), now);
        known.map_or(link_mss, |mtu| link_mss.min(mtu.saturating_sub(headers(key.is_ipv6())).max(1)))
    }

    /// Keeps the sum of received text over all connections.
    pub(super) fn recharge(&mut self, before: usize, after: usize) {
        if before == after {
            return;
        }
        let (before, after) = (u64::try_from(before).unwrap_or(0), u64::try_from(after).unwrap_or(0));
        self.recv_total = (self.recv_total + after).saturating_sub(before);
    }
}

/// What an ICMP error tells the application of a connection that goes on.
const fn soft(error: IcmpError) -> Option<Trouble> {
    match error {
        IcmpError::Unreachable { .. } => Some(Trouble::Unreachable),
        IcmpError::TimeExceeded => Some(Trouble::TimeExceeded),
        IcmpError::ParameterProblem => Some(Trouble::ParameterProblem),
        IcmpError::PacketTooBig { .. } => None,
    }
}

/// Octets of text our link takes. With the bound of the settings it is what our SYN names (RFC 9293 MUST-14, MUST-16,
/// MUST-67).
/// Ledger: RFC 9293 MUST-67, SHLD-5, MAY-3.
#[inline]
pub(super) fn link_mss(interfaces: &Interfaces, key: &Key, interface: InterfaceId) -> u16 {
    interfaces.config(interface).mtu.saturating_sub(headers(key.is_ipv6())).max(1)
}

/// Octets of received text that a connection pins.
pub(super) fn charge(tcb: &Tcb) -> usize {
    tcb.recv.as_ref().map_or(0, |recv| recv.charged())
}
