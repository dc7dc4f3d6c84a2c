//! What a connection says about itself: the eleven states for people, and its figures.

use core::fmt;
use core::time::Duration;

/// The states of RFC 9293 Figure 5. For information, traces and scripts: the code branches on the objects behind them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum State {
    /// No connection at all.
    #[default]
    Closed,
    /// Waiting for a SYN.
    Listen,
    /// Waiting for the answer to our SYN.
    SynSent,
    /// Waiting for the ACK of our SYN, after receiving one.
    SynReceived,
    /// Text flows both ways.
    Established,
    /// We have closed; the FIN is not acknowledged yet.
    FinWait1,
    /// We have closed and the peer knows; it has not closed.
    FinWait2,
    /// The peer has closed; our application has not.
    CloseWait,
    /// Both have closed at once; our FIN is not acknowledged yet.
    Closing,
    /// The peer closed first, then we did; our FIN is not acknowledged yet.
    LastAck,
    /// All is done; waiting for strays to die and for a FIN that may come again.
    TimeWait,
}

impl State {
    /// The name as the RFC spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What goes wrong on a connection that goes on all the same (RFC 9293 §3.9.1.8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// The same text, or the SYN, was sent again three times without an answer: R1 (RFC 9293 SHLD-9, SHLD-10).
    Retransmitting,
    /// ICMP said that the destination cannot be reached.
    Unreachable,
    /// ICMP said that a packet was too long on its way.
    TimeExceeded,
    /// ICMP said that somebody could not make sense of a field.
    ParameterProblem,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retransmitting => "no answer to what was sent three times",
            Self::Unreachable => "destination reported unreachable",
            Self::TimeExceeded => "packet reported too long on its way",
            Self::ParameterProblem => "packet reported not understood",
        })
    }
}

/// The figures of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Where it is in its life.
    pub state: State,
    /// Smoothed round-trip time; zero before the first sample.
    pub srtt: Duration,
    /// Mean deviation of the round-trip time.
    pub rttvar: Duration,
    /// Retransmission timeout now in force.
    pub rto: Duration,
    /// Congestion window, octets.
    pub cwnd: u32,
    /// Slow-start threshold, octets; `u32::MAX` until the first loss.
    pub ssthresh: u32,
    /// The peer's window, octets.
    pub snd_wnd: u32,
    /// Our window, octets.
    pub rcv_wnd: u32,
    /// Octets of text in a full segment we send.
    pub mss: u16,
    /// Octets sent and not yet acknowledged.
    pub in_flight: u32,
    /// Octets waiting in the send buffer, those in flight included.
    pub send_queue: u32,
    /// Octets received in order and not yet read.
    pub recv_queue: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// Whether timestamps are in use.
    pub timestamps: bool,
    /// Whether SACK is in use.
    pub sack: bool,
    /// Octets from the next one to be read to the end of urgent text, as far as the peer has announced it; zero when no
    /// urgent text is ahead (RFC 9293 MUST-33). `Event::Readable` tells when it grows.
    pub urgent: u32,
    /// What was wrong last, until text is acknowledged again; kept when the connection ends (RFC 9293 SHLD-25).
    pub trouble: Option<Trouble>,
}
