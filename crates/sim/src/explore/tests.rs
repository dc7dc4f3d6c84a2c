use super::world::{Seen, World};
use super::*;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

const WITHOUT: Plan = Plan {
    msl: std::time::Duration::ZERO,
    losses: 1,
    duplicates: 1,
    delayed: 1,
    early: 0,
    strays: 0,
    faults: 1,
};

fn scenario(words: &str) -> Scenario {
    words.parse().unwrap()
}

/// As far as a test has time to go; `linger sim explore` goes on.
fn search(words: &str) -> Outcome {
    explore(scenario(words), Limits { states: 2_500, depth: 1000, deep: false }, &AtomicU64::new(0), &|_| {
        false
    })
}

#[test]
fn without_time_wait_both_failures_are_found_and_their_scripts_replay() {
    let wanted = [Kind::OrderlyCloseFailed, Kind::ForeignText];
    let limits = Limits { states: 20_000, depth: 1000, deep: false };
    let outcome = run(&plan(&WITHOUT), limits, 2, &wanted, &Progress::default());
    for kind in wanted {
        let found = &outcome.found[&kind];
        let script: Script = Script::from(found).to_string().parse().unwrap();
        assert_eq!(script, Script::from(found));
        let (drawn, violation) = ladder(&script).unwrap();
        assert_eq!(violation, Some(found.violation));
        assert!(drawn.contains("LAST-ACK") && found.actions.len() <= 20, "{drawn}");
    }
}

/// A whole life, of whose handshake copies arrive when the right side is LISTEN again and the left one in TIME-WAIT.
const OLD_HANDSHAKE: &str = "\
connect; double 1; deliver 0; double 1; write 0; deliver 1; deliver 0; shutdown 0; deliver 1; deliver 0; write 1; \
deliver 0; deliver 1; shutdown 1; deliver 0; deliver 1; release 0; release 0";

fn replay(words: &str, actions: &str) -> Option<Violation> {
    let script = format!("{}\n{}", scenario(words), actions.replace("; ", "\n"));
    ladder(&script.parse().unwrap()).unwrap().1
}

#[test]
fn old_handshake_of_another_millisecond_opens_nothing_and_one_of_the_same_is_a_known_exception() {
    for timestamps in [0, 1] {
        let words = format!("ending=left left=same right=same duplicates=2 losses=1 timestamps={timestamps}");
        let now = replay(&words, OLD_HANDSHAKE).unwrap();
        assert_eq!((now.kind, now.exception), (Kind::Ghost, Some(Exception::OldAck)));
        // The last FIN is lost once: a second passes between the two handshakes.
        let later = OLD_HANDSHAKE.replace("shutdown 1; deliver 0", "shutdown 1; lose 0; timer; deliver 0");
        let later = replay(&words, &later).map(|found| (found.kind, found.exception));
        assert_eq!(later, (timestamps == 0).then_some((Kind::Ghost, Some(Exception::OldAck))));
    }
}

#[test]
fn what_outlives_time_wait_excuses_only_what_can_follow_from_it() {
    for exception in [Exception::ProvokedReset, Exception::LateRefusal, Exception::OutlivingAnswer] {
        for kind in [Kind::ForeignText, Kind::FalseEnd, Kind::Ghost, Kind::LeftOver] {
            assert!(!exception.excuses(kind), "{exception:?} {kind:?}");
        }
        assert!(exception.excuses(Kind::OrderlyCloseFailed));
    }
}

#[test]
fn lifetime_below_half_of_the_links_resets_an_orderly_close() {
    let outcome = search("msl=400 ending=left losses=1");
    assert!(outcome.found.contains_key(&Kind::OrderlyCloseFailed), "{:?}", outcome.found);
}

#[test]
fn with_time_wait_nothing_is_found_where_one_thing_goes_wrong() {
    for words in [
        "ending=any left=behind right=behind",
        "ending=left left=same right=far losses=1",
        "ending=right left=same right=far duplicates=1",
        "ending=right timestamps=1 ticks=1 left=same right=far delayed=1",
        "ending=right left=far right=same strays=1 losses=1 faults=1",
        "ending=any simultaneous=1",
    ] {
        let outcome = search(words);
        assert!(outcome.found.is_empty() && outcome.states > 100, "{words}: {:?}", outcome.found);
    }
}

