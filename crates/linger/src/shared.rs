//! What the handles and the driver of one stack share: the host, and who waits for what, under one lock.
//!
//! Protocol code knows no `Waker`; this file is where an [`Event`] of the host becomes a wake-up. Wake-ups collected
//! under the lock are carried out after it is released (see [`Locked`]).

use crate::clock::Clock;
use crate::error::StackEnded;
use crate::shutdown::Shutdown;
use crate::waiting::WaitQueue;
use linger_proto::{CloseReason, ConnectionId, Event, Host, Instant, ListenerId, Trouble, UdpId};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;

/// One stack, seen from its handles and its driver.
#[derive(Debug)]
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// `Net`s, listeners, streams and sockets. At zero on every shard the drivers finish once the hosts are empty.
    handles: AtomicUsize,
    /// The position among the shards of one stack.
    index: usize,
    /// The other shards, where there are any.
    siblings: OnceLock<Box<[Weak<Shared>]>>,
    /// With every handle gone: the host holds nothing any more.
    empty: AtomicBool,
    /// No device of this shard will ever have a frame again.
    cut_off: AtomicBool,
    /// Frames that a device refused or that had no device any more.
    send_errors: AtomicU64,
}

impl Shared {
    pub(crate) fn new(core: Core, index: usize) -> Arc<Self> {
        Arc::new(Self {
            core: Mutex::new(core),
            handles: AtomicUsize::new(0),
            index,
            siblings: OnceLock::new(),
            empty: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            send_errors: AtomicU64::new(0),
        })
    }

    /// Makes these the shards of one stack, which ends as one.
    pub(crate) fn join(shards: &[Arc<Self>]) {
        for shard in shards {
            let others = shards.iter().filter(|other| !Arc::ptr_eq(shard, other)).map(Arc::downgrade);
            // Joined once, by the builder.
            let _ = shard.siblings.set(others.collect());
        }
    }

    fn siblings(&self) -> impl Iterator<Item = Arc<Self>> + '_ {
        self.siblings.get().into_iter().flatten().filter_map(Weak::upgrade)
    }

    /// The position among the shards of one stack.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Takes the lock. A panic of somebody who held it is no reason to panic here too.
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { guard: Some(self.core.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// Whether no handle is left, on any shard.
    pub(crate) fn is_abandoned(&self) -> bool {
        let is_free = |shard: &Self| shard.handles.load(Ordering::SeqCst) == 0;
        is_free(self) && self.siblings().all(|sibling| is_free(&sibling))
    }

    /// The driver has looked, with every handle gone: is there anything left to do?
    pub(crate) fn note_empty(&self, empty: bool) {
        self.empty.store(empty, Ordering::Release);
    }

    /// Whether no shard has anything left to do, as far as their drivers have looked.
    pub(crate) fn all_are_empty(&self) -> bool {
        let is_empty = |shard: &Self| shard.empty.load(Ordering::Acquire);
        is_empty(self) && self.siblings().all(|sibling| is_empty(&sibling))
    }

    /// Notes that no device of this shard will ever have a frame again. Whether that is so for all shards.
    pub(crate) fn all_are_cut_off(&self) -> bool {
        self.cut_off.store(true, Ordering::SeqCst);
        self.siblings().all(|sibling| sibling.cut_off.load(Ordering::SeqCst))
    }

    /// Ends the stack, on every shard: whoever waits gets an error, now and from every later call.
    pub(crate) fn end_all(&self, why: &StackEnded) {
        self.lock().end(why.clone());
        // One lock after the other, never one inside the other.
        self.siblings().for_each(|sibling| sibling.lock().end(why.clone()));
    }

    pub(crate) fn count_send_error(&self) {
        self.send_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn send_errors(&self) -> u64 {
        self.send_errors.load(Ordering::Relaxed)
    }

    /// The driver must look.
    fn nudge(&self) {
        self.lock().output_due();
    }
}

/// A counted reference to a stack, held by everything an application can hold.
#[derive(Debug)]
pub(crate) struct Handle(Arc<Shared>);

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Deref for Handle {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.0.handles.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_abandoned() {
            self.0.nudge();
            self.0.siblings().for_each(|sibling| sibling.nudge());
        }
    }
}

/// The lock, held. Letting go of it carries out the wake-ups that were asked for meanwhile.
pub(crate) struct Locked<'a> {
    guard: Option<MutexGuard<'a, Core>>,
}

