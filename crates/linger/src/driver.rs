//! [`Driver`]: the one future that moves frames between a host and its devices.
//!
//! One round: take what the devices have, give it to the host; run its timers; send what is due; wake the tasks that
//! wait for what happened. Rounds go on while there is anything to do (up to a bound, so that other tasks get their
//! turn), then the driver sleeps until a device, an application or the host's next timeout wakes it. There is no
//! poll loop: an idle stack does nothing at all.
//!
//! A device without room is waited for with its frame in hand, and the frames behind it wait too, those of other
//! interfaces included.

use crate::clock::far_future;
use crate::error::StackEnded;
use crate::shared::{Locked, Shared};
use linger_device::Device;
use linger_proto::{Frame, Instant, InterfaceId, TraceEvent, Transmit};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Sleep;

/// Who is told of every trace event.
pub(crate) type Observer = Box<dyn FnMut(&TraceEvent) + Send>;

/// Rounds before other tasks get their turn.
const ROUNDS_PER_TURN: u32 = 16;
/// Frames sent before the devices are asked again: acknowledgments should not wait behind a whole window.
const SENDS_PER_ROUND: u32 = 64;
/// How long the last frames of a shutdown may wait for a device that has no room.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// How often a stack that nobody holds any more is asked whether it still has anything to do.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A device and the interface that it serves.
pub(crate) struct Port {
    device: Box<dyn Device>,
    interface: InterfaceId,
    /// No frame will ever come again.
    closed: bool,
}

impl Port {
    pub(crate) fn new(device: Box<dyn Device>, interface: InterfaceId) -> Self {
        Self { device, interface, closed: false }
    }

    pub(crate) fn wants_trace(&self) -> bool {
        self.device.wants_trace()
    }
}

/// The future that drives a stack. Whoever builds it polls it, usually by `tokio::spawn`; dropping it ends the stack,
/// and every call on its handles then gives an error.
///
/// It completes after [`Net::shutdown`](crate::Net::shutdown); when every handle is gone and the host holds nothing
/// any more; when every device has ended; with an error when a device fails.
pub struct Driver {
    shared: Arc<Shared>,
    ports: Vec<Port>,
    observer: Option<Observer>,
    /// Reused for every batch of received frames.
    batch: Vec<Frame>,
    /// Reused for every frame to send; a frame that found no room stays in it.
    out: Transmit,
    /// Whether `out` holds a frame that waits for room.
    waits_for_room: bool,
    traces: Vec<TraceEvent>,
    wakes: Vec<Waker>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// What `sleep` is set to.
    armed: Option<Instant>,
    /// When the last frames of a shutdown are given up.
    flush_until: Option<Instant>,
    /// With every handle gone: when to see whether anything is left to do.
    look_again: Option<Instant>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("shared", &self.shared)
            .field("armed", &self.armed)
            .finish_non_exhaustive()
    }
}

/// What a round was worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There may be more to do at once.
    Busy,
    /// Nothing to do until something happens.
    Idle,
    /// Nothing to do ever again.
    Over,
}

