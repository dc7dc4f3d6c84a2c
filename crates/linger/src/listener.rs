//! [`TcpListener`].

use crate::error;
use crate::incoming::Incoming;
use crate::shared::{Core, Handle};
use crate::stream::TcpStream;
use crate::waiting::{Queue, Turn, WaitQueue};
use linger_proto::{ListenConfig, ListenerId};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// A listening address. Dropping it stops listening: connections that nobody has accepted yet are reset.
#[derive(Debug)]
pub struct TcpListener {
    first: Part,
    /// The same address on the other shards, where there are any.
    rest: Vec<Part>,
    local: SocketAddr,
    /// It holds SYNs: they come out of `incoming`, and no connection comes out of `accept`.
    holds: bool,
    /// Which shard is asked first.
    next: AtomicUsize,
    /// The places of `poll_accept`.
    turns: Turns,
}

/// The listener of one shard.
#[derive(Debug)]
struct Part {
    handle: Handle,
    id: ListenerId,
}

/// A place in the queue of each shard.
#[derive(Debug)]
struct Turns {
    first: Turn,
    rest: Vec<Turn>,
}

impl Turns {
    fn get(&mut self, shard: usize) -> Option<&mut Turn> {
        match shard.checked_sub(1) {
            None => Some(&mut self.first),
            Some(at) => self.rest.get_mut(at),
        }
    }
}

/// [`Turns`] that are given up when their future is dropped.
struct Accepting<'a> {
    listener: &'a TcpListener,
    turns: Turns,
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        self.listener.give_up(&mut self.turns);
    }
}

impl Part {
    fn bind(handle: &Handle, local: SocketAddr, config: ListenConfig) -> io::Result<(Self, SocketAddr)> {
        let mut core = handle.lock();
        core.check_alive()?;
        let id = core.host.listen(local, config).map_err(error::listen)?;
        let local = core.host.listener_addr(id).unwrap_or(local);
        core.listeners.insert(id, WaitQueue::default());
        Ok((Self { handle: handle.clone(), id }, local))
    }

    fn turn(&self) -> Turn {
        Turn::new(Queue::Incoming(self.id))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut core = self.handle.lock();
        let now = core.now();
        let Some(mut queue) = core.listeners.remove(&self.id) else { return };
        core.spent.extend(queue.drain());
        core.host.unlisten(now, self.id);
        core.output_due();
    }
}

