// node-text: a keyway plugin with Node and no packages.
//
// It follows docs/wire-protocol.md. The first half is the protocol, the second half is the plugin.

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { closeSync, readFileSync, readSync } from "node:fs";
import { Socket } from "node:net";

// --- the protocol -----------------------------------------------------------------------------

const FRAME_MAX = 4 * 1024 * 1024;
const DEPTH_MAX = 64;

/** The host broke the protocol, or went away. The plugin ends. */
class Broken extends Error {}

/** A tool's failure, for the model that called it. */
class ToolFailed extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    this.data = { kind, message, ...more };
  }
}

const hmac = (key, ...parts) => {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
};

function fromBase64url(text) {
  const bytes = Buffer.from(String(text), "base64url");
  if (bytes.length !== 32 || bytes.toString("base64url") !== text) {
    throw new Broken("a nonce or a code is base64url of 32 bytes");
  }
  return bytes;
}

function depthOf(line) {
  let depth = 0, deepest = 0, inString = false, escaped = false;
  for (const byte of line) {
    if (inString) {
      if (escaped) escaped = false;
      else if (byte === 0x5c) escaped = true;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return deepest;
}

function parse(line) {
  if (depthOf(line) > DEPTH_MAX) throw new Broken("a message is nested too deeply");
  let message;
  try {
    message = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line));
  } catch (error) {
    throw new Broken(`a message is not JSON: ${error.message}`);
  }
  if (message === null || typeof message !== "object" || message.jsonrpc !== "2.0") {
    throw new Broken("a message is no JSON-RPC 2.0");
  }
  return message;
}

/** Lines over the socket on a descriptor. */
class Channel {
  limit = FRAME_MAX;
  #pieces = [];
  #length = 0;

  constructor(fd, onLine, onEnd) {
    this.socket = new Socket({ fd, readable: true, writable: true });
    this.socket.on("data", (bytes) => {
      try {
        this.#take(bytes, onLine);
      } catch (error) {
        onEnd(error);
      }
    });
    this.socket.on("error", (error) => onEnd(error));
    this.socket.on("close", () => onEnd(new Broken("the host closed the channel")));
  }

  #take(bytes, onLine) {
    let end;
    while ((end = bytes.indexOf(0x0a)) >= 0) {
      this.#keep(bytes.subarray(0, end));
      const line = Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.#length = 0;
      bytes = bytes.subarray(end + 1);
      onLine(line);
    }
    this.#keep(bytes);
  }

  #keep(piece) {
    this.#length += piece.length;
    if (this.#length > this.limit) throw new Broken("a message is too long");
    if (piece.length > 0) this.#pieces.push(piece);
  }

  sendLine(line) {
    this.socket.write(line + "\n");
  }

  send(message) {
    this.sendLine(JSON.stringify(message));
  }
}

const versionOf = (text) => text.split("-")[0].split(".").map(Number);
const compareVersions = (a, b) => {
  const [x, y] = [versionOf(a), versionOf(b)];
  return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
};

/** The four lines that open the channel: the hello goes in, then the host's proof. */
class Handshake {
  constructor(channel, secret, manifest, [apiFrom, apiBelow]) {
    Object.assign(this, { channel, secret, manifest, apiFrom, apiBelow });
  }

