//! hyper on the kernel's sockets, the yardstick of `tun_hyper_linger`, with the same sink and source beside it.
#![forbid(unsafe_code)]

use bench::tun::{HTTP, SINK, SOURCE, pour, serve_connection, swallow};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let (http, sink, source) = (listen(HTTP)?, listen(SINK)?, listen(SOURCE)?);
    loop {
        tokio::select! {
            accepted = http.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                tokio::spawn(serve_connection(stream));
            }
            accepted = sink.accept() => { tokio::spawn(swallow(accepted?.0)); }
            accepted = source.accept() => { tokio::spawn(pour(accepted?.0)); }
        }
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    socket.listen(BACKLOG)
}
