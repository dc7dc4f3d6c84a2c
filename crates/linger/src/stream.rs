//! [`TcpStream`], and [`Hold`], what it shares with its halves: one application's hold on one connection.

use crate::error::{self, StackEnded};
use crate::shared::{Core, Handle, Slot, set_waker};
use crate::split::{self, OwnedReadHalf, OwnedWriteHalf};
use bytes::{Buf, Bytes};
use linger_proto::{
    CloseReason, ConnectConfig, ConnectionId, Instant, ReadError, Stream, TcpInfo, Trouble, WriteError,
};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TCP connection: `AsyncRead` and `AsyncWrite`, and what TCP can do besides.
///
/// - [`TcpStream::close`] closes in order and says how that ended.
/// - Dropping it closes in order without telling: FIN after what was written, or RST when received text was never
///   read. The stack finishes the work, within the time limits of
///   [`TcpConfig`](linger_proto::TcpConfig) for orphans.
/// - `shutdown` (of `AsyncWriteExt`) closes only our half; the peer's goes on.
/// - [`TcpStream::abort`] resets.
#[derive(Debug)]
pub struct TcpStream {
    hold: Hold,
}

impl TcpStream {
    pub(crate) async fn open(handle: &Handle, remote: SocketAddr, config: ConnectConfig) -> io::Result<Self> {
        Self::admitted(handle, |core| {
            let now = core.now();
            let local = config.local.unwrap_or(remote);
            let id = core.host.connect(now, remote, config).map_err(error::connect)?;
            Ok((id, (local, remote)))
        })
        .await
    }

    /// Waits until the connection is established that `begin` makes, and names with its two addresses.
    pub(crate) async fn admitted(
        handle: &Handle,
        begin: impl FnOnce(&mut Core) -> io::Result<(ConnectionId, (SocketAddr, SocketAddr))>,
    ) -> io::Result<Self> {
        let mut hold = {
            let mut core = handle.lock();
            core.check_alive()?;
            let (id, addresses) = begin(&mut core)?;
            core.output_due();
            let mut hold = Hold::new(handle, &mut core, id, addresses);
            hold.on_drop = OnDrop::Abort;
            hold
        };
        poll_fn(|cx| hold.poll_open(cx)).await?;
        hold.on_drop = OnDrop::Close;
        Ok(Self { hold })
    }

    /// Takes a connection that the host has accepted; the lock is held.
    pub(crate) fn adopt(handle: &Handle, core: &mut Core, id: ConnectionId, listening: SocketAddr) -> Self {
        Self { hold: Hold::new(handle, core, id, (listening, listening)) }
    }

