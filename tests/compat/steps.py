"""Runs the steps of a client in order and tells of them in the words of TAP: a plan, then `ok` or `not ok` with
the name of each step. The runner in `crates/cli/tests/compat` reads it.
"""

import sys
import traceback


def run(steps, call):
    """Calls `call` with each step. One that fails is told on stderr, and the next one is tried."""
    print(f"1..{len(steps)}", flush=True)
    for step in steps:
        try:
            call(step)
        except BaseException:
            print(f"{step.__name__}:", file=sys.stderr)
            traceback.print_exc()
            print("not ok", step.__name__, flush=True)
        else:
            print("ok", step.__name__, flush=True)


def methods(steps):
    """The public methods of a class, in the order of its text: its steps."""
    return [step for name, step in vars(steps).items() if callable(step) and not name.startswith("_")]