  hello(line1) {
    const hello = parse(line1);
    if (hello.method !== "keyway/hello" || hello.id !== 1) {
      throw new Broken("the first line is no hello");
    }
    const params = hello.params;
    const api = params.api
      .filter((a) => compareVersions(this.apiFrom, a) <= 0 && compareVersions(a, this.apiBelow) < 0)
      .sort(compareVersions)
      .pop();
    const refusal = this.#refusal(params, api);
    if (refusal) {
      const [code, message] = refusal;
      const error = { code: -32000, message, data: { code } };
      this.channel.send({ jsonrpc: "2.0", id: 1, error });
      throw new Broken(message);
    }
    const { name: id, version } = this.manifest;
    const nonceHost = fromBase64url(params.nonce);
    const noncePlugin = randomBytes(32);
    const line2 = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      result: {
        ipc: 1, api, api_built: this.apiFrom, features: [], plugin: { id, version },
        sdk: "plain node", auth: "hmac-sha256", nonce: noncePlugin.toString("base64url"),
      },
    });
    const transcript = createHash("sha256")
      .update("keyway-ipc/1\0").update(line1).update("\n").update(line2).digest();
    const prk = hmac(Buffer.concat([nonceHost, noncePlugin]), this.secret);
    this.secret.fill(0);
    const code = (info) => hmac(hmac(prk, info, Buffer.of(1)), transcript);
    this.expected = code("host");
    this.limits = params.limits;
    this.channel.sendLine(line2);
    const mac = code("plugin").toString("base64url");
    this.channel.send({ jsonrpc: "2.0", method: "keyway/prove", params: { mac } });
  }

  #refusal({ ipc, api: offered, auth, plugin }, api) {
    const { name, version } = this.manifest;
    if (!ipc.includes(1)) return ["ipc_version", "this plugin speaks keyway-ipc 1"];
    if (plugin.id !== name || plugin.version !== version) {
      return ["identity_mismatch", `this is ${name} ${version}`];
    }
    if (!auth.includes("hmac-sha256")) {
      return ["handshake_downgrade", "this plugin proves itself by hmac-sha256"];
    }
    if (api === undefined) {
      const needs = `>=${this.apiFrom}, <${this.apiBelow}`;
      return ["api_version", `needs plugin API ${needs}; the host offers ${offered}`];
    }
    return null;
  }

  ready(line) {
    const ready = parse(line);
    if (ready.method !== "keyway/ready" || "id" in ready) {
      throw new Broken("the host did not prove itself");
    }
    if (!timingSafeEqual(fromBase64url(ready.params.mac), this.expected)) {
      throw new Broken("the host does not hold the secret of this start");
    }
    return this.limits;
  }
}

/** One call of a tool: what it may ask the host for, and whether anybody still waits. */
class Call {
  #plugin;
  #cancel = new AbortController();

  constructor(plugin, { call, caller = "", deadline_ms = null }) {
    this.#plugin = plugin;
    Object.assign(this, { number: call, caller, deadlineMs: deadline_ms, since: Date.now() });
  }

  /** What the operator set. */
  get settings() {
    return this.#plugin.settings;
  }

  get signal() {
    return this.#cancel.signal;
  }

  cancel() {
    this.#cancel.abort();
  }

  ask(method, params) {
    if (this.signal.aborted) throw new ToolFailed("cancelled", "nobody waits for this call");
    return this.#plugin.ask(method, { call: this.number, ...params }, this.deadlineMs);
  }

  #say(method, params) {
    const message = { jsonrpc: "2.0", method, params: { call: this.number, ...params } };
    this.#plugin.channel.send(message);
  }

  log(message, level = "info") {
    this.#say("host/log", { level, message });
  }

  progress(done, total = null, message = null) {
    this.#say("host/progress", { done, total, message });
  }

  async stateGet(key) {
    const { value } = await this.ask("host/state.get", { key });
    return value === null ? null : Buffer.from(value, "base64");
  }

  async stateCas(key, expected, value) {
    const base64 = (bytes) => (bytes === null ? null : Buffer.from(bytes).toString("base64"));
    const params = { key, expected: base64(expected), value: base64(value) };
    return (await this.ask("host/state.cas", params)).swapped;
  }
}

/** The tools behind one channel. */
class Plugin {
  #calls = new Map(); // request id -> Call
  #waiting = new Map(); // our request id -> { resolve, reject }
  #last = 0;
  #draining = null;
  settings = {};

  constructor(channel, { tools, migrate }, limits, exit) {
    Object.assign(this, { channel, tools, migrate, limits, exit });
  }

  take(line) {
    const message = parse(line);
    const { id, method, params = {} } = message;
    if (method === undefined) this.#answered(message);
    else if (id === undefined) this.#notified(method, params);
    else this.#requested(id, method, params);
  }

