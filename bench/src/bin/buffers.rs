//! What text costs on its way through two hosts: work for instruction counters.
//!
//! One established connection; no checksums, so that what is left is buffers, copies and the state machine.
#![forbid(unsafe_code)]

use linger_proto::{
    ConnectConfig, ConnectionId, Frame, Host, HostConfig, Instant, InterfaceConfig, InterfaceId,
    ListenConfig, Secret, Transmit,
};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: buffers message OCTETS TIMES
       buffers bulk MTU MIB

message: one side writes so many octets, the other reads them and writes as many back; so many times.
bulk: so many MiB from one side to the other, 64 KiB a write; an MTU of 65535 means segments of 64 KiB cut by the device.";

/// Octets of one write and one read of a bulk transfer.
const BLOCK: usize = 64 << 10;

/// One of the two.
struct Side {
    host: Host,
    interface: InterfaceId,
}

struct Pair {
    sides: [Side; 2],
    ids: [ConnectionId; 2],
    now: Instant,
    out: Transmit,
    frames: Vec<Frame>,
    buffer: Vec<u8>,
}

fn side(address: &str, secret: u8, mtu: u16) -> Side {
    let mut host = Host::new(HostConfig::default(), Secret::from_bytes([secret; 32]));
    let address: IpAddr = address.parse().expect("an address");
    let interface = host.add_interface(InterfaceConfig {
        addresses: vec![(address, 8)],
        mtu: if mtu == u16::MAX { 1500 } else { mtu },
        checksum_offload: true,
        segmentation_offload: mtu == u16::MAX,
        ..InterfaceConfig::default()
    });
    Side { host, interface }
}

/// Carries every frame of one side to the other; how many.
fn carry(from: &mut Side, to: &mut Side, now: Instant, out: &mut Transmit, frames: &mut Vec<Frame>) -> usize {
    while from.host.poll_transmit(now, out) {
        frames.push(Frame { bytes: out.to_bytes(), checksum: out.checksum, segment_size: out.segment_size });
    }
    let count = frames.len();
    to.host.handle_frames(now, to.interface, &mut frames.drain(..));
    while to.host.poll_event().is_some() {}
    count
}

impl Pair {
    fn new(mtu: u16) -> Self {
        let mut sides = [side("10.0.0.1", 1, mtu), side("10.0.0.2", 2, mtu)];
        let [client, server] = &mut sides;
        let now = Instant::from_millis(1000);
        let any: SocketAddr = "0.0.0.0:80".parse().expect("an address");
        let listener = server.host.listen(any, ListenConfig::default()).expect("a free port");
        let to: SocketAddr = "10.0.0.2:80".parse().expect("an address");
        let id = client.host.connect(now, to, ConnectConfig::default()).expect("a free port");
        let (mut out, mut frames) = (Transmit::default(), Vec::new());
        while carry(client, server, now, &mut out, &mut frames)
            + carry(server, client, now, &mut out, &mut frames)
            > 0
        {}
        let accepted = server.host.accept(listener).expect("a connection");
        Self { sides, ids: [id, accepted], now, out, frames, buffer: vec![0; BLOCK] }
    }

    fn exchange(&mut self) {
        let Self { sides: [client, server], out, frames, now, .. } = self;
        while carry(client, server, *now, out, frames) + carry(server, client, *now, out, frames) > 0 {}
    }

    /// One side writes, the other reads all of it.
    fn message(&mut self, from: usize, text: &[u8]) {
        let to = 1 - from;
        let mut stream = self.sides[from].host.stream(self.ids[from]).expect("held");
        assert_eq!(stream.write(self.now, text), Ok(text.len()));
        self.exchange();
        let mut stream = self.sides[to].host.stream(self.ids[to]).expect("held");
        assert_eq!(stream.read(self.now, &mut self.buffer), Ok(text.len()));
    }

    fn messages(&mut self, octets: usize, times: usize) {
        let text = vec![7; octets];
        for _ in 0..times {
            self.now += Duration::from_micros(20);
            self.message(0, &text);
            self.message(1, &text);
        }
    }

    fn bulk(&mut self, total: usize) {
        let text = vec![7; BLOCK];
        let (mut written, mut read) = (0, 0);
        while read < total {
            self.now += Duration::from_micros(20);
            let mut stream = self.sides[0].host.stream(self.ids[0]).expect("held");
            let wanted = BLOCK.min(total - written);
            written += stream.write(self.now, &text[..wanted]).unwrap_or(0);
            let Self { sides: [client, server], out, frames, now, .. } = self;
            carry(client, server, *now, out, frames);
            let mut stream = server.host.stream(self.ids[1]).expect("held");
            while let Ok(count) = stream.read(*now, &mut self.buffer) {
                read += count;
            }
            carry(server, client, *now, out, frames);
            client.host.handle_timeout(*now);
            server.host.handle_timeout(*now);
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, first, second] = &arguments[..] else { return usage() };
    let (Ok(first), Ok(second)) = (first.parse::<usize>(), second.parse::<usize>()) else { return usage() };
    match mode.as_str() {
        "message" if (1..=BLOCK).contains(&first) => Pair::new(1500).messages(first, second),
        "bulk" => match u16::try_from(first) {
            Ok(mtu) if mtu >= 576 => Pair::new(mtu).bulk(second << 20),
            _ => return usage(),
        },
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
