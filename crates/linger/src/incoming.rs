//! [`Incoming`].

use crate::error;
use crate::shared::{Core, Handle};
use crate::stream::TcpStream;
use linger_proto::{FourTuple, IncomingId};
use std::io;
use std::net::SocketAddr;

/// A peer that asks for a connection and has not been answered yet, from
/// [`TcpListener::incoming`](crate::TcpListener::incoming).
///
/// A proxy can try its own connection first and let the peer see what came of it: [`Incoming::accept`],
/// [`Incoming::refuse`], or drop it, which is silence. The peer meanwhile repeats its SYN, and the stack forgets it after
/// `ListenConfig::hold_timeout` (20 s by default).
///
/// ```
/// # async fn serve(listener: linger::TcpListener, upstream: linger::Net) -> std::io::Result<()> {
/// let incoming = listener.incoming().await?;
/// match upstream.connect(incoming.local).await {
///     Ok(there) => {
///         let here = incoming.accept().await?;
///         linger::copy_bidirectional(here, there).await?;
///     }
///     Err(_) => incoming.refuse(),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Incoming {
    /// The address and port of ours that the peer called.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    handle: Handle,
    id: IncomingId,
}

impl Incoming {
    /// Takes what the host has handed out.
    pub(crate) fn new(handle: &Handle, id: IncomingId, tuple: FourTuple) -> Self {
        Self { local: tuple.local, remote: tuple.remote, handle: handle.clone(), id }
    }

    /// Answers the peer and waits until the connection is established. A dropped future resets it.
    ///
    /// # Errors
    /// `ConnectionAborted`, with [`AcceptError::Gone`](linger_proto::AcceptError::Gone) inside, when the peer has taken
    /// its SYN back, was held too long, or its listener is gone; `QuotaExceeded` past the bound on connections;
    /// `ConnectionRefused` when the peer resets what was accepted, `TimedOut` when it is silent; `NotConnected` when the
    /// stack has ended.
    pub async fn accept(self) -> io::Result<TcpStream> {
        TcpStream::admitted(&self.handle, |core: &mut Core| {
            let now = core.now();
            let id = core.host.admit(now, self.id).map_err(error::accept)?;
            Ok((id, (self.local, self.remote)))
        })
        .await
    }

    /// Answers the peer with RST: nobody is here.
    pub fn refuse(self) {
        let mut core = self.handle.lock();
        let now = core.now();
        core.host.refuse(now, self.id);
        core.output_due();
    }

    /// Whether the peer still waits, as far as the stack knows.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.handle.lock().host.is_held(self.id)
    }
}

/// Silence: to the peer its SYN is lost. Nothing happens once it was answered.
impl Drop for Incoming {
    fn drop(&mut self) {
        let mut core = self.handle.lock();
        let now = core.now();
        core.host.ignore(now, self.id);
    }
}