  #answered(message) {
    const waiting = this.#waiting.get(message.id);
    if (!waiting || "result" in message === "error" in message) {
      throw new Broken("the host answered what nobody asked");
    }
    this.#waiting.delete(message.id);
    if ("result" in message) waiting.resolve(message.result);
    else {
      const { message: text = "", data } = message.error;
      const error = new ToolFailed(data?.kind ?? "internal", text);
      if (data?.kind) error.data = data;
      waiting.reject(error);
    }
  }

  #notified(method, params) {
    if (method === "keyway/ready") throw new Broken("a second ready");
    if (method === "notifications/cancelled") {
      for (const call of this.#calls.values()) if (call.number === params.call) call.cancel();
    }
  }

  #requested(id, method, params) {
    if (!Number.isInteger(id) || id < 1) {
      throw new Broken("the host numbers its requests 1, 2, 3, …");
    }
    switch (method) {
      case "keyway/hello":
        throw new Broken("a second hello");
      case "keyway/ping": {
        const ages = [...this.#calls.values()].map((call) => Date.now() - call.since);
        this.answer(id, { inflight: ages.length, oldest_ms: Math.max(0, ...ages) });
        break;
      }
      case "keyway/register":
        this.settings = params.settings ?? {};
        this.answer(id, { tools: this.tools.map((tool) => tool.descriptor), hooks: [] });
        break;
      case "keyway/start":
        this.answer(id, {});
        break;
      case "keyway/migrate":
        this.#migrate(id, params);
        break;
      case "keyway/drain":
        this.#draining = id;
        if (this.#calls.size === 0) this.answer(id, {});
        break;
      case "keyway/shutdown":
        this.answer(id, {});
        this.exit(0);
        break;
      case "tools/call":
        this.#call(id, params);
        break;
      default:
        this.refuse(id, -32601, "unknown_method", `there is no method ${method.slice(0, 64)}`);
    }
  }

  /** Has the plugin bring its state to the layout of its manifest; its failure is the start's. */
  async #migrate(id, { from, entries }) {
    try {
      if (this.migrate) {
        const old = entries.map(([key, value]) => [key, Buffer.from(value, "base64")]);
        const migrated = await this.migrate(from, new Map(old));
        entries = [...migrated].map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
      }
      this.answer(id, { entries });
    } catch (error) {
      const reason = String(error);
      this.fail(id, { message: reason, data: { reason } });
    }
  }

  #call(id, { name, arguments: args = {}, _meta }) {
    const tool = this.tools.find((tool) => tool.descriptor.name === name);
    const { inflight } = this.limits;
    if (this.#draining !== null) {
      this.refuse(id, -32600, "draining", "this plugin is about to stop");
    } else if (this.#calls.size >= inflight) {
      this.refuse(id, -32600, "overloaded", `${inflight} calls are under way`);
    } else if (!tool) {
      this.fail(id, new ToolFailed("not_found", "this plugin has no such tool"));
    } else {
      const call = new Call(this, _meta["dev.keyway/call"]);
      this.#calls.set(id, call);
      this.#run(id, call, tool, args);
    }
  }

  async #run(id, call, tool, args) {
    try {
      const output = await tool.run(call, args);
      if (typeof output?.kind !== "string") {
        throw new TypeError('a tool returns { kind: "text", text: "…" } or another kind');
      }
      this.answer(id, { output });
    } catch (error) {
      this.fail(id, error instanceof ToolFailed ? error : new ToolFailed("internal", String(error)));
    }
    this.#calls.delete(id);
    if (this.#draining !== null && this.#calls.size === 0) this.answer(this.#draining, {});
  }

  ask(method, params, deadlineMs) {
    // No more requests than the host allows; the limit is generous, so the rest is refused.
    if (this.#waiting.size >= this.limits.inflight) {
      throw new ToolFailed("unavailable", "too many requests wait for the host");
    }
    const id = `p${++this.#last}`;
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      if (deadlineMs !== null) {
        const late = () => reject(new ToolFailed("deadline_exceeded", "the call's time was up"));
        const timer = setTimeout(late, Math.min(Math.max(0, deadlineMs - Date.now()), 2 ** 31 - 1));
        const stop = (then) => (value) => (clearTimeout(timer), then(value));
        Object.assign(waiting, { resolve: stop(resolve), reject: stop(reject) });
      }
      this.#waiting.set(id, waiting);
      this.channel.send({ jsonrpc: "2.0", id, method, params });
    });
  }

  answer(id, result) {
    const line = JSON.stringify({ jsonrpc: "2.0", id, result });
    const bytes = Buffer.from(line);
    if (bytes.length > this.limits.frame || depthOf(bytes) > DEPTH_MAX) {
      this.refuse(id, -32600, "frame_too_large", "the answer is too large");
    } else {
      this.channel.sendLine(line);
    }
  }

  refuse(id, number, code, message) {
    const error = { code: number, message, data: { code } };
    this.channel.send({ jsonrpc: "2.0", id, error });
  }

  fail(id, { message, data }) {
    this.channel.send({ jsonrpc: "2.0", id, error: { code: -32000, message, data } });
  }
}

/** Reads the one-time secret to its end and closes the pipe. */
function readSecret(fd) {
  const secret = Buffer.alloc(33);
  let length = 0, read;
  while (length < secret.length && (read = readSync(fd, secret, length, secret.length - length)) > 0) {
    length += read;
  }
  closeSync(fd);
  if (length !== 32) throw new Broken("the secret is 32 bytes");
  return secret.subarray(0, 32);
}

