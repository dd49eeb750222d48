//! In what two transcripts differ.

use std::collections::BTreeSet;

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use valet_tests::transcript::{Bindings, Difference};

use crate::transcript::{Entry, Transcript};

/// One difference.
pub(crate) struct Finding {
    pub(crate) lane: String,
    pub(crate) of: String,
    pub(crate) what: What,
}

pub(crate) enum What {
    Member(Difference),
    /// It was recorded, and did not come.
    Missing(Value),
    /// It came, and was not recorded.
    Added(Value),
}

/// Both in normal form; `constants` are the placeholders that stand for the same thing in both.
pub(crate) fn compare(expected: &Transcript, got: &Transcript, constants: &[(String, String)]) -> Vec<Finding> {
    let mut bindings = Bindings::default();
    for (_, placeholder) in constants {
        bindings.bind(placeholder.trim_matches(['<', '>']), placeholder);
    }
    let mut findings = Vec::new();
    let lanes: BTreeSet<&String> = expected.0.keys().chain(got.0.keys()).collect();
    let none = Vec::new();
    for lane in lanes {
        let (expected, got) = (expected.0.get(lane).unwrap_or(&none), got.0.get(lane).unwrap_or(&none));
        compare_lanes(lane, expected, got, &mut bindings, &mut findings);
    }
    findings
}

fn compare_lanes(lane: &str, expected: &[Entry], got: &[Entry], bindings: &mut Bindings, findings: &mut Vec<Finding>) {
    let keys = |entries: &[Entry]| entries.iter().map(Entry::key).collect::<Vec<_>>();
    let mut find = |of: &str, what| findings.push(Finding { lane: lane.to_owned(), of: of.to_owned(), what });
    for step in capture_diff_slices(Algorithm::Myers, &keys(expected), &keys(got)) {
        if let DiffOp::Equal { old_index, new_index, len } = step {
            for (expected, got) in expected[old_index..][..len].iter().zip(&got[new_index..][..len]) {
                for difference in bindings.differences(&expected.message, &got.message) {
                    find(&expected.of, What::Member(difference));
                }
            }
        } else {
            for entry in &expected[step.old_range()] {
                find(&entry.of, What::Missing(entry.message.clone()));
            }
            for entry in &got[step.new_range()] {
                find(&entry.of, What::Added(entry.message.clone()));
            }
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}", self.lane, self.of)?;
        match &self.what {
            What::Missing(message) => write!(f, " is missing\n    {message}"),
            What::Added(message) => write!(f, " is more than was recorded\n    {message}"),
            What::Member(Difference { at, expected, got }) => {
                let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
                write!(f, " {at}\n    recorded {}\n    got      {}", show(expected), show(got))
            }
        }
    }
}
