//! A host with a connection in every state, and the books that must balance after every frame.

use super::packet::Family;
use super::peer::{Peer, STATES};
use super::rig::{Answer, Rig, answer, increments};
use linger_proto::wire::tcp::{Flags, Header};
use linger_proto::{DropReason, Frame, HostConfig, ListenConfig, State, TcpConfig, TraceEvent};
use std::time::Duration;

/// Most segments of text that one frame may release: a send buffer of 16 KiB in segments of 536 octets, twice.
const TEXT_MAX: usize = 64;

/// A host with one connection in each state and in each family, text waiting in both directions.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) rig: Rig,
    pub(crate) peers: Vec<Peer>,
}

impl World {
    pub(crate) fn new(timestamps: bool) -> Self {
        let tcp = TcpConfig { recv_buffer: 16 << 10, send_buffer: 16 << 10, ..TcpConfig::default() };
        let config = HostConfig { tcp, reassembly_max: 8 << 10, ..HostConfig::default() };
        let mut rig = Rig::with(config, ListenConfig::default().backlog(8));
        let mut peers = Vec::new();
        for (port, state) in (4000..).zip(STATES) {
            for family in Family::BOTH {
                peers.push(Peer::in_state(&mut rig, state, family, port, timestamps));
            }
        }
        // Simultaneous opens, and TIME-WAITs that a half-open connection covers.
        for family in Family::BOTH {
            let mut peer = Peer::called(&mut rig, family, 5000, timestamps);
            let left = rig.hand(peer.syn());
            peer.learn(&left);
            peer.seq += 1;
            peers.push(peer);
            let old = Peer::in_state(&mut rig, State::TimeWait, family, 5001, timestamps);
            rig.hand(old.packet(&Header { seq: old.seq + 0x1_0000, ..old.header(Flags::SYN) }, b""));
            peers.push(old);
        }
        let mut world = Self { rig, peers };
        world.exchange_text();
        world.rig.host.set_tracing(true);
        world
    }

    /// Text in flight, text unread and text out of order on every connection that takes it.
    pub(crate) fn exchange_text(&mut self) {
        for peer in &mut self.peers {
            if let Some(mut stream) = peer.id.and_then(|id| self.rig.host.stream(id)) {
                let _written = stream.write(self.rig.now, &[b'w'; 3000]);
            }
            let left = self.rig.drain();
            peer.learn(&left);
            if self.rig.host.state_of(&peer.tuple()) == State::Established {
                self.rig.hand(peer.segment(Flags::ACK, b"unread"));
                peer.seq += 6;
                self.rig.hand(peer.text_at(100, b"early"));
            }
        }
    }

    /// Hands over one frame and checks the books.
    pub(crate) fn hand(&mut self, frame: Frame) {
        let before = self.rig.host.counters().clone();
        let length = frame.bytes.len();
        let merged = frame.segment_size.map_or(0, |size| length / usize::from(size.get()));
        let mut frames = [frame].into_iter();
        self.rig.host.handle_frames(self.rig.now, self.rig.interface, &mut frames);
        let after = self.rig.host.counters().clone();
        assert_eq!(after.frames_in, before.frames_in + 1);
        let told: Vec<_> = std::iter::from_fn(|| self.rig.host.poll_trace())
            .filter_map(|event| match event {
                TraceEvent::Frame(frame) => Some(frame.drop),
                _ => None,
            })
            .collect();
        assert_eq!(told.len(), 1, "one trace for one frame");
        // What else may be counted: answers withheld, and packets that made room for this one's fragment.
        let mut counted = increments(&before.drops, &after.drops);
        if let Some(reason) = told[0] {
            let own = counted.iter_mut().find(|(counted, _)| *counted == reason);
            assert!(own.is_some(), "{reason:?} was told and not counted: {counted:?}");
            own.unwrap().1 -= 1;
        }
        for (reason, count) in counted {
            let limit = match reason {
                DropReason::IcmpRateLimited => 1,
                DropReason::FragmentLimit => 256,
                _ => 0,
            };
            assert!(count <= limit, "{reason:?} {count} times more than told: {told:?}");
        }
        self.check_output(length, merged);
    }

    /// What leaves is good, and no more than what an acceptable ACK may release.
    pub(crate) fn check_output(&mut self, received: usize, merged: usize) {
        let sent_before = self.rig.host.counters().frames_out;
        let left = self.rig.drain();
        while self.rig.host.poll_trace().is_some() {}
        for frame in &left {
            answer(frame);
            assert!(frame.len() <= 1500);
        }
        assert_eq!(self.rig.host.counters().frames_out - sent_before, left.len() as u64);
        let text = left.iter().filter(|frame| answer(frame) == Answer::Text).count();
        // At most one answer; the rest is text that the peer has asked for, or an echo in fragments, or an ACK for each
        // segment that the device has merged.
        let more = received.div_ceil(1400) + merged;
        assert!(left.len() - text <= 1 + more, "{} frames for one of {received}", left.len());
        assert!(text <= TEXT_MAX, "{text} segments of text for one frame");
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.rig.run_for(time);
        while self.rig.host.poll_trace().is_some() {}
    }

    /// Everything let go of and enough time: nothing is left.
    pub(crate) fn end(mut self) {
        self.rig.host.set_tracing(false);
        self.rig.abort_all();
        self.rig.run_for(Duration::from_secs(1000));
        let snapshot = self.rig.host.snapshot(self.rig.now);
        assert!(snapshot.connections.is_empty(), "{:?}", snapshot.connections);
        assert!(snapshot.time_wait.is_empty(), "{:?}", snapshot.time_wait);
        assert!(snapshot.listeners.is_empty() && snapshot.udp.is_empty());
        assert_eq!(self.rig.host.poll_timeout(), None);
        self.rig.assert_alive();
    }
}
