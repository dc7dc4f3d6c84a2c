//! The descriptor in tokio.
//!
//! tun-rs makes and configures the interface; reading and writing are ours, because its own async device refuses
//! descriptors with virtio headers that were opened elsewhere, and reads only into buffers that were zeroed before.

use crate::sys;
use arrayvec::ArrayVec;
use bytes::Bytes;
use rustix::io::Errno;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A virtio header, the headers, and the slices of text.
const PIECES: usize = 20;

/// A packet of up to so many octets is first put together: for the kernel one piece is cheaper than several, by more
/// than the copy costs.
const JOIN: usize = 2048;

/// A nonblocking TUN descriptor, registered with tokio's reactor when it is first polled.
#[derive(Debug)]
pub(super) struct Queue {
    /// Read and written directly; `registered` holds a share of it.
    fd: Arc<OwnedFd>,
    registered: Option<Registered>,
}

struct Registered {
    reactor: Arc<AsyncFd<Arc<OwnedFd>>>,
    /// Parked until the descriptor reports an error: a deleted interface is nothing else to the reactor.
    error: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered").field("reactor", &self.reactor).finish_non_exhaustive()
    }
}

impl Registered {
    fn new(fd: Arc<OwnedFd>) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
        let reactor = Arc::new(sys::register(fd, interest)?);
        Ok(Self { error: park(&reactor), reactor })
    }
}

/// Waits for an error condition on the descriptor.
fn park(
    reactor: &Arc<AsyncFd<Arc<OwnedFd>>>,
) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'static>> {
    let reactor = reactor.clone();
    Box::pin(async move {
        reactor.ready(Interest::ERROR).await?.clear_ready();
        Ok(())
    })
}

impl Queue {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self { fd: Arc::new(fd), registered: None })
    }

    fn registered(&mut self) -> io::Result<&mut Registered> {
        match &mut self.registered {
            Some(registered) => Ok(registered),
            slot => Ok(slot.insert(Registered::new(self.fd.clone())?)),
        }
    }

    /// Reads one packet into the unused room of `buffer`, without tokio. `WouldBlock` when there is none.
    pub(super) fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            match rustix::io::read(&self.fd, rustix::buffer::spare_capacity(buffer)) {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Reads one packet after another by `read`, which is given the descriptor's own reading call and says whether it
    /// wants more. `Pending` when there is none left; then `cx` is woken when one arrives or the interface is deleted.
    ///
    /// The reactor is asked once for all of them: asking it costs nearly as much as a small read.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&Self) -> io::Result<bool>,
    ) -> Poll<io::Result<()>> {
        self.registered()?;
        let reactor = match &self.registered {
            Some(registered) => Arc::clone(&registered.reactor),
            None => return Poll::Pending,
        };
        while let Poll::Ready(guard) = reactor.poll_read_ready(cx) {
            let mut guard = guard?;
            loop {
                match read(self) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Ready(Ok(())),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            guard.clear_ready();
        }
        ready!(self.poll_error(cx))?;
        match read(self) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // No error any more: the next poll waits for the next one.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            result => Poll::Ready(result.map(drop)),
        }
    }

    /// Ready when the descriptor has reported an error.
    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let registered = self.registered()?;
        ready!(registered.error.as_mut().poll(cx))?;
        registered.error = park(&registered.reactor);
        Poll::Ready(Ok(()))
    }

    /// Ready when a write may be tried again, after one that found no room.
    pub(super) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let registered = self.registered()?;
        ready!(registered.reactor.poll_write_ready(cx))?.clear_ready();
        // What was known is out of date: the caller tries again, and if there is still no room the reactor will know.
        Poll::Ready(Ok(()))
    }

    /// Writes one packet that lies in pieces, by one system call. `WouldBlock` means that there is no room.
    pub(super) fn try_write(&self, headers: &[&[u8]], text: &[Bytes]) -> io::Result<()> {
        // Filled in place: a buffer of this size is not to be moved about.
        let mut joined = ArrayVec::<u8, JOIN>::new();
        if join(&mut joined, headers, text).is_some() {
            loop {
                match rustix::io::write(&self.fd, &joined) {
                    Err(Errno::INTR) => {}
                    result => return Ok(result.map(drop)?),
                }
            }
        }
        let pieces: ArrayVec<IoSlice<'_>, PIECES> =
            headers.iter().copied().chain(text.iter().map(Bytes::as_ref)).map(IoSlice::new).collect();
        loop {
            match rustix::io::writev(&self.fd, &pieces) {
                Err(Errno::INTR) => {}
                result => return Ok(result.map(drop)?),
            }
        }
    }
}

/// Puts a small packet together; `None` for a larger one.
fn join(joined: &mut ArrayVec<u8, JOIN>, headers: &[&[u8]], text: &[Bytes]) -> Option<()> {
    for piece in headers.iter().copied().chain(text.iter().map(Bytes::as_ref)) {
        joined.try_extend_from_slice(piece).ok()?;
    }
    Some(())
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
