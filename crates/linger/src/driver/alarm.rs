//! Sleeping until the host's next timeout.

use crate::clock::Clock;
use linger_proto::Instant;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::time::Sleep;

/// A timer of tokio's, set as seldom as can be: a deadline that moves on, as those of busy connections do with every
/// segment, leaves it as it is, and when it goes off too early it is set again. That costs one useless wake-up where
/// setting it each time would cost a lock of tokio's each time.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What `sleep` is set to, unless it has gone off.
    armed: Option<Instant>,
    /// Whom it wakes.
    waker: Option<Waker>,
}

impl Alarm {
    /// `Ready` when `due` has come; else wakes `cx` then or before.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, due: Option<Instant>, clock: &Clock) -> Poll<()> {
        let Some(due) = due else { return Poll::Pending };
        let gone_off = self.sleep.as_ref().is_none_or(|sleep| sleep.is_elapsed());
        let waits = self.armed.is_some_and(|armed| armed <= due) && !gone_off;
        if waits && self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        if !waits {
            let wake_at = clock.wake_at(due);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(wake_at),
                None => self.sleep = Some(Box::pin(tokio::time::sleep_until(wake_at))),
            }
            self.armed = Some(due);
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        if sleep.as_mut().poll(cx).is_ready() {
            (self.armed, self.waker) = (None, None);
            return Poll::Ready(());
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    fn after(clock: &Clock, millis: u64) -> Instant {
        clock.now() + Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_that_moves_on_wakes_early_once_and_then_on_time() {
        let (clock, mut alarm) = (Clock::tokio(), Alarm::default());
        let (first, second) = (after(&clock, 100), after(&clock, 300));
        let mut wakes = Vec::new();
        poll_fn(|cx| {
            wakes.push(clock.now());
            if wakes.len() == 1 {
                assert!(alarm.poll(cx, Some(first), &clock).is_pending());
            }
            alarm.poll(cx, Some(second), &clock)
        })
        .await;
        assert_eq!(wakes[1..], [first, second]);
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_that_moves_forward_is_kept() {
        let (clock, mut alarm) = (Clock::tokio(), Alarm::default());
        let (first, second) = (after(&clock, 300), after(&clock, 100));
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                assert!(alarm.poll(cx, Some(first), &clock).is_pending());
            }
            alarm.poll(cx, Some(second), &clock)
        })
        .await;
        assert_eq!((polls, clock.now()), (2, second));
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_in_the_past_is_ready_at_once_and_none_never() {
        let (clock, mut alarm) = (Clock::tokio(), Alarm::default());
        let now = after(&clock, 0);
        poll_fn(|cx| {
            assert!(alarm.poll(cx, None, &clock).is_pending());
            alarm.poll(cx, Some(now), &clock)
        })
        .await;
        assert_eq!(clock.now(), now);
    }
}
