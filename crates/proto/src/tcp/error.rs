//! What can go wrong, one small enum per verb, and how a connection ended.

use core::fmt;

/// Why a connect could not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Every ephemeral port towards this destination is taken.
    #[error("no ephemeral port is free towards this destination")]
    NoPorts,
    /// No interface leads there.
    #[error("no route to this destination")]
    NoRoute,
    /// The pair of addresses and ports is in use, or still in TIME-WAIT.
    #[error("this pair of addresses and ports is in use or in TIME-WAIT")]
    AddrInUse,
    /// The chosen source address belongs to no interface, or is of the other family.
    #[error("the source address does not belong to this host")]
    NotLocal,
    /// The host holds as many connections as it may.
    #[error("the bound on connections is reached")]
    Limit,
}

/// Why a listen could not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody listens there already.
    #[error("the address is in use")]
    AddrInUse,
    /// The address belongs to no interface.
    #[error("the address does not belong to this host")]
    NotLocal,
    /// Eight different lifetimes of TIME-WAIT are in use already, or the MSL is one of more than ten days.
    #[error("too many different MSL values on one host (at most eight), or one of more than ten days")]
    TooManyLifetimes,
    /// Any port was asked for, and one.
    #[error("a listener for any port names none")]
    AnyPort,
}

/// Why a held SYN could not be accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The peer has taken its SYN back, or it was held longer than `hold_timeout`, or its listener is gone.
    #[error("the peer that asked for this connection is gone")]
    Gone,
    /// The host holds as many connections as it may. The SYN is still held.
    #[error("the bound on connections is reached")]
    Limit,
}

/// Why the TIME-WAITs of another host were not taken over. A number is the place of the record, counted from zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The host holds connections, half-open ones or TIME-WAITs already.
    #[error("the host is not fresh: it holds connections or TIME-WAITs already")]
    NotFresh,
    /// The octets do not begin as an export does, or something else follows one.
    #[error("these octets are not exported TIME-WAITs")]
    NotAnExport,
    /// A version of the format that this one does not know.
    #[error("version {0} of the format is not known here")]
    Version(u16),
    /// The octets end too early.
    #[error("the octets end too early")]
    Truncated,
    /// More than `time_wait_max`.
    #[error("more TIME-WAITs than this host may hold")]
    TooMany,
    /// More than eight different MSL values on this host, or one of more than ten days.
    #[error("too many different MSL values on one host (at most eight), or one of more than ten days")]
    TooManyLifetimes,
    /// Nothing that a host writes: flags, ports, or an address that no peer can have.
    #[error("record {0} is impossible")]
    Invalid(usize),
    /// Its own address, or interface, is none of this host.
    #[error("record {0} has an address or an interface that this host has not")]
    NotLocal(usize),
    /// No time is left, or more than 2*MSL.
    #[error("record {0} has no time left, or more than its 2*MSL")]
    Time(usize),
    /// Its tuple came before.
    #[error("record {0} has the addresses and ports of another one")]
    Duplicate(usize),
}

/// Why nothing can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing has arrived yet: wait for `Event::Readable`.
    #[error("nothing to read yet")]
    Blocked,
    /// The connection ended in this way before its end of text.
    #[error("{0}")]
    Ended(CloseReason),
}

/// Why nothing can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// No room in the send buffer: wait for `Event::Writable`.
    #[error("the send buffer is full")]
    Blocked,
    /// This side has closed.
    #[error("this side of the connection is closed")]
    Closed,
    /// The connection ended in this way.
    #[error("{0}")]
    Ended(CloseReason),
}

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both FINs were acknowledged.
    Graceful,
    /// The peer sent RST.
    Reset,
    /// The peer answered our SYN with RST.
    Refused,
    /// Nothing came back in time: the peer is silent, or kept its half open past the limit.
    TimedOut,
    /// ICMP said that the destination cannot be reached, while opening.
    Unreachable,
    /// This side gave up: `abort`, or close with unread text.
    Aborted,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Graceful => "closed in order",
            Self::Reset => "connection reset by peer",
            Self::Refused => "connection refused",
            Self::TimedOut => "connection timed out",
            Self::Unreachable => "destination unreachable",
            Self::Aborted => "connection aborted by this side",
        })
    }
}

impl core::error::Error for CloseReason {}
