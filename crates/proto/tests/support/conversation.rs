//! One established connection with a peer that may lie about everything but its text: an octet has the same value
//! whenever it is sent. Whatever else the peer says, what the host must keep to is checked after every move:
//!
//! - the application reads the peer's text, from its first octet on, in order and unchanged
//! - the host's text is what its application wrote, first time and again
//! - the host's acknowledgments never go back, and the right edge of its window never does
//! - it acknowledges nothing that was not sent, and sends nothing beyond the largest window it was offered

use super::packet::Family;
use super::peer::Peer;
use super::rig::Rig;
use bytes::Bytes;
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::wire::{ip, tcp};
use linger_proto::{ConnectionId, HostConfig, ListenConfig, SeqNum, TcpConfig};
use std::time::Duration;

/// Octets of the receive and of the send buffer.
const BUFFER: u32 = 16 << 10;

/// Sequence numbers as close as this can be compared with all that is sent here.
const NEAR: u32 = 1 << 24;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// A segment of the peer.
    Segment {
        flags: u8,
        /// Where its text begins, counted from RCV.NXT of the host.
        seq: i32,
        /// What it acknowledges, counted from what the host has sent.
        ack: i32,
        wnd: u16,
        /// TSval, counted from the peer's clock.
        clock: i8,
        text: u16,
    },
    /// The application writes.
    Write(u16),
    /// The application reads at most so much.
    Read(u16),
    /// The application closes its half.
    Shutdown,
    /// Milliseconds pass.
    Wait(u16),
}

/// The connection and what is known of it.
pub(crate) struct Conversation {
    rig: Rig,
    peer: Peer,
    id: ConnectionId,
    /// Number of the first octet of text, ours and the peer's.
    our_first: SeqNum,
    their_first: SeqNum,
    written: u32,
    read: u32,
    /// The host has read its peer's end of text.
    ended: bool,
    /// Newest acknowledgment and right edge of the window that the host has sent.
    acked: SeqNum,
    edge: SeqNum,
    /// After the last octet that the peer has sent, wherever it began.
    sent_end: SeqNum,
    /// Our octets that any window offered so far has room for.
    offered_end: SeqNum,
    clock: u32,
}

/// The peer's octet at `position`, and ours.
fn theirs(position: u32) -> u8 {
    position.wrapping_mul(0x9e37_79b1).to_be_bytes()[0]
}

fn ours(position: u32) -> u8 {
    position.wrapping_mul(0x85eb_ca6b).to_be_bytes()[0]
}

impl Conversation {
    pub(crate) fn new(family: Family, timestamps: bool, scaled: bool, nodelay: bool) -> Self {
        let tcp = TcpConfig {
            recv_buffer: BUFFER,
            send_buffer: BUFFER,
            window_scaling: scaled,
            nodelay,
            ..TcpConfig::default()
        };
        let mut rig = Rig::with(HostConfig { tcp, ..HostConfig::default() }, ListenConfig::default());
        let peer = Peer::open(&mut rig, family, 4000, timestamps);
        let clock = peer.timestamp.map_or(0, |ts| ts.val);
        let wnd = rig.host.info(peer.id.unwrap()).unwrap();
        Self {
            id: peer.id.unwrap(),
            our_first: peer.ack,
            their_first: peer.seq,
            written: 0,
            read: 0,
            ended: false,
            acked: peer.seq,
            edge: peer.seq + wnd.rcv_wnd,
            sent_end: peer.seq,
            offered_end: peer.ack + wnd.snd_wnd,
            clock,
            peer,
            rig,
        }
    }

    pub(crate) fn take(&mut self, action: Move) {
        let now = self.rig.now;
        match action {
            Move::Segment { flags, seq, ack, wnd, clock, text } => {
                self.segment(Flags(flags), seq, ack, wnd, clock, text);
            }
            Move::Write(length) => {
                let text: Vec<u8> = (0..u32::from(length)).map(|n| ours(self.written + n)).collect();
                if let Some(mut stream) = self.rig.host.stream(self.id) {
                    self.written += u32::try_from(stream.write(now, &text).unwrap_or(0)).unwrap();
                }
            }
            Move::Read(most) => self.read(usize::from(most)),
            Move::Shutdown => {
                if let Some(mut stream) = self.rig.host.stream(self.id) {
                    let _ended = stream.shutdown(now);
                }
            }
            Move::Wait(millis) => {
                let left = self.rig.run_for(Duration::from_millis(u64::from(millis)));
                self.check(&left);
            }
        }
        let left = self.rig.drain();
        self.rig.events.clear();
        self.check(&left);
    }

