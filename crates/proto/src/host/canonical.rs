//! What of a host decides its future, and nothing else: for a search that must know when it has been somewhere before.
//!
//! Times are written relative to the present, so that the same situation an hour later is the same. Left out are
//! counters, statistics, handles, the places of things in tables, the pools of empty buffers, and the timing wheel, whose
//! entries only wake the deadlines that are written. What counts days or hundreds is written as "enough" while it is far
//! from its end: the age of TS.Recent, and the allowances of answers in TIME-WAIT and of challenge ACKs. What only a flood brings about is
//! not written at all: how many SYNs each source has open, and cookies.

use super::Host;
use crate::tcp::arrives;
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::opening::active::Opening;
use crate::tcp::opening::half_open::HalfOpen;
use crate::tcp::opening::negotiate::Agreed;
use crate::tcp::tcb::{Tcb, millis32};
use crate::tcp::time_wait::{self as table, TimeWaitTable};
use crate::tcp::timers::AckDue;
use crate::{FourTuple, Instant, SeqNum};
use core::hash::{Hash, Hasher};
use core::net::IpAddr;

/// Answers of a TIME-WAIT, other than to the FIN, that may leave at once: with so many left, the limit is far.
const ANSWERS_ENOUGH: u32 = 6;
/// How far the account of challenge ACKs of a connection is overdrawn while the next may leave for certain.
const CHALLENGES_ENOUGH_MS: u32 = 4_000;
/// A connect looks whether a TIME-WAIT is older than a second, and never whether it is older than this.
const AGE_ENOUGH_MS: u64 = 1_001;
/// TS.Recent is void after 24 days; before this age that is far.
const RECENT_ENOUGH_MS: u32 = 20 * 24 * 3600 * 1000;

/// Writes values relative to the present.
struct Writer<'a, H> {
    now: Instant,
    out: &'a mut H,
}

impl<H: Hasher> Writer<'_, H> {
    fn put(&mut self, value: impl Hash) {
        value.hash(self.out);
    }

    /// How long until `at`; what is past is past.
    fn until(&mut self, at: Instant) {
        let ahead = if at == Instant::FAR_FUTURE {
            u64::MAX
        } else {
            at.as_nanos().saturating_sub(self.now.as_nanos())
        };
        self.put(ahead);
    }

    /// How long ago `at` was.
    fn since(&mut self, at: Instant) {
        let behind = if at == Instant::FAR_FUTURE {
            u64::MAX
        } else {
            self.now.as_nanos().saturating_sub(at.as_nanos())
        };
        self.put(behind);
    }

    /// A value of a clock of milliseconds: how far it is behind that clock.
    fn stamp(&mut self, value: u32) {
        self.put(millis32(self.now).wrapping_sub(value));
    }

    fn stamp_if_any(&mut self, value: Option<u32>) {
        self.put(value.is_some());
        if let Some(value) = value {
            self.stamp(value);
        }
    }
}

impl Host {
    /// Writes into `out` what of this host can influence what it does from `now` on; two hosts that write the same behave
    /// the same. For the exhaustive search of `linger-sim`; the settings of the host are not written.
    #[doc(hidden)]
    pub fn write_canonical(&self, now: Instant, out: &mut impl Hasher) {
        let mut writer = Writer { now, out };
        let to = &mut writer;
        to.put(self.connections.len());
        for (index, connection) in self.connections.iter() {
            self.write_connection(index, connection, to);
        }
        to.put(self.half_open.len());
        for (_, half_open) in self.half_open.iter() {
            write_half_open(half_open, to);
        }
        write_time_wait(&self.time_wait_4, to);
        write_time_wait(&self.time_wait_6, to);
        to.put(self.listeners.len());
        for (_, listener) in self.listeners.iter() {
            to.put((listener.local, listener.accept_queue.len(), listener.half_open));
        }
        to.put((self.control.len(), self.events.len(), self.outbox.is_empty(), self.pressed()));
    }

    fn write_connection(&self, index: u32, connection: &Connection, to: &mut Writer<'_, impl Hasher>) {
        to.put(connection.key.tuple());
        to.put((connection.dirty, connection.told.readable, connection.told.writable));
        to.put(
            self.listeners
                .iter()
                .any(|(_, listener)| listener.accept_queue.iter().any(|id| *id == self.id_of(index))),
        );
        match &connection.phase {
            Phase::Opening(opening) => write_opening(opening, to),
            Phase::Synchronized(tcb) => write_tcb(tcb, to),
            Phase::Over(over) => {
                to.put((2, over.reason, over.complete));
                if let Some(recv) = &over.recv {
                    recv.write_canonical(&mut |text| to.put(text));
                }
            }
        }
    }

    /// When the earliest deadline is: exactly, where [`Host::poll_timeout`] may also name an instant at which nothing
    /// happens any more.
    #[doc(hidden)]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let connections = self.connections.iter().map(|(_, connection)| connection.next_deadline(now));
        let half_open = self.half_open.iter().map(|(_, half_open)| half_open.resend_at);
        let time_wait = [self.time_wait_4.next_or_never(), self.time_wait_6.next_or_never()];
        connections.chain(half_open).chain(time_wait).min().filter(|&at| at != Instant::FAR_FUTURE)
    }

    /// From now on new connections begin with what `number` says, as if it had been in the settings from the start.
    #[doc(hidden)]
    pub fn set_initial_sequence(&mut self, number: fn(&FourTuple) -> SeqNum) {
        self.config.initial_sequence = Some(number);
    }
}