impl Deref for Locked<'_> {
    type Target = Core;
    fn deref(&self) -> &Core {
        self.guard.as_ref().expect("the guard is there until the drop")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        self.guard.as_mut().expect("the guard is there until the drop")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut core) = self.guard.take() else { return };
        let pump = core.pump_due.take();
        if core.wakes.is_empty() && core.spent.is_empty() {
            // Nearly always: most calls of an application wake nobody but the pump, if that.
            drop(core);
            pump.into_iter().for_each(Waker::wake);
            return;
        }
        let wakes = std::mem::take(&mut core.wakes);
        let spent = std::mem::take(&mut core.spent);
        drop(core);
        drop(spent);
        wakes.into_iter().chain(pump).for_each(Waker::wake);
    }
}

/// Who moves the frames of this host.
#[derive(Debug, Default)]
pub(crate) enum Pump {
    /// A [`Driver`](crate::Driver) that has not been polled yet.
    #[default]
    NotYet,
    /// A [`Driver`](crate::Driver), woken by this.
    Driver(Waker),
    /// An [`Embedded`](crate::embed::Embedded), told by this.
    Embedded(Waker),
}

impl Pump {
    fn waker(&self) -> Option<&Waker> {
        match self {
            Self::NotYet => None,
            Self::Driver(waker) | Self::Embedded(waker) => Some(waker),
        }
    }

    fn into_waker(self) -> Option<Waker> {
        match self {
            Self::NotYet => None,
            Self::Driver(waker) | Self::Embedded(waker) => Some(waker),
        }
    }
}

/// Who waits for what on one connection that the application holds, or whose end it awaits.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) read: Option<Waker>,
    pub(crate) write: Option<Waker>,
    /// Waits for the connection to open, to get into trouble or to end.
    pub(crate) milestone: Option<Waker>,
    pub(crate) connected: bool,
    /// What was told last and nobody has taken.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) ended: Option<CloseReason>,
}

impl Slot {
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Waker> + use<> {
        [self.read.take(), self.write.take(), self.milestone.take()].into_iter().flatten()
    }
}

/// Sets a waker slot, without a clone where the waker is the same, and returns the one that it replaces.
#[must_use]
pub(crate) fn set_waker(slot: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match slot {
        Some(old) if old.will_wake(waker) => None,
        _ => slot.replace(waker.clone()),
    }
}

/// What is under the lock.
pub(crate) struct Core {
    pub(crate) host: Host,
    clock: Clock,
    latest: Instant,
    pub(crate) slots: HashMap<ConnectionId, Slot, BuildHasherDefault<IdHasher>>,
    pub(crate) listeners: BTreeMap<ListenerId, WaitQueue>,
    pub(crate) datagrams: BTreeMap<UdpId, WaitQueue>,
    /// Who waits for room in the send queue of UDP.
    pub(crate) datagram_room: WaitQueue,
    pub(crate) shutdown: Option<Shutdown>,
    ended: Option<StackEnded>,
    pub(crate) pump: Pump,
    /// An application made output due since the pump last looked.
    dirty: bool,
    /// The pump, to be woken with the release of the lock.
    pump_due: Option<Waker>,
    /// Everybody else to be woken then.
    pub(crate) wakes: Vec<Waker>,
    /// Wakers to be dropped then: the last waker of a task may drop its future, and with it a stream, which locks.
    pub(crate) spent: Vec<Waker>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("clock", &self.clock).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn new(host: Host, clock: Clock, pump: Pump) -> Self {
        Self {
            host,
            clock,
            latest: Instant::ZERO,
            slots: HashMap::default(),
            listeners: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            datagram_room: WaitQueue::default(),
            shutdown: None,
            ended: None,
            pump,
            dirty: false,
            pump_due: None,
            wakes: Vec::new(),
            spent: Vec::new(),
        }
    }

    /// The present instant; never goes back.
    pub(crate) fn now(&mut self) -> Instant {
        self.latest = self.latest.max(self.clock.now());
        self.latest
    }

    /// The instant of the latest call that had one, without asking the clock: for reading and writing, which start no
    /// timer. What they make due is sent at the pump's own instant.
    pub(crate) const fn latest(&self) -> Instant {
        self.latest
    }

    /// An error once the stack has ended or is being shut down.
    pub(crate) fn check_alive(&self) -> Result<(), StackEnded> {
        self.check_running()?;
        self.check_readable()
    }

