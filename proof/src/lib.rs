//! The smallest whole program on linger-proto: two hosts on a wire without delay, one request, one response and an
//! orderly close, driven by nothing but calls.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use linger_proto::{
    CloseReason, ConnectConfig, ConnectionId, Event, Frame, Host, HostConfig, Instant, InterfaceConfig,
    InterfaceId, ListenConfig, ListenerId, ReadError, Secret, Transmit,
};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const PORT: u16 = 80;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: proof\r\nConnection: close\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproven";
/// Rounds after which the two hosts must have fallen silent.
const ROUNDS: usize = 10_000;

/// What can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Step {
    /// The server could not listen.
    Listen = 1,
    /// The client could not begin to connect.
    Connect = 2,
    /// A write was refused.
    Write = 3,
    /// A read failed.
    Read = 4,
    /// The request or the response did not arrive as sent.
    Text = 5,
    /// One of the two did not end in order.
    Close = 6,
    /// Something was left after TIME-WAIT.
    Left = 7,
    /// The hosts did not fall silent.
    Endless = 8,
}

/// A host, what is on its way to it, and what its application has seen.
struct End {
    host: Host,
    interface: InterfaceId,
    wire: VecDeque<Frame>,
    received: Vec<u8>,
    stream: Option<ConnectionId>,
    closed: Option<CloseReason>,
}

impl End {
    fn new(address: IpAddr, secret: u8) -> Self {
        let mut host = Host::new(HostConfig::default(), Secret::from_bytes([secret; 32]));
        let addresses = vec![(address, 24)];
        let interface = host.add_interface(InterfaceConfig { addresses, ..InterfaceConfig::default() });
        let (wire, received) = (VecDeque::new(), Vec::new());
        Self { host, interface, wire, received, stream: None, closed: None }
    }

    /// Takes what has arrived, and the timeout if its time has come.
    fn input(&mut self, now: Instant) {
        self.host.handle_frames(now, self.interface, &mut self.wire.drain(..));
        self.host.handle_timeout(now);
    }

    /// Reads all there is; true at the end of text.
    fn read(&mut self, now: Instant, id: ConnectionId) -> Result<bool, Step> {
        let mut stream = self.host.stream(id).ok_or(Step::Read)?;
        loop {
            match stream.read_chunk(now, usize::MAX) {
                Ok(Some(text)) => self.received.extend_from_slice(&text),
                Ok(None) => return Ok(true),
                Err(ReadError::Blocked) => return Ok(false),
                Err(_) => return Err(Step::Read),
            }
        }
    }

    /// Writes all of `text` and closes this side; the texts here fit into any send buffer.
    fn send(&mut self, now: Instant, id: ConnectionId, text: &'static [u8]) -> Result<(), Step> {
        let mut stream = self.host.stream(id).ok_or(Step::Write)?;
        let mut text = Bytes::from_static(text);
        stream.write_chunk(now, &mut text).map_err(|_| Step::Write)?;
        if !text.is_empty() {
            return Err(Step::Write);
        }
        stream.shutdown(now).map_err(|_| Step::Write)
    }
}

/// The server: accepts, answers when the whole request is there, lets go at its end.
fn serve(end: &mut End, now: Instant, event: Event) -> Result<(), Step> {
    match event {
        Event::Incoming(listener) => end.stream = end.host.accept(listener),
        Event::Readable(id) if end.read(now, id)? => end.send(now, id, RESPONSE)?,
        Event::Closed(_, reason) => end.closed = Some(reason),
        _ => {}
    }
    Ok(())
}

/// The client: asks when connected, closes its side, reads to the end.
fn fetch(end: &mut End, now: Instant, event: Event) -> Result<(), Step> {
    match event {
        Event::Connected(id) => end.send(now, id, REQUEST)?,
        Event::Readable(id) => {
            end.read(now, id)?;
        }
        Event::Closed(_, reason) => end.closed = Some(reason),
        _ => {}
    }
    Ok(())
}

/// Carries everything `from` wants to send over to `to`; true when there was something.
fn carry(from: &mut End, to: &mut End, now: Instant, out: &mut Transmit) -> bool {
    let before = to.wire.len();
    while from.host.poll_transmit(now, out) {
        to.wire.push_back(Frame { checksum: out.checksum, ..Frame::from(out.to_bytes()) });
    }
    to.wire.len() > before
}

/// Runs until both hosts are silent for good: TIME-WAIT included, which takes no time where time is a number.
fn run(client: &mut End, server: &mut End) -> Result<(), Step> {
    let mut now = Instant::ZERO;
    let mut out = Transmit::default();
    for _ in 0..ROUNDS {
        client.input(now);
        server.input(now);
        let mut busy = false;
        while let Some(event) = client.host.poll_event() {
            fetch(client, now, event)?;
            busy = true;
        }
        while let Some(event) = server.host.poll_event() {
            serve(server, now, event)?;
            busy = true;
        }
        busy |= carry(client, server, now, &mut out);
        busy |= carry(server, client, now, &mut out);
        if busy {
            continue;
        }
        match [client.host.poll_timeout(), server.host.poll_timeout()].into_iter().flatten().min() {
            Some(next) => now = next.max(now),
            None => return Ok(()),
        }
    }
    Err(Step::Endless)
}

/// Lets go of a stream that has ended.
fn let_go(end: &mut End) {
    if let Some(stream) = end.stream.and_then(|id| end.host.stream(id)) {
        stream.close(Instant::FAR_FUTURE);
    }
}

/// The whole scene.
pub fn play() -> Result<(), Step> {
    let (mut client, mut server) = (End::new(CLIENT, 1), End::new(SERVER, 2));
    let address = SocketAddr::new(SERVER, PORT);
    let listener: ListenerId =
        server.host.listen(address, ListenConfig::default()).map_err(|_| Step::Listen)?;
    let connection = client.host.connect(Instant::ZERO, address, ConnectConfig::default());
    client.stream = Some(connection.map_err(|_| Step::Connect)?);
    run(&mut client, &mut server)?;
    if server.received != REQUEST || client.received != RESPONSE {
        return Err(Step::Text);
    }
    if [client.closed, server.closed] != [Some(CloseReason::Graceful); 2] {
        return Err(Step::Close);
    }
    let_go(&mut client);
    let_go(&mut server);
    server.host.unlisten(Instant::FAR_FUTURE, listener);
    for end in [&client, &server] {
        let left = end.host.snapshot(Instant::FAR_FUTURE);
        if !left.connections.is_empty() || !left.time_wait.is_empty() {
            return Err(Step::Left);
        }
    }
    Ok(())
}
