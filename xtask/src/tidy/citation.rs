//! How an RFC is cited: `RFC 9293 §3.10.7.4`, `RFC 9293 MUST-13`, `RFC 5961 §4.2 (5961-5)`, and a deviation as
//! `Deviation, RFC 9293 MUST-n: what we do, because why`.

use super::Finding;
use super::source::Source;

const DEVIATION: &str = "Deviation";
/// How the place in an RFC begins: a level under which RFC 9293 numbers its requirements, a section, a table.
const PLACES: [&str; 6] = ["MUST-", "SHLD-", "MAY-", "REC-", "§", "Table "];

pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    for (number, line) in source.lines() {
        let Some((before, comment)) = line.split_once("//") else { continue };
        // A URL, or the two slashes inside a string, are no comment.
        if before.ends_with(':') || before.contains('"') {
            continue;
        }
        if let Some(message) = wrong(comment.trim_start_matches(['/', '!', ' '])) {
            let (rule, item) = ("citation", comment.trim().chars().take(40).collect());
            findings.push(Finding {
                rule,
                path: source.path.clone(),
                line: number,
                item,
                message: message.to_owned(),
            });
        }
    }
}

/// What is wrong with the citations in a comment.
fn wrong(comment: &str) -> Option<&'static str> {
    if let Some(rest) = comment.strip_prefix(DEVIATION)
        && !deviation_is_complete(rest)
    {
        return Some("write `Deviation, RFC n §n: what we do, because why`, with a section or requirement");
    }
    for (at, _) in comment.match_indices("RFC") {
        let rest = comment.get(at + 3..).unwrap_or_default();
        if rest.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Some("write `RFC 9293`, with a space");
        }
        let Some(rest) = rest.strip_prefix(' ') else { continue };
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if after.len() == rest.len() {
            continue;
        }
        let after = after.trim_start_matches([',', ' ']).to_ascii_lowercase();
        if ["section ", "sec. ", "sec ", "chapter "].iter().any(|word| after.starts_with(word)) {
            return Some("write `RFC 9293 §3.4`, with the sign for section");
        }
    }
    None
}

/// `, RFC 9293 MUST-13 [id]: text`, where the text may go on in the next line.
fn deviation_is_complete(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(", RFC ") else { return false };
    let Some((place, _)) = rest.split_once(':') else { return false };
    let place = place.trim_start_matches(|c: char| c.is_ascii_digit());
    PLACES.iter().any(|start| place.trim_start().starts_with(start))
}
