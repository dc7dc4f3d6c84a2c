//! TIME-WAIT: a connection that is over, remembered for 2*MSL.
//!
//! A record is not a connection: it has no text, no timers and no application. It answers for its tuple until every
//! segment of the old connection must have died (RFC 9293 §3.6.1), and [`judge`](judge()) says how.
//!
//! Records live in a [`TimeWaitTable`], one for each IP version. There are few distinct lifetimes, so expiry needs no
//! timers: for each lifetime there is one queue in which the order of expiry is the order of entry.

use crate::id::{InterfaceId, OwnerId};
use crate::table::NIL;
use crate::table::chunks::Chunks;
use crate::table::growth::Growth;
use crate::tcp::seq::SeqNum;
use crate::time::Instant;
use core::time::Duration;

mod answers;
mod judge;

pub(crate) use answers::OTHERS;
pub(crate) use judge::{Flags, Verdict, judge, judge_covered};

/// Records of a page: 24 KiB for IPv4.
const PAGE: usize = 512;
/// Distinct lifetimes a table can hold.
const QUEUES: usize = 8;
/// Marks a free record in `older`.
const VACANT: u32 = NIL - 1;
/// The longest MSL. Expiry times wrap after 49 days, and every remaining time must stay below half of that.
const MSL_MAX: Duration = Duration::from_secs(10 * 24 * 3600);

/// What a connection hands over when it enters TIME-WAIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fields<A> {
    pub(crate) local: A,
    pub(crate) remote: A,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    /// SND.NXT: one past our FIN.
    pub(crate) snd_nxt: SeqNum,
    /// RCV.NXT: one past the peer's FIN.
    pub(crate) rcv_nxt: SeqNum,
    /// The window as it stands in our segments, already shifted.
    pub(crate) rcv_wnd: u16,
    /// Rcv.Wind.Shift, at most 14.
    pub(crate) rcv_wind_shift: u8,
    /// The first 256 interfaces can be told apart.
    pub(crate) interface: InterfaceId,
    /// TS.Recent when timestamps are in use.
    pub(crate) ts_recent: Option<u32>,
    pub(crate) owner: OwnerId,
}

/// A record: 48 octets with IPv4 addresses, 72 with IPv6. The offset of our timestamps derives from the host's secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimeWait<A> {
    local: A,
    remote: A,
    local_port: u16,
    remote_port: u16,
    snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
    rcv_wnd: u16,
    /// Bits 0-7 interface, 8-10 queue, 11 timestamps in use, 12-15 Rcv.Wind.Shift.
    interface_and_flags: u16,
    ts_recent: u32,
    /// Milliseconds, wrapping.
    entered_ms: u32,
    /// Milliseconds, wrapping.
    expires_ms: u32,
    /// Bit 31: covered by a half-open connection that reopens the tuple. Bits 27-30: FINs that may still be answered
    /// in a row. Bit 26: the connection was reset. Bit 25: from another host, before a restart. Bits 18-24: other
    /// answers given. The rest: owner.
    owner_and_flags: u32,
    older: u32,
    newer: u32,
}

const QUEUE_SHIFT: u16 = 8;
const TIMESTAMPS: u16 = 1 << 11;
const WIND_SHIFT: u16 = 12;
const COVERED: u32 = 1 << 31;
const RESET: u32 = 1 << 26;
const CARRIED: u32 = 1 << 25;
/// More owners than these cannot be told apart from none.
const OWNER: u32 = (1 << 18) - 1;

impl<A: Copy> TimeWait<A> {
    #[inline]
    fn new(fields: &Fields<A>, queue: u8, entered_ms: u32, expires_ms: u32) -> Self {
        let interface = u16::try_from(fields.interface.index().min(0xff)).unwrap_or(0xff);
        let timestamps = if fields.ts_recent.is_some() { TIMESTAMPS } else { 0 };
        let shift = u16::from(fields.rcv_wind_shift.min(14)) << WIND_SHIFT;
        let owner = if fields.owner.0 <= OWNER { fields.owner.0 } else { 0 };
        Self {
            local: fields.local,
            remote: fields.remote,
            local_port: fields.local_port,
            remote_port: fields.remote_port,
            snd_nxt: fields.snd_nxt,
            rcv_nxt: fields.rcv_nxt,
            rcv_wnd: fields.rcv_wnd,
            interface_and_flags: interface | u16::from(queue & 7) << QUEUE_SHIFT | timestamps | shift,
            ts_recent: fields.ts_recent.unwrap_or(0),
            entered_ms,
            expires_ms,
            owner_and_flags: owner | answers::FINS << answers::FINS_SHIFT,
            older: NIL,
            newer: NIL,
        }
    }

