//! Where in a file some lines are. Exact lines win over ones that differ in blanks, and those over ones
//! that differ in typography: models copy imprecisely.

use std::borrow::Cow;

/// How two lines may differ, from not at all to quite a bit.
const LENIENCY: [fn(&str) -> Cow<'_, str>; 4] = [
    |line| Cow::Borrowed(line),
    |line| Cow::Borrowed(line.trim_end()),
    |line| Cow::Borrowed(line.trim()),
    |line| Cow::Owned(line.trim().chars().map(plain).collect()),
];

/// The index of the first place at or after `start` where `wanted` stands in `lines`. With `at_end` only the
/// last place counts. An empty `wanted` is nowhere.
pub(super) fn seek(lines: &[&str], wanted: &[&str], start: usize, at_end: bool) -> Option<usize> {
    let last = lines.len().checked_sub(wanted.len())?;
    let first = if at_end { last } else { start };
    if wanted.is_empty() || first < start {
        return None;
    }
    LENIENCY.iter().find_map(|view| {
        let wanted: Vec<_> = wanted.iter().map(|line| view(line)).collect();
        let stands = |at: &usize| wanted.iter().zip(&lines[*at..]).all(|(wanted, line)| *wanted == view(line));
        (first..=last).find(stands)
    })
}

/// The letter on a keyboard for a typographic one.
fn plain(letter: char) -> char {
    match letter {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::seek;

    #[test]
    fn an_exact_line_wins_over_an_earlier_one_that_differs_in_blanks() {
        assert_eq!(seek(&["x ", " x", "x"], &["x"], 0, false), Some(2));
        assert_eq!(seek(&[" x", "x "], &["x"], 0, false), Some(1));
    }

    #[test]
    fn dashes_quotes_and_hard_blanks_are_typography() {
        assert_eq!(seek(&["\u{201c}a\u{201d} \u{2013}\u{a0}b\u{2019}s"], &["\"a\" - b's"], 0, false), Some(0));
        assert_eq!(seek(&["café"], &["cafe"], 0, false), None);
    }

    #[test]
    fn the_end_of_the_file_is_the_last_place_only() {
        assert_eq!(seek(&["x", "y", "x"], &["x"], 0, true), Some(2));
        assert_eq!(seek(&["x", "y"], &["x"], 0, true), None);
        assert_eq!(seek(&["x"], &["x"], 1, true), None);
    }

    #[test]
    fn nothing_is_found_past_the_end_or_for_nothing() {
        assert_eq!(seek(&["x"], &["x", "x"], 0, false), None);
        assert_eq!(seek(&["x"], &["x"], 7, false), None);
        assert_eq!(seek(&["x"], &[], 0, false), None);
    }
}
