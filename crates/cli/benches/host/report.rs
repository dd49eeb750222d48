//! What was measured, of both programs side by side: the rows, their marks, and how they are shown. Where they are
//! written to is `document`'s.

use crate::program::Program;

/// Something that is measured of each program in the same way.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    /// How it is measured, in a sentence.
    pub(crate) how: &'static str,
    pub(crate) unit: Unit,
    /// What Valet's value must be, in those of the reference.
    pub(crate) ratio: Option<Bound>,
    /// What Valet's value must be, whether the reference is here or not.
    pub(crate) value: Option<Bound>,
    /// What it must be where programs are compared: such a machine does nothing else.
    pub(crate) beside: Option<Bound>,
}

impl Row {
    /// One without marks.
    pub(crate) const PLAIN: Self =
        Self { what: "", how: "", unit: Unit::Count, ratio: None, value: None, beside: None };
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    Seconds,
    MiB,
    KiB,
    /// So many a second.
    Rate,
    Count,
    /// In those of something else.
    Times,
}

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// A row that was measured.
pub(crate) struct Measure {
    pub(crate) row: &'static Row,
    pub(crate) valet: Option<f64>,
    pub(crate) reference: Option<f64>,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) measures: Vec<Measure>,
    /// What this bench could measure at most, by a name and with a sentence on how.
    pub(crate) limits: Vec<(&'static str, String, &'static str)>,
}

impl Report {
    /// Keeps what was measured of a program.
    pub(crate) fn put(&mut self, row: &'static Row, program: &Program, value: f64) {
        let found = self.measures.iter().position(|measure| std::ptr::eq(measure.row, row));
        let index = found.unwrap_or_else(|| {
            self.measures.push(Measure { row, valet: None, reference: None });
            self.measures.len() - 1
        });
        let measure = &mut self.measures[index];
        let place = if program.is_valet() { &mut measure.valet } else { &mut measure.reference };
        *place = Some(value);
    }

    pub(crate) fn limit(&mut self, what: &'static str, value: String, how: &'static str) {
        self.limits.retain(|(kept, ..)| *kept != what);
        self.limits.push((what, value, how));
    }

    pub(crate) fn missed(&self) -> usize {
        self.measures.iter().filter(|measure| measure.held() == Some(false)).count()
    }
}

impl Measure {
    /// Valet's value in those of the reference.
    fn quotient(&self) -> Option<f64> {
        Some(self.valet? / self.reference.filter(|value| *value > 0.0)?)
    }

    /// Whether each of its marks holds; none where there is no mark that could be judged.
    pub(crate) fn held(&self) -> Option<bool> {
        let ratio = self.row.ratio.and_then(|bound| Some(bound.holds(self.quotient()?)));
        let values = self.bounds().filter_map(|bound| Some(bound.holds(self.valet?)));
        ratio.into_iter().chain(values).reduce(|one, other| one && other)
    }

    /// What Valet's value is held to here.
    fn bounds(&self) -> impl Iterator<Item = Bound> {
        self.row.value.into_iter().chain(self.row.beside.filter(|_| self.reference.is_some()))
    }

    /// The columns behind the name: Valet, reference, ratio, mark.
    pub(crate) fn columns(&self) -> [String; 4] {
        let unit = self.row.unit;
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| unit.show(value));
        let ratio = self.quotient().map_or_else(|| "-".to_owned(), factor);
        let beside = self.row.ratio.filter(|_| self.reference.is_some()).map(|bound| bound.show(factor));
        let values = self.bounds().map(|bound| bound.show(|value| unit.show(value)));
        let marks: Vec<_> = beside.into_iter().chain(values).collect();
        let verdict = match self.held() {
            None => "-",
            Some(true) => "",
            Some(false) => " MISSED",
        };
        [show(self.valet), show(self.reference), ratio, marks.join(", ") + verdict]
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn show(self, show: impl Fn(f64) -> String) -> String {
        match self {
            Self::AtMost(limit) => format!("{} or less", show(limit)),
            Self::AtLeast(limit) => format!("{} or more", show(limit)),
        }
    }
}

/// A ratio as people say it.
fn factor(ratio: f64) -> String {
    if ratio < 1.0 { format!("1/{}", digits(1.0 / ratio)) } else { format!("{}x", digits(ratio)) }
}

/// As many decimal places as tell something.
fn digits(value: f64) -> String {
    let places = if value >= 99.95 || value.fract() == 0.0 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.places$}")
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        let value = digits(value);
        match self {
            Self::Milliseconds => value + " ms",
            Self::Microseconds => value + " us",
            Self::Seconds => value + " s",
            Self::MiB => value + " MiB",
            Self::KiB => value + " KiB",
            Self::Rate => value + "/s",
            Self::Count => value,
            Self::Times => value + "x",
        }
    }
}
