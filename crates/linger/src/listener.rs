//! [`TcpListener`].

use crate::error;
use crate::shared::{Core, Handle};
use crate::stream::TcpStream;
use crate::waiting::{Queue, Turn, WaitQueue, Waiting};
use linger_proto::{ListenConfig, ListenerId};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

/// A listening address. Dropping it stops listening: connections that nobody has accepted yet are reset.
#[derive(Debug)]
pub struct TcpListener {
    handle: Handle,
    id: ListenerId,
    local: SocketAddr,
    /// The place of `poll_accept`.
    turn: Turn,
}

impl TcpListener {
    pub(crate) fn bind(handle: &Handle, local: SocketAddr, config: ListenConfig) -> io::Result<Self> {
        let mut core = handle.lock();
        core.check_alive()?;
        let id = core.host.listen(local, config).map_err(error::listen)?;
        let local = core.host.listener_addr(id).unwrap_or(local);
        core.listeners.insert(id, WaitQueue::default());
        Ok(Self { handle: handle.clone(), id, local, turn: Turn::new(Queue::Incoming(id)) })
    }

    /// Waits for the next connection. Several tasks may wait at once; a dropped future loses no connection.
    ///
    /// # Errors
    /// `NotConnected` when the stack has ended.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut waiting = Waiting::new(&self.handle, Queue::Incoming(self.id));
        poll_fn(|cx| self.poll_accept_in_turn(cx, &mut waiting.turn)).await
    }

    /// The same for hand-written futures. Only the last task that polled is woken.
    ///
    /// # Errors
    /// `NotConnected` when the stack has ended.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut turn = std::mem::replace(&mut self.turn, Turn::new(Queue::Incoming(self.id)));
        let result = self.poll_accept_in_turn(cx, &mut turn);
        self.turn = turn;
        result
    }

    fn poll_accept_in_turn(
        &self,
        cx: &Context<'_>,
        turn: &mut Turn,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut core = self.handle.lock();
        core.check_alive()?;
        match self.take(&mut core) {
            Some(stream) => {
                turn.served(&mut core);
                let peer = stream.peer_addr();
                Poll::Ready(Ok((stream, peer)))
            }
            None => {
                turn.wait(&mut core, cx);
                Poll::Pending
            }
        }
    }

    fn take(&self, core: &mut Core) -> Option<TcpStream> {
        let id = core.host.accept(self.id)?;
        Some(TcpStream::adopt(&self.handle, core, id, self.local))
    }

    /// Where it listens, with the port that was chosen when zero was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let mut core = self.handle.lock();
        let now = core.now();
        let Some(mut queue) = core.listeners.remove(&self.id) else { return };
        core.spent.extend(queue.drain());
        core.host.unlisten(now, self.id);
        core.output_due();
    }
}
