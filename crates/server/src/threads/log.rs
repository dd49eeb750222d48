//! The end of a thread's log, for whoever writes it. The lease on the thread is taken with the first line that is
//! written, and given back when nobody needs it; a log that somebody else has changed in between is left alone.

use std::sync::Arc;

use valet_protocol::{ErrorKind, ErrorObject};
use valet_store::{NewLine, Position, StoreError, ThreadLog, ThreadStore, Until};

use crate::convert::store_error;

/// The end of a thread's log.
pub(super) struct Log {
    id: String,
    store: Arc<dyn ThreadStore>,
    writer: Writer,
    /// What could not be written yet.
    pending: Vec<NewLine>,
    /// Why.
    failure: Option<String>,
}

enum Writer {
    /// Nothing is stored; this would be the first line.
    New(NewLine),
    Held(Box<dyn ThreadLog>),
    /// Where the log ended when the lease was given back.
    GivenBack(Position),
    /// Nothing is written any more.
    Lost,
}

impl Log {
    /// Of a thread that is not stored before it has something to say.
    pub(super) fn new(id: String, store: Arc<dyn ThreadStore>, head: NewLine) -> Self {
        Self { id, store, writer: Writer::New(head), pending: Vec::new(), failure: None }
    }

    /// Of a thread that is stored, and leased.
    pub(super) fn stored(id: String, store: Arc<dyn ThreadStore>, log: Box<dyn ThreadLog>) -> Self {
        Self { id, store, writer: Writer::Held(log), pending: Vec::new(), failure: None }
    }

    /// Adds lines, after those that could not be written before. Says whether all of them are stored.
    pub(super) fn append(&mut self, lines: impl IntoIterator<Item = NewLine>) -> bool {
        if matches!(self.writer, Writer::Lost) {
            return false;
        }
        self.pending.extend(lines);
        self.flush()
    }

    /// Takes back the last line, if it is not stored.
    pub(super) fn take_back(&mut self) {
        self.pending.pop();
    }

    /// A turn begins: what could not be stored before does not count against it, if it can be now.
    pub(super) fn turn_begins(&mut self) {
        if !matches!(self.writer, Writer::Lost) {
            self.failure = None;
        }
    }

    /// Where the thread is stored.
    pub(super) fn store(&self) -> Arc<dyn ThreadStore> {
        Arc::clone(&self.store)
    }

    /// Why something is not stored, or was not when it should have been, since the last turn began.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The same as the reason for a turn to fail.
    pub(super) fn turn_failure(&self) -> Option<String> {
        let reason = self.failure()?;
        Some(match self.writer {
            Writer::Lost => reason.to_owned(),
            _ => format!(
                "what happens in this thread cannot be stored, so the turn ends here: {reason}. Make room or give the \
                 host write access to its home; a thread started with `ephemeral: true` needs neither"
            ),
        })
    }

    /// Nothing more is written, for this reason. What waits gets a last chance.
    pub(super) fn give_up(&mut self, reason: String) {
        if !self.pending.is_empty() {
            self.flush();
        }
        self.pending.clear();
        self.writer = Writer::Lost;
        self.failure = Some(reason);
    }

    /// Writes what waits. Says whether nothing does any more.
    fn flush(&mut self) -> bool {
        let written = match self.take_lease() {
            Ok(true) => match &mut self.writer {
                Writer::Held(log) => log.append(&self.pending),
                _ => return false,
            },
            Ok(false) => return false,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                self.pending.clear();
                true
            }
            Err(error) => {
                if self.failure.is_none() {
                    tracing::error!(thread = self.id, %error, "a thread cannot be stored");
                }
                self.failure = Some(error.to_string());
                false
            }
        }
    }

    /// Takes the lease, unless it is held. False: nothing is written any more; somebody else has changed the log since
    /// the lease was given back, perhaps.
    ///
    /// # Errors
    ///
    /// Somebody else has it, or the disk refuses.
    pub(super) fn take_lease(&mut self) -> Result<bool, StoreError> {
        match &self.writer {
            Writer::New(head) => {
                let id = uuid::Uuid::parse_str(&self.id).unwrap_or_default();
                self.writer = Writer::Held(self.store.create(id, head.clone())?);
            }
            Writer::GivenBack(end) => {
                let log = self.store.lease(&self.id)?;
                if log.lines().end()? != *end {
                    self.pending.clear();
                    self.give_up(format!("thread {} was changed by another process; resume it again", self.id));
                    return Ok(false);
                }
                self.writer = Writer::Held(log);
            }
            Writer::Held(_) | Writer::Lost => {}
        }
        Ok(matches!(self.writer, Writer::Held(_)))
    }

    /// Gives the lease back, if everything is stored.
    pub(super) fn give_lease_back(&mut self) {
        if !self.pending.is_empty() {
            self.flush();
        }
        if let Writer::Held(log) = &self.writer
            && self.pending.is_empty()
            && let Ok(end) = log.lines().end()
            && end > Position::START
        {
            self.writer = Writer::GivenBack(end);
        }
    }

    /// Takes back everything from a place on.
    ///
    /// # Errors
    ///
    /// It could not be done, or somebody else went on with the thread. Nothing was changed.
    pub(super) fn truncate(&mut self, from: Position) -> Result<(), ErrorObject> {
        self.take_lease().map_err(store_error)?;
        let Writer::Held(log) = &mut self.writer else {
            let reason = self.failure().unwrap_or("the thread was closed");
            return Err(ErrorObject::invalid_request(reason).kind(ErrorKind::ThreadBusy));
        };
        log.truncate(from).map_err(store_error)?;
        // What waits came after it.
        self.pending.clear();
        Ok(())
    }

    /// Asks for what was written to survive the machine, too.
    pub(super) fn sync(&self) {
        if let Writer::Held(log) = &self.writer {
            log.sync();
        }
    }

    /// Whether there is a line already.
    pub(super) fn is_stored(&self) -> bool {
        match &self.writer {
            Writer::New(_) => false,
            Writer::Held(log) => log.lines().end().is_ok_and(|end| end > Position::START),
            Writer::GivenBack(_) | Writer::Lost => true,
        }
    }

    /// What is stored now; none before the first turn.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub(super) fn lines(&self) -> Result<Option<Until>, StoreError> {
        let lines = match &self.writer {
            Writer::New(_) => return Ok(None),
            Writer::Held(log) => log.lines(),
            Writer::GivenBack(_) | Writer::Lost => self.store.lines(&self.id)?,
        };
        let end = lines.end()?;
        Ok((end > Position::START).then(|| Until::new(lines, end)))
    }
}
