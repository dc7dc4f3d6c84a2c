//! What can happen next.

use std::fmt;
use std::str::FromStr;

/// One thing that happens. Sides are 0 (left) and 1 (right); a direction is named by the side that receives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// The left side opens the next incarnation, or both do at once.
    Connect,
    /// The same a millisecond later.
    TickAndConnect,
    /// The application writes its text.
    Write(u8),
    /// The application closes its half and goes on reading.
    Shutdown(u8),
    /// The application aborts.
    Abort(u8),
    /// The application lets go before the handshake has ended.
    Cancel(u8),
    /// The next segment in this direction arrives.
    Deliver(u8),
    /// It arrives, and a copy of it stays on its way.
    Double(u8),
    /// It is lost.
    Lose(u8),
    /// It is held back: those behind it overtake.
    Hold(u8),
    /// This one of the held segments and copies arrives.
    Release(u8),
    /// A SYN of an incarnation before the first arrives at the right side.
    Stray,
    /// Time passes until the next timer expires.
    Timer,
    /// Nothing else can happen to a connection whose peer was aborted: its application aborts, too.
    GiveUp(u8),
}

const NAMES: [&str; 14] = [
    "connect",
    "tick-and-connect",
    "write",
    "shutdown",
    "abort",
    "cancel",
    "deliver",
    "double",
    "lose",
    "hold",
    "release",
    "timer",
    "give-up",
    "stray",
];

impl Action {
    fn parts(self) -> (usize, Option<u8>) {
        match self {
            Self::Connect => (0, None),
            Self::TickAndConnect => (1, None),
            Self::Write(n) => (2, Some(n)),
            Self::Shutdown(n) => (3, Some(n)),
            Self::Abort(n) => (4, Some(n)),
            Self::Cancel(n) => (5, Some(n)),
            Self::Deliver(n) => (6, Some(n)),
            Self::Double(n) => (7, Some(n)),
            Self::Lose(n) => (8, Some(n)),
            Self::Hold(n) => (9, Some(n)),
            Self::Release(n) => (10, Some(n)),
            Self::Timer => (11, None),
            Self::GiveUp(n) => (12, Some(n)),
            Self::Stray => (13, None),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, number) = self.parts();
        f.write_str(NAMES[name])?;
        number.map_or(Ok(()), |number| write!(f, " {number}"))
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no action");
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let number = words.next().map(|word| word.parse::<u8>().map_err(|_| wrong())).transpose()?;
        if words.next().is_some() {
            return Err(wrong());
        }
        match (name, number) {
            ("connect", None) => Ok(Self::Connect),
            ("tick-and-connect", None) => Ok(Self::TickAndConnect),
            ("write", Some(n)) => Ok(Self::Write(n)),
            ("shutdown", Some(n)) => Ok(Self::Shutdown(n)),
            ("abort", Some(n)) => Ok(Self::Abort(n)),
            ("cancel", Some(n)) => Ok(Self::Cancel(n)),
            ("deliver", Some(n)) => Ok(Self::Deliver(n)),
            ("double", Some(n)) => Ok(Self::Double(n)),
            ("lose", Some(n)) => Ok(Self::Lose(n)),
            ("hold", Some(n)) => Ok(Self::Hold(n)),
            ("release", Some(n)) => Ok(Self::Release(n)),
            ("stray", None) => Ok(Self::Stray),
            ("timer", None) => Ok(Self::Timer),
            ("give-up", Some(n)) => Ok(Self::GiveUp(n)),
            _ => Err(wrong()),
        }
    }
}
