"""Drives the real TUI of the reference, as it is published, and reads its screen.

Called as `tui.py CODEX URL HOME`. CODEX is the program, URL the websocket of the app server under test, and
HOME an empty directory for what the TUI writes. Prints one line, `ok STEP`, for each step that passed, and
ends at the first one that did not, with the screen on stderr. `tui.rs` calls it and holds the script of the
backend, whose sentences are looked for here.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

import pyte

LINES, COLUMNS = 60, 120
SECONDS = 20
ESCAPE, ENTER = "\x1b", "\r"


class Terminal(pyte.Screen):
    """A terminal with one program in it."""

    def __init__(self, argv, environment):
        super().__init__(COLUMNS, LINES)
        self.stream = pyte.ByteStream(self)
        pid, self.master = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
            os.execve(argv[0], argv, environment)
        self.pid = pid

    def write_process_input(self, data):
        """Keys, and what a terminal answers when it is asked for its cursor or its kind."""
        os.write(self.master, data.encode())

    def read(self, until):
        """Shows what comes next. False when nothing comes in time, or nothing can come any more."""
        if not select.select([self.master], [], [], max(0, until - time.monotonic()))[0]:
            return False
        try:
            output = os.read(self.master, 65536)
        except OSError:  # How Linux says that the program has ended.
            return False
        self.stream.feed(output)
        return bool(output)

    def text(self):
        return "\n".join(line.rstrip() for line in self.display)

    def shows(self, *sentences):
        """Waits until all of these are on the screen at once."""
        until = time.monotonic() + SECONDS
        while missing := [sentence for sentence in sentences if sentence not in self.text()]:
            assert self.read(until), f"not on the screen: {missing}"

    def enter(self, text):
        """Pastes, because keys that come as fast as these are held for a paste, and Enter for a part of it."""
        self.write_process_input(f"\x1b[200~{text}\x1b[201~")
        self.shows(f"› {text}")
        self.write_process_input(ENTER)

    def exit_code(self):
        """Reads to the end of the program."""
        until = time.monotonic() + SECONDS
        while self.read(until):
            pass
        assert time.monotonic() < until, "the program does not end"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def composer(tui):
    tui.shows("Ask Codex to do anything", "GPT-5.5")


def command_is_approved(tui):
    tui.enter("run the command")
    tui.shows("Would you like to run the following command?", "Reason: May I?", "$ echo one-$((1 + 1))")
    tui.write_process_input("y")
    tui.shows("You approved codex to run", "one-2", "The command has run.")


def patch_is_approved(tui):
    tui.enter("write the file")
    tui.shows("Would you like to make the following edits?", "patched.txt", "+a line of the patch")
    tui.write_process_input("y")
    tui.shows("Added patched.txt (+1 -0)", "The file is written.")


def turn_is_steered(tui):
    tui.enter("go on for long")
    tui.shows("long long long")
    tui.enter("be brief")
    tui.shows("In brief: yes.")


def turn_is_interrupted(tui):
    tui.enter("tell it slowly")
    tui.shows("slow slow slow")
    tui.write_process_input(ESCAPE)
    tui.shows("Conversation interrupted")


def command_is_declined(tui):
    tui.enter("try it again")
    tui.shows("Would you like to run the following command?", "$ echo never")
    tui.write_process_input(ESCAPE)
    tui.shows("You canceled the request to run echo never")


def quits(tui):
    tui.enter("/quit")
    code = tui.exit_code()
    assert code == 0, f"exit code {code}"


ORDER = [
    composer,
    command_is_approved,
    patch_is_approved,
    turn_is_steered,
    turn_is_interrupted,
    command_is_declined,
    quits,
]


def main():
    codex, url, home = sys.argv[1:]
    with open(os.path.join(home, "config.toml"), "w") as config:
        config.write("check_for_update_on_startup = false\n[analytics]\nenabled = false\n")
    environment = {**os.environ, "CODEX_HOME": home, "TERM": "xterm-256color"}
    # Read-only, so that patches need leave too.
    tui = Terminal([codex, "--remote", url, "--sandbox", "read-only", "--ask-for-approval", "on-request"], environment)
    for step in ORDER:
        try:
            step(tui)
        except BaseException:
            print(f"{step.__name__} failed; the screen:\n{tui.text()}", file=sys.stderr)
            raise
        print("ok", step.__name__, flush=True)


main()
