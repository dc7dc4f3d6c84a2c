//! What a user is told when something does not work: one line, and an exit status that scripts can rely on.

use std::fmt;
use std::process::ExitCode;

/// Exit status of a failed operation: the peer refused, the transfer broke off, the server answered with an error.
pub(crate) const FAILED: u8 = 1;
/// Exit status of a wrong call or a wrong environment: arguments, permissions, missing files, busy names.
pub(crate) const USAGE: u8 = 2;

/// One line for the user, and the exit status that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    status: u8,
    message: String,
}

/// The result of everything a subcommand does.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// The call or the environment is wrong: exit status 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { status: USAGE, message: message.into() }
    }

    /// The operation was tried and failed: exit status 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { status: FAILED, message: message.into() }
    }

    /// An exit status of its own, as after an interrupt.
    pub(crate) fn with_status(status: u8, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The status the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The promise is one line, whatever a cause had to say.
        let mut rest = self.message.lines().map(str::trim).filter(|line| !line.is_empty());
        f.write_str(rest.next().unwrap_or("unknown error"))?;
        rest.try_for_each(|line| write!(f, " {line}"))
    }
}

impl std::error::Error for Error {}

/// Says what an operating-system error means without Rust's `(os error N)` tail.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(tail) => text[..tail].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        let error = Error::usage("first\n  second\n\nthird\n");
        assert_eq!(error.to_string(), "first second third");
    }

    #[test]
    fn operating_system_errors_lose_their_number() {
        let error = std::io::Error::from_raw_os_error(13);
        assert_eq!(plain(&error), "permission denied");
    }
}
