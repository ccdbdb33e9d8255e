"""The jobs, done by hand: JSON-RPC over the pipes of `gemini --acp`, blocking."""

import itertools
import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from stopwatch import Stopwatch, chosen, serve

Message = dict[str, Any]


class Gemini:
    """The least that a turn takes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self._output = process.stdout
        self._ids = itertools.count(1)

    def call(self, method: str, params: Message) -> tuple[Message, str]:
        """Calls; returns the result, and the text that came before it."""
        number = next(self._ids)
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._input.write(json.dumps(message).encode() + b"\n")
        self._input.flush()
        text = ""
        while (message := json.loads(self._output.readline())).get("id") != number:
            update = message["params"]["update"]
            if update["sessionUpdate"] == "agent_message_chunk":
                text += update["content"]["text"]
        return message["result"], text

    def new_session(self) -> str:
        params = {"cwd": os.getcwd(), "mcpServers": []}  # noqa: PTH109
        return self.call("session/new", params)[0]["sessionId"]

    def turn(self, session: str, prompt: str) -> str:
        """Runs a turn; returns its answer."""
        blocks = [{"type": "text", "text": prompt}]
        return self.call("session/prompt", {"sessionId": session, "prompt": blocks})[1]


@contextmanager
def gemini() -> Generator[Gemini, None, None]:
    with subprocess.Popen(
        [os.environ["SIGNEDIN_GEMINI_BINARY"], "--acp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "GEMINI_CLI_NO_RELAUNCH": "true"},
    ) as process:
        agent = Gemini(process)
        agent.call("initialize", {"protocolVersion": 1, "clientCapabilities": {}})
        yield agent


def turn() -> None:
    with gemini() as agent:
        session = agent.new_session()

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return agent.turn(session, prompt)

        serve(job)


def new_session() -> None:
    with gemini() as agent:

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return agent.turn(agent.new_session(), prompt)

        serve(job)


if __name__ == "__main__":
    chosen({"turn": turn, "new-session": new_session})()
