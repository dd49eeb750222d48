//! A command line of the person, in a turn of its own: no model, no sandbox, no question. What came of it is
//! told to the model with the next turn.

use std::time::Duration;

use uuid::Uuid;
use valet_exec::{Sandbox, Spec, Stdio};

use crate::driver::{Driver, Ended};
use crate::item::{Command, CommandSource, ItemKind};
use crate::mailbox::{Control, Mailbox};
use crate::prompt;
use crate::tools::OpenItem;
use crate::turn::Turn;

impl Driver {
    pub(crate) async fn shell(
        &mut self,
        turn: &Turn,
        line: String,
        timeout: Option<Duration>,
        mailbox: &mut Mailbox,
    ) -> Ended {
        let here = &turn.settings.surroundings;
        let argv = [here.shell.clone(), "-lc".to_owned(), line.clone()];
        let command = Command::begun(&argv, &line, here.cwd.as_ref(), CommandSource::Person);
        let item = OpenItem::begin(turn, Uuid::now_v7().to_string(), ItemKind::Command(command.clone()));
        let spec = Spec {
            argv: argv.iter().map(Into::into).collect(),
            cwd: here.cwd.clone().into(),
            env: turn.settings.environment.unattended(false),
            stdio: Stdio::Pipes { stdin: false },
            sandbox: Sandbox::None,
        };
        let running = self.tools.run_for_person(spec, item, command, timeout);
        tokio::pin!(running);
        let (ended, report) = loop {
            tokio::select! {
                biased;
                control = mailbox.control(turn) => match control {
                    Control::Ended(ended) => break (ended, None),
                    // Never comes: a turn like this is not steered, and what is said waits for one of its own.
                    Control::Said(..) => {}
                },
                report = &mut running => break (Ended::Completed, Some(report)),
            }
        };
        let report = report.unwrap_or_else(|| "It was stopped.".to_owned());
        let text = format!("<user_shell_command>\n$ {line}\n{report}\n</user_shell_command>");
        self.past.history.push_message(prompt::message("user", &text));
        ended
    }
}
