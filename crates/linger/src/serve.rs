//! axum on our TCP: `axum::serve(listener, app)` with a [`TcpListener`]. Feature `axum`.

use crate::listener::TcpListener;
use crate::stream::TcpStream;
use std::future::pending;
use std::io;
use std::net::SocketAddr;

impl axum::serve::Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    /// Never completes once the stack has ended, for axum's interface has no word for that: stop the server with
    /// `with_graceful_shutdown` first.
    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        match Self::accept(self).await {
            Ok(accepted) => accepted,
            Err(_) => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(Self::local_addr(self))
    }
}
