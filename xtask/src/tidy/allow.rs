//! The list of excused findings. Each entry excuses one finding exactly; one that excuses nothing is itself a finding,
//! so that the list can only shrink.

use super::Finding;

/// Where the list is.
pub(super) const PATH: &str = "xtask/tidy-allow.txt";

/// Takes the findings that `list` excuses out of `findings`, and adds one for each entry without use or reason.
pub(super) fn excuse(mut findings: Vec<Finding>, list: &str) -> Vec<Finding> {
    for (number, line) in list.lines().enumerate() {
        let (entry, reason) = line.split_once('#').unwrap_or((line, ""));
        let entry = entry.trim();
        if entry.is_empty() {
            continue;
        }
        let at = findings.iter().position(|f| entry == format!("{} {} {}", f.rule, f.path, f.item));
        let message = match at {
            Some(at) => {
                findings.remove(at);
                if !reason.trim().is_empty() {
                    continue;
                }
                "say why, after a #"
            }
            None => "excuses nothing: remove it",
        };
        let (path, message) = (PATH.to_owned(), message.to_owned());
        findings.push(Finding {
            rule: "allow-list",
            path,
            line: number + 1,
            item: entry.to_owned(),
            message,
        });
    }
    findings
}
