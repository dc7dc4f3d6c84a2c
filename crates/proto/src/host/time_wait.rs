//! The host's side of TIME-WAIT: into the table, the answers for its tuples, back out.
//!
//! A record that a half-open connection covers (RFC 9293 MAY-2) stays in its table, while the demultiplexing index leads
//! to the half-open connection; so it is found again by its tuple in `covered`.

use super::Host;
use super::demux::Found;
use super::key::Key;
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::info::State;
use crate::tcp::segment::Segment;
use crate::tcp::seq::{SeqNum, octets};
use crate::tcp::tcb::millis32;
use crate::tcp::time_wait::{self as table, Fields, TimeWait, TimeWaitTable, Verdict};
use crate::wire::tcp::{Flags, Header, Timestamp};
use crate::{DropReason, Instant, InterfaceId, OwnerId};
use core::net::IpAddr;
use core::time::Duration;

/// What a connection hands over, before the address family is known.
pub(super) struct Record {
    pub(super) snd_nxt: SeqNum,
    pub(super) rcv_nxt: SeqNum,
    pub(super) rcv_wnd: u16,
    pub(super) rcv_wind_shift: u8,
    pub(super) interface: InterfaceId,
    pub(super) ts_recent: Option<u32>,
    pub(super) owner: OwnerId,
    pub(super) msl: Duration,
    /// The connection ended by an RST of ours.
    pub(super) reset: bool,
}

/// A TIME-WAIT that a SYN reopens.
#[derive(Clone, Copy)]
pub(super) struct Covered {
    pub(super) found: Found,
    pub(super) snd_nxt: SeqNum,
}

/// What the answers need of a record of either family.
#[derive(Clone, Copy)]
pub(super) struct Brief {
    pub(super) snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
    wnd: u16,
    pub(super) ts_recent: Option<u32>,
    pub(super) age: Duration,
    interface: InterfaceId,
    /// From before a restart: its timestamps were of another clock.
    pub(super) carried: bool,
    reset: bool,
}

/// The tuple of a record.
pub(super) fn key<A: Copy + Into<IpAddr>>(record: &TimeWait<A>) -> Key {
    let ((local, local_port), (remote, remote_port)) = (record.local(), record.remote());
    Key::new(local.into(), local_port, remote.into(), remote_port)
}

fn brief<A: Copy>(record: &TimeWait<A>, now: Instant) -> Brief {
    Brief {
        snd_nxt: record.snd_nxt(),
        rcv_nxt: record.rcv_nxt(),
        wnd: record.window_field(),
        ts_recent: record.ts_recent(),
        age: record.age(now),
        interface: record.interface(),
        carried: record.is_carried(),
        reset: record.is_reset(),
    }
}

fn fields<A>(record: &Record, key: &Key, local: A, remote: A) -> Fields<A> {
    Fields {
        local,
        remote,
        local_port: key.local_port(),
        remote_port: key.remote_port(),
        snd_nxt: record.snd_nxt,
        rcv_nxt: record.rcv_nxt,
        rcv_wnd: record.rcv_wnd,
        rcv_wind_shift: record.rcv_wind_shift,
        interface: record.interface,
        ts_recent: record.ts_recent,
        owner: record.owner,
    }
}

fn bits(seg: &Segment) -> table::Flags {
    table::Flags {
        syn: seg.has(Flags::SYN),
        ack: seg.has(Flags::ACK),
        rst: seg.has(Flags::RST),
        fin: seg.has(Flags::FIN),
    }
}

/// Starts 2*MSL again, if the FIN did not come too often in a row, and takes its timestamp over (RFC 7323 §4.3).
fn again<A: Copy>(table: &mut TimeWaitTable<A>, index: u32, now: Instant, seg: &Segment) -> bool {
    if let Some(ts) = seg.timestamp() {
        table.record_timestamp(index, ts.val);
    }
    table.restart(index, now)
}

