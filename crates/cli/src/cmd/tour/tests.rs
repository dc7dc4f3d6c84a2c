//! Every scene with a hundred seeds, with and without TIME-WAIT.

use super::act::{Act, Settings, act};
use super::meaning::{Meaning, steps};
use super::page::Page;
use super::scene::Name;
use super::show::stray;
use super::words::{Arranged, Language};
use linger_proto::{CloseReason, DropReason, State};
use linger_sim::ladder::{COLUMNS, Style, width};
use std::time::Duration;

const SEEDS: std::ops::Range<u64> = 0..100;

fn run(name: Name, seed: u64, time_wait: bool) -> Act {
    let act = act(name.scene(), Settings { seed, time_wait, timestamps: None }, &Page::built_in());
    assert_eq!(act.failure, None, "{name:?}, seed {seed}, TIME-WAIT {time_wait}");
    act
}

/// Runs a scene with every seed and hands each run to `look`, with and without TIME-WAIT.
fn all(name: Name, look: impl Fn(&Act, bool)) {
    for seed in SEEDS {
        for time_wait in [true, false] {
            look(&run(name, seed, time_wait), time_wait);
        }
    }
}

fn means(act: &Act, wanted: Meaning) -> bool {
    steps(&act.lines).iter().any(|step| step.meaning == wanted)
}

/// Whether a host was in a state at the end of some line.
fn was(act: &Act, side: usize, state: State) -> bool {
    act.lines.iter().any(|line| line.states[side] == state)
}

/// How long a host was in TIME-WAIT, from the segment that brought it there last.
fn waited(act: &Act, side: usize) -> Duration {
    let steps = steps(&act.lines);
    let at = |wanted: Meaning| {
        let step = steps.iter().find(|step| step.meaning == wanted)?;
        Some(act.lines[step.lines[0] - 1].at)
    };
    let began = at(Meaning::TimeWaitBegins { host: side }).expect("the host was in TIME-WAIT");
    let ended = at(Meaning::TimeWaitEnds { host: side });
    let skipped = at(Meaning::TimeWaitSkipped { host: side });
    assert_ne!(ended.is_some(), skipped.is_some(), "the words are for one of them");
    assert_eq!(skipped.is_some(), act.time_wait.is_zero());
    ended.or(skipped).expect("one of them").since(began)
}

#[test]
fn orderly_ends_well_with_every_seed() {
    all(Name::Orderly, |act, time_wait| {
        assert!(act.good(), "{:?}", act.outcome);
        assert!(was(act, 0, State::FinWait2) && was(act, 1, State::LastAck));
        let wait = if time_wait { Duration::from_secs(60) } else { Duration::ZERO };
        let slack = waited(act, 0).saturating_sub(wait);
        assert!(waited(act, 0) >= wait && slack < Duration::from_millis(20), "{:?}", waited(act, 0));
    });
}

#[test]
fn lost_last_ack_needs_time_wait_with_every_seed() {
    all(Name::LostLastAck, |act, time_wait| {
        assert!(act.verdict.intact);
        assert_eq!(act.verdict.in_order, time_wait);
        let closed = if time_wait { None } else { Some(CloseReason::Reset) };
        assert_eq!(act.outcome.server_closed, [closed]);
        assert_eq!(means(act, Meaning::FinReAck { from: 0 }), time_wait);
        assert_eq!(means(act, Meaning::ResetUnknown { from: 0 }), !time_wait);
        if time_wait {
            assert!(waited(act, 0) > Duration::from_millis(60_100), "2*MSL begins again with the second FIN");
        }
    });
}

#[test]
fn old_duplicate_needs_time_wait_with_every_seed() {
    all(Name::OldDuplicate, |act, time_wait| {
        let refused = act.outcome.attempts.iter().filter(|attempt| attempt.refused.is_some()).count();
        assert_eq!(refused > 0, time_wait, "connect is refused exactly while TIME-WAIT lasts");
        assert_eq!((act.verdict.intact, act.verdict.in_order), (time_wait, true));
        let expected = if time_wait { (0, Some(("HOST1", DropReason::TimeWaitStray))) } else { (1, None) };
        assert_eq!(stray(act), expected);
    });
}

