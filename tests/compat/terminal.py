"""A terminal with one program in it, whose screen can be read."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

import pyte

LINES, COLUMNS = 60, 120
SECONDS = 20
ESCAPE, ENTER, DOWN, CONTROL_U = "\x1b", "\r", "\x1b[B", "\x15"


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
        # Not `display`, which breaks at the second half of a wide character whose first half is written over.
        lines = ("".join(self.buffer[y][x].data for x in range(self.columns)) for y in range(self.lines))
        return "\n".join(line.rstrip() for line in lines)

    def shows(self, *sentences):
        """Waits until all of these are on the screen at once."""
        until = time.monotonic() + SECONDS
        while missing := [sentence for sentence in sentences if sentence not in self.text()]:
            assert self.read(until), f"not on the screen: {missing}"

    def changes(self, text):
        """Waits until the screen shows something else."""
        until = time.monotonic() + SECONDS
        while self.text() == text:
            assert self.read(until), "the screen stays as it is"

    def is_quiet(self):
        """Waits until nothing has come for a second."""
        while self.read(time.monotonic() + 1):
            pass

    def leaves(self, sentence, key=ESCAPE):
        """Leaves what shows this sentence. Keys that come while it is being shown may be lost."""
        until = time.monotonic() + SECONDS
        while sentence in self.text():
            assert time.monotonic() < until, f"still on the screen: {sentence}"
            self.write_process_input(key)
            self.is_quiet()

    def rests(self):
        """Waits for the end of what is going on."""
        until = time.monotonic() + SECONDS
        while "esc to interrupt" in self.text():
            assert self.read(until), "something is still going on"

    def enter(self, text, prompt="›"):
        """Pastes, because keys that come as fast as these are held for a paste, and Enter for a part of it."""
        # Some hosts make the TUI offer what failed once more.
        self.write_process_input(f"{CONTROL_U}\x1b[200~{text}\x1b[201~")
        self.shows(f"{prompt} {text}")
        self.write_process_input(ENTER)

    def exit_code(self):
        """Reads to the end of the program."""
        until = time.monotonic() + SECONDS
        while self.read(until):
            pass
        assert time.monotonic() < until, "the program does not end"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
