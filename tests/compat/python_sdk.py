"""Drives an app server with the official Python SDK, `openai-codex`, as it is published.

Called as `python_sdk.py SERVER ORIGIN DIRECTORY`: the program to start, the address of the sim (not needed here) and
where to work. The answers that are expected are those of `backend.json`.
"""

import pathlib
import sys
import threading

import steps
from openai_codex import Codex, CodexConfig, Sandbox
from openai_codex.client import CodexClient
from openai_codex.generated.v2_all import (
    AgentMessageDeltaNotification,
    ReasoningSummaryTextDeltaNotification,
    TurnCompletedNotification,
)
from openai_codex.models import UnknownNotification

# Newer than the SDK, and of the reference's own.
NEWER = {"thread/readState/changed"}

SECONDS = 20

seen = []
strangers = []
told = threading.Condition()


def watch_notifications():
    """Notes what the SDK could not read. It passes over such a notification without a word."""
    coerce = CodexClient._coerce_notification

    def watched(self, method, params):
        notification = coerce(self, method, params)
        with told:
            seen.append(method)
            told.notify_all()
        if isinstance(notification.payload, UnknownNotification) and method not in NEWER:
            strangers.append(f"{method} {params}")
        return notification

    CodexClient._coerce_notification = watched


def outcome(turn, on_text=None):
    """The turn as it ended. `on_text` is called with the first piece of text."""
    for event in turn.stream():
        if isinstance(event.payload, AgentMessageDeltaNotification) and on_text:
            on_text()
            on_text = None
        elif isinstance(event.payload, TurnCompletedNotification):
            return event.payload.turn


def kinds(items):
    return [item.root.type for item in items]


