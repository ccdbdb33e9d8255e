"""The jobs, done by hand: lines of JSON over the pipes of a Claude Code process, blocking."""

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from stopwatch import Stopwatch, chosen, serve

FLAGS = (
    "--print",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--include-partial-messages",
    "--verbose",
    "--permission-prompt-tool=stdio",
    "--permission-mode=default",
    "--setting-sources=",
    "--strict-mcp-config",
    "--model=opus",
    "--effort=low",
)
"""The same as signedin's, so that both have the same work done."""

Message = dict[str, Any]


class Claude:
    """The least that a turn takes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self._output = process.stdout

    def send(self, message: Message) -> None:
        self._input.write(json.dumps(message).encode() + b"\n")
        self._input.flush()

    def next_message(self) -> Message:
        return json.loads(self._output.readline())

    def initialize(self) -> None:
        request = {"subtype": "initialize"}
        self.send({"type": "control_request", "request_id": "1", "request": request})
        while self.next_message()["type"] != "control_response":
            pass

    def send_prompt(self, prompt: str) -> None:
        message = {"role": "user", "content": prompt}
        self.send({"type": "user", "message": message, "parent_tool_use_id": None})

    def turn(self, prompt: str) -> str:
        """Runs a turn; returns its result."""
        self.send_prompt(prompt)
        while (message := self.next_message())["type"] != "result":
            pass
        return message["result"]

    def until_idle(self) -> None:
        """Reads what comes after a result."""
        while self.next_message().get("state") != "idle":
            pass

    def clear(self) -> None:
        """Begins another conversation."""
        self.send_prompt("/clear")
        self.until_idle()


@contextmanager
def claude() -> Generator[Claude, None, None]:
    with subprocess.Popen(
        [os.environ["SIGNEDIN_CLAUDE_BINARY"], *FLAGS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1"},
    ) as process:
        agent = Claude(process)
        agent.initialize()
        yield agent


def turn() -> None:
    with claude() as agent:

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                answer = agent.turn(prompt)
            agent.until_idle()
            return answer

        serve(job)


def turn_again() -> None:
    """A new conversation right after another."""
    with claude() as agent:

        def job(prompt: str, watch: Stopwatch) -> str:
            agent.turn(prompt)
            agent.until_idle()
            with watch:
                agent.clear()
                answer = agent.turn(prompt)
            agent.until_idle()
            agent.clear()
            return answer

        serve(job)


def stream() -> None:
    with claude() as agent:

        def job(prompt: str, watch: Stopwatch) -> str:
            text = ""
            with watch:
                agent.send_prompt(prompt)
                while (message := agent.next_message())["type"] != "result":
                    if message["type"] == "stream_event":
                        text += message["event"].get("delta", {}).get("text", "")
            agent.until_idle()
            agent.clear()
            return text

        serve(job)


JOBS = {"turn": turn, "turn-again": turn_again, "stream": stream}

if __name__ == "__main__":
    chosen(JOBS)()
