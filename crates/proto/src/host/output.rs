//! What leaves the host: control segments first, then what connections have to send.

use super::Host;
use super::demux::Found;
use super::key::Key;
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::sends::{Next, build, next_segment};
use crate::tcp::seq::{SeqNum, octets};
use crate::trace::{Direction, FrameTrace, TraceEvent};
use crate::wire::checksum::Sum;
use crate::wire::ip::{IpRepr, PROTOCOL_TCP, emit_header};
use crate::wire::tcp::{self, Flags, Header, Timestamp};
use crate::{Checksum, FourTuple, Instant, InterfaceId, State, Transmit};
use alloc::collections::VecDeque;
use core::num::NonZeroU16;

/// Control segments that may wait at once; past it they are counted and thrown away, as a network would.
const CONTROL_MAX: usize = 16_384;
/// Slots that their queue keeps when it is empty: a flood is answered, not remembered.
const CONTROL_KEPT: usize = 256;
/// The largest IP packet.
const PACKET_MAX: u32 = 65_535;
/// Hops a packet of ours may take (RFC 9293 MUST-49 asks for a configurable 60 or more; Linux: `ip_default_ttl`).
const HOP_LIMIT: u8 = 64;

/// A segment that belongs to no connection's stream of text: SYN-ACK, RST, an ACK from TIME-WAIT.
#[derive(Clone, Debug)]
pub(super) struct Control {
    pub(super) key: Key,
    pub(super) interface: InterfaceId,
    pub(super) header: Header,
    /// The state before it, for those who watch.
    pub(super) before: State,
}

impl Host {
    /// Queues a control segment.
    pub(super) fn reply(&mut self, key: Key, interface: InterfaceId, header: Header, before: State) {
        if header.flags.has(Flags::RST) {
            self.counters.resets_sent += 1;
        }
        if self.control.len() >= CONTROL_MAX {
            self.counters.replies_dropped += 1;
            return;
        }
        self.control.push_back(Control { key, interface, header, before });
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
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Transmit) -> bool {
        out.clear();
        if self.outbox.pop(out) {
            self.counters.frames_out += 1;
            self.trace_frame(now, Direction::Out, None, State::Closed, State::Closed, None);
            return true;
        }
        if let Some(control) = self.control.pop_front() {
            if self.control.is_empty() && self.control.capacity() > CONTROL_KEPT {
                self.control = VecDeque::new();
            }
            self.counters.frames_out += 1;
            if self.tracing {
                let tuple = control.key.tuple();
                let after = self.shown_after(&control.key, control.before);
                self.trace_frame(now, Direction::Out, Some(tuple), control.before, after, None);
            }
            self.emit(&control.key, control.interface, &control.header, &[], 0, out);
            return true;
        }
        while let Some(&index) = self.dirty.front() {
            if self.transmit_connection(now, index, out) {
                self.counters.frames_out += 1;
                return true;
            }
            self.dirty.pop_front();
            if let Some(connection) = self.connections.get_mut(index) {
                connection.dirty = false;
            }
            self.arm(index);
        }
        false
    }

