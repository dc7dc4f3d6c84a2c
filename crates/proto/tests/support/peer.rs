//! The other end of a connection, played by the test: it knows the numbers and says whatever it likes.

use super::packet::{Family, tcp_packet};
use super::rig::{HTTP, Rig};
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::wire::{ip, tcp};
use linger_proto::{ConnectConfig, ConnectionId, FourTuple, SeqNum, State};
use std::net::SocketAddr;

/// The clock of the peer when it opens a connection.
const PEER_CLOCK: u32 = 1_000_000;

/// Every state that [`Peer::in_state`] can reach.
pub(crate) const STATES: [State; 10] = [
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
    State::Listen,
];

/// One connection as the peer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) family: Family,
    pub(crate) port: u16,
    pub(crate) host_port: u16,
    /// Where the peer's next octet goes.
    pub(crate) seq: SeqNum,
    /// What the peer has received of the host.
    pub(crate) ack: SeqNum,
    pub(crate) timestamp: Option<Timestamp>,
    /// The host's handle, where its application has one.
    pub(crate) id: Option<ConnectionId>,
}

impl Peer {
    /// A peer that has said nothing yet.
    pub(crate) fn new(family: Family, port: u16, timestamps: bool) -> Self {
        let timestamp = timestamps.then_some(Timestamp { val: PEER_CLOCK, ecr: 0 });
        let (seq, ack) = (SeqNum(0xffff_f000), SeqNum(0));
        Self { family, port, host_port: HTTP, seq, ack, timestamp, id: None }
    }

    /// A header with the numbers as they should be.
    pub(crate) fn header(&self, flags: Flags) -> Header {
        Header {
            source: self.port,
            destination: self.host_port,
            seq: self.seq,
            ack: if flags.has(Flags::ACK) { self.ack } else { SeqNum(0) },
            flags,
            wnd: 0xffff,
            options: Options { timestamp: self.timestamp, ..Options::default() },
            ..Header::default()
        }
    }

    pub(crate) fn packet(&self, header: &Header, text: &[u8]) -> Vec<u8> {
        tcp_packet(self.family, header, text)
    }

    /// A segment with the numbers as they should be.
    pub(crate) fn segment(&self, flags: Flags, text: &[u8]) -> Vec<u8> {
        self.packet(&self.header(flags), text)
    }

    /// A segment whose text begins `ahead` octets after what was said so far.
    pub(crate) fn text_at(&self, ahead: u32, text: &[u8]) -> Vec<u8> {
        let header = Header { seq: self.seq + ahead, ..self.header(Flags::ACK) };
        self.packet(&header, text)
    }

    pub(crate) fn syn(&self) -> Vec<u8> {
        let options = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamp: self.timestamp,
            ..Options::default()
        };
        self.packet(&Header { options, ..self.header(Flags::SYN) }, b"")
    }

    /// The connection as the host sees it.
    pub(crate) fn tuple(&self) -> FourTuple {
        FourTuple {
            local: SocketAddr::new(self.family.us(), self.host_port),
            remote: SocketAddr::new(self.family.peer(), self.port),
        }
    }

    /// Reads what the host said, as an honest peer would.
    pub(crate) fn learn(&mut self, left: &[bytes::Bytes]) {
        for frame in left {
            let packet = ip::parse(frame).unwrap();
            if packet.protocol != ip::PROTOCOL_TCP {
                continue;
            }
            let header = tcp::parse(&frame[packet.payload.clone()]).unwrap();
            if header.destination != self.port {
                continue;
            }
            let text = packet.payload.len() - header.len;
            let phantoms = u32::from(header.flags.has(Flags::SYN)) + u32::from(header.flags.has(Flags::FIN));
            self.ack = header.seq + u32::try_from(text).unwrap() + phantoms;
            if let (Some(ours), Some(theirs)) = (&mut self.timestamp, header.options.timestamp) {
                ours.ecr = theirs.val;
            }
        }
    }

    /// SYN, SYN-ACK: the host is in SYN-RECEIVED.
    pub(crate) fn knock(rig: &mut Rig, family: Family, port: u16, timestamps: bool) -> Self {
        let mut peer = Self::new(family, port, timestamps);
        let left = rig.hand(peer.syn());
        peer.learn(&left);
        peer.seq += 1;
        peer
    }

    /// A whole handshake; the host's application has accepted.
    pub(crate) fn open(rig: &mut Rig, family: Family, port: u16, timestamps: bool) -> Self {
        let mut peer = Self::knock(rig, family, port, timestamps);
        rig.hand(peer.segment(Flags::ACK, b""));
        peer.id = rig.listeners.into_iter().find_map(|listener| rig.host.accept(listener));
        assert_eq!(rig.host.state_of(&peer.tuple()), State::Established);
        peer
    }

    /// The host's application connects to the peer: SYN-SENT. The peer has read the SYN.
    pub(crate) fn called(rig: &mut Rig, family: Family, port: u16, timestamps: bool) -> Self {
        let mut peer = Self::new(family, port, timestamps);
        let remote = SocketAddr::new(family.peer(), port);
        let id = rig.host.connect(rig.now, remote, ConnectConfig::default()).unwrap();
        peer.host_port = rig.host.tuple(id).unwrap().local.port();
        peer.id = Some(id);
        let left = rig.drain();
        peer.learn(&left);
        peer
    }

    /// The peer says FIN.
    fn finish(&mut self, rig: &mut Rig) {
        let left = rig.hand(self.segment(Flags::FIN.with(Flags::ACK), b""));
        self.seq += 1;
        self.learn(&left);
    }

    /// The host's application closes its half.
    fn shut(&mut self, rig: &mut Rig) -> Vec<bytes::Bytes> {
        let id = self.id.expect("a connection with a handle");
        rig.host.stream(id).unwrap().shutdown(rig.now).unwrap();
        rig.drain()
    }

    /// A connection in `state`, numbers in order.
    pub(crate) fn in_state(rig: &mut Rig, state: State, family: Family, port: u16, timestamps: bool) -> Self {
        let peer = match state {
            State::Listen => Self::new(family, port, timestamps),
            State::SynSent => Self::called(rig, family, port, timestamps),
            State::SynReceived => Self::knock(rig, family, port, timestamps),
            _ => {
                let mut peer = Self::open(rig, family, port, timestamps);
                match state {
                    State::FinWait1 => drop(peer.shut(rig)),
                    State::FinWait2 | State::TimeWait => {
                        let left = peer.shut(rig);
                        peer.learn(&left);
                        rig.hand(peer.segment(Flags::ACK, b""));
                        if state == State::TimeWait {
                            peer.finish(rig);
                        }
                    }
                    State::CloseWait => peer.finish(rig),
                    State::LastAck => {
                        peer.finish(rig);
                        peer.shut(rig);
                    }
                    State::Closing => {
                        peer.shut(rig);
                        let fin = peer.segment(Flags::FIN.with(Flags::ACK), b"");
                        rig.hand(fin);
                        peer.seq += 1;
                    }
                    _ => {}
                }
                peer
            }
        };
        assert_eq!(rig.host.state_of(&peer.tuple()), state);
        peer
    }
}
