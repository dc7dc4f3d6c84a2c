//! hyper on linger's async `Net` behind a TUN, the path of `linger serve`: `tun_hyper_linger [SHARDS]`. With several
//! shards the TUN has as many queues, and each shard a thread. Beside HTTP there are a sink and a source, which copy as an
//! application on sockets does. Run it in a network namespace of its own.
#![forbid(unsafe_code)]

use bench::tun::{
    HTTP, INTERFACE, KERNEL, PREFIX, QUEUE, SINK, SOURCE, STACK, pour, serve_connection, swallow,
};
use linger::{Net, TcpListener};
use linger_device::Tun;
use linger_proto::InterfaceConfig;
use std::io;
use std::net::SocketAddr;
use tokio::runtime::{Builder, Runtime};

fn main() -> io::Result<()> {
    let shards = std::env::args().nth(1).map_or(Ok(1), |word| word.parse()).map_err(io::Error::other)?;
    let runtimes: Vec<Runtime> =
        (0..shards).map(|_| Builder::new_current_thread().enable_all().build()).collect::<io::Result<_>>()?;
    let handles: Vec<_> = runtimes.iter().map(|runtime| runtime.handle().clone()).collect();
    let tun = Tun::builder().name(INTERFACE).address(KERNEL, PREFIX).tx_queue_len(QUEUE);
    let queues = if shards == 1 { vec![tun.open()?] } else { tun.open_queues(shards)? };
    let config = InterfaceConfig { addresses: vec![(STACK, PREFIX)], ..InterfaceConfig::default() };
    let net = Net::builder().queues(queues, config).spawn_on(&handles)?;
    let listen = |port| {
        let listener = runtimes[0].block_on(net.listen(SocketAddr::new(STACK, port)))?;
        Ok::<_, io::Error>(listener.into_shards())
    };
    let listeners = listen(HTTP)?.into_iter().zip(listen(SINK)?).zip(listen(SOURCE)?);
    std::thread::scope(|scope| {
        for (runtime, ((http, sink), source)) in runtimes.iter().zip(listeners) {
            scope.spawn(|| runtime.block_on(serve(http, sink, source)));
        }
    });
    Ok(())
}

/// Serves on one shard until the stack ends.
async fn serve(http: TcpListener, sink: TcpListener, source: TcpListener) {
    loop {
        tokio::select! {
            Ok((stream, _)) = http.accept() => {
                stream.set_nodelay(true);
                tokio::spawn(serve_connection(stream));
            }
            Ok((stream, _)) = sink.accept() => { tokio::spawn(swallow(stream)); }
            Ok((stream, _)) = source.accept() => { tokio::spawn(pour(stream)); }
            else => return,
        }
    }
}
