"""The ``llm`` program, whose agents talk to a loopback model."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner
from llm.cli import cli

import signedin
from signedin.loopback import LoopbackModel
from support.agents import program, versions

PROGRAM = Path(sys.executable).with_name("llm")
SECONDS = 90
BINARIES = {"gemini": "gemini", "acp:opencode": "opencode"}
"""Providers whose program no package brings, by its name in scripts/agents.toml."""


class LLM:
    """The program with a folder of its own, and a model behind one of its providers.

    Attributes:
        model: The model behind the provider.
        name: The name of the provider as a model of llm.
        env: The environment of the program.
        cwd: Where it runs.
    """

    def __init__(self, model: LoopbackModel, provider: str, folder: Path) -> None:
        self.model = model
        self.name = f"signedin/{provider}"
        self.cwd = folder / "work"
        self.cwd.mkdir()
        changes = {**model.variables(provider), "LLM_USER_PATH": str(folder / "llm")}
        if agent := BINARIES.get(provider):
            binary = program(agent, versions(agent)[0])
            changes[f"SIGNEDIN_{agent.upper()}_BINARY"] = str(binary)
        self.env = {name: text for name, text in (os.environ | changes).items() if text is not None}

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Starts the installed program in pipes, to be ended by the caller."""
        return subprocess.Popen(
            [PROGRAM, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.cwd,
            env=self.env,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Runs the command in this process: exit code, standard output, standard error.

        The program takes more than a second to import itself.
        """
        with chdir(self.cwd), patch.dict(os.environ, self.env, clear=True), _agents_end():
            done = CliRunner(catch_exceptions=False).invoke(cli, arguments)
        return done.exit_code, done.stdout, done.stderr

    def answer(self, *arguments: str) -> str:
        """What the program prints of a prompt that is answered."""
        code, out, err = self.run(*arguments)
        assert (code, err) == (0, ""), err
        return out

    def logs(self) -> list[dict[str, Any]]:
        """What the program has logged, the oldest first."""
        return json.loads(self.answer("logs", "-n", "0", "--json"))


@contextmanager
def _agents_end() -> Iterator[None]:
    """Ends the agents that a command has started, as the end of its process would."""
    new_client = signedin.Client
    with ExitStack() as clients:

        def entered(*args: object, **keywords: object) -> signedin.Client:
            return clients.enter_context(new_client(*args, **keywords))

        with patch.object(signedin, "Client", entered):
            yield
