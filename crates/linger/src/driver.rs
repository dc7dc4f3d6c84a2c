//! [`Driver`]: the one future that moves frames between a host and its devices.
//!
//! One round: take what the devices and the other shards have; then, under the lock and with one reading of the clock,
//! give it to the host, run its timers, take the frames that are due, and find out who waits for what happened; then,
//! without the lock, wake those tasks and send those frames. Rounds go on while there is anything to do (up to a bound,
//! so that other tasks get their turn), then the driver sleeps until a device, another shard, an application or the
//! host's next timeout wakes it. There is no poll loop: an idle stack does nothing at all.
//!
//! A device without room is waited for with its frame in hand, and the frames behind it wait too, those of other
//! interfaces included.
//!
//! | file | what is in it |
//! |---|---|
//! | `alarm` | sleeping until the host's next timeout |
//! | `neighbours` | frames handed over to and from the drivers of other shards |

mod alarm;
mod neighbours;

pub(crate) use neighbours::Neighbours;

use crate::clock::Clock;
use crate::error::StackEnded;
use crate::shared::{Core, Shared};
use alarm::Alarm;
use linger_device::Device;
use linger_proto::{Frame, Instant, InterfaceId, TraceEvent, Transmit};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Who is told of every trace event.
pub(crate) type Observer = Box<dyn FnMut(&TraceEvent) + Send>;

/// Rounds before other tasks get their turn.
const ROUNDS_PER_TURN: u32 = 16;
/// Frames sent before the devices are asked again: acknowledgments should not wait behind a whole window.
const SENDS_PER_ROUND: usize = 64;
/// How long the last frames of a shutdown may wait for a device that has no room.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// How often a stack that nobody holds any more is asked whether it still has anything to do.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A device and the interface that it serves.
pub(crate) struct Port {
    device: Box<dyn Device>,
    interface: InterfaceId,
    /// Reused for every batch of received frames.
    batch: Vec<Frame>,
    /// No frame will ever come again.
    closed: bool,
}

impl Port {
    pub(crate) fn new(device: Box<dyn Device>, interface: InterfaceId) -> Self {
        Self { device, interface, batch: Vec::new(), closed: false }
    }

    pub(crate) fn wants_trace(&self) -> bool {
        self.device.wants_trace()
    }
}

/// The future that drives a stack, or one shard of it. Whoever builds it polls it, usually by `tokio::spawn`; dropping
/// it ends the stack, and every call on its handles then gives an error.
///
/// It completes after [`Net::shutdown`](crate::Net::shutdown); when every handle is gone and the host holds nothing
/// any more; when every device has ended; with an error when a device fails. The drivers of several shards end
/// together.
pub struct Driver {
    shared: Arc<Shared>,
    ports: Vec<Port>,
    /// The drivers of the other shards, where there are any.
    neighbours: Option<Box<Neighbours>>,
    observer: Option<Observer>,
    out: Outgoing,
    /// What the host said about frames, with the port of each.
    traces: Vec<(usize, TraceEvent)>,
    wakes: Vec<Waker>,
    clock: Clock,
    alarm: Alarm,
    /// The host's next timeout, as of the last round.
    due: Option<Instant>,
    /// When the last frames of a shutdown are given up.
    flush_until: Option<Instant>,
    /// With every handle gone: when to see whether anything is left to do.
    look_again: Option<Instant>,
    /// This driver has completed. One that is dropped before ends all shards.
    over: bool,
}

/// Frames on their way to the devices, each in a buffer that is used again.
#[derive(Default)]
struct Outgoing {
    frames: Vec<Transmit>,
    /// Those before this one are sent.
    sent: usize,
    /// Those from here on are empty.
    filled: usize,
    /// Whether the host had no more.
    all: bool,
    /// Whether a device had no room: the frame at `sent` waits for it.
    stuck: bool,
}

impl Outgoing {
    /// Nothing waits, neither here nor in the host.
    fn is_done(&self) -> bool {
        self.all && self.sent == self.filled
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("shared", &self.shared).field("due", &self.due).finish_non_exhaustive()
    }
}

