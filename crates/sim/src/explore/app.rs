//! The application of one side in one incarnation: it writes one segment of text, closes its half, reads to the end.

use super::property::Kind;
use super::scenario::TEXT;
use linger_proto::{CloseReason, ConnectionId, Host, Instant, ReadError};
use std::hash::{Hash, Hasher};

/// How far an application has got.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) enum Stage {
    /// It has no connection yet.
    #[default]
    Idle,
    /// It holds one.
    Open,
    /// It has let go.
    Over,
}

/// One application.
#[derive(Clone, Default, Debug)]
pub(super) struct App {
    pub(super) stage: Stage,
    pub(super) id: Option<ConnectionId>,
    pub(super) established: bool,
    pub(super) wrote: bool,
    pub(super) shut: bool,
    pub(super) aborted: bool,
    /// It has read the end of text.
    pub(super) ended: bool,
    /// Octets read.
    got: usize,
    /// The host has said how the connection ended.
    closed: bool,
}

/// Handles are names: which one it is influences nothing.
impl Hash for App {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { stage, id, established, wrote, shut, aborted, ended, got, closed } = self;
        (stage, id.is_some(), established, wrote, shut, aborted, ended, got, closed).hash(state);
    }
}

/// The text of one side in one incarnation: octets that nobody else sends.
pub(super) fn text((incarnation, side): (usize, usize)) -> [u8; TEXT] {
    let first = b'a' + u8::try_from((2 * incarnation + side) * TEXT).unwrap_or(0);
    let mut text = [0; TEXT];
    for (octet, value) in text.iter_mut().zip(first..) {
        *octet = value;
    }
    text
}

impl App {
    pub(super) fn begin(&mut self, id: Option<ConnectionId>) {
        self.stage = Stage::Open;
        self.id = id;
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(super) fn write(&mut self, host: &mut Host, now: Instant, who: (usize, usize)) {
        self.wrote = true;
        if let Some(stream) = self.id.and_then(|id| host.stream(id)).as_mut() {
            let _taken_whole = stream.write(now, &text(who));
        }
    }

    pub(super) fn shutdown(&mut self, host: &mut Host, now: Instant) {
        self.shut = true;
        if let Some(stream) = self.id.and_then(|id| host.stream(id)).as_mut() {
            let _error_comes_as_an_event = stream.shutdown(now);
        }
    }

    pub(super) fn abort(&mut self, host: &mut Host, now: Instant) {
        self.aborted = true;
        self.stage = Stage::Over;
        if let Some(stream) = self.id.and_then(|id| host.stream(id)) {
            stream.abort(now);
        }
    }

    /// Lets go before anything was sent.
    pub(super) fn abort_quietly(&mut self, host: &mut Host, now: Instant) {
        self.aborted = true;
        self.let_go(host, now);
    }

    fn let_go(&mut self, host: &mut Host, now: Instant) {
        self.stage = Stage::Over;
        if let Some(stream) = self.id.and_then(|id| host.stream(id)) {
            stream.close(now);
        }
    }

    /// The host says that the connection has ended. `aborted`: one of both applications has aborted it.
    pub(super) fn closed(
        &mut self,
        host: &mut Host,
        now: Instant,
        reason: CloseReason,
        aborted: bool,
    ) -> Result<(), Kind> {
        self.closed = true;
        if reason == CloseReason::Graceful {
            return Ok(());
        }
        self.let_go(host, now);
        match aborted {
            true => Ok(()),
            false if reason == CloseReason::Refused => Err(Kind::OpeningFailed),
            false => Err(Kind::OrderlyCloseFailed),
        }
    }

    /// Reads what there is. `from`: incarnation and side of the only one whose text this may be.
    pub(super) fn read(
        &mut self,
        host: &mut Host,
        now: Instant,
        from: (usize, usize),
        peer: &Self,
    ) -> Result<bool, Kind> {
        if !self.is_open() {
            return Ok(false);
        }
        let expected = text(from);
        let mut buffer = [0; 16];
        let mut busy = false;
        while !self.ended {
            let Some(mut stream) = self.id.and_then(|id| host.stream(id)) else { break };
            match stream.read(now, &mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    // An end that the peer has not set, or before the end of its text.
                    if !peer.shut && !peer.aborted || peer.wrote && self.got < TEXT {
                        return Err(Kind::FalseEnd);
                    }
                }
                Ok(count) => {
                    let good = expected.get(self.got..self.got + count) == buffer.get(..count) && peer.wrote;
                    if !good {
                        return Err(Kind::ForeignText);
                    }
                    self.got += count;
                }
                Err(ReadError::Blocked | ReadError::Ended(_)) => break,
                Err(_) => break,
            }
            busy = true;
        }
        if self.ended && self.shut {
            self.let_go(host, now);
            busy = true;
        }
        Ok(busy)
    }
}