#[test]
fn every_edge_of_figure_5_but_one_is_taken() {
    let mut taken = BTreeSet::new();
    for words in ["ending=any", "ending=left losses=1", "ending=early", "ending=early simultaneous=1"] {
        taken.extend(search(words).edges);
    }
    for edge in coverage(&taken) {
        match edge.reached {
            Reached::Absent(reason) => {
                assert_eq!((edge.from, edge.to, reason.is_empty()), ("LISTEN", "SYN-SENT", false));
            }
            reached => assert_eq!(reached, Reached::Yes, "{} -> {}", edge.from, edge.to),
        }
    }
    let drawn = svg(&taken);
    assert!(drawn.contains("FIN-WAIT-2") && !drawn.contains("stroke=\"red\""));
}

/// A small source of numbers for choices.
fn choose(seed: &mut u64, among: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap() % among
}

fn walk(scenario: Scenario, actions: &[Action]) -> World {
    let mut world = World::new(scenario);
    for &action in actions {
        world.act(action, &mut Seen::default()).unwrap();
    }
    world
}

/// Ways to states, found by walking at random: two to the same one wherever there are two.
fn ways(scenario: Scenario, walks: usize) -> Vec<(Vec<Action>, Vec<Action>)> {
    let (mut known, mut pairs) = (HashMap::<u128, Vec<Action>>::new(), Vec::new());
    let mut seed = 7;
    for _ in 0..walks {
        let (mut world, mut way, mut possible) = (World::new(scenario), Vec::new(), Vec::new());
        for _ in 0..40 {
            world.actions(&mut possible);
            if possible.is_empty() {
                break;
            }
            let action = possible[choose(&mut seed, possible.len())];
            way.push(action);
            if world.act(action, &mut Seen::default()).is_err() {
                break;
            }
            match known.get(&world.digest()) {
                Some(other) if *other != way => pairs.push((other.clone(), way.clone())),
                Some(_) => {}
                None => _ = known.insert(world.digest(), way.clone()),
            }
        }
    }
    pairs
}

#[test]
fn states_with_one_digest_have_one_future() {
    let (mut seed, mut later) = (11, 0);
    for words in [
        "ending=any losses=1 duplicates=1 delayed=1 early=1",
        "ending=any timestamps=1 ticks=1 losses=1 duplicates=1 delayed=1 early=1",
        "ending=abort timestamps=1 left=behind right=behind losses=2 early=2 duplicates=1",
        "ending=early simultaneous=1 losses=1 duplicates=1 early=1",
        "ending=right strays=1 losses=2 duplicates=1",
    ] {
        let pairs = ways(scenario(words), 30);
        for (one, other) in pairs.iter().step_by(pairs.len() / 12 + 1) {
            let mut worlds = [walk(scenario(words), one), walk(scenario(words), other)];
            later += usize::from(worlds[0].now != worlds[1].now);
            for _ in 0..40 {
                let possible = worlds.each_ref().map(|world| {
                    let mut possible = Vec::new();
                    world.actions(&mut possible);
                    possible
                });
                assert_eq!(possible[0], possible[1], "{words}: {one:?} {other:?}");
                if possible[0].is_empty() {
                    assert_eq!(worlds[0].judge_end(), worlds[1].judge_end());
                    break;
                }
                let action = possible[0][choose(&mut seed, possible[0].len())];
                let outcomes = worlds.each_mut().map(|world| world.act(action, &mut Seen::default()));
                assert_eq!(outcomes[0], outcomes[1], "{words}: {one:?} {other:?}");
                assert_eq!(
                    worlds[0].digest(),
                    worlds[1].digest(),
                    "{words}: {one:?} {other:?}, then {action}"
                );
                if outcomes[0].is_err() {
                    break;
                }
            }
        }
    }
    assert!(later > 0, "some of them were reached at different times");
}