fn write_agreed(agreed: &Agreed, to: &mut Writer<'_, impl Hasher>) {
    let Agreed { ts_recent, ts_offset: _, .. } = *agreed;
    to.stamp_if_any(ts_recent);
    to.put(Agreed { ts_recent: None, ..*agreed });
}

fn write_opening(opening: &Opening, to: &mut Writer<'_, impl Hasher>) {
    to.put((0, opening.iss, opening.close_queued, opening.write_blocked, opening.nodelay, opening.syn_due));
    to.put(opening.agreed.is_some());
    if let Some(agreed) = &opening.agreed {
        write_agreed(agreed, to);
    }
    to.until(opening.holder.until());
    to.until(opening.resend_at);
    to.until(opening.give_up_at);
    to.until(opening.challenge_at);
    to.put((opening.has_repeated(), opening.next_wait()));
    // An echo is judged by it.
    if !opening.config.rto.is_constant() || opening.config.timestamps {
        to.since(opening.syn_at);
    }
    if let Some(send) = &opening.send {
        send.write_canonical(&mut |text| to.put(text));
    }
}

fn write_half_open(half_open: &HalfOpen, to: &mut Writer<'_, impl Hasher>) {
    to.put((
        half_open.key.tuple(),
        half_open.scaled,
        half_open.retries,
        half_open.covers_time_wait,
        half_open.held,
    ));
    write_agreed(&half_open.agreed, to);
    if half_open.agreed.ts_recent.is_some() {
        to.since(half_open.since);
    }
    to.until(half_open.resend_at);
    to.until(half_open.challenge_at);
}

fn write_tcb(tcb: &Tcb, to: &mut Writer<'_, impl Hasher>) {
    let constant = tcb.config.rto.is_constant();
    to.put((
        1,
        tcb.snd.una,
        tcb.snd.nxt,
        tcb.snd.wnd,
        tcb.snd.max_wnd,
        tcb.snd.mss,
        tcb.snd.wl1,
        tcb.snd.wl2,
    ));
    to.put(tcb.snd.small_end.max(tcb.snd.una));
    to.put((tcb.rcv.nxt, tcb.rcv.edge, tcb.rcv.last_ack_sent, tcb.halves));
    to.put((tcb.rcv_mss, tcb.wake.readable, tcb.wake.writable, tcb.write_blocked, tcb.nodelay, tcb.sack));
    to.put((tcb.cwnd_limited, tcb.peer_mss, tcb.snd_shift, tcb.rcv_shift, tcb.congestion));
    write_timers(tcb, constant, to);
    to.put(tcb.ts().is_some());
    if let Some(ts) = tcb.ts() {
        to.stamp(ts.recent);
        let age = millis32(to.now).wrapping_sub(ts.recent_at_ms);
        to.put(age.saturating_sub(RECENT_ENOUGH_MS));
    }
    // Text that leaves after a pause finds at most the initial window again.
    let mut after_pause = tcb.congestion;
    crate::tcp::congestion::Controller::on_idle(&mut after_pause, tcb.snd.mss);
    if after_pause != tcb.congestion {
        to.stamp(tcb.sent_at_ms);
    }
    to.put(tcb.rare().is_some());
    if let Some(rare) = tcb.rare() {
        to.put((rare.recovery, rare.rcv_up.max(tcb.rcv.nxt), rare.snd_up, rare.early_fin));
        let overdrawn = arrives::challenges_overdrawn_ms(rare.challenge_at_ms, millis32(to.now));
        // What an answer costs depends on how many have left. While the next one may leave for certain, the limit is far.
        to.put(if overdrawn < CHALLENGES_ENOUGH_MS { 0 } else { overdrawn });
        if !constant && let Some(loss_at) = rare.loss_at {
            to.since(loss_at);
        }
    }
    if let Some(send) = &tcb.send {
        send.write_canonical(&mut |text| to.put(text));
    }
    if let Some(recv) = &tcb.recv {
        recv.write_canonical(&mut |text| to.put(text));
    }
}

/// `constant`: every retransmission timeout is the same, so nothing that is measured for it matters.
fn write_timers(tcb: &Tcb, constant: bool, to: &mut Writer<'_, impl Hasher>) {
    let timers = &tcb.timers;
    to.put((timers.waiting, timers.ack_due, timers.duplicate_acks, timers.orphan));
    to.put((timers.probes, timers.probe_due, timers.keepalive_due));
    to.until(timers.retransmit_at);
    to.until(timers.idle_at);
    to.until(crate::tcp::timers::give_up_at(tcb, to.now));
    if timers.ack_due == AckDue::Delayed {
        to.until(timers.ack_at(to.now));
    }
    if !constant {
        to.put((timers.backoff, tcb.rtt, tcb.is_timing()));
        to.put(tcb.timed_end());
        to.since(to.now.nearest_micros(tcb.timed_at_us()));
    }
}

fn write_time_wait<A: Copy + Into<IpAddr>>(table: &TimeWaitTable<A>, to: &mut Writer<'_, impl Hasher>) {
    to.put(table.len());
    for (index, record) in table.iter() {
        to.put(super::time_wait::key(record).tuple());
        to.put((
            record.snd_nxt(),
            record.rcv_nxt(),
            record.window_field(),
            record.rcv_wnd(),
            record.is_covered(),
        ));
        to.stamp_if_any(record.ts_recent());
        to.put(record.remaining(to.now));
        let age_ms = record.age(to.now).as_millis().min(AGE_ENOUGH_MS.into());
        // A refused SYN is answered only while none of the others was used.
        let others = match table.others_left(index, to.now) {
            left if left >= table::OTHERS => table::OTHERS,
            left => left.min(ANSWERS_ENOUGH),
        };
        to.put((age_ms, table.fins_left(index, to.now), others));
    }
}
