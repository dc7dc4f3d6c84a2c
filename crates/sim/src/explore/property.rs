//! What must never happen.

use linger_proto::CloseReason;
use std::fmt;

/// What must never happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A connection that both sides closed in order, or would have, ended in an error.
    OrderlyCloseFailed,
    /// An application read octets that its peer did not write in this incarnation, or not in this place.
    ForeignText,
    /// An application read an end of text that its peer had not set.
    FalseEnd,
    /// A connection came about that nobody had opened.
    Ghost,
    /// An opening was refused though the other side was ready for it.
    OpeningFailed,
    /// A host still held something when everything was over.
    LeftOver,
    /// An application waits for something that can no longer come.
    Stuck,
}

impl Kind {
    /// In a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::OrderlyCloseFailed => "an orderly close was turned into an error",
            Self::ForeignText => "text of another incarnation was delivered",
            Self::FalseEnd => "an end of text was delivered that the peer had not set",
            Self::Ghost => "a connection came about that nobody had opened",
            Self::OpeningFailed => "an opening was refused though the peer was ready",
            Self::LeftOver => "something is left when everything is over",
            Self::Stuck => "an application waits for what can no longer come",
        }
    }
}

/// Why a violation is no fault of TIME-WAIT: what leads to it is a property of TCP itself, has a probability that
/// docs/exploration.md states, and is reported apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Exception {
    /// The opener repeats its own initial sequence number to the octet, and a SYN-ACK of the incarnation before answers
    /// it. Only the opener's generator of numbers guards against that, or timestamps.
    OldSynAck,
    /// A side that was opened repeats its own initial sequence number to the octet, and an ACK of the incarnation before
    /// completes the handshake. Only its generator of numbers guards against that, or timestamps in another millisecond.
    OldAck,
    /// An RST that the opener sent in answer to the old connection's end outlives it, and stands exactly at RCV.NXT of
    /// the new one.
    ProvokedReset,
    /// An RST with which a side that was CLOSED refused a SYN-ACK, the answer to a late copy of its SYN, stands exactly at
    /// RCV.NXT of the connection that it has opened since, with the same number to the octet.
    LateRefusal,
    /// An ACK with which TIME-WAIT answered the opener outlives it, and acknowledges what the new connection has lost.
    OutlivingAnswer,
    /// The incarnation before was aborted, which by default leaves no TIME-WAIT.
    AfterAbort,
}

impl Exception {
    /// Whether a violation of this kind can be its consequence, in the incarnation in which it happened or a later one.
    pub(super) const fn excuses(self, kind: Kind) -> bool {
        match self {
            // One side is in a connection of which the other knows nothing, or that it numbers otherwise.
            Self::OldSynAck | Self::OldAck | Self::AfterAbort => true,
            Self::ProvokedReset | Self::LateRefusal => {
                matches!(kind, Kind::OrderlyCloseFailed | Kind::OpeningFailed | Kind::Stuck)
            }
            Self::OutlivingAnswer => matches!(kind, Kind::OrderlyCloseFailed | Kind::Stuck),
        }
    }

    /// In a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::OldSynAck => "the opener repeated its number, and an old SYN-ACK answered it",
            Self::OldAck => {
                "a side repeated its number, and an ACK of an old handshake completed the new one"
            }
            Self::LateRefusal => {
                "the opener repeated its number, and an RST that refused an answer to its old SYN reached the new connection"
            }
            Self::ProvokedReset => "an RST that answered the old connection reached the new one",
            Self::OutlivingAnswer => {
                "an ACK that TIME-WAIT had sent to the opener reached the new connection"
            }
            Self::AfterAbort => "the incarnation before was aborted, which leaves no TIME-WAIT",
        }
    }
}

/// What went wrong, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// What.
    pub kind: Kind,
    /// At which side, 0 or 1.
    pub side: usize,
    /// In which incarnation, counted from zero.
    pub incarnation: usize,
    /// What the host said, if it said something.
    pub reason: Option<CloseReason>,
    /// Why it does not count, if it does not.
    pub exception: Option<Exception>,
}

impl Violation {
    pub(super) const fn new(kind: Kind, side: usize, incarnation: usize) -> Self {
        Self { kind, side, incarnation, reason: None, exception: None }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = ["left", "right"][self.side.min(1)];
        write!(f, "{} ({side} side, incarnation {})", self.kind.text(), self.incarnation + 1)?;
        self.reason.map_or(Ok(()), |reason| write!(f, ": {reason:?}"))?;
        self.exception.map_or(Ok(()), |exception| write!(f, "; {}", exception.text()))
    }
}
