//! Many mutants in one file: each is a branch that is taken when its number is the chosen one.
//!
//! `a == b` becomes `(if crate::mutation::is(7) { a != b } else { a == b })`, and the body of a function begins with
//! `if crate::mutation::is(8) { return true; }`. So the crate is built once for all of them rather than once for each.
//! Every branch stands between two comments with its number, by which an error of the compiler is traced to its mutant.

use super::tool::{Mutant, Place};
use proc_macro2::Span;
use std::cmp::Reverse;
use std::ops::Range;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Expr, ImplItemConst, ImplItemFn, ItemConst, ItemFn, ItemStatic, ReturnType, Stmt, Type,
};

/// What a woven crate needs besides: which mutant is chosen.
pub(super) const SWITCH: &str = "
pub(crate) mod mutation {
    extern crate std;
    static CHOSEN: std::sync::LazyLock<u32> =
        std::sync::LazyLock::new(|| std::env::var(\"LINGER_MUTANT\").ok().and_then(|n| n.parse().ok()).unwrap_or(0));
    pub(crate) fn is(number: u32) -> bool {
        *CHOSEN == number
    }
}
";
/// The variable that chooses.
pub(super) const CHOICE: &str = "LINGER_MUTANT";

/// A mutant and its number, which is not zero.
pub(super) type Numbered = (u32, Mutant);

/// A file with its mutants in it.
#[derive(Debug, Default)]
pub(super) struct Woven {
    pub(super) text: String,
    /// Those that cannot be a branch: in constants, in chains of `let`, or of an opaque type.
    pub(super) alone: Vec<u32>,
}

/// What is replaced as a whole.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Site {
    start: usize,
    end: Reverse<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The statements of a function.
    Body,
    /// An expression that needs no brackets when it becomes an `if`.
    Bare,
    Operand,
}

/// The text with the branches of all the mutants that can be branches.
pub(super) fn weave(text: &str, mutants: &[&Numbered]) -> Result<Woven, String> {
    let file = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut code = Code::default();
    code.visit_file(&file);
    let mut woven = Woven::default();
    let mut sites: Vec<Branched> = Vec::new();
    for (number, mutant) in mutants {
        let range = range_of(text, mutant.place).ok_or_else(|| format!("{}: no such place", mutant.name))?;
        let Some(site) = code.site(&range, mutant.is_body) else {
            woven.alone.push(*number);
            continue;
        };
        let (before, after) = (text.get(site.start..range.start), text.get(range.end..site.end.0));
        let branch = [before.unwrap_or_default(), &mutant.replacement, after.unwrap_or_default()].concat();
        match sites.iter_mut().find(|(other, _)| *other == site) {
            Some((_, branches)) => branches.push((*number, branch)),
            None => sites.push((site, vec![(*number, branch)])),
        }
    }
    sites.sort();
    let (inner, rest) = emit(text, 0..text.len(), &sites);
    if !rest.is_empty() {
        return Err("two places overlap".to_owned());
    }
    woven.text = inner;
    Ok(woven)
}

/// The text with one mutant only, as the tool itself would have it.
pub(super) fn replaced(text: &str, mutant: &Mutant) -> Option<String> {
    let range = range_of(text, mutant.place)?;
    Some([text.get(..range.start)?, &mutant.replacement, " ", text.get(range.end..)?].concat())
}

/// The mutant whose branch holds an octet of a woven text.
pub(super) fn mutant_at(woven: &str, octet: usize) -> Option<u32> {
    let before = woven.get(..octet)?;
    let (_, last) = before.rsplit_once("/*<")?;
    let (number, branch) = last.split_once("*/")?;
    (!branch.contains(&format!("/*>{number}*/"))).then(|| number.parse().ok())?
}

/// A site and its branches.
type Branched = (Site, Vec<(u32, String)>);

/// Part of the text, and the sites that are not in it.
fn emit<'a>(text: &str, part: Range<usize>, mut sites: &'a [Branched]) -> (String, &'a [Branched]) {
    let mut out = String::new();
    let mut at = part.start;
    while let Some(((site, branches), rest)) = sites.split_first() {
        if site.start < at || site.end.0 > part.end {
            break;
        }
        out.push_str(text.get(at..site.start).unwrap_or_default());
        let (inner, rest) = emit(text, site.start..site.end.0, rest);
        out.push_str(&wrapped(site.kind, branches, &inner));
        at = site.end.0;
        sites = rest;
    }
    out.push_str(text.get(at..part.end).unwrap_or_default());
    (out, sites)
}

