//! The table as it is read by people and by programs.

use pretty_assertions::assert_eq;
use valet_switch::clock;
use valet_switch::meters::{Failure, Reached, Standing, Window};

use super::{Account, BAR, bar, lines};

const HOUR: i64 = 3600;
const NOW: i64 = 1_800_000_000;

fn window(used_percent: f64, hours: i64, left: i64) -> Window {
    Window { used_percent, length_s: Some(hours * HOUR), resets_at: Some(NOW + left) }
}

fn account(name: &str, windows: &[Window]) -> Account {
    let standing = Standing {
        name: name.to_owned(),
        plan: Some("pro".to_owned()),
        windows: windows.to_vec(),
        learned_at: Some(NOW),
        ..Standing::default()
    };
    Account { standing, current: name.starts_with('a') }
}

fn at(unix_seconds: i64) -> String {
    clock(unix_seconds, NOW).unwrap()
}

#[test]
fn a_program_gets_a_line_for_each_window_and_no_escape_codes() {
    let mut spent = account("c@d.e", &[]);
    spent.standing.learned_at = None;
    spent.standing.failure = Some(Failure { message: "it was revoked".to_owned(), is_final: true });
    let accounts = [account("a@b.c", &[window(60.0, 5, 3 * HOUR), window(1.0, 168, 24 * HOUR)]), spent];
    let (used_up, resets, anew) = (at(NOW + HOUR + HOUR / 3), at(NOW + 3 * HOUR), at(NOW + 24 * HOUR));
    let [first, second] = [format!("in 3 h 0 min ({resets})"), format!("in 1 d 0 h ({anew})")];
    let width = first.len().max(second.len());
    let expected = [
        format!("account  plan  window   used  {:<width$}  forecast", "starts anew"),
        format!("* a@b.c  pro   5 hours  60 %  {first:<width$}  used up in 1 h 20 min ({used_up})"),
        format!("* a@b.c  pro   7 days    1 %  {second:<width$}  lasts until then"),
        "  c@d.e  pro   not known: it was revoked".to_owned(),
    ];
    assert_eq!(lines(&accounts, NOW, false), expected);
}

#[test]
fn a_terminal_gets_bars_of_one_length_and_each_name_once() {
    let accounts = [account("a@b.c", &[window(95.0, 5, HOUR), window(75.0, 168, HOUR)]), account("b@b.c", &[])];
    let lines = lines(&accounts, NOW, true);
    assert!(lines[1].contains("\u{1b}[31m") && lines[2].contains("\u{1b}[33m"), "{lines:?}");
    assert!(lines[1].contains("a@b.c") && !lines[2].contains("a@b.c"), "{lines:?}");
    assert!(lines[3].ends_with("pro   no limits are told"), "{lines:?}");
    for (used, full) in [(0.0, 0), (0.4, 1), (50.0, 10), (99.9, BAR - 1), (100.0, BAR), (130.0, BAR)] {
        let bar = bar(used);
        let count = |cell| bar.chars().filter(|&c| c == cell).count();
        assert_eq!((count('█'), count('░')), (full, BAR - full), "{used}");
    }
}

#[test]
fn a_limit_that_no_window_shows_is_said() {
    let mut limited = account("a@b.c", &[window(97.0, 5, 3 * HOUR)]);
    limited.standing.reached = Some(Reached { until: Some(NOW + 2 * HOUR) });
    limited.standing.failure = Some(Failure { message: "no network".to_owned(), is_final: false });
    let said = lines(std::slice::from_ref(&limited), NOW, false);
    assert!(said[2].ends_with(&format!("at its limit until {}", at(NOW + 2 * HOUR))), "{said:?}");
    assert!(said[3].ends_with(&format!("not known since {}: no network", at(NOW))), "{said:?}");
    let full = account("a@b.c", &[window(100.0, 5, 3 * HOUR), window(99.7, 168, HOUR)]);
    let said = lines(&[full], NOW, false);
    assert!(said[1].contains("100 %") && said[1].ends_with("used up"), "{said:?}");
    assert!(said[2].contains("99 %") && said.len() == 3, "what is left is not called nothing: {said:?}");
}

#[test]
fn nobody_is_a_sentence() {
    assert_eq!(lines(&[], NOW, true), ["There are no ChatGPT logins. `valet login` makes one."]);
}
