//! From the typed errors of the core to `io::Error`: the kind that a program for kernel sockets expects, with the
//! typed error inside (`io::Error::get_ref` and a downcast give it back).

use linger_proto::{AcceptError, CloseReason, ConnectError, ListenError, UdpError};
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// The stack under a handle is gone: its driver was dropped, was shut down, or its device failed.
///
/// Inside an [`io::Error`] of kind [`ErrorKind::NotConnected`]; every call on a handle of such a stack gives it, and
/// none panics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackEnded {
    cause: Option<Arc<str>>,
}

impl StackEnded {
    pub(crate) fn in_order() -> Self {
        Self { cause: None }
    }

    pub(crate) fn because(cause: &io::Error) -> Self {
        Self { cause: Some(cause.to_string().into()) }
    }

    /// What the device said, if it was the device that ended the stack.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl fmt::Display for StackEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            None => f.write_str("the stack has ended"),
            Some(cause) => write!(f, "the stack has ended: {cause}"),
        }
    }
}

impl std::error::Error for StackEnded {}

impl From<StackEnded> for io::Error {
    fn from(ended: StackEnded) -> Self {
        Self::new(ErrorKind::NotConnected, ended)
    }
}

/// How a connection ended, as an `io::Error` of the kind that kernel sockets give.
///
/// `Refused` is `ConnectionRefused`, `Reset` is `ConnectionReset`, `TimedOut` is `TimedOut`, `Unreachable` is
/// `HostUnreachable`, `Aborted` is `ConnectionAborted`, `Graceful` (writing after it) is `BrokenPipe`.
pub fn closed(reason: CloseReason) -> io::Error {
    let kind = match reason {
        CloseReason::Graceful => ErrorKind::BrokenPipe,
        CloseReason::Reset => ErrorKind::ConnectionReset,
        CloseReason::Refused => ErrorKind::ConnectionRefused,
        CloseReason::TimedOut => ErrorKind::TimedOut,
        CloseReason::Unreachable => ErrorKind::HostUnreachable,
        CloseReason::Aborted => ErrorKind::ConnectionAborted,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, reason)
}

/// The call needs the sending half, which this side has closed.
pub(crate) fn half_closed() -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, linger_proto::WriteError::Closed)
}

pub(crate) fn connect(error: ConnectError) -> io::Error {
    let kind = match error {
        ConnectError::NoPorts | ConnectError::NotLocal => ErrorKind::AddrNotAvailable,
        ConnectError::NoRoute => ErrorKind::NetworkUnreachable,
        ConnectError::AddrInUse => ErrorKind::AddrInUse,
        ConnectError::Limit => ErrorKind::QuotaExceeded,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn accept(error: AcceptError) -> io::Error {
    let kind = match error {
        AcceptError::Gone => ErrorKind::ConnectionAborted,
        AcceptError::Limit => ErrorKind::QuotaExceeded,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn listen(error: ListenError) -> io::Error {
    let kind = match error {
        ListenError::AddrInUse => ErrorKind::AddrInUse,
        ListenError::NotLocal => ErrorKind::AddrNotAvailable,
        ListenError::TooManyLifetimes => ErrorKind::QuotaExceeded,
        ListenError::AnyPort => ErrorKind::InvalidInput,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn udp(error: UdpError) -> io::Error {
    let kind = match error {
        UdpError::AddrInUse => ErrorKind::AddrInUse,
        UdpError::NotLocal | UdpError::NoPorts => ErrorKind::AddrNotAvailable,
        UdpError::NoRoute => ErrorKind::NetworkUnreachable,
        UdpError::TooLong => ErrorKind::InvalidInput,
        UdpError::Blocked => ErrorKind::WouldBlock,
        UdpError::Closed => ErrorKind::NotConnected,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_error_can_be_taken_out_of_the_io_error() {
        let error = closed(CloseReason::Refused);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let inside = error.get_ref().and_then(|inside| inside.downcast_ref::<CloseReason>());
        assert_eq!(inside, Some(&CloseReason::Refused));
    }

    #[test]
    fn ended_stack_names_what_the_device_said() {
        let error: io::Error = StackEnded::because(&io::Error::other("the cable is cut")).into();
        assert_eq!(error.to_string(), "the stack has ended: the cable is cut");
        assert_eq!(io::Error::from(StackEnded::in_order()).to_string(), "the stack has ended");
    }
}
