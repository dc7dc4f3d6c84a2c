//! One line for each connection.

use super::ledger::{Account, Accounts, End, Outcome};
use crate::quantity::{lapse, octets};
use linger_proto::State;
use std::fmt::Write as _;

/// The lines to print after a run; nothing at all when nothing was seen.
pub(super) fn lines(accounts: &Accounts) -> String {
    let mut text = String::new();
    for account in &accounts.connections {
        text.push_str(&line(account));
    }
    // Writing to a String cannot fail.
    if accounts.more > 0 {
        let _ = writeln!(text, "linger: and {} more connections", accounts.more);
    }
    for (local, segments) in &accounts.refused {
        let times = if *segments == 1 { "once" } else { &format!("{segments} times") };
        let _ = writeln!(text, "linger: {local} was tried {times}, and nothing listens there");
    }
    text
}

fn line(account: &Account) -> String {
    let Account { peer, local, received, sent, lasted, outcome, states } = account;
    let (received, sent, lasted) = (octets(*received), octets(*sent), lapse(*lasted));
    let how = match outcome {
        Outcome::InOrder { first: Some(end) } => format!("{} closed first", name(*end)),
        Outcome::InOrder { first: None } => "both closed at once".to_owned(),
        Outcome::Broken { by: End::Peer } => "reset by peer".to_owned(),
        Outcome::Broken { by: End::Linger } => "given up by linger".to_owned(),
        Outcome::Unfinished { first: Some(end) } => format!("{} closed first, unfinished", name(*end)),
        Outcome::Unfinished { first: None } => "nobody closed".to_owned(),
    };
    let states: Vec<String> =
        states.iter().map(|(state, stay)| format!("{} {}", state.name(), stay_text(*state, *stay))).collect();
    let states = states.join(", ");
    format!("linger: {peer} -> {local}: {received} in, {sent} out, {lasted}; {how}; {states}\n")
}

fn name(end: End) -> &'static str {
    match end {
        End::Peer => "peer",
        End::Linger => "linger",
    }
}

/// TIME-WAIT goes on beyond the end of a run; what is shown is what there was of it.
fn stay_text(state: State, stay: std::time::Duration) -> String {
    if state == State::TimeWait { format!("{} so far", lapse(stay)) } else { lapse(stay) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn a_connection_is_one_line_with_its_peer_octets_time_and_states() {
        let account = Account {
            peer: ([10, 7, 0, 1], 40_000).into(),
            local: ([10, 7, 0, 2], 80).into(),
            received: 78,
            sent: 1536,
            lasted: Duration::from_micros(12_300),
            outcome: Outcome::InOrder { first: Some(End::Linger) },
            states: vec![
                (State::Established, Duration::from_millis(12)),
                (State::TimeWait, Duration::from_millis(3)),
            ],
        };
        let accounts = Accounts {
            connections: vec![account],
            more: 2,
            refused: BTreeMap::from([(([10, 7, 0, 2], 81).into(), 1)]),
        };
        assert_eq!(
            lines(&accounts),
            "linger: 10.7.0.1:40000 -> 10.7.0.2:80: 78 B in, 1.5 KiB out, 12.3 ms; linger closed first; \
             ESTABLISHED 12.0 ms, TIME-WAIT 3.0 ms so far\n\
             linger: and 2 more connections\n\
             linger: 10.7.0.2:81 was tried once, and nothing listens there\n"
        );
    }

    #[test]
    fn nothing_seen_is_nothing_said() {
        assert_eq!(lines(&Accounts::default()), "");
    }
}
