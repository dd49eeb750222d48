"""A parent application: it lends Valet a token of its own login, and a new one whenever Valet asks.
Usage: python3 parent.py ORIGIN, the origin of a running `valet sim`. VALET_BIN names the binary."""

import itertools
import json
import os
import queue
import sys
import threading
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from urllib.request import urlopen

CONFIG = """model = "gpt-5.5"\nmodel_provider = "sim"\nchatgpt_base_url = "{origin}/backend-api"
[model_providers.sim]\nbase_url = "{origin}/v1"\nrequires_openai_auth = true\n"""


def log_in(origin, account=None):  # Stands for the parent's own login: the sim issues the tokens that it accepts.
    with urlopen(f"{origin}/sim/tokens", json.dumps({"account": account}).encode(), timeout=8) as response:
        token = json.load(response)
    return {name: token[name] for name in ("accessToken", "chatgptAccountId", "chatgptPlanType")}


class AppServer:  # A child process, spoken to with one JSON object per line.
    def __init__(self, home, origin):
        command, env = [os.environ.get("VALET_BIN", "valet"), "app-server"], {**os.environ, "VALET_HOME": home}
        self.process = Popen(command, env=env, stdin=PIPE, stdout=PIPE, encoding="utf-8")
        self.origin, self.refreshes, self.notifications = origin, 0, queue.SimpleQueue()
        self.ids, self.pending, self.writing = itertools.count(1), {}, threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    def send(self, message):
        with self.writing:
            print(json.dumps(message), file=self.process.stdin, flush=True)

    def request(self, method, params):
        request_id, response = next(self.ids), queue.SimpleQueue()
        self.pending[request_id] = response
        self.send({"id": request_id, "method": method, "params": params})
        message = response.get(timeout=60)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    def read(self):
        for message in map(json.loads, self.process.stdout):
            if "method" not in message:
                self.pending.pop(message["id"], queue.SimpleQueue()).put(message)
            elif "id" in message:  # On a thread of its own: reading goes on while the parent gets a token.
                threading.Thread(target=self.answer, args=(message,), daemon=True).start()
            else:
                self.notifications.put(message)
        self.notifications.put(None)
        for response in list(self.pending.values()):
            response.put({"error": {"message": "the app server ended"}})

    def answer(self, request):
        try:  # A turn waits ten seconds for this. An error is an answer, too: the turn fails at once and says why.
            if request["method"] != "account/chatgptAuthTokens/refresh":
                raise NotImplementedError(f"{request['method']} is not served here")
            self.send({"id": request["id"], "result": log_in(self.origin, request["params"].get("previousAccountId"))})
            self.refreshes += 1
        except Exception as error:
            self.send({"id": request["id"], "error": {"code": -32603, "message": str(error)}})


def run_turn(server):
    # Lent tokens are an experimental part of the protocol, which has to be asked for.
    client, capabilities = {"name": "example-parent", "version": "1.0.0"}, {"experimentalApi": True}
    server.request("initialize", {"clientInfo": client, "capabilities": capabilities})
    server.send({"method": "initialized"})
    server.request("account/login/start", {"type": "chatgptAuthTokens", **log_in(server.origin)})
    thread = server.request("thread/start", {})["thread"]
    server.request("turn/start", {"threadId": thread["id"], "input": [{"type": "text", "text": "Say hello."}]})
    for message in iter(server.notifications.get, None):
        method, params = message["method"], message.get("params")
        if method == "account/login/completed" and not params["success"]:
            raise RuntimeError(f"the login failed: {params['error']}")
        elif method == "item/agentMessage/delta":
            print(params["delta"], end="", flush=True)
        elif method == "turn/completed":
            return params["turn"]
    raise RuntimeError("the app server ended before the turn did")


origin = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
try:
    with TemporaryDirectory() as home:
        Path(home, "config.toml").write_text(CONFIG.format(origin=origin))
        server = AppServer(home, origin)
        turn = run_turn(server)
        server.process.stdin.close()  # The server ends when its input does.
        code = server.process.wait(timeout=10)
except OSError as error:
    sys.exit(f"{error}: is `valet sim` running at {origin}, and `valet` on the path or named by VALET_BIN?")
print(f"\n[{turn['status']}]")
if turn["status"] != "completed" or code != 0 or server.refreshes == 0:
    sys.exit(f"error: {turn['error']}, exit code: {code}, new tokens: {server.refreshes} (a sim refuses one token)")
