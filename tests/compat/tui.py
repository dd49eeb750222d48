"""Drives the real TUI of the reference, as it is published, and reads its screen.

Called as `tui.py URL ORIGIN DIRECTORY CODEX`. URL is the websocket of the app server under test, which works in
DIRECTORY; CODEX is the program. The sentences that are looked for are those of `backend.json`.
"""

import os
import subprocess
import sys
import tempfile

import steps
from terminal import CONTROL_U, DOWN, ENTER, ESCAPE, Terminal


def composer(tui):
    tui.shows("Ask Codex to do anything")


def turn(tui):
    tui.enter("say hello")
    tui.shows("• Hello there.")


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


def turn_is_interrupted(tui):
    tui.enter("tell it slowly")
    tui.shows("slow slow slow")
    tui.write_process_input(ESCAPE)
    tui.shows("Conversation interrupted")


def turn_is_steered(tui):
    tui.enter("go on for a while")
    tui.shows("long long long")
    tui.enter("be brief")
    tui.shows("In brief: yes.")


def command_is_declined(tui):
    tui.enter("try it again")
    tui.shows("Would you like to run the following command?", "$ echo never")
    tui.write_process_input(ESCAPE)
    tui.shows("You canceled the request to run echo never")


def refused_turn(tui):
    tui.enter("bad request")
    tui.shows("The sim refuses this.")


def status(tui):
    tui.enter("/status")
    tui.shows("Model:", "Session:")


def model(tui):
    tui.enter("/model")
    tui.shows("Select Model")
    tui.leaves("Select Model")


def mcp(tui):
    tui.enter("/mcp")
    tui.shows("No MCP servers configured")


def diff(tui):
    tui.enter("/diff")
    tui.shows("D I F F", "+a line of the patch")
    tui.leaves("D I F F", "q")


def mention(tui):
    tui.write_process_input("@patch")
    tui.shows("patched.txt")
    tui.write_process_input(CONTROL_U)


def shell_command(tui):
    tui.write_process_input("!")
    tui.shows("Shell mode")
    tui.enter("echo three-$((1 + 2))", prompt="!")
    tui.shows("three-3")
    tui.rests()


def rename(tui):
    tui.enter("/rename Of the TUI")
    tui.shows("· Of the TUI")


def compact(tui):
    tui.enter("/compact")
    tui.shows("Context compacted")


def fork(tui):
    tui.enter("/fork")
    tui.shows("Fork created")


def new(tui):
    tui.enter("/new")
    tui.enter("say hello")
    tui.shows("• Hello there.")


def resume(tui):
    tui.enter("/resume")
    tui.shows("Resume a previous session", "Of the TUI")
    # The first one is being shown.
    tui.write_process_input(DOWN)
    tui.leaves("Resume a previous session", ENTER)
    tui.shows("· Of the TUI")


def quits(tui):
    tui.enter("/quit")
    code = tui.exit_code()
    assert code == 0, f"exit code {code}"


ORDER = [
    composer,
    turn,
    command_is_approved,
    patch_is_approved,
    turn_is_interrupted,
    turn_is_steered,
    command_is_declined,
    refused_turn,
    status,
    model,
    mcp,
    diff,
    mention,
    shell_command,
    rename,
    compact,
    fork,
    new,
    resume,
    quits,
]


def main():
    url, _origin, directory, codex = sys.argv[1:]
    home = tempfile.mkdtemp(dir=directory, prefix=".tui-")
    subprocess.run(["git", "init", "--quiet", directory], check=True)
    with open(os.path.join(home, "config.toml"), "w") as config:
        config.write("check_for_update_on_startup = false\n[analytics]\nenabled = false\n")
    environment = {**os.environ, "CODEX_HOME": home, "TERM": "xterm-256color"}
    # A model that has no newer one, or some hosts begin with a question.
    tui = Terminal([codex, "--remote", url, "--model", "gpt-6-sol"], environment)

    def call(step):
        try:
            step(tui)
        except BaseException:
            print(f"the screen:\n{tui.text()}", file=sys.stderr)
            raise

    steps.run(ORDER, call)


main()