    /// Our address and port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.hold.local
    }

    /// The peer's address and port.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.hold.peer
    }

    /// Which shard of the stack has the connection, counted from zero.
    #[must_use]
    pub fn shard(&self) -> usize {
        self.hold.handle.index()
    }

    /// Whether small segments leave at once instead of waiting for the ACK of earlier ones (Nagle's algorithm, on by
    /// default: `TcpConfig::nodelay`).
    pub fn set_nodelay(&self, nodelay: bool) {
        self.hold.with(|stream, now| stream.set_nodelay(now, nodelay));
    }

    /// Changes the differentiated services code point, 0 to 63, of the packets that leave from now on (Linux: `IP_TOS`;
    /// default: `TcpConfig::dscp`). Routers may reorder what leaves before and after a change.
    pub fn set_dscp(&self, dscp: u8) {
        self.hold.with(|stream, _| stream.set_dscp(dscp));
    }

    /// Names who holds this connection; `Net::snapshot` shows it for as long as anything of the connection is left.
    pub fn set_owner(&self, owner: &str) {
        self.hold.set_owner(owner);
    }

    /// The figures of the connection. All zero, in state CLOSED, once the stack has let go of it.
    #[must_use]
    pub fn info(&self) -> TcpInfo {
        self.hold.info()
    }

    /// Waits for text and hands over up to `max` octets of it without copying; `None` is the end of the peer's text.
    /// Cancel-safe.
    ///
    /// # Errors
    /// How the connection ended before the end of text: `ConnectionReset`, `TimedOut`; `NotConnected` when the stack
    /// has ended.
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.hold.poll_read_chunk(cx, max)).await
    }

    /// Queues all of `text` without copying it, waiting for room. Not cancel-safe: what a dropped future has queued
    /// is not told.
    ///
    /// # Errors
    /// `BrokenPipe` after our half was closed, `ConnectionReset` or `TimedOut` when the connection ended so,
    /// `NotConnected` when the stack has ended.
    pub async fn write_chunk(&mut self, mut text: Bytes) -> io::Result<()> {
        poll_fn(|cx| self.hold.poll_write_chunk(cx, &mut text)).await
    }

    /// Queues what fits from the front of `text`, waiting for room for at least one octet, and tells the peer that there
    /// is urgent text up to the last octet queued (Linux: `MSG_OOB`). Returns how many octets that is. The text stays in
    /// its place among the other text. For old protocols only: RFC 6093 advises new ones against it. Cancel-safe.
    ///
    /// # Errors
    /// As [`TcpStream::write_chunk`].
    pub async fn write_urgent(&mut self, text: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.hold.poll_write_urgent(cx, text)).await
    }

    /// Waits for trouble that does not end the connection: text sent again three times without an answer, or an ICMP
    /// error that may pass (RFC 9293 MUST-47). What changed last since the call before is told at once.
    /// [`TcpInfo::trouble`] says whether it still goes on. Never completes with trouble where
    /// [`TcpConfig::report_trouble`](linger_proto::TcpConfig::report_trouble) is off.
    ///
    /// One task waits at a time; the latest does. Who reads and writes meanwhile splits the stream: each half has this too.
    /// Cancel-safe.
    ///
    /// # Errors
    /// How the connection ended. `Aborted` too when the stack has ended.
    pub async fn trouble(&self) -> Result<Trouble, CloseReason> {
        poll_fn(|cx| self.hold.poll_trouble(cx)).await
    }

    /// Two halves that can go to different tasks.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::split(self.hold)
    }

    pub(crate) fn from_hold(hold: Hold) -> Self {
        Self { hold }
    }

    /// Ends the connection at once: RST, nothing more delivered in either direction.
    pub fn abort(mut self) {
        self.hold.on_drop = OnDrop::Abort;
    }

    /// Closes in order and says how it ended: FIN after what was written, then waits until the peer has acknowledged
    /// it and has closed its side too.
    ///
    /// A dropped future does not undo the close. The wait is bounded by the limits for orphans in
    /// [`TcpConfig`](linger_proto::TcpConfig).
    ///
    /// # Errors
    /// `Reset` when the peer sent RST, `TimedOut` when it stayed silent or kept its half open past the limit,
    /// `Aborted` when received text was never read (the peer got RST) or the stack ended first.
    pub async fn close(mut self) -> Result<(), CloseReason> {
        self.hold.begin_close();
        match poll_fn(|cx| self.hold.poll_ended(cx)).await {
            CloseReason::Graceful => Ok(()),
            reason => Err(reason),
        }
    }

    /// Completes with an error when the connection fails (RST, timeout), whether or not anything is being read.
    /// The end of the peer's text is no failure.
    pub(crate) fn poll_failed(&self, cx: &Context<'_>) -> Poll<io::Error> {
        self.hold.poll_failed(cx)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.hold.poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.hold.poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.hold.poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing to do: what is written is sent as soon as TCP lets it.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes our half: FIN after what was written.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.hold.shutdown())
    }
}

/// What happens to the connection when its [`Hold`] is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnDrop {
    /// It is closed in order and becomes an orphan.
    Close,
    /// It is reset.
    Abort,
    /// Nothing: it has been let go of already.
    Nothing,
}

/// One application's hold on one connection. Everything that streams and their halves do goes through here.
#[derive(Debug)]
pub(crate) struct Hold {
    handle: Handle,
    id: ConnectionId,
    local: SocketAddr,
    peer: SocketAddr,
    on_drop: OnDrop,
}

impl Hold {
    /// `unknown` stands in for the two addresses where the host knows the connection no more.
    fn new(handle: &Handle, core: &mut Core, id: ConnectionId, unknown: (SocketAddr, SocketAddr)) -> Self {
        let (local, peer) = core.host.tuple(id).map_or(unknown, |tuple| (tuple.local, tuple.remote));
        core.adopt(id);
        Self { handle: handle.clone(), id, local, peer, on_drop: OnDrop::Close }
    }

    /// An error once the stack has ended: how the connection failed before that, if it did.
    fn check_alive(&self, core: &Core) -> io::Result<()> {
        let Err(ended) = core.check_alive() else { return Ok(()) };
        match core.slots.get(&self.id).and_then(|slot| slot.ended) {
            None | Some(CloseReason::Graceful) => Err(ended.into()),
            Some(reason) => Err(error::closed(reason)),
        }
    }

