//! [`UdpSocket`].

use crate::error;
use crate::shared::Handle;
use crate::waiting::{Queue, WaitQueue, Waiting};
use bytes::Bytes;
use linger_proto::{Datagram, UdpError, UdpId};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

/// A bound UDP address. Dropping it closes it.
#[derive(Debug)]
pub struct UdpSocket {
    handle: Handle,
    id: UdpId,
    local: SocketAddr,
}

impl UdpSocket {
    pub(crate) fn bind(handle: &Handle, local: SocketAddr) -> io::Result<Self> {
        let mut core = handle.lock();
        core.check_alive()?;
        let now = core.now();
        let id = core.host.udp_bind(now, local).map_err(error::udp)?;
        let local = core.host.udp_addr(id).unwrap_or(local);
        core.datagrams.insert(id, WaitQueue::default());
        Ok(Self { handle: handle.clone(), id, local })
    }

    /// Where it is bound, with the port that was chosen when zero was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends one datagram, waiting for room in the stack's send queue; returns the length of `text`.
    ///
    /// # Errors
    /// `InvalidInput` when `text` is longer than a datagram can be, `NetworkUnreachable` without a route,
    /// `NotConnected` when the stack has ended.
    pub async fn send_to(&self, text: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.send_bytes_to(Bytes::copy_from_slice(text), to).await
    }

    /// The same without a copy.
    ///
    /// # Errors
    /// As [`UdpSocket::send_to`].
    pub async fn send_bytes_to(&self, text: Bytes, to: SocketAddr) -> io::Result<usize> {
        let mut waiting = Waiting::new(&self.handle, Queue::DatagramRoom);
        poll_fn(|cx| {
            let mut core = self.handle.lock();
            core.check_alive()?;
            let now = core.now();
            match core.host.udp_send(now, self.id, to, text.clone()) {
                Ok(()) => {
                    core.output_due();
                    waiting.turn.served(&mut core);
                    Poll::Ready(Ok(text.len()))
                }
                Err(UdpError::Blocked) => {
                    waiting.turn.wait(&mut core, cx);
                    Poll::Pending
                }
                Err(other) => Poll::Ready(Err(error::udp(other))),
            }
        })
        .await
    }

    /// Waits for a datagram and copies as much of it as fits into `buf`; returns how much, and who sent it.
    /// Cancel-safe.
    ///
    /// # Errors
    /// `NotConnected` when the stack has ended.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.recv().await?;
        let length = datagram.bytes.len().min(buf.len());
        buf[..length].copy_from_slice(&datagram.bytes[..length]);
        Ok((length, datagram.from))
    }

    /// Waits for a datagram and hands it over whole, with both addresses, without copying. Cancel-safe.
    ///
    /// # Errors
    /// `NotConnected` when the stack has ended.
    pub async fn recv(&self) -> io::Result<Datagram> {
        let mut waiting = Waiting::new(&self.handle, Queue::Datagram(self.id));
        poll_fn(|cx| self.poll_recv(cx, &mut waiting)).await
    }

    fn poll_recv(&self, cx: &Context<'_>, waiting: &mut Waiting<'_>) -> Poll<io::Result<Datagram>> {
        let mut core = self.handle.lock();
        core.check_alive()?;
        match core.host.udp_recv(self.id) {
            Some(datagram) => {
                waiting.turn.served(&mut core);
                Poll::Ready(Ok(datagram))
            }
            None => {
                waiting.turn.wait(&mut core, cx);
                Poll::Pending
            }
        }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let mut core = self.handle.lock();
        let Some(mut queue) = core.datagrams.remove(&self.id) else { return };
        core.spent.extend(queue.drain());
        core.host.udp_close(self.id);
    }
}
