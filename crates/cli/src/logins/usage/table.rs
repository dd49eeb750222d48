//! The table: a line for each window of each account, with a bar where there is a terminal.

use anstyle::{AnsiColor, Style};
use valet_switch::clock;
use valet_switch::meters::{Forecast, Window};

use super::Account;
use crate::logins::times::{length, span};

const BAR: usize = 20;
const HEADS: [&str; 6] = ["account", "plan", "window", "used", "starts anew", "forecast"];
/// The column of the window, behind which the bar and the percentage are.
const WINDOW: usize = 2;
const USED: usize = 3;

/// What an account has to say.
enum Line {
    Window {
        cells: [String; 6],
        used_percent: f64,
    },
    /// Something else, in the place of a window.
    Note {
        name: String,
        plan: String,
        words: String,
    },
}

/// The lines of the table, the head first. A terminal gets bars and colours.
pub(super) fn lines(accounts: &[Account], now: i64, terminal: bool) -> Vec<String> {
    if accounts.is_empty() {
        return vec!["There are no ChatGPT logins. `valet login` makes one.".to_owned()];
    }
    let lines: Vec<Line> = accounts.iter().flat_map(|account| of_account(account, now, terminal)).collect();
    let width = |column: usize| {
        let cells = lines.iter().map(|line| match line {
            Line::Window { cells, .. } => cells[column].chars().count(),
            Line::Note { name, .. } if column == 0 => name.chars().count(),
            Line::Note { plan, .. } if column == 1 => plan.chars().count(),
            Line::Note { .. } => 0,
        });
        cells.chain([HEADS[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let head = Line::Window { cells: HEADS.map(str::to_owned), used_percent: f64::NAN };
    std::iter::once(&head).chain(&lines).map(|line| line.text(&widths, terminal)).collect()
}

fn of_account(Account { standing, current }: &Account, now: i64, terminal: bool) -> Vec<Line> {
    let name = format!("{} {}", if *current { '*' } else { ' ' }, standing.name);
    let plan = standing.plan.clone().unwrap_or_default();
    let note = |words| Line::Note { name: name.clone(), plan: plan.clone(), words };
    let window = |window: &Window| Line::Window {
        cells: [
            name.clone(),
            plan.clone(),
            window.length_s.map(length).unwrap_or_default(),
            percent(window),
            window.resets_at.map(|at| in_time(at, now)).unwrap_or_default(),
            forecast(window, standing.learned_at.unwrap_or(now), now),
        ],
        used_percent: window.used_percent,
    };
    let mut lines: Vec<Line> = standing.windows.iter().map(window).collect();
    if standing.is_limited() && !standing.windows.iter().any(Window::is_full) {
        let until = standing.back_at().and_then(|at| clock(at, now)).map(|at| format!(" until {at}"));
        lines.push(note(format!("at its limit{}", until.unwrap_or_default())));
    }
    if let Some(failure) = &standing.failure {
        let since = standing.learned_at.and_then(|at| clock(at, now)).map(|at| format!(" since {at}"));
        lines.push(note(format!("not known{}: {}", since.unwrap_or_default(), failure.message)));
    }
    if lines.is_empty() {
        lines.push(note("no limits are told".to_owned()));
    }
    if terminal {
        lines.iter_mut().skip(1).for_each(Line::belongs_to_the_one_above);
    }
    lines
}

/// Not the whole of it, as long as anything is left.
fn percent(window: &Window) -> String {
    let most = if window.is_full() { 100.0 } else { 99.0 };
    format!("{:.0} %", window.used_percent.round().clamp(0.0, most))
}

fn in_time(at: i64, now: i64) -> String {
    let at_clock = clock(at, now).map(|clock| format!(" ({clock})")).unwrap_or_default();
    format!("in {}{at_clock}", span(at.saturating_sub(now)))
}

/// The pace is that of the time at which it was learned.
fn forecast(window: &Window, learned_at: i64, now: i64) -> String {
    match window.forecast(learned_at) {
        _ if window.is_full() => "used up".to_owned(),
        Some(Forecast::UsedUpAt(at)) => format!("used up {}", in_time(at, now)),
        Some(Forecast::Lasts) => "lasts until then".to_owned(),
        None => String::new(),
    }
}

impl Line {
    fn belongs_to_the_one_above(&mut self) {
        let (Self::Window { cells: [name, plan, ..], .. } | Self::Note { name, plan, .. }) = self;
        name.clear();
        plan.clear();
    }

    fn text(&self, widths: &[usize; 6], terminal: bool) -> String {
        let padded = |text: &str, column: usize| format!("{text:<0$}  ", widths[column]);
        match self {
            Self::Note { name, plan, words } => format!("{}{}{words}", padded(name, 0), padded(plan, 1)),
            Self::Window { cells, used_percent } => {
                let mut text = String::new();
                for (column, cell) in cells.iter().enumerate() {
                    match column {
                        USED => text += &format!("{cell:>0$}  ", widths[column]),
                        _ => text += &padded(cell, column),
                    }
                    if column == WINDOW && terminal {
                        text += &bar(*used_percent);
                    }
                }
                text.truncate(text.trim_end().len());
                text
            }
        }
    }
}

/// As long for every window. What is no number, such as a head, has none.
fn bar(used_percent: f64) -> String {
    if used_percent.is_nan() {
        return " ".repeat(BAR + 1);
    }
    let share = (used_percent / 100.0).clamp(0.0, 1.0);
    // Something that is used is seen, and so is something that is left.
    let full = match (share * BAR as f64).round() as usize {
        0 if share > 0.0 => 1,
        BAR if share < 1.0 => BAR - 1,
        full => full,
    };
    let colour = match used_percent {
        90.0.. => AnsiColor::Red,
        70.0.. => AnsiColor::Yellow,
        _ => AnsiColor::Green,
    };
    let (used, left) = (Style::new().fg_color(Some(colour.into())), Style::new().dimmed());
    format!("{used}{}{used:#}{left}{}{left:#} ", "█".repeat(full), "░".repeat(BAR - full))
}

#[cfg(test)]
mod tests;
