//! The one place that changes a connection's phase: after a segment, a call or a timer, it looks at what became of the
//! connection and tells the application.

use super::demux::Found;
use super::output::trace_state;
use super::segment::charge;
use super::{Event, Host};
use crate::table::queue::Queue;
use crate::table::wheel::Wheel;
use crate::tcp::closing::holder::Holder;
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::error::CloseReason;
use crate::tcp::info::State;
use crate::tcp::sends::{nothing_left, window};
use crate::tcp::tcb::{Tcb, Wake};
use crate::tcp::timers::AckDue;
use crate::wire::tcp::{Flags, Header, Timestamp};
use crate::{ConnectionId, Instant};

impl Host {
    /// Brings the host in line with what a connection has become.
    pub(super) fn settle(&mut self, now: Instant, index: u32) {
        let Some((generation, connection)) = self.connections.entry_mut(index) else { return };
        let id = ConnectionId { index, generation };
        let state = connection.state();
        if let Phase::Synchronized(tcb) = &mut connection.phase {
            let wake = core::mem::take(&mut tcb.wake);
            if state == State::FinWait2 && connection.noted != State::FinWait2 && !tcb.is_held() {
                // From here on only the peer can end it: its own limit (Linux: tcp_fin_timeout).
                tcb.set_holder(Holder::Nobody { until: now + tcb.config.fin_wait_2_timeout });
            }
            if tcb.is_held() {
                tell(&mut self.events, &mut connection.told, wake, id);
            }
            match state {
                State::TimeWait => return self.enter_time_wait(now, index),
                State::Closed => return self.end_connection(now, index, CloseReason::Graceful),
                _ => {}
            }
        }
        let before = core::mem::replace(&mut connection.noted, state);
        if before != state {
            connection.since = now;
            if self.tracing {
                trace_state(&mut self.traces, now, &connection.key, before, state);
            }
        }
        schedule(&mut self.dirty, &mut self.wheel, connection, now, index);
    }

    /// The application has read: the peer hears of the room when that is worth a segment.
    pub(super) fn update_window(&mut self, now: Instant, index: u32) {
        let pressed = self.pressed();
        if let Some(Connection { phase: Phase::Synchronized(tcb), .. }) = self.connections.get_mut(index)
            && window::update_due(tcb, pressed)
        {
            tcb.ack_now();
            self.settle(now, index);
        }
    }

    /// Remembers since when a connection is in its state, and tells those who watch.
    pub(super) fn note_state(&mut self, now: Instant, index: u32) {
        if let Some(after) = self.connections.get(index).map(Connection::state) {
            self.note(now, index, after);
        }
    }

