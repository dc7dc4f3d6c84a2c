//! One host whose peer is played by the test, segment by segment, in relative sequence numbers: 0 is the first octet of
//! text in either direction, so a SYN stands at -1.

use super::*;
use crate::wire::tcp::Options;
use crate::{Checksum, TcpConfig};

/// A segment the peer sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Sends {
    pub(super) flags: Flags,
    pub(super) seq: i64,
    pub(super) ack: i64,
    pub(super) wnd: u16,
    pub(super) text: Vec<u8>,
    pub(super) options: Options,
    pub(super) urgent: u16,
}

/// A segment with a wide window and no text.
pub(super) fn seg(flags: Flags, seq: i64, ack: i64) -> Sends {
    Sends { flags, seq, ack, wnd: 60_000, ..Sends::default() }
}

/// An ACK with text.
pub(super) fn text(seq: i64, ack: i64, text: &[u8]) -> Sends {
    Sends { text: text.to_vec(), ..seg(Flags::ACK, seq, ack) }
}

/// A bare ACK.
pub(super) fn ack(seq: i64, ack: i64) -> Sends {
    seg(Flags::ACK, seq, ack)
}

pub(super) const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
pub(super) const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);
pub(super) const RST_ACK: Flags = Flags::RST.with(Flags::ACK);

impl Sends {
    pub(super) fn wnd(self, wnd: u16) -> Self {
        Self { wnd, ..self }
    }

    pub(super) fn mss(mut self, mss: u16) -> Self {
        self.options.mss = Some(mss);
        self
    }

    pub(super) fn ts(mut self, val: u32, ecr: u32) -> Self {
        self.options.timestamp = Some(crate::wire::tcp::Timestamp { val, ecr });
        self
    }

    pub(super) fn fin(self) -> Self {
        Self { flags: self.flags.with(Flags::FIN), ..self }
    }
}

/// A segment the host sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) flags: Flags,
    pub(super) seq: i64,
    pub(super) ack: i64,
    pub(super) header: Header,
    pub(super) text: Vec<u8>,
    pub(super) segment_size: Option<u16>,
}

impl Sent {
    pub(super) fn has(&self, flags: Flags) -> bool {
        self.flags.has(flags)
    }

    /// Flags, sequence number, acknowledgment and length of the text, for comparison.
    pub(super) fn brief(&self) -> (Flags, i64, i64, usize) {
        (Flags(self.flags.0 & !Flags::PSH.0), self.seq, self.ack, self.text.len())
    }
}

/// One host and its played peer.
pub(super) struct Solo {
    pub(super) host: Host,
    pub(super) now: Instant,
    /// As the host sees it.
    pub(super) tuple: FourTuple,
    pub(super) id: ConnectionId,
    pub(super) listener: ListenerId,
    /// The host's initial sequence number.
    pub(super) iss: SeqNum,
    /// The peer's.
    pub(super) irs: SeqNum,
    pub(super) events: Vec<Event>,
}

/// Settings under which segments look simplest: no options but MSS, and no events but those that tests are mostly about.
pub(super) fn plain() -> TcpConfig {
    TcpConfig {
        timestamps: false,
        sack: false,
        window_scaling: false,
        report_trouble: false,
        ..TcpConfig::default()
    }
}

/// Port 80 of every address of the family.
pub(super) fn any(ipv6: bool) -> SocketAddr {
    if ipv6 { "[::]:80" } else { "0.0.0.0:80" }.parse().unwrap()
}

fn distance(to: SeqNum, from: SeqNum) -> i64 {
    i64::from(i32::from_ne_bytes(to.since(from).to_ne_bytes()))
}

fn at(base: SeqNum, offset: i64) -> SeqNum {
    base + u32::from_ne_bytes(i32::try_from(offset).unwrap().to_ne_bytes())
}

impl Solo {
    /// A host that listens on port 80, and nothing else.
    pub(super) fn listening(tcp: TcpConfig) -> Self {
        Self::listening_as(HostConfig { tcp, ..HostConfig::default() }, InterfaceConfig::default())
    }

