//! The table of RFC 9293 §3.10.7: what each state does about each kind of segment. A real host, segments made by hand,
//! and what leaves the host in answer. Every scene is played over IPv4 and IPv6, with timestamps and without.
//!
//! - `main`: a scene, what is said to the host, and what can be asked of its reaction
//! - one module for each state of the table, its tests in the order of the steps
//!
//! What a row says of several states at once (a challenge, an exact RST) is in `synchronized`.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

#[path = "../support/mod.rs"]
mod support;

mod close_wait;
mod closed;
mod closing;
mod established;
mod fin_wait;
mod last_ack;
mod listen;
mod syn_received;
mod syn_sent;
mod synchronized;
mod time_wait;

use bytes::Bytes;
use linger_proto::wire::tcp::{Flags, Header};
use linger_proto::wire::{ip, tcp};
use linger_proto::{
    CloseReason, DropReason, Event, HostConfig, ListenConfig, ReadError, SeqNum, State, TcpConfig,
};
use std::time::Duration;
use support::{Family, Peer, Rig, increments};

pub(crate) const SYN: Flags = Flags::SYN;
pub(crate) const ACK: Flags = Flags::ACK;
pub(crate) const RST: Flags = Flags::RST;
pub(crate) const FIN: Flags = Flags::FIN;
pub(crate) const URG: Flags = Flags::URG;
pub(crate) const SYN_ACK: Flags = Flags(0x12);
pub(crate) const RST_ACK: Flags = Flags(0x14);
pub(crate) const FIN_ACK: Flags = Flags(0x11);

/// Octets of the receive buffer, and so the window: no text of these tests fills it by accident.
pub(crate) const WINDOW: i32 = 8192;

/// One segment of the peer, its numbers counted from where they should be.
#[derive(Clone, Copy)]
pub(crate) struct Say {
    flags: Flags,
    seq: i32,
    ack: i32,
    text: &'static [u8],
    urgent: u16,
    wnd: u16,
    clock: i32,
    echo: i32,
}

/// A segment with these control bits and the numbers as they should be.
pub(crate) const fn say(flags: Flags) -> Say {
    Say { flags, seq: 0, ack: 0, text: b"", urgent: 0, wnd: 0xffff, clock: 0, echo: 0 }
}

impl Say {
    /// Its sequence number, counted from RCV.NXT of the host.
    pub(crate) const fn at(self, seq: i32) -> Self {
        Self { seq, ..self }
    }

    /// What it acknowledges, counted from SND.NXT of the host.
    pub(crate) const fn acking(self, ack: i32) -> Self {
        Self { ack, ..self }
    }

    pub(crate) const fn text(self, text: &'static [u8]) -> Self {
        Self { text, ..self }
    }

    pub(crate) const fn urgent(self, urgent: u16) -> Self {
        Self { urgent, ..self }
    }

    pub(crate) const fn window(self, wnd: u16) -> Self {
        Self { wnd, ..self }
    }

    /// Its TSval, counted from the peer's clock.
    pub(crate) const fn clock(self, clock: i32) -> Self {
        Self { clock, ..self }
    }

    /// Its TSecr, counted from the last TSval of the host.
    pub(crate) const fn echoing(self, echo: i32) -> Self {
        Self { echo, ..self }
    }
}

/// A host in some state, and the peer that the test plays. `peer.seq` is RCV.NXT of the host, where it has one, and
/// `peer.ack` its SND.NXT.
pub(crate) struct Scene {
    pub(crate) rig: Rig,
    pub(crate) peer: Peer,
}

/// One segment of the host.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) header: Header,
    pub(crate) text: Vec<u8>,
}

/// What the host did about a segment.
pub(crate) struct Reaction {
    pub(crate) said: Vec<Said>,
    pub(crate) dropped: Vec<(DropReason, u64)>,
    pub(crate) events: Vec<Event>,
    pub(crate) state: State,
    /// SND.NXT and RCV.NXT of the host when it was spoken to.
    snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
    /// The segment it was.
    heard: Header,
}

/// Plays `scene` in `state`, over both families, with timestamps and without.
pub(crate) fn in_state(state: State, scene: impl Fn(&mut Scene)) {
    with(&TcpConfig::default(), state, scene);
}

