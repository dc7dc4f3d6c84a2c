//! A Rust file, split into what ships and what tests it.

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root of the workspace, with forward slashes.
    pub(super) path: String,
    /// All of it.
    pub(super) text: String,
    /// Lines before the test module; none when the whole file is a test.
    code_lines: usize,
}

/// A function and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    /// Counted from one.
    pub(super) line: usize,
    /// From its first line to its closing brace, both included.
    pub(super) lines: usize,
}

/// What opens a test module: the one at the end of a file, or the mention of one in a file of its own.
const TEST_MODULE: &str = "#[cfg(test)]\nmod ";

/// What stands before the test module at the end of a file.
pub(super) fn code_of(text: &str) -> &str {
    let opens = |at: &usize| {
        let line = text.get(at + TEST_MODULE.len()..).and_then(|rest| rest.lines().next());
        line.is_some_and(|line| line.ends_with('{'))
    };
    let at = text.match_indices(TEST_MODULE).map(|(at, _)| at).find(opens);
    at.and_then(|at| text.get(..at)).unwrap_or(text)
}

impl Source {
    pub(super) fn new(path: String, text: String) -> Self {
        let code = code_of(&text);
        let code_lines = if is_test_file(&path) { 0 } else { code.lines().count() };
        Self { path, text, code_lines }
    }

    /// The lines that ship, with their numbers.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().take(self.code_lines)
    }

    /// All lines, with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The functions among the lines that ship.
    pub(super) fn functions(&self) -> Vec<Function<'_>> {
        let lines: Vec<&str> = self.text.lines().take(self.code_lines).collect();
        let mut functions = Vec::new();
        for (index, line) in lines.iter().copied().enumerate() {
            if let (Some(name), Some(rest)) = (function_name(line), lines.get(index..)) {
                functions.push(Function { name, line: index + 1, lines: function_lines(rest) });
            }
        }
        functions
    }
}

/// Tests, and the workspace members that exist to test, are as long as they need to be.
fn is_test_file(path: &str) -> bool {
    let testing = ["interop/", "fuzz/", "bench/"];
    path.contains("/tests/")
        || path.ends_with("tests.rs")
        || testing.iter().any(|start| path.starts_with(start))
}

/// The name of the function that begins on `line`.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(after) = rest.strip_prefix("pub") {
        let after = match after.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1,
            None => after,
        };
        rest = after.strip_prefix(' ')?;
    }
    while let Some(after) =
        ["const ", "async ", "unsafe ", "extern \"C\" "].iter().find_map(|w| rest.strip_prefix(w))
    {
        rest = after;
    }
    let name = rest.strip_prefix("fn ")?;
    let end = name.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(name.len());
    name.get(..end).filter(|name| !name.is_empty())
}

/// Lines of the function that begins on the first of `lines`, by the indentation that rustfmt gives its brace.
fn function_lines(lines: &[&str]) -> usize {
    let first = lines.first().copied().unwrap_or_default();
    let indent = &first[..first.len() - first.trim_start().len()];
    let opens_nothing = |line: &str| line.ends_with(';') || line.ends_with('}');
    if opens_nothing(first) {
        return 1;
    }
    for (index, line) in lines.iter().enumerate().skip(1) {
        if let Some(rest) = line.strip_prefix(indent) {
            // The closing brace, or a declaration in a trait whose arguments took several lines.
            if rest.starts_with('}') || (rest.starts_with(')') && rest.ends_with(';')) {
                return index + 1;
            }
        }
    }
    lines.len()
}