#[test]
fn old_duplicate_is_caught_by_timestamps_with_every_seed() {
    for seed in SEEDS {
        let settings = Settings { seed, time_wait: false, timestamps: Some(true) };
        let act = act(Name::OldDuplicate.scene(), settings, &Page::built_in());
        assert!(act.good(), "{:?}", act.outcome);
        assert_eq!(stray(&act), (0, Some(("HOST1", DropReason::Paws))));
        assert!(act.outcome.attempts.iter().all(|attempt| attempt.refused.is_none()));
    }
}

#[test]
fn simultaneous_close_goes_through_closing_on_both_sides_with_every_seed() {
    all(Name::SimultaneousClose, |act, _| {
        assert!(act.good(), "{:?}", act.outcome);
        for side in [0, 1] {
            assert!(was(act, side, State::Closing) && was(act, side, State::TimeWait), "side {side}");
        }
    });
}

#[test]
fn half_close_still_gets_the_whole_reply_with_every_seed() {
    all(Name::HalfClose, |act, _| {
        assert!(act.good(), "{:?}", act.outcome);
        let reply = act.lines.iter().find(|line| match &line.row {
            linger_sim::ladder::Row::Segment(row) => row.side == 1 && row.http.is_some(),
            linger_sim::ladder::Row::State(_) => false,
        });
        let states = reply.map(|line| line.states);
        assert_eq!(states, Some([State::FinWait2, State::CloseWait]));
    });
}

#[test]
fn reset_ends_badly_with_every_seed() {
    all(Name::Reset, |act, _| {
        assert!(!act.verdict.intact && !act.verdict.in_order);
        assert!(means(act, Meaning::ResetAbort { from: 1 }) && means(act, Meaning::EndedByReset { host: 0 }));
        assert_eq!(act.outcome.received, [Err(CloseReason::Reset.to_string())]);
    });
}

#[test]
fn simultaneous_open_goes_through_syn_received_on_both_sides_to_one_connection_with_every_seed() {
    all(Name::SimultaneousOpen, |act, _| {
        assert!(act.good(), "{:?}", act.outcome);
        for side in [0, 1] {
            assert!(was(act, side, State::SynSent) && was(act, side, State::SynReceived), "side {side}");
            assert!(means(act, Meaning::CrossingSyn { opener: side }), "side {side}");
            assert!(means(act, Meaning::CrossedSynAck { from: side }), "side {side}");
        }
        assert_eq!(act.outcome.served.len(), 1);
    });
}

#[test]
fn refused_is_told_to_the_application_and_leaves_no_time_wait_with_every_seed() {
    all(Name::Refused, |act, _| {
        assert!(!act.verdict.intact && !act.verdict.in_order);
        assert!(means(act, Meaning::Refusal { from: 1 }) && means(act, Meaning::EndedByReset { host: 0 }));
        let refused: Vec<_> = act.outcome.attempts.iter().map(|attempt| attempt.refused.clone()).collect();
        assert_eq!(refused, [Some(CloseReason::Refused.to_string())]);
        assert!(act.lines.iter().all(|line| !line.states.contains(&State::TimeWait)));
    });
}

#[test]
fn reopen_gets_in_at_once_during_time_wait_with_every_seed() {
    all(Name::Reopen, |act, time_wait| {
        assert!(act.good(), "{:?}", act.outcome);
        assert_eq!(means(act, Meaning::ReopeningSyn { opener: 0 }), time_wait);
        assert!(was(act, 1, State::TimeWait) && !was(act, 0, State::TimeWait));
        let attempts = &act.outcome.attempts;
        assert_eq!(attempts.len(), 2);
        assert!(attempts.iter().all(|attempt| attempt.refused.is_none()));
        assert!(attempts[1].at < Duration::from_millis(2_100), "no waiting: {:?}", attempts[1].at);
    });
}

