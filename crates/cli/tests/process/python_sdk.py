"""Drives an app server with the official Python SDK, `openai-codex`, as it is published.

Called as `python_sdk.py SERVER DIRECTORY`. Prints one line, `ok STEP`, for each step that passed, and
fails at the end when one did not. `python_sdk.rs` calls it and holds the script of the backend.
"""

import sys
import traceback

from openai_codex import Codex, CodexConfig
from openai_codex.client import CodexClient
from openai_codex.generated.v2_all import (
    AgentMessageDeltaNotification,
    ReasoningSummaryTextDeltaNotification,
    TurnCompletedNotification,
)
from openai_codex.models import UnknownNotification

# Newer than the SDK, and of the reference's own.
NEWER = {"thread/readState/changed"}

seen = []
strangers = []


def watch_notifications():
    """Notes what the SDK could not read. It passes over such a notification without a word."""
    coerce = CodexClient._coerce_notification

    def watched(self, method, params):
        notification = coerce(self, method, params)
        seen.append(method)
        if isinstance(notification.payload, UnknownNotification) and method not in NEWER:
            strangers.append(f"{method} {params}")
        return notification

    CodexClient._coerce_notification = watched


class Steps:
    """Runs steps in order; each may use what an earlier one left in `self`."""

    def __init__(self, codex, directory):
        self.codex = codex
        self.directory = directory

    def metadata(self):
        metadata = self.codex.metadata
        assert metadata.serverInfo.version.split()[0] == "0.169.0", metadata
        assert metadata.platformOs, metadata

    def models(self):
        models = self.codex.models().data
        assert any(model.is_default for model in models), models

    def account_before_login(self):
        account = self.codex.account()
        assert account.account is None and account.requires_openai_auth, account

    def login_api_key(self):
        self.codex.login_api_key("sk-of-the-parent")
        account = self.codex.account().account
        assert account.root.type == "apiKey", account

    def thread_start(self):
        self.thread = self.codex.thread_start(cwd=self.directory)
        assert self.thread.id

    def streamed_turn_with_reasoning(self):
        texts, thoughts, completed = [], [], None
        for event in self.thread.turn("think about it").stream():
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
        result = self.thread.run("say hello")
        assert result.final_response == "Hello there.", result
        assert result.status.value == "completed", result
        assert result.usage.last.total_tokens == 120, result.usage

    def output_schema(self):
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
        result = self.thread.run("as json", output_schema=schema)
        assert result.final_response == '{"answer":"yes"}', result

    def interrupt(self):
        turn = self.thread.turn("slowly")
        completed = None
        for event in turn.stream():
            if isinstance(event.payload, AgentMessageDeltaNotification):
                turn.interrupt()
            elif isinstance(event.payload, TurnCompletedNotification):
                completed = event.payload.turn
        assert completed.status.value == "interrupted", completed

    def refused_turn(self):
        completed = None
        for event in self.thread.turn("bad request").stream():
            if isinstance(event.payload, TurnCompletedNotification):
                completed = event.payload.turn
        assert completed.status.value == "failed", completed
        assert "The sim refuses this." in completed.error.message, completed.error

    def run_after_a_failure(self):
        result = self.thread.run("say hello")
        assert result.final_response == "Hello there.", result

    def read_with_turns(self):
        thread = self.thread.read(include_turns=True).thread
        statuses = [turn.status.value for turn in thread.turns]
        expected = ["completed", "completed", "completed", "interrupted", "failed", "completed"]
        assert statuses == expected, statuses
        kinds = [item.root.type for item in thread.turns[0].items]
        assert kinds == ["userMessage", "reasoning", "agentMessage"], kinds
        assert thread.preview == "think about it", thread.preview

    def thread_list(self):
        threads = self.codex.thread_list().data
        assert [thread.id for thread in threads] == [self.thread.id], threads

    def logout(self):
        self.codex.logout()
        assert self.codex.account().account is None

    def notifications_read(self):
        assert "thread/started" in seen and "turn/completed" in seen, seen
        assert not strangers, "the SDK could not read: " + "; ".join(strangers)

    def close(self):
        process = self.codex._client._proc
        self.codex.close()
        # The SDK sends SIGTERM after it has closed the pipe, and kills after two seconds.
        assert process.returncode is not None and process.returncode != -9, process.returncode


ORDER = [
    Steps.metadata,
    Steps.models,
    Steps.account_before_login,
    Steps.login_api_key,
    Steps.thread_start,
    Steps.streamed_turn_with_reasoning,
    Steps.run,
    Steps.output_schema,
    Steps.interrupt,
    Steps.refused_turn,
    Steps.run_after_a_failure,
    Steps.read_with_turns,
    Steps.thread_list,
    Steps.logout,
    Steps.notifications_read,
    Steps.close,
]


def main():
    server, directory = sys.argv[1:]
    watch_notifications()
    steps = Steps(Codex(CodexConfig(codex_bin=server, cwd=directory)), directory)
    failed = []
    for step in ORDER:
        try:
            step(steps)
            print("ok", step.__name__, flush=True)
        except Exception:
            traceback.print_exc()
            failed.append(step.__name__)
    if failed:
        sys.exit("these steps failed: " + ", ".join(failed))


main()
