//! [`copy_bidirectional`]: what a proxy needs, with the ends of both connections carried through.
//!
//! A FIN of one side becomes a FIN towards the other while the opposite direction goes on; a failure of one side
//! becomes an RST towards the other. A relay that turns failures into orderly ends tells its clients that a truncated
//! reply was whole.

use crate::stream::TcpStream;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that can be ended at once, so that its peer sees a failure.
pub trait Abort {
    /// Ends the stream: RST where it is TCP.
    fn abort(self);

    /// Completes when the stream has failed, even while nobody reads from it or writes to it. The default never does:
    /// then a failure shows with the next read or write.
    fn poll_failed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let _ = cx;
        Poll::Pending
    }
}

impl Abort for TcpStream {
    fn abort(self) {
        Self::abort(self);
    }

    fn poll_failed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        Self::poll_failed(self, cx)
    }
}

impl Abort for tokio::net::TcpStream {
    /// `SO_LINGER` of zero, then close.
    fn abort(self) {
        // Refused only where the connection has ended already, and then there is nobody to tell.
        let _ = self.set_zero_linger();
    }
}

/// How many octets a relay carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Relayed {
    /// From the first stream to the second.
    pub a_to_b: u64,
    /// From the second stream to the first.
    pub b_to_a: u64,
}

/// Carries text between two streams in both directions until both have ended, and then lets both go.
///
/// The end of text of one side is passed on by shutting down the other's sending half. An error of either side ends
/// the other with [`Abort::abort`]. A dropped future drops both streams.
///
/// # Errors
/// The first error of either stream.
pub async fn copy_bidirectional<A, B>(mut a: A, mut b: B) -> io::Result<Relayed>
where
    A: AsyncRead + AsyncWrite + Abort + Unpin,
    B: AsyncRead + AsyncWrite + Abort + Unpin,
{
    let mut there = Direction::default();
    let mut back = Direction::default();
    let result = poll_fn(|cx| {
        let first = there.poll(cx, &mut a, &mut b)?;
        let second = back.poll(cx, &mut b, &mut a)?;
        if first.is_ready() && second.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(error) = a.poll_failed(cx) {
            return Poll::Ready(Err(error));
        }
        b.poll_failed(cx).map(Err)
    })
    .await;
    match result {
        Ok(()) => Ok(Relayed { a_to_b: there.carried, b_to_a: back.carried }),
        Err(error) => {
            a.abort();
            b.abort();
            Err(error)
        }
    }
}

/// Octets held between the two streams, each way.
const BUFFER: usize = 16 * 1024;

/// One direction of a relay.
#[derive(Default)]
struct Direction {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    carried: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Copying,
    Flushing,
    ShuttingDown,
    Done,
}

impl Direction {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.stage {
                Stage::Copying => ready!(self.poll_copy(cx, from, to))?,
                Stage::Flushing => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.stage = Stage::ShuttingDown;
                }
                Stage::ShuttingDown => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Done;
                }
                Stage::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    /// One read and one write; ready when either got on.
    fn poll_copy<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.start == self.end {
            if ready!(self.poll_fill(cx, from, to))? == 0 {
                self.buffer = Box::default();
                self.stage = Stage::Flushing;
            }
            return Poll::Ready(Ok(()));
        }
        let written = ready!(Pin::new(to).poll_write(cx, &self.buffer[self.start..self.end]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.start += written;
        self.carried += u64::try_from(written).unwrap_or(u64::MAX);
        Poll::Ready(Ok(()))
    }

    /// Reads into the empty buffer; flushes `to` while there is nothing to read, for writers that hold text back.
    fn poll_fill<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<usize>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER].into_boxed_slice();
        }
        let mut space = ReadBuf::new(&mut self.buffer);
        let Poll::Ready(result) = Pin::new(from).poll_read(cx, &mut space) else {
            if let Poll::Ready(Err(error)) = Pin::new(to).poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            return Poll::Pending;
        };
        result?;
        (self.start, self.end) = (0, space.filled().len());
        Poll::Ready(Ok(self.end))
    }
}
