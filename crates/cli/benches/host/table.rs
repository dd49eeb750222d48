//! A table of what is measured of Valet alone, with marks.

use std::time::Duration;

use crate::statistics::percentile;

/// Prints rows as they come, keeps them, and counts the marks that were missed.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) missed: usize,
    /// What was measured, what it was, and its mark.
    pub(crate) rows: Vec<[String; 3]>,
}

impl Table {
    pub(crate) fn row(&mut self, what: &str, value: &str) {
        self.keep(what, value, "-".to_owned());
    }

    /// The median must hold the mark.
    pub(crate) fn times(&mut self, what: &str, times: &[Duration], mark: Duration) {
        let [first, median, late] = [0, 50, 99].map(|percent| percentile(times, percent));
        let value = format!("{} ({} to {})", ms(median), ms(first), ms(late));
        self.mark(what, &value, &ms(mark), median <= mark);
    }

    pub(crate) fn mark(&mut self, what: &str, value: &str, mark: &str, held: bool) {
        self.missed += usize::from(!held);
        self.keep(what, value, format!("{mark}{}", if held { "" } else { " MISSED" }));
    }

    fn keep(&mut self, what: &str, value: &str, mark: String) {
        if self.rows.is_empty() {
            println!("\n{:<58} {:<44} mark", "stored threads, Valet alone", "measured");
        }
        println!("{what:<58} {value:<44} {mark}");
        self.rows.push([what.to_owned(), value.to_owned(), mark]);
    }
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