/// The same with these settings; the buffers are the test's.
pub(crate) fn with(tcp: &TcpConfig, state: State, scene: impl Fn(&mut Scene)) {
    for family in Family::BOTH {
        for timestamps in [false, true] {
            let tcp = TcpConfig { recv_buffer: WINDOW.cast_unsigned(), window_scaling: false, ..tcp.clone() };
            let mut rig = Rig::with(HostConfig { tcp, ..HostConfig::default() }, ListenConfig::default());
            let mut peer = if state == State::Closed {
                Peer { host_port: 81, ..Peer::new(family, 4000, timestamps) }
            } else {
                Peer::in_state(&mut rig, state, family, 4000, timestamps)
            };
            if matches!(state, State::FinWait1 | State::Closing | State::LastAck) {
                // The FIN has left.
                peer.ack += 1;
            }
            rig.events.clear();
            scene(&mut Scene { rig, peer });
        }
    }
}

fn is_gone(state: State) -> bool {
    matches!(state, State::Closed | State::Listen)
}

fn moved(number: SeqNum, by: i32) -> SeqNum {
    number + by.cast_unsigned()
}

impl Scene {
    /// The host in SYN-RECEIVED after both sides have opened at once.
    pub(crate) fn simultaneous(scene: impl Fn(&mut Self)) {
        in_state(State::SynSent, |start| {
            let left = start.rig.hand(start.peer.syn());
            start.peer.learn(&left);
            start.peer.seq += 1;
            assert_eq!(start.state(), State::SynReceived);
            scene(start);
        });
    }

    pub(crate) fn state(&self) -> State {
        self.rig.host.state_of(&self.peer.tuple())
    }

    /// No connection any more, and no TIME-WAIT: the tuple is nobody's, or a listener's like any other.
    pub(crate) fn is_gone(&self) -> bool {
        is_gone(self.state())
    }

    /// The peer says something.
    pub(crate) fn hear(&mut self, say: Say) -> Reaction {
        let exact = self.peer.header(say.flags);
        let mut header = Header {
            seq: moved(exact.seq, say.seq),
            ack: if say.flags.has(ACK) { moved(exact.ack, say.ack) } else { exact.ack },
            urgent: say.urgent,
            wnd: say.wnd,
            ..exact
        };
        if let Some(timestamp) = &mut header.options.timestamp {
            timestamp.val = timestamp.val.wrapping_add_signed(say.clock);
            timestamp.ecr = timestamp.ecr.wrapping_add_signed(say.echo);
        }
        self.hear_header(&header, say.text)
    }

    /// The peer says exactly this.
    pub(crate) fn hear_header(&mut self, header: &Header, text: &[u8]) -> Reaction {
        let before = self.rig.drops();
        self.rig.events.clear();
        let left = self.rig.hand(self.peer.packet(header, text));
        let family = self.peer.family;
        Reaction {
            said: left.iter().map(|frame| read(family, frame)).collect(),
            dropped: increments(&before, &self.rig.drops()),
            events: self.rig.events.clone(),
            state: self.state(),
            snd_nxt: self.peer.ack,
            rcv_nxt: self.peer.seq,
            heard: header.clone(),
        }
    }

    /// Lets time pass; what leaves meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Said> {
        let family = self.peer.family;
        self.rig.run_for(time).iter().map(|frame| read(family, frame)).collect()
    }

    /// What waits to leave after a call of the application.
    pub(crate) fn drain(&mut self) -> Vec<Said> {
        let family = self.peer.family;
        self.rig.drain().iter().map(|frame| read(family, frame)).collect()
    }

    /// The application has taken over what waits to be accepted.
    pub(crate) fn accept(&mut self) {
        let rig = &mut self.rig;
        self.peer.id = rig.listeners.into_iter().find_map(|listener| rig.host.accept(listener));
        assert!(self.peer.id.is_some(), "nothing to accept");
    }

    /// The application writes; the peer has seen it, so `peer.ack` moves.
    pub(crate) fn write(&mut self, text: &[u8]) {
        let now = self.rig.now;
        let mut stream = self.rig.host.stream(self.peer.id.unwrap()).unwrap();
        stream.set_nodelay(now, true);
        assert_eq!(stream.write(now, text), Ok(text.len()));
        let left = self.rig.drain();
        assert_eq!(left.len(), 1, "the text leaves at once");
        self.peer.learn(&left);
    }

    /// What the application reads: text, and whether the end of text is behind it.
    pub(crate) fn read(&mut self) -> (Vec<u8>, Result<usize, ReadError>) {
        let (mut text, mut block) = (Vec::new(), [0; 4096]);
        loop {
            let now = self.rig.now;
            let mut stream = self.rig.host.stream(self.peer.id.unwrap()).unwrap();
            match stream.read(now, &mut block) {
                Ok(octets @ 1..) => text.extend_from_slice(&block[..octets]),
                end => return (text, end),
            }
        }
    }

    /// How far urgent text reaches ahead of the application.
    pub(crate) fn urgent(&self) -> u32 {
        self.rig.host.info(self.peer.id.unwrap()).map_or(0, |info| info.urgent)
    }
}