class Steps:
    """Each may use what an earlier one left in `self`."""

    def __init__(self, server, directory):
        self._config = CodexConfig(codex_bin=server, cwd=directory)
        self._directory = pathlib.Path(directory)
        self._codex = Codex(self._config)

    def metadata(self):
        metadata = self._codex.metadata
        assert metadata.serverInfo.version.split()[0] == "0.169.0", metadata
        assert metadata.platformOs, metadata

    def models(self):
        models = self._codex.models().data
        assert any(model.is_default for model in models), models

    def account_before_login(self):
        account = self._codex.account()
        assert account.account is None and account.requires_openai_auth, account

    def login_api_key(self):
        self._codex.login_api_key("sk-of-the-parent")
        account = self._codex.account().account
        assert account.root.type == "apiKey", account

    def thread_start(self):
        self._thread = self._codex.thread_start(cwd=str(self._directory))
        assert self._thread.id

    def streamed_turn_with_reasoning(self):
        texts, thoughts, completed = [], [], None
        for event in self._thread.turn("think about it").stream():
            payload = event.payload
            if isinstance(payload, AgentMessageDeltaNotification):
                texts.append(payload.delta)
            elif isinstance(payload, ReasoningSummaryTextDeltaNotification):
                thoughts.append(payload.delta)
            elif isinstance(payload, TurnCompletedNotification):
                completed = payload.turn
        assert "".join(texts) == "Here is the thought.", texts
        assert "".join(thoughts) == "**Thinking** about it", thoughts
        assert completed.status.value == "completed", completed

    def run(self):
        result = self._thread.run("say hello")
        assert result.final_response == "Hello there.", result
        assert result.status.value == "completed", result
        assert result.usage.last.total_tokens == 120, result.usage

    def tool_turn(self):
        """The patch is applied without a question: it stays in the directory of the thread."""
        result = self._thread.run("write the file", sandbox=Sandbox.full_access)
        assert result.final_response == "The file is written.", result
        assert kinds(result.items) == ["userMessage", "fileChange", "agentMessage"], result.items
        assert (self._directory / "patched.txt").read_text() == "a line of the patch\n"

    def output_schema(self):
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
        result = self._thread.run("as json", output_schema=schema)
        assert result.final_response == '{"answer":"yes"}', result

    def interrupt(self):
        turn = self._thread.turn("tell it slowly")
        completed = outcome(turn, turn.interrupt)
        assert completed.status.value == "interrupted", completed

    def steer(self):
        turn = self._thread.turn("go on for a while")
        completed = outcome(turn, lambda: turn.steer("be brief"))
        assert completed.status.value == "completed", completed
        items = self._thread.read(include_turns=True).thread.turns[-1].items
        assert items[-1].root.text == "In brief: yes.", items

    def refused_turn(self):
        completed = outcome(self._thread.turn("bad request"))
        assert completed.status.value == "failed", completed
        assert "The sim refuses this." in completed.error.message, completed.error

    def run_after_a_failure(self):
        result = self._thread.run("say hello")
        assert result.final_response == "Hello there.", result

    def set_name(self):
        self._thread.set_name("Of the SDK")
        assert self._thread.read().thread.name == "Of the SDK"

    def read_with_turns(self):
        thread = self._thread.read(include_turns=True).thread
        statuses = [turn.status.value for turn in thread.turns]
        expected = ["completed"] * 4 + ["interrupted", "completed", "failed", "completed"]
        assert statuses == expected, statuses
        assert kinds(thread.turns[0].items) == ["userMessage", "reasoning", "agentMessage"], thread.turns[0]
        assert thread.preview == "think about it", thread.preview

    def thread_list(self):
        threads = self._codex.thread_list().data
        assert [thread.id for thread in threads] == [self._thread.id], threads

    def compact(self):
        completed = seen.count("turn/completed")
        self._thread.compact()
        with told:
            assert told.wait_for(lambda: seen.count("turn/completed") > completed, SECONDS), seen
        turns = self._thread.read(include_turns=True).thread.turns
        assert kinds(turns[-1].items) == ["contextCompaction"], turns[-1]

    def run_after_compaction(self):
        result = self._thread.run("say hello")
        assert result.final_response == "Hello there.", result

    def fork_and_turn(self):
        fork = self._codex.thread_fork(self._thread.id, cwd=str(self._directory))
        assert fork.id != self._thread.id
        result = fork.run("say hello")
        assert result.final_response == "Hello there.", result

    def archive(self):
        self._codex.thread_archive(self._thread.id)
        archived = self._codex.thread_list(archived=True).data
        assert [thread.id for thread in archived] == [self._thread.id], archived
        assert self._thread.id not in [thread.id for thread in self._codex.thread_list().data]

    def unarchive(self):
        thread = self._codex.thread_unarchive(self._thread.id)
        assert thread.id == self._thread.id, thread
        assert self._thread.id in [thread.id for thread in self._codex.thread_list().data]

    def close(self):
        process = self._codex._client._proc
        self._codex.close()
        # The SDK sends SIGTERM after it has closed the pipe, and kills after two seconds.
        assert process.returncode is not None and process.returncode != -9, process.returncode

    def restart(self):
        self._codex = Codex(self._config)
        assert self._codex.metadata.serverInfo.version.split()[0] == "0.169.0"

    def login_after_the_restart(self):
        self._codex.login_api_key("sk-of-the-parent")
        account = self._codex.account().account
        assert account.root.type == "apiKey", account

    def resume_and_turn(self):
        thread = self._codex.thread_resume(self._thread.id)
        result = thread.run("say hello")
        assert result.final_response == "Hello there.", result

    def logout(self):
        self._codex.logout()
        assert self._codex.account().account is None

    def notifications_read(self):
        assert "thread/started" in seen and "turn/completed" in seen, seen
        assert not strangers, "the SDK could not read: " + "; ".join(strangers)

    def close_again(self):
        self._codex.close()


def main():
    server, _origin, directory = sys.argv[1:]
    watch_notifications()
    client = Steps(server, directory)
    steps.run(steps.methods(Steps), lambda step: step(client))


main()