    pub(crate) const fn local(&self) -> (A, u16) {
        (self.local, self.local_port)
    }

    pub(crate) const fn remote(&self) -> (A, u16) {
        (self.remote, self.remote_port)
    }

    pub(crate) const fn snd_nxt(&self) -> SeqNum {
        self.snd_nxt
    }

    pub(crate) const fn rcv_nxt(&self) -> SeqNum {
        self.rcv_nxt
    }

    /// The window field of our acknowledgments.
    pub(crate) const fn window_field(&self) -> u16 {
        self.rcv_wnd
    }

    /// RCV.WND in octets.
    pub(crate) const fn rcv_wnd(&self) -> u32 {
        (self.rcv_wnd as u32) << (self.interface_and_flags >> WIND_SHIFT)
    }

    pub(crate) fn interface(&self) -> InterfaceId {
        InterfaceId(self.interface_and_flags & 0xff)
    }

    /// TS.Recent, when timestamps are in use.
    pub(crate) const fn ts_recent(&self) -> Option<u32> {
        if self.interface_and_flags & TIMESTAMPS == 0 { None } else { Some(self.ts_recent) }
    }

    pub(crate) const fn owner(&self) -> OwnerId {
        OwnerId(self.owner_and_flags & OWNER)
    }

    /// Whether a half-open connection reopens the tuple (RFC 9293 MAY-2).
    pub(crate) const fn is_covered(&self) -> bool {
        self.owner_and_flags & COVERED != 0
    }

    /// Whether the connection ended by an RST of ours: there is nothing to acknowledge, only a tuple to guard.
    pub(crate) const fn is_reset(&self) -> bool {
        self.owner_and_flags & RESET != 0
    }

    /// Whether the connection was another host's, of the time before a restart: its clock was not ours.
    pub(crate) const fn is_carried(&self) -> bool {
        self.owner_and_flags & CARRIED != 0
    }

    /// Rcv.Wind.Shift.
    pub(crate) const fn rcv_wind_shift(&self) -> u8 {
        (self.interface_and_flags >> WIND_SHIFT) as u8 & 0xf
    }

    /// How long ago the connection entered TIME-WAIT; right for the first 49 days.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        Duration::from_millis(u64::from(wrapping_ms(now.as_millis()).wrapping_sub(self.entered_ms)))
    }

    /// How long until it ends; zero when that is past.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        let left = self.expires_ms.wrapping_sub(wrapping_ms(now.as_millis()));
        if left >> 31 == 1 { Duration::ZERO } else { Duration::from_millis(u64::from(left)) }
    }

    fn queue(&self) -> usize {
        usize::from(self.interface_and_flags >> QUEUE_SHIFT & 7)
    }
}

/// One lifetime: a list of records, oldest first.
#[derive(Clone, Copy, Debug)]
struct Queue {
    msl: Duration,
    /// Nanoseconds of 2*MSL, and nearly a millisecond more so that whole milliseconds are never too few. A lifetime of
    /// nothing is over at once.
    lifetime: u64,
    oldest: u32,
    newest: u32,
    /// When the oldest expires: milliseconds that do not wrap; `u64::MAX` when there is none.
    expires_ms: u64,
}

/// Every TIME-WAIT of one IP version. An index is valid until its record leaves; the caller keeps the demultiplexing
/// index in step, and the bound on how many there may be ([`Self::oldest`] is the one to evict).
#[derive(Clone, Debug)]
pub(crate) struct TimeWaitTable<A> {
    records: Chunks<TimeWait<A>, PAGE>,
    free: u32,
    len: u32,
    /// When the next record expires, in nanoseconds; `u64::MAX` when there is none.
    next: u64,
    /// The queue in which that record is.
    first: u8,
    queues_used: u8,
    queues: [Queue; QUEUES],
}

