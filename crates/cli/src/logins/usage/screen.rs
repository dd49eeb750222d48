//! A terminal that is written to again and again. What was on it before is there again afterwards.

use std::io::{IsTerminal, Write};

use super::write;

/// The second screen of the terminal, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const TO_END_OF_LINE: &str = "\x1b[K";
const TO_END_OF_SCREEN: &str = "\x1b[J";

/// The terminal, until this is dropped.
pub(super) struct Screen(());

impl Screen {
    /// None: stdout is no terminal that could be written to again.
    pub(super) fn open() -> Option<Self> {
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        (able && std::io::stdout().is_terminal() && control(ENTER).is_ok()).then(|| Self(()))
    }

    /// Puts these lines in the place of what was shown before.
    pub(super) fn show(&self, lines: &[String]) -> std::io::Result<()> {
        control(HOME)?;
        for line in lines {
            write(line)?;
            control(TO_END_OF_LINE)?;
            write("\n")?;
        }
        control(TO_END_OF_SCREEN)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = control(LEAVE);
    }
}

/// Also where no colours are wanted.
fn control(sequence: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(sequence.as_bytes())?;
    out.flush()
}
