//! The orderly end of a whole stack: `Net::shutdown`.
//!
//! Every connection gets its FIN after what was written, and stays in the hands of the stack (text that still comes
//! is thrown away, so that the peer's FIN can follow it) until it has ended or the deadline has come. Only then does
//! the driver end. The connections are not simply let go of, because an orphan answers text that still comes by RST.

use crate::error::StackEnded;
use crate::shared::{Core, Handle, Pump, Slot, set_waker};
use linger_proto::{CloseReason, ConnectionId, State};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What [`Net::shutdown`](crate::Net::shutdown) left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that closed in order before the deadline.
    pub closed: u64,
    /// Connections that ended before the deadline in another way: reset by the peer, timed out.
    pub failed: u64,
    /// Connections that this side reset: those not yet open at the beginning, and those not yet closed at the deadline.
    pub aborted: u64,
    /// Connections that the application had let go of before, and that this side reset because they had not ended at the
    /// deadline.
    pub orphans: u64,
    /// TIME-WAITs that are given up before their time is over.
    pub time_wait: u64,
}

/// A shutdown that has begun.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    /// Connections that have not ended.
    open: BTreeSet<ConnectionId>,
    report: ShutdownReport,
    waiter: Option<Waker>,
    /// Nothing more is awaited: the driver sends what is due and ends.
    finishing: bool,
}

impl Shutdown {
    pub(crate) fn take_waiter(&mut self) -> Option<Waker> {
        self.waiter.take()
    }
}

impl Core {
    /// Stops listening, closes every connection, wakes whoever waits for anything.
    fn begin_shutdown(&mut self) {
        let now = self.now();
        let mut shutdown = Shutdown::default();
        for (id, mut queue) in std::mem::take(&mut self.listeners) {
            self.host.unlisten(now, id);
            self.wakes.extend(queue.drain());
        }
        for (id, mut queue) in std::mem::take(&mut self.datagrams) {
            self.host.udp_close(id);
            self.wakes.extend(queue.drain());
        }
        self.wakes.extend(self.datagram_room.drain());
        self.dispatch_events();
        for connection in self.host.snapshot(now).connections {
            let Some(id) = connection.id else { continue };
            if connection.state == State::SynSent {
                shutdown.report.aborted += u64::from(self.abort(id));
                continue;
            }
            if self.host.ended(id).is_none() {
                shutdown.open.insert(id);
            }
        }
        // `close` goes on waiting; everybody else finds out that there is nothing to wait for.
        self.wakes.extend(self.slots.values_mut().flat_map(Slot::take_all));
        let open: Vec<_> = shutdown.open.iter().copied().collect();
        self.shutdown = Some(shutdown);
        for id in open {
            if let Some(mut stream) = self.host.stream(id) {
                // Refused only where our half is closed already.
                let _ = stream.shutdown(now);
            }
            self.discard_in_shutdown(id);
        }
        self.output_due();
    }

    fn abort(&mut self, id: ConnectionId) -> bool {
        let now = self.now();
        self.output_due();
        self.host.stream(id).map(|stream| stream.abort(now)).is_some()
    }

    /// Throws away what came after the shutdown began.
    pub(crate) fn discard_in_shutdown(&mut self, id: ConnectionId) {
        if !self.shutdown.as_ref().is_some_and(|shutdown| shutdown.open.contains(&id)) {
            return;
        }
        let now = self.now();
        let Some(mut stream) = self.host.stream(id) else { return };
        while let Ok(Some(_)) = stream.read_chunk(now, usize::MAX) {}
        self.output_due();
    }

    /// A connection that the shutdown waits for has ended.
    pub(crate) fn count_in_shutdown(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(shutdown) = &mut self.shutdown else { return };
        if !shutdown.open.remove(&id) {
            return;
        }
        match reason {
            CloseReason::Graceful => shutdown.report.closed += 1,
            CloseReason::Aborted => shutdown.report.aborted += 1,
            _ => shutdown.report.failed += 1,
        }
        if shutdown.open.is_empty() {
            self.wakes.extend(shutdown.waiter.take());
        }
        let now = self.now();
        if let Some(stream) = self.host.stream(id) {
            stream.close(now);
        }
    }

    /// Whether the shutdown, not the stream that is dropped, lets go of this connection.
    pub(crate) fn is_kept_by_shutdown(&self, id: ConnectionId) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| !shutdown.finishing && shutdown.open.contains(&id))
    }

    /// Waits until every connection that the shutdown waits for has ended.
    fn poll_all_ended(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &self.shutdown {
            Some(shutdown) if !shutdown.open.is_empty() => self.poll_ended(cx),
            _ => Poll::Ready(()),
        }
    }

    /// Waits until the driver has ended.
    fn poll_ended(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(shutdown) = &mut self.shutdown else { return Poll::Ready(()) };
        self.spent.extend(set_waker(&mut shutdown.waiter, cx.waker()));
        if self.has_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Resets what is still open and lets the driver end.
    fn finish_shutdown(&mut self) -> ShutdownReport {
        let now = self.now();
        let (open, mut report) = match &mut self.shutdown {
            Some(shutdown) => {
                shutdown.finishing = true;
                (std::mem::take(&mut shutdown.open), shutdown.report)
            }
            None => (BTreeSet::new(), ShutdownReport::default()),
        };
        for id in open {
            if self.abort(id) {
                report.aborted += 1;
            } else {
                report.orphans += u64::from(self.host.abort_orphan(now, id));
            }
        }
        // One whose time is over may still be in the table until the next timeout: nothing is given up with it.
        let left = self.host.snapshot(now).time_wait.iter().filter(|one| !one.remaining.is_zero()).count();
        report.time_wait = u64::try_from(left).unwrap_or(u64::MAX);
        if let Pump::Embedded(_) = self.pump {
            self.output_due();
            self.end(StackEnded::in_order());
        }
        self.output_due();
        report
    }

    /// Whether a shutdown awaits nothing but the last transmissions.
    pub(crate) fn is_finishing(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| shutdown.finishing)
    }
}

/// Finishes the shutdown even if nobody waits for its report.
struct FinishOnDrop<'a> {
    shards: &'a [Handle],
    done: bool,
}

impl FinishOnDrop<'_> {
    fn finish(&mut self) -> ShutdownReport {
        self.done = true;
        let mut all = ShutdownReport::default();
        for shard in self.shards {
            let ShutdownReport { closed, failed, aborted, orphans, time_wait } =
                shard.lock().finish_shutdown();
            all.closed += closed;
            all.failed += failed;
            all.aborted += aborted;
            all.orphans += orphans;
            all.time_wait += time_wait;
        }
        all
    }
}

impl Drop for FinishOnDrop<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.finish();
        }
    }
}

/// See [`Net::shutdown`](crate::Net::shutdown). All shards begin before any of them is waited for, and none ends before
/// all of them may: until then they hand each other frames.
pub(crate) async fn shutdown(shards: &[Handle], deadline: Duration) -> ShutdownReport {
    for shard in shards {
        let mut core = shard.lock();
        if core.check_alive().is_err() {
            return ShutdownReport::default();
        }
        core.begin_shutdown();
    }
    let mut finish = FinishOnDrop { shards, done: false };
    let all_ended = async {
        for shard in shards {
            poll_fn(|cx| shard.lock().poll_all_ended(cx)).await;
        }
    };
    // Past the deadline the rest is reset, which is what `finish_shutdown` does either way.
    let _ = tokio::time::timeout(deadline, all_ended).await;
    let report = finish.finish();
    for shard in shards {
        poll_fn(|cx| shard.lock().poll_ended(cx)).await;
    }
    report
}
