//! Segments that are wrong for the synchronized states.

use super::support::{Family, Peer, Rig};
use super::{ACK, Case, RST_ACK, Row, when};
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::{DropReason, HostConfig, ListenConfig, State, TcpConfig};
use std::time::Duration;

const V4: Family = Family::V4;

/// States in which text and FIN of the peer may still come, and those in which they came.
const OPEN: [State; 3] = [State::Established, State::FinWait1, State::FinWait2];
const SHUT: [State; 3] = [State::CloseWait, State::Closing, State::LastAck];

/// Tests that every synchronized state makes before it looks at anything else.
fn common() -> Vec<Case> {
    use DropReason::{
        AckMissing, AckOfUnsent, AckTooOld, OutOfWindow, Paws, RstChallenged, RstOutOfWindow, SynChallenged,
        TimestampMissing,
    };
    let rows: [Row; 13] = [
        ("no timestamp", TimestampMissing, None, |peer| Header {
            options: Options::default(),
            ..peer.header(Flags::ACK)
        }),
        ("timestamp too old", Paws, ACK, |peer| {
            let mut header = peer.header(Flags::ACK);
            header.options.timestamp = peer.timestamp.map(|ts| Timestamp { val: ts.val - 1, ..ts });
            header
        }),
        ("timestamp half the circle away", Paws, ACK, |peer| {
            let mut header = peer.header(Flags::ACK);
            header.options.timestamp = peer.timestamp.map(|ts| Timestamp { val: ts.val ^ (1 << 31), ..ts });
            header
        }),
        ("RST before the window", RstOutOfWindow, None, |peer| Header {
            seq: peer.seq - 1,
            ..peer.header(Flags::RST)
        }),
        ("RST far away", RstOutOfWindow, None, |peer| Header {
            seq: peer.seq + (1 << 31),
            ..peer.header(Flags::RST)
        }),
        ("RST within the window", RstChallenged, ACK, |peer| Header {
            seq: peer.seq + 1,
            ..peer.header(Flags::RST)
        }),
        ("SYN within the window", SynChallenged, ACK, |peer| peer.header(Flags::SYN)),
        ("SYN-ACK within the window", SynChallenged, ACK, |peer| Header {
            seq: peer.seq + 9,
            ..peer.header(Flags::SYN.with(Flags::ACK))
        }),
        ("SYN outside the window", SynChallenged, ACK, |peer| Header {
            seq: peer.seq + (1 << 30),
            ..peer.header(Flags::SYN)
        }),
        ("ACK outside the window", OutOfWindow, ACK, |peer| Header {
            seq: peer.seq - 1,
            ..peer.header(Flags::ACK)
        }),
        ("no ACK", AckMissing, None, |peer| peer.header(Flags::PSH)),
        // Our FIN may be in flight: two past what the peer has read was never sent.
        ("ACK of unsent text", AckOfUnsent, ACK, |peer| Header {
            ack: peer.ack + 2,
            ..peer.header(Flags::ACK)
        }),
        ("ACK from before any window", AckTooOld, ACK, |peer| Header {
            ack: peer.ack - (0xffff << 7) - 100,
            ..peer.header(Flags::ACK)
        }),
    ];
    let mut cases = Vec::new();
    for state in OPEN.into_iter().chain(SHUT) {
        for (what, reason, answer, header) in rows {
            cases.push(when(format!("{state}: {what}"), reason, answer, move |rig| {
                let peer = Peer::in_state(rig, state, V4, 4000, true);
                peer.packet(&header(&peer), b"")
            }));
        }
        let name = format!("{state}: the eleventh challenge in one instant");
        cases.push(when(name, DropReason::ChallengeLimited, None, move |rig| {
            let peer = Peer::in_state(rig, state, V4, 4000, true);
            let header = Header { seq: peer.seq + 1, ..peer.header(Flags::RST) };
            for n in 0..10 {
                assert_eq!(rig.hand(peer.packet(&header, b"")).len(), 1, "{n}");
            }
            peer.packet(&header, b"")
        }));
    }
    cases
}

fn text() -> Vec<Case> {
    use DropReason::{Duplicate, OutOfWindow};
    let mut cases = Vec::new();
    for state in OPEN {
        cases.push(when(format!("{state}: text behind the window"), OutOfWindow, ACK, move |rig| {
            let peer = Peer::in_state(rig, state, V4, 4000, true);
            peer.text_at(5 << 20, b"text")
        }));
        cases.push(when(format!("{state}: text received already"), Duplicate, ACK, move |rig| {
            let mut peer = Peer::in_state(rig, state, V4, 4000, true);
            let text = peer.segment(Flags::ACK, b"text");
            rig.hand(text.clone());
            peer.seq += 4;
            text
        }));
    }
    for state in SHUT {
        cases.push(when(format!("{state}: the FIN again"), Duplicate, ACK, move |rig| {
            let peer = Peer::in_state(rig, state, V4, 4000, true);
            let header = Header { seq: peer.seq - 1, ..peer.header(Flags::FIN.with(Flags::ACK)) };
            peer.packet(&header, b"")
        }));
    }
    for (state, close_after) in [("FIN-WAIT-1", false), ("FIN-WAIT-2", true)] {
        let name = format!("{state}: text that nobody will read");
        cases.push(when(name, DropReason::TextAfterClose, RST_ACK, move |rig| {
            let mut peer = Peer::open(rig, V4, 4000, true);
            let id = peer.id.unwrap();
            rig.host.stream(id).unwrap().close(rig.now);
            let left = rig.drain();
            peer.learn(&left);
            if close_after {
                rig.hand(peer.segment(Flags::ACK, b""));
            }
            let header = Header { ack: peer.ack - u32::from(!close_after), ..peer.header(Flags::ACK) };
            peer.packet(&header, b"text")
        }));
    }
    cases.push(when("ESTABLISHED: text into a closed window", OutOfWindow, ACK, |rig| {
        *rig = small_buffer();
        let mut peer = Peer::open(rig, V4, 4000, false);
        while rig.host.info(peer.id.unwrap()).unwrap().rcv_wnd > 0 {
            rig.hand(peer.segment(Flags::ACK, &[7; 1024]));
            peer.seq += 1024;
        }
        peer.text_at(1, b"text")
    }));
    cases.push(reassembly_full());
    cases
}

/// A host whose connections hold eight KiB of received text.
fn small_buffer() -> Rig {
    let tcp = TcpConfig { recv_buffer: 8 << 10, delayed_ack: Duration::ZERO, ..TcpConfig::default() };
    Rig::with(HostConfig { tcp, ..HostConfig::default() }, ListenConfig::default())
}

/// Every second octet of the window, until there is one that finds no room.
fn reassembly_full() -> Case {
    when("ESTABLISHED: out-of-order queue full", DropReason::ReassemblyFull, ACK, |rig| {
        *rig = small_buffer();
        let peer = Peer::open(rig, V4, 4000, true);
        for octet in (1..8 << 10).step_by(2) {
            let segment = peer.text_at(octet, &[7]);
            let mut trial = rig.clone();
            trial.hand(segment.clone());
            if trial.drops().get(DropReason::ReassemblyFull) > 0 {
                return segment;
            }
            rig.hand(segment);
        }
        panic!("every second octet of the window was kept");
    })
}

pub(crate) fn cases() -> Vec<Case> {
    [common(), text()].into_iter().flatten().collect()
}