    pub(super) fn listening_as(config: HostConfig, interface: InterfaceConfig) -> Self {
        let mut host = Host::new(config, Secret::from_bytes([7; 32]));
        host.add_interface(InterfaceConfig {
            addresses: vec![(address(0, false), 24), (address(0, true), 64)],
            ..interface
        });
        let listener = host.listen(any(false), ListenConfig::default()).unwrap();
        let tuple = FourTuple {
            local: SocketAddr::new(address(0, false), 80),
            remote: SocketAddr::new(address(1, false), 40_000),
        };
        Self {
            host,
            now: Instant::from_millis(1_000),
            tuple,
            id: ConnectionId { index: u32::MAX, generation: 0 },
            listener,
            iss: SeqNum(0),
            irs: SeqNum(7_000),
            events: Vec::new(),
        }
    }

    /// The same host and peer over IPv6, if `ipv6` says so: with a listener and a tuple of that family.
    pub(super) fn over(mut self, ipv6: bool) -> Self {
        if ipv6 {
            self.listener = self.host.listen(any(true), ListenConfig::default()).unwrap();
            self.tuple.local.set_ip(address(0, true));
            self.tuple.remote.set_ip(address(1, true));
        }
        self
    }

    /// A host to which the peer has connected with this SYN.
    pub(super) fn accepted_with(mut self, syn: Sends) -> Self {
        let sent = self.arrives(syn.clone());
        self.iss = sent[0].header.seq;
        let mut last = ack(0, 0).wnd(syn.wnd);
        last.options.timestamp = syn.options.timestamp;
        self.arrives(last);
        self.id = self.host.accept(self.listener).unwrap();
        self.events.clear();
        self
    }

    /// A host to which the peer has connected; MSS 1000, window 60,000.
    pub(super) fn new(tcp: TcpConfig) -> Self {
        Self::new_over(tcp, false)
    }

    /// The same over either family.
    pub(super) fn new_over(tcp: TcpConfig, ipv6: bool) -> Self {
        Self::listening(tcp).over(ipv6).accepted_with(seg(Flags::SYN, -1, 0).mss(1000))
    }

    /// A host that has sent a SYN. Returns the SYN too.
    pub(super) fn connecting(tcp: TcpConfig) -> (Self, Sent) {
        let mut solo = Self::listening(tcp);
        let remote = SocketAddr::new(address(1, false), 80);
        solo.id = solo.host.connect(solo.now, remote, ConnectConfig::default()).unwrap();
        solo.tuple = solo.host.tuple(solo.id).unwrap();
        let syn = solo.sent().remove(0);
        solo.iss = syn.header.seq;
        (solo, Sent { seq: -1, ..syn })
    }

    pub(super) fn packet(&self, sends: &Sends) -> Bytes {
        let header = Header {
            seq: at(self.irs + 1, sends.seq),
            ack: if sends.flags.has(Flags::ACK) { at(self.iss + 1, sends.ack) } else { SeqNum(0) },
            flags: sends.flags,
            wnd: sends.wnd,
            urgent: sends.urgent,
            options: sends.options.clone(),
            ..Header::default()
        };
        forge(&self.tuple.reversed(), &header, &sends.text)
    }

    /// The peer's segment arrives; what the host sends at once.
    pub(super) fn arrives(&mut self, sends: Sends) -> Vec<Sent> {
        self.arrive_together(&[sends])
    }

    /// Several segments arrive in one batch.
    pub(super) fn arrive_together(&mut self, all: &[Sends]) -> Vec<Sent> {
        let frames: Vec<Frame> = all.iter().map(|sends| Frame::from(self.packet(sends))).collect();
        self.host.handle_frames(self.now, InterfaceId(0), &mut frames.into_iter());
        self.sent()
    }

