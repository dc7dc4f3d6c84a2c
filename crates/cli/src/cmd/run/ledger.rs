//! What happened to each connection, written down while it happens.
//!
//! States and times come from the host's trace, octets from the streams the server reads and writes. The host tells
//! in the order of events; the ledger only keeps accounts and never asks it anything.

use crate::http::{Traffic, Watch};
use crate::stack::Observer;
use linger_proto::{Direction, DropReason, FourTuple, FrameTrace, Instant, State, TraceEvent};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Connections that are written down; more are only counted.
const RECORDS_MAX: usize = 10_000;
/// Closed ports that are written down.
const REFUSED_MAX: usize = 1_000;

/// Which end of a connection did something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The command's end: the kernel.
    Peer,
    /// Ours.
    Linger,
}

/// How a connection came to its end, or to the end of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Both sides closed; `None` where they did so at the same moment.
    InOrder { first: Option<End> },
    /// RST from this end, or its silence.
    Broken { by: End },
    /// The run ended first.
    Unfinished { first: Option<End> },
}

/// The account of one connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Account {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// Octets of text from the peer.
    pub(super) received: u64,
    /// Octets of text to the peer.
    pub(super) sent: u64,
    /// From the SYN to CLOSED or TIME-WAIT.
    pub(super) lasted: Duration,
    pub(super) outcome: Outcome,
    /// The states it went through and how long it stayed in each.
    pub(super) states: Vec<(State, Duration)>,
}

/// Everything that was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Accounts {
    pub(super) connections: Vec<Account>,
    /// Connections past the bound.
    pub(super) more: u64,
    /// Segments that found nothing at this address and port of ours.
    pub(super) refused: BTreeMap<SocketAddr, u64>,
}

/// Keeps the accounts.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    records: Vec<Record>,
    /// The latest record of each pair of addresses and ports.
    latest: HashMap<FourTuple, usize>,
    /// Counted streams of connections whose record is not there yet.
    early: HashMap<FourTuple, Arc<Traffic>>,
    more: u64,
    refused: BTreeMap<SocketAddr, u64>,
    /// The latest event, on the host's clock and on ours.
    now: Option<(Instant, std::time::Instant)>,
}

#[derive(Debug)]
struct Record {
    tuple: FourTuple,
    began: Instant,
    state: State,
    since: Instant,
    stays: Vec<(State, Duration)>,
    first: Option<End>,
    both: bool,
    /// Set once nothing more can happen but the end of TIME-WAIT.
    over: Option<(Instant, bool)>,
    reset_by: End,
    traffic: Option<Arc<Traffic>>,
}

impl Ledger {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// To be told what the host does.
    pub(super) fn observer(self: &Arc<Self>) -> Observer {
        let ledger = Arc::clone(self);
        Box::new(move |event| ledger.lock().note(event))
    }