fn wrapped(kind: Kind, branches: &[(u32, String)], inner: &str) -> String {
    let mut out = String::new();
    for (number, branch) in branches {
        let when = format!("if crate::mutation::is({number}) ");
        match kind {
            Kind::Body => out += &format!("{when}{{ /*<{number}*/return {branch};/*>{number}*/ }}\n"),
            _ => out += &format!("{when}{{ /*<{number}*/{branch}/*>{number}*/ }} else "),
        }
    }
    match kind {
        Kind::Body => out + inner,
        Kind::Bare => format!("{out}{{ {inner} }}"),
        Kind::Operand => format!("({out}{{ {inner} }})"),
    }
}

/// The octets of a place.
fn range_of(text: &str, place: Place) -> Option<Range<usize>> {
    let offset = |(line, column): (usize, usize)| {
        let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
        let chars = text.get(before..)?.chars().take(column.checked_sub(1)?);
        Some(before + chars.map(char::len_utf8).sum::<usize>())
    };
    Some(offset(place.0)?..offset(place.1)?)
}

/// What is needed of a file's syntax.
#[derive(Debug, Default)]
struct Code {
    /// Every expression, and whether it is a chain with `let` in it.
    expressions: Vec<(Range<usize>, bool)>,
    /// Expressions that may be an `if` without brackets.
    bare: Vec<Range<usize>>,
    /// Where nothing can be asked at run time, and bodies that have one opaque type.
    fixed: Vec<Range<usize>>,
    opaque: Vec<Range<usize>>,
}

impl Code {
    /// What to replace when `range` changes; none when the mutant cannot be a branch.
    fn site(&self, range: &Range<usize>, is_body: bool) -> Option<Site> {
        let holds = |outer: &Range<usize>| outer.start <= range.start && range.end <= outer.end;
        if self.fixed.iter().any(holds) {
            return None;
        }
        if is_body {
            let opaque = self.opaque.iter().any(holds);
            return (!opaque).then_some(Site {
                start: range.start,
                end: Reverse(range.end),
                kind: Kind::Body,
            });
        }
        let around = self.expressions.iter().filter(|(outer, _)| holds(outer));
        let (outer, chain) = around.min_by_key(|(outer, _)| outer.len())?;
        let kind = if self.bare.contains(outer) { Kind::Bare } else { Kind::Operand };
        (!chain).then_some(Site { start: outer.start, end: Reverse(outer.end), kind })
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if signature.constness.is_some() {
            self.fixed.push(octets(block.span()));
        }
        if let ReturnType::Type(_, of) = &signature.output {
            let mut opaque = Opaque(false);
            opaque.visit_type(of);
            if opaque.0 {
                self.opaque.push(octets(block.span()));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_expr(&mut self, expression: &'ast Expr) {
        self.expressions.push((octets(expression.span()), has_let(expression)));
        visit::visit_expr(self, expression);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expression, None) = statement {
            self.bare.push(octets(expression.span()));
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.bare.push(octets(arm.body.span()));
        visit::visit_arm(self, arm);
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_item_const(&mut self, constant: &'ast ItemConst) {
        self.fixed.push(octets(constant.span()));
    }

    fn visit_impl_item_const(&mut self, constant: &'ast ImplItemConst) {
        self.fixed.push(octets(constant.span()));
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        self.fixed.push(octets(item.span()));
    }

    fn visit_type(&mut self, of: &'ast Type) {
        // The length of an array is a constant.
        self.fixed.push(octets(of.span()));
    }
}

/// Whether a type says `impl`.
struct Opaque(bool);

impl<'ast> Visit<'ast> for Opaque {
    fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
        self.0 = true;
    }
}

fn octets(span: Span) -> Range<usize> {
    span.byte_range()
}

/// `let ... && ...`: its bindings do not outlive brackets.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
            has_let(&binary.left) || has_let(&binary.right)
        }
        _ => false,
    }
}
