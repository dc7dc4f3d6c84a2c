//! English.

use super::{Arranged, Connects, Words};
use crate::cmd::tour::act::HOSTS;
use crate::cmd::tour::meaning::Meaning;
use crate::cmd::tour::outcome::{Answer, Closed};
use crate::cmd::tour::scene::Name;
use linger_proto::{CloseReason, DropReason, State};
use linger_sim::Loss;
use linger_sim::ladder::{StateRow, Wording};
use std::time::Duration;

pub(super) struct English;

impl Wording for English {
    fn headings(&self) -> [String; 2] {
        ["#".to_owned(), "seconds".to_owned()]
    }

    fn lost(&self, loss: Loss) -> String {
        match loss {
            Loss::Fault => "lost".to_owned(),
            other => other.text().to_owned(),
        }
    }

    fn dropped(&self, host: &str, reason: DropReason) -> String {
        format!("{host} drops it: {}", reason.text())
    }

    fn again(&self) -> String {
        "again".to_owned()
    }

    fn copy_of(&self, line: usize) -> String {
        format!("copy of {line}")
    }

    fn arrival_of(&self, line: usize) -> String {
        format!("from {line}")
    }

    fn cause(&self, host: &str, row: &StateRow) -> String {
        match (row.states.before, row.states.after) {
            (State::TimeWait, State::Closed) => format!("{host}'s 2*MSL are over"),
            (_, State::FinWait1 | State::LastAck | State::Closing) => format!("{host}'s application closes"),
            (State::Closed, State::SynSent) => format!("{host}'s application connects"),
            (_, State::Closed) => format!("{host}'s application gives up"),
            (before, after) => format!("{host}: {before} to {after}"),
        }
    }
}

const fn scene(name: Name) -> &'static str {
    match name {
        Name::Orderly => "open, ask, answer, close.",
        Name::LostLastAck => {
            "the link loses the packet that HOST1 sends after it has seen HOST2's FIN. HOST2's application uses \
             close().await, so it hears how its close ended."
        }
        Name::OldDuplicate => {
            "the link keeps a copy of a segment with text and delivers it after the end of its connection, while \
             HOST1 asks a second time from the same port."
        }
        Name::SimultaneousClose => "both applications close when their clocks show one second.",
        Name::HalfClose => {
            "HOST1's application closes its half as soon as it has asked; HOST2's takes a while to answer."
        }
        Name::Reset => "HOST2's application fails in the middle of its reply and gives the connection up.",
        Name::SimultaneousOpen => {
            "nobody listens; both applications connect at the same moment, each to the other's port."
        }
        Name::Refused => "on HOST2 nobody listens at the port that HOST1's application asks for.",
        Name::Reopen => {
            "HOST2's application closes first, as soon as it has answered, so that TIME-WAIT is on HOST2. HOST1's asks \
             a second time from the same port while it lasts."
        }
    }
}

fn seconds(time: Duration) -> String {
    let millis = time.as_millis();
    match millis % 1000 {
        0 => format!("{} s", millis / 1000),
        rest => format!("{}.{rest:03} s", millis / 1000),
    }
}

fn drop_meaning(by: &str, peer: &str, why: DropReason) -> String {
    match why {
        DropReason::Paws => format!(
            "{by} throws the segment away: its timestamp is older than the newest one {by} has seen from {peer}, so \
             it must be from an earlier time (PAWS, RFC 7323). Its octets never reach the application."
        ),
        DropReason::TimeWaitStray => format!(
            "The stray finds {by} in TIME-WAIT, which knows the connection it belongs to: it is thrown away, and \
             answered with an ACK that says so."
        ),
        DropReason::TimeWaitRst => {
            format!("{by} ignores an RST in TIME-WAIT (RFC 1337): an old one must not cut the wait short.")
        }
        DropReason::NoConnection => {
            format!("{by} knows nothing of this connection any more and throws it away.")
        }
        DropReason::Duplicate => format!("{by} has this text already: nothing to deliver."),
        DropReason::AckOfUnsent => format!(
            "{by} throws the segment away: it acknowledges text that {by} has never sent on this connection \
             (RFC 5961)."
        ),
        why => format!("{by} throws the segment away: {}.", why.text()),
    }
}