    fn note(&mut self, now: Instant, index: u32, after: State) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let before = core::mem::replace(&mut connection.noted, after);
        if before == after {
            return;
        }
        connection.since = now;
        if self.tracing {
            trace_state(&mut self.traces, now, &connection.key, before, after);
        }
    }

    /// As [`arm`], of the connection in slot `index`.
    pub(super) fn arm(&mut self, now: Instant, index: u32) {
        if let Some(connection) = self.connections.get_mut(index) {
            arm(&mut self.wheel, connection, now, index);
        }
    }

    /// Everything is sent and received: the connection is consumed, a TIME-WAIT takes its place.
    fn enter_time_wait(&mut self, now: Instant, index: u32) {
        let pressed = self.pressed();
        let Some(connection) = self.connections.get_mut(index) else { return };
        let (key, interface, owner) = (connection.key, connection.interface, connection.owner);
        let Phase::Synchronized(tcb) = &mut connection.phase else { return };
        let wnd = window::offer(tcb, pressed);
        // The ACK of the peer's FIN is all that is left to say.
        let last_ack = (tcb.timers.ack_due != AckDue::No).then(|| Header { wnd, ..bare_ack(tcb, now) });
        let record = super::time_wait::Record {
            snd_nxt: tcb.snd.nxt,
            rcv_nxt: tcb.rcv.nxt,
            rcv_wnd: wnd,
            rcv_wind_shift: tcb.rcv_shift,
            interface,
            ts_recent: tcb.ts().map(|ts| ts.recent),
            owner,
            msl: tcb.config.msl,
            reset: false,
        };
        let mark = tcb.config.mark;
        let before = core::mem::replace(&mut connection.noted, State::TimeWait);
        connection.since = now;
        if self.tracing {
            trace_state(&mut self.traces, now, &key, before, State::TimeWait);
        }
        if let Some(header) = last_ack {
            self.reply_marked(key, interface, mark, header, State::TimeWait);
        }
        self.insert_time_wait(now, &key, index, &record);
        self.let_go(now, index, CloseReason::Graceful);
    }

    /// Ends a connection with RST.
    pub(super) fn abort_connection(&mut self, now: Instant, index: u32, reason: CloseReason) {
        if let Some(connection) = self.connections.get_mut(index) {
            let (key, interface, state) = (connection.key, connection.interface, connection.state());
            let answer = match &connection.phase {
                Phase::Synchronized(tcb) => {
                    let header = Header { flags: Flags::RST.with(Flags::ACK), ..bare_ack(tcb, now) };
                    Some((tcb.config.mark, header))
                }
                // SYN-SENT sends nothing, SYN-RECEIVED an RST (RFC 9293 §3.10.5).
                Phase::Opening(opening) => opening.agreed.map(|agreed| {
                    let flags = Flags::RST.with(Flags::ACK);
                    let (seq, ack) = (agreed.iss + 1, agreed.irs + 1);
                    (opening.config.mark, Header { seq, ack, flags, ..Header::default() })
                }),
                Phase::Over(_) => None,
            };
            if let Some((mark, header)) = answer {
                self.reply_marked(key, interface, mark, header, state);
            }
            if self.guard_reset(now, index) {
                return self.let_go(now, index, reason);
            }
        }
        self.end_connection(now, index, reason);
    }

    /// Leaves a record where a connection was that an RST of ours has just ended, if the settings want one
    /// (RFC 9293 §3.3.2, Figure 5, note 3).
    fn guard_reset(&mut self, now: Instant, index: u32) -> bool {
        let Some(connection) = self.connections.get(index) else { return false };
        let (key, interface, owner) = (connection.key, connection.interface, connection.owner);
        let Phase::Synchronized(tcb) = &connection.phase else { return false };
        if !tcb.config.wait_after_abort {
            return false;
        }
        let record = super::time_wait::Record {
            snd_nxt: tcb.snd.nxt,
            rcv_nxt: tcb.rcv.nxt,
            rcv_wnd: 0,
            rcv_wind_shift: 0,
            interface,
            ts_recent: tcb.ts().map(|ts| ts.recent),
            owner,
            msl: tcb.config.msl,
            reset: true,
        };
        self.note(now, index, State::TimeWait);
        self.insert_time_wait(now, &key, index, &record);
        true
    }

    /// Ends a connection without a word.
    pub(super) fn end_connection(&mut self, now: Instant, index: u32, reason: CloseReason) {
        let Some(connection) = self.connections.get(index) else { return };
        match &connection.phase {
            Phase::Over(_) => return,
            Phase::Opening(opening) if opening.covers_time_wait => self.uncover_or_disown(now, index),
            _ => {
                let hash = self.hash_of(index, &connection.key);
                self.disown(hash, Found::Connection(index));
            }
        }
        self.let_go(now, index, reason);
    }

    /// The tuple goes back to the TIME-WAIT that the connection covers, unless that is over too.
    #[cold]
    fn uncover_or_disown(&mut self, now: Instant, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let key = connection.key;
        if self.uncover(&key, Found::Connection(index)) {
            self.trace_state(now, &key, State::SynReceived, State::TimeWait);
            if let Some(connection) = self.connections.get_mut(index) {
                connection.noted = State::Closed; // which is not where the tuple goes
            }
        } else {
            let hash = self.hash_of(index, &key);
            self.disown(hash, Found::Connection(index));
        }
    }

    /// The tuple is another's or nobody's by now. What the application still holds of the connection becomes
    /// [`Phase::Over`].
    fn let_go(&mut self, now: Instant, index: u32, reason: CloseReason) {
        let Some((generation, connection)) = self.connections.entry_mut(index) else { return };
        self.events.push_back(Event::Closed(ConnectionId { index, generation }, reason));
        let before = core::mem::replace(&mut connection.noted, State::Closed);
        // A TIME-WAIT's own trace has told of its beginning already.
        if before != State::Closed && before != State::TimeWait {
            connection.since = now;
            if self.tracing {
                trace_state(&mut self.traces, now, &connection.key, before, State::Closed);
            }
        }
        let (held, charged) = match &connection.phase {
            Phase::Synchronized(tcb) => (tcb.is_held(), charge(tcb)),
            Phase::Opening(opening) => {
                self.counters.connect_failed += u64::from(!opening.passive);
                (opening.holder.is_application(), 0)
            }
            Phase::Over(_) => return,
        };
        if held {
            let kept = connection.end(reason);
            return self.recharge(charged, kept);
        }
        self.recharge(charged, 0);
        self.orphans = self.orphans.saturating_sub(1);
        self.counters.orphans_timed_out += u64::from(reason == CloseReason::TimedOut);
        self.connections.discard(index, |connection| connection.armed);
    }

    /// The application lets go in order.
    pub(super) fn orphan(&mut self, now: Instant, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let unread = match &mut connection.phase {
            Phase::Over(_) => return self.forget(index),
            Phase::Opening(opening) => {
                opening.close_queued = true;
                opening.holder = Holder::Nobody { until: now + opening.config.orphan_timeout };
                // Nothing was written: there is nothing a handshake could still deliver (RFC 9293 §3.10.4).
                if opening.send_queue() == 0 && opening.agreed.is_none() {
                    self.orphans += 1;
                    return self.end_connection(now, index, CloseReason::Aborted);
                }
                false
            }
            Phase::Synchronized(tcb) => {
                let unread = tcb.recv_queue() > 0 || tcb.recv.as_ref().is_some_and(|recv| recv.has_gap());
                let patience = if tcb.halves.fin_acked() {
                    tcb.config.fin_wait_2_timeout
                } else {
                    tcb.config.orphan_timeout
                };
                tcb.halves.on_close();
                tcb.set_holder(Holder::Nobody { until: now + patience });
                unread
            }
        };
        self.orphans += 1;
        // Text that was never read is lost, and the peer must hear of it (RFC 9293 SHLD-3).
        if unread {
            return self.abort_connection(now, index, CloseReason::Aborted);
        }
        if self.orphans > self.config.orphans_max {
            self.counters.orphans_refused += 1;
            return self.abort_connection(now, index, CloseReason::Aborted);
        }
        self.settle(now, index);
    }

    /// The application lets go of a connection that has ended.
    pub(super) fn forget(&mut self, index: u32) {
        if let Some(Connection { phase: Phase::Over(over), .. }) = self.connections.get(index) {
            let kept = over.recv.as_ref().map_or(0, |recv| recv.charged());
            self.recharge(kept, 0);
            self.connections.discard(index, |connection| connection.armed);
        }
    }
}

