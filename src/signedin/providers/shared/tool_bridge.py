"""Passes the MCP messages of an agent on to the tool server of its client.

A program of its own, for agents that ask a proxy for everything, this machine included. Started
with Python's own library only: it is there in a moment.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request

URL = "SIGNEDIN_TOOLS_URL"
TOKEN = "SIGNEDIN_TOOLS_TOKEN"  # noqa: S105 - the name of a variable

_writing = threading.Lock()


def main() -> None:
    """Passes on each line of standard input, side by side, until it ends."""
    for line in sys.stdin.buffer:
        threading.Thread(target=_pass_on, args=(line,), daemon=True).start()


def _pass_on(line: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {os.environ[TOKEN]}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(os.environ[URL], line, headers)  # noqa: S310 - our own server
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
            answer = response.read().strip()
    except OSError as error:
        failure = {"code": -32603, "message": f"the tools cannot be reached: {error}"}
        asked = json.loads(line)
        answer = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "error": failure}).encode()
        if "id" not in asked:
            return
    if answer:
        with _writing:
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