const fn host(side: &usize) -> &'static str {
    HOSTS[*side]
}

const fn peer(side: &usize) -> &'static str {
    HOSTS[1 - *side]
}

/// Segments that open a connection.
fn opening(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Syn { opener } => format!(
            "{} asks to open a connection. SYN carries the sequence number its octets will count from, \
             the largest segment it takes, and the extensions it offers.",
            host(opener)
        ),
        Meaning::CrossingSyn { opener } => format!(
            "{}'s SYN meets the other's on the way: each side asks to open without knowing that the other does too, \
             and learns it in SYN-SENT. There will be one connection, not two.",
            host(opener)
        ),
        Meaning::CrossedSynAck { from } => format!(
            "{} repeats its SYN and acknowledges the one that crossed it. For {} this completes the opening: no third \
             segment is needed.",
            host(from),
            peer(from)
        ),
        Meaning::ReopeningSyn { opener } => format!(
            "{} asks to open the connection between the same addresses and ports again, which {} still remembers in \
             TIME-WAIT. The SYN proves that it is no stray: its timestamp, or its sequence number, is above everything \
             the old connection has seen (RFC 6191). So {} agrees at once, and counts its own octets from above the \
             old ones.",
            host(opener),
            peer(opener),
            peer(opener)
        ),
        Meaning::SynAgain { opener } => {
            format!("No answer came in time: {} sends its SYN again.", host(opener))
        }
        Meaning::SynAck { from } => format!(
            "{} agrees: it acknowledges the SYN and sends its own. {} now knows that both directions work.",
            host(from),
            peer(from)
        ),
        Meaning::HandshakeAck { from } => format!(
            "The third segment tells {} that its SYN arrived too: the connection is ESTABLISHED on both sides.",
            peer(from)
        ),
        _ => return None,
    })
}

/// Text and its acknowledgments.
fn text(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Request { from } => {
            format!("{}'s HTTP request is the first text of its direction.", host(from))
        }
        Meaning::Response { from } => {
            format!("{}'s HTTP reply begins. A segment with text acknowledges what came before.", host(from))
        }
        Meaning::Text { from } => format!("More text of {}.", host(from)),
        Meaning::TextAgain { from } => {
            format!("{} had no acknowledgment for this text in time and sends it again.", host(from))
        }
        Meaning::TextAck { from } => format!("{} acknowledges what has arrived.", host(from)),
        Meaning::RepeatedAck { from } => {
            format!("{} repeats what it expects next: something came that did not fit.", host(from))
        }
        _ => return None,
    })
}

/// The close, half by half.
fn closing(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Close { host: side } => {
            format!("{}'s application has said everything and closes its half.", host(side))
        }
        Meaning::FirstFin { from } => format!(
            "{} closes first. FIN says that no more text will follow; like an octet of text it has a sequence \
             number and must be acknowledged. {}'s application sees the end of text.",
            host(from),
            peer(from)
        ),
        Meaning::SecondFin { from } => format!(
            "{} closes its half too and waits in LAST-ACK: once this FIN is acknowledged it can forget \
             everything.",
            host(from)
        ),
        Meaning::CrossingFin { from } => format!(
            "{}'s FIN meets the other's on the way: each side closes without knowing that the other does too, \
             and learns it in CLOSING.",
            host(from)
        ),
        Meaning::FinAgain { from } => format!(
            "{} has heard nothing about its FIN and sends it again, as it would with text: it cannot know \
             whether the FIN or its acknowledgment was lost.",
            host(from)
        ),
        Meaning::HalfClosed { from } => format!(
            "{} acknowledges the FIN. One half is closed; in the other, {} may still send what it has.",
            host(from),
            host(from)
        ),
        Meaning::LastAck { from } => format!(
            "The last ACK: {} acknowledges the FIN of {}. Nobody acknowledges an ACK, so {} cannot know whether \
             it arrives.",
            host(from),
            peer(from),
            host(from)
        ),
        Meaning::CrossedAck { from } => {
            format!("{} acknowledges the FIN that crossed its own.", host(from))
        }
        Meaning::FinReAck { from } => format!(
            "This is what TIME-WAIT is for: {} still remembers the connection, acknowledges the FIN again, and \
             waits 2*MSL from now. {}'s close ends in order.",
            host(from),
            peer(from)
        ),
        _ => return None,
    })
}

