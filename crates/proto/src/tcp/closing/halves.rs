//! The six synchronized states and what follows them, as a product of two half-closes (RFC 9293 Figure 5).

use crate::State;

/// How far our own half is closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum OurFin {
    /// The application may still send.
    Open,
    /// The application has closed, whether or not the FIN has left.
    Queued,
    /// The peer has acknowledged our FIN.
    Acked,
}

/// Whether the peer's half is closed, and in what order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PeerFin {
    /// Text may still arrive.
    NotReceived,
    /// The peer closed before our application did.
    BeforeOurClose,
    /// The peer closed after our application did.
    AfterOurClose,
}

/// Both halves. The pair (Open, AfterOurClose) cannot be constructed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Halves {
    ours: OurFin,
    peers: PeerFin,
}

impl Halves {
    /// Both open: ESTABLISHED.
    pub(crate) const OPEN: Self = Self { ours: OurFin::Open, peers: PeerFin::NotReceived };

    /// The state's name, for people; and for the parent that applies the two ends, TIME-WAIT and CLOSED.
    ///
    /// Deviation, RFC 9293 §3.10.4: CLOSE-WAIT becomes LAST-ACK at the call, as in Linux, though the FIN may still
    /// wait behind text.
    pub(crate) const fn state(self) -> State {
        match (self.ours, self.peers) {
            (OurFin::Open, PeerFin::NotReceived) => State::Established,
            (OurFin::Queued, PeerFin::NotReceived) => State::FinWait1,
            (OurFin::Acked, PeerFin::NotReceived) => State::FinWait2,
            (OurFin::Open, _) => State::CloseWait,
            (OurFin::Queued, PeerFin::AfterOurClose) => State::Closing,
            (OurFin::Queued, PeerFin::BeforeOurClose) => State::LastAck,
            (OurFin::Acked, PeerFin::AfterOurClose) => State::TimeWait,
            (OurFin::Acked, PeerFin::BeforeOurClose) => State::Closed,
        }
    }

    /// Whether the application may still send.
    pub(crate) fn may_send(self) -> bool {
        self.ours == OurFin::Open
    }

    /// Whether our FIN is to be sent, or sent and not yet acknowledged.
    pub(crate) fn fin_outstanding(self) -> bool {
        self.ours == OurFin::Queued
    }

    /// Whether the peer has acknowledged our FIN.
    pub(crate) fn fin_acked(self) -> bool {
        self.ours == OurFin::Acked
    }

    /// Whether text may still arrive.
    pub(crate) fn may_receive(self) -> bool {
        self.peers == PeerFin::NotReceived
    }

    /// The application closed its half.
    pub(crate) fn on_close(&mut self) {
        if self.ours == OurFin::Open {
            self.ours = OurFin::Queued;
        }
    }

    /// The peer acknowledged our FIN.
    pub(crate) fn on_fin_acked(&mut self) {
        if self.ours == OurFin::Queued {
            self.ours = OurFin::Acked;
        }
    }

    /// The peer's FIN arrived in order.
    pub(crate) fn on_fin_received(&mut self) {
        if self.peers == PeerFin::NotReceived {
            self.peers =
                if self.ours == OurFin::Open { PeerFin::BeforeOurClose } else { PeerFin::AfterOurClose };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Halves;
    use crate::State::{
        self, CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, TimeWait,
    };
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::String;

    const EVENTS: [&str; 3] = ["CLOSE", "ACK of FIN", "FIN"];

    /// The edges of RFC 9293 Figure 5 below ESTABLISHED.
    fn figure_5(state: State, event: usize) -> State {
        match (state, event) {
            (Established, 0) => FinWait1,
            (CloseWait, 0) => LastAck,
            (FinWait1, 1) => FinWait2,
            (Closing, 1) => TimeWait,
            (LastAck, 1) => Closed,
            (Established, 2) => CloseWait,
            (FinWait1, 2) => Closing,
            (FinWait2, 2) => TimeWait,
            (state, _) => state,
        }
    }

    fn apply(halves: &mut Halves, event: usize) {
        match event {
            0 => halves.on_close(),
            1 => halves.on_fin_acked(),
            _ => halves.on_fin_received(),
        }
    }

    #[test]
    fn product_of_half_closes_is_figure_5_for_all_6561_sequences_of_eight_events() {
        for n in 0..3usize.pow(8) {
            let (mut halves, mut state, mut rest) = (Halves::OPEN, Established, n);
            for _ in 0..8 {
                apply(&mut halves, rest % 3);
                state = figure_5(state, rest % 3);
                rest /= 3;
                assert_eq!(halves.state(), state, "sequence {n}");
            }
        }
    }

    #[test]
    fn reachable_graph_is_the_one_drawn_in_figure_5() {
        let mut edges = BTreeSet::new();
        for n in 0..3usize.pow(4) {
            let (mut halves, mut rest) = (Halves::OPEN, n);
            for _ in 0..4 {
                let before = halves.state();
                apply(&mut halves, rest % 3);
                if halves.state() != before {
                    edges.insert(format!("{before} -> {} [{}]\n", halves.state(), EVENTS[rest % 3]));
                }
                rest /= 3;
            }
        }
        let dot: String = edges.into_iter().collect();
        assert_eq!(
            dot,
            "CLOSE-WAIT -> LAST-ACK [CLOSE]\n\
             CLOSING -> TIME-WAIT [ACK of FIN]\n\
             ESTABLISHED -> CLOSE-WAIT [FIN]\n\
             ESTABLISHED -> FIN-WAIT-1 [CLOSE]\n\
             FIN-WAIT-1 -> CLOSING [FIN]\n\
             FIN-WAIT-1 -> FIN-WAIT-2 [ACK of FIN]\n\
             FIN-WAIT-2 -> TIME-WAIT [FIN]\n\
             LAST-ACK -> CLOSED [ACK of FIN]\n"
        );
    }
}
