//! The link makes a copy of the first packet with text from HOST2 and holds it back past the end of the connection.
//! Five seconds after the start HOST1's application asks again, from the same port. HOST2's takes its time to answer.
//! Both hosts number as they did before, and offer no timestamps.

use super::{Client, Scene, Server};
use linger_proto::{FourTuple, Instant, SeqNum};
use linger_sim::ladder::Segment;
use linger_sim::{HostId, Link, Packet, Verdict};
use std::time::Duration;

pub(super) fn scene() -> Scene {
    Scene {
        client: Client { visits: 2, back_at: BACK_AT, own_port: true, ..Client::default() },
        server: Server { thinks: THINKS, ..Server::default() },
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

/// When HOST1's application comes back.
const BACK_AT: Duration = Duration::from_secs(5);
/// How long HOST2's application works on a reply.
const THINKS: Duration = Duration::from_millis(200);

fn faults(link: Link, [_, host2]: [HostId; 2]) -> Link {
    let mut copied = false;
    // While HOST2's application works on the second reply.
    let arrives_at = Instant::ZERO + BACK_AT + THINKS;
    link.fault(move |now: Instant, packet: &Packet<'_>| {
        let has_text = || Segment::decode(packet.bytes).is_some_and(|segment| !segment.text.is_empty());
        if copied || packet.from != host2 || !has_text() {
            return Verdict::Pass;
        }
        copied = true;
        Verdict::Duplicate { after: arrives_at.since(now) }
    })
}
