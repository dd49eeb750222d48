//! Which paths fit a query, and how well. Scores are those of the matcher; a path whose last part fits by
//! itself comes before all others, and one whose last part is the query before those.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::PathBuf;

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::catalog::Entry;

/// How many matches are returned at most.
pub const MAX_FOUND: usize = 50;

/// What lies between two classes of matches. No score of the matcher comes near it.
const CLASS: u32 = 1 << 16;

/// How many paths are looked at before it is asked whether anybody still wants to know.
const STRIDE: usize = 1024;

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The root that it is below, as it was given.
    pub root: PathBuf,
    /// The path below the root.
    pub path: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// The higher, the better.
    pub score: u32,
    /// The characters of the path that match, ascending.
    pub indices: Vec<u32>,
}

impl Found {
    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        file_name(&self.path)
    }
}

struct Query {
    /// Words that may be marked with `^ $ ' !`.
    pattern: Pattern,
    /// The query as one word, taken literally; none when it is several.
    name: Option<Atom>,
}

impl Query {
    fn parse(text: &str) -> Self {
        let (case, normalization) = (CaseMatching::Ignore, Normalization::Smart);
        let is_one = !text.contains(char::is_whitespace);
        Self {
            pattern: Pattern::parse(text, case, normalization),
            name: is_one.then(|| Atom::new(text, case, normalization, AtomKind::Fuzzy, false)),
        }
    }

    fn score(&self, entry: &Entry, matcher: &mut Matcher, buffer: &mut Vec<char>) -> Option<u32> {
        let score = self.pattern.score(Utf32Str::new(&entry.path, buffer), matcher)?;
        Some(score + CLASS * self.class(entry, matcher, buffer))
    }

    fn class(&self, entry: &Entry, matcher: &mut Matcher, buffer: &mut Vec<char>) -> u32 {
        let Some(atom) = &self.name else { return 0 };
        let name = Utf32Str::new(file_name(&entry.path), buffer);
        let fits = atom.score(name, matcher).is_some();
        // A word that fits and is as long is the same, but for case and accents.
        let is_same = fits && name.len() == atom.needle_text().len();
        match (is_same, entry.is_directory) {
            (true, false) => 3,
            (true, true) => 2,
            (false, false) => u32::from(fits),
            (false, true) => 0,
        }
    }
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit(std::path::is_separator).next().unwrap_or(path)
}

/// The best matches, best first, equally good ones by path.
pub(super) fn best(text: &str, roots: &[PathBuf], entries: &[Entry], is_cancelled: impl Fn() -> bool) -> Vec<Found> {
    let query = Query::parse(text);
    if query.pattern.atoms.is_empty() {
        return Vec::new();
    }
    let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
    let mut buffer = Vec::new();
    let mut heap = BinaryHeap::with_capacity(MAX_FOUND + 1);
    for chunk in entries.chunks(STRIDE) {
        if is_cancelled() {
            return Vec::new();
        }
        for entry in chunk {
            if let Some(score) = query.score(entry, &mut matcher, &mut buffer) {
                // The worst of those kept is on top: low scores, then paths that sort late.
                heap.push((Reverse(score), &*entry.path, entry.root, entry.is_directory));
                if heap.len() > MAX_FOUND {
                    heap.pop();
                }
            }
        }
    }
    let found = heap.into_sorted_vec().into_iter().map(|(Reverse(score), path, root, is_directory)| Found {
        root: roots.get(root).cloned().unwrap_or_default(),
        indices: indices(&query, path, &mut matcher, &mut buffer),
        path: path.to_owned(),
        is_directory,
        score,
    });
    found.collect()
}

fn indices(query: &Query, path: &str, matcher: &mut Matcher, buffer: &mut Vec<char>) -> Vec<u32> {
    let mut indices = Vec::new();
    query.pattern.indices(Utf32Str::new(path, buffer), matcher, &mut indices);
    indices.sort_unstable();
    indices.dedup();
    indices
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Entry, MAX_FOUND, best};
    use pretty_assertions::assert_eq;

    fn entries(paths: &[&str]) -> Vec<Entry> {
        let entry =
            |path: &&str| Entry { root: 0, path: path.trim_end_matches('/').into(), is_directory: path.ends_with('/') };
        paths.iter().map(entry).collect()
    }

    fn scores(query: &str, paths: &[&str]) -> Vec<(String, u32)> {
        let found = best(query, &[PathBuf::from("root")], &entries(paths), || false);
        found.into_iter().map(|found| (found.path, found.score)).collect()
    }

    fn named(scores: &[(&str, u32)]) -> Vec<(String, u32)> {
        scores.iter().map(|(path, score)| ((*path).to_owned(), *score)).collect()
    }

    // The scores of these tests are what the reference answered for the same files.

    #[test]
    fn names_come_before_paths_and_same_names_before_all() {
        let paths = ["m/a/i/n", "src/ma_in.rs", "mainlink", "ünïcode/mäin.rs", "src/main.rs", "a/b/c/d/main", "main/"];
        let expected = [
            ("a/b/c/d/main", 196_717),
            ("main", 131_181),
            ("mainlink", 65_645),
            ("src/main.rs", 65_645),
            ("ünïcode/mäin.rs", 65_645),
            ("src/ma_in.rs", 65_640),
            ("m/a/i/n", 100),
        ];
        assert_eq!(scores("main", &paths), named(&expected));
        assert_eq!(scores("MAIN", &paths), named(&expected));
    }

    #[test]
    fn a_directory_whose_name_only_fits_is_no_better_than_its_path() {
        let paths = [".hiddenfile", "hiddendir/", "hiddendir/q"];
        let expected = [(".hiddenfile", 65_688), ("hiddendir", 159), ("hiddendir/q", 159)];
        assert_eq!(scores("hidden", &paths), named(&expected));
    }

    #[test]
    fn several_words_and_marks_are_understood_and_rank_by_the_path() {
        let paths = ["src/main.rs", "with space/main file.rs", "src/handlers/"];
        assert_eq!(scores("main rs", &paths), named(&[("src/main.rs", 165), ("with space/main file.rs", 165)]));
        assert_eq!(scores("src/main", &paths), named(&[("src/main.rs", 209)]));
        let expected = [("src/main.rs", 56), ("with space/main file.rs", 56), ("src/handlers", 36)];
        assert_eq!(scores("rs$", &paths)[..2], named(&expected)[..2]);
        assert_eq!(scores("!main", &paths), named(&[("src/handlers", 0)]));
        assert_eq!(scores("a$b", &["it's/a$b"]), named(&[("it's/a$b", 196_692)]));
        assert_eq!(scores("", &paths), []);
        assert_eq!(scores("  ", &paths), []);
    }

    #[test]
    fn the_matching_characters_are_named() {
        let found = best("main rs", &[PathBuf::from("root")], &entries(&["ünïcode/mäin.rs"]), || false);
        assert_eq!(found[0].indices, [8, 9, 10, 11, 13, 14]);
        assert_eq!(found[0].root, PathBuf::from("root"));
    }

    #[test]
    fn of_many_equal_matches_the_first_by_name_are_kept() {
        let paths: Vec<String> = (0..300).rev().map(|number| format!("many/main{number:03}.txt")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let found = scores("main", &paths);
        assert_eq!(found.len(), MAX_FOUND);
        assert_eq!((found[0].0.as_str(), found[49].0.as_str()), ("many/main000.txt", "many/main049.txt"));
        assert_eq!(best("main", &[], &entries(&paths), || true), []);
    }
}