    fn transmit_connection(&mut self, now: Instant, index: u32, out: &mut Transmit) -> bool {
        let pressed = self.pressed();
        let Some(connection) = self.connections.get_mut(index) else { return false };
        let (key, interface) = (connection.key, connection.interface);
        // A device that cuts frames completes their checksums; one that says otherwise is not believed.
        let config = self.interfaces.config(interface);
        let offload = config.segmentation_offload && config.checksum_offload;
        let (header, segment_size, text) = match &mut connection.phase {
            Phase::Over(_) => return false,
            Phase::Opening(opening) => {
                if !opening.syn_due {
                    return false;
                }
                let ts_val = opening.ts_val(now);
                (opening.build_syn(now, ts_val), None, None)
            }
            Phase::Synchronized(tcb) => {
                let mss = u32::from(tcb.mss);
                let text_max = if offload { (PACKET_MAX - 120) / mss * mss } else { mss };
                let Next::Segment(plan) = next_segment(tcb, now, text_max.max(mss)) else { return false };
                let retransmits = tcb.retransmits;
                let header = build::build(tcb, now, &plan, pressed, &mut out.text);
                self.counters.retransmits += u64::from(tcb.retransmits - retransmits);
                (header, NonZeroU16::new(tcb.mss), (plan.text > 0 && out.text.is_empty()).then_some(plan))
            }
        };
        if self.tracing {
            let after = connection.state();
            let before = core::mem::replace(&mut connection.shown, after);
            let tuple = key.tuple();
            self.trace_frame(now, Direction::Out, Some(tuple), before, after, None);
        }
        let short = text.map_or(&[][..], |plan| self.short_text(index, plan.seq, plan.text));
        let text_len = short.len() + out.text_len();
        self.emit(&key, interface, &header, short, text_len, out);
        if let Some(size) = segment_size
            && text_len > usize::from(size.get())
        {
            out.segment_size = Some(size);
        }
        true
    }

    fn short_text(&self, index: u32, seq: SeqNum, max: u32) -> &[u8] {
        match self.connections.get(index) {
            Some(Connection { phase: Phase::Synchronized(tcb), .. }) => build::short_text(tcb, seq, max),
            _ => &[],
        }
    }

    /// Writes IP and TCP headers, and short text behind them, in front of the slices that are already in `out`.
    fn emit(
        &self,
        key: &Key,
        interface: InterfaceId,
        header: &Header,
        short: &[u8],
        text_len: usize,
        out: &mut Transmit,
    ) {
        out.interface = interface;
        let header_len = tcp::HEADER_LEN + header.options.wire_len();
        let (source, destination) = (key.local(), key.remote());
        let repr = IpRepr {
            source,
            destination,
            protocol: PROTOCOL_TCP,
            payload_len: header_len + text_len,
            hop_limit: HOP_LIMIT,
            ecn: 0,
            identification: 0,
            dont_fragment: true,
        };
        emit_header(&repr, &mut out.header);
        let start = out.header.len();
        let mut sum = Sum::pseudo_header(source, destination, PROTOCOL_TCP, octets(header_len + text_len));
        let offload = self.interfaces.config(interface).checksum_offload;
        let partial = if offload { sum.fold() } else { 0 };
        let with_ports =
            Header { source: key.local_port(), destination: key.remote_port(), ..header.clone() };
        tcp::emit(&with_ports, partial, &mut out.header);
        let copied = out.header.try_extend_from_slice(short);
        debug_assert!(copied.is_ok(), "no room for short text");
        if offload {
            let start = u16::try_from(start).unwrap_or(u16::MAX);
            out.checksum = Checksum::Partial { start, offset: tcp::CHECKSUM_OFFSET };
            return;
        }
        sum.add(out.header.get(start..).unwrap_or_default());
        for slice in &out.text {
            sum.add(slice);
        }
        let field = start + usize::from(tcp::CHECKSUM_OFFSET);
        if let Some(place) = out.header.get_mut(field..field + 2) {
            place.copy_from_slice(&sum.finish().to_be_bytes());
        }
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
    pub(super) fn trace_frame(
        &mut self,
        at: Instant,
        direction: Direction,
        tuple: Option<FourTuple>,
        before: State,
        after: State,
        drop: Option<crate::DropReason>,
    ) {
        if self.tracing {
            self.traces.push_back(TraceEvent::Frame(FrameTrace {
                at,
                direction,
                tuple,
                before,
                after,
                drop,
            }));
        }
    }

    /// Tells those who watch of a change that concerns no connection object: half-open, TIME-WAIT.
    pub(super) fn trace_state(&mut self, at: Instant, key: &Key, before: State, after: State) {
        if self.tracing && before != after {
            self.traces.push_back(TraceEvent::State { at, tuple: key.tuple(), before, after });
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
