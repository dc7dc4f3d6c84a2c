//! The ledger: every requirement of `specs/requirements.tsv` with the code that cites it, the tests that name it, and
//! what `specs/explained.tsv` says of it.
//!
//! | file | what it does |
//! |---|---|
//! | `catalogue.rs` | reads the requirements and the explanations |
//! | `source.rs` | finds citations in code and `// requirement:` lines above tests |
//! | `ledger.rs` | joins them, gives each row its state, and says what is wrong |
//! | `page.rs` | writes `docs/conformance.md` |

mod catalogue;
mod ledger;
mod page;
mod source;
#[cfg(test)]
mod tests;

use crate::run::{Tally, Workspace};
use catalogue::Catalogue;
use ledger::Ledger;
use source::Found;
use std::path::Path;

/// The page, from the root of the workspace.
const PAGE: &str = "docs/conformance.md";

/// Writes the page, then complains as [`check`] does.
pub(crate) fn write(workspace: &Workspace) -> Result<(), String> {
    let (ledger, problems) = read(&workspace.root)?;
    let path = workspace.root.join(PAGE);
    std::fs::write(&path, page::page(&ledger)).map_err(|error| format!("{PAGE}: {error}"))?;
    print!("{}", page::counts(&ledger));
    verdict(&problems)
}

/// The step of `cargo xtask ci`: the page is current, and every MUST of RFC 9293 is tested or explained.
pub(crate) fn check(workspace: &Workspace) -> Result<Option<Tally>, String> {
    let (ledger, mut problems) = read(&workspace.root)?;
    let written = std::fs::read_to_string(workspace.root.join(PAGE)).unwrap_or_default();
    if written != page::page(&ledger) {
        problems.push(format!("{PAGE} is not current: `cargo xtask conform` writes it"));
    }
    verdict(&problems).map(|()| None)
}

fn read(root: &Path) -> Result<(Ledger, Vec<String>), String> {
    let text =
        |path: &str| std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    let catalogue = Catalogue::read(&text(catalogue::REQUIREMENTS)?, &text(catalogue::EXPLAINED)?)?;
    let mut found = Found::default();
    for (path, text) in
        crate::tidy::rust_files(root).map_err(|error| format!("cannot read the tree: {error}"))?
    {
        found.read(&path, &text, &catalogue);
    }
    Ok(ledger::join(catalogue, found))
}

fn verdict(problems: &[String]) -> Result<(), String> {
    for problem in problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        n => Err(format!("the ledger has {n} to mend")),
    }
}
