//! Texts of logs: read from bytes, found in another in any case, and shown where they are.

use std::borrow::Cow;
use std::ops::Range;

/// How many characters are shown before and after what was found.
const AROUND: usize = 60;

/// The bytes of a log as text. Nearly all are good, and to know just that takes a fraction of the time.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Where `text` is in `all`, in any case.
pub(crate) fn find(all: &str, text: &str) -> Option<Range<usize>> {
    let wanted: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    all.char_indices().find_map(|(start, _)| {
        let mut left = wanted.as_slice();
        for (at, found) in all[start..].char_indices() {
            for lower in found.to_lowercase() {
                left = left.strip_prefix(&[lower])?;
                if left.is_empty() {
                    return Some(start..start + at + found.len_utf8());
                }
            }
        }
        None
    })
}

/// Some words around `text`, if it is in `all`, on one line.
pub(crate) fn snippet(all: &str, text: &str) -> Option<String> {
    let found = find(all, text)?;
    let (before, after) = (&all[..found.start], &all[found.end..]);
    let start = before.char_indices().rev().nth(AROUND).map(|(at, _)| at);
    let end = after.char_indices().nth(AROUND).map(|(at, _)| found.end + at);
    let shown =
        all[start.unwrap_or_default()..end.unwrap_or(all.len())].split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = (start.map_or("", |_| "... "), end.map_or("", |_| "..."));
    Some(format!("{before}{shown}{after}"))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{find, snippet};

    #[test]
    fn a_text_is_found_in_any_case() {
        assert_eq!(find("Ein GRÖSSERES Übel", "übel"), Some(15..20));
        assert_eq!(find("Straße İstanbul", "ISTANBUL"), None);
        assert_eq!(find("aab", "AB"), Some(1..3));
        assert_eq!(find("short", "shorter"), None);
        assert_eq!(find("", "a"), None);
    }

    #[test]
    fn a_snippet_is_cut_between_characters() {
        let all = format!("{}\nNadel\n{}", "ü".repeat(100), "ß".repeat(100));
        let expected = format!("... {} Nadel {}...", "ü".repeat(60), "ß".repeat(59));
        assert_eq!(snippet(&all, "nadel"), Some(expected));
        assert_eq!(snippet("the needle", "NEEDLE").as_deref(), Some("the needle"));
        assert_eq!(snippet("the hay", "needle"), None);
    }
}
