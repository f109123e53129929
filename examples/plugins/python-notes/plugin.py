"""python-notes: a keyway plugin with the Python standard library and nothing else.

It follows docs/wire-protocol.md. The first half is the protocol, the second half is the plugin.
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import socket
import sys
import threading
import time

# --- the protocol -------------------------------------------------------------------------------

FRAME_MAX = 4 * 1024 * 1024
DEPTH_MAX = 64


class Broken(Exception):
    """The host broke the protocol, or went away. The plugin ends."""


class Refused(Exception):
    """The hello does not fit. `code` is one of the protocol's."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class ToolFailed(Exception):
    """A tool's failure, for the model that called it."""

    def __init__(self, kind, message, case=None):
        super().__init__(message)
        self.data = {"kind": kind, "message": message}
        if case:
            self.data["case"] = case


class EffectFailed(Exception):
    """The host refused or failed. `data` is the whole error, denial included."""

    def __init__(self, error):
        super().__init__(error.get("message", ""))
        self.data = error.get("data") or {"kind": "internal", "message": str(self)}


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(data) != 32 or b64url(data) != text:
        raise Broken("a nonce or a code is base64url of 32 bytes")
    return data


def depth_of(line):
    depth = deepest = 0
    in_string = escaped = False
    for byte in line:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


class Channel:
    """Lines over the socket on descriptor 3."""

    def __init__(self, number, limit=FRAME_MAX):
        os.set_inheritable(number, False)
        self.socket = socket.socket(fileno=number)
        self.limit = limit
        self.buffer = bytearray()
        self.sending = threading.Lock()

    def line(self):
        """Returns the next line without its line feed."""
        searched = 0
        while True:
            end = self.buffer.find(b"\n", searched)
            if (end if end >= 0 else len(self.buffer)) > self.limit:
                raise Broken("a message is too long")
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[: end + 1]
                return line
            searched = len(self.buffer)
            piece = self.socket.recv(65536)
            if not piece:
                raise Broken("the host closed the channel")
            self.buffer += piece

    def message(self):
        return parse(self.line())

    def send_line(self, line):
        with self.sending:
            self.socket.sendall(line + b"\n")

    def send(self, message):
        self.send_line(encode(message))


def encode(message):
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def parse(line):
    if depth_of(line) > DEPTH_MAX:
        raise Broken("a message is nested too deeply")
    try:
        message = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise Broken(f"a message is not JSON: {error}") from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Broken("a message is no JSON-RPC 2.0")
    return message


def version(text):
    return tuple(int(part) for part in text.split("-")[0].split("."))


def shake_hands(channel, secret, manifest, api_from, api_below):
    """The four lines that open the channel. Returns the limits that the host set."""
    line1 = channel.line()
    hello = parse(line1)
    if hello.get("method") != "keyway/hello" or hello.get("id") != 1:
        raise Broken("the first line is no hello")
    params = hello["params"]
    try:
        apis = [a for a in params["api"] if version(api_from) <= version(a) < version(api_below)]
        plugin = params["plugin"]
        if 1 not in params["ipc"]:
            raise Refused("ipc_version", "this plugin speaks keyway-ipc 1")
        if (plugin["id"], plugin["version"]) != (manifest["name"], manifest["version"]):
            raise Refused("identity_mismatch", f"this is {manifest['name']} {manifest['version']}")
        if "hmac-sha256" not in params["auth"]:
            raise Refused("handshake_downgrade", "this plugin proves itself by hmac-sha256")
        if not apis:
            raise Refused("api_version", f"needs plugin API >={api_from}, <{api_below}")
    except Refused as refused:
        error = {"code": -32000, "message": str(refused), "data": {"code": refused.code}}
        channel.send({"jsonrpc": "2.0", "id": 1, "error": error})
        raise
    nonce_host, nonce_plugin = unb64url(params["nonce"]), os.urandom(32)
    line2 = encode({"jsonrpc": "2.0", "id": 1, "result": {
        "ipc": 1, "api": max(apis, key=version), "api_built": api_from, "features": [],
        "plugin": {"id": manifest["name"], "version": manifest["version"]},
        "sdk": "plain python", "auth": "hmac-sha256", "nonce": b64url(nonce_plugin)}})
    transcript = hashlib.sha256(b"keyway-ipc/1\0" + line1 + b"\n" + line2).digest()
    prk = hmac.digest(nonce_host + nonce_plugin, secret, "sha256")

    def code(info):
        key = hmac.digest(prk, info + b"\x01", "sha256")
        return hmac.digest(key, transcript, "sha256")

    channel.send_line(line2)
    channel.send({"jsonrpc": "2.0", "method": "keyway/prove",
                  "params": {"mac": b64url(code(b"plugin"))}})
    ready = channel.message()
    if ready.get("method") != "keyway/ready" or "id" in ready:
        raise Broken("the host did not prove itself")
    if not hmac.compare_digest(unb64url(ready["params"]["mac"]), code(b"host")):
        raise Broken("the host does not hold the secret of this start")
    return params["limits"]


