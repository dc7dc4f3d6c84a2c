//! Tasks that wait for the same thing, first come, first served.

use crate::shared::{Core, Handle};
use linger_proto::{ListenerId, UdpId};
use std::collections::VecDeque;
use std::task::{Context, Waker};

/// A place in a [`WaitQueue`]; `None` while not in it. Kept by the waiting future.
pub(crate) type Ticket = Option<u64>;

/// What [`WaitQueue::leave`] leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// To be dropped outside the lock.
    pub(crate) spent: Option<Waker>,
    /// To be woken.
    pub(crate) turn: Option<Waker>,
}

/// Tasks that wait for the same thing, oldest first.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    next_ticket: u64,
    waiting: VecDeque<(u64, Waker)>,
}

impl WaitQueue {
    /// Waits, or goes on waiting at the old place with a new waker; returns the one that it replaces.
    #[must_use]
    pub(crate) fn wait(&mut self, ticket: &mut Ticket, waker: &Waker) -> Option<Waker> {
        if let Some(place) = self.waiting.iter_mut().find(|(number, _)| Some(*number) == *ticket) {
            return Some(std::mem::replace(&mut place.1, waker.clone()));
        }
        let number = self.next_ticket;
        self.next_ticket = number.wrapping_add(1);
        self.waiting.push_back((number, waker.clone()));
        *ticket = Some(number);
        None
    }

    /// Stops waiting without having got anything. Returns a waker that is no longer needed and, where the ticket was
    /// called already, the waker of the next, to whom the turn passes.
    pub(crate) fn leave(&mut self, ticket: &mut Ticket) -> Left {
        let Some(number) = ticket.take() else { return Left::default() };
        match self.waiting.iter().position(|(other, _)| *other == number) {
            Some(place) => Left { spent: self.waiting.remove(place).map(|(_, waker)| waker), turn: None },
            None => Left { spent: None, turn: self.next() },
        }
    }

    /// Stops waiting, having got what it waited for, whether called or not.
    #[must_use]
    pub(crate) fn served(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        let number = ticket.take()?;
        let place = self.waiting.iter().position(|(other, _)| *other == number)?;
        self.waiting.remove(place).map(|(_, waker)| waker)
    }

    /// Whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Waker> {
        self.waiting.pop_front().map(|(_, waker)| waker)
    }

    /// Everybody.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Waker> + '_ {
        self.waiting.drain(..).map(|(_, waker)| waker)
    }
}

/// What is waited for, first come, first served.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Queue {
    /// A connection to accept.
    Incoming(ListenerId),
    /// A datagram to receive.
    Datagram(UdpId),
    /// Room to send a datagram.
    DatagramRoom,
}

impl Core {
    fn queue(&mut self, queue: Queue) -> Option<&mut WaitQueue> {
        match queue {
            Queue::Incoming(id) => self.listeners.get_mut(&id),
            Queue::Datagram(id) => self.datagrams.get_mut(&id),
            Queue::DatagramRoom => Some(&mut self.datagram_room),
        }
    }
}

/// A place in one of the queues of a stack.
#[derive(Debug)]
pub(crate) struct Turn {
    queue: Queue,
    ticket: Ticket,
}

impl Turn {
    pub(crate) const fn new(queue: Queue) -> Self {
        Self { queue, ticket: None }
    }

    /// Waits; the lock is held.
    pub(crate) fn wait(&mut self, core: &mut Core, cx: &Context<'_>) {
        let spent = core.queue(self.queue).and_then(|queue| queue.wait(&mut self.ticket, cx.waker()));
        core.spent.extend(spent);
    }

    /// Got what it waited for. Whoever is next looks too: one event may stand for several things.
    pub(crate) fn served(&mut self, core: &mut Core) {
        let Some(queue) = core.queue(self.queue) else { return };
        let (spent, next) = (queue.served(&mut self.ticket), queue.next());
        core.spent.extend(spent);
        core.wakes.extend(next);
    }

    /// Whether it has a place, called or not.
    pub(crate) const fn is_waiting(&self) -> bool {
        self.ticket.is_some()
    }

    /// Gives the place up; the lock is held.
    pub(crate) fn leave(&mut self, core: &mut Core) {
        let Some(queue) = core.queue(self.queue) else { return };
        let left = queue.leave(&mut self.ticket);
        core.spent.extend(left.spent);
        core.wakes.extend(left.turn);
    }
}

/// A [`Turn`] that is given up when its future is dropped.
pub(crate) struct Waiting<'a> {
    handle: &'a Handle,
    pub(crate) turn: Turn,
}

impl<'a> Waiting<'a> {
    pub(crate) const fn new(handle: &'a Handle, queue: Queue) -> Self {
        Self { handle, turn: Turn::new(queue) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.turn.is_waiting() {
            self.turn.leave(&mut self.handle.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_waiting() -> (WaitQueue, Ticket, Ticket) {
        let mut queue = WaitQueue::default();
        let (mut first, mut second) = (None, None);
        assert!(queue.wait(&mut first, Waker::noop()).is_none());
        assert!(queue.wait(&mut second, Waker::noop()).is_none());
        (queue, first, second)
    }

    #[test]
    fn waiting_again_keeps_the_place() {
        let (mut queue, mut first, _) = two_waiting();
        assert!(queue.wait(&mut first, Waker::noop()).is_some(), "the old waker comes back");
        assert_eq!(queue.waiting.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn leaving_after_being_called_passes_the_turn_on() {
        let (mut queue, mut first, _) = two_waiting();
        assert!(queue.next().is_some());
        assert!(queue.leave(&mut first).turn.is_some());
        assert!(queue.next().is_none());
    }

    #[test]
    fn leaving_before_being_called_wakes_nobody() {
        let (mut queue, mut first, _) = two_waiting();
        let left = queue.leave(&mut first);
        assert!(left.turn.is_none() && left.spent.is_some());
        assert!(queue.leave(&mut first).spent.is_none(), "leaving twice is harmless");
    }

    #[test]
    fn being_served_keeps_the_turn_of_others() {
        let (mut queue, mut first, _) = two_waiting();
        assert!(queue.served(&mut first).is_some());
        assert!(queue.next().is_some() && queue.next().is_none());
    }
}
