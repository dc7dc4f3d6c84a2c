//! The two halves of a [`TcpStream`], for two tasks.

use crate::stream::{Hold, SharedHold, TcpStream};
use bytes::Bytes;
use linger_proto::{CloseReason, Trouble};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The receiving half of a [`TcpStream`]. With the last of the two halves the connection is let go of.
#[derive(Debug)]
pub struct OwnedReadHalf {
    hold: SharedHold,
}

/// The sending half of a [`TcpStream`]. Dropping it closes our half of the connection: FIN after what was written.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    hold: SharedHold,
    /// Taken back by `reunite`.
    shutdown_on_drop: bool,
}

/// Two halves of different streams cannot be put together; here they are back.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves belong to different streams")
    }
}

impl std::error::Error for ReuniteError {}

pub(crate) fn split(hold: Hold) -> (OwnedReadHalf, OwnedWriteHalf) {
    let hold = Arc::new(hold);
    (OwnedReadHalf { hold: Arc::clone(&hold) }, OwnedWriteHalf { hold, shutdown_on_drop: true })
}

impl OwnedReadHalf {
    /// Puts the stream together again.
    ///
    /// # Errors
    /// [`ReuniteError`] with both halves when they belong to different streams.
    pub fn reunite(self, mut write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.hold, &write.hold) {
            return Err(ReuniteError(self, write));
        }
        write.shutdown_on_drop = false;
        drop(write);
        match Arc::try_unwrap(self.hold) {
            Ok(hold) => Ok(TcpStream::from_hold(hold)),
            Err(_) => unreachable!("a stream has two halves, and one of them is dropped"),
        }
    }

    /// Waits for text and hands over up to `max` octets of it without copying; `None` is the end of the peer's text.
    ///
    /// # Errors
    /// As [`TcpStream::read_chunk`].
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.hold.poll_read_chunk(cx, max)).await
    }

    /// Waits for trouble that does not end the connection. One task waits at a time, on either half: the latest.
    ///
    /// # Errors
    /// As [`TcpStream::trouble`].
    pub async fn trouble(&self) -> Result<Trouble, CloseReason> {
        poll_fn(|cx| self.hold.poll_trouble(cx)).await
    }

    /// Our address and port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.hold.local_addr()
    }

    /// The peer's address and port.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.hold.peer_addr()
    }
}

impl OwnedWriteHalf {
    /// Puts the stream together again.
    ///
    /// # Errors
    /// [`ReuniteError`] with both halves when they belong to different streams.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        read.reunite(self)
    }

    /// Queues all of `text` without copying it, waiting for room.
    ///
    /// # Errors
    /// As [`TcpStream::write_chunk`].
    pub async fn write_chunk(&mut self, mut text: Bytes) -> io::Result<()> {
        poll_fn(|cx| self.hold.poll_write_chunk(cx, &mut text)).await
    }

    /// Queues what fits from the front of `text`, and tells the peer that it is urgent.
    ///
    /// # Errors
    /// As [`TcpStream::write_urgent`].
    pub async fn write_urgent(&mut self, text: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.hold.poll_write_urgent(cx, text)).await
    }

    /// Waits for trouble that does not end the connection. One task waits at a time, on either half: the latest.
    ///
    /// # Errors
    /// As [`TcpStream::trouble`].
    pub async fn trouble(&self) -> Result<Trouble, CloseReason> {
        poll_fn(|cx| self.hold.poll_trouble(cx)).await
    }

    /// Our address and port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.hold.local_addr()
    }

    /// The peer's address and port.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.hold.peer_addr()
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // What can go wrong has gone wrong already: the connection has ended.
            let _ = self.hold.shutdown();
        }
    }
}

impl AsyncRead for OwnedReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.hold.poll_read(cx, buf)
    }
}

impl AsyncWrite for OwnedWriteHalf {
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

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.hold.shutdown())
    }
}
