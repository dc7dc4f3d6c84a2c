//! The link makes a copy of the first packet with text from HOST2 and holds it back past the end of the connection.
//! HOST1's application then asks again from the same port, and HOST2's takes its time. Both hosts number as they did
//! before, and offer no timestamps.

use super::{Client, Scene, Server};
use linger_proto::{FourTuple, Instant, SeqNum};
use linger_sim::ladder::Segment;
use linger_sim::{HostId, Link, Packet, Verdict};
use std::time::Duration;

pub(super) fn scene() -> Scene {
    Scene {
        client: Client { visits: 2, ..Client::default() },
        server: Server { thinks: Duration::from_millis(200), ..Server::default() },
        page_changes: true,
        timestamps: false,
        initial_sequence: Some(initial_sequence),
        faults,
        compare: true,
    }
}

/// The same number for every incarnation of a connection; the two directions differ.
fn initial_sequence(tuple: &FourTuple) -> SeqNum {
    SeqNum(u32::from(tuple.local.port()) << 12)
}

/// How long the copy is held back.
const HELD_BACK: Duration = Duration::from_millis(150);

fn faults(link: Link, [_, host2]: [HostId; 2]) -> Link {
    let mut copied = false;
    link.fault(move |_now: Instant, packet: &Packet<'_>| {
        let has_text = || Segment::decode(packet.bytes).is_some_and(|segment| !segment.text.is_empty());
        if copied || packet.from != host2 || !has_text() {
            return Verdict::Pass;
        }
        copied = true;
        Verdict::Duplicate { after: HELD_BACK }
    })
}
