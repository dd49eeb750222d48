//! Who says what to whom, a line each, with colours where a terminal shows them.

use std::fmt::Display;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use anstyle::{AnsiColor, Color, Style};

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Parent,
    Valet,
    Backend,
}

impl Role {
    fn styled(self) -> String {
        let (name, color) = match self {
            Self::Parent => ("parent", AnsiColor::Cyan),
            Self::Valet => ("valet", AnsiColor::Green),
            Self::Backend => ("backend", AnsiColor::Magenta),
        };
        let style = Style::new().fg_color(Some(Color::Ansi(color))).bold();
        format!("{style}{name:<7}{style:#}")
    }
}

/// Writes the story. What is said at the same time is written one after the other.
#[derive(Debug)]
pub(super) struct Narrator {
    began: Instant,
    /// Whether streamed text stands on a line that is not ended.
    streaming: Mutex<bool>,
}

impl Default for Narrator {
    fn default() -> Self {
        Self { began: Instant::now(), streaming: Mutex::new(false) }
    }
}

const FAINT: Style = Style::new().dimmed();

impl Narrator {
    /// One says something to another.
    pub(super) fn say(&self, from: Role, to: Role, what: impl Display, details: impl Display) {
        let (from, to) = (from.styled(), to.styled());
        let time = self.began.elapsed().as_millis();
        self.line(format_args!("{FAINT}{time:>5} ms{FAINT:#}  {from} → {to}  {what}  {FAINT}{details}{FAINT:#}"));
    }

    /// More of the model's answer.
    pub(super) fn stream(&self, text: &str) {
        let mut streaming = self.streaming.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = anstream::stdout().lock();
        if !*streaming {
            let (from, to) = (Role::Valet.styled(), Role::Parent.styled());
            let _ = write!(out, "{:>8}  {from} → {to}  item/agentMessage/delta  “", "");
        }
        *streaming = true;
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }

    /// A line of its own.
    pub(super) fn line(&self, line: impl Display) {
        let mut streaming = self.streaming.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = anstream::stdout().lock();
        if std::mem::take(&mut *streaming) {
            let _ = writeln!(out, "”");
        }
        // Nobody may be reading any more, and that is the reader's choice.
        let _ = writeln!(out, "{line}");
    }

    /// A heading.
    pub(super) fn heading(&self, text: &str) {
        let bold = Style::new().bold();
        self.line(format_args!("\n{bold}{text}{bold:#}\n"));
    }
}
