//! What leaves the host: control segments first, then what connections have to send.

use super::Host;
use super::demux::Found;
use super::emit::{emit, emit_bare, emit_syn, emit_usual};
use super::key::Key;
use super::settle::arm;
use crate::tcp::connection::Phase;
use crate::tcp::sends::{Kind, Next, build, next_segment, nothing_left, plain, window};
use crate::tcp::seq::SeqNum;
use crate::tcp::tcb::{Tcb, millis32};
use crate::trace::{Direction, FrameTrace, TraceEvent};
use crate::wire::packet::Mark;
use crate::wire::tcp::{Flags, Header, Timestamp};
use crate::{FourTuple, Instant, InterfaceConfig, InterfaceId, State, Transmit};
use alloc::collections::VecDeque;
use core::num::NonZeroU16;

/// Control segments that may wait at once; past it they are counted and thrown away, as a network would.
const CONTROL_MAX: usize = 16_384;
/// Slots that their queue keeps when it is empty: a flood is answered, not remembered.
const CONTROL_KEPT: usize = 256;
/// The largest IP packet.
const PACKET_MAX: u32 = 65_535;
/// More octets than all headers of a packet can have.
const HEADERS_MAX: u32 = 120;
/// A segment that belongs to no connection's stream of text: SYN-ACK, RST, an ACK from TIME-WAIT.
#[derive(Clone, Debug)]
pub(super) struct Control {
    pub(super) key: Key,
    pub(super) interface: InterfaceId,
    pub(super) mark: Mark,
    pub(super) header: Header,
    /// The state before it, for those who watch.
    pub(super) before: State,
}

/// What a connection did with its turn to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// It had nothing to send.
    Nothing,
    /// A segment, and it may have more.
    Sent,
    /// A segment, and nothing is left.
    SentLast,
}

/// Octets of text that one frame may carry: a segment, or many where the device cuts frames and completes their
/// checksums; a device that says it does only one of both is not believed.
fn text_max(tcb: &Tcb, config: &InterfaceConfig) -> u32 {
    let mss = u32::from(tcb.snd.mss);
    // A device copies the urgent pointer into each segment as it is, though each stands elsewhere.
    let cuts = config.segmentation_offload && config.checksum_offload && tcb.snd_up().is_none();
    if cuts && tcb.send_queue() > mss { ((PACKET_MAX - HEADERS_MAX) / mss * mss).max(mss) } else { mss }
}

impl Host {
    /// Queues a control segment that is marked as the host's connections are by default.
    pub(super) fn reply(&mut self, key: Key, interface: InterfaceId, header: Header, before: State) {
        self.reply_marked(key, interface, self.tcp_config.mark, header, before);
    }

    /// Queues a control segment.
    pub(super) fn reply_marked(
        &mut self,
        key: Key,
        interface: InterfaceId,
        mark: Mark,
        header: Header,
        before: State,
    ) {
        if header.flags.has(Flags::RST) {
            self.counters.resets_sent += 1;
        }
        if self.control.len() >= CONTROL_MAX {
            self.counters.replies_dropped += 1;
            return;
        }
        self.control.push_back(Control { key, interface, mark, header, before });
    }

    /// RST in answer to a segment that belongs nowhere (RFC 9293 §3.10.7.1).
    pub(super) fn reply_reset(
        &mut self,
        key: Key,
        interface: InterfaceId,
        seg: &crate::tcp::segment::Segment,
        before: State,
    ) {
        let mut header = if seg.has(Flags::ACK) {
            Header { seq: seg.ack, flags: Flags::RST, ..Header::default() }
        } else {
            Header { seq: SeqNum(0), ack: seg.end(), flags: Flags::RST.with(Flags::ACK), ..Header::default() }
        };
        // RFC 7323 §3.2 [7323-22]
        header.options.timestamp = seg.timestamp().map(|ts| Timestamp { val: 0, ecr: ts.val });
        self.reply(key, interface, header, before);
    }

