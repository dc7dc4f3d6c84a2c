//! Every frame that a host throws away has a reason.

use super::{Checker, Violation};
use crate::observe::{Observation, Observer};
use linger_proto::{DropReason, Host, Instant};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Compares what hosts say about each frame with what they have counted: a reason that was named is counted, and at
/// the end no reason is counted more often than it was named.
///
/// Add it to a run both as checker and as observer: it is one value with two handles.
#[derive(Clone, Default)]
pub struct DropsCounted {
    named: Rc<RefCell<BTreeMap<(usize, u8), u64>>>,
}

impl DropsCounted {
    /// Nothing named yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn named(&self, host: usize, reason: DropReason) -> u64 {
        self.named.borrow().get(&(host, reason as u8)).copied().unwrap_or(0)
    }
}

impl Observer for DropsCounted {
    fn observe(&mut self, what: &Observation<'_>) {
        if let Observation::Arrived(arrived) = what
            && let Some(reason) = arrived.trace.and_then(|trace| trace.drop)
        {
            *self.named.borrow_mut().entry((arrived.to.index(), reason as u8)).or_default() += 1;
        }
    }
}

impl Checker for DropsCounted {
    fn after_step(&mut self, _now: Instant, hosts: &[&Host]) -> Result<(), Violation> {
        for (index, host) in hosts.iter().enumerate() {
            for reason in DropReason::ALL {
                let (named, counted) = (self.named(index, *reason), host.counters().drops.get(*reason));
                if named > counted {
                    return Err(Violation(format!(
                        "host {index} named \"{}\" {named} times and counted {counted}",
                        reason.text()
                    )));
                }
            }
        }
        Ok(())
    }
}
