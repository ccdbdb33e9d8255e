"""What a process has inherited, and its agent must not: each kind, each way to drive an agent."""

import os
import re
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from signedin import Client, InvalidOptionError
from signedin.loopback import Shell, ToolCall
from support.programs import ended, program
from support.rows import Row
from support.stage import Stage

TURN = """
import os, signal
from signedin import tool

for name in arguments["signals"]:
    signal.signal(signal.Signals[name], signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.Signals[name] for name in arguments["signals"]])
if folder := arguments["gone"]:
    os.mkdir(folder)
    os.chdir(folder)
    os.rmdir(folder)

@tool
def look() -> str:
    "Looks around."
    return "There is a tree."

with Client(arguments["provider"], **arguments["keywords"]) as client:
    able = client.capabilities
    asked = {"permissions": "full-access"} if able.workspace else {}
    result = client.run("go", **asked, tools=[look] if able.tools else [], timeout=60)
print(json.dumps([result.text, [e.text for e in result.events if e.kind == "warning"]]))
"""
"""One turn, with a standard input that nobody closes."""

SEEN = r"""
import os, re, signal
from pathlib import Path

status = Path("/proc/self/status").read_text()
masks = re.findall(r"^Sig(?:Blk|Ign):\s*(\w+)", status, re.MULTILINE)
left = {number for mask in masks for number in range(1, 32) if int(mask, 16) >> (number - 1) & 1}
git = [name for name in ("GIT_DIR", "GIT_INDEX_FILE") if name in os.environ]
names = {signal.Signals(number).name for number in left}
own = {"SIGPIPE", "SIGXFSZ"}  # Python ignores these
print(sorted(names - own), git, os.environ.get("ODD"), os.getcwd())
raise SystemExit(3)
"""
"""What the agent's commands see of it."""

SIGNALS = ("SIGINT", "SIGCHLD", "SIGTERM", "SIGHUP", "SIGQUIT")
KINDS = ("signals", "hook", "proxy", "gone", "bytes")


class Proxy(threading.Thread):
    """A proxy that reaches the model, through which some agents ask it, and nothing else.

    Attributes:
        url: Its address.
        refused: The first lines of what it was asked for beside that.
    """

    def __init__(self, model: int) -> None:
        super().__init__(daemon=True)
        self._model = model
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.refused: list[str] = []

    def run(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._listener.accept()[:1]).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = client.recv(1 << 16)
            line = head.partition(b"\r\n")[0].decode()
            if f":{self._model}" not in line:
                self.refused.append(line)
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._model)) as model:
                if line.startswith("CONNECT"):
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    model.sendall(re.sub(rb" http://[^/]+", b" ", head, count=1))
                back = threading.Thread(target=_pass_on, args=(model, client))
                back.start()
                _pass_on(client, model)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(stage: Stage) -> Iterator[Proxy]:
    proxy = Proxy(urlsplit(stage.model.url).port)
    proxy.start()
    yield proxy
    proxy.close()


def variables(kind: str, folder: Path, proxy: Proxy) -> dict[str, str]:
    """What the environment of the program has more than ours."""
    of_hook = {"GIT_DIR": str(folder), "GIT_INDEX_FILE": str(folder / "index"), "GIT_PREFIX": ""}
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    of_company = {spelled: proxy.url for name in names for spelled in (name, name.lower())}
    return {
        "hook": of_hook,
        "proxy": {**of_company, "no_proxy": "example.org"},
        "gone": {"PYDANTIC_DISABLE_PLUGINS": "__all__"},  # that of logfire asks where it is
        "bytes": {"ODD": os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff"): "1", "A.B C": "1"},
    }.get(kind, {})


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IS_SANDBOX", "1")  # lets Claude Code have full access as root
        for name, value in more.items():
            patch.setenv(name, value)
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_is_as_ever(
    kind: str,
    row: Row,
    keywords: dict[str, object],
    client: Client,
    stage: Stage,
    proxy: Proxy,
    work: Path,
    tmp_path: Path,
) -> None:
    able = client.capabilities
    (work / "seen.py").write_text(SEEN)
    calls = [Shell(f"{sys.executable} seen.py")] if able.workspace else []
    calls += [ToolCall("look", {})] if able.tools else []
    stage.play(*calls, "Done.")
    env = {name: value for name, value in keywords["env"].items() if "proxy" not in name.lower()}
    own = {"signals": SIGNALS if kind == "signals" else (), "gone": ""}
    if kind == "gone":
        own["gone"] = str(tmp_path / "gone")
    with (
        environment(variables(kind, tmp_path, proxy)),
        program(TURN, provider=row.provider, keywords={**keywords, "env": env}, **own) as running,
    ):
        said = ended(running)
    assert said == '["Done.", []]\n'
    outputs = [output.text for output in stage.requests[-1].tool_outputs]
    if able.workspace:
        odd = "caf\ufffd" if kind == "bytes" else None
        assert f"[] [] {odd} {work}" in outputs[0]
    if able.tools:
        assert "There is a tree." in outputs[-1]
    assert [line for line in proxy.refused if "127.0.0.1" in line or "localhost" in line] == []


def test_a_folder_whose_name_is_not_text_is_refused(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    with pytest.raises(InvalidOptionError, match="cwd"):
        client.run("go", cwd=folder)
