//! Frames handed over to and from the drivers of other shards.
//!
//! This is all that shards share on the way of a frame: bounded channels, into which a driver puts a frame without
//! waiting and without a lock, and the [`ShardMap`](linger_proto::ShardMap) behind the hosts, whose tables have one
//! writer each. A driver takes the lock of its own host only.

use linger_proto::{Host, Instant, Stray};
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Most frames taken over in one round.
const BATCH: usize = 64;

/// One driver's ends of the channels between all of them.
pub(crate) struct Neighbours {
    inbox: Receiver<Stray>,
    /// By shard, this one included.
    others: Vec<Sender<Stray>>,
    /// Reused for every batch.
    batch: Vec<Stray>,
}

impl Neighbours {
    /// The ends for each of `shards` drivers; every inbox holds at most `capacity` frames.
    pub(crate) fn all(shards: usize, capacity: usize) -> Vec<Self> {
        let (others, inboxes): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| channel(capacity.max(1))).collect::<Vec<_>>().into_iter().unzip();
        let ends = |inbox| Self { inbox, others: others.clone(), batch: Vec::new() };
        inboxes.into_iter().map(ends).collect()
    }

    /// Takes a batch of what others handed over. True when there was any.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(self.inbox.poll_recv_many(cx, &mut self.batch, BATCH), Poll::Ready(count) if count > 0)
    }

    /// Gives the host what was taken over; its lock is held.
    pub(super) fn hand_in(&mut self, host: &mut Host, now: Instant) {
        if !self.batch.is_empty() {
            host.handle_strays(now, &mut self.batch.drain(..));
        }
    }

    /// Hands over what is not for this host; its lock is held. What finds no room is lost and counted.
    pub(super) fn hand_over(&self, host: &mut Host) {
        while let Some(stray) = host.poll_stray() {
            let lost = match self.others.get(stray.to()) {
                Some(other) => other.try_send(stray).err().map(|full| full.into_inner()),
                None => Some(stray),
            };
            if let Some(stray) = lost {
                host.stray_lost(stray);
            }
        }
    }
}
