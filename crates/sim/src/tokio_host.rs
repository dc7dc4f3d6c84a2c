//! Unmodified tokio programs on simulated hosts.
//!
//! One current-thread runtime with paused time runs the tasks of all hosts. The loop in [`drive`] alternates with
//! them: only when every task waits does it take one event of the simulation.
//!
//! Two clocks run beside each other. Tokio's stands on whole milliseconds, the grain of its timers, and is moved by
//! tokio itself when nothing else can run. Ours has nanoseconds and is what the hosts see. An event is taken once
//! tokio's clock has reached the millisecond it lies in; ours then jumps to its nanosecond. So the timers of
//! applications are exact to the millisecond and the wire to the nanosecond. Tokio's clock is never advanced by
//! hand: a fraction of a millisecond there would upset its timers.

use crate::node::Node;
use crate::sim::{Failure, HostId, Sim, Why, host_id};
use linger::Net;
use linger_proto::Instant;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of a run and what they run on.
#[derive(Default)]
pub(crate) struct Tasks {
    /// Nanoseconds: the clock of every embedded host.
    clock: Arc<AtomicU64>,
    idle: Arc<Idle>,
    dirty: Arc<Dirty>,
    /// Tasks that have not begun.
    new: Vec<Task>,
    begun: Vec<JoinHandle<()>>,
    world: Option<World>,
}

/// Made at the first run, kept for the next.
struct World {
    runtime: Runtime,
    local: LocalSet,
    /// Virtual time zero.
    epoch: tokio::time::Instant,
}

/// Tells the loop that every task waits.
#[derive(Default)]
struct Idle {
    wanted: AtomicBool,
    notify: Notify,
}

impl Idle {
    /// The runtime has nothing to run.
    fn reached(&self) {
        if self.wanted.swap(false, Ordering::Relaxed) {
            self.notify.notify_one();
        }
    }

    async fn wait(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.notify.notified().await;
    }
}

/// Tells the loop that an application did something to its host.
#[derive(Default)]
struct Dirty(Notify);

impl Wake for Dirty {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl Tasks {
    pub(crate) fn set_clock(&self, at: Instant) {
        self.clock.fetch_max(at.as_nanos(), Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn waker(&self) -> Waker {
        Arc::clone(&self.dirty).into()
    }
}

impl World {
    fn new(clock: &Arc<AtomicU64>, idle: &Arc<Idle>) -> std::io::Result<Self> {
        let (clock, parked) = (Arc::clone(clock), Arc::clone(idle));
        let epoch = Arc::new(std::sync::OnceLock::<tokio::time::Instant>::new());
        let zero = Arc::clone(&epoch);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || parked.reached())
            // Tokio may have moved its clock for a timer of an application: what that does must not lie in the past.
            .on_thread_unpark(move || {
                if let Some(zero) = zero.get() {
                    let elapsed = tokio::time::Instant::now().saturating_duration_since(*zero);
                    clock.fetch_max((Instant::ZERO + elapsed).as_nanos(), Ordering::Relaxed);
                }
            })
            .build()?;
        let now = runtime.block_on(async { tokio::time::Instant::now() });
        let epoch = *epoch.get_or_init(|| now);
        Ok(Self { runtime, local: LocalSet::new(), epoch })
    }
}

impl Sim {
    /// Runs a task on a host, over the async stack. It begins at the next `run_*`, at the virtual time of then.
    ///
    /// The task may use `tokio::spawn` and `tokio::time`; a run stays the same only if it keeps away from
    /// `spawn_blocking` (and with it `tokio::fs`), from the machine's clock, from `HashMap`'s order, and from
    /// `tokio::select!` without `biased`. A host with tasks takes no [`App`](crate::App).
    ///
    /// # Panics
    /// When the host has an `App`.
    pub fn spawn<Fut>(&mut self, on: HostId, task: impl FnOnce(Net) -> Fut + 'static)
    where
        Fut: Future<Output = ()> + 'static,
    {
        let (clock, waker) = (self.tasks.clock(), self.tasks.waker());
        let net = self.nodes()[on.index()].embed(clock, waker);
        self.tasks.new.push(Box::pin(async move { task(net).await }));
    }

    /// Runs tasks and events up to `until`.
    pub(crate) fn run_tasks(&mut self, until: Instant) -> Result<(), Failure> {
        if self.tasks.new.is_empty() && self.tasks.begun.is_empty() {
            return Ok(());
        }
        let world = match self.tasks.world.take() {
            Some(world) => world,
            None => World::new(&self.tasks.clock, &self.tasks.idle)
                .map_err(|error| self.failure(Why::Panicked(error.to_string())))?,
        };
        for task in std::mem::take(&mut self.tasks.new) {
            self.tasks.begun.push(world.local.spawn_local(task));
        }
        let result = world.runtime.block_on(world.local.run_until(drive(self, world.epoch, until)));
        let panicked = world.runtime.block_on(self.panicked());
        self.tasks.world = Some(world);
        result?;
        panicked.map_or(Ok(()), |what| Err(self.failure(Why::Panicked(what))))
    }

    /// What the first task that panicked said.
    async fn panicked(&mut self) -> Option<String> {
        let mut first = None;
        for index in (0..self.tasks.begun.len()).rev() {
            if !self.tasks.begun[index].is_finished() {
                continue;
            }
            if let Err(error) = self.tasks.begun.remove(index).await {
                first = Some(error.to_string());
            }
        }
        first
    }

    /// Takes up what tasks did to their hosts; whether a task may have to run again because of it.
    fn settle_all(&mut self) -> bool {
        let before = self.tasks_told();
        for index in 0..self.nodes().len() {
            if self.nodes()[index].is_embedded() {
                self.settle(host_id(index));
            }
        }
        before != self.tasks_told()
    }

    fn tasks_told(&mut self) -> u64 {
        self.nodes().iter().map(Node::told).sum()
    }
}

/// Takes events and lets tasks run, in turn, until `until`.
async fn drive(sim: &mut Sim, epoch: tokio::time::Instant, until: Instant) -> Result<(), Failure> {
    let idle = Arc::clone(&sim.tasks.idle);
    let dirty = Arc::clone(&sim.tasks.dirty);
    loop {
        idle.wait().await;
        let elapsed = Instant::ZERO + tokio::time::Instant::now().saturating_duration_since(epoch);
        sim.set_now(elapsed.min(until));
        if sim.settle_all() {
            continue;
        }
        let next = sim.next_at().filter(|at| *at <= until);
        if next.is_some_and(|at| at.as_millis() <= elapsed.as_millis()) {
            sim.step()?;
            continue;
        }
        if next.is_none() && elapsed >= until {
            return Ok(());
        }
        let wake_at = match next {
            Some(at) => epoch + Duration::from_millis(at.as_millis()),
            None => epoch + until.since(Instant::ZERO),
        };
        tokio::select! {
            biased;
            () = dirty.0.notified() => {}
            () = tokio::time::sleep_until(wake_at) => {}
        }
    }
}
