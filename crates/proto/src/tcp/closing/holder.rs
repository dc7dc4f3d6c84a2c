//! Who holds the stream: a fact beside the state. FIN-WAIT-2's timer, RST on late text and the bounds on orphans look
//! at it, never at a state's name.

use crate::Instant;

/// Who holds the application's end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// The application: no time limit of ours applies.
    Application,
    /// Nobody any more: an orphan, ended by force at `until`.
    Nobody {
        /// When it ends at the latest.
        until: Instant,
    },
}

impl Holder {
    pub(crate) fn is_application(self) -> bool {
        matches!(self, Self::Application)
    }

    /// When an orphan ends by force.
    pub(crate) fn until(self) -> Instant {
        match self {
            Self::Application => Instant::FAR_FUTURE,
            Self::Nobody { until } => until,
        }
    }
}
