//! Segments that are wrong for LISTEN, SYN-SENT and SYN-RECEIVED.

use super::support::{Family, Peer, Rig};
use super::{ACK, Case, RST, Row, SYN_ACK, when};
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::{DropReason, HostConfig, ListenConfig, SeqNum};

const V4: Family = Family::V4;

/// A connection in SYN-SENT or SYN-RECEIVED.
type Start = fn(&mut Rig) -> Peer;

fn queues() -> Vec<Case> {
    vec![
        when("LISTEN that holds: SYN queue full", DropReason::SynQueueFull, None, |rig| {
            *rig = Rig::with(HostConfig::default(), ListenConfig::default().backlog(1).hold(true));
            Peer::knock(rig, V4, 4000, true);
            Peer::new(V4, 4004, true).syn()
        }),
        when("LISTEN that holds: too many of one source", DropReason::SynSourceFull, None, |rig| {
            *rig = Rig::with(HostConfig::default(), ListenConfig::default().backlog(4).hold(true));
            for port in 4000..4002 {
                Peer::knock(rig, V4, port, true);
            }
            Peer::new(V4, 4004, true).syn()
        }),
        when("LISTEN that holds: the SYN again", DropReason::HeldSyn, None, |rig| {
            *rig = Rig::with(HostConfig::default(), ListenConfig::default().hold(true));
            let peer = Peer::new(V4, 4004, true);
            rig.hand(peer.syn());
            peer.syn()
        }),
        when("LISTEN: half-open bound of the host reached", DropReason::SynQueueFull, None, |rig| {
            let config = HostConfig { half_open_max: 2, ..HostConfig::default() };
            *rig = Rig::with(config, ListenConfig::default().hold(true));
            Peer::knock(rig, V4, 4000, true);
            Peer::knock(rig, Family::V6, 4001, true);
            Peer::new(V4, 4002, true).syn()
        }),
        when("LISTEN: SYN while the accept queue is full", DropReason::AcceptQueueFull, None, |rig| {
            fill_accept_queue(rig);
            Peer::new(V4, 4100, true).syn()
        }),
        when("SYN-RECEIVED: ACK while the accept queue is full", DropReason::AcceptQueueFull, None, |rig| {
            *rig = Rig::with(HostConfig::default(), ListenConfig::default().backlog(2));
            let late = Peer::knock(rig, V4, 4100, true);
            for port in 4000..4003 {
                let peer = Peer::knock(rig, V4, port, true);
                rig.hand(peer.segment(Flags::ACK, b""));
            }
            late.segment(Flags::ACK, b"")
        }),
        when("SYN-RECEIVED: ACK past the bound on connections", DropReason::ConnectionLimit, None, |rig| {
            let config = HostConfig { connections_max: 1, ..HostConfig::default() };
            *rig = Rig::with(config, ListenConfig::default());
            Peer::open(rig, V4, 4000, true);
            let late = Peer::knock(rig, V4, 4001, true);
            late.segment(Flags::ACK, b"")
        }),
    ]
}

/// Two connections that nobody accepts, where the backlog is one.
fn fill_accept_queue(rig: &mut Rig) {
    *rig = Rig::with(HostConfig::default(), ListenConfig::default().backlog(1));
    for port in 4000..4002 {
        let peer = Peer::knock(rig, V4, port, true);
        rig.hand(peer.segment(Flags::ACK, b""));
    }
}

fn syn_sent() -> Vec<Case> {
    use DropReason::{NoSyn, RstOutOfWindow, UnacceptableAck};
    let case = |what: &str, reason, answer, flags: Flags, ahead: u32| {
        when(format!("SYN-SENT: {what}"), reason, answer, move |rig| {
            let peer = Peer::called(rig, V4, 4000, true);
            let header = Header { ack: peer.ack + ahead, ..peer.header(flags) };
            peer.packet(&header, b"")
        })
    };
    let behind = u32::MAX;
    vec![
        case("ACK of nothing sent", UnacceptableAck, RST, Flags::ACK, 1),
        case("ACK of our SYN's own number", UnacceptableAck, RST, Flags::ACK, behind),
        case("SYN-ACK of nothing sent", UnacceptableAck, RST, Flags::SYN.with(Flags::ACK), 1),
        case("SYN-ACK of our SYN's own number", UnacceptableAck, RST, Flags::SYN.with(Flags::ACK), behind),
        case("RST that acknowledges nothing sent", UnacceptableAck, None, Flags::RST.with(Flags::ACK), 1),
        case("RST without ACK", RstOutOfWindow, None, Flags::RST, 0),
        case("ACK without SYN", NoSyn, None, Flags::ACK, 0),
        case("no flags", NoSyn, None, Flags(0), 0),
        case("FIN", NoSyn, None, Flags::FIN, 0),
    ]
}

