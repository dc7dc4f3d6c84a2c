//! What the two applications got, and the verdict that follows from it.

use linger_proto::CloseReason;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a close ended: `None` in order.
pub(super) type Closed = Option<CloseReason>;

/// A reply: as it was served, or as it was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) octets: usize,
    pub(super) sha256: String,
}

/// One call of `connect`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Attempt {
    pub(super) at: Duration,
    /// Why it failed, if it did.
    pub(super) refused: Option<String>,
}

/// What the two applications noted down.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Outcome {
    pub(super) attempts: Vec<Attempt>,
    /// What HOST1's application received; an error where the reply did not come whole.
    pub(super) received: Vec<Result<Answer, String>>,
    /// How each `close().await` on HOST1 ended.
    pub(super) client_closed: Vec<Closed>,
    /// What went wrong on HOST1 besides.
    pub(super) client_failed: Option<String>,
    /// What HOST2's application was asked for.
    pub(super) asked: Vec<String>,
    /// What HOST2's application served.
    pub(super) served: Vec<Answer>,
    /// How each `close().await` on HOST2 ended.
    pub(super) server_closed: Vec<Closed>,
    /// What went wrong on HOST2 besides.
    pub(super) server_failed: Option<String>,
}

/// What the outcome comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    /// Every reply that was asked for arrived with the octets that were served.
    pub(super) intact: bool,
    /// Every close on both sides ended in order.
    pub(super) in_order: bool,
}

impl Verdict {
    /// Both.
    pub(super) const fn good(self) -> bool {
        self.intact && self.in_order
    }
}

impl Outcome {
    /// Judges what happened. `visits` is how many connections HOST1's application was to make.
    pub(super) fn verdict(&self, visits: u32) -> Verdict {
        let visits = usize::try_from(visits).unwrap_or(usize::MAX);
        let received: Vec<&Answer> = self.received.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        let whole = received.len() == visits && received.iter().copied().eq(&self.served);
        let asked = self.asked.len() == visits && self.asked.iter().all(|path| path == "/");
        let all_in_order = |closed: &[Closed]| closed.len() == visits && closed.iter().all(Option::is_none);
        Verdict {
            intact: whole && asked,
            in_order: all_in_order(&self.client_closed) && all_in_order(&self.server_closed),
        }
    }
}

/// The notes of a run, shared by both applications.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Outcome>>);

impl Log {
    fn notes(&self) -> MutexGuard<'_, Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attempt(&self, attempt: Attempt) {
        self.notes().attempts.push(attempt);
    }

    pub(super) fn received(&self, answer: Result<Answer, String>) {
        self.notes().received.push(answer);
    }

    pub(super) fn client_closed(&self, closed: Closed) {
        self.notes().client_closed.push(closed);
    }

    pub(super) fn client_failed(&self, what: &str) {
        self.notes().client_failed = Some(what.to_owned());
    }

    pub(super) fn asked(&self, path: &str) {
        self.notes().asked.push(path.to_owned());
    }

    pub(super) fn served(&self, answer: Answer) {
        self.notes().served.push(answer);
    }

    pub(super) fn server_closed(&self, closed: Closed) {
        self.notes().server_closed.push(closed);
    }

    pub(super) fn server_failed(&self, what: &str) {
        self.notes().server_failed = Some(what.to_owned());
    }

    /// The notes as they are now.
    pub(super) fn outcome(&self) -> Outcome {
        self.notes().clone()
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}
