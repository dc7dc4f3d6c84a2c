//! Columns on a terminal: Chinese takes two for each character.

/// Columns of one character. The ranges are those of the scripts that this program prints.
fn columns(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' => 2,
        '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}' => 2,
        _ => 1,
    }
}

/// Columns of a text.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The text filled up with spaces on its right.
pub fn pad_right(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// The text filled up with spaces on its left.
pub fn pad_left(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

/// The text if it fits, else its beginning and an ellipsis.
pub(super) fn cut(text: &str, to: usize) -> String {
    if width(text) <= to {
        return text.to_owned();
    }
    let mut room = to.saturating_sub(1);
    let mut short = String::new();
    for c in text.chars() {
        let Some(left) = room.checked_sub(columns(c)) else { break };
        room = left;
        short.push(c);
    }
    short.push('…');
    short
}

/// Breaks a text into lines of at most `to` columns: between words where there are any, anywhere in Chinese.
pub fn wrap(text: &str, to: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in pieces(text) {
        let word = if line.is_empty() { word.trim_start() } else { word };
        if !line.is_empty() && width(&line) + width(word.trim_end()) > to {
            lines.push(line.trim_end().to_owned());
            line = word.trim_start().to_owned();
        } else {
            line.push_str(word);
        }
    }
    if !line.trim().is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The places where a line may end: after a space, and after a wide character that no closing mark follows.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices().peekable();
        while let Some((index, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            let closing = next.is_some_and(|c| "，。；：、）」？！".contains(c));
            let opening = "（「".contains(c);
            if c == ' ' || columns(c) == 2 && !closing && !opening {
                let (piece, after) = rest.split_at(index + c.len_utf8());
                rest = after;
                return Some(piece);
            }
        }
        (!rest.is_empty()).then(|| std::mem::take(&mut rest))
    })
}

#[cfg(test)]
mod tests {
    use super::{cut, pad_left, width, wrap};

    #[test]
    fn chinese_takes_two_columns() {
        assert_eq!(width("重传 FIN"), 8);
        assert_eq!(pad_left("重传", 6), "  重传");
        assert_eq!(cut("重传重传", 6), "重传…");
    }

    #[test]
    fn lines_break_between_words_and_between_chinese_characters() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("等待报文消失。", 8), ["等待报文", "消失。"]);
        for line in wrap("HOST1 记住这个连接 2*MSL，以便再次确认 FIN。", 20) {
            assert!(width(&line) <= 21, "{line}");
        }
    }
}
