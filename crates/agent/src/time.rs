//! Times: for those who listen, and for people. What time it is says `chrono`.

use std::time::Duration;

use chrono::{DateTime, Datelike, Local, TimeZone};

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Unix seconds as this machine's clock on the wall shows them: `Jan 15th, 2027 8:00 AM`, or `8:00 AM` if it is today.
pub(crate) fn local(unix_seconds: i64) -> Option<String> {
    Local.timestamp_opt(unix_seconds, 0).single().map(|time| in_words(&time, &Local::now()))
}

fn in_words<Z: TimeZone>(time: &DateTime<Z>, now: &DateTime<Z>) -> String
where
    Z::Offset: std::fmt::Display,
{
    if time.date_naive() == now.date_naive() {
        return time.format("%-I:%M %p").to_string();
    }
    let day = time.day();
    let suffix = match (day % 10, day / 10) {
        (1, tens) if tens != 1 => "st",
        (2, tens) if tens != 1 => "nd",
        (3, tens) if tens != 1 => "rd",
        _ => "th",
    };
    format!("{} {day}{suffix}, {}", time.format("%b"), time.format("%Y %-I:%M %p"))
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use chrono::{TimeZone, Utc};
    use pretty_assertions::assert_eq;

    #[test]
    fn a_reset_time_reads_as_people_write_it() {
        let at = |seconds| Utc.timestamp_opt(seconds, 0).unwrap();
        let words = |seconds| in_words(&at(seconds), &at(0));
        assert_eq!(words(1_800_000_000), "Jan 15th, 2027 8:00 AM");
        assert_eq!(words(1_800_000_000 + 86_400 * 6), "Jan 21st, 2027 8:00 AM");
        assert_eq!(words(1_800_000_000 - 86_400 * 4), "Jan 11th, 2027 8:00 AM");
        assert_eq!(in_words(&at(1_800_000_000), &at(1_800_020_000)), "8:00 AM");
    }
}
