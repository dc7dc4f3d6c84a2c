//! hyper on linger's async `Net` behind a TUN: the path of `linger serve`. Run it in a network namespace of its own.
#![forbid(unsafe_code)]

use bench::tun::{HTTP, INTERFACE, KERNEL, PREFIX, QUEUE, STACK, serve_connection};
use linger::Net;
use linger_device::Tun;
use std::io;
use std::net::SocketAddr;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let tun = Tun::builder().name(INTERFACE).address(KERNEL, PREFIX).tx_queue_len(QUEUE).open()?;
    let net = Net::builder().address(tun, STACK, PREFIX).spawn()?;
    let listener = net.listen(SocketAddr::new(STACK, HTTP)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true);
        tokio::spawn(serve_connection(stream));
    }
}
