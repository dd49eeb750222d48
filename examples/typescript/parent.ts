// A parent application: it lends Valet a token of its own login, and a new one whenever Valet asks.
// Usage: node parent.ts ORIGIN, the origin of a running `valet sim`. VALET_BIN names the binary.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
// Types only: nothing is left of this line at run time.
import type * as api from "../../schema/typescript/index.js";

type Response = { id: api.RequestId; result: unknown } | { id: api.RequestId; error: api.JSONRPCErrorError };
type Pending = { resolve(result: any): void; reject(error: Error): void };

const origin = process.argv[2];
if (!origin) throw new Error("usage: node parent.ts ORIGIN");
const home = await mkdtemp(join(tmpdir(), "valet-parent-"));
const config = `model = "gpt-5.5"\nmodel_provider = "sim"\nchatgpt_base_url = "${origin}/backend-api"
[model_providers.sim]\nbase_url = "${origin}/v1"\nrequires_openai_auth = true\n`;
await writeFile(join(home, "config.toml"), config);
const env = { ...process.env, VALET_HOME: home };
const child = spawn(process.env.VALET_BIN ?? "valet", ["app-server"], { env, stdio: ["pipe", "pipe", "inherit"] });
const exited = once(child, "exit");
child.stdin.on("error", () => {}); // A server that has died shows at the end of its output, too.
const pending = new Map<api.RequestId, Pending>();
let [lastId, refreshes] = [0, 0];

function send(message: object) {
  child.stdin.write(JSON.stringify(message) + "\n");
}

function request<M extends keyof api.ClientRequests>(method: M, params: api.ClientRequests[M]["params"]) {
  const id = ++lastId;
  send({ id, method, params });
  return new Promise<api.ClientRequests[M]["response"]>((resolve, reject) => pending.set(id, { resolve, reject }));
}

/** Stands for the parent's own login: the sim issues the tokens that it accepts. */
async function logIn(account?: string | null): Promise<api.v2.ChatgptAuthTokensRefreshResponse> {
  const response = await fetch(`${origin}/sim/tokens`, { method: "POST", body: JSON.stringify({ account }) });
  if (!response.ok) throw new Error(`the login answered ${response.status}`);
  const token = (await response.json()) as api.v2.ChatgptAuthTokensRefreshResponse;
  const { accessToken, chatgptAccountId, chatgptPlanType } = token;
  return { accessToken, chatgptAccountId, chatgptPlanType };
}

/** Answers the server. A turn waits ten seconds for this; an error fails it at once and says why. */
async function answer({ id, method, params }: api.ServerRequest) {
  try {
    if (method !== "account/chatgptAuthTokens/refresh") throw new Error(`${method} is not served here`);
    refreshes += 1;
    send({ id, result: await logIn(params.previousAccountId) });
  } catch (error) {
    send({ id, error: { code: -32603, message: String(error) } });
  }
}

async function read() {
  let turn: api.v2.Turn | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const message: api.ServerRequest | api.ServerNotification | Response = JSON.parse(line);
    if (!("method" in message)) {
      const caller = pending.get(message.id);
      pending.delete(message.id);
      if ("error" in message) caller?.reject(new Error(message.error.message));
      else caller?.resolve(message.result);
    } else if ("id" in message) {
      void answer(message); // Not awaited: reading goes on while the parent gets a token.
    } else if (message.method === "account/login/completed" && !message.params.success) {
      throw new Error(`the login failed: ${message.params.error}`);
    } else if (message.method === "item/agentMessage/delta") {
      process.stdout.write(message.params.delta);
    } else if (message.method === "turn/completed") {
      turn = message.params.turn;
      child.stdin.end(); // The server ends when its input does, and this loop with it.
    }
  }
  if (!turn) throw new Error("the app server ended before the turn did");
  return turn;
}

async function startTurn() {
  // Lent tokens are an experimental part of the protocol, which has to be asked for.
  const clientInfo = { name: "example-parent", version: "1.0.0" };
  await request("initialize", { clientInfo, capabilities: { experimentalApi: true } });
  send({ method: "initialized" });
  await request("account/login/start", { type: "chatgptAuthTokens", ...(await logIn()) });
  const { thread } = await request("thread/start", {});
  const input: api.v2.UserInput[] = [{ type: "text", text: "Say hello." }];
  await request("turn/start", { threadId: thread.id, input });
}

const [turn, , [code]] = await Promise.all([read(), startTurn(), exited]).finally(() => rm(home, { recursive: true }));
console.log(`\n[${turn.status}]`);
if (turn.status !== "completed") throw new Error(`the turn failed: ${turn.error?.message}`);
if (refreshes === 0) throw new Error("no new token was asked for; the sim refuses only the first one after its start");
if (code !== 0) throw new Error(`the app server ended with ${code}`);
