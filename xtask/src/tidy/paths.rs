//! Paths that the papers name in backticks: each must lead to something.

use super::{Finding, Tree};

/// Where a path may begin: at the root, or, as ARCHITECTURE.md says at its top, in the core.
const BASES: [&str; 2] = ["", "crates/proto/src/"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (paper, text) in &tree.papers {
        for (number, line) in text.lines().enumerate() {
            let quoted = line.split('`').skip(1).step_by(2).filter(|item| is_path(item));
            for item in quoted.filter(|item| !BASES.iter().any(|base| tree.holds(&format!("{base}{item}")))) {
                findings.push(Finding {
                    rule: "path",
                    path: paper.clone(),
                    line: number + 1,
                    item: item.to_owned(),
                    message: "there is no such file or folder".to_owned(),
                });
            }
        }
    }
}

/// Whether it names something of this workspace: not a command, a URL, or a file of the system.
fn is_path(item: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || "(:<".contains(c);
    item.contains('/') && !item.starts_with(['/', '.']) && !item.contains(odd)
}