impl Host {
    /// A connection's tuple goes over to a TIME-WAIT.
    pub(super) fn insert_time_wait(&mut self, now: Instant, key: &Key, connection: u32, record: &Record) {
        let held = self.time_wait_4.len() + self.time_wait_6.len();
        if held >= usize::try_from(self.config.time_wait_max).unwrap_or(usize::MAX) {
            self.evict_time_wait(now);
        }
        let found = match (key.local(), key.remote()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let lifetime = self.time_wait_4.lifetime(record.msl).unwrap_or(0);
                self.time_wait_4
                    .insert(now, fields(record, key, local, remote), lifetime)
                    .map(Found::TimeWait4)
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                let lifetime = self.time_wait_6.lifetime(record.msl).unwrap_or(0);
                self.time_wait_6
                    .insert(now, fields(record, key, local, remote), lifetime)
                    .map(Found::TimeWait6)
            }
            _ => None,
        };
        let hash = self.hash_of(connection, key);
        let connection = Found::Connection(connection);
        match found {
            Some(found) => {
                match found {
                    Found::TimeWait4(index) if record.reset => self.time_wait_4.mark_reset(index),
                    Found::TimeWait6(index) if record.reset => self.time_wait_6.mark_reset(index),
                    _ => {}
                }
                self.hand_over(hash, connection, found);
                self.counters.time_wait_entered += 1;
            }
            None => self.disown(hash, connection),
        }
    }

    /// Past `time_wait_max` the one that would end first goes.
    #[cold]
    #[inline(never)]
    fn evict_time_wait(&mut self, now: Instant) {
        let ends_4 = self.time_wait_4.next_expiry().unwrap_or(Instant::FAR_FUTURE);
        let ends_6 = self.time_wait_6.next_expiry().unwrap_or(Instant::FAR_FUTURE);
        let oldest = if ends_4 <= ends_6 {
            self.time_wait_4.oldest().map(Found::TimeWait4)
        } else {
            self.time_wait_6.oldest().map(Found::TimeWait6)
        };
        if let Some(found) = oldest {
            self.counters.time_wait_evicted += 1;
            self.remove_time_wait(now, found);
        }
    }

    /// Ends every TIME-WAIT whose 2*MSL are over.
    #[inline]
    pub(super) fn expire_time_wait(&mut self, now: Instant) {
        if now >= self.time_wait_4.next_or_never().min(self.time_wait_6.next_or_never()) {
            self.expire_time_waits_due(now);
        }
    }

    // Ledger: [9293-TO-3].
    #[inline(never)]
    fn expire_time_waits_due(&mut self, now: Instant) {
        while let Some((index, record)) = self.time_wait_4.pop_expired(now) {
            self.time_wait_ended(now, Found::TimeWait4(index), &key(&record), record.is_covered());
        }
        while let Some((index, record)) = self.time_wait_6.pop_expired(now) {
            self.time_wait_ended(now, Found::TimeWait6(index), &key(&record), record.is_covered());
        }
    }

    /// Ends one before its time.
    pub(super) fn remove_time_wait(&mut self, now: Instant, found: Found) {
        match found {
            Found::TimeWait4(index) => {
                if let Some(record) = self.time_wait_4.remove(index) {
                    self.time_wait_ended(now, found, &key(&record), record.is_covered());
                }
            }
            Found::TimeWait6(index) => {
                if let Some(record) = self.time_wait_6.remove(index) {
                    self.time_wait_ended(now, found, &key(&record), record.is_covered());
                }
            }
            _ => {}
        }
    }

    /// TIME-WAIT to CLOSED. A half-open connection that covered the record stands alone from now on.
    fn time_wait_ended(&mut self, now: Instant, found: Found, key: &Key, covered: bool) {
        if !covered {
            self.disown(self.demux.hash(key), found);
            return self.trace_state(now, key, State::TimeWait, State::Closed);
        }
        self.covered.remove(key);
        match self.find(key) {
            Some(Found::HalfOpen(index)) => {
                if let Some(half_open) = self.half_open.get_mut(index) {
                    half_open.covers_time_wait = false;
                }
            }
            Some(Found::Connection(index)) => {
                if let Some(Connection { phase: Phase::Opening(opening), .. }) =
                    self.connections.get_mut(index)
                {
                    opening.covers_time_wait = false;
                }
            }
            _ => {}
        }
    }

    /// What the answers need of the record.
    pub(super) fn time_wait_brief(&self, found: Found, now: Instant) -> Option<Brief> {
        match found {
            Found::TimeWait4(index) => self.time_wait_4.get(index).map(|record| brief(record, now)),
            Found::TimeWait6(index) => self.time_wait_6.get(index).map(|record| brief(record, now)),
            _ => None,
        }
    }

    fn judge_time_wait(&self, found: Found, key: &Key, seg: &Segment) -> Option<Verdict> {
        let mut ts = seg.timestamp().map(|ts| (ts.val, ts.ecr));
        if seg.has(Flags::SYN) && !self.offers_timestamps(key) {
            ts = None;
        }
        let rfc1337 = self.config.tcp.rfc1337;
        let (flags, text) = (bits(seg), octets(seg.text.len()));
        match found {
            Found::TimeWait4(index) => self
                .time_wait_4
                .get(index)
                .map(|record| table::judge(record, seg.seq, seg.ack, flags, text, ts, rfc1337)),
            Found::TimeWait6(index) => self
                .time_wait_6
                .get(index)
                .map(|record| table::judge(record, seg.seq, seg.ack, flags, text, ts, rfc1337)),
            _ => None,
        }
    }

    /// Whether the listener of this tuple would agree to timestamps [6191-8].
    fn offers_timestamps(&self, key: &Key) -> bool {
        self.listener_for(key.local(), key.local_port())
            .and_then(|index| self.listeners.get(index))
            .is_some_and(|listener| listener.config.timestamps)
    }

    pub(super) fn time_wait_segment(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        key: &Key,
        hash: u64,
        found: Found,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Some(verdict) = self.judge_time_wait(found, key, seg) else {
            return Err(DropReason::NoConnection);
        };
        match verdict {
            Verdict::Ack => self.time_wait_ack_limited(now, key, found, DropReason::TimeWaitStray),
            Verdict::AckAndRestart => self.fin_again(now, key, found, seg),
            Verdict::Ignore(reason) => {
                if reason == DropReason::TimeWaitRst {
                    self.counters.time_wait_rst_ignored += 1;
                }
                Err(reason)
            }
            Verdict::Admit => match self.listener_for(key.local(), key.local_port()) {
                Some(listener) => {
                    let Some(brief) = self.time_wait_brief(found, now) else {
                        return Err(DropReason::NoConnection);
                    };
                    let covered = Covered { found, snd_nxt: brief.snd_nxt };
                    self.listen_segment(now, interface, (key, hash), listener, Some(covered), seg)
                }
                // Nobody listens any more: the answer of a connection that is over, as for any other segment.
                None if self.time_wait_brief(found, now).is_some_and(|brief| brief.reset) => {
                    self.time_wait_reset(key, interface, seg)
                }
                None => self.time_wait_ack_limited(now, key, found, DropReason::TimeWaitSyn),
            },
            Verdict::Reset => self.time_wait_reset(key, interface, seg),
            Verdict::RefuseSyn => {
                self.counters.syn_refused += 1;
                let may_answer = match found {
                    Found::TimeWait4(index) => self.time_wait_4.may_answer_refused(index, now),
                    Found::TimeWait6(index) => self.time_wait_6.may_answer_refused(index, now),
                    _ => false,
                };
                if may_answer {
                    self.time_wait_ack(now, key, found, None);
                }
                Err(DropReason::TimeWaitSyn)
            }
            Verdict::Close => {
                self.counters.resets_received += 1;
                self.remove_time_wait(now, found);
                Ok(())
            }
        }
    }

    /// The peer has not heard of our RST yet (RFC 9293 §3.10.7.1: as from CLOSED, which an abort would have led to).
    fn time_wait_reset(
        &mut self,
        key: &Key,
        interface: InterfaceId,
        seg: &Segment,
    ) -> Result<(), DropReason> {
        self.reply_reset(*key, interface, seg, State::TimeWait);
        Err(DropReason::NoConnection)
    }

    /// The peer's FIN again: our last ACK was lost (RFC 9293 §3.10.7.4, TIME-WAIT, eighth step).
    fn fin_again(&mut self, now: Instant, key: &Key, found: Found, seg: &Segment) -> Result<(), DropReason> {
        let answered = match found {
            Found::TimeWait4(index) => again(&mut self.time_wait_4, index, now, seg),
            Found::TimeWait6(index) => again(&mut self.time_wait_6, index, now, seg),
            _ => false,
        };
        if !answered {
            return Err(DropReason::ChallengeLimited);
        }
        self.counters.fin_reacked += 1;
        self.time_wait_ack(now, key, found, seg.timestamp().map(|ts| ts.ecr));
        Ok(())
    }

    fn time_wait_ack_limited(
        &mut self,
        now: Instant,
        key: &Key,
        found: Found,
        reason: DropReason,
    ) -> Result<(), DropReason> {
        let may_answer = match found {
            Found::TimeWait4(index) => self.time_wait_4.may_answer(index, now),
            Found::TimeWait6(index) => self.time_wait_6.may_answer(index, now),
            _ => false,
        };
        if !may_answer {
            return Err(DropReason::ChallengeLimited);
        }
        self.time_wait_ack(now, key, found, None);
        Err(reason)
    }

    /// An ACK of the old connection's RCV.NXT. `echoed`: what the peer echoes of our timestamps.
    fn time_wait_ack(&mut self, now: Instant, key: &Key, found: Found, echoed: Option<u32>) {
        let Some(record) = self.time_wait_brief(found, now) else { return };
        let mut header =
            Header { seq: record.snd_nxt, ack: record.rcv_nxt, flags: Flags::ACK, ..Header::default() };
        header.wnd = record.wnd;
        header.options.timestamp = record.ts_recent.map(|ecr| {
            let ours = millis32(now).wrapping_add(self.numbers.of(key).timestamp_offset);
            // The peer would take a timestamp of our new clock for an old one; its own echo it cannot refuse.
            let known = echoed.filter(|&echoed| record.carried && SeqNum(echoed).after(SeqNum(ours)));
            Timestamp { val: known.unwrap_or(ours), ecr }
        });
        self.reply(*key, record.interface, header, State::TimeWait);
    }

    // ---- the covered record ----

    /// A half-open connection takes the tuple over; the record waits underneath.
    #[cold]
    #[inline(never)]
    pub(super) fn cover(&mut self, key: &Key, hash: u64, found: Found, half_open: u32) {
        match found {
            Found::TimeWait4(index) => self.time_wait_4.cover(index),
            Found::TimeWait6(index) => self.time_wait_6.cover(index),
            _ => return,
        }
        self.hand_over(hash, found, Found::HalfOpen(half_open));
        self.covered.insert(*key, found.pack());
    }

    /// What covered it is gone: back to TIME-WAIT for the time that is left. False when that ran out.
    pub(super) fn uncover(&mut self, key: &Key, from: Found) -> bool {
        let Some(packed) = self.covered.remove(key) else { return false };
        let found = Found::unpack(packed);
        match found {
            Found::TimeWait4(index) => self.time_wait_4.uncover(index),
            Found::TimeWait6(index) => self.time_wait_6.uncover(index),
            _ => return false,
        }
        let hash = self.demux.hash(key);
        self.hand_over(hash, from, found);
        self.counters.uncovered += 1;
        true
    }

    /// The new connection is established: the old one is over for good.
    pub(super) fn remove_covered(&mut self, key: &Key) {
        match self.covered.remove(key).map(Found::unpack) {
            Some(Found::TimeWait4(index)) => drop(self.time_wait_4.remove(index)),
            Some(Found::TimeWait6(index)) => drop(self.time_wait_6.remove(index)),
            _ => return,
        }
        self.counters.reopened += 1;
    }

    /// What a covered record keeps for itself; `None` is for the half-open connection.
    pub(super) fn covered_segment(
        &mut self,
        now: Instant,
        key: &Key,
        seg: &Segment,
    ) -> Option<Result<(), DropReason>> {
        let found = Found::unpack(*self.covered.get(key)?);
        let (flags, text) = (bits(seg), octets(seg.text.len()));
        let verdict = match found {
            Found::TimeWait4(index) => {
                table::judge_covered(self.time_wait_4.get(index)?, seg.seq, seg.ack, flags, text)?
            }
            Found::TimeWait6(index) => {
                table::judge_covered(self.time_wait_6.get(index)?, seg.seq, seg.ack, flags, text)?
            }
            _ => return None,
        };
        match verdict {
            Verdict::AckAndRestart => Some(self.fin_again(now, key, found, seg)),
            Verdict::Ack => Some(self.time_wait_ack_limited(now, key, found, DropReason::TimeWaitStray)),
            Verdict::Ignore(reason) => Some(Err(reason)),
            _ => None,
        }
    }
}