/// How it ends: RST, TIME-WAIT, CLOSED.
fn ending(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Refusal { from } => format!(
            "Nobody listens at this port of {}: RST refuses the connection. It acknowledges the SYN, which is how {} \
             knows that it is meant for this attempt and not for an older one.",
            host(from),
            peer(from)
        ),
        Meaning::ResetUnknown { from } => {
            format!("{} knows of no such connection and can only answer RST.", host(from))
        }
        Meaning::ResetAbort { from } => format!(
            "{} gives the connection up: RST ends both halves at once, and what was not delivered is lost.",
            host(from)
        ),
        Meaning::TimeWaitBegins { host: side } => format!(
            "{} has nothing more to send or to receive. It remembers the connection for 2*MSL, so that it can \
             acknowledge a FIN that comes again, and so that strays of this connection die out before its \
             addresses and ports are used again.",
            host(side)
        ),
        Meaning::TimeWaitEnds { host: side } => {
            format!("2*MSL have passed without a FIN: {} forgets the connection.", host(side))
        }
        Meaning::TimeWaitSkipped { host: side } => format!(
            "2*MSL are nothing here: {} forgets the connection at once, and could not acknowledge a FIN that comes \
             again, nor tell a stray of this connection from text of the next.",
            host(side)
        ),
        Meaning::Ended { host: side } => format!(
            "{} lets go of the connection at once: nothing more is sent or received in either direction.",
            host(side)
        ),
        Meaning::EndedByReset { host: side } => format!(
            "The RST ends the connection on {}: its application gets an error instead of an orderly end.",
            host(side)
        ),
        _ => return None,
    })
}

/// What the link and the past do to it.
fn mishap(meaning: &Meaning) -> Option<String> {
    Some(match meaning {
        Meaning::Lost { to, why: Loss::Fault } => {
            format!("The link loses it: {} never sees it.", host(to))
        }
        Meaning::Lost { to, why } => format!("It never reaches {}: {}.", host(to), why.text()),
        Meaning::LateCopy { to, line } => {
            format!("A copy of segment {line}, held up in the network, reaches {} only now.", host(to))
        }
        Meaning::StrayTaken { by } => format!(
            "The copy is from an earlier connection between the same addresses and ports. Its numbers lie in \
             the window of the present one, so {} takes its octets for part of the new stream.",
            host(by)
        ),
        Meaning::Dropped { by, why } => drop_meaning(host(by), peer(by), *why),
        Meaning::Other { from } => format!("A segment of {} without further consequence.", host(from)),
        _ => return None,
    })
}

impl Words for English {
    fn title(&self, arranged: &Arranged) -> Vec<String> {
        let first = format!("linger tour, scene {}: {}", arranged.scene.text(), scene(arranged.scene));
        let mut settings =
            vec![format!("Seed {}", arranged.seed), self.settings(arranged.time_wait, arranged.timestamps)];
        if arranged.numbers {
            settings.push("initial sequence numbers arranged, the same at each opening".to_owned());
        }
        vec![first, format!("{}.", settings.join("; "))]
    }

    fn steps_heading(&self) -> String {
        "What each step was for".to_owned()
    }

    fn countdown_heading(&self, host: &str, time_wait: Duration) -> String {
        format!("TIME-WAIT on {host}: 2*MSL = {}", seconds(time_wait))
    }