/// Takes a frame of the host apart; it must come from the address that was spoken to.
fn read(family: Family, frame: &Bytes) -> Said {
    let packet = ip::parse(frame).unwrap();
    assert_eq!((packet.source, packet.destination), (family.us(), family.peer()));
    assert_eq!(packet.protocol, ip::PROTOCOL_TCP);
    let segment = &frame[packet.payload];
    let header = tcp::parse(segment).unwrap();
    let text = segment[header.len..].to_vec();
    Said { header, text }
}

impl Reaction {
    /// Nothing leaves, and the segment was thrown away for `reason`.
    #[track_caller]
    pub(crate) fn is_dropped(&self, reason: DropReason) -> &Self {
        assert!(self.said.is_empty(), "{:?}", self.said);
        assert_eq!(self.dropped, [(reason, 1)]);
        self
    }

    /// Nothing leaves, and the segment was of use.
    #[track_caller]
    pub(crate) fn is_taken(&self) -> &Self {
        assert!(self.said.is_empty(), "{:?}", self.said);
        assert_eq!(self.dropped, []);
        self
    }

    /// One bare ACK leaves: SEQ=SND.NXT, ACK=RCV.NXT, both as they were, and the segment was thrown away.
    #[track_caller]
    pub(crate) fn is_acked_and_dropped(&self, reason: DropReason) -> &Self {
        assert_eq!(self.dropped, [(reason, 1)]);
        self.acks(0)
    }

    /// One bare ACK leaves: SEQ=SND.NXT as it was, ACK=RCV.NXT moved by `taken`.
    #[track_caller]
    pub(crate) fn acks(&self, taken: u32) -> &Self {
        let said = self.one();
        assert_eq!((said.header.flags, said.text.len()), (ACK, 0));
        assert_eq!((said.header.seq, said.header.ack), (self.snd_nxt, self.rcv_nxt + taken));
        self
    }

    /// One RST without ACK leaves, at what the segment acknowledged.
    #[track_caller]
    pub(crate) fn is_reset_at_its_ack(&self) -> &Self {
        let said = self.one();
        assert_eq!((said.header.flags, said.text.len()), (RST, 0));
        assert_eq!(said.header.seq, self.heard.ack);
        self
    }

    /// One RST with ACK leaves: SEQ=0, and an ACK of `length` numbers.
    #[track_caller]
    pub(crate) fn is_reset_acking(&self, length: u32) -> &Self {
        let said = self.one();
        assert_eq!((said.header.flags, said.text.len()), (RST_ACK, 0));
        assert_eq!((said.header.seq, said.header.ack), (SeqNum(0), self.heard.seq + length));
        self
    }

    /// The one segment that left, back to where the other came from.
    #[track_caller]
    pub(crate) fn one(&self) -> &Said {
        assert_eq!(self.said.len(), 1, "{:?}", self.said);
        let said = &self.said[0];
        let ports = (said.header.source, said.header.destination);
        assert_eq!(ports, (self.heard.destination, self.heard.source));
        said
    }

    /// The state afterwards; CLOSED is also that of a tuple which only a listener is left for.
    #[track_caller]
    pub(crate) fn leads_to(&self, state: State) -> &Self {
        assert!(self.state == state || state == State::Closed && is_gone(self.state), "{}", self.state);
        self
    }

    /// The application hears that the connection ended, and how; `None`: it hears nothing of an end.
    #[track_caller]
    pub(crate) fn ends(&self, how: Option<CloseReason>) -> &Self {
        let ends = self.events.iter().find_map(|event| match event {
            Event::Closed(_, reason) => Some(*reason),
            _ => None,
        });
        assert_eq!(ends, how);
        self
    }

    /// The application is told that there is something to read.
    #[track_caller]
    pub(crate) fn wakes_the_reader(&self) -> &Self {
        assert!(self.events.iter().any(|event| matches!(event, Event::Readable(_))), "{:?}", self.events);
        self
    }
}