/// Both ways into SYN-RECEIVED.
const RECEIVED: [(&str, Start); 2] = [
    ("SYN-RECEIVED", |rig| Peer::knock(rig, V4, 4000, true)),
    ("SYN-RECEIVED of both sides", |rig| {
        let mut peer = Peer::called(rig, V4, 4000, true);
        let left = rig.hand(peer.syn());
        peer.learn(&left);
        peer.seq += 1;
        peer
    }),
];

fn syn_received() -> Vec<Case> {
    use DropReason::{
        AckMissing, ChallengeLimited, Duplicate, OutOfWindow, RstChallenged, RstOutOfWindow, SynChallenged,
        UnacceptableAck,
    };
    let rows: [Row; 9] = [
        ("no ACK", AckMissing, None, |peer| peer.header(Flags::PSH)),
        ("ACK of nothing sent", UnacceptableAck, RST, |peer| {
            let ack = peer.ack + 1;
            Header { ack, ..peer.header(Flags::ACK) }
        }),
        ("before the window", OutOfWindow, ACK, |peer| {
            let seq = peer.seq - 2;
            Header { seq, ..peer.header(Flags::ACK) }
        }),
        ("behind the window", OutOfWindow, ACK, |peer| {
            let seq = peer.seq + 0x1_0000;
            Header { seq, ..peer.header(Flags::ACK) }
        }),
        ("RST outside the window", RstOutOfWindow, None, |peer| {
            let seq = peer.seq - 1;
            Header { seq, ..peer.header(Flags::RST) }
        }),
        ("RST within the window", RstChallenged, ACK, |peer| {
            let seq = peer.seq + 1;
            Header { seq, ..peer.header(Flags::RST) }
        }),
        ("RST at the end of the window", RstChallenged, ACK, |peer| {
            let seq = peer.seq + 0xfffe;
            Header { seq, ..peer.header(Flags::RST.with(Flags::ACK)) }
        }),
        ("SYN outside the window", OutOfWindow, ACK, |peer| {
            let seq = peer.seq - 100;
            Header { seq, ..peer.header(Flags::SYN) }
        }),
        ("the SYN again", Duplicate, SYN_ACK, |peer| {
            let seq = peer.seq - 1;
            Header { seq, ..peer.header(Flags::SYN) }
        }),
    ];
    let mut cases = Vec::new();
    for (state, start) in RECEIVED {
        for (what, reason, answer, header) in rows {
            cases.push(when(format!("{state}: {what}"), reason, answer, move |rig| {
                let peer = start(rig);
                peer.packet(&header(&peer), b"")
            }));
        }
        cases.push(when(
            format!("{state}: a second challenge at once"),
            ChallengeLimited,
            None,
            move |rig| {
                let peer = start(rig);
                let header = Header { seq: peer.seq + 1, ..peer.header(Flags::RST) };
                assert_eq!(rig.hand(peer.packet(&header, b"")).len(), 1);
                peer.packet(&header, b"")
            },
        ));
    }
    // Back to LISTEN after a passive open, challenged after an active one (RFC 9293 §3.10.7.4, fourth step).
    for ((state, start), answer) in RECEIVED.into_iter().zip([None, ACK]) {
        cases.push(when(format!("{state}: SYN within the window"), SynChallenged, answer, move |rig| {
            let peer = start(rig);
            peer.packet(&Header { seq: peer.seq + 1, ..peer.header(Flags::SYN) }, b"")
        }));
    }
    cases.push(when("SYN-RECEIVED: timestamp from before the SYN", DropReason::Paws, ACK, |rig| {
        let mut peer = Peer::knock(rig, V4, 4000, true);
        peer.timestamp = peer.timestamp.map(|ts| Timestamp { val: ts.val - 1, ..ts });
        peer.segment(Flags::ACK, b"")
    }));
    cases.push(when("SYN-RECEIVED: echo of another handshake", DropReason::ForeignEcho, None, |rig| {
        let mut peer = Peer::knock(rig, V4, 4000, true);
        peer.timestamp = peer.timestamp.map(|ts| Timestamp { ecr: ts.ecr.wrapping_sub(1), ..ts });
        peer.segment(Flags::ACK, b"")
    }));
    cases.push(when("SYN-RECEIVED: no timestamp", DropReason::TimestampMissing, None, |rig| {
        let peer = Peer::knock(rig, V4, 4000, true);
        let header = Header { options: Options::default(), ..peer.header(Flags::ACK) };
        peer.packet(&header, b"")
    }));
    cases.push(when("SYN-RECEIVED: ACK of zero", UnacceptableAck, RST, |rig| {
        let peer = Peer::knock(rig, Family::V6, 4000, true);
        let header = Header { ack: SeqNum(0), ..peer.header(Flags::ACK) };
        peer.packet(&header, b"")
    }));
    cases
}

pub(crate) fn cases() -> Vec<Case> {
    [queues(), syn_sent(), syn_received()].into_iter().flatten().collect()
}
