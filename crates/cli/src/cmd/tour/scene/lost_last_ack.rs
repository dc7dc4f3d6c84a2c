//! Once a packet with FIN has gone from HOST2 to HOST1, the link loses the next packet that goes the other way.

use super::Scene;
use linger_proto::Instant;
use linger_sim::ladder::Segment;
use linger_sim::{HostId, Link, Packet, Verdict};

pub(super) fn scene() -> Scene {
    Scene { faults, ..Scene::default() }
}

/// What the link waits for.
enum WaitsFor {
    Fin,
    NextPacket,
    Nothing,
}

fn faults(link: Link, [host1, host2]: [HostId; 2]) -> Link {
    let mut waits = WaitsFor::Fin;
    link.fault(move |_now: Instant, packet: &Packet<'_>| match waits {
        WaitsFor::Fin if packet.from == host2 => {
            if Segment::decode(packet.bytes).is_some_and(|segment| segment.fin()) {
                waits = WaitsFor::NextPacket;
            }
            Verdict::Pass
        }
        WaitsFor::NextPacket if packet.from == host1 => {
            waits = WaitsFor::Nothing;
            Verdict::Drop
        }
        _ => Verdict::Pass,
    })
}