class Call:
    """One call of a tool: what it may ask the host for, and whether anybody still waits."""

    def __init__(self, plugin, meta):
        self.plugin = plugin
        self.settings = plugin.settings
        self.number = meta["call"]
        self.caller = meta.get("caller", "")
        self.deadline_ms = meta.get("deadline_ms")
        self.cancelled = threading.Event()

    def ask(self, method, **params):
        """Sends a request to the host and waits for its result."""
        if self.cancelled.is_set():
            raise ToolFailed("cancelled", "nobody waits for this call")
        return self.plugin.ask(method, {"call": self.number, **params}, self.deadline_ms)

    def say(self, method, **params):
        """Sends a notification."""
        self.plugin.channel.send({"jsonrpc": "2.0", "method": method,
                                  "params": {"call": self.number, **params}})

    def log(self, message, level="info"):
        self.say("host/log", level=level, message=message)

    def progress(self, done, total=None, message=None):
        self.say("host/progress", done=done, total=total, message=message)

    def state_get(self, key):
        value = self.ask("host/state.get", key=key)["value"]
        return None if value is None else base64.b64decode(value)

    def state_put(self, key, value):
        self.ask("host/state.put", key=key, value=base64.b64encode(value).decode())

    def state_delete(self, key):
        self.ask("host/state.delete", key=key)

    def state_list(self, prefix):
        return self.ask("host/state.list", prefix=prefix)["keys"]