/// The application is told, unless it has not fetched the last notice of the same kind.
#[inline]
pub(super) fn tell(events: &mut Queue<Event>, told: &mut Wake, wake: Wake, id: ConnectionId) {
    if wake.readable && !core::mem::replace(&mut told.readable, true) {
        events.push_back(Event::Readable(id));
    }
    if wake.writable && !core::mem::replace(&mut told.writable, true) {
        events.push_back(Event::Writable(id));
    }
}

/// What may have something to send is queued; for all else the timer is armed. Most segments leave nothing to send but an
/// acknowledgment that may wait.
#[inline(always)]
pub(super) fn schedule(
    dirty: &mut Queue<u32>,
    wheel: &mut Wheel,
    connection: &mut Connection,
    now: Instant,
    index: u32,
) {
    if connection.dirty {
        return;
    }
    if let Phase::Synchronized(tcb) = &mut connection.phase
        && nothing_left(tcb)
    {
        // What was due before has its entry.
        if connection.armed.covers(now, tcb.config.soonest) {
            return;
        }
        return arm(wheel, connection, now, index);
    }
    connection.dirty = true;
    dirty.push_back(index);
}

/// Arms the timing wheel for the connection's earliest deadline, unless it holds one of ours that is no later.
#[inline(always)]
pub(super) fn arm(wheel: &mut Wheel, connection: &mut Connection, now: Instant, index: u32) {
    let deadline = connection.next_deadline(now);
    if let Some(at) = connection.armed.add(now, deadline) {
        wheel.arm(Found::Connection(index).pack(), at);
    }
}

/// An ACK of all that has arrived, from where we stand.
fn bare_ack(tcb: &Tcb, now: Instant) -> Header {
    let mut header = Header { seq: tcb.bare_seq(), ack: tcb.rcv.nxt, flags: Flags::ACK, ..Header::default() };
    header.wnd = u16::try_from(tcb.rcv.wnd() >> tcb.rcv_shift).unwrap_or(u16::MAX);
    header.options.timestamp = tcb.ts().map(|ts| Timestamp { val: tcb.ts_val(now), ecr: ts.recent });
    header
}
