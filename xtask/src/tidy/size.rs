//! How long files and functions may be.

use super::Finding;
use super::source::Source;

/// Lines of code in a file: neither empty nor a comment.
const FILE_LINES: usize = 600;
/// Lines of a function, from its name to its closing brace.
const FUNCTION_LINES: usize = 70;

pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let counts = |line: &str| !line.is_empty() && !line.starts_with("//");
    let lines = source.code().filter(|(_, line)| counts(line.trim())).count();
    if lines > FILE_LINES {
        findings.push(Finding {
            rule: "file-size",
            path: source.path.clone(),
            line: 0,
            item: lines.to_string(),
            message: format!("{lines} lines of code, at most {FILE_LINES}: split it"),
        });
    }
    for function in source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES) {
        findings.push(Finding {
            rule: "function-size",
            path: source.path.clone(),
            line: function.line,
            item: function.name.to_owned(),
            message: format!("{} lines, at most {FUNCTION_LINES}: give its parts names", function.lines),
        });
    }
}
