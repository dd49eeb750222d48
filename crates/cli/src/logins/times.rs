//! Times and lengths of time in words.

use chrono::{DateTime, Local};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long a window is.
pub(super) fn length(seconds: i64) -> String {
    match seconds {
        DAY.. => format!("{} days", seconds / DAY),
        HOUR.. => format!("{} hours", seconds / HOUR),
        _ => format!("{} minutes", seconds / MINUTE),
    }
}

/// How long it takes until then, in the two units that count.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        DAY.. => format!("{} d {} h", seconds / DAY, seconds % DAY / HOUR),
        HOUR.. => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
        MINUTE.. => format!("{} min", seconds / MINUTE),
        _ => "a moment".to_owned(),
    }
}

/// A time.
pub(super) fn time(unix_seconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp(unix_seconds, 0)?.with_timezone(&Local);
    Some(time.format("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{DAY, HOUR, length, span};

    #[test]
    fn a_length_of_time_is_said_in_the_units_that_count() {
        assert_eq!([length(30 * 60), length(5 * HOUR), length(7 * DAY)], ["30 minutes", "5 hours", "7 days"]);
        let spans = [-5, 59, 61, 2 * HOUR + 90, 3 * DAY + 5 * HOUR].map(span);
        assert_eq!(spans, ["a moment", "a moment", "1 min", "2 h 1 min", "3 d 5 h"]);
    }
}
