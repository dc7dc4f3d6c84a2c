//! A stack with several shards, behind queues that steer as they like, and a peer that knows nothing of them.
//!
//! - `main`: the two stacks, and what lies between them
//! - `flows`: the connections of a long afternoon
//! - `face`: what an application sees of shards
//! - `threads`: shards in threads of their own

#[path = "../common/mod.rs"]
mod common;

mod face;
mod flows;
mod threads;

use common::*;
use linger::device::{Capabilities, Channel, Device, Fan, Steer};
use linger::proto::wire::{ip, tcp};
use linger::proto::{DropReason, FourTuple, Frame, Transmit};
use linger::{InterfaceConfig, Net, NetBuilder, Secret};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How the queues behind a device with several choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Habit {
    /// One queue after another, frame by frame.
    InTurn,
    /// Never the queue that the last frame of the connection came from.
    Contrary,
    /// As a kernel's TUN: the queue that the last frame of the connection came from, for three seconds; else by a hash.
    Kernel,
    /// Always this one.
    Only(usize),
}

/// What a [`Habit`] remembers, and what tests want to know.
#[derive(Default)]
struct Memory {
    /// By connection, as the stack with shards sees it: which queue its last frame came from, when, and that frame.
    last: HashMap<FourTuple, (usize, Instant, Frame)>,
    sent: usize,
}

#[derive(Clone)]
struct Queues {
    count: usize,
    habit: Arc<Mutex<Habit>>,
    memory: Arc<Mutex<Memory>>,
}

impl Queues {
    fn new(count: usize, habit: Habit) -> Self {
        Self { count, habit: Arc::new(Mutex::new(habit)), memory: Arc::default() }
    }

    fn change(&self, habit: Habit) {
        *self.habit.lock().expect("whole") = habit;
    }

    /// The last TCP packet of each connection that came from the stack with shards.
    fn last_packets(&self) -> Vec<Frame> {
        self.memory.lock().expect("whole").last.values().map(|(_, _, frame)| frame.clone()).collect()
    }
}

/// The tuple of a TCP packet as its sender sees it.
fn tuple(bytes: &[u8]) -> Option<FourTuple> {
    let packet = ip::parse(bytes).ok()?;
    let header = tcp::parse(bytes.get(packet.payload.clone())?).ok().filter(|_| packet.protocol == 6)?;
    Some(FourTuple {
        local: SocketAddr::new(packet.source, header.source),
        remote: SocketAddr::new(packet.destination, header.destination),
    })
}

impl Steer for Queues {
    fn steer(&mut self, frame: &Transmit) -> usize {
        let mut memory = self.memory.lock().expect("whole");
        memory.sent += 1;
        let tuple = tuple(&frame.to_bytes()).map(FourTuple::reversed);
        let last = tuple.and_then(|tuple| memory.last.get(&tuple));
        let ports = tuple.map_or(0, |tuple| usize::from(tuple.local.port() ^ tuple.remote.port()));
        match (*self.habit.lock().expect("whole"), last) {
            (Habit::Only(queue), _) => queue,
            (Habit::InTurn, _) => memory.sent,
            (Habit::Contrary, Some((queue, ..))) => queue + 1 + memory.sent % (self.count - 1).max(1),
            (Habit::Kernel, Some((queue, at, _))) if at.elapsed() <= Duration::from_secs(3) => *queue,
            // A hash that has nothing to do with where a connect was called.
            _ => (ports * 7 + ports / 3) % self.count,
        }
    }

    fn came(&mut self, queue: usize, frame: &Frame) {
        if let Some(tuple) = tuple(&frame.bytes) {
            let mut memory = self.memory.lock().expect("whole");
            memory.last.insert(tuple, (queue, Instant::now(), frame.clone()));
        }
    }
}

/// A device through which a test can send packets of its own.
struct Injecting<D> {
    inner: D,
    packets: mpsc::UnboundedReceiver<Transmit>,
    waiting: Option<Transmit>,
}

impl<D: Device> Injecting<D> {
    fn new(inner: D) -> (Self, mpsc::UnboundedSender<Transmit>) {
        let (sender, packets) = mpsc::unbounded_channel();
        (Self { inner, packets, waiting: None }, sender)
    }
}

impl<D: Device> Device for Injecting<D> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        loop {
            if self.waiting.is_none() {
                match self.packets.poll_recv(cx) {
                    Poll::Ready(Some(packet)) => self.waiting = Some(packet),
                    _ => break,
                }
            }
            let Some(packet) = &self.waiting else { break };
            if self.inner.poll_send(cx, packet).is_pending() {
                break;
            }
            self.waiting = None;
        }
        self.inner.poll_recv(cx, batch)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        self.inner.poll_send(cx, frame)
    }
}

fn on_the_left() -> InterfaceConfig {
    InterfaceConfig { addresses: vec![(LEFT.into(), 24)], ..InterfaceConfig::default() }
}

/// The stack with shards, not made yet, and the far end of its queues.
fn sharded(queues: &Queues) -> (NetBuilder, Fan<Queues>) {
    let (near, far) = Channel::fan(queues.count, 256, ABLE, queues.clone());
    let builder = Net::builder().config(config()).secret(Secret::from_bytes([1; 32]));
    (builder.queues(near, on_the_left()), far)
}

/// The peer of such a stack.
fn peer(device: impl Device) -> Net {
    let builder = Net::builder().address(device, RIGHT, 24).config(config());
    builder.secret(Secret::from_bytes([2; 32])).spawn().expect("inside a runtime")
}

/// Both.
fn stacks(queues: &Queues) -> (Net, Net) {
    let (builder, far) = sharded(queues);
    (builder.spawn().expect("inside a runtime"), peer(far))
}

fn drops(net: &Net, reason: DropReason) -> u64 {
    net.counters().drops.get(reason)
}
