"""The jobs, done by hand: JSON-RPC over the pipes of a Codex app-server, blocking."""

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from stopwatch import Stopwatch, chosen, only, serve

AT_ONCE = 16
DELTA = "item/agentMessage/delta"

Message = dict[str, Any]


class AppServer:
    """The least that a turn takes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self._output = process.stdout
        self._ids = itertools.count(1)

    def send(self, method: str, params: Message) -> int:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        self._input.write(json.dumps(message).encode() + b"\n")
        self._input.flush()
        return number

    def next_message(self) -> Message:
        return json.loads(self._output.readline())

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        while not wanted(message := self.next_message()):
            pass
        return message

    def call(self, method: str, params: Message) -> Message:
        number = self.send(method, params)
        return self.until(lambda message: message.get("id") == number)["result"]

    def new_thread(self) -> str:
        return self.call("thread/start", thread_params())["thread"]["id"]

    def send_prompt(self, thread: str, prompt: str) -> None:
        self.send("turn/start", turn_params(thread, prompt))

    def turn(self, thread: str, prompt: str) -> str:
        """Runs a turn; returns its last message."""
        self.send_prompt(thread, prompt)
        text = ""
        while (message := self.next_message()).get("method") != "turn/completed":
            if message.get("method") == "item/completed":
                text = message["params"]["item"].get("text", text)
        return text


def thread_params() -> Message:
    return {"cwd": os.getcwd(), "sandbox": "read-only", "approvalPolicy": "on-request"}  # noqa: PTH109


def turn_params(thread: str, prompt: str) -> Message:
    return {"threadId": thread, "input": [{"type": "text", "text": prompt}], "effort": "low"}


@contextmanager
def app_server() -> Generator[AppServer, None, None]:
    command = [os.environ["SIGNEDIN_CODEX_BINARY"], "app-server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        server = AppServer(process)
        server.call(
            "initialize",
            {
                "clientInfo": {"name": "raw", "title": "raw", "version": "1"},
                "capabilities": {"experimentalApi": True},
            },
        )
        yield server


def turn() -> None:
    with app_server() as server:
        thread = server.new_thread()

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return server.turn(thread, prompt)

        serve(job)


def new_thread() -> None:
    with app_server() as server:

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return server.turn(server.new_thread(), prompt)

        serve(job)


def stream() -> None:
    with app_server() as server:

        def job(prompt: str, watch: Stopwatch) -> str:
            text = ""
            thread = server.new_thread()
            with watch:
                server.send_prompt(thread, prompt)
                while (method := (message := server.next_message()).get("method")) != DONE:
                    if method == DELTA:
                        text += message["params"]["delta"]
            return text

        serve(job)


def many() -> None:
    with app_server() as server:

        def job(prompt: str, watch: Stopwatch) -> str:
            texts: list[str] = []
            with watch:
                starting = {server.send("thread/start", thread_params()) for _ in range(AT_ONCE)}
                running = AT_ONCE
                while running:
                    message = server.next_message()
                    if message.get("id") in starting and "result" in message:
                        server.send_prompt(message["result"]["thread"]["id"], prompt)
                    elif message.get("method") == "turn/completed":
                        running -= 1
                    elif message.get("method") == "item/completed":
                        item = message["params"]["item"]
                        texts += [item["text"]] if item["type"] == "agentMessage" else []
            return only(texts)

        serve(job)


DONE = "turn/completed"
JOBS = {"turn": turn, "new-thread": new_thread, "stream": stream, "many": many}

if __name__ == "__main__":
    chosen(JOBS)()
