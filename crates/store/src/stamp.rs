//! What a log adds to the lines that it is given: their time and their number.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::line::NewLine;

/// The stamp of a log: what its next line gets. Make a copy, write with it, and keep it if the lines were stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// The number of the next line. None: this log has no numbers, as the older logs of the reference.
    pub(crate) ordinal: Option<u64>,
    /// The time of the last line in unix milliseconds. Time does not go back in a log, whatever the clock does.
    pub(crate) last_ms: i64,
}

impl Stamp {
    /// For a new log.
    pub(crate) const NEW: Self = Self { ordinal: Some(0), last_ms: 0 };

    /// The lines as they are to be stored, each with its line feed.
    pub(crate) fn write<'a>(&mut self, lines: impl IntoIterator<Item = &'a NewLine>) -> serde_json::Result<Vec<u8>> {
        self.last_ms = self.last_ms.max(Utc::now().timestamp_millis());
        let timestamp = timestamp(self.last_ms);
        let mut bytes = Vec::new();
        for line in lines {
            let stamped =
                Stamped { timestamp: &timestamp, ordinal: self.ordinal, kind: &line.kind, payload: &line.payload };
            let start = bytes.len();
            serde_json::to_writer(&mut bytes, &stamped)?;
            // A payload may come from somewhere where JSON has line feeds. They can only be between its words.
            for feed in bytes[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *feed = b' ';
            }
            bytes.push(b'\n');
            self.ordinal = self.ordinal.map(|ordinal| ordinal.saturating_add(1));
        }
        Ok(bytes)
    }
}

/// The time of a line in unix milliseconds.
pub(crate) fn millis(timestamp: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(timestamp).ok()?.timestamp_millis())
}

/// As the reference writes times.
fn timestamp(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[derive(Serialize)]
struct Stamped<'a> {
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordinal: Option<u64>,
    #[serde(rename = "type")]
    kind: &'a str,
    payload: &'a RawValue,
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::Stamp;
    use crate::line::NewLine;

    fn note(text: &str) -> NewLine {
        NewLine::new("note", &json!({"text": text})).unwrap()
    }

    #[test]
    fn lines_are_numbered_and_timed_as_the_reference_does_it() {
        let mut stamp = Stamp { ordinal: Some(7), last_ms: 4_102_444_800_123 };
        let bytes = stamp.write(&[note("a"), note("b")]).unwrap();
        let expected = r#"{"timestamp":"2100-01-01T00:00:00.123Z","ordinal":7,"type":"note","payload":{"text":"a"}}
{"timestamp":"2100-01-01T00:00:00.123Z","ordinal":8,"type":"note","payload":{"text":"b"}}
"#;
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_payload_on_several_lines_is_stored_on_one() {
        let payload = serde_json::value::RawValue::from_string("{\r\n\"a\": \"\\n\"\n}".to_owned()).unwrap();
        let bytes = { Stamp::NEW }.write(&[NewLine { kind: "note".into(), payload: payload.into() }]).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("\"payload\":{  \"a\": \"\\n\" }}\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_log_without_numbers_stays_without_numbers() {
        let mut stamp = Stamp { ordinal: None, last_ms: 4_102_444_800_123 };
        let bytes = String::from_utf8(stamp.write(&[note("a")]).unwrap()).unwrap();
        assert!(!bytes.contains("ordinal"), "{bytes}");
    }
}
