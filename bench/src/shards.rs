//! One stack on several threads: a shard on each, with a client of its own, both on tokio, joined by a channel.
//!
//! Every thread does its part of the same work, so that the processor time of all threads together says what sharing
//! costs, on however many cores they run. Frames land on the queue of the shard that has their connection, as the
//! kernel's TUN does it for connections that it opens.

use crate::{Cpu, REQUEST, RESPONSE};
use linger::{Net, TcpListener, TcpStream};
use linger_device::{Capabilities, Channel};
use linger_proto::{HostConfig, InterfaceConfig};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;
use tokio::task::{LocalSet, spawn_local};

/// The address of the stack with shards.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PORT: u16 = 80;
/// Connections at once on each thread.
const TASKS: u32 = 16;
/// Frames that wait in a channel.
const QUEUE: usize = 256;
/// Octets written at once in bulk.
const PIECE: usize = 64 << 10;

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Whole lives: connect, request, response, the server closes first.
    Lives,
    /// MiB of text to the server.
    Bulk,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Processor time of all threads, for one life or one MiB, ns.
    pub cpu_ns: f64,
    /// On the wall, for one life or one MiB, ns.
    pub wall_ns: f64,
}

/// Does `amount` of `work` on so many shards.
///
/// # Errors
/// When a thread, a runtime or the stack cannot be made.
pub fn run(shards: usize, work: Work, amount: u32) -> io::Result<Took> {
    let able = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: work == Work::Bulk };
    let (near, far): (Vec<_>, Vec<_>) = (0..shards).map(|_| Channel::pair(QUEUE, able)).unzip();
    let runtimes: Vec<Runtime> =
        (0..shards).map(|_| Builder::new_current_thread().enable_all().build()).collect::<io::Result<_>>()?;
    let handles: Vec<_> = runtimes.iter().map(|runtime| runtime.handle().clone()).collect();
    let config = InterfaceConfig { addresses: vec![(SERVER.into(), 8)], ..InterfaceConfig::default() };
    let server = Net::builder().queues(near, config).spawn_on(&handles)?;
    let listener = runtimes[0].block_on(server.listen((SERVER, PORT)))?;
    // All begin together, and each drives its shard until all have ended: a frame may be handed to any of them.
    let barrier = Barrier::new(shards);
    let part = amount / u32::try_from(shards).unwrap_or(1);
    let took: Vec<Took> = thread::scope(|scope| {
        let thread = |(index, ((runtime, far), listener))| {
            let barrier = &barrier;
            scope.spawn(move || {
                let runtime: Runtime = runtime;
                let local = LocalSet::new();
                let client = local.block_on(&runtime, async { client(far, index) });
                local.block_on(&runtime, async {
                    barrier.wait().await;
                    let (cpu, wall) = (Cpu::now(), Instant::now());
                    shard(work, &client, listener, part).await;
                    barrier.wait().await;
                    Took { cpu_ns: cpu.elapsed_ns(), wall_ns: wall.elapsed().as_nanos() as f64 }
                })
            })
        };
        let threads: Vec<_> =
            runtimes.into_iter().zip(far).zip(listener.into_shards()).enumerate().map(thread).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let counters = server.counters();
    assert_eq!(counters.resets_sent + counters.resets_received, 0, "every connection ended in order");
    let done = f64::from(part) * shards as f64;
    let cpu_ns = took.iter().map(|took| took.cpu_ns).sum::<f64>() / done;
    let wall_ns = took.iter().map(|took| took.wall_ns).fold(0.0, f64::max) / done;
    Ok(Took { cpu_ns, wall_ns })
}

/// The client of one thread: a stack of its own. The port range is wide, for TIME-WAIT keeps ports busy.
fn client(device: Channel, index: usize) -> Net {
    let address = Ipv4Addr::new(10, 0, 1, u8::try_from(index).unwrap_or(u8::MAX));
    let config = HostConfig { ephemeral_ports: 1024..=65535, ..HostConfig::default() };
    Net::builder().config(config).address(device, address, 8).spawn().expect("inside a runtime, with entropy")
}

/// The part of one thread: both ends of its connections.
async fn shard(work: Work, client: &Net, listener: TcpListener, amount: u32) {
    let serving = spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match work {
                Work::Lives => spawn_local(answer(stream)),
                Work::Bulk => spawn_local(swallow(stream)),
            };
        }
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let mine = amount / TASKS + u32::from(task < amount % TASKS);
            let client = client.clone();
            spawn_local(async move {
                match work {
                    Work::Lives => live(&client, mine, task).await,
                    Work::Bulk => pour(&client, mine).await,
                }
                .expect("nothing goes wrong in memory");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    serving.abort();
}

async fn answer(mut stream: TcpStream) {
    let mut request = [0; REQUEST];
    stream.read_exact(&mut request).await.expect("a request");
    stream.write_all(&[9; RESPONSE]).await.expect("room");
    stream.close().await.expect("closed in order");
}

async fn live(client: &Net, lives: u32, task: u32) -> io::Result<()> {
    let mut buffer = [0; RESPONSE];
    let mut random = task;
    for _ in 0..lives {
        // Connections that begin together stay together, and one that falls behind changes the size of every batch from
        // then on: here they never keep step.
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        for _ in 0..random >> 29 {
            tokio::task::yield_now().await;
        }
        let mut stream = client.connect(SocketAddr::from((SERVER, PORT))).await?;
        stream.write_all(&[7; REQUEST]).await?;
        stream.read_exact(&mut buffer).await?;
        assert_eq!(stream.read(&mut buffer).await?, 0);
        stream.close().await.map_err(io::Error::other)?;
    }
    Ok(())
}

async fn swallow(mut stream: TcpStream) {
    while let Ok(Some(_)) = stream.read_chunk(usize::MAX).await {}
    // The client waits for the end.
    stream.close().await.expect("closed in order");
}

async fn pour(client: &Net, mib: u32) -> io::Result<()> {
    let mut stream = client.connect(SocketAddr::from((SERVER, PORT))).await?;
    let piece = bytes::Bytes::from_static(&[5; PIECE]);
    for _ in 0..mib as usize * ((1 << 20) / PIECE) {
        stream.write_chunk(piece.clone()).await?;
    }
    stream.close().await.map_err(io::Error::other)
}