    /// An error once the stack has ended: nobody would ever wake who waits.
    pub(crate) fn check_running(&self) -> Result<(), StackEnded> {
        self.ended.clone().map_or(Ok(()), Err)
    }

    /// An error once the stack is being shut down. When it ended in another way, what had been received before can
    /// still be read.
    pub(crate) fn check_readable(&self) -> Result<(), StackEnded> {
        if self.shutdown.is_some() { Err(StackEnded::in_order()) } else { Ok(()) }
    }

    /// Whether the stack has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// The application did something that may have made output due: the pump must look.
    pub(crate) fn output_due(&mut self) {
        if !self.dirty {
            self.dirty = true;
            self.pump_due = self.pump.waker().cloned();
        }
    }

    /// The application read: mostly nothing is due, and then nobody is woken.
    pub(crate) fn after_read(&mut self) {
        if self.host.has_work() {
            self.output_due();
        }
    }

    /// The pump looks now.
    pub(crate) fn pump_looks(&mut self) {
        self.dirty = false;
    }

    /// A driver registers how to wake it.
    pub(crate) fn set_driver(&mut self, waker: &Waker) {
        if !self.pump.waker().is_some_and(|old| old.will_wake(waker)) {
            let old = std::mem::replace(&mut self.pump, Pump::Driver(waker.clone()));
            self.spent.extend(old.into_waker());
        }
    }

    /// A connection comes into the hands of the application.
    pub(crate) fn adopt(&mut self, id: ConnectionId) {
        // It may have ended while it waited for `accept`.
        let ended = self.host.ended(id);
        self.slots.insert(id, Slot { ended, ..Slot::default() });
    }

    /// A connection leaves the hands of the application.
    pub(crate) fn release(&mut self, id: ConnectionId) {
        if let Some(mut slot) = self.slots.remove(&id) {
            self.spent.extend(slot.take_all());
        }
    }

    /// Who waits for room in the send queue of UDP looks again.
    pub(crate) fn wake_datagram_room(&mut self) {
        self.wakes.extend(self.datagram_room.drain());
    }

    /// Moves what the host has to tell to those who wait for it.
    pub(crate) fn dispatch_events(&mut self) {
        while let Some(event) = self.host.poll_event() {
            self.handle_event(event);
        }
    }

    pub(crate) fn handle_event(&mut self, event: Event) {
        match event {
            Event::Incoming(id) => self.wakes.extend(self.listeners.get_mut(&id).and_then(WaitQueue::next)),
            Event::Datagram(id) => self.wakes.extend(self.datagrams.get_mut(&id).and_then(WaitQueue::next)),
            Event::Connected(id) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.connected = true;
                    slot.trouble = None; // that of the handshake is over
                    self.wakes.extend(slot.milestone.take());
                }
            }
            Event::Readable(id) => {
                self.wakes.extend(self.slots.get_mut(&id).and_then(|slot| slot.read.take()));
                self.discard_in_shutdown(id);
            }
            Event::Writable(id) => {
                self.wakes.extend(self.slots.get_mut(&id).and_then(|slot| slot.write.take()));
            }
            Event::Trouble(id, trouble) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.trouble = Some(trouble);
                    self.wakes.extend(slot.milestone.take());
                }
            }
            Event::Closed(id, reason) => self.connection_ended(id, reason),
            _ => {}
        }
    }

    fn connection_ended(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.ended = Some(reason);
            self.wakes.extend(slot.take_all());
        }
        self.count_in_shutdown(id, reason);
    }

    /// Ends the stack: whoever waits gets an error, now and from every later call.
    pub(crate) fn end(&mut self, why: StackEnded) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(why);
        let core = &mut *self;
        core.wakes.extend(core.slots.values_mut().flat_map(Slot::take_all));
        core.wakes.extend(core.listeners.values_mut().flat_map(WaitQueue::drain));
        core.wakes.extend(core.datagrams.values_mut().flat_map(WaitQueue::drain));
        core.wakes.extend(core.datagram_room.drain());
        core.wakes.extend(core.shutdown.as_mut().and_then(Shutdown::take_waiter));
        match std::mem::take(&mut core.pump) {
            // The drivers of other shards find out that it is over.
            Pump::Driver(waker) => core.wakes.push(waker),
            pump => core.spent.extend(pump.into_waker()),
        }
    }
}

/// Spreads ids, which are small numbers of our own making: no defence against chosen keys is needed, and the order
/// must be the same in every run.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, part: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
