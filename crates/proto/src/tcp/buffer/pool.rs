//! Empty buffers that wait for the next connection with text.
//!
//! A connection has buffers only while it has text in them, so at every message one is needed and let go of again. Here
//! they wait in between, with a little of the memory they had: a host that has warmed up allocates nothing for the text
//! of requests and responses.
//!
//! What waits is bounded, for each host, whatever its connections did before:
//!
//! | what | how many | octets each, at most |
//! |---|---|---|
//! | send buffers | 64 | 7 Ki: itself, a list of 64 slices, a block of 4 Ki |
//! | receive buffers | 64 | 4 Ki: itself, a list of 64 slices, a block of 512 |
//! | blocks of more than 4 Ki | 8 | 64 Ki |
//!
//! That is 1.2 MiB in all. The order is last in, first out: what was used last is still in the cache.

use super::recv::RecvBuffer;
use super::send::{Block, SendBuffer};
use alloc::boxed::Box;
use arrayvec::ArrayVec;

/// Most buffers of each kind that wait.
const BUFFERS: usize = 64;
/// Most large blocks that wait.
const BLOCKS: usize = 8;

/// Blocks that hold nothing, too large for an empty buffer to keep; the one that was used last is at the end.
#[derive(Debug, Default)]
pub(crate) struct Blocks(ArrayVec<Block, BLOCKS>);

impl Blocks {
    /// A block of `size` octets, if there is one that nobody refers to any more.
    pub(crate) fn take(&mut self, size: usize) -> Option<Block> {
        let place = self.0.iter().rposition(|block| block.size() == size)?;
        let mut block = self.0.remove(place);
        block.reclaim().then_some(block)
    }

    /// Keeps a block, in the place of the oldest when there are too many.
    pub(crate) fn keep(&mut self, block: Block) {
        if self.0.is_full() {
            self.0.pop_at(0);
        }
        self.0.push(block);
    }
}

/// The host's empty buffers.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    send: ArrayVec<Box<SendBuffer>, BUFFERS>,
    recv: ArrayVec<Box<RecvBuffer>, BUFFERS>,
    blocks: Blocks,
}

/// A copy of a host makes its own.
impl Clone for Pools {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Pools {
    /// The send buffer in `place`, put there if there is none, and the blocks it may write into.
    #[inline]
    pub(crate) fn send<'a>(
        &'a mut self,
        place: &'a mut Option<Box<SendBuffer>>,
    ) -> (&'a mut SendBuffer, &'a mut Blocks) {
        let send = place.get_or_insert_with(|| self.send.pop().unwrap_or_else(make));
        (send, &mut self.blocks)
    }

    /// The receive buffer in `place`, put there if there is none.
    #[inline]
    pub(crate) fn recv<'a>(&mut self, place: &'a mut Option<Box<RecvBuffer>>) -> &'a mut RecvBuffer {
        place.get_or_insert_with(|| self.recv.pop().unwrap_or_else(make))
    }

    /// Takes the send buffer back if it is empty.
    #[inline]
    pub(crate) fn release_send(&mut self, place: &mut Option<Box<SendBuffer>>) {
        if place.as_ref().is_some_and(|send| send.is_empty())
            && let Some(mut send) = place.take()
        {
            if send.is_untidy() {
                send.shrink(&mut self.blocks);
            }
            keep(&mut self.send, send);
        }
    }

    /// Takes the receive buffer back if it is empty.
    #[inline]
    pub(crate) fn release_recv(&mut self, place: &mut Option<Box<RecvBuffer>>) {
        if place.as_ref().is_some_and(|recv| recv.is_empty())
            && let Some(mut recv) = place.take()
        {
            recv.shrink();
            self.keep_recv(recv);
        }
    }

    /// Lets a receive buffer wait that is empty and has nothing to shrink.
    #[inline]
    pub(crate) fn keep_recv(&mut self, empty: Box<RecvBuffer>) {
        keep(&mut self.recv, empty);
    }
}

/// A buffer where none waits.
#[cold]
fn make<T: Default>() -> Box<T> {
    Box::default()
}

/// Lets an empty buffer wait, if there is room for it.
#[inline]
fn keep<T>(waiting: &mut ArrayVec<Box<T>, BUFFERS>, empty: Box<T>) {
    if let Err(full) = waiting.try_push(empty) {
        discard(full.element());
    }
}

