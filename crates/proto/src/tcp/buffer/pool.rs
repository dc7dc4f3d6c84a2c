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
//! | large blocks | 8 | 64 Ki |
//!
//! That is 1.2 MiB in all. The order is last in, first out: what was used last is still in the cache.

use super::recv::RecvBuffer;
use super::send::{Block, SendBuffer};
use alloc::boxed::Box;
use alloc::vec::Vec;
use arrayvec::ArrayVec;

/// Most buffers of each kind that wait.
const BUFFERS: usize = 64;
/// Most large blocks that wait.
const BLOCKS: usize = 8;

/// Blocks of the largest size that hold nothing.
pub(crate) type Blocks = ArrayVec<Block, BLOCKS>;

/// The host's empty buffers.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    #[expect(clippy::vec_box, reason = "the boxes are what is pooled: they move into connections and back")]
    send: Vec<Box<SendBuffer>>,
    #[expect(clippy::vec_box, reason = "the boxes are what is pooled: they move into connections and back")]
    recv: Vec<Box<RecvBuffer>>,
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
    pub(crate) fn send<'a>(
        &'a mut self,
        place: &'a mut Option<Box<SendBuffer>>,
    ) -> (&'a mut SendBuffer, &'a mut Blocks) {
        let send = place.get_or_insert_with(|| self.send.pop().unwrap_or_default());
        (send, &mut self.blocks)
    }

    /// The receive buffer in `place`, put there if there is none.
    pub(crate) fn recv<'a>(&mut self, place: &'a mut Option<Box<RecvBuffer>>) -> &'a mut RecvBuffer {
        place.get_or_insert_with(|| self.recv.pop().unwrap_or_default())
    }

    /// Takes the send buffer back if it is empty.
    pub(crate) fn release_send(&mut self, place: &mut Option<Box<SendBuffer>>) {
        if let Some(mut send) = place.take_if(|send| send.is_empty()) {
            send.shrink(&mut self.blocks);
            if self.send.len() < BUFFERS {
                self.send.push(send);
            }
        }
    }

    /// Takes the receive buffer back if it is empty.
    pub(crate) fn release_recv(&mut self, place: &mut Option<Box<RecvBuffer>>) {
        if let Some(mut recv) = place.take_if(|recv| recv.is_empty())
            && self.recv.len() < BUFFERS
        {
            recv.shrink();
            self.recv.push(recv);
        }
    }
}
