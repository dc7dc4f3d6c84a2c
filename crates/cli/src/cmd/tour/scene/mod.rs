//! The scenes. A scene is hosts, applications, what the link does, and initial sequence numbers where it needs them:
//! nothing here knows what will happen.
//!
//! | file | what is different |
//! |---|---|
//! | `orderly` | nothing |
//! | `lost_last_ack` | the link loses one packet |
//! | `old_duplicate` | the link holds back a copy of one packet, and HOST1 comes back to its port |
//! | `simultaneous_close` | both applications close at the same time of their clocks |
//! | `half_close` | HOST1's application has said everything once it has asked |
//! | `reset` | HOST2's application fails in the middle of its reply |
//! | `simultaneous_open` | both applications connect, each to the other's port |
//! | `refused` | HOST2's application does not listen |
//! | `reopen` | HOST2's application closes first, and HOST1 comes back to its port |

mod half_close;
mod lost_last_ack;
mod old_duplicate;
mod orderly;
mod refused;
mod reopen;
mod reset;
mod simultaneous_close;
mod simultaneous_open;

use super::apps::{Client, Opens, Server};
use linger_proto::{FourTuple, SeqNum};
use linger_sim::{HostId, Link};
use std::time::Duration;

/// The scenes by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, clap::ValueEnum)]
pub(crate) enum Name {
    /// Open, ask, answer, close.
    Orderly,
    /// The last acknowledgment is lost.
    LostLastAck,
    /// A copy of a segment comes after the end of its connection.
    OldDuplicate,
    /// Both sides close at the same moment.
    SimultaneousClose,
    /// One side has said everything, the other has not.
    HalfClose,
    /// One side gives up.
    Reset,
    /// Both sides open at the same moment.
    SimultaneousOpen,
    /// Nobody listens.
    Refused,
    /// A SYN for a connection in TIME-WAIT.
    Reopen,
}

impl Name {
    /// As it is written on the command line.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Orderly => "orderly",
            Self::LostLastAck => "lost-last-ack",
            Self::OldDuplicate => "old-duplicate",
            Self::SimultaneousClose => "simultaneous-close",
            Self::HalfClose => "half-close",
            Self::Reset => "reset",
            Self::SimultaneousOpen => "simultaneous-open",
            Self::Refused => "refused",
            Self::Reopen => "reopen",
        }
    }

    /// The scene.
    pub(super) fn scene(self) -> Scene {
        match self {
            Self::Orderly => orderly::scene(),
            Self::LostLastAck => lost_last_ack::scene(),
            Self::OldDuplicate => old_duplicate::scene(),
            Self::SimultaneousClose => simultaneous_close::scene(),
            Self::HalfClose => half_close::scene(),
            Self::Reset => reset::scene(),
            Self::SimultaneousOpen => simultaneous_open::scene(),
            Self::Refused => refused::scene(),
            Self::Reopen => reopen::scene(),
        }
    }
}

/// Everything that a scene arranges.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    /// What HOST1's application does.
    pub(super) client: Client,
    /// What HOST2's application does.
    pub(super) server: Server,
    /// Whether the page changes between visits.
    pub(super) page_changes: bool,
    /// Whether the hosts offer timestamps.
    pub(super) timestamps: bool,
    /// The initial sequence numbers of both hosts, where they are arranged.
    pub(super) initial_sequence: Option<fn(&FourTuple) -> SeqNum>,
    /// Adds what the link does beside delaying packets.
    pub(super) faults: fn(Link, [HostId; 2]) -> Link,
    /// Whether the scene is told once more without TIME-WAIT, and once more with timestamps.
    pub(super) compare: bool,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            client: Client { visits: 1, ..Client::default() },
            server: Server { thinks: Duration::from_millis(5), ..Server::default() },
            page_changes: false,
            timestamps: true,
            initial_sequence: None,
            faults: |link, _| link,
            compare: false,
        }
    }
}