/// Out of the way of those for which there is room.
#[cold]
#[inline(never)]
fn discard<T>(empty: Box<T>) {
    drop(empty);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::seq::SeqNum;
    use alloc::vec;
    use alloc::vec::Vec;
    use bytes::Bytes;

    /// A connection's text comes and goes: `len` octets written and acknowledged.
    fn send(pools: &mut Pools, place: &mut Option<Box<SendBuffer>>, len: usize) -> *const SendBuffer {
        let (send, free) = pools.send(place);
        let at: *const SendBuffer = send;
        send.write(&vec![1; len], free);
        send.acknowledge(len);
        pools.release_send(place);
        at
    }

    #[test]
    fn buffer_that_was_let_go_of_last_is_used_next() {
        let mut pools = Pools::default();
        let (mut first, mut second) = (None, None);
        let at = send(&mut pools, &mut first, 100);
        assert!(first.is_none());
        assert_eq!(send(&mut pools, &mut second, 100), at);
        let mut place = None;
        let kept: *const RecvBuffer = pools.recv(&mut place);
        pools.release_recv(&mut place);
        assert!(place.is_none());
        assert!(core::ptr::eq(pools.recv(&mut place), kept));
    }

    #[test]
    fn buffer_with_text_stays_where_it_is() {
        let mut pools = Pools::default();
        let (mut sending, mut receiving) = (None, None);
        let (send, free) = pools.send(&mut sending);
        send.write(b"not acknowledged", free);
        pools.release_send(&mut sending);
        pools.recv(&mut receiving).insert(SeqNum(1), SeqNum(2), Bytes::from_static(b"early"), 45, 1 << 16);
        pools.release_recv(&mut receiving);
        assert!(sending.is_some() && receiving.is_some());
        assert!(pools.send.is_empty() && pools.recv.is_empty());
    }

    #[test]
    fn what_waits_is_bounded_whatever_the_connections_did() {
        let mut pools = Pools::default();
        let mut sending: Vec<Option<Box<SendBuffer>>> = vec![None; 200];
        let mut receiving: Vec<Option<Box<RecvBuffer>>> = vec![None; 200];
        for (sending, receiving) in sending.iter_mut().zip(&mut receiving) {
            let (send, free) = pools.send(sending);
            for n in 0..300 {
                send.write(&[1; 1000], free);
                send.gather(n * 1000, 1000, &mut ArrayVec::new());
            }
            let recv = pools.recv(receiving);
            let mut nxt = SeqNum(7);
            for _ in 0..300 {
                nxt += recv.insert(nxt, nxt, Bytes::from(vec![1; 100]), 140, 1 << 16).advanced;
                nxt += recv.insert(nxt, nxt, Bytes::from_static(b"1"), 41, 1 << 16).advanced;
            }
        }
        for (sending, receiving) in sending.iter_mut().zip(&mut receiving) {
            sending.as_mut().unwrap().acknowledge(usize::MAX);
            pools.release_send(sending);
            while receiving.as_mut().unwrap().read_chunk(usize::MAX).is_some() {}
            pools.release_recv(receiving);
        }
        assert!(sending.iter().all(Option::is_none) && receiving.iter().all(Option::is_none));
        assert_eq!((pools.send.len(), pools.recv.len()), (BUFFERS, BUFFERS));
        assert_eq!(pools.blocks.0.len(), BLOCKS);
        assert!(pools.send.iter().all(|send| send.holds() <= 7 << 10));
        assert!(pools.recv.iter().all(|recv| recv.holds() <= 4 << 10));
    }

    #[test]
    fn transfer_after_transfer_is_written_into_the_same_blocks() {
        let mut pools = Pools::default();
        let mut places = Vec::new();
        for _ in 0..50 {
            let mut place = None;
            let (send, free) = pools.send(&mut place);
            for n in 0..4 {
                send.write(&[1; 64 << 10], free);
                let mut out = ArrayVec::new();
                send.gather(n * (64 << 10), 1448, &mut out);
                if !places.contains(&out[0].as_ptr()) {
                    places.push(out[0].as_ptr());
                }
            }
            send.acknowledge(usize::MAX);
            pools.release_send(&mut place);
        }
        assert_eq!(places.len(), 4);
    }
}