/// What a round was worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There may be more to do at once.
    Busy,
    /// Nothing to do until something happens.
    Idle,
    /// Nothing to do ever again, on this shard.
    Over,
    /// Nothing that could be done, on any shard: there is no device any more.
    OverEverywhere,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        ports: Vec<Port>,
        neighbours: Option<Box<Neighbours>>,
        observer: Option<Observer>,
        clock: Clock,
    ) -> Self {
        Self {
            shared,
            ports,
            neighbours,
            observer,
            out: Outgoing::default(),
            traces: Vec::new(),
            wakes: Vec::new(),
            clock,
            alarm: Alarm::default(),
            due: None,
            flush_until: None,
            look_again: None,
            over: false,
        }
    }

    fn round(&mut self, cx: &mut Context<'_>, first: bool) -> io::Result<Round> {
        let received = self.receive(cx)?;
        if !first && !received && self.out.is_done() {
            return Ok(Round::Idle); // whoever made something due meanwhile has woken this task
        }
        if self.out.sent < self.out.filled {
            self.send(cx);
        }
        let over = self.work(cx);
        self.wakes.drain(..).for_each(Waker::wake);
        self.tell_traces();
        self.send(cx);
        if over || self.is_left_behind() || self.is_flushed() {
            return Ok(Round::Over);
        }
        if self.ports_are_closed() && self.shared.all_are_cut_off() {
            return Ok(Round::OverEverywhere);
        }
        let more = received || (!self.out.all && !self.out.stuck);
        Ok(if more { Round::Busy } else { Round::Idle })
    }

    /// Takes one batch from each device and from the other shards.
    fn receive(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut any = false;
        for port in self.ports.iter_mut().filter(|port| !port.closed) {
            match port.device.poll_recv(cx, &mut port.batch) {
                Poll::Pending => continue,
                Poll::Ready(Ok(0)) => port.closed = true,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
            }
            any = true;
        }
        if let Some(neighbours) = &mut self.neighbours {
            any |= neighbours.receive(cx);
        }
        Ok(any)
    }

    /// What is done under the lock: all of a batch is processed before anything leaves. True: the stack has ended.
    fn work(&mut self, cx: &Context<'_>) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut core = shared.lock();
        if core.has_ended() {
            return true;
        }
        core.set_driver(cx.waker());
        core.pump_looks();
        let now = core.now();
        for index in 0..self.ports.len() {
            let port = &mut self.ports[index];
            if !port.batch.is_empty() {
                core.host.handle_frames(now, port.interface, &mut port.batch.drain(..));
                self.take_traces(&mut core, index);
            }
        }
        if let Some(neighbours) = &mut self.neighbours {
            neighbours.hand_in(&mut core.host, now);
            // No device here has seen these frames.
            self.take_traces(&mut core, usize::MAX);
        }
        if core.host.poll_timeout().is_some_and(|due| due <= now) {
            core.host.handle_timeout(now);
        }
        if let Some(neighbours) = &mut self.neighbours {
            neighbours.hand_over(&mut core.host);
        }
        self.fill(&mut core, now);
        // What happened without a frame: a timeout, a call of the application.
        self.take_traces(&mut core, usize::MAX);
        core.dispatch_events();
        if !self.out.stuck {
            core.wake_datagram_room();
        }
        std::mem::swap(&mut core.wakes, &mut self.wakes);
        self.due = core.host.poll_timeout();
        if core.is_finishing() && self.flush_until.is_none() {
            self.flush_until = Some(now + FLUSH_LIMIT);
        }
        self.look_whether_empty(&mut core, now);
        false
    }

    /// Takes frames from the host, as many as a round sends, unless the last ones still wait.
    fn fill(&mut self, core: &mut Core, now: Instant) {
        if self.out.sent < self.out.filled {
            return;
        }
        (self.out.sent, self.out.filled, self.out.all) = (0, 0, false);
        while self.out.filled < SENDS_PER_ROUND {
            if self.out.filled == self.out.frames.len() {
                self.out.frames.push(Transmit::default());
            }
            let frame = &mut self.out.frames[self.out.filled];
            if !core.host.poll_transmit(now, frame) {
                self.out.all = true;
                break;
            }
            let port = frame.interface.index();
            self.out.filled += 1;
            self.take_traces(core, port);
        }
    }

    /// Sends what was taken, until a device has no room.
    fn send(&mut self, cx: &mut Context<'_>) {
        self.out.stuck = false;
        while self.out.sent < self.out.filled {
            let frame = &mut self.out.frames[self.out.sent];
            let sent = match self.ports.get_mut(frame.interface.index()) {
                Some(port) if !port.closed => port.device.poll_send(cx, frame),
                _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
            match sent {
                Poll::Pending => {
                    self.out.stuck = true;
                    return;
                }
                Poll::Ready(Ok(())) => {}
                // A frame that the device refuses is a lost frame: whoever needs it sends it again.
                Poll::Ready(Err(_)) => self.shared.count_send_error(),
            }
            frame.clear(); // it must not hold text that is acknowledged meanwhile
            self.out.sent += 1;
        }
    }

    fn take_traces(&mut self, core: &mut Core, port: usize) {
        while let Some(event) = core.host.poll_trace() {
            self.traces.push((port, event));
        }
    }

    /// Tells the observer everything, and each device about its own frames.
    fn tell_traces(&mut self) {
        for (port, event) in self.traces.drain(..) {
            if let Some(observer) = &mut self.observer {
                observer(&event);
            }
            let device = self.ports.get_mut(port).map(|port| &mut port.device);
            if let Some(device) = device.filter(|device| device.wants_trace()) {
                device.handle_trace(&event);
            }
        }
    }

    fn ports_are_closed(&self) -> bool {
        !self.ports.is_empty() && self.ports.iter().all(|port| port.closed)
    }

    /// Whether a shutdown has sent its last frames, or given up on them.
    fn is_flushed(&self) -> bool {
        self.flush_until.is_some_and(|until| self.out.is_done() || self.clock.now() >= until)
    }

    /// Once nobody holds this stack any more: whether the host still has anything to do.
    fn look_whether_empty(&mut self, core: &mut Core, now: Instant) {
        // Looking is dear where there are many TIME-WAITs, so not at every turn.
        let looks = self.shared.is_abandoned() && self.look_again.is_none_or(|at| now >= at);
        if looks && !core.is_finishing() {
            self.look_again = Some(now + LOOK_AGAIN);
            let left = core.host.snapshot(now);
            self.shared.note_empty(left.connections.is_empty() && left.time_wait.is_empty());
        }
    }

    /// Whether nobody holds this stack any more and nothing is left to do for it, on this shard or any other.
    fn is_left_behind(&self) -> bool {
        self.look_again.is_some() && self.out.is_done() && self.shared.all_are_empty()
    }

    fn end_all(&mut self, why: &StackEnded) {
        self.over = true;
        self.shared.end_all(why);
    }

    /// Sleeps until the host's next timeout. `Ready` when it has come.
    fn poll_sleep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = [self.due, self.flush_until, self.look_again].into_iter().flatten().min();
        self.alarm.poll(cx, due, &self.clock)
    }
}

impl Future for Driver {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let driver = self.get_mut();
        let mut first = true;
        for _ in 0..ROUNDS_PER_TURN {
            match driver.round(cx, first) {
                Ok(Round::Busy) => first = false,
                Ok(Round::Idle) => {
                    if driver.poll_sleep(cx).is_pending() {
                        return Poll::Pending;
                    }
                    first = true;
                }
                Ok(Round::Over) => {
                    driver.over = true;
                    driver.shared.lock().end(StackEnded::in_order());
                    return Poll::Ready(Ok(()));
                }
                Ok(Round::OverEverywhere) => {
                    driver.end_all(&StackEnded::in_order());
                    return Poll::Ready(Ok(()));
                }
                Err(error) => {
                    driver.end_all(&StackEnded::because(&error));
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
        if !self.over {
            self.end_all(&StackEnded::in_order());
        }
    }
}
