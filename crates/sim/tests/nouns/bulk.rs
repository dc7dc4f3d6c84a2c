//! An application that sends a text, receives one until its end, and then closes.

use bytes::Bytes;
use linger_proto::{
    CloseReason, ConnectConfig, ConnectionId, Event, Host, Instant, ListenConfig, ListenerId, WriteError,
};
use linger_sim::App;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// What became of one end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) received: Vec<u8>,
    /// The end of the peer's text was read.
    pub(crate) ended_at: Option<Instant>,
    pub(crate) closed: Option<CloseReason>,
}

/// The outcome while the run still owns the application.
pub(crate) type Shared = Rc<RefCell<Outcome>>;

/// Where the connection comes from.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Connect(SocketAddr),
    Listen(SocketAddr),
}

pub(crate) struct Bulk {
    role: Role,
    text: Bytes,
    listener: Option<ListenerId>,
    connection: Option<ConnectionId>,
    shut: bool,
    outcome: Shared,
}

impl Bulk {
    /// An end that sends `text`.
    pub(crate) fn new(role: Role, text: Bytes) -> (Self, Shared) {
        let outcome = Shared::default();
        let bulk =
            Self { role, text, listener: None, connection: None, shut: false, outcome: Rc::clone(&outcome) };
        (bulk, outcome)
    }

    fn pump(&mut self, now: Instant, host: &mut Host) {
        let Some(id) = self.connection else { return };
        let Some(mut stream) = host.stream(id) else { return };
        while !self.text.is_empty() {
            match stream.write_chunk(now, &mut self.text) {
                Ok(_) => {}
                Err(WriteError::Blocked) => break,
                Err(_) => return,
            }
        }
        if self.text.is_empty() && !self.shut {
            self.shut = true;
            if stream.shutdown(now).is_err() {
                return;
            }
        }
        let mut outcome = self.outcome.borrow_mut();
        loop {
            match stream.read_chunk(now, usize::MAX) {
                Ok(Some(chunk)) => outcome.received.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        outcome.ended_at = outcome.ended_at.or(Some(now));
        // All was sent and all was read.
        if self.shut {
            stream.close(now);
        }
    }
}

impl App for Bulk {
    fn on_start(&mut self, now: Instant, host: &mut Host) {
        match self.role {
            Role::Connect(to) => {
                self.connection = Some(host.connect(now, to, ConnectConfig::default()).expect("a free port"));
            }
            Role::Listen(at) => {
                self.listener = Some(host.listen(at, ListenConfig::default()).expect("the port is free"));
            }
        }
    }

    fn on_event(&mut self, now: Instant, host: &mut Host, event: Event) {
        match event {
            Event::Incoming(listener) if Some(listener) == self.listener => {
                self.connection = host.accept(listener);
            }
            Event::Closed(id, reason) if Some(id) == self.connection => {
                self.pump(now, host);
                self.outcome.borrow_mut().closed = Some(reason);
                if let Some(stream) = host.stream(id) {
                    stream.close(now);
                }
                return;
            }
            _ => {}
        }
        self.pump(now, host);
    }
}