    /// Does something with the connection that cannot fail, if it is still there.
    fn with(&self, call: impl FnOnce(&mut Stream<'_>, Instant)) {
        let mut core = self.handle.lock();
        let now = core.now();
        if let Some(mut stream) = core.host.stream(self.id) {
            call(&mut stream, now);
            core.output_due();
        }
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub(crate) const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn info(&self) -> TcpInfo {
        self.handle.lock().host.info(self.id).unwrap_or_default()
    }

    fn set_owner(&self, owner: &str) {
        let mut core = self.handle.lock();
        let owner = core.host.intern_owner(owner);
        if let Some(mut stream) = core.host.stream(self.id) {
            stream.set_owner(owner);
        }
    }

    fn poll_open(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut core = self.handle.lock();
        core.check_alive()?;
        let Some(slot) = core.slots.get_mut(&self.id) else { return Poll::Ready(Err(gone())) };
        match slot.ended {
            Some(reason) => Poll::Ready(Err(error::closed(reason))),
            None if slot.connected => Poll::Ready(Ok(())),
            None => wait(&mut core, self.id, cx, |slot| &mut slot.milestone),
        }
    }

    pub(crate) fn poll_read(&self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut core = self.handle.lock();
        core.check_readable()?;
        let now = core.latest();
        let filled = buf.filled().len();
        let result = match core.host.stream(self.id) {
            Some(mut stream) => fill(&mut stream, now, buf),
            None => return Poll::Ready(Err(gone())),
        };
        if buf.filled().len() > filled {
            core.after_read();
            return Poll::Ready(Ok(()));
        }
        match result {
            Ok(()) | Err(ReadError::Ended(CloseReason::Graceful)) => Poll::Ready(Ok(())),
            Err(ReadError::Blocked) => wait(&mut core, self.id, cx, |slot| &mut slot.read),
            Err(ReadError::Ended(reason)) => Poll::Ready(Err(error::closed(reason))),
            Err(other) => Poll::Ready(Err(io::Error::other(other))),
        }
    }

    pub(crate) fn poll_read_chunk(&self, cx: &Context<'_>, max: usize) -> Poll<io::Result<Option<Bytes>>> {
        let mut core = self.handle.lock();
        core.check_readable()?;
        let now = core.latest();
        let Some(mut stream) = core.host.stream(self.id) else { return Poll::Ready(Err(gone())) };
        match stream.read_chunk(now, max) {
            Ok(text) => {
                core.after_read();
                Poll::Ready(Ok(text))
            }
            Err(ReadError::Blocked) => wait(&mut core, self.id, cx, |slot| &mut slot.read),
            Err(ReadError::Ended(CloseReason::Graceful)) => Poll::Ready(Ok(None)),
            Err(ReadError::Ended(reason)) => Poll::Ready(Err(error::closed(reason))),
            Err(other) => Poll::Ready(Err(io::Error::other(other))),
        }
    }

    pub(crate) fn poll_write(&self, cx: &Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut core = self.handle.lock();
        self.check_alive(&core)?;
        let now = core.latest();
        let Some(mut stream) = core.host.stream(self.id) else { return Poll::Ready(Err(gone())) };
        let mut written = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            match stream.write(now, buf) {
                Ok(octets) => {
                    written += octets;
                    if octets < buf.len() {
                        break;
                    }
                }
                Err(_) if written > 0 => break,
                Err(WriteError::Blocked) => return wait(&mut core, self.id, cx, |slot| &mut slot.write),
                Err(other) => return Poll::Ready(Err(write_error(other))),
            }
        }
        if written > 0 {
            core.output_due();
        }
        Poll::Ready(Ok(written))
    }

    pub(crate) fn poll_write_chunk(&self, cx: &Context<'_>, text: &mut Bytes) -> Poll<io::Result<()>> {
        let mut core = self.handle.lock();
        while text.has_remaining() {
            self.check_alive(&core)?;
            let now = core.latest();
            let Some(mut stream) = core.host.stream(self.id) else { return Poll::Ready(Err(gone())) };
            match stream.write_chunk(now, text) {
                Ok(_) => core.output_due(),
                Err(WriteError::Blocked) => return wait(&mut core, self.id, cx, |slot| &mut slot.write),
                Err(other) => return Poll::Ready(Err(write_error(other))),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write_urgent(&self, cx: &Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        let mut core = self.handle.lock();
        self.check_alive(&core)?;
        let now = core.latest();
        let Some(mut stream) = core.host.stream(self.id) else { return Poll::Ready(Err(gone())) };
        match stream.write_urgent(now, text) {
            Ok(octets) => {
                core.output_due();
                Poll::Ready(Ok(octets))
            }
            Err(WriteError::Blocked) => wait(&mut core, self.id, cx, |slot| &mut slot.write),
            Err(other) => Poll::Ready(Err(write_error(other))),
        }
    }

    /// Closes our half. Doing so twice, or after the connection has ended in order, is no error.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        let mut core = self.handle.lock();
        self.check_alive(&core)?;
        let now = core.now();
        let Some(mut stream) = core.host.stream(self.id) else { return Err(gone()) };
        let result = stream.shutdown(now);
        core.output_due();
        match result {
            Ok(()) | Err(WriteError::Closed | WriteError::Ended(CloseReason::Graceful)) => Ok(()),
            Err(other) => Err(write_error(other)),
        }
    }

    fn poll_failed(&self, cx: &Context<'_>) -> Poll<io::Error> {
        let mut core = self.handle.lock();
        if let Err(error) = self.check_alive(&core) {
            return Poll::Ready(error);
        }
        match core.slots.get(&self.id).map(|slot| slot.ended) {
            None => Poll::Ready(gone()),
            Some(Some(CloseReason::Graceful)) => Poll::Pending,
            Some(Some(reason)) => Poll::Ready(error::closed(reason)),
            Some(None) => match wait::<()>(&mut core, self.id, cx, |slot| &mut slot.milestone) {
                Poll::Ready(Err(error)) => Poll::Ready(error),
                _ => Poll::Pending,
            },
        }
    }

    /// One lock for looking and for waiting: what is told in between would wake nobody.
    pub(crate) fn poll_trouble(&self, cx: &Context<'_>) -> Poll<Result<Trouble, CloseReason>> {
        let mut core = self.handle.lock();
        match core.slots.get_mut(&self.id).and_then(|slot| slot.trouble.take()) {
            Some(trouble) => Poll::Ready(Ok(trouble)),
            None => ended(&mut core, self.id, cx).map(Err),
        }
    }

    /// Lets go in order; [`Hold::poll_ended`] tells the rest.
    fn begin_close(&mut self) {
        let mut core = self.handle.lock();
        if !core.is_kept_by_shutdown(self.id) {
            let now = core.now();
            if let Some(stream) = core.host.stream(self.id) {
                stream.close(now);
                core.output_due();
            }
        }
        drop(core);
        self.on_drop = OnDrop::Nothing;
    }

    fn poll_ended(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        ended(&mut self.handle.lock(), self.id, cx)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut core = self.handle.lock();
        core.release(self.id);
        if self.on_drop == OnDrop::Nothing || core.is_kept_by_shutdown(self.id) {
            return;
        }
        let now = core.now();
        let Some(stream) = core.host.stream(self.id) else { return };
        match self.on_drop {
            OnDrop::Abort => stream.abort(now),
            OnDrop::Close | OnDrop::Nothing => stream.close(now),
        }
        core.output_due();
    }
}

/// Copies received text into `buf`, chunk by chunk, so that `buf` need not be cleared first.
fn fill(stream: &mut Stream<'_>, now: Instant, buf: &mut ReadBuf<'_>) -> Result<(), ReadError> {
    while buf.remaining() > 0 {
        match stream.read_chunk(now, buf.remaining())? {
            Some(text) => buf.put_slice(&text),
            None => break,
        }
    }
    Ok(())
}

/// Registers the task in a waker slot of a connection, unless nobody would ever wake it.
fn wait<T>(
    core: &mut Core,
    id: ConnectionId,
    cx: &Context<'_>,
    which: impl FnOnce(&mut Slot) -> &mut Option<std::task::Waker>,
) -> Poll<io::Result<T>> {
    if let Err(ended) = core.check_running() {
        return Poll::Ready(Err(ended.into()));
    }
    let Some(slot) = core.slots.get_mut(&id) else { return Poll::Ready(Err(gone())) };
    let spent = set_waker(which(slot), cx.waker());
    core.spent.extend(spent);
    Poll::Pending
}

/// How the connection ended, or the task is registered to be woken then.
fn ended(core: &mut Core, id: ConnectionId, cx: &Context<'_>) -> Poll<CloseReason> {
    if let Some(reason) = core.slots.get(&id).and_then(|slot| slot.ended) {
        return Poll::Ready(reason);
    }
    match wait::<()>(core, id, cx, |slot| &mut slot.milestone) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(_) => Poll::Ready(CloseReason::Aborted),
    }
}

/// The host knows the connection no more, though the application still holds it: only a shutdown does that.
fn gone() -> io::Error {
    io::Error::new(ErrorKind::NotConnected, StackEnded::in_order())
}

fn write_error(error: WriteError) -> io::Error {
    match error {
        WriteError::Closed => error::half_closed(),
        WriteError::Ended(reason) => error::closed(reason),
        other => io::Error::other(other),
    }
}

/// Both halves of a [`TcpStream`] share its [`Hold`].
pub(crate) type SharedHold = Arc<Hold>;