/// The call that does not fit how the listener was made.
fn wrong_way(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

impl TcpListener {
    pub(crate) fn bind(shards: &[Handle], local: SocketAddr, config: &ListenConfig) -> io::Result<Self> {
        let [first, rest @ ..] = shards else { unreachable!("a stack has a shard") };
        let (first, local) = Part::bind(first, local, config.clone())?;
        // The first has chosen the port; parts that are there already stop listening when one fails.
        let rest = rest.iter().map(|handle| Part::bind(handle, local, config.clone()).map(|(part, _)| part));
        Ok(Self::of(first, rest.collect::<io::Result<_>>()?, local, config.hold))
    }

    fn of(first: Part, rest: Vec<Part>, local: SocketAddr, holds: bool) -> Self {
        let turns = Turns { first: first.turn(), rest: rest.iter().map(Part::turn).collect() };
        Self { first, rest, local, holds, next: AtomicUsize::new(0), turns }
    }

    /// One listener for each shard of the stack, shard zero first, that takes the connections of that shard alone: for a
    /// program that serves each shard in a thread of its own (see
    /// [`NetBuilder::spawn_on`](crate::NetBuilder::spawn_on)). While one of them is dropped, its shard resets who
    /// connects there.
    #[must_use]
    pub fn into_shards(self) -> Vec<Self> {
        let Self { first, rest, local, holds, .. } = self;
        [first].into_iter().chain(rest).map(|part| Self::of(part, Vec::new(), local, holds)).collect()
    }

    /// Waits for the next connection. Several tasks may wait at once; a dropped future loses no connection.
    ///
    /// # Errors
    /// `NotConnected` when the stack has ended; `InvalidInput` for a listener that holds SYNs.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut accepting = Accepting { listener: self, turns: self.new_turns() };
        poll_fn(|cx| self.poll_accept_in_turn(cx, &mut accepting.turns)).await
    }

    /// Waits for the next peer that asks for a connection, at a listener that holds SYNs
    /// ([`ListenConfig::hold`](linger_proto::ListenConfig::hold)): the peer has not been answered yet. Several tasks may
    /// wait at once; a dropped future loses nobody.
    ///
    /// # Errors
    /// `NotConnected` when the stack has ended; `InvalidInput` for a listener that answers SYNs at once.
    pub async fn incoming(&self) -> io::Result<Incoming> {
        if !self.holds {
            return Err(wrong_way("this listener does not hold SYNs: use accept"));
        }
        let mut accepting = Accepting { listener: self, turns: self.new_turns() };
        poll_fn(|cx| {
            self.poll_in_turn(cx, &mut accepting.turns, |part, core| {
                let (id, tuple) = core.host.incoming(part.id)?;
                Some(Incoming::new(&part.handle, id, tuple))
            })
        })
        .await
    }

    /// The same for hand-written futures. Only the last task that polled is woken.
    ///
    /// # Errors
    /// `NotConnected` when the stack has ended.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut turns =
            std::mem::replace(&mut self.turns, Turns { first: self.first.turn(), rest: Vec::new() });
        let result = self.poll_accept_in_turn(cx, &mut turns);
        self.turns = turns;
        result
    }

    fn new_turns(&self) -> Turns {
        Turns { first: self.first.turn(), rest: self.rest.iter().map(Part::turn).collect() }
    }

    fn part(&self, shard: usize) -> &Part {
        shard.checked_sub(1).and_then(|at| self.rest.get(at)).unwrap_or(&self.first)
    }

    fn poll_accept_in_turn(
        &self,
        cx: &Context<'_>,
        turns: &mut Turns,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if self.holds {
            return Poll::Ready(Err(wrong_way("this listener holds SYNs: use incoming")));
        }
        self.poll_in_turn(cx, turns, |part, core| {
            let id = core.host.accept(part.id)?;
            let stream = TcpStream::adopt(&part.handle, core, id, self.local);
            let peer = stream.peer_addr();
            Some((stream, peer))
        })
    }

    fn poll_in_turn<T>(
        &self,
        cx: &Context<'_>,
        turns: &mut Turns,
        take: impl Fn(&Part, &mut Core) -> Option<T>,
    ) -> Poll<io::Result<T>> {
        let shards = 1 + self.rest.len();
        let start = if shards == 1 { 0 } else { self.next.load(Ordering::Relaxed) };
        for step in 0..shards {
            let shard = (start + step) % shards;
            let Some(turn) = turns.get(shard) else { continue };
            let part = self.part(shard);
            let mut core = part.handle.lock();
            core.check_alive()?;
            let Some(taken) = take(part, &mut core) else {
                turn.wait(&mut core, cx);
                continue;
            };
            turn.served(&mut core);
            drop(core);
            if shards > 1 {
                // The next one looks elsewhere first, so that no shard's connections wait for ever.
                self.next.store(shard + 1, Ordering::Relaxed);
                self.give_up(turns);
            }
            return Poll::Ready(Ok(taken));
        }
        Poll::Pending
    }

    /// Leaves every queue: whoever comes next there gets the turn.
    fn give_up(&self, turns: &mut Turns) {
        for shard in 0..=self.rest.len() {
            let Some(turn) = turns.get(shard).filter(|turn| turn.is_waiting()) else { continue };
            turn.leave(&mut self.part(shard).handle.lock());
        }
    }

    /// Where it listens, with the port that was chosen when zero was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}
