//! Each crate says at its root what it thinks of `unsafe`, and `proto` what it thinks of casts.

use super::{Finding, Tree};

/// Crates with one folder that may hold `unsafe`: their root, which opens the door to it, and the folder.
const DOORS: [(&str, &str); 2] =
    [("crates/device/src/lib.rs", "crates/device/src/sys/"), ("bench/src/lib.rs", "bench/src/sys/")];
/// The peers that linger is measured against, some of them in C.
const PEERS: &str = "bench/peers/";
/// A static library without std needs an allocator and an exported function.
const PROOF: &str = "proof/src/";
/// The crate whose arithmetic is on sequence numbers.
const PROTO: &str = "crates/proto/src/lib.rs";
const CASTS: [&str; 3] = ["cast_possible_truncation", "cast_sign_loss", "cast_possible_wrap"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for source in &tree.rust {
        let mut push = |line: usize, item: &str, message: &str| {
            let (path, item, message) = (source.path.clone(), item.to_owned(), message.to_owned());
            findings.push(Finding { rule: "unsafe", path, line, item, message });
        };
        let path = source.path.as_str();
        if is_crate_root(path) && !path.starts_with(PROOF) {
            let rule = if DOORS.iter().any(|(root, _)| path == *root) { "deny" } else { "forbid" };
            let attribute = format!("#![{rule}(unsafe_code)]");
            if !source.text.lines().any(|line| line == attribute) {
                push(0, rule, &format!("the crate must open with {attribute}"));
            }
        }
        if path == PROTO {
            for cast in CASTS.iter().filter(|cast| !source.text.contains(&format!("clippy::{cast}"))) {
                push(0, cast, "linger-proto denies this cast lint at its root");
            }
        }
        let excused = DOORS.iter().any(|(_, folder)| path.starts_with(folder))
            || [PROOF, PEERS, "xtask/"].iter().any(|folder| path.starts_with(folder));
        for (number, line) in source.lines().filter(|_| !excused) {
            // The parent of `sys/` opens the door to it, on the line before `mod sys`.
            let door = DOORS.iter().any(|(root, _)| path == *root)
                && source.text.contains("#[allow(unsafe_code)]\nmod sys;");
            if line.contains("(unsafe_code)") && !line.contains("#![") && !door {
                push(
                    number,
                    "allow",
                    "unsafe code lives in the folder sys/ of device and bench and nowhere else",
                );
            }
        }
    }
}

/// Whether the file is where rustc begins.
fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["crates", _, "src", "lib.rs" | "main.rs"] | [_, "src", "lib.rs" | "main.rs"] => true,
        ["crates", _, "src", "bin", file] | [_, "src", "bin", file] => file.ends_with(".rs"),
        _ => false,
    }
}