    /// Everything the host has to send now.
    pub(super) fn sent(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut out = Transmit::default();
        while self.host.poll_transmit(self.now, &mut out) {
            assert!(all.len() < 10_000, "endless transmission");
            let bytes = out.to_bytes();
            let packet = ip::parse(&bytes).unwrap();
            let segment = &bytes[packet.payload.clone()];
            let header = tcp::parse(segment).unwrap();
            if out.checksum == Checksum::Unknown {
                let (from, to) = (packet.source, packet.destination);
                let length = u32::try_from(segment.len()).unwrap();
                let mut sum = crate::wire::checksum::Sum::pseudo_header(from, to, PROTOCOL_TCP, length);
                sum.add(segment);
                assert_eq!(sum.finish(), 0, "checksum");
            }
            all.push(Sent {
                at: self.now,
                flags: header.flags,
                seq: distance(header.seq, self.iss + 1),
                ack: distance(header.ack, self.irs + 1),
                text: segment[header.len..].to_vec(),
                segment_size: out.segment_size.map(core::num::NonZeroU16::get),
                header,
            });
        }
        let mut turns = Turns::default();
        while let Some(event) = self.host.poll_event() {
            turns.count();
            self.events.push(event);
        }
        all
    }

    /// Time passes; what the host sends meanwhile.
    pub(super) fn wait(&mut self, duration: Duration) -> Vec<Sent> {
        let until = self.now + duration;
        let mut all = self.sent();
        let mut still = Turns::default();
        for _ in 0..100_000 {
            let Some(next) = self.host.poll_timeout().filter(|next| *next <= until) else {
                self.now = until;
                return all;
            };
            if next > self.now {
                still = Turns::default();
            }
            still.count();
            self.now = self.now.max(next);
            self.host.handle_timeout(self.now);
            all.extend(self.sent());
        }
        panic!("a loop without end at {:?}", self.now);
    }

    pub(super) fn wait_ms(&mut self, ms: u64) -> Vec<Sent> {
        self.wait(Duration::from_millis(ms))
    }

    /// Time passes, second by second, until the host sends something.
    pub(super) fn wait_for_more(&mut self) -> Vec<Sent> {
        let mut turns = Turns::default();
        loop {
            turns.count();
            let sent = self.wait_ms(1_000);
            if !sent.is_empty() {
                return sent;
            }
        }
    }

    pub(super) fn state(&self) -> State {
        self.host.state_of(&self.tuple)
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> Vec<Sent> {
        assert_eq!(self.host.stream(self.id).unwrap().write(self.now, octets), Ok(octets.len()));
        self.sent()
    }

    pub(super) fn read(&mut self) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        let now = self.now;
        let mut stream = self.host.stream(self.id).unwrap();
        let mut turns = Turns::default();
        loop {
            turns.count();
            match stream.read_chunk(now, usize::MAX) {
                Ok(Some(chunk)) => all.extend_from_slice(&chunk),
                Ok(None) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    }

    /// The application closes its half only.
    pub(super) fn shutdown(&mut self) -> Vec<Sent> {
        self.host.stream(self.id).unwrap().shutdown(self.now).unwrap();
        self.sent()
    }

    /// The application lets go in order.
    pub(super) fn close(&mut self) -> Vec<Sent> {
        self.host.stream(self.id).unwrap().close(self.now);
        self.sent()
    }

    /// The application lets go at once.
    pub(super) fn abort(&mut self) -> Vec<Sent> {
        self.host.stream(self.id).unwrap().abort(self.now);
        self.sent()
    }

    /// Brings a fresh connection into `state`, by segments without loss. The host's FIN, where it has left, is at the
    /// returned number of the first pair, the peer's at the second: the next numbers to use.
    pub(super) fn brought_to(mut self, state: State) -> (Self, i64, i64) {
        let (ours, theirs) = match state {
            State::Established => (0, 0),
            State::FinWait1 => {
                self.shutdown();
                (1, 0)
            }
            State::FinWait2 => {
                self.shutdown();
                self.arrives(ack(0, 1));
                (1, 0)
            }
            State::CloseWait => {
                self.arrives(seg(FIN_ACK, 0, 0));
                (0, 1)
            }
            State::Closing => {
                self.shutdown();
                self.arrives(seg(FIN_ACK, 0, 0));
                (1, 1)
            }
            State::LastAck => {
                self.arrives(seg(FIN_ACK, 0, 0));
                self.shutdown();
                (1, 1)
            }
            State::TimeWait => {
                self.shutdown();
                self.arrives(seg(FIN_ACK, 0, 1));
                (1, 1)
            }
            _ => panic!("not a synchronized state"),
        };
        self.wait_ms(50);
        assert_eq!(self.state(), state);
        self.events.clear();
        (self, ours, theirs)
    }
}
