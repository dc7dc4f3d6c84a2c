//! What the same hyper service holds for an idle connection where the stream is a pipe in memory: `tun_hyper_pipe N`
//! opens N of them, makes one request on each, and prints `pipe_rss_per_connection`: octets of resident memory for each.

use bench::tun::{cpu, serve_connection};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Octets that a pipe holds: few, so that the figure is hyper's.
const ROOM: usize = 64;
/// Connections opened before the measurement, so that what is there only once is not counted.
const FIRST: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let count = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(10_000);
    let mut held = Vec::with_capacity(count + FIRST);
    open(FIRST, &mut held).await?;
    let (_, before) = cpu::memory(std::process::id())?;
    open(count, &mut held).await?;
    let (_, after) = cpu::memory(std::process::id())?;
    println!("pipe_rss_per_connection {:.1}", after.saturating_sub(before) as f64 / count as f64);
    Ok(())
}

async fn open(count: usize, held: &mut Vec<DuplexStream>) -> io::Result<()> {
    for _ in 0..count {
        let (mut client, server) = duplex(ROOM);
        tokio::spawn(serve_connection(server));
        client.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n").await?;
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while bench::tun::load::whole(&answer).is_none() {
            let octets = client.read(&mut piece).await?;
            answer.extend_from_slice(&piece[..octets]);
        }
        held.push(client);
    }
    Ok(())
}