    fn countdown_reading(&self, at: &str, left: Duration) -> String {
        format!("at {at:>10} s {:>7.3} s left", left.as_secs_f64())
    }

    fn countdown_end(&self, host: &str, at: &str) -> String {
        format!("at {at:>10} s {host} is CLOSED: nothing of the connection is left")
    }

    fn meaning(&self, meaning: &Meaning) -> String {
        let groups = [opening, text, closing, ending, mishap];
        groups.iter().find_map(|group| group(meaning)).unwrap_or_default()
    }

    fn outcome_heading(&self) -> String {
        "What the applications got".to_owned()
    }

    fn connects(&self, host: &str, connects: &Connects) -> String {
        let when = if connects.times > 1 {
            let (first, last) = (seconds(connects.first), seconds(connects.last));
            format!("{first} to {last}, {} times", connects.times)
        } else {
            seconds(connects.first)
        };
        match &connects.refused {
            Some(why) => format!("{host} connect ({when}): {why}"),
            None => format!("{host} connect ({when}): established"),
        }
    }

    fn reply(
        &self,
        number: usize,
        served: Option<&Answer>,
        received: Option<&Result<Answer, String>>,
    ) -> String {
        match (served, received) {
            (Some(served), Some(Ok(received))) => {
                let (sign, word) = if served == received { ("=", "equal") } else { ("≠", "different") };
                let (left, right) = (short(&served.sha256), short(&received.sha256));
                let octets = format!("served {} octets, received {}", served.octets, received.octets);
                format!("reply {number}: {octets}; SHA-256 {left} {sign} {right} ({word})")
            }
            (Some(served), Some(Err(error))) => {
                format!("reply {number}: served {} octets, not received whole: {error}", served.octets)
            }
            (None, Some(Err(error))) => format!("reply {number}: not received: {error}"),
            (Some(served), None) => {
                format!("reply {number}: served {} octets, nothing received", served.octets)
            }
            (None, Some(Ok(received))) => {
                format!("reply {number}: received {} octets, none served", received.octets)
            }
            (None, None) => format!("reply {number}: nothing served, nothing received"),
        }
    }

    fn closed(&self, host: &str, closed: Closed) -> String {
        let how = match closed {
            None => CloseReason::Graceful.to_string(),
            Some(reason) => format!("error: {reason}"),
        };
        format!("{host} close(): {how}")
    }

    fn failed(&self, host: &str, what: &str) -> String {
        format!("{host} failed: {what}")
    }

    fn verdict(&self, intact: bool, in_order: bool) -> String {
        let octets =
            if intact { "the octets arrived intact" } else { "the octets did NOT arrive as they were sent" };
        let close =
            if in_order { "the connection ended in order" } else { "the connection did NOT end in order" };
        format!("Verdict: {close} and {octets}.")
    }

    fn invariant(&self, what: &str) -> String {
        format!("The simulator found something wrong: {what}")
    }

    fn compare_heading(&self) -> String {
        "The same seed under other settings".to_owned()
    }

    fn settings(&self, time_wait: Duration, timestamps: bool) -> String {
        let wait = if time_wait.is_zero() {
            "without TIME-WAIT (msl = 0)".to_owned()
        } else {
            format!("TIME-WAIT {}", seconds(time_wait))
        };
        format!("{wait}, timestamps {}", if timestamps { "on" } else { "off" })
    }

    fn stray(&self, taken: usize, dropped: Option<(&str, DropReason)>) -> String {
        match (taken, dropped) {
            (0, None) => "no stray arrived".to_owned(),
            (0, Some((host, why))) => format!("{host} threw the stray away ({})", why.text()),
            _ => "the stray's octets were taken for new ones".to_owned(),
        }
    }
}

/// The first digits of a hash: enough to see that two differ.
fn short(sha256: &str) -> &str {
    sha256.get(..16).unwrap_or(sha256)
}