/// How far the sending got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    All,
    UpToTheBudget,
    UntilNoRoom,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, ports: Vec<Port>, observer: Option<Observer>) -> Self {
        Self {
            shared,
            ports,
            observer,
            batch: Vec::new(),
            out: Transmit::default(),
            waits_for_room: false,
            traces: Vec::new(),
            wakes: Vec::new(),
            sleep: None,
            armed: None,
            flush_until: None,
            look_again: None,
        }
    }

    fn round(&mut self, cx: &mut Context<'_>) -> io::Result<Round> {
        let received = self.receive(cx)?;
        self.run_timers();
        let sent = self.transmit(cx);
        self.dispatch();
        if self.is_over(sent) {
            return Ok(Round::Over);
        }
        Ok(if received || sent == Sent::UpToTheBudget { Round::Busy } else { Round::Idle })
    }

    /// Takes one batch from each device. All of a batch is processed before anything leaves.
    fn receive(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut any = false;
        for index in 0..self.ports.len() {
            let port = &mut self.ports[index];
            if port.closed {
                continue;
            }
            match port.device.poll_recv(cx, &mut self.batch) {
                Poll::Pending => continue,
                Poll::Ready(Ok(0)) => port.closed = true,
                Poll::Ready(Ok(_)) => {
                    let interface = port.interface;
                    let mut core = self.shared.lock();
                    let now = core.now();
                    core.host.handle_frames(now, interface, &mut self.batch.drain(..));
                    take_traces(&mut core, &mut self.traces);
                    drop(core);
                    self.tell_traces(index);
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
            any = true;
        }
        Ok(any)
    }

    fn run_timers(&mut self) {
        let mut core = self.shared.lock();
        let now = core.now();
        if core.host.poll_timeout().is_some_and(|due| due <= now) {
            core.host.handle_timeout(now);
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Sent {
        for _ in 0..SENDS_PER_ROUND {
            if !self.waits_for_room && !self.next_transmit() {
                return Sent::All;
            }
            let sent = match self.ports.get_mut(self.out.interface.index()) {
                Some(port) if !port.closed => port.device.poll_send(cx, &self.out),
                _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
            self.waits_for_room = sent.is_pending();
            match sent {
                Poll::Pending => return Sent::UntilNoRoom,
                Poll::Ready(Ok(())) => {}
                // A frame that the device refuses is a lost frame: whoever needs it sends it again.
                Poll::Ready(Err(_)) => self.shared.lock().send_errors += 1,
            }
            self.out.clear();
        }
        Sent::UpToTheBudget
    }

    /// Takes the next frame from the host into `out`.
    fn next_transmit(&mut self) -> bool {
        let mut core = self.shared.lock();
        let now = core.now();
        let any = core.host.poll_transmit(now, &mut self.out);
        take_traces(&mut core, &mut self.traces);
        drop(core);
        self.tell_traces(self.out.interface.index());
        any
    }

    /// Tells the observer everything, and the device at `port` about its own frames.
    fn tell_traces(&mut self, port: usize) {
        for event in self.traces.drain(..) {
            if let Some(observer) = &mut self.observer {
                observer(&event);
            }
            let device = self.ports.get_mut(port).map(|port| &mut port.device);
            if let Some(device) = device.filter(|device| device.wants_trace()) {
                device.handle_trace(&event);
            }
        }
    }

    /// Wakes the tasks that wait for what happened.
    fn dispatch(&mut self) {
        let mut core = self.shared.lock();
        core.dispatch_events();
        let inner = &mut *core;
        if !self.waits_for_room {
            inner.wakes.extend(inner.datagram_room.drain());
        }
        std::mem::swap(&mut inner.wakes, &mut self.wakes);
        drop(core);
        self.wakes.drain(..).for_each(Waker::wake);
    }

    fn is_over(&mut self, sent: Sent) -> bool {
        if !self.ports.is_empty() && self.ports.iter().all(|port| port.closed) {
            return true;
        }
        let mut core = self.shared.lock();
        let now = core.now();
        if core.is_finishing() {
            let until = *self.flush_until.get_or_insert(now + FLUSH_LIMIT);
            return sent == Sent::All || now >= until;
        }
        // Looking is dear where there are many TIME-WAITs, so not at every turn.
        if !self.shared.is_abandoned() || self.look_again.is_some_and(|at| now < at) {
            return false;
        }
        self.look_again = Some(now + LOOK_AGAIN);
        sent == Sent::All && is_empty(&core.host.snapshot(now))
    }

    /// Sleeps until the host's next timeout. `Ready` when it has come.
    fn poll_sleep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let core = self.shared.lock();
        let due = [core.host.poll_timeout(), self.flush_until, self.look_again].into_iter().flatten().min();
        if due != self.armed {
            let wake_at = due.map_or_else(far_future, |due| core.clock().wake_at(due));
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(wake_at),
                None => self.sleep = Some(Box::pin(tokio::time::sleep_until(wake_at))),
            }
            self.armed = due;
        }
        drop(core);
        let Some(sleep) = self.sleep.as_mut().filter(|_| due.is_some()) else { return Poll::Pending };
        sleep.as_mut().poll(cx).map(|()| self.armed = None)
    }
}

impl Future for Driver {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let driver = self.get_mut();
        {
            let mut core = driver.shared.lock();
            if core.has_ended() {
                return Poll::Ready(Ok(()));
            }
            core.set_driver(cx.waker());
            core.pump_looks();
        }
        for _ in 0..ROUNDS_PER_TURN {
            match driver.round(cx) {
                Ok(Round::Busy) => {}
                Ok(Round::Idle) => {
                    if driver.poll_sleep(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Ok(Round::Over) => {
                    driver.shared.lock().end(StackEnded::in_order());
                    return Poll::Ready(Ok(()));
                }
                Err(error) => {
                    driver.shared.lock().end(StackEnded::because(&error));
                    return Poll::Ready(Err(error));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.lock().end(StackEnded::in_order());
    }
}

fn take_traces(core: &mut Locked<'_>, into: &mut Vec<TraceEvent>) {
    while let Some(event) = core.host.poll_trace() {
        into.push(event);
    }
}

fn is_empty(snapshot: &linger_proto::Snapshot) -> bool {
    snapshot.connections.is_empty() && snapshot.time_wait.is_empty()
}