    fn segment(&mut self, flags: Flags, seq: i32, ack: i32, wnd: u16, clock: i8, text: u16) {
        let seq = self.acked + seq.cast_unsigned();
        let first = seq.since(self.their_first);
        let text: Vec<u8> = (0..u32::from(text)).map(|n| theirs(first.wrapping_add(n))).collect();
        let val = self.clock.wrapping_add_signed(i32::from(clock));
        let exact = self.peer.header(flags);
        let timestamp = exact.options.timestamp.map(|ts| Timestamp { val, ecr: ts.ecr });
        let header = Header {
            seq,
            ack: self.peer.ack + ack.cast_unsigned(),
            wnd,
            options: Options { timestamp, ..Options::default() },
            ..exact
        };
        let end = seq + u32::try_from(text.len()).unwrap() + u32::from(flags.has(Flags::FIN));
        // What lies half the circle away counts for nothing.
        if end.since(self.acked) < NEAR {
            self.sent_end = self.sent_end.max(end);
        }
        // The window field may be scaled by up to the seven bits of the peer's SYN.
        let offered = header.ack + (u32::from(wnd) << 7);
        if self.peer.ack.since(header.ack) < NEAR {
            self.offered_end = self.offered_end.max(offered);
        }
        let packet = self.peer.packet(&header, &text);
        let left = self.rig.hand(packet);
        self.check(&left);
    }

    fn read(&mut self, most: usize) {
        let now = self.rig.now;
        let Some(mut stream) = self.rig.host.stream(self.id) else { return };
        match stream.read_chunk(now, most.max(1)) {
            Ok(Some(chunk)) => {
                assert!(!self.ended, "text after the end of text");
                for octet in chunk {
                    assert_eq!(octet, theirs(self.read), "octet {} is not what the peer sent", self.read);
                    self.read += 1;
                }
            }
            Ok(None) => self.ended = true,
            Err(_) => {}
        }
    }

    /// What the host said keeps to the rules.
    fn check(&mut self, left: &[Bytes]) {
        // What is said on behalf of the next connection, or of TIME-WAIT, has its own tests.
        if self.is_over() {
            return;
        }
        for frame in left {
            let packet = ip::parse(frame).unwrap();
            let segment = &frame[packet.payload];
            let header = tcp::parse(segment).unwrap();
            let text = &segment[header.len..];
            if header.flags.has(Flags::RST) {
                assert!(text.is_empty());
                continue;
            }
            let position = header.seq.since(self.our_first);
            for (n, octet) in (0u32..).zip(text) {
                assert_eq!(*octet, ours(position + n), "our octet {}", position + n);
            }
            let end = header.seq + u32::try_from(text.len()).unwrap();
            // Behind our FIN there is one more number.
            let all = self.our_first + self.written + u32::from(text.is_empty());
            assert!(end.at_or_before(all), "more than was written");
            // One octet may leave as a probe of a closed window.
            assert!(text.is_empty() || end.at_or_before(self.offered_end + 1), "beyond any window");
            assert!(header.flags.has(Flags::ACK));
            assert!(header.ack.at_or_after(self.acked), "the acknowledgment went back");
            assert!(header.ack.at_or_before(self.sent_end), "an acknowledgment of nothing sent");
            self.acked = header.ack;
            // The buffer fits the window field: nothing is scaled, so nothing is hidden by rounding.
            let edge = header.ack + u32::from(header.wnd);
            assert!(edge.at_or_after(self.edge), "the window shrank by {}", self.edge.since(edge));
            self.edge = self.edge.max(edge);
            let fin = u32::from(header.flags.has(Flags::FIN));
            self.peer.ack = self.peer.ack.max(end + fin);
            if let (Some(own), Some(said)) = (&mut self.peer.timestamp, header.options.timestamp) {
                own.ecr = said.val;
            }
        }
    }

    /// No connection any more: TIME-WAIT or nothing.
    fn is_over(&self) -> bool {
        self.rig.host.ended(self.id).is_some() || self.rig.host.info(self.id).is_none()
    }

    /// The end: nothing is left behind.
    pub(crate) fn end(mut self) {
        for _ in 0..64 {
            self.read(4096);
        }
        self.rig.abort_all();
        self.rig.run_for(Duration::from_secs(1000));
        let snapshot = self.rig.host.snapshot(self.rig.now);
        assert!(snapshot.connections.is_empty() && snapshot.time_wait.is_empty());
        assert_eq!(self.rig.host.poll_timeout(), None);
    }
}
