//! Segments of an old connection in TIME-WAIT, and those that meet one which a new connection covers.

use super::support::{Family, Peer, Rig};
use super::{ACK, Case, Row, when};
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::{DropReason, HostConfig, ListenConfig, State, TcpConfig};

const ROWS: [Row; 13] = [
    ("exact RST", DropReason::TimeWaitRst, None, |peer| peer.header(Flags::RST)),
    ("RST anywhere", DropReason::TimeWaitRst, None, |peer| Header {
        seq: peer.seq + (1 << 31),
        ..peer.header(Flags::RST.with(Flags::ACK))
    }),
    ("RST with SYN and FIN", DropReason::TimeWaitRst, None, |peer| peer.header(Flags(0x07))),
    ("an ACK again", DropReason::TimeWaitStray, None, |peer| peer.header(Flags::ACK)),
    ("ACK of unsent text", DropReason::TimeWaitStray, ACK, |peer| Header {
        ack: peer.ack + 1,
        ..peer.header(Flags::ACK)
    }),
    ("outside the window", DropReason::TimeWaitStray, ACK, |peer| Header {
        seq: peer.seq - 1,
        ..peer.header(Flags::ACK)
    }),
    ("another FIN", DropReason::TimeWaitStray, ACK, |peer| Header {
        seq: peer.seq,
        ..peer.header(Flags::FIN.with(Flags::ACK))
    }),
    ("timestamp too old", DropReason::TimeWaitStray, ACK, |peer| {
        let mut header = peer.header(Flags::ACK);
        header.options.timestamp = peer.timestamp.map(|ts| Timestamp { val: ts.val - 1, ..ts });
        header
    }),
    ("no timestamp", DropReason::TimestampMissing, None, |peer| Header {
        options: Options::default(),
        ..peer.header(Flags::ACK)
    }),
    ("no ACK", DropReason::AckMissing, None, |peer| peer.header(Flags::PSH)),
    ("SYN with ACK", DropReason::TimeWaitSyn, ACK, |peer| peer.header(Flags::SYN.with(Flags::ACK))),
    ("old SYN", DropReason::TimeWaitSyn, ACK, |peer| Header {
        seq: peer.seq - 10,
        ..peer.header(Flags::SYN)
    }),
    ("old SYN without timestamps", DropReason::TimeWaitSyn, ACK, |peer| Header {
        seq: peer.seq - 1,
        options: Options::default(),
        ..peer.header(Flags::SYN)
    }),
];

fn plain(family: Family) -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, reason, answer, header) in ROWS {
        let name = format!("TIME-WAIT over {family:?}: {what}");
        cases.push(when(name, reason, answer, move |rig| {
            let peer = Peer::in_state(rig, State::TimeWait, family, 4000, true);
            peer.packet(&header(&peer), b"")
        }));
    }
    let name = |what: &str| format!("TIME-WAIT over {family:?}: {what}");
    cases.push(when(name("text within the window"), DropReason::TimeWaitStray, None, move |rig| {
        let peer = Peer::in_state(rig, State::TimeWait, family, 4000, true);
        peer.segment(Flags::ACK, b"text")
    }));
    cases.push(when(name("a second old SYN in one second"), DropReason::TimeWaitSyn, None, move |rig| {
        let peer = Peer::in_state(rig, State::TimeWait, family, 4000, true);
        let syn = peer.packet(&Header { seq: peer.seq - 10, ..peer.header(Flags::SYN) }, b"");
        assert_eq!(rig.hand(syn.clone()).len(), 1);
        syn
    }));
    cases.push(when(name("the FIN too often in a row"), DropReason::ChallengeLimited, None, move |rig| {
        let peer = Peer::in_state(rig, State::TimeWait, family, 4000, true);
        let header = Header { seq: peer.seq - 1, ..peer.header(Flags::FIN.with(Flags::ACK)) };
        let fin = peer.packet(&header, b"");
        for n in 0..10 {
            assert_eq!(rig.hand(fin.clone()).len(), 1, "{n}");
        }
        fin
    }));
    cases.push(when(name("SYN where nobody listens any more"), DropReason::TimeWaitSyn, ACK, move |rig| {
        let peer = Peer::in_state(rig, State::TimeWait, family, 4000, true);
        for listener in rig.listeners {
            rig.host.unlisten(rig.now, listener);
        }
        peer.packet(&Header { seq: peer.seq + 1000, ..peer.header(Flags::SYN) }, b"")
    }));
    cases
}

/// With RFC 1337 switched off, RST is judged as in the other states.
fn without_rfc1337() -> Vec<Case> {
    let start = |rig: &mut Rig| {
        let tcp = TcpConfig { rfc1337: false, ..TcpConfig::default() };
        *rig = Rig::with(HostConfig { tcp, ..HostConfig::default() }, ListenConfig::default());
        Peer::in_state(rig, State::TimeWait, Family::V4, 4000, true)
    };
    vec![
        when("TIME-WAIT without RFC 1337: RST outside", DropReason::RstOutOfWindow, None, move |rig| {
            let peer = start(rig);
            peer.packet(&Header { seq: peer.seq - 1, ..peer.header(Flags::RST) }, b"")
        }),
        when("TIME-WAIT without RFC 1337: RST within", DropReason::TimeWaitStray, ACK, move |rig| {
            let peer = start(rig);
            peer.packet(&Header { seq: peer.seq + 1, ..peer.header(Flags::RST) }, b"")
        }),
    ]
}

/// A half-open connection covers the TIME-WAIT: what is the old connection's stays its own.
fn covered() -> Vec<Case> {
    let start = |rig: &mut Rig| {
        let old = Peer::in_state(rig, State::TimeWait, Family::V4, 4000, true);
        let syn = Header { seq: old.seq + 0x1_0000, ..old.header(Flags::SYN) };
        assert_eq!(rig.hand(old.packet(&syn, b"")).len(), 1);
        assert_eq!(rig.host.state_of(&old.tuple()), State::SynReceived);
        old
    };
    vec![
        when("covered TIME-WAIT: an old ACK", DropReason::TimeWaitStray, None, move |rig| {
            let old = start(rig);
            old.segment(Flags::ACK, b"")
        }),
        when("covered TIME-WAIT: the last text again", DropReason::TimeWaitStray, ACK, move |rig| {
            let old = start(rig);
            old.packet(&Header { seq: old.seq - 4, ..old.header(Flags::ACK) }, b"text")
        }),
        when("covered TIME-WAIT: the FIN too often", DropReason::ChallengeLimited, None, move |rig| {
            let old = start(rig);
            let fin =
                old.packet(&Header { seq: old.seq - 1, ..old.header(Flags::FIN.with(Flags::ACK)) }, b"");
            for n in 0..10 {
                assert_eq!(rig.hand(fin.clone()).len(), 1, "{n}");
            }
            fin
        }),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    let families = Family::BOTH.into_iter().flat_map(plain);
    families.chain(without_rfc1337()).chain(covered()).collect()
}
