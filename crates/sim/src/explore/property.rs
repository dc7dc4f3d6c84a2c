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
}

impl Violation {
    pub(super) const fn new(kind: Kind, side: usize, incarnation: usize) -> Self {
        Self { kind, side, incarnation, reason: None }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = ["left", "right"][self.side.min(1)];
        write!(f, "{} ({side} side, incarnation {})", self.kind.text(), self.incarnation + 1)?;
        self.reason.map_or(Ok(()), |reason| write!(f, ": {reason:?}"))
    }
}