impl<A: Copy> Default for TimeWaitTable<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Copy> TimeWaitTable<A> {
    pub(crate) const fn new() -> Self {
        let queue =
            Queue { msl: Duration::ZERO, lifetime: 0, oldest: NIL, newest: NIL, expires_ms: u64::MAX };
        Self {
            records: Chunks::new(),
            free: NIL,
            len: 0,
            next: u64::MAX,
            first: 0,
            queues_used: 0,
            queues: [queue; QUEUES],
        }
    }

    /// What growing has cost so far.
    pub(crate) const fn growth(&self) -> Growth {
        self.records.growth()
    }

    /// All memory, as an allocator is asked for it.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.records.memory()
    }

    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    /// The queue for connections of this MSL. `None` for a ninth distinct one, or one of more than ten days.
    #[inline]
    pub(crate) fn lifetime(&mut self, msl: Duration) -> Option<u8> {
        // Most hosts have one.
        match self.queues.first() {
            Some(first) if self.queues_used > 0 && first.msl == msl => Some(0),
            _ => self.lifetime_rarely(msl),
        }
    }

    #[cold]
    #[inline(never)]
    fn lifetime_rarely(&mut self, msl: Duration) -> Option<u8> {
        if msl > MSL_MAX {
            return None;
        }
        let used = usize::from(self.queues_used);
        if let Some(known) = self.queues.iter().take(used).position(|queue| queue.msl == msl) {
            return u8::try_from(known).ok();
        }
        let queue = self.queues.get_mut(used)?;
        queue.msl = msl;
        if !msl.is_zero() {
            // Ten days are 10^15 nanoseconds.
            queue.lifetime = u64::try_from((msl * 2).as_nanos()).ok()? + (NANOS_PER_MS - 1);
        }
        self.queues_used += 1;
        Some(self.queues_used - 1)
    }

    /// Enters TIME-WAIT for 2*MSL (RFC 9293 MUST-13). `None` if the lifetime was never registered, or if there are as
    /// many records as indices.
    #[inline]
    pub(crate) fn insert(&mut self, now: Instant, fields: Fields<A>, lifetime: u8) -> Option<u32> {
        if lifetime >= self.queues_used {
            return None;
        }
        let (now_ms, now) = (now.as_millis(), now.as_nanos());
        let queue = self.queues.get_mut(usize::from(lifetime))?;
        let expires = expiry_ms(now, queue.lifetime);
        let record = TimeWait::new(&fields, lifetime, wrapping_ms(now_ms), wrapping_ms(expires));
        self.enter(record, lifetime, expires)
    }

    /// Puts a record at the end of the queue of this lifetime.
    #[inline]
    fn enter(&mut self, mut record: TimeWait<A>, lifetime: u8, expires: u64) -> Option<u32> {
        record.older = self.queues.get(usize::from(lifetime))?.newest;
        let index = match self.records.get_mut(self.free) {
            Some(free) => {
                let next = free.newer;
                *free = record;
                core::mem::replace(&mut self.free, next)
            }
            None => self.push(record)?,
        };
        self.len += 1;
        self.linked(index, lifetime, expires);
        Some(index)
    }

    /// Enters a TIME-WAIT of another host again, `left` of which is still ahead; call in the order of what is left. It
    /// has waited `age_ms`. A time that is longer than a whole lifetime is cut. `None` as for [`Self::insert`].
    pub(crate) fn restore(
        &mut self,
        now: Instant,
        fields: &Fields<A>,
        lifetime: u8,
        (age_ms, left_ms): (u32, u32),
        reset: bool,
    ) -> Option<u32> {
        if lifetime >= self.queues_used {
            return None;
        }
        let latest = expiry_ms(now.as_nanos(), self.queues.get(usize::from(lifetime))?.lifetime);
        // One more millisecond, because this one has begun already.
        let expires = (now.as_millis() + u64::from(left_ms) + 1).min(latest);
        let entered_ms = wrapping_ms(now.as_millis()).wrapping_sub(age_ms);
        let mut record = TimeWait::new(fields, lifetime, entered_ms, wrapping_ms(expires));
        record.owner_and_flags |= CARRIED | if reset { RESET } else { 0 };
        self.enter(record, lifetime, expires)
    }

    /// The MSL of the queue that a record is in.
    pub(crate) fn msl_of(&self, record: &TimeWait<A>) -> Duration {
        self.queues.get(record.queue()).map_or(Duration::ZERO, |queue| queue.msl)
    }

    /// Marks the record of a connection that ended by an RST of ours.
    pub(crate) fn mark_reset(&mut self, index: u32) {
        if let Some(record) = self.get_mut(index) {
            record.owner_and_flags |= RESET;
        }
    }

    #[cold]
    #[inline(never)]
    fn push(&mut self, record: TimeWait<A>) -> Option<u32> {
        self.records.push(record, || TimeWait { older: VACANT, ..record }).ok()
    }

    /// Reads a word of the record, so that it is in the cache when it is needed. Call it for a whole batch before the
    /// first use: then the misses overlap. The word means nothing; use the sum of them for something, lest the compiler
    /// leaves the reads out. Any `index` will do.
    #[inline]
    pub(crate) fn touch(&self, index: u32) -> u32 {
        self.records.get(index).map_or(0, |record| record.expires_ms)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&TimeWait<A>> {
        self.records.get(index).filter(|record| record.older != VACANT)
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut TimeWait<A>> {
        self.records.get_mut(index).filter(|record| record.older != VACANT)
    }

    /// The peer's FIN came again: starts 2*MSL again. False when it came too often in a row to be answered: ten, and
    /// two more each second.
    pub(crate) fn restart(&mut self, index: u32, now: Instant) -> bool {
        let Some(lifetime_ms) = self.get(index).map(|record| self.lifetime_ms(record)) else { return false };
        let Some(record) = self.get_mut(index) else { return false };
        if !answers::spend_fin(record, lifetime_ms, now) {
            return false;
        }
        let record = *record;
        self.unlink(&record);
        self.append(index, now);
        true
    }

    /// Takes TS.Recent from a segment that was recognised, if it is newer (RFC 7323 §4.3).
    pub(crate) fn record_timestamp(&mut self, index: u32, tsval: u32) {
        if let Some(record) = self.get_mut(index)
            && record.interface_and_flags & TIMESTAMPS != 0
            && SeqNum(tsval).after(SeqNum(record.ts_recent))
        {
            record.ts_recent = tsval;
        }
    }

    /// Marks the record as covered by the half-open connection that reopens its tuple. Its time goes on.
    pub(crate) fn cover(&mut self, index: u32) {
        if let Some(record) = self.get_mut(index) {
            record.owner_and_flags |= COVERED;
        }
    }

    /// The half-open connection is gone: back to TIME-WAIT for the time that is left (RFC 9293 MAY-2).
    pub(crate) fn uncover(&mut self, index: u32) {
        if let Some(record) = self.get_mut(index) {
            record.owner_and_flags &= !COVERED;
        }
    }

    /// Forgets a record.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) -> Option<TimeWait<A>> {
        let record = *self.get(index)?;
        self.unlink(&record);
        self.vacate(index);
        Some(record)
    }

    /// Frees a record that is in no queue any more.
    #[inline]
    fn vacate(&mut self, index: u32) {
        if let Some(slot) = self.records.get_mut(index) {
            (slot.older, slot.newer) = (VACANT, self.free);
            self.free = index;
            self.len -= 1;
        }
    }

    /// The record that expires first.
    pub(crate) fn oldest(&self) -> Option<u32> {
        let queue = self.queues.get(usize::from(self.first))?;
        (queue.oldest != NIL).then_some(queue.oldest)
    }

    /// When the next record expires: a whole millisecond, never early.
    #[inline]
    pub(crate) const fn next_expiry(&self) -> Option<Instant> {
        if self.len == 0 { None } else { Some(Instant::from_nanos(self.next)) }
    }

    /// When the next record expires; the end of time when there is none.
    #[inline]
    pub(crate) const fn next_or_never(&self) -> Instant {
        Instant::from_nanos(self.next)
    }

    /// Takes out one record whose time is over. Call until there is none.
    #[inline]
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<(u32, TimeWait<A>)> {
        if now.as_nanos() < self.next { None } else { self.pop_first() }
    }

    /// Takes out the record that expires first.
    fn pop_first(&mut self) -> Option<(u32, TimeWait<A>)> {
        let queue = self.queues.get_mut(usize::from(self.first))?;
        let index = queue.oldest;
        let record = *self.records.get(index)?;
        queue.oldest = record.newer;
        match self.records.get_mut(record.newer) {
            Some(next) => {
                next.older = NIL;
                queue.expires_ms += u64::from(next.expires_ms.wrapping_sub(record.expires_ms));
            }
            None => {
                queue.newest = NIL;
                queue.expires_ms = u64::MAX;
            }
        }
        self.find_first();
        self.vacate(index);
        Some((index, record))
    }

    /// Every record with its index, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &TimeWait<A>)> {
        self.records.iter().filter(|(_, record)| record.older != VACANT)
    }

    /// Finds again which queue's oldest record expires first.
    #[inline]
    fn find_first(&mut self) {
        let (mut first, mut expires_ms) = (0, u64::MAX);
        for (number, queue) in (0..self.queues_used).zip(&self.queues) {
            if queue.expires_ms < expires_ms {
                (first, expires_ms) = (number, queue.expires_ms);
            }
        }
        self.first = first;
        self.next = expires_ms.saturating_mul(NANOS_PER_MS);
    }

    /// Puts a record at the end of its queue, with its full time ahead.
    fn append(&mut self, index: u32, now: Instant) {
        let Some(record) = self.records.get_mut(index) else { return };
        let number = record.queue();
        let Some(queue) = self.queues.get(number) else { return };
        let expires = expiry_ms(now.as_nanos(), queue.lifetime);
        record.expires_ms = wrapping_ms(expires);
        (record.older, record.newer) = (queue.newest, NIL);
        self.linked(index, u8::try_from(number).unwrap_or(0), expires);
    }

    /// A record that names the newest of a queue as the older one is now the newest itself.
    #[inline]
    fn linked(&mut self, index: u32, number: u8, expires_ms: u64) {
        let Some(queue) = self.queues.get_mut(usize::from(number)) else { return };
        let newest = core::mem::replace(&mut queue.newest, index);
        if let Some(previous) = self.records.get_mut(newest) {
            previous.newer = index;
            return;
        }
        queue.oldest = index;
        queue.expires_ms = expires_ms;
        self.find_first();
    }

    /// Takes a record out of its queue.
    #[inline]
    fn unlink(&mut self, record: &TimeWait<A>) {
        let &TimeWait { older, newer, expires_ms, .. } = record;
        let Some(queue) = self.queues.get_mut(record.queue()) else { return };
        let next_expires_ms = match self.records.get_mut(newer) {
            Some(record) => {
                record.older = older;
                queue.expires_ms + u64::from(record.expires_ms.wrapping_sub(expires_ms))
            }
            None => {
                queue.newest = older;
                u64::MAX
            }
        };
        if let Some(record) = self.records.get_mut(older) {
            record.newer = newer;
            return;
        }
        queue.oldest = newer;
        queue.expires_ms = next_expires_ms;
        self.find_first();
    }
}

const NANOS_PER_MS: u64 = 1_000_000;

/// The millisecond in which a lifetime that begins now is over.
#[inline]
const fn expiry_ms(now: u64, lifetime: u64) -> u64 {
    now.saturating_add(lifetime) / NANOS_PER_MS
}

/// Milliseconds modulo 2^32.
#[expect(clippy::cast_possible_truncation, reason = "wraps on purpose")]
const fn wrapping_ms(millis: u64) -> u32 {
    millis as u32
}

#[cfg(test)]
mod tests;