/**
 * Serves the tools until the host says stop.
 *
 * `migrate(layout, entries)` gets the state of an older layout (`state.version` of the manifest), a Map
 * from keys to bytes, and returns what is to be there instead. Without it the state stays as it is.
 */
function main(tools, migrate = null) {
  const manifest = JSON.parse(readFileSync(new URL("plugin.json", import.meta.url)));
  const { KEYWAY_CHANNEL = "", KEYWAY_SECRET_FD } = process.env;
  if (!KEYWAY_CHANNEL.startsWith("fd:")) {
    console.error(`${manifest.name} ${manifest.version} is a keyway plugin. A keyway host starts ` +
      "it.\nTo install it: keyway plugin install FOLDER");
    process.exit(2);
  }
  const exit = (code) => channel.socket.end(() => process.exit(code));
  const end = (error) => {
    console.error(error.message);
    // What was written last, a refusal for example, still goes out.
    channel.socket.destroyed ? process.exit(1) : exit(1);
    setTimeout(() => process.exit(1), 500);
  };
  let step = (line) => {
    handshake.hello(line);
    step = (line) => {
      channel.limit = handshake.ready(line).frame;
      const plugin = new Plugin(channel, { tools, migrate }, handshake.limits, exit);
      step = (line) => plugin.take(line);
    };
  };
  const channel = new Channel(Number(KEYWAY_CHANNEL.slice(3)), (line) => step(line), end);
  const secret = readSecret(Number(KEYWAY_SECRET_FD));
  const handshake = new Handshake(channel, secret, manifest, ["0.1.0", "0.2.0"]);
}

// --- the plugin -------------------------------------------------------------------------------

const text = (description) => ({ type: "string", description });

function tool(name, description, properties, run) {
  const inputSchema = {
    type: "object", properties, required: Object.keys(properties), additionalProperties: false,
  };
  const descriptor = {
    name, description, inputSchema, effect: "read", idempotent: true, needs: [{ kind: "state" }],
  };
  return { descriptor, run: (call, args) => counted(name, call, () => run(call, checked(args, properties))) };
}

function checked(args, properties) {
  for (const name of Object.keys(properties)) {
    if (typeof args[name] !== "string") {
      throw new ToolFailed("invalid_arguments", `\`${name}\` has to be a text`);
    }
  }
  return args;
}

/** Counts how often a tool is used, where the operator granted state; goes on where not. */
async function counted(name, call, run) {
  const output = await run();
  try {
    for (let tries = 0; tries < 3; tries++) {
      const before = await call.stateGet(`uses/${name}`);
      const next = String(Number(before ?? 0) + 1);
      if (await call.stateCas(`uses/${name}`, before, next)) break;
    }
  } catch (error) {
    call.log(`not counted: ${error.message}`, "debug");
  }
  return output;
}

const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

const countWords = tool(
  "count_words",
  "Counts lines, words and characters of a text, and how often each word occurs.",
  { text: text("The text.") },
  async (call, { text }) => {
    const counts = new Map();
    for (const word of words(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
    const most = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 10);
    call.log(`counted ${counts.size} different words`);
    const value = {
      lines: text === "" ? 0 : text.split("\n").length,
      words: words(text).length,
      characters: [...text].length,
      most: most.map(([word, times]) => ({ word, times })),
    };
    return { kind: "json", value };
  },
);

const sortLines = tool(
  "sort_lines",
  "Sorts the lines of a text and leaves repeated ones out.",
  { text: text("The text.") },
  async (call, { text }) => {
    const lines = [...new Set(text.split("\n"))].sort();
    return { kind: "text", text: lines.join("\n") };
  },
);

const compareTexts = tool(
  "compare_texts",
  "Says which lines only one of two texts has.",
  { first: text("The first text."), second: text("The second text.") },
  async (call, { first, second }) => {
    const sides = [first, second].map((text) => new Set(text.split("\n")));
    const only = ([a, b]) => [...a].filter((line) => !b.has(line));
    call.progress(1, 2, "comparing");
    const value = { only_first: only(sides), only_second: only([sides[1], sides[0]]) };
    call.progress(2, 2);
    return { kind: "json", value };
  },
);

/** Layout 1 kept the counts below `used/`. */
function migrate(layout, entries) {
  if (layout !== 1) throw new Error(`this version knows nothing of layout ${layout}`);
  return new Map([...entries].map(([key, value]) => [key.replace(/^used\//, "uses/"), value]));
}

main([compareTexts, countWords, sortLines], migrate);
