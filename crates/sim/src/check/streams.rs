//! Octets delivered are the octets sent.

use super::{Checker, Violation};
use linger_proto::{Host, Instant};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// One direction of one connection, by whatever number the applications agree on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamKey(pub u64);

/// A ledger of what applications have written and read. Clones share it: give one to each application and one to
/// [`Sim::check`](crate::Sim::check).
///
/// After every event what was read must be the beginning of what was written; at the end, of every stream that was
/// read to its end of text, all of it.
#[derive(Clone, Default)]
pub struct Streams {
    ledger: Rc<RefCell<BTreeMap<StreamKey, Entry>>>,
}

#[derive(Default)]
struct Entry {
    written: Vec<u8>,
    read: Vec<u8>,
    ended: bool,
    /// Octets of `read` that were compared already.
    checked: usize,
}

impl Streams {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An application has handed over this text.
    pub fn written(&self, stream: StreamKey, text: &[u8]) {
        self.ledger.borrow_mut().entry(stream).or_default().written.extend_from_slice(text);
    }

    /// An application was given this text.
    pub fn read(&self, stream: StreamKey, text: &[u8]) {
        self.ledger.borrow_mut().entry(stream).or_default().read.extend_from_slice(text);
    }

    /// An application was told that the text has ended.
    pub fn ended(&self, stream: StreamKey) {
        self.ledger.borrow_mut().entry(stream).or_default().ended = true;
    }

    /// How many octets were read.
    pub fn octets_read(&self, stream: StreamKey) -> usize {
        self.ledger.borrow().get(&stream).map_or(0, |entry| entry.read.len())
    }

    /// Whether the whole text and its end were read.
    pub fn complete(&self, stream: StreamKey) -> bool {
        self.ledger.borrow().get(&stream).is_some_and(|entry| entry.ended && entry.read == entry.written)
    }
}

impl Entry {
    fn check(&mut self) -> Result<(), String> {
        let from = self.checked;
        if self.read.len() > self.written.len() {
            return Err(format!("{} octets read of {} written", self.read.len(), self.written.len()));
        }
        let pairs = self.read[from..].iter().zip(&self.written[from..]);
        if let Some(place) = pairs.into_iter().position(|(read, written)| read != written) {
            return Err(format!("octet {} is not the one that was sent", from + place));
        }
        self.checked = self.read.len();
        Ok(())
    }
}

impl Checker for Streams {
    fn after_step(&mut self, _now: Instant, _hosts: &[&Host]) -> Result<(), Violation> {
        for (key, entry) in self.ledger.borrow_mut().iter_mut() {
            entry.check().map_err(|what| Violation(format!("stream {}: {what}", key.0)))?;
        }
        Ok(())
    }

    fn at_end(&mut self, now: Instant, hosts: &[&Host]) -> Result<(), Violation> {
        self.after_step(now, hosts)?;
        for (key, entry) in self.ledger.borrow().iter() {
            if entry.ended && entry.read.len() != entry.written.len() {
                let (read, written) = (entry.read.len(), entry.written.len());
                return Err(Violation(format!("stream {}: ended after {read} of {written} octets", key.0)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Checker, StreamKey, Streams};
    use linger_proto::Instant;

    #[test]
    fn one_wrong_octet_is_a_violation_and_a_short_stream_too() {
        let mut streams = Streams::new();
        let key = StreamKey(1);
        streams.written(key, b"linger");
        streams.read(key, b"lin");
        assert!(streams.after_step(Instant::ZERO, &[]).is_ok());
        streams.ended(key);
        assert!(streams.at_end(Instant::ZERO, &[]).is_err());
        streams.read(key, b"gxr");
        let violation = streams.after_step(Instant::ZERO, &[]).expect_err("octet 4 differs");
        assert_eq!(violation.0, "stream 1: octet 4 is not the one that was sent");
    }
}