    /// To be told of accepted connections.
    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        let ledger = Arc::clone(self);
        Arc::new(move |local, remote| ledger.lock().accepted(FourTuple { local, remote }))
    }

    /// The accounts as they stand now.
    pub(super) fn close(&self) -> Accounts {
        let book = self.lock();
        let now = book.now.map_or(Instant::ZERO, |(host, ours)| host + ours.elapsed());
        Accounts {
            connections: book.records.iter().map(|record| record.account(now)).collect(),
            more: book.more,
            refused: book.refused.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn note(&mut self, event: &TraceEvent) {
        match event {
            TraceEvent::State { at, tuple, before, after } => {
                self.now = Some((*at, std::time::Instant::now()));
                self.moved(*at, *tuple, *before, *after);
            }
            TraceEvent::Frame(frame) => self.frame(frame),
            _ => {}
        }
    }

    /// A connection changed state.
    fn moved(&mut self, at: Instant, tuple: FourTuple, before: State, after: State) {
        let begins = matches!(after, State::SynReceived | State::SynSent)
            && matches!(before, State::Closed | State::Listen | State::TimeWait);
        if begins {
            // A tuple that is opened again out of TIME-WAIT ends its old record here.
            if let Some(old) = self.record(&tuple) {
                old.enter(at, State::Closed);
            }
            self.begin(at, tuple, after);
        } else if let Some(record) = self.record(&tuple) {
            record.enter(at, after);
        }
    }

    fn begin(&mut self, at: Instant, tuple: FourTuple, state: State) {
        let traffic = self.early.remove(&tuple);
        if self.records.len() >= RECORDS_MAX {
            self.latest.remove(&tuple);
            self.more += 1;
            return;
        }
        self.latest.insert(tuple, self.records.len());
        self.records.push(Record {
            tuple,
            began: at,
            state,
            since: at,
            stays: Vec::new(),
            first: None,
            both: false,
            over: None,
            reset_by: End::Linger,
            traffic,
        });
    }

    /// A frame came or went: it tells who broke a connection, and which closed ports were tried.
    fn frame(&mut self, frame: &FrameTrace) {
        let (Some(tuple), Direction::In) = (frame.tuple, frame.direction) else { return };
        if frame.drop == Some(DropReason::NoConnection) && !self.latest.contains_key(&tuple) {
            let full = self.refused.len() >= REFUSED_MAX;
            if !full || self.refused.contains_key(&tuple.local) {
                *self.refused.entry(tuple.local).or_default() += 1;
            }
        }
        let broke = frame.drop.is_none() && matches!(frame.after, State::Closed | State::Listen);
        if broke
            && frame.before != frame.after
            && let Some(record) = self.record(&tuple)
        {
            record.reset_by = End::Peer;
        }
    }

    fn accepted(&mut self, tuple: FourTuple) -> Arc<Traffic> {
        let traffic = Arc::new(Traffic::default());
        let full = self.records.len() >= RECORDS_MAX;
        match self.record(&tuple) {
            Some(record) if record.traffic.is_none() => record.traffic = Some(Arc::clone(&traffic)),
            _ if full => {}
            _ => {
                self.early.insert(tuple, Arc::clone(&traffic));
            }
        }
        traffic
    }

    fn record(&mut self, tuple: &FourTuple) -> Option<&mut Record> {
        let index = *self.latest.get(tuple)?;
        self.records.get_mut(index)
    }
}

impl Record {
    fn enter(&mut self, at: Instant, state: State) {
        if self.state == State::Closed {
            return;
        }
        let left = self.state;
        self.stays.push((left, at.since(self.since)));
        self.state = state;
        self.since = at;
        match state {
            State::FinWait1 => self.first = self.first.or(Some(End::Linger)),
            State::CloseWait => self.first = self.first.or(Some(End::Peer)),
            // Our FIN had not been acknowledged when theirs came: both closed before knowing of the other.
            State::Closing => self.both = true,
            State::TimeWait => self.over = Some((at, true)),
            State::Closed | State::Listen => {
                // A TIME-WAIT that ends was over before.
                self.over = self.over.or(Some((at, left == State::LastAck)));
                self.state = State::Closed;
            }
            _ => {}
        }
    }

    fn account(&self, now: Instant) -> Account {
        let first = self.first.filter(|_| !self.both);
        let outcome = match self.over {
            None => Outcome::Unfinished { first },
            Some((_, true)) => Outcome::InOrder { first },
            Some((_, false)) => Outcome::Broken { by: self.reset_by },
        };
        let mut states = self.stays.clone();
        if self.state != State::Closed {
            states.push((self.state, now.since(self.since)));
        }
        let count = |octets: fn(&Traffic) -> u64| self.traffic.as_deref().map_or(0, octets);
        Account {
            peer: self.tuple.remote,
            local: self.tuple.local,
            received: count(|traffic| traffic.received.load(Relaxed)),
            sent: count(|traffic| traffic.sent.load(Relaxed)),
            lasted: self.over.map_or(now, |(at, _)| at).since(self.began),
            outcome,
            states,
        }
    }
}

#[cfg(test)]
mod tests;