#[test]
fn no_line_of_any_output_is_wider_than_a_hundred_columns() {
    let scenes = [
        Name::Orderly,
        Name::LostLastAck,
        Name::OldDuplicate,
        Name::SimultaneousClose,
        Name::HalfClose,
        Name::Reset,
        Name::SimultaneousOpen,
        Name::Refused,
        Name::Reopen,
    ];
    for scene in scenes {
        for time_wait in [true, false] {
            for language in [Language::En, Language::Zh] {
                let act = run(scene, 3, time_wait);
                let arranged = Arranged {
                    scene,
                    seed: 3,
                    time_wait: act.time_wait,
                    timestamps: act.timestamps,
                    numbers: scene.scene().initial_sequence.is_some(),
                };
                let words = language.words();
                let mut text = super::show::text(&act, &arranged, words, Style::Plain);
                text.push_str(&super::show::comparison(&[act], words, Style::Plain));
                for line in text.lines() {
                    assert!(width(line) <= COLUMNS, "{} columns: {line}", width(line));
                }
            }
        }
    }
}

#[test]
fn every_meaning_has_words_in_both_languages() {
    let why = DropReason::Paws;
    let lost = linger_sim::Loss::Fault;
    let all = [
        Meaning::Syn { opener: 0 },
        Meaning::CrossingSyn { opener: 0 },
        Meaning::CrossedSynAck { from: 0 },
        Meaning::ReopeningSyn { opener: 0 },
        Meaning::SynAgain { opener: 0 },
        Meaning::SynAck { from: 0 },
        Meaning::HandshakeAck { from: 0 },
        Meaning::Request { from: 0 },
        Meaning::Response { from: 0 },
        Meaning::Text { from: 0 },
        Meaning::TextAgain { from: 0 },
        Meaning::TextAck { from: 0 },
        Meaning::RepeatedAck { from: 0 },
        Meaning::Close { host: 0 },
        Meaning::FirstFin { from: 0 },
        Meaning::SecondFin { from: 0 },
        Meaning::CrossingFin { from: 0 },
        Meaning::FinAgain { from: 0 },
        Meaning::HalfClosed { from: 0 },
        Meaning::LastAck { from: 0 },
        Meaning::CrossedAck { from: 0 },
        Meaning::FinReAck { from: 0 },
        Meaning::Refusal { from: 0 },
        Meaning::ResetUnknown { from: 0 },
        Meaning::ResetAbort { from: 0 },
        Meaning::TimeWaitBegins { host: 0 },
        Meaning::TimeWaitEnds { host: 0 },
        Meaning::Ended { host: 0 },
        Meaning::EndedByReset { host: 0 },
        Meaning::Lost { to: 0, why: lost },
        Meaning::LateCopy { to: 0, line: 1 },
        Meaning::StrayTaken { by: 0 },
        Meaning::Dropped { by: 0, why },
        Meaning::Other { from: 0 },
    ];
    for meaning in all {
        let [en, zh] = [Language::En, Language::Zh].map(|language| language.words().meaning(&meaning));
        assert!(en.contains("HOST") || en.contains("2*MSL"), "{meaning:?}: {en}");
        assert!(zh.chars().any(|c| c > '\u{2e80}'), "{meaning:?}: {zh}");
        assert_ne!(en, zh);
    }
}

#[test]
fn every_step_is_explained_and_none_falls_through() {
    for name in [
        Name::Orderly,
        Name::LostLastAck,
        Name::SimultaneousClose,
        Name::HalfClose,
        Name::Reset,
        Name::SimultaneousOpen,
        Name::Refused,
        Name::Reopen,
    ] {
        let act = run(name, 5, true);
        for step in steps(&act.lines) {
            assert!(!matches!(step.meaning, Meaning::Other { .. }), "{name:?}: {step:?}");
        }
    }
}

#[test]
fn a_page_of_one_megabyte_arrives_in_every_scene_that_ends_well() {
    let octets: Vec<u8> =
        (0..1_000_000u32).map(|octet| octet.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let page = Page::new(octets);
    for (name, time_wait, good) in [
        (Name::Orderly, true, true),
        (Name::HalfClose, true, true),
        (Name::OldDuplicate, true, true),
        (Name::OldDuplicate, false, false),
    ] {
        let act = act(name.scene(), Settings { seed: 1, time_wait, timestamps: None }, &page);
        assert_eq!(act.good(), good, "{name:?}: {:?}", act.outcome.server_closed);
    }
}

#[test]
fn an_empty_page_arrives() {
    let page = Page::new(Vec::new());
    let act = act(Name::Orderly.scene(), Settings { seed: 1, time_wait: true, timestamps: None }, &page);
    assert!(act.good(), "{:?}", act.outcome);
}
