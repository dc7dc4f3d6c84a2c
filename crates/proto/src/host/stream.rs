//! The application's hold on one connection.

use super::Host;
use super::segment::charge;
use crate::tcp::buffer::pool::{Blocks, Pools};
use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::buffer::send::SendBuffer;
use crate::tcp::closing::holder::Holder;
use crate::tcp::connection::{Connection, Over, Phase};
use crate::tcp::error::{CloseReason, ReadError, WriteError};
use crate::tcp::sends::window;
use crate::{ConnectionId, Instant, OwnerId};
use alloc::sync::Arc;
use bytes::Bytes;

/// The application's hold on one connection.
pub struct Stream<'h> {
    host: &'h mut Host,
    id: ConnectionId,
}

impl<'h> Stream<'h> {
    pub(super) fn new(host: &'h mut Host, id: ConnectionId) -> Self {
        Self { host, id }
    }

    /// Copies received text into `buffer`; zero means the end of text (or an empty buffer).
    ///
    /// # Errors
    /// [`ReadError::Blocked`] when nothing has arrived, [`ReadError::Ended`] when the connection broke.
    /// Ledger: RFC 9293 MUST-12 [9293-UC-RECV-2, 9293-UC-RECV-3, 9293-UC-RECV-4, 9293-UC-RECV-6, 9293-UC-RECV-7].
    pub fn read(&mut self, now: Instant, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if let Some(whole) = self.take_whole(now, buffer.len())
            && let Some(place) = buffer.get_mut(..whole.len())
        {
            place.copy_from_slice(&whole);
            return Ok(whole.len());
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        Ok(self.take(now, |recv| Some(recv.read(buffer)).filter(|&n| n > 0))?.unwrap_or(0))
    }

    /// Takes up to `max` octets of received text without copying; `None` is the end of text.
    ///
    /// # Errors
    /// As for [`Stream::read`].
    pub fn read_chunk(&mut self, now: Instant, max: usize) -> Result<Option<Bytes>, ReadError> {
        if let Some(piece) = self.take_piece(now, max) {
            return Ok(Some(piece));
        }
        self.take(now, |recv| recv.read_chunk(max).filter(|chunk| !chunk.is_empty()))
    }

    /// Takes all text out of the receive buffer, where it is one piece of at most `max` octets: what most reads find.
    #[inline]
    fn take_whole(&mut self, now: Instant, max: usize) -> Option<Bytes> {
        let index = self.id.index;
        let Phase::Synchronized(tcb) = &mut self.host.connections.get_mut(index)?.phase else { return None };
        let mut recv = tcb.recv.take()?;
        let before = recv.charged();
        let Some(whole) = recv.take_whole(max) else {
            tcb.recv = Some(recv);
            return None;
        };
        self.host.pools.keep_recv(recv);
        self.host.recv_total = self.host.recv_total.saturating_sub(before as u64);
        if window::is_low(tcb) {
            self.host.update_window(now, index);
        }
        Some(whole)
    }

    /// Takes the first piece of text, if it has at most `max` octets.
    #[inline]
    fn take_piece(&mut self, now: Instant, max: usize) -> Option<Bytes> {
        let index = self.id.index;
        let Phase::Synchronized(tcb) = &mut self.host.connections.get_mut(index)?.phase else { return None };
        let recv = tcb.recv.as_mut()?;
        let before = recv.charged();
        let piece = recv.take_piece(max)?;
        self.host.pools.release_recv(&mut tcb.recv);
        let (after, low) = (charge(tcb), window::is_low(tcb));
        self.host.recharge(before, after);
        if low {
            self.host.update_window(now, index);
        }
        Some(piece)
    }

    /// Takes text out of the receive buffer; `None` is the end of text.
    #[inline(never)]
    fn take<T>(
        &mut self,
        now: Instant,
        take: impl FnOnce(&mut RecvBuffer) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        let index = self.id.index;
        let Some(connection) = self.host.connections.get_mut(index) else {
            return Err(ReadError::Ended(CloseReason::Aborted));
        };
        match &mut connection.phase {
            Phase::Opening(_) => Err(ReadError::Blocked),
            Phase::Synchronized(tcb) => {
                let Some(recv) = tcb.recv.as_mut().filter(|recv| recv.readable() > 0) else {
                    return if tcb.halves.may_receive() { Err(ReadError::Blocked) } else { Ok(None) };
                };
                let before = recv.charged();
                let taken = take(recv);
                self.host.pools.release_recv(&mut tcb.recv);
                let after = charge(tcb);
                let low = window::is_low(tcb);
                self.host.recharge(before, after);
                if low {
                    self.host.update_window(now, index);
                }
                Ok(taken)
            }
            Phase::Over(over) => {
                let before = over.recv.as_ref().map_or(0, |recv| recv.charged());
                let taken = take_leftover(over, &mut self.host.pools, take);
                let after = over.recv.as_ref().map_or(0, |recv| recv.charged());
                self.host.recharge(before, after);
                taken
            }
        }
    }

    /// Copies what fits from the front of `text` into the send buffer; returns how many octets.
    ///
    /// # Errors
    /// [`WriteError::Blocked`] when nothing fits, [`WriteError::Closed`] after `shutdown`, [`WriteError::Ended`].
    /// Ledger: [9293-UC-SEND-3, 9293-UC-SEND-4, 9293-UC-SEND-5, 9293-UC-SEND-6, 9293-UC-SEND-7].
    pub fn write(&mut self, _now: Instant, text: &[u8]) -> Result<usize, WriteError> {
        self.put(text.len(), |send, fits, free| send.write(text.get(..fits).unwrap_or_default(), free))
    }

    /// As [`Stream::write`], and the peer is told that there is urgent text up to the last octet taken (SEND with URGENT of
    /// RFC 9293 §3.10.2; Linux: `MSG_OOB`). It stays in its place among the other text. For old protocols only: RFC 6093
    /// advises new ones against it, and middleboxes may clear the mark.
    /// Ledger: RFC 9293 MUST-30, SHLD-13 [9293-UC-SEND-6].
    ///
    /// # Errors
    /// As for [`Stream::write`]; also [`WriteError::Blocked`] before the connection is established.
    pub fn write_urgent(&mut self, now: Instant, text: &[u8]) -> Result<usize, WriteError> {
        let index = self.id.index;
        if let Some(Connection { phase: Phase::Opening(_), .. }) = self.host.connections.get(index) {
            return Err(WriteError::Blocked);
        }
        let taken = self.write(now, text)?;
        if let Some(Connection { phase: Phase::Synchronized(tcb), .. }) = self.host.connections.get_mut(index)
            && taken > 0
        {
            tcb.rare_mut().snd_up = Some(tcb.text_end());
        }
        Ok(taken)
    }

    /// Takes what fits from the front of `text` without copying; returns how many octets.
    ///
    /// # Errors
    /// As for [`Stream::write`].
    pub fn write_chunk(&mut self, _now: Instant, text: &mut Bytes) -> Result<usize, WriteError> {
        let len = text.len();
        self.put(len, |send, fits, _| send.push(text.split_to(fits)))
    }

    #[inline]
    fn put(
        &mut self,
        len: usize,
        put: impl FnOnce(&mut SendBuffer, usize, &mut Blocks),
    ) -> Result<usize, WriteError> {
        let index = self.id.index;
        let Some(connection) = self.host.connections.get_mut(index) else {
            return Err(WriteError::Ended(CloseReason::Aborted));
        };
        let Phase::Synchronized(tcb) = &mut connection.phase else { return self.put_otherwise(len, put) };
        if !tcb.halves.may_send() {
            return Err(WriteError::Closed);
        }
        let fits = room(tcb.config.send_buffer, tcb.send_queue(), len);
        tcb.write_blocked = fits < len;
        if fits == 0 {
            return if len == 0 { Ok(0) } else { Err(WriteError::Blocked) };
        }
        let (send, free) = self.host.pools.send(&mut tcb.send);
        put(send, fits, free);
        if !core::mem::replace(&mut connection.dirty, true) {
            self.host.dirty.push_back(index);
        }
        Ok(fits)
    }

    /// As [`Stream::put`], of a connection that is not synchronized: there is nothing to send yet, or no more.
    #[cold]
    #[inline(never)]
    fn put_otherwise(
        &mut self,
        len: usize,
        put: impl FnOnce(&mut SendBuffer, usize, &mut Blocks),
    ) -> Result<usize, WriteError> {
        let index = self.id.index;
        let opening = match self.host.connections.get_mut(index).map(|connection| &mut connection.phase) {
            Some(Phase::Opening(opening)) if !opening.close_queued => opening,
            Some(Phase::Over(Over { reason, .. })) if *reason != CloseReason::Graceful => {
                return Err(WriteError::Ended(*reason));
            }
            _ => return Err(WriteError::Closed),
        };
        let fits = room(opening.config.send_buffer, opening.send_queue(), len);
        opening.write_blocked = fits < len;
        if fits == 0 {
            return if len == 0 { Ok(0) } else { Err(WriteError::Blocked) };
        }
        let (send, free) = self.host.pools.send(&mut opening.send);
        put(send, fits, free);
        self.host.mark_dirty(index);
        Ok(fits)
    }

    /// Closes our half: FIN after what was written. The peer's half stays open for as long as the stream is held.
    /// Doing it twice is no error.
    ///
    /// # Errors
    /// [`WriteError::Ended`] when the connection has broken.
    /// Ledger: [9293-UC-CLOSE-4, 9293-UC-CLOSE-5, 9293-UC-CLOSE-6, 9293-UC-CLOSE-7, 9293-UC-CLOSE-8].
    pub fn shutdown(&mut self, now: Instant) -> Result<(), WriteError> {
        let index = self.id.index;
        let Some(connection) = self.host.connections.get_mut(index) else {
            return Err(WriteError::Ended(CloseReason::Aborted));
        };
        match &mut connection.phase {
            Phase::Opening(opening) => opening.close_queued = true,
            Phase::Synchronized(tcb) => tcb.halves.on_close(),
            Phase::Over(over) => {
                return match over.reason {
                    CloseReason::Graceful => Ok(()),
                    reason => Err(WriteError::Ended(reason)),
                };
            }
        }
        self.host.settle(now, index);
        Ok(())
    }

    /// Lets go in order: FIN after what was written; RST when received text was never read. What remains of the
    /// connection is an orphan with a bounded life; `Event::Closed` still tells how it ended, unless it had ended
    /// before.
    /// Ledger: RFC 9293 MAY-1 [9293-UC-CLOSE-3].
    pub fn close(self, now: Instant) {
        self.host.orphan(now, self.id.index);
    }

    /// Lets go at once: RST, nothing delivered any more.
    /// Ledger: [9293-UC-ABORT-3, 9293-UC-ABORT-4, 9293-UC-ABORT-5].
    pub fn abort(self, now: Instant) {
        let index = self.id.index;
        let Some(connection) = self.host.connections.get_mut(index) else { return };
        match &mut connection.phase {
            Phase::Over(_) => return self.host.forget(index),
            Phase::Opening(opening) => opening.holder = Holder::Nobody { until: now },
            Phase::Synchronized(tcb) => tcb.set_holder(Holder::Nobody { until: now }),
        }
        self.host.orphans += 1;
        self.host.abort_connection(now, index, CloseReason::Aborted);
    }

    /// Whether small segments leave at once (no Nagle algorithm).
    pub fn set_nodelay(&mut self, now: Instant, nodelay: bool) {
        let index = self.id.index;
        let Some(connection) = self.host.connections.get_mut(index) else { return };
        match &mut connection.phase {
            Phase::Opening(opening) => opening.nodelay = nodelay,
            Phase::Synchronized(tcb) => tcb.nodelay = nodelay,
            Phase::Over(_) => return,
        }
        self.host.settle(now, index);
    }

    /// Changes the differentiated services code point of the packets that leave from now on (RFC 9293 SHLD-21). Routers may
    /// then reorder what leaves before and after: a connection that can do without a change is better off
    /// (RFC 9293 SHLD-23).
    pub fn set_dscp(&mut self, dscp: u8) {
        let Some(connection) = self.host.connections.get_mut(self.id.index) else { return };
        match &mut connection.phase {
            Phase::Opening(opening) => Arc::make_mut(&mut opening.config).mark.dscp = dscp,
            Phase::Synchronized(tcb) => Arc::make_mut(&mut tcb.config).mark.dscp = dscp,
            Phase::Over(_) => {}
        }
    }

    /// Names who holds this connection, for snapshots.
    pub fn set_owner(&mut self, owner: OwnerId) {
        if let Some(connection) = self.host.connections.get_mut(self.id.index) {
            connection.owner = owner;
        }
    }
}

/// How many of `len` octets fit into a send buffer of `limit` octets that holds `queued`.
#[inline]
fn room(limit: u32, queued: u32, len: usize) -> usize {
    let room = limit.saturating_sub(queued);
    usize::try_from(room).map_or(0, |room| room.min(len))
}

/// Reading from what a connection that has ended left behind.
fn take_leftover<T>(
    over: &mut Over,
    pools: &mut Pools,
    take: impl FnOnce(&mut RecvBuffer) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    if let Some(recv) = &mut over.recv {
        let taken = take(recv);
        pools.release_recv(&mut over.recv);
        return Ok(taken);
    }
    if over.complete { Ok(None) } else { Err(ReadError::Ended(over.reason)) }
}