    /// Fills `out` with the next frame to send; false when there is none.
    #[inline]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Transmit) -> bool {
        out.clear();
        if self.dirty.is_empty() && self.control.is_empty() && self.outbox.is_empty() {
            return false;
        }
        self.transmit(now, out)
    }

    /// The next frame, now that there may be one.
    #[inline(never)]
    fn transmit(&mut self, now: Instant, out: &mut Transmit) -> bool {
        let first = !self.outbox.is_empty() || !self.control.is_empty();
        let sent = (first && self.transmit_first(now, out)) || self.transmit_text(now, out);
        self.counters.frames_out += u64::from(sent);
        sent
    }

    /// [`Host::poll_transmit`] without the straight way.
    #[cfg(test)]
    pub(super) fn poll_transmit_generally(&mut self, now: Instant, out: &mut Transmit) -> bool {
        out.clear();
        let mut sent = self.transmit_first(now, out);
        while !sent && let Some(index) = self.dirty.pop_front() {
            let turn = self.transmit_any(now, index, out);
            sent = self.has_taken(turn, now, index);
        }
        self.counters.frames_out += u64::from(sent);
        sent
    }

    /// The straight way alone.
    #[cfg(test)]
    pub(super) fn transmit_straight(&mut self, now: Instant, out: &mut Transmit) -> bool {
        let Some(index) = self.dirty.pop_front() else { return false };
        let turn = self.transmit_plain(now, index, out);
        if turn == Turn::Nothing {
            self.dirty.push_front(index);
        }
        self.has_taken(turn, now, index)
    }

    /// What goes ahead of text.
    #[inline(never)]
    fn transmit_first(&mut self, now: Instant, out: &mut Transmit) -> bool {
        (!self.outbox.is_empty() && self.transmit_packet(now, out)) || self.transmit_control(now, out)
    }

    /// A packet that the IP layer has made.
    #[cold]
    fn transmit_packet(&mut self, now: Instant, out: &mut Transmit) -> bool {
        let sent = self.outbox.pop(out);
        if sent && self.tracing {
            self.trace_frame(now, Direction::Out, None, State::Closed, State::Closed, None);
        }
        sent
    }

    fn transmit_control(&mut self, now: Instant, out: &mut Transmit) -> bool {
        if self.tracing {
            self.trace_control(now);
        }
        let Some(control) = self.control.front() else { return false };
        let config = self.interfaces.config(control.interface);
        emit_bare(&control.key, control.interface, config, control.mark, &control.header, out);
        self.control.pop_front();
        if self.control.is_empty() && self.control.capacity() > CONTROL_KEPT {
            self.control = VecDeque::new();
        }
        true
    }

    /// Tells those who watch of the control segment that is about to leave.
    #[cold]
    fn trace_control(&mut self, now: Instant) {
        let Some(&Control { key, before, .. }) = self.control.front() else { return };
        let after = self.shown_after(&key, before);
        self.trace_frame(now, Direction::Out, Some(key.tuple()), before, after, None);
    }

    /// The next segment of the connections that may have something to send.
    /// Ledger: [1191-7].
    #[inline(always)]
    fn transmit_text(&mut self, now: Instant, out: &mut Transmit) -> bool {
        while let Some(index) = self.dirty.pop_front() {
            let mut turn = self.transmit_plain(now, index, out);
            if turn == Turn::Nothing {
                turn = self.transmit_any(now, index, out);
            }
            if self.has_taken(turn, now, index) {
                return true;
            }
        }
        false
    }

    /// Whether a connection has sent something, in front of the queue again if it may have more.
    #[inline(always)]
    fn has_taken(&mut self, turn: Turn, now: Instant, index: u32) -> bool {
        match turn {
            Turn::Nothing => return false,
            Turn::Sent => self.dirty.push_front(index),
            Turn::SentLast => {}
        }
        if self.tracing {
            self.trace_sent(now, index);
        }
        true
    }

    /// The next segment of a connection, if it is a usual one or a SYN. After [`Turn::SentLast`] it is clean and its timer
    /// armed.
    #[inline(always)]
    fn transmit_plain(&mut self, now: Instant, index: u32, out: &mut Transmit) -> Turn {
        let Some(connection) = self.connections.get_mut(index) else { return Turn::Nothing };
        let config = self.interfaces.config(connection.interface);
        match &mut connection.phase {
            Phase::Synchronized(tcb) => {
                let merges = config.segmentation_offload && config.checksum_offload;
                let Some(plain) = plain::next(tcb, now, merges, &mut out.text) else { return Turn::Nothing };
                let pressed = self.recv_total > self.config.recv_total_max;
                let wnd = window::offer(tcb, pressed);
                let flags_and_wnd = u32::from(plain.flags.0) << 16 | u32::from(wnd);
                let offload = config.checksum_offload;
                emit_usual(connection, plain.text, flags_and_wnd, millis32(now), offload, out);
                let Phase::Synchronized(tcb) = &mut connection.phase else { return Turn::Nothing };
                plain.left(tcb, now);
                if !plain.is_last() {
                    return Turn::Sent;
                }
                // What comes due first has its entry already. (What was set while the connection waited here is looked at:
                // that may have been long ago.)
                let soonest = tcb.config.soonest;
                let first = tcb.timers.retransmit_at.min(tcb.timers.idle_at);
                if first >= now + soonest && connection.armed.covers(now, soonest) {
                    connection.dirty = false;
                    return Turn::SentLast;
                }
            }
            _ => {
                if !emit_syn(connection, config, now, out) {
                    return Turn::Nothing;
                }
            }
        }
        connection.dirty = false;
        arm(&mut self.wheel, connection, now, index);
        Turn::SentLast
    }

    /// The next segment of a connection, whatever it is. It is clean and its timer armed after [`Turn::SentLast`] and
    /// [`Turn::Nothing`].
    #[inline(never)]
    fn transmit_any(&mut self, now: Instant, index: u32, out: &mut Transmit) -> Turn {
        let pressed = self.pressed();
        let Some(connection) = self.connections.get_mut(index) else { return Turn::Nothing };
        let config = self.interfaces.config(connection.interface);
        let turn = if let Phase::Synchronized(tcb) = &mut connection.phase {
            match next_segment(tcb, now, text_max(tcb, config)) {
                Next::Segment(plan) => {
                    self.counters.retransmits += u64::from(plan.kind == Kind::Retransmission);
                    let (header, short) = build::build(tcb, now, &plan, pressed, &mut out.text);
                    let short = match (&tcb.send, short) {
                        (Some(send), Some(piece)) => send.text_of(piece),
                        _ => &[],
                    };
                    let mark = tcb.config.mark;
                    emit(&connection.key, connection.interface, config, mark, &header, short, out);
                    if plan.text > u32::from(tcb.snd.mss) && out.text_len() > usize::from(tcb.snd.mss) {
                        out.segment_size = NonZeroU16::new(tcb.snd.mss);
                    }
                    if nothing_left(tcb) { Turn::SentLast } else { Turn::Sent }
                }
                Next::Nothing(_) => Turn::Nothing,
            }
        } else if emit_syn(connection, config, now, out) {
            Turn::SentLast
        } else {
            Turn::Nothing
        };
        if turn != Turn::Sent {
            connection.dirty = false;
            self.arm(now, index);
        }
        turn
    }

    /// Tells those who watch of a segment that a connection sent.
    #[cold]
    fn trace_sent(&mut self, now: Instant, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let (tuple, after) = (connection.key.tuple(), connection.state());
        let before = core::mem::replace(&mut connection.shown, after);
        self.trace_frame(now, Direction::Out, Some(tuple), before, after, None);
    }

    /// The connection may have something to send.
    pub(super) fn mark_dirty(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push_back(index);
        }
    }

    /// The state after a frame, for those who watch; the connection's next frame begins with it. One that has ended is
    /// CLOSED, though a listener would take its next SYN: only SYN-RECEIVED goes back to LISTEN (RFC 9293 Figure 5).
    #[cold]
    pub(super) fn shown_after(&mut self, key: &Key, before: State) -> State {
        let after = self.state_of_key(key);
        if let Some(Found::Connection(index)) = self.find(key)
            && let Some(connection) = self.connections.get_mut(index)
        {
            connection.shown = after;
        }
        let begins = matches!(before, State::Closed | State::Listen | State::SynReceived);
        if after == State::Listen && !begins { State::Closed } else { after }
    }

    /// Tells those who watch what a frame did.
    #[cold]
    pub(super) fn trace_frame(
        &mut self,
        at: Instant,
        direction: Direction,
        tuple: Option<FourTuple>,
        before: State,
        after: State,
        drop: Option<crate::DropReason>,
    ) {
        self.traces.push_back(TraceEvent::Frame(FrameTrace { at, direction, tuple, before, after, drop }));
    }

    /// Tells those who watch of a change that concerns no connection object: half-open, TIME-WAIT.
    pub(super) fn trace_state(&mut self, at: Instant, key: &Key, before: State, after: State) {
        if self.tracing && before != after {
            trace_state(&mut self.traces, at, key, before, after);
        }
    }

    /// The state of whatever owns `key`.
    pub(super) fn state_of_key(&self, key: &Key) -> State {
        match self.find(key) {
            Some(Found::Connection(index)) => {
                self.connections.get(index).map_or(State::Closed, crate::tcp::connection::Connection::state)
            }
            Some(Found::HalfOpen(_)) => State::SynReceived,
            Some(Found::TimeWait4(_) | Found::TimeWait6(_)) => State::TimeWait,
            None if self.listener_for(key.local(), key.local_port()).is_some() => State::Listen,
            None => State::Closed,
        }
    }
}

/// Out of the way of hosts that nobody watches, wherever it is called.
#[cold]
#[inline(never)]
pub(super) fn trace_state(
    traces: &mut VecDeque<TraceEvent>,
    at: Instant,
    key: &Key,
    before: State,
    after: State,
) {
    traces.push_back(TraceEvent::State { at, tuple: key.tuple(), before, after });
}
