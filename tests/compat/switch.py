"""Drives the real TUI of the reference through `valet run`, and reads its screen.

Called as `switch.py PROGRAM ARGUMENTS...` with the whole command line of `valet run`. The sentences that are looked for
are those of `crates/cli/tests/process/switch/tui.rs`.
"""

import os
import sys

from terminal import Terminal

F2, RIGHT = "\x1bOQ", "\x1b[C"


def main():
    tui = Terminal(sys.argv[1:], {**os.environ, "TERM": "xterm-256color"})
    try:
        tui.shows("Ask Codex to do anything")
        for number, sentence in enumerate(["One it is.", "Two it is.", "Three it is."], 1):
            tui.enter(f"say number {number}")
            tui.shows(f"• {sentence}")
            tui.rests()
            # Near a limit the TUI may offer another model.
            tui.is_quiet()
            tui.leaves("esc back")
        # What went before is still there, and the person was told.
        tui.shows("• One it is.", "f2 to view")
        tui.write_process_input(F2)
        tui.shows("Warnings")
        warnings = tui.text()
        for _ in range(9):
            if "is used from now on" in tui.text():
                break
            tui.write_process_input(RIGHT)
            tui.changes(warnings)
            warnings = tui.text()
        tui.shows("is at its limit", "is used from now on")
        tui.leaves("is used from now on")
        tui.enter("/quit")
        code = tui.exit_code()
    except BaseException:
        print(f"the screen:\n{tui.text()}", file=sys.stderr)
        raise
    sys.exit(code)


main()
