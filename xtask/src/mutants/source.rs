//! The files whose mutants are tried, and sums of their code.

use super::tool::Mutant;
use proc_macro2::Span;
use std::collections::BTreeSet;
use std::path::Path;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, ImplItemFn, ItemFn};

/// The lifecycle: files, and folders with all that is in them.
const PLACES: [&str; 6] = [
    "crates/proto/src/tcp/arrives",
    "crates/proto/src/tcp/closing",
    "crates/proto/src/tcp/opening",
    "crates/proto/src/tcp/time_wait",
    "crates/proto/src/tcp/time_wait.rs",
    "crates/proto/src/host/time_wait.rs",
];

/// A function with its mutants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutated {
    /// As the tool calls it.
    pub(super) name: String,
    /// The sum of its code.
    pub(super) sum: String,
    pub(super) mutants: Vec<Mutant>,
}

/// The files, from the root of the workspace, in order. Files of tests are none of them.
pub(super) fn files(root: &Path) -> Result<Vec<String>, String> {
    let all = crate::tidy::rust_files(root).map_err(|error| format!("cannot read the tree: {error}"))?;
    let wanted = |path: &String| {
        let within = |place: &&str| {
            path.strip_prefix(*place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !path.ends_with("tests.rs") && PLACES.iter().any(within)
    };
    Ok(all.into_iter().map(|(path, _)| path).filter(wanted).collect())
}

/// The functions of a file that have mutants, in order; several of one name count as one.
pub(super) fn functions(text: &str, mutants: &[Mutant]) -> Vec<Mutated> {
    let lines: Vec<&str> = text.lines().collect();
    let mut all: Vec<Mutated> = Vec::new();
    for mutant in mutants {
        let (first, last) = mutant.lines;
        let code = lines.get(first.saturating_sub(1)..last.min(lines.len())).unwrap_or_default().join("\n");
        let sum = sum(&code);
        match all.iter_mut().find(|function| function.name == mutant.function) {
            Some(function) => {
                if !function.sum.contains(&sum) {
                    function.sum = format!("{}-{sum}", function.sum);
                }
                function.mutants.push(mutant.clone());
            }
            None => all.push(Mutated { name: mutant.function.clone(), sum, mutants: vec![mutant.clone()] }),
        }
    }
    all
}

/// The sums of all that has mutants or may have: functions, constants, and each of the latter's expressions.
pub(super) fn sums(text: &str) -> Result<BTreeSet<String>, String> {
    let file = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut all = Lines::default();
    all.visit_file(&file);
    let lines: Vec<&str> = text.lines().collect();
    let code = |(first, last): (usize, usize)| {
        lines.get(first.saturating_sub(1)..last.min(lines.len())).unwrap_or_default().join("\n")
    };
    Ok(all.0.into_iter().map(|span| sum(&code(span))).collect())
}

/// First and last lines of functions and expressions.
#[derive(Default)]
struct Lines(BTreeSet<(usize, usize)>);

impl Lines {
    fn add(&mut self, span: Span) {
        self.0.insert((span.start().line, span.end().line));
    }
}

impl<'ast> Visit<'ast> for Lines {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add(function.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add(function.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        self.add(expression.span());
        visit::visit_expr(self, expression);
    }
}

/// A sum of code that comments and empty lines do not change: FNV-1a of 64 bits.
pub(super) fn sum(code: &str) -> String {
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325;
    let lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    for octet in lines.flat_map(|line| line.bytes().chain([b'\n'])) {
        sum = (sum ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3);
    }
    format!("{sum:016x}")
}