class Plugin:
    """The tools behind one channel. The main thread reads; each call has a thread of its own."""

    def __init__(self, channel, tools, limits, migrate=None):
        self.channel, self.tools, self.inflight = channel, tools, limits["inflight"]
        self.migrate = migrate
        self.settings = {}  # what the operator set
        self.lock = threading.Lock()
        self.calls = {}  # request id -> (Call, time it began)
        self.unanswered = 0  # calls that run, or have run and have no answer yet
        self.waiting = {}  # our request id -> queue for its answer
        self.last = 0
        self.turns = threading.BoundedSemaphore(self.inflight)
        self.draining = None  # id of the drain request

    def serve(self):
        """Reads until the host says shutdown or goes away."""
        while True:
            message = self.channel.message()
            if "method" not in message:
                self.answered(message)
            elif "id" not in message:
                self.notified(message)
            elif message["method"] == "keyway/shutdown":
                self.answer(message["id"], {})
                return
            else:
                self.requested(message["id"], message["method"], message.get("params", {}))

    def answered(self, message):
        with self.lock:
            waiting = self.waiting.pop(message.get("id"), None)
        if waiting is None or ("result" in message) == ("error" in message):
            raise Broken("the host answered what nobody asked")
        waiting.put(message)

    def notified(self, message):
        if message["method"] == "keyway/ready":
            raise Broken("a second ready")
        if message["method"] == "notifications/cancelled":
            number = message["params"].get("call")
            with self.lock:
                calls = [call for call, _ in self.calls.values() if call.number == number]
            for call in calls:
                call.cancelled.set()

    def requested(self, id, method, params):
        if not isinstance(id, int) or id < 1:
            raise Broken("the host numbers its requests 1, 2, 3, …")
        if method == "keyway/hello":
            raise Broken("a second hello")
        if method == "keyway/ping":
            now = time.monotonic()
            with self.lock:
                ages = [now - since for _, since in self.calls.values()]
            oldest = int(1000 * max(ages, default=0))
            self.answer(id, {"inflight": len(ages), "oldest_ms": oldest})
        elif method == "keyway/register":
            self.settings = params.get("settings", {})
            tools = [tool.descriptor for tool in self.tools.values()]
            self.answer(id, {"tools": tools, "hooks": []})
        elif method == "keyway/start":
            self.answer(id, {})
        elif method == "keyway/migrate":
            # Not here: pings are answered meanwhile.
            threading.Thread(target=self.migrated, args=(id, params), daemon=True).start()
        elif method == "keyway/drain":
            with self.lock:
                self.draining = id
                idle = self.unanswered == 0
            if idle:
                self.answer(id, {})
        elif method == "tools/call":
            self.call(id, params)
        else:
            self.refuse(id, -32601, "unknown_method", f"there is no method {method[:64]!r}")

    def migrated(self, id, params):
        """Has the plugin bring its state to the layout of its manifest; its failure is the start's."""
        try:
            entries = params["entries"]
            if self.migrate:
                old = {key: base64.b64decode(value) for key, value in entries}
                new = self.migrate(params["from"], old)
                entries = [[key, base64.b64encode(new[key]).decode()] for key in sorted(new)]
            self.answer(id, {"entries": entries})
        except OSError:
            pass  # the host is gone; the reader notices
        except BaseException as error:  # the plugin's own fault, and nobody else's
            reason = f"{type(error).__name__}: {error}"
            error = {"code": -32000, "message": reason, "data": {"reason": reason}}
            self.channel.send({"jsonrpc": "2.0", "id": id, "error": error})

    def call(self, id, params):
        call = Call(self, params["_meta"]["dev.keyway/call"])
        tool = self.tools.get(params["name"])
        with self.lock:
            busy, draining = len(self.calls) >= self.inflight, self.draining is not None
            starts = tool is not None and not busy and not draining
            if starts:
                self.unanswered += 1
                self.calls[id] = (call, time.monotonic())
        if draining:
            self.refuse(id, -32600, "draining", "this plugin is about to stop")
        elif busy:
            self.refuse(id, -32600, "overloaded", f"{self.inflight} calls are under way")
        elif tool is None:
            self.fail(id, ToolFailed("not_found", "this plugin has no such tool").data)
        else:
            arguments = params.get("arguments", {})
            threading.Thread(target=self.run, args=(id, call, tool, arguments), daemon=True).start()

    def run(self, id, call, tool, arguments):
        line = failure = None
        try:
            output = tool(call, arguments)
            if not isinstance(output, dict) or "kind" not in output:
                raise TypeError('a tool returns {"kind": "text", "text": "…"} or another kind')
            line = encode({"jsonrpc": "2.0", "id": id, "result": {"output": output}})
        except (ToolFailed, EffectFailed) as failed:
            failure = failed.data
        except BaseException as error:  # the tool's own fault, and nobody else's
            failure = {"kind": "internal", "message": f"{type(error).__name__}: {error}"}
        with self.lock:
            # Before the answer: a host that has it may send the next call at once.
            del self.calls[id]
        try:
            self.fail(id, failure) if failure else self.answer_line(id, line)
            with self.lock:
                self.unanswered -= 1
                drained = None if self.unanswered else self.draining
            if drained is not None:
                self.answer(drained, {})
        except OSError:
            pass  # the host is gone; the reader notices

    def ask(self, method, params, deadline_ms):
        with self.turns:
            answer = queue.Queue(1)
            with self.lock:
                self.last += 1
                id = f"p{self.last}"
                self.waiting[id] = answer
            self.channel.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            left = None if deadline_ms is None else max(0, deadline_ms / 1000 - time.time())
            try:
                message = answer.get(timeout=left)
            except queue.Empty:
                # Its number stays taken until the host has answered.
                raise ToolFailed("deadline_exceeded", "the call's time was up") from None
        if "error" in message:
            raise EffectFailed(message["error"])
        return message["result"]

    def answer(self, id, result):
        self.answer_line(id, encode({"jsonrpc": "2.0", "id": id, "result": result}))

    def answer_line(self, id, line):
        if len(line) > self.channel.limit or depth_of(line) > DEPTH_MAX:
            return self.refuse(id, -32600, "frame_too_large", "the answer is too large")
        return self.channel.send_line(line)

    def refuse(self, id, number, code, message):
        error = {"code": number, "message": message, "data": {"code": code}}
        self.channel.send({"jsonrpc": "2.0", "id": id, "error": error})

    def fail(self, id, data):
        error = {"code": -32000, "message": data.get("message", ""), "data": data}
        self.channel.send({"jsonrpc": "2.0", "id": id, "error": error})


