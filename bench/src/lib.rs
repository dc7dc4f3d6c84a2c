//! The work that the measuring programs do.
//!
//! | module | what |
//! |---|---|
//! | [`memory`] | the in-memory suite of `linger_mem` |
//! | [`shards`] | one stack on several threads |
//! | [`tun`] | the suite over a TUN: servers, loads, the list of measurements |
//! | `sys` | processor time of a thread, an allocator that counts, a word to valgrind |
#![deny(unsafe_code)]

pub mod memory;
pub mod shards;
#[allow(unsafe_code)]
mod sys;
pub mod tun;

pub use sys::{Counting, Cpu, Heap, counted_alone, heap, reset_peak};

use bytes::Bytes;
use linger_proto::{
    ConnectConfig, ConnectionId, Frame, Host, HostConfig, Instant, InterfaceConfig, InterfaceId,
    ListenConfig, ListenerId, Secret, Transmit,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Octets of a request.
pub const REQUEST: usize = 100;
/// Octets of a response.
pub const RESPONSE: usize = 1024;

/// A client host and a server host under one virtual clock.
pub struct Pair {
    client: Host,
    server: Host,
    interface: InterfaceId,
    listener: ListenerId,
    remote: SocketAddr,
    now: Instant,
    out: Transmit,
    frames: Vec<Frame>,
}

fn host(address: &str, secret: u8) -> (Host, InterfaceId) {
    let config = HostConfig { ephemeral_ports: 1024..=65535, ..HostConfig::default() };
    let mut host = Host::new(config, Secret::from_bytes([secret; 32]));
    let address: IpAddr = address.parse().expect("an address");
    let interface =
        host.add_interface(InterfaceConfig { addresses: vec![(address, 8)], ..InterfaceConfig::default() });
    (host, interface)
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

impl Pair {
    /// Two hosts, the second listening on port 80.
    pub fn new() -> Self {
        let (client, interface) = host("10.0.0.1", 1);
        let (mut server, _) = host("10.0.0.2", 2);
        let listener = server.listen("0.0.0.0:80".parse().expect("an address"), ListenConfig::default());
        Self {
            client,
            server,
            interface,
            listener: listener.expect("a free port"),
            remote: "10.0.0.2:80".parse().expect("an address"),
            now: Instant::from_millis(1000),
            out: Transmit::default(),
            frames: Vec::new(),
        }
    }

    /// Carries frames both ways until there are none.
    fn exchange(&mut self) {
        loop {
            let there = carry(
                &mut self.client,
                &mut self.server,
                self.interface,
                self.now,
                &mut self.out,
                &mut self.frames,
            );
            let back = carry(
                &mut self.server,
                &mut self.client,
                self.interface,
                self.now,
                &mut self.out,
                &mut self.frames,
            );
            if there + back == 0 {
                return;
            }
        }
    }

    fn connected(&mut self) -> (ConnectionId, ConnectionId) {
        let client =
            self.client.connect(self.now, self.remote, ConnectConfig::default()).expect("a free port");
        self.exchange();
        let server = self.server.accept(self.listener).expect("a connection");
        (client, server)
    }

    /// One whole life: connect, request, response, the server closes first, then the client; the server keeps the
    /// TIME-WAIT. Virtual time moves on by 20 us.
    pub fn lifecycle(&mut self) {
        self.now += Duration::from_micros(20);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        let (client, server) = self.connected();
        let mut buffer = [0; 2048];
        self.client.stream(client).expect("held").write(self.now, &[7; REQUEST]).expect("room");
        self.exchange();
        let mut stream = self.server.stream(server).expect("held");
        assert_eq!(stream.read(self.now, &mut buffer), Ok(REQUEST));
        assert_eq!(stream.write(self.now, &[9; RESPONSE]), Ok(RESPONSE));
        self.server.stream(server).expect("held").close(self.now);
        self.exchange();
        let mut stream = self.client.stream(client).expect("held");
        assert_eq!(stream.read(self.now, &mut buffer), Ok(RESPONSE));
        assert_eq!(stream.read(self.now, &mut buffer), Ok(0));
        self.client.stream(client).expect("held").close(self.now);
        self.exchange();
        for host in [&mut self.client, &mut self.server] {
            while host.poll_event().is_some() {}
        }
    }

    /// Nothing happens for a while but timers.
    pub fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.exchange();
    }

    /// TIME-WAITs that the server holds.
    pub fn time_waits(&self) -> usize {
        self.server.snapshot(self.now).time_wait.len()
    }
}

/// Carries every frame that `from` has to `to`; says how many.
fn carry(
    from: &mut Host,
    to: &mut Host,
    interface: InterfaceId,
    now: Instant,
    out: &mut Transmit,
    frames: &mut Vec<Frame>,
) -> usize {
    while from.poll_transmit(now, out) {
        let bytes: Bytes = out.to_bytes();
        frames.push(Frame::from(bytes));
    }
    let count = frames.len();
    to.handle_frames(now, interface, &mut frames.drain(..));
    count
}