def tool(description, properties, required, effect, **more):
    """Makes a function a tool; its name is the function's."""

    def wrap(function):
        function.descriptor = {
            "name": function.__name__, "description": description, "effect": effect,
            "inputSchema": {"type": "object", "properties": properties, "required": required,
                            "additionalProperties": False}, **more}
        return function

    return wrap


def text_of(arguments, name):
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ToolFailed("invalid_arguments", f"`{name}` has to be a text that is not empty")
    return value.strip()


def main(tools, migrate=None):
    """Serves the tools until the host says stop.

    `migrate(layout, entries)` gets the state of an older layout (`state.version` of the manifest), bytes
    by key, and returns what is to be there instead. Without it the state stays as it is.
    """
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugin.json"), "rb") as f:
        manifest = json.load(f)
    if not os.environ.get("KEYWAY_CHANNEL", "").startswith("fd:"):
        print(f"{manifest['name']} {manifest['version']} is a keyway plugin. A keyway host starts "
              "it.\nTo install it: keyway plugin install FOLDER", file=sys.stderr)
        return 2
    number, pipe = int(os.environ["KEYWAY_CHANNEL"][3:]), int(os.environ["KEYWAY_SECRET_FD"])
    channel = Channel(number)
    with os.fdopen(pipe, "rb") as secret:
        secret = secret.read()
    try:
        limits = shake_hands(channel, secret, manifest, "0.1.0", "0.2.0")
        channel.limit = limits["frame"]
        Plugin(channel, {tool.__name__: tool for tool in tools}, limits, migrate).serve()
    except (Broken, Refused, OSError, KeyError, TypeError) as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return 1
    return 0


# --- the plugin ---------------------------------------------------------------------------------

NAME = {"type": "string", "description": "The note's name."}
STATE = {"needs": [{"kind": "state"}]}
NO_SUCH_NOTE = {"name": "no_such_note", "kind": "not_found", "retryable": False,
                "doc": "No note has this name."}


@tool("Stores a short note under a name. A note of the same name is replaced.",
      {"name": NAME, "text": {"type": "string", "description": "What to remember."}},
      ["name", "text"], "write", idempotent=True, **STATE)
def add_note(call, arguments):
    name, text = text_of(arguments, "name"), text_of(arguments, "text")
    call.state_put("notes/" + name, text.encode())
    call.log(f"stored a note of {len(text)} characters")
    return {"kind": "text", "text": f"stored `{name}`"}


@tool("Finds the notes that hold some words, in any case. Without words: all notes.",
      {"words": {"type": "string", "description": "What to look for.", "default": ""}},
      [], "read", idempotent=True, **STATE)
def find_notes(call, arguments):
    words = str(arguments.get("words", "")).lower()
    keys = call.state_list("notes/")
    found = []
    for done, key in enumerate(keys, 1):
        text = (call.state_get(key) or b"").decode()
        name = key[len("notes/"):]
        if words in text.lower() or words in name.lower():
            found.append({"name": name, "text": text})
        call.progress(done, len(keys), "searching")
    return {"kind": "json", "value": {"notes": found}}


@tool("Removes a note for good.", {"name": NAME}, ["name"], "destructive",
      errors=[NO_SUCH_NOTE], **STATE)
def remove_note(call, arguments):
    name = text_of(arguments, "name")
    if call.state_get("notes/" + name) is None:
        raise ToolFailed("not_found", f"there is no note `{name}`", case="no_such_note")
    call.state_delete("notes/" + name)
    return {"kind": "empty"}


def migrate(layout, entries):
    """Layout 1 kept the notes below `note/`."""
    if layout != 1:
        raise ValueError(f"this version knows nothing of layout {layout}")
    return {key.replace("note/", "notes/", 1): value for key, value in entries.items()}


if __name__ == "__main__":
    sys.exit(main([add_note, find_notes, remove_note], migrate))
